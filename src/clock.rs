//! The one clock of a run: monotonic, anchored once to wall time, in whole microseconds.
//!
//! Everything that stamps a time holds a copy of the run's [`Clock`]. Stamps are nanoseconds since the
//! anchor, rounded down to [`TICK_NS`], so that a recording, which stores ticks, loses nothing.

use std::time::{Duration, Instant};

/// Resolution of all stamps, in nanoseconds: one microsecond, also the floor of the latency histograms.
pub const TICK_NS: u64 = 1_000;

/// Monotonic time since the run's anchor. Copies share the anchor.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    anchor: Instant,
    wall: jiff::Timestamp,
}

impl Clock {
    /// Starts a clock now; its anchor is time zero of a run.
    #[allow(clippy::disallowed_methods, reason = "the one place that may read the time")]
    pub fn start() -> Self {
        Self { anchor: Instant::now(), wall: jiff::Timestamp::now() }
    }

    /// Nanoseconds since the anchor, rounded down to a whole tick.
    pub fn now_ns(&self) -> u64 {
        let ns = u64::try_from(self.anchor.elapsed().as_nanos()).unwrap_or(u64::MAX);
        ns - ns % TICK_NS
    }

    /// Wall time of the anchor: for headers and file names, never for arithmetic.
    pub fn started_at(&self) -> jiff::Timestamp {
        self.wall
    }

    /// The instant of a stamp, to sleep until.
    pub fn instant(&self, at_ns: u64) -> Instant {
        self.anchor + Duration::from_nanos(at_ns)
    }
}
