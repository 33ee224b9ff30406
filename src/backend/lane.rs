//! Which of the client's threads is this? What belongs to one event loop, as connections do, is kept apart by that.

use std::cell::Cell;

/// The most threads that clients run on.
pub const LANES: usize = 64;

thread_local! {
    static LANE: Cell<usize> = const { Cell::new(0) };
}

/// Says that this thread is the clients' number `lane`, counted from 0. Threads that never say are number 0.
pub fn enter(lane: usize) {
    LANE.set(lane % LANES);
}

/// Something that each of the client's threads has for itself.
#[derive(Debug)]
pub struct Lanes<T>(Box<[T]>);

impl<T: Default> Default for Lanes<T> {
    fn default() -> Self {
        Self(std::iter::repeat_with(T::default).take(LANES).collect())
    }
}

impl<T> Lanes<T> {
    /// This thread's.
    #[inline]
    pub fn here(&self) -> &T {
        &self.0[LANE.get()]
    }

    /// Everybody's.
    pub fn all(&self) -> &[T] {
        &self.0
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that fails may panic")]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    #[test]
    fn each_thread_has_its_own() {
        let lanes = Lanes::<AtomicU32>::default();
        std::thread::scope(|scope| {
            for lane in 0..3 {
                let lanes = &lanes;
                scope.spawn(move || {
                    enter(lane);
                    lanes.here().fetch_add(lane as u32 + 1, Ordering::Relaxed);
                });
            }
        });
        lanes.here().fetch_add(10, Ordering::Relaxed);
        let seen: Vec<u32> = lanes.all().iter().map(|lane| lane.load(Ordering::Relaxed)).take(4).collect();
        assert_eq!(seen, [11, 2, 3, 0]);
    }
}
