//! A recording on the same screens, at its end, or as a picture.

use std::io::IsTerminal;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use super::args::{ReplayArgs, ScreenName};
use super::failure::{Exit, Failure, Outcome};
use super::prepare::user_themes;
use super::{finish, live, output, overlay, report, signals};
use crate::clock::Clock;
use crate::logging::{Diversion, LogHub};
use crate::profile::Ui;
use crate::replay::{self, ReplaySession};
use crate::ui::state::{Screen, UiState};
use crate::ui::view::Picture;
use crate::ui::{self, Recording, Transport, theme};

/// Plays a recording.
pub fn replay(args: &ReplayArgs, hub: &LogHub) -> Outcome {
    let theme_name = args.screen.theme.clone().unwrap_or(Ui::default().theme);
    theme::source(&theme_name, user_themes().as_deref())?;
    if let Some(at) = args.shot {
        return shot(args, at.as_nanos() as u64, &theme_name);
    }
    if args.headless {
        return headless(args);
    }
    if !std::io::stdout().is_terminal() {
        return headless(args);
    }
    let mut session = ReplaySession::start(&args.file, Clock::start(), args.speed)?;
    let curves = overlay::curves(&session.header().profile, &args.screen.with)?;
    session.lay_over(curves);
    let options = ui::Options {
        theme: theme_name,
        user_themes: user_themes(),
        depth: theme::Depth::detect(|name| std::env::var(name).ok()),
        fps: Ui::default().fps,
        stop: Arc::new(AtomicBool::new(false)),
    };
    let _signals = signals::watch(&options.stop)?;
    let tty = live::terminal().map_err(|e| Failure::failed(format!("the terminal can't be opened: {e}")))?;
    let diversion = Diversion::begin(hub).map_err(Failure::failed)?;
    let shown = ui::run(&session, &options, tty);
    drop(diversion);
    shown.map_err(Failure::failed)?;
    let signalled = options.stop.load(std::sync::atomic::Ordering::Relaxed);
    Ok(if signalled { Exit::Interrupted } else { Exit::Done })
}

fn headless(args: &ReplayArgs) -> Outcome {
    let report = report::read(&args.file)?;
    if !args.headless {
        output::say("standard output is no terminal: replayed without the dashboard");
    }
    let text = if args.json {
        report.to_json().map_err(Failure::failed)?
    } else {
        crate::report::text(std::slice::from_ref(&report), crate::report::Show::Both)
    };
    output::print(&text)?;
    finish::judge(std::slice::from_ref(&report))
}

/// Draws the screen as it was at one moment.
fn shot(args: &ReplayArgs, at_ns: u64, theme_name: &str) -> Outcome {
    let theme = theme::load(theme_name, user_themes().as_deref(), theme::Depth::True)?;
    let (snap, header, length_ns) = replay::at(&args.file, at_ns)?;
    let ui = UiState {
        screen: match args.view {
            ScreenName::Live => Screen::Live,
            ScreenName::Latency => Screen::Latency,
            ScreenName::Clients => Screen::Clients,
            ScreenName::Requests => Screen::Requests,
            ScreenName::Curve => Screen::Curve,
            ScreenName::System => Screen::System,
            ScreenName::Log => Screen::Log,
        },
        ..UiState::default()
    };
    let mut title = replay::title(&header);
    title.curves = Arc::new(overlay::curves(&header.profile, &args.screen.with)?);
    let picture = Picture {
        snap: &snap,
        title: &title,
        recording: &Recording::Replay { path: name_of(&args.file) },
        transport: Some(Transport {
            at_ns: at_ns.min(length_ns),
            length_ns,
            playing: true,
            speed: args.speed,
            indexed: None,
        }),
        over: false,
    };
    let svg = ui::draw_to_svg(&picture, &ui, &theme, args.size);
    match args.output.as_deref() {
        Some(path) if path.as_os_str() != "-" => std::fs::write(path, svg)
            .map_err(|e| Failure::failed(format!("can't write the picture {}: {e}", path.display())))
            .map(|()| Exit::Done),
        _ => output::print(&svg),
    }
}

fn name_of(path: &Path) -> String {
    path.file_name().map_or_else(|| "standard input".into(), |name| name.to_string_lossy().into_owned())
}
