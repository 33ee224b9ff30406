//! A replay as the dashboard sees it: a [`Session`] like a live run, with a transport line.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arc_swap::ArcSwap;
use crossbeam_channel::Sender;

use super::index::Limits;
use super::origin::Origin;
use super::player::Player;
use super::seek::Seeker;
use crate::clock::Clock;
use crate::metrics::Snapshot;
use crate::metrics::fastgen::Curve;
use crate::recording::{Header, RecordingError};
use crate::ui::{Action, Recording, Session, Title, Transport};

/// Keys that may wait for the player; it looks after them many times a second.
const COMMANDS: usize = 256;

/// What the player publishes, and the dashboard reads.
pub(super) struct Shared {
    pub(super) snapshot: ArcSwap<Snapshot>,
    pub(super) transport: ArcSwap<Transport>,
    pub(super) frozen: AtomicBool,
    pub(super) over: AtomicBool,
}

/// A recording being played. It stays at its end, paused, until it is told to stop; dropping it ends it too.
pub struct ReplaySession {
    shared: Arc<Shared>,
    commands: Sender<Action>,
    title: Title,
    header: Header,
    path: String,
}

impl ReplaySession {
    /// Begins to play a recording; `-` is standard input, which is then held in memory.
    ///
    /// # Errors
    /// As [`crate::recording::open`], or if the system gives no thread.
    pub fn start(path: &Path, clock: Clock, speed: f64) -> Result<Self, RecordingError> {
        let origin = Origin::of(path)?;
        let seeker = Seeker::of(origin, Limits::default())?;
        let header = seeker.like().header().clone();
        let title = title(&header);
        let name = seeker.like().name().to_owned();
        let shared = Arc::new(Shared {
            snapshot: ArcSwap::default(),
            transport: ArcSwap::from_pointee(Transport {
                at_ns: 0,
                length_ns: 0,
                playing: true,
                speed,
                indexed: Some(0),
            }),
            frozen: AtomicBool::new(false),
            over: AtomicBool::new(false),
        });
        let (commands, receiver) = crossbeam_channel::bounded(COMMANDS);
        let mut player = Player::new(seeker, clock, receiver, Arc::clone(&shared));
        player.set_speed(speed);
        std::thread::Builder::new()
            .name("replay".into())
            .spawn(move || player.run())
            .map_err(|source| RecordingError::Read { name: name.clone(), source })?;
        Ok(Self { shared, commands, title, header, path: name })
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
    let text = |pointer: &str| header.profile.pointer(pointer).and_then(serde_json::Value::as_str);
    let model = ["/model/hub", "/model/path", "/model/dummy"].into_iter().find_map(text);
    Title {
        profile: text("/profile/name").unwrap_or_default().to_owned(),
        backend: header.engine.kind.clone(),
        model: model.unwrap_or_default().to_owned(),
        curves: Arc::default(),
    }
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

    fn act(&self, action: Action) {
        // With so many keys waiting, one more would change nothing that a person could tell.
        let _ = self.commands.try_send(action);
    }

    fn freeze(&self, frozen: bool) {
        self.shared.frozen.store(frozen, Ordering::Relaxed);
    }

    fn over(&self) -> bool {
        self.shared.over.load(Ordering::Relaxed)
    }
}
