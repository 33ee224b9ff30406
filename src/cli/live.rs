//! The main job: run a profile with the dashboard on.

use std::fs::{File, OpenOptions};
use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::args::{RunArgs, ScreenArgs};
use super::failure::{Failure, Outcome};
use super::prepare::{Prepared, Target, asked, prepare, user_themes};
use super::screen::{check, options, plain, show, way};
use super::{config, finish, output, plan, record, signals};
use crate::collector::RecordingStatus;
use crate::load::{Controls, Run, StopLevel};
use crate::logging::{Diversion, LogHub};
use crate::metrics::fastgen::Curve;
use crate::metrics::{ClientLimits, Snapshot};
use crate::profile::{MOST_RATE, Profile};
use crate::report::{self, csv};
use crate::ui::{Action, Recording, Session, Title, theme};

/// Runs live; without a terminal, as `record` does.
pub fn live(args: &RunArgs, screen: &ScreenArgs, no_record: bool, hub: &LogHub) -> Outcome {
    let config = config::load()?;
    check(screen, &config)?;
    if let Some(name) = &screen.theme {
        theme::source(name, user_themes().as_deref())?;
    }
    if !std::io::stdout().is_terminal() && plain(screen, &config).is_none() {
        output::say("standard output is no terminal: running as `record`, without the dashboard");
        return record::run(args, false, no_record, hub);
    }
    let asked = asked(args)?;
    if args.dry_run {
        return plan::print(&asked);
    }
    let way = way(screen, &config)?;
    let theme_name = screen.theme.clone().unwrap_or_else(|| asked.profile.ui.theme.clone());
    let options = options(theme_name, asked.profile.ui.fps, &config)?;
    if args.output.as_deref().is_some_and(|path| path.as_os_str() == "-") {
        return Err(Failure::usage("-o - needs `record`: standard output shows the dashboard"));
    }
    // As a recording has it, so that a replay shows the same; and before there is a recording that an error would leave.
    let recorded = serde_json::to_value(&asked.profile).map_err(Failure::failed)?;
    let curves = super::overlay::curves(&recorded, &screen.with)?;
    let target = if no_record { Target::None } else { Target::File };
    let Prepared { launch, path, fresh, profile, note, client } = prepare(args, asked, target, false)?;
    if let Some(note) = note {
        output::say(&note);
    }
    let signals = signals::watch(&options.stop)?;
    let diversion = Diversion::begin(hub).map_err(Failure::failed)?;
    let clock = launch.clock;
    let first = launch.stages.first().map_or_else(|| profile.clone(), |stage| stage.profile.clone());
    let run = Run::start(launch).map_err(|e| Failure::failed(format!("no threads for the run: {e}")))?;
    hub.attach(run.sink.clone(), clock);
    let session = LiveSession::new(run, &first, path.clone(), (curves, client));
    let shown = show(&session, way, &options, &diversion);
    let signalled = options.stop.load(Ordering::Relaxed) || session.interrupted.load(Ordering::Relaxed);
    if shown.is_err() || options.stop.load(Ordering::Relaxed) {
        session.controls.stop(StopLevel::Abort);
    }
    let left = session.into_run().join();
    hub.detach();
    drop(diversion);
    drop(signals);
    if let Err(error) = &shown {
        output::say(&format!("fastgen-tui: {error}"));
    }
    let end = finish::End {
        outcome: left,
        path: path.as_deref(),
        fresh,
        kept: None,
        signalled,
        shown_failed: shown.is_err(),
    };
    finish::after_live(end, hub)
}

/// The terminal as a descriptor of the dashboard's own, for reading and writing.
pub(super) fn terminal() -> std::io::Result<File> {
    let name = rustix::termios::ttyname(std::io::stdout(), Vec::new())?;
    let path = PathBuf::from(String::from_utf8_lossy(name.as_bytes()).into_owned());
    OpenOptions::new().read(true).write(true).open(&path).or_else(|_| {
        // The name may belong to another mount namespace; the controlling terminal will do.
        OpenOptions::new().read(true).write(true).open("/dev/tty")
    })
}

/// A live run as the dashboard sees it.
struct LiveSession {
    run: Run,
    controls: Controls,
    title: Title,
    path: Option<PathBuf>,
    status: Arc<RecordingStatus>,
    clients: u32,
    interrupted: AtomicBool,
    /// Words for the user, from other threads.
    told: Arc<Mutex<Option<String>>>,
}

impl LiveSession {
    fn new(
        run: Run,
        profile: &Profile,
        path: Option<PathBuf>,
        (curves, client): (Vec<Curve>, Option<ClientLimits>),
    ) -> Self {
        // As a recording has it, so that a replay shows the same.
        let recorded = serde_json::to_value(profile).unwrap_or_default();
        let kind = crate::backend::announced(profile).kind;
        Self {
            controls: run.controls.clone(),
            status: run.collector.recording.clone(),
            title: Title { curves: Arc::new(curves), client, ..Title::of(&recorded, &kind) },
            clients: profile.load.clients,
            run,
            path,
            interrupted: AtomicBool::new(false),
            told: Arc::default(),
        }
    }

    fn into_run(self) -> Run {
        self.run
    }

