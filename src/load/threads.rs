//! The threads that clients run on: the one that conducts the run, and others where the profile asks for more, each with
//! an event loop of its own.

use std::io;
use std::sync::Arc;
use std::thread::JoinHandle;

use tokio::runtime::{Builder, Handle, Runtime};
use tokio::sync::oneshot;

use crate::backend::{lane, rounds};
use crate::clock::Clock;
use crate::collector;

/// An event loop for clients.
///
/// # Errors
/// If the system gives none.
pub(super) fn event_loop(clock: Clock) -> io::Result<Runtime> {
    let runtime = Builder::new_current_thread()
        .enable_all()
        .on_thread_park(move || {
            collector::hand_in();
            rounds::before_wait(&clock);
        })
        .on_thread_unpark(move || rounds::after_wait(&clock))
        .build()?;
    runtime.spawn(rounds::Rounds { clock, before_sleep: collector::hand_in });
    Ok(runtime)
}

/// Event loops. The conductor's is the first; the others end when this is dropped.
pub(super) struct ClientThreads {
    loops: Arc<[Handle]>,
    /// Dropped, they tell the others to end.
    ends: Vec<oneshot::Sender<()>>,
    others: Vec<JoinHandle<()>>,
}

/// Those of a stage.
#[derive(Clone)]
pub struct Loops(Arc<[Handle]>);

impl Loops {
    /// The event loop of a client.
    pub(super) fn of(&self, client: u32) -> &Handle {
        &self.0[client as usize % self.0.len()]
    }

    /// All of them.
    pub(super) fn all(&self) -> &[Handle] {
        &self.0
    }
}

impl ClientThreads {
    /// So many threads in all, with the conductor's.
    ///
    /// # Errors
    /// If the system gives no more.
    pub fn start(own: &Handle, clock: Clock, threads: u32) -> io::Result<Self> {
        let mut loops = vec![own.clone()];
        let (mut ends, mut others) = (Vec::new(), Vec::new());
        for number in 1..threads as usize {
            let runtime = event_loop(clock)?;
            loops.push(runtime.handle().clone());
            let (end, ended) = oneshot::channel();
            let thread = std::thread::Builder::new().name(format!("client-{number}")).spawn(move || {
                lane::enter(number);
                // An error is that the sender is gone, which is the end, too.
                let _ = runtime.block_on(ended);
            })?;
            ends.push(end);
            others.push(thread);
        }
        Ok(Self { loops: loops.into(), ends, others })
    }

    /// As many of them as a stage asks for.
    pub fn of_stage(&self, threads: u32) -> Loops {
        let count = (threads.max(1) as usize).min(self.loops.len());
        Loops(if count == self.loops.len() { self.loops.clone() } else { self.loops[..count].into() })
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
        let threads = ClientThreads::start(own.handle(), Clock::start(), 3).unwrap();
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
                event_loop(Clock::start()).unwrap().block_on(busy)
            });
            thread.join().unwrap()
        };
        assert_ne!(watched(100), 0);
        assert_eq!(watched(0), 0, "nothing is read");
    }
}
