//! The dashboard: terminal guard, frame loop, state, keymap → command → update, views, widgets, themes.
//!
//! It sees [`crate::metrics::Snapshot`] through a [`Session`] and nothing of the load, the backends or the
//! files. A live run and a replay are both sessions, so both are shown by the very same screens.

mod copy;
mod events;
mod format;
#[cfg(test)]
mod fuzz;
mod input;
mod keymap;
mod palette;
pub mod plain;
mod range;
mod rows;
mod run;
mod sanitize;
mod search;
pub mod state;
mod svg;
mod terminal;
pub mod theme;
mod title;
mod tracks;
#[cfg(test)]
mod traffic;
mod update;
pub mod view;
mod widget;

use std::sync::Arc;

use crate::event::{RequestId, StageId};
use crate::metrics::fastgen::Curve;
use crate::metrics::{ClientLimits, Snapshot};

pub use format::{ByteUnits, TimeUnits, choose_units, clock_ms, nanos};
pub use keymap::remap::{Keys, Wish};
pub use range::{LatencyFigures, Measured, Range, RangeState, StageFigures};
pub use run::{Options, UiError, run};
pub use sanitize::line as harmless;
pub use svg::{buffer_to_svg, draw_to_svg};
pub use terminal::restore_all;

/// What the dashboard looks at.
pub trait Session: Send + Sync {
    /// The newest picture; cheap.
    fn snapshot(&self) -> Arc<Snapshot>;
    /// Names for the header, fixed for the run.
    fn title(&self) -> Title;
    /// State of the recording, for the header.
    fn recording(&self) -> Recording;
    /// Where a replay stands; `None` for a live run.
    fn transport(&self) -> Option<Transport> {
        None
    }
    /// The newest figures of a range that were asked for; `None` before the first.
    fn measured(&self) -> Option<Arc<Measured>> {
        None
    }
    /// What plays beside it.
    fn other(&self) -> Option<Other> {
        None
    }
    /// A word for the user, once.
    fn news(&self) -> Option<String> {
        None
    }
    /// Hands an action over; never blocks.
    fn act(&self, action: Action);
    /// The next word for the user about what was asked for and is done now; for the footer.
    fn told(&self) -> Option<String> {
        None
    }
    /// While frozen nobody looks: the session may stop taking snapshots. The load goes on.
    fn freeze(&self, frozen: bool);
    /// `true` once the run is over and everything is written; the live dashboard then shows its last picture
    /// until a key ends it.
    fn over(&self) -> bool;
}

/// A recording that plays beside another one, at the same time after its beginning.
#[derive(Debug, Clone)]
pub struct Other {
    pub snap: Arc<Snapshot>,
    pub title: Title,
    pub recording: Recording,
    /// What a time of the first has more than the same time of this one, nanoseconds.
    pub ahead_ns: i64,
}

/// Names for the header, and what is laid over the curve.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Title {
    pub profile: String,
    /// E.g. `mistralrs`; refined by the snapshot's `info` once that is there.
    pub backend: String,
    /// Where the server is, if one that was there before is measured: host and port.
    pub server: Option<String>,
    /// Empty if it isn't known before the engine tells.
    pub model: String,
    /// Published curves of the profile, and other recordings'.
    pub curves: Arc<Vec<Curve>>,
    /// What the client can measure on the run's machine, if it was calibrated there.
    pub client: Option<ClientLimits>,
}

/// State of the recording.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Recording {
    /// Nothing is recorded.
    #[default]
    Off,
    /// It is being written.
    Writing { path: String, bytes: u64 },
    /// It could not be written further; why.
    Failed { path: String, reason: String },
    /// It is complete.
    Closed { path: String, bytes: u64 },
    /// This is a replay of it.
    Replay { path: String },
}

/// Where a replay stands.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Transport {
    pub at_ns: u64,
    pub length_ns: u64,
    pub playing: bool,
    pub speed: f64,
    /// How much of the recording is indexed, in percent; `None` once that is all.
    pub indexed: Option<u8>,
}

/// What a user asks of a session.
#[derive(Debug, Clone, PartialEq)]
pub enum Action {
    /// End gracefully: drain.
    Stop,
    /// Ctrl-C was pressed: the next action says what is to be done, the exit status will say that it was.
    Interrupted,
    /// End at once: cancel what is in flight, close the recording.
    Abort,
    /// Pause or resume the load (live), or the play head (replay).
    TogglePause,
    /// So many clients more or fewer; of an open loop so many tenths of its rate.
    AddLoad(i32),
    /// So many clients.
    SetClients(u32),
    /// So many requests a second of an open loop.
    SetRate(f64),
    /// The whole process is about to be stopped (`true`), or goes on.
    Suspend(bool),
    /// A mark with a note.
    Mark(String),
    /// Cancel this request in flight.
    Cancel(RequestId),
    /// End this stage gracefully and go on with the next.
    NextStage(StageId),
    /// Write CSV files of the recording so far, beside it.
    Export,
    /// Replay: the same of a range.
    ExportRange(Range),
    /// Replay: compute a range's exact figures.
    Measure(Range),
    /// Replay: speed as a factor of real time.
    Speed(f64),
    /// Replay: move the play head to this time.
    Seek(u64),
    /// Replay: move by so many nanoseconds.
    SeekBy(i64),
    /// Replay: to the next (`true`) or previous end of a request.
    Step(bool),
    /// Replay: to the next or previous mark or phase.
    Jump(bool),
    /// Replay: to the next (or previous) request that took longer than 99 % of its stage's.
    Outlier(bool),
    /// Replay: to the slowest request.
    ToSlowest,
}
