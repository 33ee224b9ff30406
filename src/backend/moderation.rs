//! How soon a loop of clients looks for what came in, and how.
//!
//! To wake for each token of a thousand streams costs more than to read it, and the server pays its part: every byte it
//! sends must wake somebody. Where the kernel tells when bytes arrived, nothing is lost by reading them a little later, so
//! a busy loop sleeps for a moment before it waits, and then finds several streams at once. Network cards do the same, and
//! call it interrupt moderation.
//!
//! What it may cost is bounded: a moment is at most 2 ms; nor is it longer than half the time between two pieces of one
//! stream, as of several in one read the kernel tells the last one's time only; nor than a fiftieth of a request's time, as
//! the next one may have to wait for it, half a moment on average. A loop with little to read doesn't sleep.
//!
//! Where most streams have something whenever it looks, a loop need not be told which: it asks all in turn
//! ([`super::rounds`]).

use std::cell::Cell;
use std::time::Duration;

/// The longest moment.
const LONGEST: Duration = Duration::from_millis(2);
/// A shorter one isn't worth the call.
pub(super) const SHORTEST: Duration = Duration::from_micros(20);
/// Nor is one in which fewer reads are to be expected.
const FEWEST: f64 = 2.0;
/// A moment's largest part of the time between two pieces of a stream…
const OF_PIECES: f64 = 0.5;
/// …and of the time that a request takes.
const OF_REQUEST: f64 = 1.0 / 50.0;
/// How long a loop is watched for what it does next.
const WINDOW: Duration = Duration::from_millis(5);
/// Fewer streams are not asked in turn.
const FEWEST_STREAMS: u32 = 8;
/// They are if so large a part of them has something each time, and the loop waits for so small a part of the time…
const MOST_HAVE: f64 = 0.5;
const SELDOM: f64 = 0.2;
/// …and as long as so large a part has something.
const STILL_HAVE: f64 = 0.3;
/// So many windows in a row must speak for a change of that: to begin, and to end it.
const BEGIN_AFTER: u8 = 2;
const END_AFTER: u8 = 4;
/// After so many reads for each stream, a loop that never has nothing left to do looks at its pace all the same.
const UNBROKEN: u32 = 2;

thread_local! {
    static HERE: Watch = const { Watch::new() };
}

/// What a loop does between two rounds of its streams.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Pace {
    /// It sleeps so long.
    pub moment: Option<Duration>,
    /// It asks all streams in turn, and is not told which have something.
    pub in_turn: bool,
}

/// What happened on a thread in some time.
#[derive(Debug, Clone, Copy)]
struct Seen {
    /// Streams under way at its end.
    streams: u32,
    reads: u32,
    /// Pieces that these brought: a server writes one for a token.
    pieces: u32,
    begun: u32,
    /// How often the loop had nothing left to do.
    rounds: u32,
    /// How long it waited until it had.
    waited: Duration,
    elapsed: Duration,
}

/// What happens on this thread.
struct Watch {
    /// Streams under way.
    streams: Cell<u32>,
    /// In this window.
    reads: Cell<u32>,
    pieces: Cell<u32>,
    begun: Cell<u32>,
    rounds: Cell<u32>,
    waited: Cell<Duration>,
    /// Reads since the last round.
    unbroken: Cell<u32>,
    /// The window's begin, on the run's clock.
    since_ns: Cell<Option<u64>>,
    /// What the last window came to.
    pace: Cell<Pace>,
    /// Windows in a row that spoke against asking in turn, or not.
    against: Cell<u8>,
    /// Whether it asks in turn, whatever happens.
    #[cfg(test)]
    decided: Cell<Option<bool>>,
}

impl Watch {
    const fn new() -> Self {
        Self {
            streams: Cell::new(0),
            reads: Cell::new(0),
            pieces: Cell::new(0),
            begun: Cell::new(0),
            rounds: Cell::new(0),
            waited: Cell::new(Duration::ZERO),
            unbroken: Cell::new(0),
            since_ns: Cell::new(None),
            pace: Cell::new(Pace { moment: None, in_turn: false }),
            against: Cell::new(0),
            #[cfg(test)]
            decided: Cell::new(None),
        }
    }