    /// So many clients more or fewer, or so many tenths of an open loop's rate.
    fn add_load(&self, by: i32) {
        let snapshot = self.run.collector.snapshots.load();
        let stage = snapshot.stage.as_ref();
        if let Some(open) = stage.and_then(|stage| stage.open.as_ref()) {
            // Of a ramp that begins at nothing, a tenth more would be nothing.
            let now =
                self.controls.wish().rate.or(snapshot.rate()).unwrap_or(open.rate).max(open.rate / 100.0);
            self.controls.set_rate(three_digits(now * 1.1_f64.powi(by)));
        } else {
            let staged = stage.and_then(|stage| stage.clients);
            let now = self.controls.wish().clients.or(staged).unwrap_or(self.clients);
            self.controls.set_clients(now.saturating_add_signed(by));
        }
    }

    fn export(&self) {
        let Some(path) = self.path.clone() else {
            tracing::warn!("nothing is recorded, so there is nothing to export");
            tell(&self.told, "nothing is recorded, so there is nothing to export".into());
            return;
        };
        let told = self.told.clone();
        let spawned = std::thread::Builder::new().name("export".into()).spawn(move || {
            let folder = export_folder(&path);
            let word = match write_csv(&path, &folder) {
                Ok(()) => {
                    tracing::info!("exported the recording so far to {}", folder.display());
                    format!("exported to {}", folder.display())
                }
                Err(failure) => {
                    tracing::error!("the export failed: {}", failure.message);
                    format!("the export failed: {}", failure.message)
                }
            };
            tell(&told, word);
        });
        if let Err(error) = spawned {
            tracing::error!("the export has no thread: {error}");
            tell(&self.told, format!("the export has no thread: {error}"));
        }
    }
}

/// Leaves a word for the footer; what nobody has seen yet gives way.
fn tell(told: &Mutex<Option<String>>, word: String) {
    *told.lock().unwrap_or_else(PoisonError::into_inner) = Some(word);
}

/// Rounded to three significant digits, within what a profile may ask for.
fn three_digits(rate: f64) -> f64 {
    let shown = format!("{:.2e}", rate.clamp(1e-3, MOST_RATE));
    shown.parse().unwrap_or(rate)
}

/// `demo.jsonl.zst` → `demo-csv`.
pub(super) fn export_folder(recording: &Path) -> PathBuf {
    let name = recording.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
    let stem = name.trim_end_matches(".zst").trim_end_matches(".jsonl");
    recording.with_file_name(format!("{stem}-csv"))
}

fn write_csv(path: &Path, folder: &Path) -> Result<(), Failure> {
    let run = report::Run::read(path)?;
    let mut export = csv::Export::create(folder, csv::Old::Replace)?;
    export.add(&run, &report::report(&run))?;
    export.finish()?;
    Ok(())
}

impl Session for LiveSession {
    fn snapshot(&self) -> Arc<Snapshot> {
        if self.run.collector.is_finished() && !self.run.is_over() {
            // Without its collector a run measures nothing.
            self.controls.stop(StopLevel::Abort);
        }
        self.run.collector.snapshots.load_full()
    }

    fn title(&self) -> Title {
        self.title.clone()
    }

    fn recording(&self) -> Recording {
        let Some(path) = &self.path else { return Recording::Off };
        let (path, bytes) = (path.display().to_string(), self.status.bytes());
        match self.status.trouble() {
            Some(reason) => Recording::Failed { path, reason },
            None if self.status.closed() => Recording::Closed { path, bytes },
            None => Recording::Writing { path, bytes },
        }
    }

    fn act(&self, action: Action) {
        match action {
            Action::Interrupted => self.interrupted.store(true, Ordering::Relaxed),
            Action::Stop => self.controls.stop(StopLevel::Drain),
            Action::Abort => self.controls.stop(StopLevel::Abort),
            Action::TogglePause => self.controls.toggle_pause(),
            Action::AddLoad(by) => self.add_load(by),
            Action::SetClients(clients) => self.controls.set_clients(clients),
            Action::SetRate(rate) => self.controls.set_rate(rate.min(MOST_RATE)),
            Action::Suspend(true) => self.controls.suspend(),
            Action::Suspend(false) => self.controls.go_on(),
            Action::Mark(note) => self.controls.mark(note),
            Action::Cancel(request) => self.controls.cancel(request),
            Action::NextStage(stage) => self.controls.next_stage(stage),
            Action::Export => self.export(),
            // A live run has no transport, and so no range.
            Action::Speed(_)
            | Action::Seek(_)
            | Action::SeekBy(_)
            | Action::Step(_)
            | Action::Jump(_)
            | Action::ExportRange(_)
            | Action::Measure(_)
            | Action::Outlier(_)
            | Action::ToSlowest => {}
        }
    }

    fn told(&self) -> Option<String> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn freeze(&self, frozen: bool) {
        self.run.collector.freeze(frozen);
    }

    fn over(&self) -> bool {
        self.run.is_over()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_keep_three_digits_and_come_back() {
        let up = three_digits(8.0 * 1.1);
        let down = three_digits(up / 1.1);
        assert_eq!((up.to_string(), down.to_string()), ("8.8".into(), "8".into()));
        assert_eq!(three_digits(0.012_345).to_string(), "0.0123");
        assert!(three_digits(1e9) <= MOST_RATE && three_digits(0.0) > 0.0);
    }
}
