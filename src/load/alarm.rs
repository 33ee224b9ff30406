//! Waking on time. The runtime's own timer has a resolution of a millisecond, which would be the send lag of every
//! request of an open loop. Linux has timers that are files: they wake the same thread to some ten microseconds, and
//! it sleeps until then.

use crate::backend::rounds::Due;
use crate::clock::Clock;

/// Wakes one task, one wait after another.
pub(super) struct Alarm {
    clock: Clock,
    /// Where the run's loops are told.
    due: Due,
    #[cfg(target_os = "linux")]
    timer: Option<linux::Timer>,
}

impl Alarm {
    /// An alarm of the present runtime. Where there is no finer timer, the runtime's has to do.
    pub fn new(clock: Clock, due: Due) -> Self {
        Self {
            clock,
            due,
            #[cfg(target_os = "linux")]
            timer: linux::Timer::new()
                .inspect_err(|e| tracing::warn!("no fine timer ({e}): requests may be sent 1 ms late"))
                .ok(),
        }
    }

    /// Waits for a time, nanoseconds since the run's start; no time at all if it is past. No loop of the run sleeps from then
    /// on, until there is another time or [`Alarm::off`].
    pub async fn until(&self, at_ns: u64) {
        self.due.set(at_ns);
        loop {
            let now_ns = self.clock.now_ns();
            if now_ns >= at_ns {
                return;
            }
            #[cfg(target_os = "linux")]
            if let Some(timer) = &self.timer
                && timer.wait(std::time::Duration::from_nanos(at_ns - now_ns)).await.is_ok()
            {
                continue;
            }
            tokio::time::sleep_until(self.clock.instant(at_ns).into()).await;
        }
    }

    /// Nothing waits for a time any more.
    pub fn off(&self) {
        self.due.clear();
    }
}

impl Drop for Alarm {
    fn drop(&mut self) {
        self.off();
    }
}

#[cfg(target_os = "linux")]
mod linux {
    use std::io;
    use std::os::fd::OwnedFd;
    use std::time::Duration;

    use rustix::time::{
        Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create,
        timerfd_settime,
    };
    use tokio::io::Interest;
    use tokio::io::unix::AsyncFd;

    /// Longer waits are done in pieces.
    const LONGEST: Duration = Duration::from_hours(1);

    pub(super) struct Timer(AsyncFd<OwnedFd>);

    impl Timer {
        #[allow(
            deprecated,
            reason = "unsound for types whose descriptor may change, which an OwnedFd's does not; what replaces it is \
                      unsafe to call for any type"
        )]
        pub(super) fn new() -> io::Result<Self> {
            let flags = TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC;
            AsyncFd::with_interest(timerfd_create(TimerfdClockId::Monotonic, flags)?, Interest::READABLE)
                .map(Self)
        }

        /// Waits for this time, or an hour of it. Setting it anew takes back what an earlier wait, given up, has left.
        pub(super) async fn wait(&self, time: Duration) -> io::Result<()> {
            // A time of 0 would never come.
            let time = time.clamp(Duration::from_nanos(1), LONGEST);
            let never = Timespec { tv_sec: 0, tv_nsec: 0 };
            let value =
                Timespec { tv_sec: time.as_secs().cast_signed(), tv_nsec: time.subsec_nanos().into() };
            let once = Itimerspec { it_interval: never, it_value: value };
            timerfd_settime(self.0.get_ref(), TimerfdTimerFlags::empty(), &once)?;
            let read = |fd: &OwnedFd| rustix::io::read(fd, &mut [0_u8; 8]).map_err(io::Error::from);
            self.0.async_io(Interest::READABLE, read).await.map(|_| ())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn it_wakes_never_early_and_mostly_within_a_millisecond() {
        let clock = Clock::start();
        let alarm = Alarm::new(clock, Due::default());
        alarm.until(0).await;
        let mut late = Vec::new();
        for i in 0..40 {
            // One that is given up halfway leaves nothing behind.
            let due = clock.now_ns() + 500_000 + i * 37_000;
            if i % 4 == 0 {
                let other = alarm.until(due - 400_000);
                let _ = tokio::time::timeout(std::time::Duration::ZERO, other).await;
            }
            alarm.until(due).await;
            late.push(clock.now_ns().checked_sub(due).expect("never early"));
        }
        late.sort_unstable();
        if cfg!(target_os = "linux") {
            // The runtime's timer is half a millisecond late on the average, at the least; a busy machine may be, too.
            assert!(late[5] < 400_000, "{late:?}");
        }
    }
}
