//! `summary.csv`: one row a stage: the sweep's values, then every figure of the report.

use super::{ExportError, Output, Row, fastgen};
use crate::event::Outcome;
use crate::report::figures::{OpenLoopReport, RecordingPart, Report, StageReport, Window};
use crate::report::stats::Stats;

/// Rows, kept to the end: which sweep columns there are is known only then.
#[derive(Default)]
pub struct Rows {
    recordings: Vec<(RecordingPart, Vec<StageReport>)>,
}

/// What stands in a cell.
pub enum Cell {
    Empty,
    Text(String),
    Whole(u64),
    Number(Option<f64>),
}

/// Columns of a row, each with its name.
pub type Cells = Vec<(String, Cell)>;

impl Rows {
    pub fn add(&mut self, report: &Report) {
        self.recordings.push((report.recording.clone(), report.stages.clone()));
    }

    /// Writes the header and all rows.
    pub fn write(&self, out: &mut Output) -> Result<(), ExportError> {
        let mut sweep: Vec<&str> = Vec::new();
        for (key, _) in self.recordings.iter().flat_map(|r| &r.1).flat_map(|s| &s.sweep) {
            if !sweep.contains(&key.as_str()) {
                sweep.push(key);
            }
        }
        let rates = fastgen::rates(self.recordings.iter().flat_map(|r| &r.1));
        header(&mut out.row, &sweep, &rates);
        out.end_row()?;
        for (recording, stages) in &self.recordings {
            for stage in stages {
                out.row.text(&recording.name);
                out.row.text(&stage.name);
                for key in &sweep {
                    match stage.sweep.iter().find(|(k, _)| k == key) {
                        Some((_, value)) => out.row.value(value),
                        None => out.row.empty(),
                    }
                }
                for (_, cell) in figures(recording, stage, &rates) {
                    put(&mut out.row, cell);
                }
                out.end_row()?;
            }
        }
        Ok(())
    }
}

/// The columns' names are the same for every stage, an empty one too.
fn header(row: &mut Row, sweep: &[&str], rates: &[f64]) {
    for name in ["run", "stage"].iter().chain(sweep) {
        row.text(name);
    }
    let mut names: Cells = Vec::new();
    recording_cells(&mut names, None);
    stage_cells(&mut names, None);
    names.extend(fastgen::cells(None, rates));
    for (name, _) in &names {
        row.text(name);
    }
}

/// Puts a cell into a row.
pub fn put(row: &mut Row, cell: Cell) {
    match cell {
        Cell::Empty => row.empty(),
        Cell::Text(text) => row.text(&text),
        Cell::Whole(number) => row.whole(number),
        Cell::Number(number) => row.float(number),
    }
}

fn figures(recording: &RecordingPart, stage: &StageReport, rates: &[f64]) -> Cells {
    let mut cells = Vec::new();
    recording_cells(&mut cells, Some(recording));
    stage_cells(&mut cells, Some(stage));
    cells.extend(fastgen::cells(Some(stage), rates));
    cells
}

fn recording_cells(cells: &mut Cells, r: Option<&RecordingPart>) {
    let mut text = |name: &str, value: Option<String>| {
        cells.push((name.into(), value.map_or(Cell::Empty, Cell::Text)));
    };
    text("profile", r.map(|r| r.profile.clone()));
    text("backend", r.map(|r| r.backend.clone()));
    text("started_at", r.map(|r| r.started_at.clone()));
    text("ended", r.map(|r| r.ended.name().into()));
    let verdicts = |r: &RecordingPart| {
        let mut names: Vec<_> = r.verdicts.iter().map(|v| v.verdict.words()).collect();
        names.dedup();
        names.join("; ")
    };
    text("verdicts", r.map(verdicts));
    cells.push(("lost_events".into(), r.map_or(Cell::Empty, |r| Cell::Whole(r.lost_events))));
}

fn stage_cells(cells: &mut Cells, stage: Option<&StageReport>) {
    let clients = stage.and_then(|s| s.clients);
    cells.push(("stage_clients".into(), clients.map_or(Cell::Empty, |n| Cell::Whole(u64::from(n)))));
    open_cells(cells, stage.and_then(|s| s.open_loop.as_ref()));
    let ended = stage.and_then(|s| s.ended);
    cells.push(("stage_ended".into(), ended.map_or(Cell::Empty, |how| Cell::Text(how.into()))));
    let reason = stage.and_then(|s| s.ended_reason.clone());
    cells.push(("stage_ended_reason".into(), reason.map_or(Cell::Empty, Cell::Text)));
    let sla = stage.and_then(|s| s.sla.as_ref());
    cells.push(("sla_met".into(), sla.map_or(Cell::Empty, |sla| Cell::Text(sla.met.to_string()))));
    cells.push(("warmup_requests".into(), stage.map_or(Cell::Empty, |s| Cell::Whole(s.warmup_requests))));
    cells.extend(window_cells("measured_", stage.and_then(|s| s.windows.measured.as_ref())));
    cells.extend(window_cells("steady_", stage.and_then(|s| s.windows.steady.as_ref())));
}

