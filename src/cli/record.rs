//! The same run without a screen: progress on standard error, the report on standard output.

use std::fmt::Write as _;
use std::fs::File;
use std::io::{IsTerminal, Write as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::args::RunArgs;
use super::failure::{Exit, Failure, Outcome};
use super::kept::Kept;
use super::prepare::{Prepared, Target, asked, prepare};
use super::{finish, plan, signals};
use crate::backend::is_worker;
use crate::event::Phase;
use crate::load::{Run, StopLevel};
use crate::logging::{Diversion, LogHub};
use crate::metrics::Snapshot;

/// Time between looks at the run.
const LOOK: Duration = Duration::from_millis(100);
/// Looks between progress lines on a terminal, where each overwrites the one before…
const LOOKS_ON_TERMINAL: u32 = 5;
/// …and in a file or pipe, where they add up.
const LOOKS_IN_FILE: u32 = 50;

/// Runs without a screen.
pub fn run(args: &RunArgs, json: bool, no_record: bool, hub: &LogHub) -> Outcome {
    let asked = asked(args)?;
    if args.dry_run {
        return plan::print(&asked);
    }
    let no_record = no_record || is_worker();
    let to_stdout = args.output.as_deref().is_some_and(|path| path.as_os_str() == "-");
    let stop = Arc::new(AtomicBool::new(false));
    let signals = signals::watch(&stop)?;
    let diversion = Diversion::begin(hub).map_err(Failure::failed)?;
    let (target, kept) = target(no_record, to_stdout, &diversion)?;
    let closed = || kept.as_ref().is_some_and(Kept::closed);
    let Prepared { launch, path, fresh, note, .. } = match prepare(args, asked, target, true) {
        Err(_) if closed() => return Ok(Exit::ClosedPipe),
        prepared => prepared?,
    };
    let clock = launch.clock;
    let run = Run::start(launch).map_err(|e| Failure::failed(format!("no threads for the run: {e}")))?;
    hub.attach(run.sink.clone(), clock);
    let mut progress = Progress::new(diversion.stderr().map_err(Failure::failed)?, note.as_deref());
    let presses = watch(&run, &mut progress, &stop, &closed);
    let left = run.join();
    hub.detach();
    drop(diversion);
    drop(signals);
    if closed() {
        return Ok(Exit::ClosedPipe);
    }
    let end = finish::End {
        outcome: left,
        path: path.as_deref(),
        fresh,
        kept: kept.map(|kept| kept.take()),
        signalled: presses > 0,
        shown_failed: false,
    };
    finish::after_record(end, json, to_stdout, hub)
}

/// Watches the run until it is over, and ends it when asked: by signals, which it counts, or by who closed the stream that
/// the recording goes to.
fn watch(run: &Run, progress: &mut Progress, stop: &AtomicBool, closed: &dyn Fn() -> bool) -> u32 {
    let mut presses = 0;
    while !run.is_over() {
        if stop.swap(false, Ordering::Relaxed) {
            presses += 1;
            progress.line(end(run, presses));
        }
        if run.collector.is_finished() {
            run.controls.stop(StopLevel::Abort);
        }
        let snapshot = run.collector.snapshots.load();
        // Asked after the snapshot is taken, which may tell of it as of trouble.
        if closed() {
            run.controls.stop(StopLevel::Abort);
        } else {
            progress.show(&snapshot);
        }
        std::thread::sleep(LOOK);
    }
    progress.done();
    presses
}

/// Where the recording goes, and where a stream's is to be had.
fn target(
    no_record: bool,
    to_stdout: bool,
    diversion: &Diversion,
) -> Result<(Target, Option<Kept>), Failure> {
    Ok(match (no_record, to_stdout) {
        (true, _) => (Target::None, None),
        (false, true) => {
            let kept = Kept::new(diversion.stdout().map_err(Failure::failed)?);
            (Target::Stream(kept.clone()), Some(kept))
        }
        (false, false) => (Target::File, None),
    })
}

/// Ends the run, the more urgently the more often that was asked; says how.
fn end(run: &Run, presses: u32) -> &'static str {
    if presses == 1 {
        run.controls.stop(StopLevel::Drain);
        return "ending: requests in flight are drained; once more ends at once";
    }
    run.controls.stop(StopLevel::Abort);
    "ending at once: requests in flight are cancelled"
}

