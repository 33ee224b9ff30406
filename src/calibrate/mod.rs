//! What this client can measure on this machine: it is loaded until it can do no more, and compared with a server
//! whose timing is known.
//!
//! `cli` makes a [`Plan`] and hands it to [`run`], prints what comes of it, and saves it ([`save`]) for the runs to
//! come, whose recordings bear the [`limits`] that hold for them. Each load is a real run with real clients, backend,
//! collector and recording; only the disk is left out.
//!
//! | file | for |
//! |---|---|
//! | `plan` | which loads |
//! | `measure` | one load |
//! | `server`, `answer`, `cores`, `loopback` | the built-in server |
//! | `truth` | the client's stamps against the server's |
//! | `result`, `text` | figures, limits, the verdict; as a table |
//! | `store` | the file in the cache folder |

mod measure;
mod plan;
mod result;
mod store;
mod text;

#[cfg(all(feature = "http", target_os = "linux"))]
mod answer;
#[cfg(all(feature = "http", target_os = "linux"))]
mod cores;
#[cfg(all(feature = "http", target_os = "linux"))]
mod loopback;
#[cfg(all(feature = "http", target_os = "linux"))]
mod server;
#[cfg(all(feature = "http", target_os = "linux"))]
mod truth;

#[cfg(not(all(feature = "http", target_os = "linux")))]
#[path = "no_loopback.rs"]
mod loopback;

#[cfg(test)]
mod tests;

use std::sync::atomic::{AtomicBool, Ordering};

use self::loopback::{Loopback, room_for_streams};
use self::measure::Bench;
pub use self::plan::{Aim, Load, Plan, Wanted, Way};
pub use self::result::{Calibrated, Errors, Limits, Measured};
pub use self::store::{Found, Key, folder, save};
pub use self::text::text;
use crate::clock::Clock;
use crate::recording::Host;

/// The name of the built-in server's thread.
pub(crate) const SERVER_THREAD: &str = "calibrate";
/// Whether there is a way over HTTP.
pub(crate) const HTTP: bool = cfg!(all(feature = "http", target_os = "linux"));

/// Why there is no calibration.
#[derive(Debug, thiserror::Error)]
pub enum CalibrateError {
    /// Somebody ended it.
    #[error("the calibration was interrupted; nothing is saved")]
    Interrupted,
    /// The built-in server could not be started.
    #[error("the built-in server can't be started: {0}")]
    Server(std::io::Error),
    /// This build or system has none.
    #[error("this build has no built-in server: it needs the feature `http` and Linux")]
    NoHttp,
    /// A load could not be run.
    #[error("{load}: {why}")]
    Load { load: String, why: String },
}

/// Runs all loads of a plan, one after another; `tell` is told which one begins. Blocks.
///
/// # Errors
/// If one can't be run at all, or `stop` is set.
pub fn run(
    plan: &Plan,
    host: &Host,
    stop: &AtomicBool,
    tell: &mut dyn FnMut(&str),
) -> Result<Calibrated, CalibrateError> {
    let clock = Clock::start();
    let room = room_for_streams();
    let over_http = plan.loads.iter().any(|load| load.way == Way::Http);
    let mut loopback = if over_http { Some(Loopback::start(clock)?) } else { None };
    let own_core = loopback.as_ref().is_some_and(Loopback::own_core);
    let mut measured = Vec::with_capacity(plan.loads.len());
    for (number, load) in plan.loads.iter().enumerate() {
        if load.way == Way::InProcess {
            // Client and simulated engine have all cores.
            loopback = None;
        }
        let name = load.name();
        if load.way == Way::Http && load.streams > room {
            tell(&format!("{name}: left out, since only {room} streams can be open at once (ulimit -n)"));
            continue;
        }
        tell(&format!("{}/{} {name}", number + 1, plan.loads.len()));
        measured.push(Bench { clock, loopback: loopback.as_ref(), stop }.measure(load)?);
        if stop.load(Ordering::Relaxed) {
            return Err(CalibrateError::Interrupted);
        }
    }
    Ok(Calibrated::new(plan, Key::here(host), clock.started_at(), own_core, measured))
}

/// The saved limits that hold for this program on this machine, if there are some; why those that there are don't.
pub fn limits(host: &Host) -> (Option<Limits>, Option<String>) {
    let found = folder().map_or(Found::Nothing, |folder| store::find(&folder, &Key::here(host)));
    match found {
        Found::Nothing => (None, None),
        Found::Unusable(why) => (None, Some(why)),
        Found::Limits(limits) => (Some(limits), None),
    }
}