    /// A round is over: what comes next.
    fn next(&self, now_ns: u64) -> Pace {
        self.rounds.set(self.rounds.get().saturating_add(1));
        self.unbroken.set(0);
        let since_ns = self.since_ns.get();
        let elapsed = Duration::from_nanos(now_ns.saturating_sub(since_ns.unwrap_or(now_ns)));
        if elapsed >= WINDOW || since_ns.is_none() {
            self.since_ns.set(Some(now_ns));
            let seen = Seen {
                streams: self.streams.get(),
                reads: self.reads.take(),
                pieces: self.pieces.take(),
                begun: self.begun.take(),
                rounds: self.rounds.take(),
                waited: self.waited.take(),
                elapsed,
            };
            let in_turn = self.in_turn(&seen);
            // Where nothing comes any more, those who are asked all the same need not be asked at once.
            let moment = seen.moment().or((in_turn && seen.is_quiet()).then_some(LONGEST));
            self.pace.set(Pace { moment, in_turn });
        }
        self.pace.get()
    }

    /// Whether streams are asked in turn after such a window.
    fn in_turn(&self, seen: &Seen) -> bool {
        #[cfg(test)]
        if let Some(decided) = self.decided.get() {
            return decided;
        }
        let already = self.pace.get().in_turn;
        let (stay, enough) =
            if already { (seen.most_still_have(), END_AFTER) } else { (!seen.most_have(), BEGIN_AFTER) };
        let against = if stay { 0 } else { self.against.get() + 1 };
        self.against.set(against % enough);
        already != (against >= enough)
    }

    /// So many pieces of a stream were read; tells whether it is time for a look at the pace.
    fn read(&self, pieces: u32) -> bool {
        self.pieces.set(self.pieces.get().saturating_add(pieces));
        self.reads.set(self.reads.get().saturating_add(1));
        let unbroken = self.unbroken.get() + 1;
        let pressed = unbroken >= UNBROKEN * self.streams.get().max(FEWEST_STREAMS);
        self.unbroken.set(if pressed { 0 } else { unbroken });
        pressed
    }
}

impl Seen {
    /// How long a loop that went so should sleep between its rounds.
    fn moment(&self) -> Option<Duration> {
        if self.reads == 0 || self.elapsed.is_zero() {
            return None;
        }
        let streams_time = self.elapsed * self.streams;
        let between_pieces = streams_time / self.pieces.max(self.reads);
        // With none begun, requests take at least as long as all were watched.
        let request = streams_time / self.begun.max(1);
        let moment = LONGEST.min(between_pieces.mul_f64(OF_PIECES)).min(request.mul_f64(OF_REQUEST));
        let expected = moment.as_secs_f64() / self.elapsed.as_secs_f64() * f64::from(self.reads);
        (moment >= SHORTEST && expected >= FEWEST).then_some(moment)
    }

    /// Nothing came, and nothing was asked for.
    fn is_quiet(&self) -> bool {
        self.reads == 0 && self.begun == 0
    }

    /// Reads for each stream in each round.
    fn have(&self) -> f64 {
        let asked = f64::from(self.streams) * f64::from(self.rounds);
        if self.reads == 0 || self.streams < FEWEST_STREAMS { 0.0 } else { f64::from(self.reads) / asked }
    }

    /// Most streams have something whenever the loop looks, and it nearly always looks.
    fn most_have(&self) -> bool {
        self.have() >= MOST_HAVE && self.waited <= self.elapsed.mul_f64(SELDOM)
    }

    /// They still have, of a loop that asks in turn.
    fn most_still_have(&self) -> bool {
        self.have() >= STILL_HAVE
    }
}

