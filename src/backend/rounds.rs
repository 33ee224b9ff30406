//! How an event loop of clients goes from one round of its streams to the next.
//!
//! Usually it waits, and the system tells which streams have something. To be told has its price: the system puts each
//! stream that gets something on a list and looks whom to wake, which is a sixth of what a token costs a server on the same
//! machine, and the client takes the list and finds the tasks. Where most streams have something in each round, the list
//! tells nothing. Then sockets leave the system's watch ([`super::openai`]), and a task of the loop's own, [`Rounds`], wakes
//! all who wait, each round anew. Between rounds the runtime does what else there is to do: timers, other sockets.
//!
//! [`super::moderation`] decides when, and how long a loop sleeps between its rounds.

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use super::moderation::{self, Pace, SHORTEST};
use crate::clock::Clock;

thread_local! {
    static HERE: Here = const { Here::new() };
}

/// This thread's loop.
struct Here {
    /// Streams are asked in turn.
    in_turn: Cell<bool>,
    /// The round's number.
    round: Cell<u64>,
    /// Who waits for the next round.
    waiting: RefCell<Vec<Waker>>,
    /// Those of the last round: the same memory, used again.
    woken: RefCell<Vec<Waker>>,
    /// The loop's task, while streams are not asked in turn.
    rounds: RefCell<Option<Waker>>,
    /// When the loop began to wait, on the run's clock.
    waits_since_ns: Cell<u64>,
    /// The system was told that this thread's moments are to be exact.
    exact: Cell<bool>,
    /// Moments slept so far.
    slept: Cell<u64>,
}

impl Here {
    const fn new() -> Self {
        Self {
            in_turn: Cell::new(false),
            round: Cell::new(0),
            waiting: RefCell::new(Vec::new()),
            woken: RefCell::new(Vec::new()),
            rounds: RefCell::new(None),
            waits_since_ns: Cell::new(0),
            exact: Cell::new(false),
            slept: Cell::new(0),
        }
    }

    /// Sleeps for a moment, but not beyond what is due.
    fn sleep(&self, moment: Option<Duration>, due: &Due, now_ns: u64) {
        let Some(moment) = moment.map(|moment| moment.min(due.left(now_ns))) else { return };
        if moment < SHORTEST {
            return;
        }
        if !self.exact.replace(true) {
            wake_exactly();
        }
        self.slept.set(self.slept.get() + 1);
        std::thread::sleep(moment);
    }

    /// Has the loop's task look at the pace.
    fn look(&self) {
        if let Some(rounds) = self.rounds.borrow_mut().take() {
            rounds.wake();
        }
    }

    /// Begins a round: all who wait are woken.
    fn begin(&self) {
        self.round.set(self.round.get() + 1);
        let mut woken = self.woken.borrow_mut();
        std::mem::swap(&mut *woken, &mut *self.waiting.borrow_mut());
        woken.drain(..).for_each(Waker::wake);
    }
}

/// Whether this thread's loop asks its streams in turn: then they need not be watched.
#[inline]
pub fn in_turn() -> bool {
    HERE.with(|here| here.in_turn.get())
}

/// The number of this thread's round. A stream that had nothing, or that was read to its end, need not be asked again in
/// the same.
#[inline]
pub fn number() -> u64 {
    HERE.with(|here| here.round.get())
}

/// Wakes a task in the next round of this thread's loop. Only while streams are asked [`in_turn`].
#[inline]
pub fn wake_next(waker: &Waker) {
    HERE.with(|here| here.waiting.borrow_mut().push(waker.clone()));
}

/// Notes that a stream of its own connection was read, whose bytes the kernel stamped, and in how many pieces they lay.
#[inline]
pub fn note_read(pieces: u32) {
    if moderation::note_read(pieces) {
        HERE.with(Here::look);
    }
}

/// When a run's loops must be awake, as something is to be sent: none of them sleeps for a moment beyond that. All of them,
/// since what is to be sent is found on one loop, and may be sent on another. Copies share it.
#[derive(Debug, Clone)]
pub struct Due(Arc<AtomicU64>);

impl Default for Due {
    /// Nothing is to be sent.
    fn default() -> Self {
        Self(Arc::new(AtomicU64::new(u64::MAX)))
    }
}

impl Due {
    /// Something is to be sent then, on the run's clock. Until the next is told, or that there is none, it may be under way.
    pub fn set(&self, at_ns: u64) {
        self.0.store(at_ns, Ordering::Relaxed);
    }

    /// Nothing is.
    pub fn clear(&self) {
        self.set(u64::MAX);
    }

    fn left(&self, now_ns: u64) -> Duration {
        Duration::from_nanos(self.0.load(Ordering::Relaxed).saturating_sub(now_ns))
    }
}

/// A loop hands its thread over: another one on it asks nobody in turn. To be called between two times that a loop runs.
pub fn leave() {
    // A loop may end with its thread.
    let _ = HERE.try_with(|here| here.in_turn.set(false));
}

/// What a loop does when there is nothing left to do, before it waits.
pub fn before_wait(clock: &Clock, due: &Due) {
    HERE.with(|here| {
        let now_ns = clock.now_ns();
        let Pace { moment, in_turn } = moderation::next(now_ns);
        here.sleep(moment, due, now_ns);
        if in_turn {
            here.look();
        }
        here.waits_since_ns.set(clock.now_ns());
    });
}

/// What it does when it has waited.
pub fn after_wait(clock: &Clock) {
    HERE.with(|here| {
        moderation::note_wait(Duration::from_nanos(clock.now_ns().saturating_sub(here.waits_since_ns.get())));
    });
}

/// A loop's task that goes from round to round while its streams are asked in turn. It never ends; there must be one on
/// each loop, and one only.
pub struct Rounds {
    pub clock: Clock,
    pub due: Due,
    /// What else is to be done before the loop sleeps.
    pub before_sleep: Box<dyn Fn() + Send>,
}

impl Future for Rounds {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        HERE.with(|here| {
            let Pace { moment, in_turn } = moderation::next(self.clock.now_ns());
            here.in_turn.set(in_turn);
            if in_turn {
                (self.before_sleep)();
                here.sleep(moment, &self.due, self.clock.now_ns());
                // Behind all that is woken, and after a look at timers and at what is still watched.
                let mut later = std::pin::pin!(tokio::task::yield_now());
                let _ = later.as_mut().poll(cx);
            } else {
                *here.rounds.borrow_mut() = Some(cx.waker().clone());
            }
            // If streams are not asked in turn any more, this is how they are told.
            here.begin();
        });
        Poll::Pending
    }
}

impl Drop for Rounds {
    fn drop(&mut self) {
        leave();
    }
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

    #[test]
    fn nobody_sleeps_beyond_what_is_due() {
        let (clock, due) = (Clock::start(), Due::default());
        let others = due.clone();
        let sleeps = || {
            let before = slept();
            HERE.with(|here| here.sleep(Some(Duration::from_micros(200)), &due, 1_000_000));
            slept() > before
        };
        let began_ns = clock.now_ns();
        assert!(sleeps(), "nothing is to be sent");
        assert!(clock.now_ns() - began_ns >= 200_000);
        // Whoever tells it, and wherever.
        std::thread::spawn(move || others.set(1_000_000 + 19_000)).join().unwrap();
        assert!(!sleeps(), "so short a sleep is none");
        due.set(1_000_000 + 21_000);
        assert!(sleeps());
        due.set(500_000);
        assert!(!sleeps(), "it is late already");
        due.clear();
        assert!(sleeps());
    }
}
