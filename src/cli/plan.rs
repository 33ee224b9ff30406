//! What a run will do and how long that takes, before it begins: `--dry-run`, and the question whether a long sweep
//! is meant.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::time::Duration;

use super::failure::{Exit, Failure, Outcome};
use super::output;
use super::prepare::{Asked, check_engines};
use crate::event::StageId;
use crate::profile::{ASSUMED_TOKENS_PER_S, BackendKind, StagePlan};

/// A sweep that takes longer must be meant.
const LONG: Duration = Duration::from_hours(1);

/// What is left to do.
struct Plan<'a> {
    stages: Vec<(StageId, &'a StagePlan)>,
    /// Engines to load.
    loads: usize,
    /// Estimated time in all; `None` if a stage has no end of its own.
    time: Option<Duration>,
}

impl<'a> Plan<'a> {
    fn of(asked: &'a Asked) -> Self {
        let done = |n: StageId| asked.resume.as_ref().is_some_and(|r| r.earlier.done.contains_key(&n));
        let numbered = (0..).zip(&asked.stages);
        let stages: Vec<_> = numbered.filter(|(n, _)| !done(*n)).collect();
        let engines: BTreeSet<u32> = stages.iter().map(|(_, stage)| stage.engine).collect();
        let pauses = asked.profile.load.stage_pause.saturating_mul(stages.len().saturating_sub(1) as u32);
        let time = stages.iter().try_fold(Duration::ZERO, |sum: Duration, (_, stage)| {
            stage.estimate().time.map(|time| sum.saturating_add(time))
        });
        Self { loads: engines.len(), time: time.map(|time| time.saturating_add(pauses)), stages }
    }

    /// What the estimate rests on.
    fn assumption(&self) -> String {
        let sim = |kind: BackendKind| kind == BackendKind::Sim;
        if self.stages.iter().all(|(_, stage)| sim(stage.profile.backend.kind)) {
            return "by the times of [backend.sim]".into();
        }
        // All stages are of one kind of load: it can't be swept.
        if self.stages.iter().all(|(_, stage)| stage.profile.load.kind.is_open()) {
            return "by the requests' timetable, if the server keeps up, and no longer than stop.duration"
                .into();
        }
        format!(
            "assuming {ASSUMED_TOKENS_PER_S} output tokens/s for each client, and no longer than stop.duration"
        )
    }
}

/// Refuses a sweep that takes more than an hour, unless that is meant.
///
/// # Errors
/// Exit status 2, with the time and what to do.
pub fn allowed(asked: &Asked, yes: bool) -> Result<(), Failure> {
    let plan = Plan::of(asked);
    match plan.time.filter(|time| *time > LONG) {
        Some(time) if asked.stages.len() > 1 && !yes => Err(Failure::usage(format!(
            "the sweep's {} stages take about {} ({}); give --yes to run them all the same, --dry-run to see them",
            plan.stages.len(),
            show(time),
            plan.assumption()
        ))),
        _ => Ok(()),
    }
}

/// Prints the plan.
///
/// # Errors
/// If it can't be run as it stands, with the status that the run would have had.
pub fn print(asked: &Asked) -> Outcome {
    output::print(&text(asked))?;
    check_engines(asked).map(|()| Exit::Done).map_err(|error| Failure {
        exit: error.exit,
        message: format!("this plan can't be run as it stands: {}", error.message),
    })
}

fn text(asked: &Asked) -> String {
    let plan = Plan::of(asked);
    let mut out = table(&rows(&plan));
    let s = |n: usize| if n == 1 { "" } else { "s" };
    let (stages, loads) = (plan.stages.len(), plan.loads);
    let _ = writeln!(
        out,
        "\n{}: {stages} stage{} on {loads} engine load{}",
        asked.profile.profile.name,
        s(stages),
        s(loads)
    );
    let finished = asked.stages.len() - stages;
    if finished > 0 {
        let _ = writeln!(out, "{finished} stage{} finished already", s(finished));
    }
    let _ = match plan.time {
        Some(time) => writeln!(
            out,
            "about {}, without loading: {}{}",
            show(time),
            plan.assumption(),
            if time > LONG && asked.stages.len() > 1 { "; needs --yes" } else { "" }
        ),
        None => writeln!(out, "its time is unknown: a stage goes on until it is ended"),
    };
    let there = |(_, stage): &(StageId, &StagePlan)| {
        let backend = &stage.profile.backend;
        backend.kind == BackendKind::Openai && backend.launch.is_none()
    };
    if plan.stages.iter().any(there) {
        let _ =
            writeln!(out, "the servers were not asked: whether they are there is seen when the run begins");
    }
    out
}

