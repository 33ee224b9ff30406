//! Being stopped by SIGTSTP, from the key or from elsewhere: first the terminal is given back, then the process stops.
//!
//! The signal's own action would stop the process at once and leave the shell a raw terminal. It is caught as long as the
//! terminal is taken; at all other times what it does by default is done. Whoever catches it has to stop by SIGSTOP
//! then, which, unlike SIGTSTP, also stops a process that nobody can let go on. So that is asked before.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use rustix::process::{Signal, getppid};
use signal_hook::consts::SIGTSTP;
use signal_hook::flag;

/// What the signal does, the same for all of the process.
#[derive(Clone, Default)]
struct Told {
    /// It was sent while the terminal was taken.
    asked: Arc<AtomicBool>,
    /// The terminal is not taken: it stops the process.
    stops: Arc<AtomicBool>,
}

/// Set once: a second registration would stop the process twice.
static TOLD: Mutex<Option<Told>> = Mutex::new(None);

/// The signal's watch while a terminal is taken. Dropping it leaves the signal to its default.
pub(super) struct Job {
    told: Told,
}

impl Job {
    /// # Errors
    /// When the system takes no handler.
    pub(super) fn watch() -> io::Result<Self> {
        let mut registered = TOLD.lock().unwrap_or_else(PoisonError::into_inner);
        let told = if let Some(told) = &*registered {
            told.clone()
        } else {
            let told = Told::default();
            flag::register(SIGTSTP, told.asked.clone())?;
            flag::register_conditional_default(SIGTSTP, told.stops.clone())?;
            registered.insert(told).clone()
        };
        told.stops.store(false, Ordering::SeqCst);
        told.asked.store(false, Ordering::SeqCst);
        Ok(Self { told })
    }

    /// Whether somebody has asked the process to stop; once.
    pub(super) fn was_asked(&self) -> bool {
        self.told.asked.swap(false, Ordering::SeqCst) && can_go_on()
    }

    /// Stops the process, and with it its group where the terminal would have; returns when it goes on. Where nobody
    /// could let it go on, nothing happens.
    ///
    /// # Errors
    /// As the system says.
    pub(super) fn stop(&self, group: bool) -> io::Result<()> {
        if !can_go_on() {
            return Ok(());
        }
        self.told.stops.store(true, Ordering::SeqCst);
        let sent = if group {
            rustix::process::kill_current_process_group(Signal::TSTP)
        } else {
            rustix::process::kill_process(rustix::process::getpid(), Signal::TSTP)
        };
        // The signal may be taken by another thread, and this one run on for a moment.
        std::thread::sleep(super::BETWEEN_TRIES);
        self.told.stops.store(false, Ordering::SeqCst);
        self.told.asked.store(false, Ordering::SeqCst);
        Ok(sent?)
    }
}

impl Drop for Job {
    fn drop(&mut self) {
        self.told.stops.store(can_go_on(), Ordering::SeqCst);
    }
}

/// Whether a shell watches the process' group: somebody of the same session whose child is in it. Without one the group is
/// an orphan, which no SIGTSTP stops.
pub(super) fn can_go_on() -> bool {
    let Some(own) = Family::of("self") else {
        // What is above can't be known: likely a shell.
        return getppid().is_some();
    };
    let mut above = Family::of(&own.parent.to_string());
    while let Some(next) = above {
        if next.group != own.group {
            return next.session == own.session;
        }
        above = Family::of(&next.parent.to_string());
    }
    false
}

/// What a process belongs to, by numbers. 0 stands for what lies outside of a container, so they are no `Pid`s.
#[derive(Debug, PartialEq, Eq)]
struct Family {
    parent: i32,
    group: i32,
    session: i32,
}

impl Family {
    /// Of a process, where the system lists them as files.
    fn of(process: &str) -> Option<Self> {
        Self::read(&std::fs::read_to_string(format!("/proc/{process}/stat")).ok()?)
    }

    fn read(stat: &str) -> Option<Self> {
        // The name before may hold anything but ends at the last parenthesis; then come the state and these.
        let mut numbers = stat.rsplit_once(')')?.1.split_whitespace().skip(1).map_while(|n| n.parse().ok());
        Some(Self { parent: numbers.next()?, group: numbers.next()?, session: numbers.next()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_family_is_read_whatever_the_name() {
        let read = Family::read("12 (a) S (b)) S 7 12 0 34816 12 4194304").unwrap();
        assert_eq!(read, Family { parent: 7, group: 12, session: 0 }, "0: the session's leader is outside");
        assert_eq!(Family::read("12 (a) S 7"), None);
        assert_eq!(Family::of(&i32::MAX.to_string()), None);
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn our_own_family_is_known() {
        let parent = Family::of("self").map(|own| own.parent);
        assert_eq!(parent, Some(getppid().map_or(0, rustix::process::Pid::as_raw_pid)));
    }
}
