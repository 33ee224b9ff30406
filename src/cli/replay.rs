//! A recording on the same screens, at its end, or as a picture.

mod args;

use std::io::IsTerminal;
use std::path::Path;
use std::sync::Arc;

use self::args::ScreenName;
use super::failure::{Exit, Failure, Outcome};
use super::prepare::user_themes;
use super::range::Figures;
use super::screen::{Way, check, options, plain, show, way};
use super::{config, finish, output, overlay, report, signals};
use crate::clock::Clock;
use crate::logging::{Diversion, LogHub};
use crate::profile::Ui;
use crate::replay::{self, ReplaySession};
use crate::report::VerdictKind;
use crate::ui::state::{Screen, UiState};
use crate::ui::view::Picture;
use crate::ui::{self, Other, Recording, Session as _, Transport, theme};

pub use self::args::ReplayArgs;

/// Plays a recording.
pub fn replay(args: &ReplayArgs, hub: &LogHub) -> Outcome {
    let config = config::load()?;
    check(&args.screen, &config)?;
    let mut look = Ui::default();
    config.lay_under(&mut look, None);
    let theme_name = args.screen.theme.clone().unwrap_or(look.theme);
    theme::source(&theme_name, user_themes().as_deref())?;
    if let Some(at) = args.shot {
        return shot(args, u64::try_from(at.as_nanos()).unwrap_or(u64::MAX), &theme_name);
    }
    if args.headless {
        return headless(args);
    }
    if !std::io::stdout().is_terminal() && plain(&args.screen, &config).is_none() {
        return headless(args);
    }
    if args.screen.with.iter().any(|path| path.as_os_str() == "-") {
        return Err(Failure::usage(
            "--with needs a file; only the recording itself can come by standard input",
        ));
    }
    let mut session = ReplaySession::start(&args.file, Clock::start(), args.speed)?;
    let curves = overlay::curves(&session.header().profile, &args.screen.with)?;
    session.lay_over(curves);
    let exact = Box::new(Figures::of(&args.file));
    session
        .measure_by(exact)
        .map_err(|e| Failure::failed(format!("no thread for a range's figures: {e}")))?;
    if let Some(other) = args.screen.with.first() {
        session.play_beside(other, Clock::start())?;
    }
    let options = options(theme_name, look.fps, &config)?;
    let _signals = signals::watch(&options.stop)?;
    let way = way(&args.screen, &config)?;
    let lines = matches!(way, Way::Plain(_));
    let diversion = Diversion::begin(hub).map_err(Failure::failed)?;
    let shown = show(&session, way, &options, &diversion);
    drop(diversion);
    shown.map_err(Failure::failed)?;
    if options.stop.load(std::sync::atomic::Ordering::Relaxed) {
        return Ok(Exit::Interrupted);
    }
    let at_end = session.transport().is_some_and(|t| t.at_ns >= t.length_ns);
    if lines && at_end { say_sla(&args.file, &session.header().profile) } else { Ok(Exit::Done) }
}

/// After a replay's last plain line: whether the thresholds of the recording's `[sla]` were kept, which only exact figures
/// tell. What came by standard input can't be read once more.
fn say_sla(file: &Path, profile: &serde_json::Value) -> Outcome {
    const FASTGENS: [&str; 3] = ["prompt_tokens_per_s", "generation_tokens_per_s", "validators"];
    let sla = profile.pointer("/sla").and_then(|sla| sla.as_object());
    let thresholds = sla.is_some_and(|sla| sla.keys().any(|key| !FASTGENS.contains(&key.as_str())));
    if !thresholds || file.as_os_str() == "-" {
        return Ok(Exit::Done);
    }
    let report = report::read(file)?;
    let judged = [VerdictKind::SlaMet, VerdictKind::SlaMissed];
    for verdict in report.recording.verdicts.iter().filter(|v| judged.contains(&v.verdict)) {
        output::print(&format!("{}: {}\n", verdict.verdict.words(), ui::harmless(&verdict.why)))?;
    }
    Ok(Exit::Done)
}

fn headless(args: &ReplayArgs) -> Outcome {
    let report = report::read(&args.file)?;
    if !args.headless {
        output::say("standard output is no terminal: replayed without the dashboard");
    }
    let text = if args.json {
        report.to_json().map_err(Failure::failed)?
    } else {
        let columns = output::columns(std::io::stdout());
        crate::report::text_within(std::slice::from_ref(&report), crate::report::Show::Both, columns)
    };
    output::print(&text)?;
    finish::judge(std::slice::from_ref(&report))
}

/// Draws the screen as it was at one moment.
fn shot(args: &ReplayArgs, at_ns: u64, theme_name: &str) -> Outcome {
    let theme = theme::load(theme_name, user_themes().as_deref(), theme::Depth::True)?;
    let (snap, header, length_ns) = replay::at(&args.file, at_ns)?;
    if at_ns > length_ns {
        return Err(too_late(&args.file, at_ns, length_ns));
    }
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
    let other = args.screen.with.first().map(|path| other_at(&args.file, path, at_ns)).transpose()?;
    let picture = Picture {
        snap: &snap,
        title: &title,
        recording: &Recording::Replay { path: name_of(&args.file) },
        transport: Some(Transport { at_ns, length_ns, playing: true, speed: args.speed, indexed: None }),
        over: false,
        measured: None,
        other: None,
    };
    let picture = picture.beside(other.as_ref(), false);
    let svg = ui::draw_to_svg(&picture, &ui, &theme, args.size);
    let Some(path) = args.output.as_deref().filter(|path| path.as_os_str() != "-") else {
        return output::print(&svg);
    };
    std::fs::write(path, svg)
        .map_err(|e| Failure::failed(format!("can't write the picture {}: {e}", path.display())))?;
    output::say(&format!("wrote {}", path.display()));
    Ok(Exit::Done)
}

fn too_late(file: &Path, at_ns: u64, length_ns: u64) -> Failure {
    let seconds = |ns: u64| format!("{:.3} s", ns as f64 / 1e9);
    Failure::usage(format!(
        "--shot {}: {} is only {} long",
        seconds(at_ns),
        name_of(file),
        seconds(length_ns)
    ))
}

/// Another recording at the same time after its beginning.
fn other_at(first: &Path, path: &Path, at_ns: u64) -> Result<Other, Failure> {
    let ahead_ns = replay::ahead_ns(first, path)?;
    let (snap, header, _) = replay::at(path, at_ns.saturating_add_signed(-ahead_ns))?;
    let recording = Recording::Replay { path: name_of(path) };
    Ok(Other { snap: Arc::new(snap), title: replay::title(&header), recording, ahead_ns })
}

fn name_of(path: &Path) -> String {
    path.file_name().map_or_else(|| "standard input".into(), |name| name.to_string_lossy().into_owned())
}