/// A row a stage, under a header.
fn rows(plan: &Plan<'_>) -> Vec<[String; 6]> {
    let mut rows = vec![["", "stage", "engine", "warm-up", "requests", "time"].map(str::to_owned)];
    rows.extend(plan.stages.iter().map(|(number, stage)| {
        let estimate = stage.estimate();
        let requests = match (estimate.requests, estimate.limit) {
            (Some(n), _) => n.to_string(),
            (None, Some(limit)) => format!("for {}", show(limit)),
            (None, None) => "until ended".into(),
        };
        [
            (number + 1).to_string(),
            stage.name.clone(),
            (stage.engine + 1).to_string(),
            estimate.warmup_requests.to_string(),
            requests,
            estimate.time.map_or_else(|| "unknown".into(), show),
        ]
    }));
    rows
}

/// Columns as wide as they must be; the name to the left, numbers to the right.
fn table<const N: usize>(rows: &[[String; N]]) -> String {
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let mut out = String::new();
    for row in rows {
        let mut line = String::new();
        for (column, cell) in row.iter().enumerate() {
            let pad = " ".repeat(width(column) - cell.chars().count());
            let (before, after) = if column == 1 { ("", pad.as_str()) } else { (pad.as_str(), "") };
            let _ = write!(line, "  {before}{cell}{after}");
        }
        let _ = writeln!(out, "{}", line.trim_end());
    }
    out
}

/// Whole seconds, minutes above ten of them: an estimate is no better.
fn show(time: Duration) -> String {
    let seconds = (time.as_secs_f64().round() as u64).max(1);
    let rounded = if seconds > 600 { seconds / 60 * 60 } else { seconds };
    humantime::format_duration(Duration::from_secs(rounded)).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::resolve_in;

    fn asked(sets: &[&str]) -> Asked {
        let sets: Vec<String> = sets.iter().map(|s| (*s).to_owned()).collect();
        let profile = resolve_in(None, "sim", &sets).unwrap().profile;
        let stages = profile.stages().unwrap();
        Asked { profile, stages, resume: None, resolved: None, by_url: false }
    }

    #[test]
    fn the_plan_names_cells_requests_loads_and_time() {
        let sets = [
            "sweep.clients=[1, 4]",
            "sweep.max_batch=[2, 8]",
            "stop={requests = \"2*clients+1\"}",
            "workload.prompt_tokens=200",
            "workload.output_tokens=100",
            "load.warmup_requests_per_client=0",
        ];
        let text = text(&asked(&sets));
        assert!(text.contains("4 stages on 2 engine loads"), "{text}");
        assert!(text.contains("max_batch=8, clients=4"), "{text}");
        // One client: 3 requests of 100 steps of 10 ms and a prefill of 10 ms.
        let first = text.lines().nth(1).unwrap();
        assert!(first.contains("max_batch=2, clients=1") && first.ends_with("0         3    3s"), "{text}");
        assert!(text.contains("by the times of [backend.sim]"));
    }

    #[test]
    fn more_than_an_hour_must_be_meant() {
        let long = ["sweep.clients=[1, 2, 4]", "stop={duration=\"21m\"}"];
        let failure = allowed(&asked(&long), false).err().unwrap();
        assert_eq!(failure.exit, Exit::Usage);
        assert!(failure.message.contains("--yes") && failure.message.contains("1h"), "{}", failure.message);
        assert!(allowed(&asked(&long), true).is_ok());
        assert!(allowed(&asked(&["sweep.clients=[1]", "stop={duration=\"3h\"}"]), false).is_ok());
    }
}
