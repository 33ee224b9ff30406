//! The client watches itself: how late does its event loop wake? And was that because the whole process stood still?

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use signal_hook::SigId;
use signal_hook::consts::SIGCONT;

use super::control::Controls;
use crate::clock::Clock;

/// How often the loop is asked to wake.
const BEAT: Duration = Duration::from_millis(50);
/// A loop that wakes so late (nanoseconds) may have stood still. Less is told as lag, which is below what counts.
pub(super) const LATE_NS: u64 = 50_000_000;
/// What goes on first may be this loop, and not the thread that is told of the signal.
const TOLD_WITHIN: Duration = Duration::from_millis(5);

/// The longest delay of the clients' event loop since it was last read.
#[derive(Debug, Clone, Default)]
pub struct Pulse {
    lag_ns: Arc<AtomicU64>,
    /// The process was let go on by a signal since the last beat.
    continued: Arc<AtomicBool>,
}

/// While it lives, the signal that lets a stopped process go on is noted.
pub(super) struct Watch(Option<SigId>);

impl Drop for Watch {
    fn drop(&mut self) {
        if let Some(id) = self.0.take() {
            signal_hook::low_level::unregister(id);
        }
    }
}

impl Pulse {
    /// Nanoseconds of the longest delay since the last call, and starts anew.
    pub fn take_ns(&self) -> u64 {
        self.lag_ns.swap(0, Ordering::Relaxed)
    }

    /// Notes when the process is let go on. Where the system refuses that, a standstill is taken for lag.
    pub(super) fn watch(&self) -> Watch {
        Watch(signal_hook::flag::register(SIGCONT, self.continued.clone()).ok())
    }

    /// Beats until it is dropped; runs as a task beside the clients.
    pub(super) async fn beat(self, clock: Clock, controls: Controls) {
        loop {
            let alive_ns = clock.now_ns();
            let due = alive_ns + BEAT.as_nanos() as u64;
            tokio::time::sleep_until(clock.instant(due).into()).await;
            let now_ns = clock.now_ns();
            self.look(alive_ns, due, now_ns, &controls).await;
        }
    }

    /// It woke now, and not when it was due.
    async fn look(&self, alive_ns: u64, due: u64, now_ns: u64, controls: &Controls) {
        let late_ns = now_ns.saturating_sub(due);
        if late_ns < LATE_NS {
            self.continued.store(false, Ordering::Relaxed);
        } else {
            if !self.continued.load(Ordering::Relaxed) {
                tokio::time::sleep(TOLD_WITHIN).await;
            }
            if self.continued.swap(false, Ordering::Relaxed) {
                controls.stood_still(alive_ns, now_ns);
            }
        }
        let stood_ns = controls.wish().stood_ns(due, now_ns);
        self.lag_ns.fetch_max(late_ns.saturating_sub(stood_ns), Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::collector::{CAPACITY, channel};

    const MS: u64 = 1_000_000;

    #[tokio::test]
    async fn lag_is_told_from_a_standstill() {
        let (sink, _source) = channel(CAPACITY);
        let controls = Controls::new(sink, Clock::start());
        let pulse = Pulse::default();
        pulse.look(0, 50 * MS, 250 * MS, &controls).await;
        assert_eq!((pulse.take_ns(), controls.wish().stood), (200 * MS, None), "nobody was stopped");
        pulse.continued.store(true, Ordering::Relaxed);
        pulse.look(300 * MS, 350 * MS, 550 * MS, &controls).await;
        assert_eq!((pulse.take_ns(), controls.wish().stood), (0, Some((300 * MS, 550 * MS))));
        // Another thread's loop, which was told by the first.
        pulse.look(320 * MS, 370 * MS, 551 * MS, &controls).await;
        assert_eq!((pulse.take_ns(), controls.wish().stood), (MS, Some((300 * MS, 550 * MS))));
        // A signal that let nothing go on excuses no later lag.
        pulse.continued.store(true, Ordering::Relaxed);
        pulse.look(600 * MS, 650 * MS, 651 * MS, &controls).await;
        pulse.look(700 * MS, 750 * MS, 900 * MS, &controls).await;
        assert_eq!(pulse.take_ns(), 150 * MS);
    }
}
