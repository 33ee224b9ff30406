//! Being stopped by SIGTSTP, from the key or from elsewhere: first the terminal is given back, then the process stops.
//!
//! The signal's own action would stop the process at once and leave the shell a raw terminal. It is caught as long as the
//! terminal is taken; at all other times what it does by default is done. Whoever catches it has to stop by SIGSTOP
//! then, which, unlike SIGTSTP, also stops a process that nobody can let go on. So that is asked before.

use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use rustix::process::{Pid, Signal, getpgid, getppid, getsid};
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
    let (Ok(group), Ok(session)) = (getpgid(None), getsid(None)) else { return false };
    let mut above = getppid();
    while let Some(pid) = above {
        if getpgid(Some(pid)).ok() != Some(group) {
            return getsid(Some(pid)).ok() == Some(session);
        }
        above = parent(pid);
    }
    // A wrapper is above us, and what is above that can't be known: likely a shell.
    getppid().is_some() && !Path::new("/proc/self/stat").exists()
}

/// The parent of a process that is not ours, where the system lists them as files.
fn parent(of: Pid) -> Option<Pid> {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", of.as_raw_pid())).ok()?;
    // The name before may hold anything but ends at the last parenthesis; then come state and parent.
    let raw = stat.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse().ok()?;
    Pid::from_raw(raw)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parent_is_read_whatever_the_name() {
        let own = rustix::process::getpid();
        assert_eq!(parent(own), getppid());
        assert_eq!(parent(Pid::from_raw(i32::MAX).unwrap()), None);
    }
}
