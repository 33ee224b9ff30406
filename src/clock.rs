//! The one clock of a run: monotonic, anchored once to wall time, in whole microseconds.
//!
//! Everything that stamps a time holds a copy of the run's [`Clock`]. Stamps are nanoseconds since the
//! anchor, rounded down to [`TICK_NS`], so that a recording, which stores ticks, loses nothing.

use std::time::{Duration, Instant, SystemTime};

/// Resolution of all stamps, in nanoseconds: one microsecond, also the floor of the latency histograms.
pub const TICK_NS: u64 = 1_000;

/// Monotonic time since the run's anchor. Copies share the anchor.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    anchor: Instant,
    /// The stamp of the anchor: 0, but in a run that goes on with an earlier one's time axis.
    offset_ns: u64,
    wall: jiff::Timestamp,
}

impl Clock {
    /// Starts a clock now; its anchor is time zero of a run.
    #[allow(clippy::disallowed_methods, reason = "the one place that may read the time")]
    pub fn start() -> Self {
        Self { anchor: Instant::now(), offset_ns: 0, wall: jiff::Timestamp::now() }
    }

    /// Starts a clock now whose stamps go on from `at_ns`, nanoseconds: the time axis of an earlier run.
    pub fn resume(at_ns: u64) -> Self {
        Self { offset_ns: at_ns - at_ns % TICK_NS, ..Self::start() }
    }

    /// Nanoseconds since the run's start, rounded down to a whole tick.
    pub fn now_ns(&self) -> u64 {
        let ns = u64::try_from(self.anchor.elapsed().as_nanos()).unwrap_or(u64::MAX);
        (ns - ns % TICK_NS).saturating_add(self.offset_ns)
    }

    /// The stamp of a moment of the recent past that the system's clock told, as time since 1970. It is found by how
    /// long ago that was, so that no step or drift of the system's clock is in it but one of just then; a time to come is
    /// now.
    #[allow(clippy::disallowed_methods, reason = "the one place that may read the time")]
    pub fn recent_ns(&self, since_epoch: Duration) -> u64 {
        let ns = u64::try_from(self.anchor.elapsed().as_nanos()).unwrap_or(u64::MAX);
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let age_ns = u64::try_from(now.saturating_sub(since_epoch).as_nanos()).unwrap_or(u64::MAX);
        let at_ns = ns.saturating_sub(age_ns);
        (at_ns - at_ns % TICK_NS).saturating_add(self.offset_ns)
    }

    /// Wall time of the anchor: for headers and file names, never for arithmetic.
    pub fn started_at(&self) -> jiff::Timestamp {
        self.wall
    }

    /// The instant of a stamp, to sleep until.
    pub fn instant(&self, at_ns: u64) -> Instant {
        self.anchor + Duration::from_nanos(at_ns.saturating_sub(self.offset_ns))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_resumed_clock_goes_on_and_finds_its_instants() {
        let clock = Clock::resume(5_000_000_123);
        let now = clock.now_ns();
        assert!((5_000_000_000..6_000_000_000).contains(&now), "{now}");
        assert_eq!(now % TICK_NS, 0);
        let ahead = clock.instant(5_000_000_000 + 7_000_000);
        assert_eq!(ahead - clock.instant(5_000_000_000), Duration::from_millis(7));
    }

    #[test]
    #[allow(clippy::disallowed_methods, reason = "the system's clock is what is told here")]
    fn a_time_of_the_systems_clock_is_found_by_its_age() {
        let clock = Clock::resume(60_000_000_000);
        let wall = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
        let (before, now) =
            (clock.recent_ns(wall.saturating_sub(Duration::from_secs(2))), clock.recent_ns(wall));
        assert_eq!(before, 60_000_000_000, "no stamp is before the run");
        assert!(now >= 60_000_000_000 && now <= clock.now_ns());
        assert!(clock.recent_ns(wall + Duration::from_secs(9)) <= clock.now_ns(), "none is to come");
    }
}
