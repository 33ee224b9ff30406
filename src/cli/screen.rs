//! Dashboard or plain lines: what flags, the user's settings and the terminal ask for, and showing it.

use std::sync::Arc;
use std::time::Duration;

use super::args::ScreenArgs;
use super::config::{Config, PLAIN_EVERY};
use super::failure::Failure;
use super::prepare::user_themes;
use super::{live, output};
use crate::logging::Diversion;
use crate::ui::{self, Session, UiError, theme};

/// How a session is shown.
pub enum Way {
    /// On the whole terminal, which is this.
    Dashboard(std::fs::File),
    /// In lines, with figures this often.
    Plain(Duration),
}

/// Whether a terminal can do no more than take lines.
pub fn dumb() -> bool {
    std::env::var("TERM").is_ok_and(|term| term == "dumb")
}

/// Plain lines, if anything asks for them: their interval.
pub fn plain(args: &ScreenArgs, config: &Config) -> Option<Duration> {
    let configured = config.plain.as_ref().is_some_and(|plain| plain.value);
    let every = args.plain_every.or(config.plain_every.as_ref().map(|every| every.value));
    (args.plain || configured || dumb()).then(|| every.unwrap_or(PLAIN_EVERY))
}

/// What of the arguments would have no effect.
///
/// # Errors
/// An interval of plain lines where nothing asks for these.
pub fn check(args: &ScreenArgs, config: &Config) -> Result<(), Failure> {
    if args.plain_every.is_some() && plain(args, config).is_none() {
        return Err(Failure::usage("--plain-every is the time between plain lines; it goes with --plain"));
    }
    Ok(())
}

/// How to show it, once it is known that there is a terminal or that none is needed.
///
/// # Errors
/// When the terminal can't be opened.
pub fn way(args: &ScreenArgs, config: &Config) -> Result<Way, Failure> {
    let Some(every) = plain(args, config) else {
        let tty = live::terminal();
        return tty
            .map(Way::Dashboard)
            .map_err(|e| Failure::failed(format!("the terminal can't be opened: {e}")));
    };
    if dumb() && !args.plain {
        output::say("TERM=dumb: plain lines instead of the dashboard");
    }
    Ok(Way::Plain(every))
}

/// The dashboard's options.
///
/// # Errors
/// A theme that is none.
pub fn options(theme_name: String, fps: u32, config: &Config) -> Result<ui::Options, Failure> {
    theme::source(&theme_name, user_themes().as_deref())?;
    Ok(ui::Options {
        theme: theme_name,
        user_themes: user_themes(),
        depth: theme::Depth::detect(|name| std::env::var(name).ok()),
        keys: config.keys.clone(),
        fps,
        stop: Arc::default(),
    })
}

/// Shows a session until the user leaves it, or it is over.
///
/// # Errors
/// As [`ui::run`].
pub fn show(
    session: &dyn Session,
    way: Way,
    options: &ui::Options,
    diversion: &Diversion,
) -> Result<(), UiError> {
    match way {
        Way::Dashboard(tty) => ui::run(session, options, tty),
        Way::Plain(every) => {
            let lines = ui::plain::Options { every, keys: options.keys.clone(), stop: options.stop.clone() };
            ui::plain::run(session, &lines, diversion.stdout()?, &ui::plain::typed()?)
        }
    }
}
