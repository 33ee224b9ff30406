//! SIGINT, SIGTERM and SIGHUP set a flag; the commands look at it.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use signal_hook::SigId;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGXFSZ};

use super::failure::Failure;

/// While it lives, signals set the flag instead of ending the process.
pub struct Watch(Vec<SigId>);

/// Sets `flag` when the process is asked to end.
///
/// # Errors
/// If the system refuses a handler.
pub fn watch(flag: &Arc<AtomicBool>) -> Result<Watch, Failure> {
    let mut ids = Vec::new();
    for signal in [SIGINT, SIGTERM, SIGHUP] {
        let id = signal_hook::flag::register(signal, flag.clone())
            .map_err(|e| Failure::failed(format!("signals can't be watched: {e}")))?;
        ids.push(id);
    }
    // A file-size limit is met like a full disk: the write fails, and the run goes on.
    let unheeded = Arc::new(AtomicBool::new(false));
    let id = signal_hook::flag::register(SIGXFSZ, unheeded)
        .map_err(|e| Failure::failed(format!("signals can't be watched: {e}")))?;
    ids.push(id);
    Ok(Watch(ids))
}

impl Drop for Watch {
    fn drop(&mut self) {
        for id in self.0.drain(..) {
            signal_hook::low_level::unregister(id);
        }
    }
}
