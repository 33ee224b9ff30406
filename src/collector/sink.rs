//! The channel of events: bounded, never waited for, and honest about what it had no room for.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crossbeam_channel::{Receiver, SendTimeoutError, Sender, TrySendError};

use crate::event::Event;

/// Events the channel holds. At ten thousand tokens a second that is 13 s of a collector that does nothing
/// at all, and an [`Event`] with its slot takes at most 64 bytes, so the channel takes 8 MiB.
pub const CAPACITY: usize = 1 << 17;
/// Longest wait for room for the run's end. It must not get lost, since the collector ends by it: if there is no room
/// even then, it is laid beside the channel.
const END_WAIT: Duration = if cfg!(test) { Duration::from_millis(50) } else { Duration::from_secs(5) };

const _: () = assert!(size_of::<Event>() <= 56, "the channel would take more memory than CAPACITY says");

/// Where events are handed in. Cheap to clone, one for each client.
#[derive(Debug, Clone)]
pub struct EventSink {
    sender: Sender<Event>,
    lost: Arc<AtomicU64>,
    /// The end that found no room.
    end: Arc<Mutex<Option<Event>>>,
}

impl EventSink {
    /// Hands an event in; never waits (but a moment for [`Event::Ended`], if there is no room). An event that
    /// finds no room is lost and counted: the run is then tainted.
    pub fn send(&self, event: Event) {
        if matches!(event, Event::Ended { .. }) {
            if let Err(SendTimeoutError::Timeout(end)) = self.sender.send_timeout(event, END_WAIT) {
                *self.end.lock().unwrap_or_else(PoisonError::into_inner) = Some(end);
            }
            return;
        }
        // With the collector gone nobody counts any more.
        if matches!(self.sender.try_send(event), Err(TrySendError::Full(_))) {
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
    end: Arc<Mutex<Option<Event>>>,
}

impl Source {
    /// Events that found no room since the last call.
    pub(super) fn take_lost(&self) -> u64 {
        self.lost.swap(0, Ordering::Relaxed)
    }

    /// The run's end, if all that came before it was taken and it had found no room.
    pub(super) fn take_end(&self) -> Option<Event> {
        let mut end = self.end.lock().unwrap_or_else(PoisonError::into_inner);
        if self.receiver.is_empty() { end.take() } else { None }
    }
}

/// A channel for `capacity` events: [`CAPACITY`], but for tests.
pub fn channel(capacity: usize) -> (EventSink, Source) {
    let (sender, receiver) = crossbeam_channel::bounded(capacity);
    let (lost, end) = (Arc::new(AtomicU64::new(0)), Arc::default());
    (EventSink { sender, lost: Arc::clone(&lost), end: Arc::clone(&end) }, Source { receiver, lost, end })
}
