//! What the engine's threads last panicked with. The engine's thread takes its panic's message with it;
//! so it is noted as it happens.

use std::panic;
use std::sync::{Mutex, Once, PoisonError};

static LAST: Mutex<Option<String>> = Mutex::new(None);
static HOOK: Once = Once::new();

/// Notes panics of the engine's threads from now on, and hands every panic on to the hook there was.
pub fn watch() {
    HOOK.call_once(|| {
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |panic| {
            // The engine's own thread and its pool are nameless; those that we start for it are named so.
            let thread = std::thread::current();
            let engines = thread.name().is_none_or(|name| name.starts_with("engine"));
            if engines {
                let place = panic.location().map(|l| format!(" ({l})")).unwrap_or_default();
                let text = format!("{}{place}", message(panic.payload()));
                tracing::error!("an engine thread panicked: {text}");
                *LAST.lock().unwrap_or_else(PoisonError::into_inner) = Some(text);
            }
            before(panic);
        }));
    });
}

/// The last panic of an engine thread.
pub fn last() -> Option<String> {
    LAST.lock().unwrap_or_else(PoisonError::into_inner).clone()
}

/// A panic's message.
pub fn message(payload: &(dyn std::any::Any + Send)) -> String {
    let text = payload.downcast_ref::<&str>().map(|s| (*s).to_owned());
    text.or_else(|| payload.downcast_ref::<String>().cloned()).unwrap_or_else(|| "no message".into())
}
