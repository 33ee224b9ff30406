//! After a run: its report, and the exit status that sums it up.

use std::io::Cursor;
use std::path::Path;

use super::failure::{Exit, Failure, Outcome};
use super::fresh::{Fresh, never_began};
use super::output;
use crate::event::{Ended, Level, LogLine};
use crate::load::RunOutcome;
use crate::logging::LogHub;
use crate::recording;
use crate::report::{self, Report, Run, Show, VerdictKind};

/// Warnings that are shown again at the end.
const MOST_WARNINGS: usize = 5;

/// How a run ended, and what it left.
pub struct End<'a> {
    pub outcome: RunOutcome,
    pub path: Option<&'a Path>,
    /// The same, if the run made it.
    pub fresh: Option<Fresh>,
    /// The recording, if it went to a stream.
    pub kept: Option<Vec<u8>>,
    /// Ended by a signal or by Ctrl-C.
    pub signalled: bool,
    /// The dashboard lost its terminal.
    pub shown_failed: bool,
}

/// After the dashboard: a few lines on the terminal, where the recording is and what it says.
pub fn after_live(mut end: End<'_>, hub: &LogHub) -> Outcome {
    let report = read(&mut end);
    let began = keep_what_began(&mut end, report.as_ref());
    if let Some(report) = report.as_ref().filter(|_| began) {
        let columns = output::columns(std::io::stdout());
        output::print(&report::text_within(std::slice::from_ref(report), Show::Measured, columns))?;
    }
    if let Some(path) = end.path {
        output::say(&format!("\nrecorded: {}", path.display()));
        output::say(&format!("see it again: fastgen-tui replay {}", path.display()));
    }
    conclude(&end, report.as_ref(), hub)
}

/// After `record`: the report on standard output, or on standard error where that holds the recording.
pub fn after_record(mut end: End<'_>, json: bool, to_stdout: bool, hub: &LogHub) -> Outcome {
    let report = read(&mut end);
    let began = keep_what_began(&mut end, report.as_ref());
    if let Some(report) = report.as_ref().filter(|_| began || json) {
        let text = if json {
            report.to_json().map_err(Failure::failed)?
        } else {
            let columns = if to_stdout {
                output::columns(std::io::stderr())
            } else {
                output::columns(std::io::stdout())
            };
            report::text_within(std::slice::from_ref(report), Show::Both, columns)
        };
        if to_stdout {
            output::say(&text);
        } else {
            output::print(&text)?;
        }
    }
    if let Some(path) = end.path {
        output::say(&format!("recorded: {}", path.display()));
    }
    conclude(&end, report.as_ref(), hub)
}

/// Takes the recording of a run that could not begin away; `false`: that was so, and there is nothing to report but why.
/// Of a sweep the report tells that of each stage.
fn keep_what_began(end: &mut End<'_>, report: Option<&Report>) -> bool {
    let Some(report) = report.filter(|report| never_began(&end.outcome.ended, report)) else { return true };
    if let Some(fresh) = end.fresh.take() {
        fresh.remove();
        end.path = None;
    }
    report.stages.len() > 1
}

/// The exact figures come from the recording: what can't be read back was not measured.
fn read(end: &mut End<'_>) -> Option<Report> {
    let run = match (end.path, end.kept.take()) {
        (Some(path), _) => Run::read(path),
        (None, Some(bytes)) => {
            let opened = recording::from_reader(Box::new(Cursor::new(bytes)), "standard output".into());
            opened.map(|reader| Run::from_reader("stdout", reader))
        }
        (None, None) => return None,
    };
    match run {
        Ok(run) => Some(report::report(&run)),
        Err(error) => {
            output::say(&format!("no report: {error}"));
            None
        }
    }
}

fn conclude(end: &End<'_>, report: Option<&Report>, hub: &LogHub) -> Outcome {
    if let Some(trouble) = &end.outcome.collected.trouble {
        output::say(&format!("attention: {trouble}"));
    }
    for warning in warnings(&end.outcome.collected.snapshot.log) {
        output::say(&format!("attention: {warning}"));
    }
    if let Ended::Failed { reason } = &end.outcome.ended {
        let log = hub.path().map_or_else(String::new, |p| format!("\nthe log: {}", p.display()));
        return Err(Failure::failed(format!("{reason}{log}")));
    }
    if let Some(message) = failed_stages(end, report) {
        return Err(Failure::failed(message));
    }
    let counts = &end.outcome.collected.snapshot.counts;
    let ended = counts.ended() - counts.cancelled;
    if ended > 0 && counts.completed == 0 || report.is_some_and(Report::all_failed) {
        return Err(Failure::failed("all requests failed"));
    }
    if end.signalled {
        return Ok(Exit::Interrupted);
    }
    let tainted = end.outcome.collected.trouble.is_some() || end.outcome.collected.snapshot.lost_events > 0;
    Ok(match report {
        _ if tainted || end.shown_failed => Exit::Tainted,
        Some(report) => verdict(report),
        // Nothing was recorded; what is known is the last stage's.
        None if end.outcome.collected.snapshot.degraded.is_empty() => Exit::Done,
        None => Exit::Tainted,
    })
}

/// What this program itself warned of during the run, each once: without a screen nobody has seen it.
fn warnings(log: &[LogLine]) -> Vec<&str> {
    let mut told: Vec<&str> = Vec::new();
    for line in log.iter().filter(|line| line.level == Level::Warn && line.source == "fastgen") {
        if told.len() < MOST_WARNINGS && !told.contains(&line.message.as_str()) {
            told.push(&line.message);
        }
    }
    told
}

/// Which stages of a sweep failed; the report knows those of an earlier part, too.
fn failed_stages(end: &End<'_>, report: Option<&Report>) -> Option<String> {
    let seen = &end.outcome.collected.snapshot.stages;
    let all = report.map_or(seen.planned.unwrap_or(1) as usize, |r| r.stages.len());
    let (failed, first) = match report.map(Report::failed_stages) {
        Some(failed) => (failed.len(), failed.first().map(|(name, why)| format!("{name}: {why}"))),
        None => {
            (seen.failed as usize, seen.last_failure.as_ref().map(|(name, why)| format!("{name}: {why}")))
        }
    };
    let one = first.filter(|_| all > 1)?;
    Some(format!("{failed} of {all} stages failed, e.g. {one}"))
}

/// How a command ends that only looks at recordings: as the gravest of them.
///
/// # Errors
/// If one holds failed requests only.
pub fn judge(reports: &[Report]) -> Outcome {
    if let Some(report) = reports.iter().find(|r| r.all_failed()) {
        return Err(Failure::failed(format!("{}: all requests failed", report.recording.name)));
    }
    if reports.iter().any(|r| r.is(VerdictKind::Failed)) {
        return Ok(Exit::Failed);
    }
    let exits: Vec<Exit> = reports.iter().map(verdict).collect();
    let gravest = [Exit::Tainted, Exit::SlaMissed].into_iter().find(|exit| exits.contains(exit));
    Ok(gravest.unwrap_or(Exit::Done))
}

/// The exit status that a report's verdicts amount to. An interrupted run is whole; a cut or damaged recording
/// is not.
pub fn verdict(report: &Report) -> Exit {
    let incomplete =
        [VerdictKind::Tainted, VerdictKind::ClientDegraded, VerdictKind::Cut, VerdictKind::Damaged];
    if incomplete.into_iter().any(|kind| report.is(kind)) {
        Exit::Tainted
    } else if report.is(VerdictKind::SlaMissed) {
        Exit::SlaMissed
    } else {
        Exit::Done
    }
}