/// The load of an open loop; empty for a closed one.
fn open_cells(cells: &mut Cells, open: Option<&OpenLoopReport>) {
    let mut put = |name: &str, cell: Option<Cell>| {
        cells.push((format!("open_loop_{name}"), cell.unwrap_or(Cell::Empty)));
    };
    let number = |value: fn(&OpenLoopReport) -> Option<f64>| open.map(|open| Cell::Number(value(open)));
    put("kind", open.map(|open| Cell::Text(open.kind.clone())));
    put("rate", number(|open| Some(open.rate)));
    put("burstiness", number(|open| open.burstiness));
    put("max_in_flight", open.map(|open| Cell::Whole(u64::from(open.max_in_flight))));
    put("offered_per_s", number(|open| open.offered_per_s));
    put("achieved_per_s", number(|open| open.achieved_per_s));
    put("peak_in_flight", open.map(|open| Cell::Whole(open.peak_in_flight)));
    put("held_back", open.map(|open| Cell::Whole(open.held_back)));
    put("keeps_up", open.and_then(|open| open.keeps_up).map(|yes| Cell::Text(yes.to_string())));
}

/// Every figure of a window; empty ones without it. The names are the same either way.
pub fn window_cells(prefix: &str, window: Option<&Window>) -> Cells {
    let mut cells = Cells::new();
    let nothing = Window::default();
    let w = window.unwrap_or(&nothing);
    let mut put = |name: &str, cell: Cell| {
        let cell = if window.is_some() { cell } else { Cell::Empty };
        cells.push((format!("{prefix}{name}"), cell));
    };
    put("start_s", Cell::Number(Some(w.start_s)));
    put("end_s", Cell::Number(Some(w.end_s)));
    put("seconds", Cell::Number(Some(w.seconds)));
    put("requests_scheduled", Cell::Whole(w.requests.scheduled));
    put("requests_completed", Cell::Whole(w.requests.completed));
    put("requests_failed", Cell::Whole(w.requests.failed));
    put("requests_timed_out", Cell::Whole(w.requests.timed_out));
    put("requests_cancelled", Cell::Whole(w.requests.cancelled));
    put("requests_retries", Cell::Whole(w.requests.retries));
    put("tokens_input", Cell::Whole(w.tokens.input));
    put("tokens_output", Cell::Whole(w.tokens.output));
    put("requests_per_s", Cell::Number(w.throughput.requests_per_s));
    put("output_tokens_per_s", Cell::Number(w.throughput.output_tokens_per_s));
    put("input_tokens_per_s", Cell::Number(w.throughput.input_tokens_per_s));
    put("total_tokens_per_s", Cell::Number(w.throughput.total_tokens_per_s));
    put("concurrency_mean", Cell::Number(w.concurrency_mean));
    put("little_residual", Cell::Number(w.little_residual));
    for (key, _, stats) in w.latency.all() {
        for (name, cell) in stats_cells(key.trim_end_matches("_s"), stats) {
            put(&name, cell);
        }
    }
    for kind in ERRORS {
        put(&format!("errors_{}", kind.name()), Cell::Whole(w.errors.get(&kind).copied().unwrap_or(0)));
    }
    cells
}

fn stats_cells(figure: &str, s: &Stats) -> Cells {
    let all = [
        ("mean", s.mean),
        ("min", s.min),
        ("p50", s.p50),
        ("p90", s.p90),
        ("p95", s.p95),
        ("p99", s.p99),
        ("p999", s.p999),
        ("max", s.max),
    ];
    let mut cells: Cells =
        all.map(|(name, value)| (format!("{figure}_{name}_s"), Cell::Number(value))).into_iter().collect();
    cells.push((format!("{figure}_count"), Cell::Whole(s.count)));
    cells
}

const ERRORS: [Outcome; 9] = [
    Outcome::TimedOutConnect,
    Outcome::TimedOutTtft,
    Outcome::TimedOutIdle,
    Outcome::TimedOutTotal,
    Outcome::FailedConnect,
    Outcome::FailedHttp,
    Outcome::FailedProtocol,
    Outcome::FailedEngine,
    Outcome::FailedOverload,
];
