//! Panics: logged wherever they happen, and never left on a terminal in disorder.
//!
//! A panic of the main thread gives the terminal back at once. One of another thread only ends what rests on
//! that thread: the run sees it and ends in order, and the dashboard shows why.

use std::panic::{AssertUnwindSafe, PanicHookInfo, catch_unwind};
use std::sync::Mutex;
use std::thread::{self, ThreadId};

use super::failure::{Failure, Outcome};
use crate::ui;

/// The first panic, in words.
static FIRST: Mutex<Option<String>> = Mutex::new(None);

/// Installs the hook; call it on the main thread.
pub fn install_hook() {
    let main = thread::current().id();
    std::panic::set_hook(Box::new(move |info| note(info, main)));
}

fn note(info: &PanicHookInfo<'_>, main: ThreadId) {
    let thread = thread::current();
    if thread.id() == main {
        ui::restore_all();
    }
    let place = info.location().map_or_else(String::new, |l| format!(" at {}:{}", l.file(), l.line()));
    let what = info.payload_as_str().unwrap_or("no message");
    let name = thread.name().unwrap_or("unnamed");
    let message = format!("thread `{name}` panicked{place}: {what}");
    if let Ok(mut first) = FIRST.lock() {
        first.get_or_insert_with(|| message.clone());
    }
    tracing::error!("{message}\n{}", std::backtrace::Backtrace::capture());
}

/// Runs a command; a panic in it becomes a failure like any other.
pub fn guard(command: impl FnOnce() -> Outcome) -> Outcome {
    catch_unwind(AssertUnwindSafe(command)).unwrap_or_else(|_| {
        let first = FIRST.lock().ok().and_then(|mut first| first.take());
        let what = first.unwrap_or_else(|| "a thread panicked".into());
        Err(Failure::failed(format!("a fault of the program: {what}\nPlease report it, with the log file.")))
    })
}
