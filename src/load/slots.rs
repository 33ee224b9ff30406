//! The places that an open loop's requests take while they are in flight: the lowest that is free, so that few rows
//! show all of them, and none when as many are in flight as may be.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

/// All places.
pub(super) struct Slots {
    places: Mutex<Places>,
    most: u32,
    freed: Notify,
}

#[derive(Default)]
struct Places {
    /// Free ones that were in use before.
    free: BinaryHeap<Reverse<u32>>,
    /// Ones that were ever in use.
    used: u32,
}

/// A place in use; it is free again when this is dropped.
pub(super) struct Slot {
    pub number: u32,
    slots: Arc<Slots>,
}

impl Slots {
    /// So many places.
    pub fn new(most: u32) -> Arc<Self> {
        Arc::new(Self { places: Mutex::default(), most, freed: Notify::new() })
    }

    fn places(&self) -> MutexGuard<'_, Places> {
        // Nothing in here panics, and a place more or less would be no reason to.
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The lowest free place; `None` if all are in use.
    pub fn take(self: &Arc<Self>) -> Option<Slot> {
        let mut places = self.places();
        let number = match places.free.pop() {
            Some(Reverse(number)) => number,
            None if places.used < self.most => {
                places.used += 1;
                places.used - 1
            }
            None => return None,
        };
        drop(places);
        Some(Slot { number, slots: self.clone() })
    }

    /// Waits until a place was given back since the last wait. For one task only.
    pub async fn freed(&self) {
        self.freed.notified().await;
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.slots.places().free.push(Reverse(self.number));
        self.slots.freed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_lowest_free_place_is_taken_and_no_more_than_there_are() {
        let slots = Slots::new(3);
        let mut taken: Vec<Slot> = (0..3).filter_map(|_| slots.take()).collect();
        assert_eq!(taken.iter().map(|s| s.number).collect::<Vec<_>>(), [0, 1, 2]);
        assert!(slots.take().is_none());
        drop(taken.remove(1));
        drop(taken.remove(0));
        slots.freed().await;
        let again = slots.take().unwrap();
        assert_eq!((again.number, slots.take().map(|s| s.number)), (0, Some(1)));
    }
}
