//! The channel of events: bounded, never waited for, and honest about what it had no room for.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, TrySendError};

use crate::event::Event;

/// Events the channel holds. At ten thousand tokens a second that is 13 s of a collector that does nothing
/// at all, and an [`Event`] with its slot takes at most 64 bytes, so the channel takes 8 MiB.
pub const CAPACITY: usize = 1 << 17;
/// Longest wait for room for the run's end, which must not get lost: the collector ends by it.
const END_WAIT: Duration = Duration::from_secs(5);

const _: () = assert!(size_of::<Event>() <= 56, "the channel would take more memory than CAPACITY says");

/// Where events are handed in. Cheap to clone, one for each client.
#[derive(Debug, Clone)]
pub struct EventSink {
    sender: Sender<Event>,
    lost: Arc<AtomicU64>,
}

impl EventSink {
    /// Hands an event in; never waits (but a moment for [`Event::Ended`], if there is no room). An event that
    /// finds no room is lost and counted: the run is then tainted.
    pub fn send(&self, event: Event) {
        let lost = if matches!(event, Event::Ended { .. }) {
            self.sender.send_timeout(event, END_WAIT).is_err()
        } else {
            // With the collector gone nobody counts any more.
            matches!(self.sender.try_send(event), Err(TrySendError::Full(_)))
        };
        if lost {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// There is no room just now.
    pub fn is_full(&self) -> bool {
        self.sender.is_full()
    }
}

/// The collector's end of the channel.
#[derive(Debug)]
pub struct Source {
    pub(super) receiver: Receiver<Event>,
    lost: Arc<AtomicU64>,
}

impl Source {
    /// Events that found no room since the last call.
    pub(super) fn take_lost(&self) -> u64 {
        self.lost.swap(0, Ordering::Relaxed)
    }
}

/// A channel for `capacity` events: [`CAPACITY`], but for tests.
pub fn channel(capacity: usize) -> (EventSink, Source) {
    let (sender, receiver) = crossbeam_channel::bounded(capacity);
    let lost = Arc::new(AtomicU64::new(0));
    (EventSink { sender, lost: Arc::clone(&lost) }, Source { receiver, lost })
}
