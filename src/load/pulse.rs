//! The client watches itself: how late does its event loop wake?

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::clock::Clock;

/// How often the loop is asked to wake.
const BEAT: Duration = Duration::from_millis(50);

/// The longest delay of the clients' event loop since it was last read.
#[derive(Debug, Clone, Default)]
pub struct Pulse(Arc<AtomicU64>);

impl Pulse {
    /// Nanoseconds of the longest delay since the last call, and starts anew.
    pub fn take_ns(&self) -> u64 {
        self.0.swap(0, Ordering::Relaxed)
    }

    /// Beats until it is dropped; runs as a task beside the clients.
    pub(super) async fn beat(self, clock: Clock) {
        loop {
            let due = clock.now_ns() + BEAT.as_nanos() as u64;
            tokio::time::sleep_until(clock.instant(due).into()).await;
            self.0.fetch_max(clock.now_ns().saturating_sub(due), Ordering::Relaxed);
        }
    }
}
