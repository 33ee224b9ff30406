//! The threads that clients run on: the one that conducts the run, and others where the profile asks for more, each with
//! an event loop of its own.

use std::io;
use std::sync::Arc;
use std::thread::JoinHandle;

use tokio::runtime::{Builder, Handle, Runtime};
use tokio::sync::oneshot;

use crate::backend::lane;
use crate::backend::rounds::{self, Due, Rounds};
use crate::clock::Clock;
use crate::collector::{self, Gather};

/// An event loop for clients.
pub(super) struct EventLoop(Runtime);

impl EventLoop {
    /// One of a run, whose loops share `due`.
    ///
    /// # Errors
    /// If the system gives none.
    pub fn new(clock: Clock, due: &Due, gather: Gather) -> io::Result<Self> {
        let before_wait = due.clone();
        let runtime = Builder::new_current_thread()
            .enable_all()
            .on_thread_park(move || {
                collector::hand_in(gather);
                rounds::before_wait(&clock, &before_wait);
            })
            .on_thread_unpark(move || rounds::after_wait(&clock))
            .build()?;
        runtime.spawn(Rounds {
            clock,
            due: due.clone(),
            before_sleep: Box::new(move || collector::hand_in(gather)),
        });
        Ok(Self(runtime))
    }

    pub fn handle(&self) -> &Handle {
        self.0.handle()
    }

    /// Runs the loop until this is done. The thread may run others before it goes on.
    pub fn block_on<T>(&self, work: impl Future<Output = T>) -> T {
        let done = self.0.block_on(work);
        rounds::leave();
        collector::hand_in(Gather::Nothing);
        done
    }
}

/// Event loops. The conductor's is the first; the others end when this is dropped.
pub(super) struct ClientThreads {
    loops: Arc<[Handle]>,
    due: Due,
    /// Dropped, they tell the others to end.
    ends: Vec<oneshot::Sender<()>>,
    others: Vec<JoinHandle<()>>,
}

/// Those of a stage.
#[derive(Clone)]
pub struct Loops {
    loops: Arc<[Handle]>,
    due: Due,
}

impl Loops {
    /// The event loop of a client.
    pub(super) fn of(&self, client: u32) -> &Handle {
        &self.loops[client as usize % self.loops.len()]
    }

    /// All of them.
    pub(super) fn all(&self) -> &[Handle] {
        &self.loops
    }

    /// When they must be awake.
    pub(super) fn due(&self) -> &Due {
        &self.due
    }
}

impl ClientThreads {
    /// So many threads in all, with the conductor's.
    ///
    /// # Errors
    /// If the system gives no more.
    pub fn start(own: &Handle, clock: Clock, due: Due, threads: u32) -> io::Result<Self> {
        let mut loops = vec![own.clone()];
        let (mut ends, mut others) = (Vec::new(), Vec::new());
        for number in 1..threads as usize {
            let event_loop = EventLoop::new(clock, &due, Gather::Tokens)?;
            loops.push(event_loop.handle().clone());
            let (end, ended) = oneshot::channel();
            let thread = std::thread::Builder::new().name(format!("client-{number}")).spawn(move || {
                lane::enter(number);
                // An error is that the sender is gone, which is the end, too.
                let _ = event_loop.block_on(ended);
            })?;
            ends.push(end);
            others.push(thread);
        }
        Ok(Self { loops: loops.into(), due, ends, others })
    }

    /// As many of them as a stage asks for.
    pub fn of_stage(&self, threads: u32) -> Loops {
        let count = (threads.max(1) as usize).min(self.loops.len());
        let loops = if count == self.loops.len() { self.loops.clone() } else { self.loops[..count].into() };
        Loops { loops, due: self.due.clone() }
    }
}

impl Drop for ClientThreads {
    fn drop(&mut self) {
        self.ends.clear();
        for thread in self.others.drain(..) {
            // A panic of a task stays with its task; there is nothing else in such a thread that could.
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that fails may panic")]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::backend::moderation;

    #[test]
    fn clients_are_dealt_out_and_threads_end() {
        let own = Builder::new_current_thread().enable_all().build().unwrap();
        let threads = ClientThreads::start(own.handle(), Clock::start(), Due::default(), 3).unwrap();
        assert_eq!(threads.of_stage(0).all().len(), 1);
        assert_eq!(threads.of_stage(9).all().len(), 3);
        let loops = threads.of_stage(3);
        let name = || async { std::thread::current().name().map(str::to_owned) };
        for (client, wanted) in [(1, "client-1"), (2, "client-2"), (4, "client-1")] {
            let seen = own.block_on(loops.of(client).spawn(name())).unwrap();
            assert_eq!(seen.as_deref(), Some(wanted));
        }
        assert_ne!(own.block_on(loops.of(3).spawn(name())).unwrap().as_deref(), Some("client-1"));
        drop(threads);
        assert!(own.block_on(loops.of(1).spawn(name())).is_err(), "its loop is gone");
    }

    #[test]
    fn a_busy_loop_sleeps_for_moments() {
        let watched = |reads: usize| {
            let thread = std::thread::spawn(move || {
                let busy = async {
                    let _streams: Vec<_> = (0..1000).map(|_| moderation::UnderWay::begin()).collect();
                    for _ in 0..50 {
                        (0..reads).for_each(|_| rounds::note_read(1));
                        tokio::time::sleep(Duration::from_millis(1)).await;
                    }
                    rounds::slept()
                };
                EventLoop::new(Clock::start(), &Due::default(), Gather::Requests).unwrap().block_on(busy)
            });
            thread.join().unwrap()
        };
        assert_ne!(watched(100), 0);
        assert_eq!(watched(0), 0, "nothing is read");
    }

    #[test]
    fn busy_streams_are_asked_in_turn_and_quiet_ones_are_not() {
        let busy = async {
            let streams: Vec<_> = (0..64).map(|_| moderation::UnderWay::begin()).collect();
            while !rounds::in_turn() {
                for _ in &streams {
                    rounds::note_read(1);
                }
                tokio::task::yield_now().await;
            }
            while rounds::in_turn() {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        let busy = async { tokio::time::timeout(Duration::from_mins(1), busy).await.expect("it hangs") };
        EventLoop::new(Clock::start(), &Due::default(), Gather::Requests).unwrap().block_on(busy);
    }

    #[test]
    fn a_loop_that_is_left_asks_nobody_in_turn_and_one_that_is_entered_again_does() {
        let clock = Clock::start();
        moderation::decide(true);
        let event_loop = EventLoop::new(clock, &Due::default(), Gather::Requests).unwrap();
        let in_turn = async || {
            while !rounds::in_turn() {
                tokio::task::yield_now().await;
            }
            let mut next = false;
            std::future::poll_fn(|cx| {
                // It is woken in the next round, which is all that wakes it.
                if std::mem::replace(&mut next, true) {
                    return std::task::Poll::Ready(());
                }
                rounds::wake_next(cx.waker());
                std::task::Poll::Pending
            })
            .await;
        };
        event_loop.block_on(in_turn());
        assert!(!rounds::in_turn(), "another one may run here now");
        let other = Builder::new_current_thread().enable_all().build().unwrap();
        other.block_on(async { assert!(!rounds::in_turn()) });
        event_loop.block_on(in_turn());
        let gone = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            event_loop.block_on(async {
                in_turn().await;
                panic!("a client does");
            });
        }));
        assert!(gone.is_err() && rounds::in_turn());
        drop(event_loop);
        assert!(!rounds::in_turn(), "it is left as it is gone");
    }
}
