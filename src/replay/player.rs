//! The thread that plays a recording: paces events by the clock, and obeys the transport keys.

use std::io::Cursor;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError};

use super::expand::Expander;
use super::index::Index;
use super::new_aggregator;
use super::session::Shared;
use crate::clock::Clock;
use crate::metrics::Aggregator;
use crate::recording::{self, Reader, RecordingError};
use crate::ui::{Action, Transport};

/// Slowest and fastest play, as a factor of real time.
pub(super) const SPEEDS: std::ops::RangeInclusive<f64> = 0.25..=64.0;
/// Time between looks at the clock while playing, and between snapshots.
const FRAME: Duration = Duration::from_millis(50);
/// Events applied in a row before keys are looked after.
const BATCH: usize = 200_000;

/// Where a recording can be read from, again and again.
pub(super) enum Origin {
    File(PathBuf),
    /// What came by standard input.
    Bytes {
        name: String,
        bytes: Arc<[u8]>,
    },
}

impl Origin {
    pub(super) fn open(&self) -> Result<Reader, RecordingError> {
        match self {
            Self::File(path) => recording::open(path),
            Self::Bytes { name, bytes } => {
                recording::from_reader(Box::new(Cursor::new(Arc::clone(bytes))), name.clone())
            }
        }
    }
}

/// The player, on its own thread.
pub(super) struct Player {
    origin: Origin,
    index: Index,
    events: Expander<Reader>,
    aggregator: Aggregator,
    clock: Clock,
    commands: Receiver<Action>,
    shared: Arc<Shared>,
    /// The play head, nanoseconds since the run's start; everything up to it is applied or is being applied.
    head_ns: u64,
    /// The clock when the head was last moved by it.
    moved_ns: u64,
    playing: bool,
    speed: f64,
}

impl Player {
    pub(super) fn new(
        origin: Origin,
        reader: Reader,
        clock: Clock,
        commands: Receiver<Action>,
        shared: Arc<Shared>,
    ) -> Self {
        let aggregator = new_aggregator(reader.header());
        Self {
            origin,
            index: Index::default(),
            events: Expander::new(reader),
            aggregator,
            clock,
            commands,
            shared,
            head_ns: 0,
            moved_ns: 0,
            playing: true,
            speed: 1.0,
        }
    }

    /// Sets the speed at the start.
    pub(super) fn set_speed(&mut self, speed: f64) {
        if speed.is_finite() {
            self.speed = speed.clamp(*SPEEDS.start(), *SPEEDS.end());
        }
    }

    /// Plays until somebody quits.
    pub(super) fn run(mut self) {
        if let Ok(reader) = self.origin.open() {
            self.index = Index::of(reader);
        }
        self.head_ns = self.index.start_ns;
        self.moved_ns = self.clock.now_ns();
        loop {
            let caught_up = self.apply();
            self.publish();
            if !self.obey(caught_up) {
                break;
            }
            self.move_head();
        }
        self.shared.over.store(true, Ordering::Relaxed);
    }

    /// Waits for the next look at the clock, obeying keys meanwhile; `false` to quit.
    fn obey(&mut self, caught_up: bool) -> bool {
        let wait = if caught_up { FRAME } else { Duration::ZERO };
        match self.commands.recv_timeout(wait) {
            Ok(first) => {
                let rest: Vec<Action> = self.commands.try_iter().collect();
                std::iter::once(first).chain(rest).all(|action| self.act(&action))
            }
            Err(RecvTimeoutError::Timeout) => true,
            Err(RecvTimeoutError::Disconnected) => false,
        }
    }

    fn act(&mut self, action: &Action) -> bool {
        self.move_head();
        match *action {
            Action::Stop | Action::Abort => return false,
            Action::TogglePause => {
                if !self.playing && self.head_ns >= self.index.length_ns {
                    self.seek(self.index.start_ns);
                }
                self.playing = !self.playing;
            }
            Action::Speed(speed) => self.set_speed(speed),
            Action::Seek(at_ns) => self.seek(at_ns),
            Action::SeekBy(by_ns) => self.seek(self.head_ns.saturating_add_signed(by_ns)),
            Action::Step(forward) => {
                self.playing = false;
                if let Some(at_ns) = self.index.step(self.head_ns, forward) {
                    self.seek(at_ns);
                }
            }
            Action::Jump(forward) => {
                if let Some(at_ns) = self.index.jump(self.head_ns, forward) {
                    self.seek(at_ns);
                }
            }
            // They change a load, and a replay has none.
            Action::AddLoad(_)
            | Action::SetClients(_)
            | Action::SetRate(_)
            | Action::Mark(_)
            | Action::Export
            | Action::Interrupted => {}
        }
        true
    }

    /// Moves the head by the time that went by; at the end it stays there, paused.
    fn move_head(&mut self) {
        let now_ns = self.clock.now_ns();
        let passed_ns = now_ns.saturating_sub(std::mem::replace(&mut self.moved_ns, now_ns));
        if !self.playing {
            return;
        }
        self.head_ns = self.head_ns.saturating_add((passed_ns as f64 * self.speed) as u64);
        if self.head_ns >= self.index.length_ns {
            self.head_ns = self.index.length_ns;
            self.playing = false;
        }
    }

    /// Moves the head; backwards means to begin anew, since figures can't be taken back.
    fn seek(&mut self, at_ns: u64) {
        let at_ns = at_ns.min(self.index.length_ns);
        if at_ns < self.head_ns {
            // A file that has gone since leaves the picture as it was.
            let Ok(reader) = self.origin.open() else { return };
            self.aggregator = new_aggregator(reader.header());
            self.events = Expander::new(reader);
        }
        self.head_ns = at_ns;
    }

    /// Applies events up to the head; `false` if there are more than one batch.
    fn apply(&mut self) -> bool {
        for _ in 0..BATCH {
            match self.events.peek_ns() {
                Some(at_ns) if at_ns <= self.head_ns => {}
                _ => return true,
            }
            if let Some(event) = self.events.next() {
                self.aggregator.apply(&event);
            }
        }
        false
    }

    fn publish(&mut self) {
        self.shared.transport.store(Arc::new(Transport {
            at_ns: self.head_ns,
            length_ns: self.index.length_ns,
            playing: self.playing,
            speed: self.speed,
        }));
        if !self.shared.frozen.load(Ordering::Relaxed) {
            self.shared.snapshot.store(Arc::new(self.aggregator.snapshot(self.head_ns)));
        }
    }
}
