//! A replay as the dashboard sees it: a [`Session`] like a live run, with a transport line.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use arc_swap::ArcSwap;
use crossbeam_channel::Sender;

use super::index::Limits;
use super::origin::Origin;
use super::pair::{self, Follower};
use super::player::Player;
use super::range::{Exact, Wish, Worker};
use super::seek::Seeker;
use crate::clock::Clock;
use crate::metrics::Snapshot;
use crate::metrics::fastgen::Curve;
use crate::recording::{Header, Reader, RecordingError};
use crate::ui::{Action, Measured, Other, Recording, Session, Title, Transport};

/// Keys that may wait for the player; it looks after them many times a second.
const COMMANDS: usize = 256;

/// What the player publishes, and the dashboard reads.
pub(super) struct Shared {
    pub(super) snapshot: ArcSwap<Snapshot>,
    pub(super) transport: ArcSwap<Transport>,
    pub(super) frozen: AtomicBool,
    pub(super) over: AtomicBool,
    /// Who follows the head, and how far this one is ahead of it.
    follower: OnceLock<(Sender<Action>, i64)>,
    /// The newest word of the player to whoever pressed a key.
    said: Mutex<Option<String>>,
}

impl Shared {
    /// Has a word for the user.
    pub(super) fn tell(&self, word: String) {
        *self.said.lock().unwrap_or_else(PoisonError::into_inner) = Some(word);
    }

    /// Takes the one that follows along.
    pub(super) fn lead(&self, head_ns: u64) {
        if let Some((follower, ahead_ns)) = self.follower.get() {
            // One that is behind is told again in a moment.
            let _ = follower.try_send(Action::Seek(pair::followed_ns(head_ns, *ahead_ns)));
        }
    }
}

/// A recording being played. It stays at its end, paused, until it is told to stop; dropping it ends it too.
pub struct ReplaySession {
    shared: Arc<Shared>,
    commands: Sender<Action>,
    title: Title,
    header: Header,
    path: String,
    origin: Origin,
    worker: Option<Worker>,
    pub(super) follower: Option<Follower>,
}

impl ReplaySession {
    /// Begins to play a recording; `-` is standard input, which is then held in memory.
    ///
    /// # Errors
    /// As [`crate::recording::open`], or if the system gives no thread.
    pub fn start(path: &Path, clock: Clock, speed: f64) -> Result<Self, RecordingError> {
        Self::begin(path, clock, Some(speed))
    }

    /// Without a speed it does not play by itself.
    pub(super) fn begin(path: &Path, clock: Clock, speed: Option<f64>) -> Result<Self, RecordingError> {
        let origin = Origin::of(path)?;
        let seeker = Seeker::of(origin.clone(), Limits::default())?;
        let header = seeker.like().header().clone();
        let title = title(&header);
        let name = seeker.like().name().to_owned();
        let shared = Arc::new(Shared {
            snapshot: ArcSwap::default(),
            transport: ArcSwap::from_pointee(Transport {
                at_ns: 0,
                length_ns: 0,
                playing: speed.is_some(),
                speed: speed.unwrap_or(1.0),
                indexed: Some(0),
            }),
            frozen: AtomicBool::new(false),
            over: AtomicBool::new(false),
            follower: OnceLock::new(),
            said: Mutex::default(),
        });
        let (commands, receiver) = crossbeam_channel::bounded(COMMANDS);
        let mut player = Player::new(seeker, clock, receiver, Arc::clone(&shared));
        match speed {
            Some(speed) => player.set_speed(speed),
            None => player.hold(),
        }
        std::thread::Builder::new()
            .name("replay".into())
            .spawn(move || player.run())
            .map_err(|source| RecordingError::Read { name: name.clone(), source })?;
        Ok(Self { shared, commands, title, header, path: name, origin, worker: None, follower: None })
    }

    /// Lets a range's exact figures and the tables be made by this.
    ///
    /// # Errors
    /// If the system gives no thread.
    pub fn measure_by(&mut self, exact: Box<dyn Exact>) -> std::io::Result<()> {
        self.worker = Some(Worker::start(self.origin.clone(), exact)?);
        Ok(())
    }

    /// The recording once more, from its beginning.
    pub(super) fn reader(&self) -> Result<Reader, RecordingError> {
        self.origin.open()
    }

    pub(super) fn commands(&self) -> Sender<Action> {
        self.commands.clone()
    }

    /// Takes another player along; the first that is named.
    pub(super) fn lead(&self, follower: Sender<Action>, ahead_ns: i64) {
        let _ = self.shared.follower.set((follower, ahead_ns));
    }

    /// Line 1 of the recording.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// Lays curves behind the recording's own.
    pub fn lay_over(&mut self, curves: Vec<Curve>) {
        self.title.curves = Arc::new(curves);
    }
}

/// Names for the header line, from the recorded profile.
pub fn title(header: &Header) -> Title {
    Title { client: header.client_limits(), ..Title::of(&header.profile, &header.engine.kind) }
}

impl Session for ReplaySession {
    fn snapshot(&self) -> Arc<Snapshot> {
        self.shared.snapshot.load_full()
    }

    fn title(&self) -> Title {
        self.title.clone()
    }

    fn recording(&self) -> Recording {
        Recording::Replay { path: self.path.clone() }
    }

    fn transport(&self) -> Option<Transport> {
        Some(**self.shared.transport.load())
    }

    fn measured(&self) -> Option<Arc<Measured>> {
        self.worker.as_ref()?.measured()
    }

    fn other(&self) -> Option<Other> {
        self.follower.as_ref().map(Follower::look)
    }

    fn news(&self) -> Option<String> {
        self.worker.as_ref()?.news()
    }

    fn act(&self, action: Action) {
        let wish = match action {
            Action::Measure(range) => Some(Wish::Figures(range)),
            Action::ExportRange(range) => Some(Wish::Export(Some(range))),
            Action::Export => Some(Wish::Export(None)),
            _ => None,
        };
        if let Some(wish) = wish {
            if let Some(worker) = &self.worker {
                worker.wish(wish);
            }
            return;
        }
        if matches!(action, Action::Stop | Action::Abort) {
            self.follower.iter().for_each(Follower::stop);
        }
        // With so many keys waiting, one more would change nothing that a person could tell.
        let _ = self.commands.try_send(action);
    }

    fn told(&self) -> Option<String> {
        self.shared.said.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn freeze(&self, frozen: bool) {
        self.shared.frozen.store(frozen, Ordering::Relaxed);
        self.follower.iter().for_each(|follower| follower.freeze(frozen));
    }

    fn over(&self) -> bool {
        self.shared.over.load(Ordering::Relaxed)
    }
}
