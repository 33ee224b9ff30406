//! The one clock of a run: monotonic, anchored once to wall time, in whole microseconds.
//!
//! Everything that stamps a time holds a copy of the run's [`Clock`]. Stamps are nanoseconds since the
//! anchor, rounded down to [`TICK_NS`], so that a recording, which stores ticks, loses nothing.

use std::cell::Cell;
use std::time::{Duration, Instant, SystemTime};

/// Resolution of all stamps, in nanoseconds: one microsecond, also the floor of the latency histograms.
pub const TICK_NS: u64 = 1_000;

/// How far from a moment at which both clocks were read a time of the system's clock is still found by that reading: a
/// clock that is slewed, by 0.05 % at most, gains half a tick in it.
const SAME_NS: u64 = 1_000_000;

/// Two readings that are not further apart are of one moment, and how often that is tried.
const MOMENT_NS: u64 = 1_000;
const TRIES: u32 = 5;

/// A moment at which both clocks were read.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Both {
    anchor: Instant,
    /// Nanoseconds since the anchor, and since 1970.
    ns: u64,
    wall_ns: u64,
}

thread_local! {
    /// The last such moment.
    static BOTH: Cell<Option<Both>> = const { Cell::new(None) };
}

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

    /// The stamp of a moment of the recent past that the system's clock told, in nanoseconds since 1970. It is found by how
    /// long before now that was, or how far from a moment up to 1 ms away at which both clocks were read, so that no step or
    /// drift of the system's clock is in it but one of just then. A time to come is now.
    #[inline]
    pub fn recent_ns(&self, wall_ns: u64) -> u64 {
        let near =
            BOTH.get().filter(|then| then.anchor == self.anchor && then.wall_ns.abs_diff(wall_ns) <= SAME_NS);
        let (then, wall_ns) = near.map_or_else(
            || {
                let now = self.read_both();
                (now, wall_ns.min(now.wall_ns))
            },
            |then| (then, wall_ns),
        );
        let at_ns = (then.ns.saturating_add(wall_ns)).saturating_sub(then.wall_ns);
        (at_ns - at_ns % TICK_NS).saturating_add(self.offset_ns)
    }

    /// Reads the system's clock and this one at a moment, or as near to one as a few tries come: the thread may be held up
    /// between the two.
    #[allow(clippy::disallowed_methods, reason = "the one place that may read the time")]
    fn read_both(&self) -> Both {
        let ns = |time: Duration| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        let read = || {
            let before_ns = ns(self.anchor.elapsed());
            let wall = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
            let took_ns = ns(self.anchor.elapsed()) - before_ns;
            (Both { anchor: self.anchor, ns: before_ns + took_ns / 2, wall_ns: ns(wall) }, took_ns)
        };
        let mut best = read();
        for _ in 1..TRIES {
            if best.1 <= MOMENT_NS {
                break;
            }
            best = std::cmp::min_by_key(best, read(), |(_, took_ns)| *took_ns);
        }
        BOTH.set(Some(best.0));
        best.0
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
    fn a_time_of_the_systems_clock_is_found_by_its_age() {
        let clock = Clock::resume(60_000_000_000);
        let wall_ns = clock.read_both().wall_ns;
        let (before, now) = (clock.recent_ns(wall_ns - 2_000_000_000), clock.recent_ns(wall_ns));
        assert_eq!(before, 60_000_000_000, "no stamp is before the run");
        assert!(now >= 60_000_000_000 && now <= clock.now_ns());
        assert!(clock.recent_ns(wall_ns + 9_000_000_000) <= clock.now_ns(), "none is to come");
    }

    #[test]
    fn times_near_to_each_other_are_found_by_one_reading() {
        let clock = Clock::resume(60_000_000_000);
        std::thread::sleep(Duration::from_millis(3));
        let both = clock.read_both();
        let stamp = |ahead_us: u64| clock.recent_ns(both.wall_ns + ahead_us * 1_000);
        let first = stamp(0);
        assert!(first <= clock.now_ns());
        // Stamps are rounded down to a tick, so a difference of them is so by one at most.
        let is = |ns: u64, wanted_ns: u64| ns.abs_diff(wanted_ns) <= TICK_NS;
        assert!(is(stamp(7) - first, 7_000) && is(stamp(999) - first, 999_000));
        assert!(is(first - clock.recent_ns(both.wall_ns - 500_000), 500_000));
        assert_eq!(BOTH.get(), Some(both), "they were read once");
        let far = stamp(5_000);
        assert!(far >= first && far <= clock.now_ns(), "{far} {first}");
        assert_ne!(BOTH.get(), Some(both), "too far off");
    }

    #[test]
    fn a_reading_of_another_clock_finds_nothing() {
        let earlier = Clock::start();
        std::thread::sleep(Duration::from_millis(3));
        let later = Clock::start();
        let wall_ns = earlier.read_both().wall_ns;
        let (of_earlier, of_later) = (earlier.recent_ns(wall_ns), later.recent_ns(wall_ns));
        // They began 3 ms apart at least, and a moment apart are the readings of the system's clock.
        assert!(of_earlier - of_later >= 2_900_000, "{of_earlier} {of_later}");
    }
}
