//! The thread that plays a recording: paces events by the clock, and obeys the transport keys.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError};

use super::seek::Seeker;
use super::session::Shared;
use super::words;
use crate::clock::Clock;
use crate::ui::{Action, Transport};

/// Slowest and fastest play, as a factor of real time.
pub(super) const SPEEDS: std::ops::RangeInclusive<f64> = 0.25..=64.0;
/// Time between looks at the clock while playing, and between snapshots.
const FRAME: Duration = Duration::from_millis(50);

/// A time between two looks at the clock counts up to this, nanoseconds: in a longer one the process was stopped
/// (Ctrl-Z), and nobody looked on.
const LONGEST_NS: u64 = 1_000_000_000;

/// By how much a time that went by moves the head.
fn played_ns(passed_ns: u64, speed: f64) -> u64 {
    (passed_ns.min(LONGEST_NS) as f64 * speed) as u64
}

/// The player, on its own thread.
pub(super) struct Player {
    seeker: Seeker,
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
    pub(super) fn new(seeker: Seeker, clock: Clock, commands: Receiver<Action>, shared: Arc<Shared>) -> Self {
        Self { seeker, clock, commands, shared, head_ns: 0, moved_ns: 0, playing: true, speed: 1.0 }
    }

    /// Sets the speed at the start.
    pub(super) fn set_speed(&mut self, speed: f64) {
        if speed.is_finite() {
            self.speed = speed.clamp(*SPEEDS.start(), *SPEEDS.end());
        }
    }

    /// Waits for where it is sent to, instead of playing.
    pub(super) fn hold(&mut self) {
        self.playing = false;
    }

    /// Plays until somebody quits.
    pub(super) fn run(mut self) {
        self.seek(self.seeker.start_ns());
        self.moved_ns = self.clock.now_ns();
        loop {
            let caught_up = self.seeker.advance(self.head_ns);
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
                if !self.playing && self.head_ns >= self.seeker.length_ns() {
                    self.seek(self.seeker.start_ns());
                }
                self.playing = !self.playing;
            }
            Action::Speed(speed) => self.set_speed(speed),
            Action::Seek(at_ns) => self.seek_within(at_ns),
            Action::SeekBy(by_ns) => {
                if by_ns < 0 && self.head_ns == 0 {
                    self.shared.tell("the head is at the beginning".into());
                }
                self.seek_within(self.head_ns.saturating_add_signed(by_ns));
            }
            Action::Step(_) | Action::Jump(_) | Action::Outlier(_) | Action::ToSlowest => self.go(action),
            // They change a load, and a replay has none; or the session sees to them.
            Action::AddLoad(_)
            | Action::SetClients(_)
            | Action::SetRate(_)
            | Action::Suspend(_)
            | Action::Mark(_)
            | Action::Cancel(_)
            | Action::NextStage(_)
            | Action::Interrupted
            | Action::Export
            | Action::ExportRange(_)
            | Action::Measure(_) => {}
        }
        true
    }

    /// Goes to one of the places that the index knows, and tells what is there, or why it went nowhere.
    fn go(&mut self, action: &Action) {
        self.playing &= matches!(action, Action::Jump(_));
        let Some(places) = self.seeker.places() else {
            return self.shared.tell(words::indexing(self.seeker.indexed()));
        };
        match words::place(places, action, self.head_ns) {
            Ok((at_ns, said)) => {
                self.seek(at_ns);
                if let Some(said) = said {
                    self.shared.tell(said);
                }
            }
            Err(why) => self.shared.tell(why),
        }
    }

    /// Moves the head by the time that went by; at the end it stays there, paused.
    fn move_head(&mut self) {
        let now_ns = self.clock.now_ns();
        let passed_ns = now_ns.saturating_sub(std::mem::replace(&mut self.moved_ns, now_ns));
        if !self.playing {
            return;
        }
        self.head_ns = self.head_ns.saturating_add(played_ns(passed_ns, self.speed));
        let length_ns = self.seeker.length_ns();
        if self.head_ns >= length_ns {
            self.head_ns = length_ns;
            self.playing = false;
        }
    }

    /// Goes to a time that was asked for; to one past the end by going to the end, and telling so.
    fn seek_within(&mut self, at_ns: u64) {
        let length_ns = self.seeker.length_ns();
        if at_ns > length_ns {
            self.shared.tell(words::end(length_ns));
        }
        self.seek(at_ns);
    }

    fn seek(&mut self, at_ns: u64) {
        self.head_ns = at_ns.min(self.seeker.length_ns());
        self.seeker.seek(self.head_ns);
    }

    fn publish(&mut self) {
        self.shared.lead(self.head_ns);
        self.shared.transport.store(Arc::new(Transport {
            at_ns: self.head_ns,
            length_ns: self.seeker.length_ns(),
            playing: self.playing,
            speed: self.speed,
            indexed: self.seeker.indexed(),
        }));
        if !self.shared.frozen.load(Ordering::Relaxed) && !self.seeker.is_seeking() {
            self.shared.snapshot.store(Arc::new(self.seeker.snapshot(self.head_ns)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_went_by_while_the_process_was_stopped_is_not_played() {
        assert_eq!((played_ns(50_000_000, 4.0), played_ns(LONGEST_NS, 0.5)), (200_000_000, LONGEST_NS / 2));
        assert_eq!(played_ns(3_600_000_000_000, 1.0), LONGEST_NS, "but for a moment");
    }
}
