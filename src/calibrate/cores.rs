//! Who computes where: the server on a core of its own, all that belongs to the client on the others, so that neither
//! takes the other's time and the server's own cost is not measured.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// The cores of a calibration. The calling thread, and with it every thread that it starts, is kept off the server's
/// core until this is dropped.
pub struct Cores {
    /// The core that the server has for itself; `None` where there is only one.
    pub server: Option<CpuSet>,
    before: Option<CpuSet>,
}

impl Cores {
    /// Divides the cores that this process may use. Nothing is divided where there is one, or the system refuses.
    pub fn divide() -> Self {
        let nothing = Self { server: None, before: None };
        let Ok(before) = sched_getaffinity(None) else { return nothing };
        let Some(last) = (0..CpuSet::MAX_CPU).rev().find(|core| before.is_set(*core)) else { return nothing };
        let mut clients = before;
        clients.unset(last);
        if clients.count() == 0 || sched_setaffinity(None, &clients).is_err() {
            return nothing;
        }
        let mut server = CpuSet::new();
        server.set(last);
        Self { server: Some(server), before: Some(before) }
    }
}

impl Drop for Cores {
    fn drop(&mut self) {
        if let Some(before) = &self.before {
            // It was allowed a moment ago.
            let _ = sched_setaffinity(None, before);
        }
    }
}

/// Raises this process's limit of open files as far as it may go, and tells how many streams it leaves room for: each
/// needs a socket at either end.
pub fn room_for_streams() -> u32 {
    /// Files that are open anyway, and some more.
    const OTHERS: u64 = 64;
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    let files = match setrlimit(Resource::Nofile, raised) {
        Ok(()) => limit.maximum,
        Err(_) => limit.current,
    };
    files.map_or(u32::MAX, |files| (files.saturating_sub(OTHERS) / 2) as u32)
}
