//! How soon a loop of clients wakes for what came in.
//!
//! To wake for each token of a thousand streams costs more than to read it, and the server pays its part: every byte it
//! sends must wake somebody. Where the kernel tells when bytes arrived, nothing is lost by reading them a little later, so
//! a busy loop sleeps for a moment before it waits, and then finds several streams at once. Network cards do the same, and
//! call it interrupt moderation.
//!
//! What it may cost is bounded: a moment is at most 0.2 ms; nor is it longer than the time between two reads of one
//! stream, as of several segments in one read the kernel tells the last one's time only; nor than a fiftieth of a request's
//! time, as the next one may have to wait for it, half a moment on average. A loop with little to read doesn't sleep.

use std::cell::Cell;
use std::time::Duration;

use crate::clock::Clock;

/// The longest moment.
const LONGEST: Duration = Duration::from_micros(200);
/// A shorter one isn't worth the call.
const SHORTEST: Duration = Duration::from_micros(20);
/// Nor is one in which fewer reads are to be expected.
const FEWEST: f64 = 2.0;
/// A moment's largest part of the time that a request takes.
const PART: f64 = 1.0 / 50.0;
/// How long a loop is watched for the next moments' length.
const WINDOW: Duration = Duration::from_millis(5);

thread_local! {
    static HERE: Watch = const { Watch::new() };
}

/// What happens on this thread.
struct Watch {
    /// Streams under way.
    streams: Cell<u32>,
    /// In this window.
    reads: Cell<u32>,
    begun: Cell<u32>,
    /// The window's begin, on the run's clock.
    since_ns: Cell<Option<u64>>,
    /// What the last window came to.
    moment: Cell<Option<Duration>>,
    /// The system was told that this thread's moments are to be exact.
    exact: Cell<bool>,
    /// Moments slept so far.
    slept: Cell<u64>,
}

impl Watch {
    const fn new() -> Self {
        Self {
            streams: Cell::new(0),
            reads: Cell::new(0),
            begun: Cell::new(0),
            since_ns: Cell::new(None),
            moment: Cell::new(None),
            exact: Cell::new(false),
            slept: Cell::new(0),
        }
    }

    /// How long to sleep before the next wait, if at all.
    fn moment(&self, now_ns: u64) -> Option<Duration> {
        let since_ns = self.since_ns.get();
        let elapsed = Duration::from_nanos(now_ns.saturating_sub(since_ns.unwrap_or(now_ns)));
        if elapsed >= WINDOW || since_ns.is_none() {
            self.since_ns.set(Some(now_ns));
            self.moment.set(moment(self.streams.get(), self.reads.take(), self.begun.take(), elapsed));
        }
        self.moment.get()
    }
}

/// How long a loop should sleep that had so many streams under way, and read and began so many times in `elapsed`.
fn moment(streams: u32, reads: u32, begun: u32, elapsed: Duration) -> Option<Duration> {
    if reads == 0 || elapsed.is_zero() {
        return None;
    }
    let streams_time = elapsed * streams;
    let between_reads = streams_time / reads;
    // With none begun, requests take at least as long as all were watched.
    let request = streams_time / begun.max(1);
    let moment = LONGEST.min(between_reads).min(request.mul_f64(PART));
    let expected = moment.as_secs_f64() / elapsed.as_secs_f64() * f64::from(reads);
    (moment >= SHORTEST && expected >= FEWEST).then_some(moment)
}

/// A stream under way on this thread, until it is dropped.
pub struct UnderWay(());

impl UnderWay {
    /// It begins.
    pub fn begin() -> Self {
        HERE.with(|here| {
            here.streams.set(here.streams.get() + 1);
            here.begun.set(here.begun.get() + 1);
        });
        Self(())
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        // A loop that is torn down may drop its streams elsewhere, or last of all.
        let _ = HERE.try_with(|here| here.streams.set(here.streams.get().saturating_sub(1)));
    }
}

/// Notes that a stream of its own connection was read, whose bytes the kernel stamped. Other reads must be prompt, and are
/// not noted.
#[inline]
pub fn note_read() {
    HERE.with(|here| here.reads.set(here.reads.get().saturating_add(1)));
}

/// What a loop does when there is nothing left to do, before it waits. Sleeps a moment where that is better.
pub fn before_wait(clock: &Clock) {
    HERE.with(|here| {
        let Some(moment) = here.moment(clock.now_ns()) else { return };
        if !here.exact.replace(true) {
            wake_exactly();
        }
        here.slept.set(here.slept.get() + 1);
        std::thread::sleep(moment);
    });
}

/// How many moments this thread has slept.
#[cfg(test)]
pub fn slept() -> u64 {
    HERE.with(|here| here.slept.get())
}

/// Linux wakes a thread up to 50 µs late, to wake others with it, unless it is told otherwise.
#[cfg(all(target_os = "linux", feature = "http"))]
fn wake_exactly() {
    // Where it can't be told, moments are longer.
    let _ = nix::sys::prctl::set_timerslack(1);
}

#[cfg(not(all(target_os = "linux", feature = "http")))]
fn wake_exactly() {}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that fails may panic")]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn micros(streams: u32, reads: u32, begun: u32) -> Option<u128> {
        moment(streams, reads, begun, 10 * MS).map(|moment| moment.as_micros())
    }

    #[test]
    fn a_moment_is_bounded_by_all_that_it_could_spoil() {
        // A thousand streams, a token each 10 ms.
        assert_eq!(micros(1000, 1000, 1), Some(200));
        // 64 of them flat out: a stream's reads are 128 µs apart.
        assert_eq!(micros(64, 5000, 50), Some(128));
        // Requests of one token: each takes 4 ms.
        assert_eq!(micros(256, 640, 640), Some(80));
    }

    #[test]
    fn nobody_sleeps_where_it_does_not_help() {
        assert_eq!(micros(64, 64, 1), None, "1.3 reads in the longest moment");
        assert_eq!(micros(1, 2000, 20), None, "one stream, flat out");
        assert_eq!(micros(8, 400, 400), None, "the server would wait for the clients");
        assert_eq!(micros(0, 1000, 0), None);
        assert_eq!(micros(64, 0, 0), None);
        assert_eq!(moment(64, 64, 1, Duration::ZERO), None);
    }

    #[test]
    fn a_window_decides_for_the_next() {
        let watch = Watch::new();
        let at = |ms: u64| watch.moment((7 + ms) * 1_000_000);
        watch.streams.set(1000);
        assert_eq!(at(0), None);
        watch.reads.set(500);
        assert_eq!(at(4), None, "the window is not over");
        assert_eq!(at(5), Some(LONGEST));
        assert_eq!(at(9), Some(LONGEST));
        assert_eq!(at(60), None, "nothing came for a long time");
    }

    #[test]
    fn streams_are_counted_on_their_thread() {
        let here = || HERE.with(|here| here.streams.get());
        let (one, two) = (UnderWay::begin(), UnderWay::begin());
        assert_eq!(here(), 2);
        drop(one);
        assert_eq!(here(), 1);
        std::thread::spawn(move || drop(two)).join().unwrap();
        assert_eq!(
            here(),
            1,
            "dropped by another thread, it stays: a loop that was torn down counts no more"
        );
    }
}