/// Progress lines on standard error.
struct Progress {
    out: File,
    terminal: bool,
    looks: u32,
    last: String,
    errors_shown: usize,
}

impl Progress {
    /// Begins with a note, if there is one.
    fn new(out: File, note: Option<&str>) -> Self {
        // Logs of a CI system keep every byte, and a dumb terminal can't go back.
        let ci = std::env::var("CI").is_ok_and(|ci| !ci.is_empty() && ci != "false");
        let terminal = out.is_terminal() && !ci && !super::screen::dumb();
        let mut progress = Self { out, terminal, looks: 0, last: String::new(), errors_shown: 0 };
        if let Some(note) = note {
            progress.line(note);
        }
        progress
    }

    fn show(&mut self, snap: &Snapshot) {
        self.trouble(snap);
        let every = if self.terminal { LOOKS_ON_TERMINAL } else { LOOKS_IN_FILE };
        let due = self.looks.is_multiple_of(every);
        self.looks += 1;
        if !due {
            return;
        }
        let line = line(snap);
        if line.is_empty() || line == self.last {
            return;
        }
        let written =
            if self.terminal { write!(self.out, "\r\x1b[K{line}") } else { writeln!(self.out, "{line}") };
        // A closed standard error only means that nobody wants to know.
        let _ = written.and_then(|()| self.out.flush());
        self.last = line;
    }

    /// What is grave is said at once, and once.
    fn trouble(&mut self, snap: &Snapshot) {
        use crate::event::Level;
        let grave: Vec<_> = snap.log.iter().filter(|l| l.level == Level::Error).map(|l| &l.message).collect();
        let new: Vec<String> = grave.iter().skip(self.errors_shown).map(|m| crate::ui::harmless(m)).collect();
        self.errors_shown = self.errors_shown.max(grave.len());
        for message in new {
            self.line(&format!("error: {message}"));
        }
    }

    fn line(&mut self, text: &str) {
        let clear = if self.terminal { "\r\x1b[K" } else { "" };
        let _ = writeln!(self.out, "{clear}{text}");
    }

    fn done(&mut self) {
        if self.terminal {
            let _ = write!(self.out, "\r\x1b[K");
        }
    }
}

/// Which stage of how many, where there are several.
fn stage(snap: &Snapshot) -> String {
    match (&snap.stage, snap.stages.planned) {
        (Some(stage), Some(planned)) if planned > 1 => {
            let name = crate::ui::harmless(&stage.name);
            format!("stage {}/{planned} {name}  ", stage.stage + 1)
        }
        _ => String::new(),
    }
}

/// One line that says how far the run has come.
fn line(snap: &Snapshot) -> String {
    let seconds = snap.at_ns / 1_000_000_000;
    let mut text = format!("{:>3}:{:02}  ", seconds / 60, seconds % 60);
    text.push_str(&stage(snap));
    let counts = &snap.counts;
    let planned = snap.stage.as_ref().and_then(|stage| stage.planned_requests);
    let rate = snap.output_rate.s10.map_or_else(|| "–".into(), |r| format!("{r:.0}"));
    let written = match (snap.phase, &snap.loading) {
        (None | Some(Phase::Loading), Some(loading)) => {
            let percent = loading.fraction.map_or_else(String::new, |f| format!(" {:.0} %", f * 100.0));
            write!(text, "loading: {}{percent}", loading.step)
        }
        (None | Some(Phase::Loading), None) => return String::new(),
        (Some(Phase::Warmup), _) => {
            let of = counts.warmup_planned.map_or_else(String::new, |n| format!(" of {n}"));
            write!(text, "warm-up: {}{of} requests", counts.warmup_done)
        }
        (Some(phase), _) => {
            let name = match phase {
                Phase::Draining => "draining",
                Phase::Done => "done",
                _ => "measuring",
            };
            let of = planned.map_or_else(String::new, |n| format!(" of {n}"));
            write!(
                text,
                "{name}: {}{of} requests, {} failed, {} in flight, {rate} tokens/s",
                counts.completed,
                counts.failed + counts.timed_out,
                snap.in_flight.total
            )
        }
    };
    debug_assert!(written.is_ok(), "writing to a string can't fail");
    text
}