/// A round of this thread's loop is over: what it does next. `now_ns`: on the run's clock.
pub fn next(now_ns: u64) -> Pace {
    HERE.with(|here| here.next(now_ns))
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

/// Notes that so many pieces of a stream of its own connection were read at once, whose bytes the kernel stamped; tells
/// whether the loop should look at its pace. Other reads must be prompt, and are not noted.
#[inline]
pub fn note_read(pieces: u32) -> bool {
    HERE.with(|here| here.read(pieces))
}

/// Has this thread's loop ask in turn, or not, from its next window on.
#[cfg(test)]
pub fn decide(in_turn: bool) {
    HERE.with(|here| here.decided.set(Some(in_turn)));
}

/// Notes that this thread's loop waited until it had something to do.
pub fn note_wait(waited: Duration) {
    HERE.with(|here| here.waited.set(here.waited.get() + waited));
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that fails may panic")]
mod tests {
    use super::*;

    fn seen(streams: u32, reads: u32, begun: u32) -> Seen {
        let elapsed = Duration::from_millis(10);
        Seen { streams, reads, pieces: reads, begun, rounds: 10, waited: Duration::ZERO, elapsed }
    }

    fn micros(streams: u32, reads: u32, begun: u32) -> Option<u128> {
        seen(streams, reads, begun).moment().map(|moment| moment.as_micros())
    }

    #[test]
    fn a_moment_is_bounded_by_all_that_it_could_spoil() {
        // A thousand streams, a token each 10 ms.
        assert_eq!(micros(1000, 1000, 1), Some(2000));
        // 64 of them flat out: a stream's tokens are 128 µs apart, whatever number of them is in a read.
        assert_eq!(micros(64, 5000, 50), Some(64));
        assert_eq!(Seen { reads: 1000, ..seen(64, 5000, 50) }.moment(), Some(Duration::from_micros(64)));
        // Requests of one token: each takes 4 ms.
        assert_eq!(micros(256, 640, 640), Some(80));
    }

    #[test]
    fn nobody_sleeps_where_it_does_not_help() {
        assert_eq!(micros(64, 9, 1), None, "1.8 reads in the longest moment");
        assert_eq!(micros(1, 2000, 20), None, "one stream, flat out");
        assert_eq!(micros(8, 400, 400), None, "the server would wait for the clients");
        assert_eq!(micros(0, 1000, 0), None);
        assert_eq!(micros(64, 0, 0), None);
        assert_eq!(Seen { elapsed: Duration::ZERO, ..seen(64, 64, 1) }.moment(), None);
    }

    #[test]
    fn streams_are_asked_in_turn_where_most_have_something() {
        // Ten rounds each.
        let (most, some, few) = (seen(64, 320, 1), seen(64, 319, 1), seen(64, 191, 1));
        assert!(most.most_have() && !some.most_have(), "it begins where half of them have");
        assert!(some.most_still_have() && !few.most_still_have(), "and goes on where three in ten have");
        assert!(!seen(7, 7000, 1).most_still_have(), "a few streams are not worth it");
        assert!(!seen(64, 0, 0).most_still_have(), "nothing comes");
        // An engine that sends all streams their tokens at once, and then computes.
        assert!(!Seen { waited: Duration::from_millis(3), ..most }.most_have());
    }

    #[test]
    fn a_window_decides_for_the_next() {
        let watch = Watch::new();
        let at = |ms: u64| watch.next((7 + ms) * 1_000_000);
        watch.streams.set(1000);
        assert_eq!(at(0), Pace::default());
        watch.reads.set(500);
        assert_eq!(at(4), Pace::default(), "the window is not over");
        assert_eq!(at(5).moment, Some(LONGEST));
        assert_eq!(at(9).moment, Some(LONGEST));
        assert_eq!(at(60), Pace::default(), "nothing came for a long time");
    }

    #[test]
    fn several_windows_make_a_change() {
        let watch = Watch::new();
        watch.streams.set(64);
        let mut at_ns = 0;
        let mut window = |reads: u32| {
            watch.reads.set(reads);
            at_ns += 5_000_000;
            watch.next(at_ns)
        };
        assert!(!window(0).in_turn && !window(64).in_turn);
        assert!(!window(0).in_turn && !window(64).in_turn, "not two in a row");
        assert!(window(64).in_turn);
        assert!(window(0).in_turn);
        watch.begun.set(1);
        assert_eq!(window(0), Pace { moment: None, in_turn: true }, "an answer may come at once");
        assert_eq!(
            window(0),
            Pace { moment: Some(LONGEST), in_turn: true },
            "nobody is asked without a pause"
        );
        assert!(window(64).in_turn && window(0).in_turn && window(0).in_turn && window(0).in_turn);
        assert!(!window(0).in_turn);
    }

    #[test]
    fn a_loop_without_a_break_looks_at_its_pace() {
        let watch = Watch::new();
        watch.streams.set(64);
        let looks = |reads: u32| (0..reads).filter(|_| watch.read(1)).count();
        assert_eq!((looks(127), looks(1), looks(127)), (0, 1, 0));
        watch.next(1);
        assert_eq!(looks(127), 0, "it had one");
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
