//! `--from` and `--to`: a range of a recording for `report` and `export`; and the same for a replay's range, whose
//! figures and files are made here for [`crate::replay`], which knows no reports.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;

use super::failure::Failure;
use super::live::export_folder;
use crate::replay::{Exact, Open};
use crate::report::{self, RangeError, Run, Stats, csv};
use crate::ui::{LatencyFigures, Range, StageFigures};

/// A range of the run's clock.
#[derive(Debug, Clone, Copy, Args)]
pub struct RangeArgs {
    /// Only from this time of the run on, as replays show it, e.g. 10s or 1m30s [default: the beginning]
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub from: Option<Duration>,
    /// Only up to this time of the run [default: the end]
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub to: Option<Duration>,
}

impl RangeArgs {
    /// What is wrong whatever the recording.
    ///
    /// # Errors
    /// If it ends before it begins.
    pub fn check(&self) -> Result<(), Failure> {
        match self.from.zip(self.to) {
            Some((from, to)) if from >= to => Err(Failure::usage(format!(
                "--from {} does not lie before --to {}",
                humantime::format_duration(from),
                humantime::format_duration(to)
            ))),
            _ => Ok(()),
        }
    }

    /// Reads a recording and narrows it to the range, if there is one.
    ///
    /// # Errors
    /// If it can't be read, or if the range is not in it.
    pub fn read(&self, path: &Path) -> Result<Run, Failure> {
        let mut run = Run::read(path)?;
        if self.from.is_some() || self.to.is_some() {
            let ns = |time: Duration| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
            run.narrow(self.from.map(ns), self.to.map(ns))?;
        }
        Ok(run)
    }
}

impl From<RangeError> for Failure {
    fn from(error: RangeError) -> Self {
        Self::usage(format!("{error} (--from, --to)"))
    }
}

fn time(text: &str) -> Result<Duration, String> {
    humantime::parse_duration(text).map_err(|e| format!("{e}; write e.g. 10s or 1m30s"))
}

/// Exact figures and tables for a replay. The recording is read once, when they are first wanted.
pub struct Figures {
    path: PathBuf,
    run: Option<Run>,
}

impl Figures {
    /// Of this recording; `-` is standard input.
    pub fn of(path: &Path) -> Self {
        Self { path: path.to_owned(), run: None }
    }

    /// The run, looked at in this range or as a whole.
    fn run(&mut self, open: Open<'_>, range: Option<Range>) -> Result<&Run, String> {
        if self.run.is_none() {
            let name = self.path.file_name().map_or_else(|| "stdin".into(), |name| name.to_string_lossy());
            let reader = open().map_err(|e| e.to_string())?;
            self.run = Some(Run::from_reader(&name, reader));
        }
        let run = self.run.as_mut().ok_or("it can't be read")?;
        match range {
            // A replay may be a moment longer than what a report is of.
            Some(range) => run
                .narrow(Some(range.from_ns), Some(range.to_ns.min(run.last_ns)))
                .map_err(|e| e.to_string())?,
            None => run.widen(),
        }
        Ok(run)
    }
}

impl Exact for Figures {
    fn figures(&mut self, open: Open<'_>, range: Range) -> Result<Vec<StageFigures>, String> {
        let run = self.run(open, Some(range))?;
        Ok(report::report(run).stages.iter().filter_map(stage_figures).collect())
    }

    fn export(&mut self, open: Open<'_>, range: Option<Range>) -> Result<String, String> {
        if self.path.as_os_str() == "-" {
            return Err("standard input lies in no folder; use `fastgen-tui export FILE --csv DIR`".into());
        }
        let mut folder = export_folder(&self.path);
        if let Some(range) = range {
            let name = folder.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
            let stem = name.trim_end_matches("-csv");
            folder.set_file_name(format!("{stem}-{}-csv", range.file_words()));
        }
        let run = self.run(open, range)?;
        let write = || {
            let mut tables = csv::Export::create(&folder, csv::Old::Replace)?;
            tables.add(run, &report::report(run))?;
            tables.finish()
        };
        write().map_err(|e| e.to_string())?;
        Ok(folder.display().to_string())
    }
}

/// A stage's report as the dashboard shows it; `None` if nothing was measured.
fn stage_figures(stage: &report::StageReport) -> Option<StageFigures> {
    let w = stage.windows.measured.as_ref()?;
    let latency = |name, s: &Stats| LatencyFigures {
        name,
        values: [s.mean, s.p50, s.p90, s.p95, s.p99, s.max],
        count: s.count,
    };
    let l = &w.latency;
    Some(StageFigures {
        name: stage.name.clone(),
        seconds: w.seconds,
        scheduled: w.requests.scheduled,
        completed: w.requests.completed,
        failed: w.requests.failed + w.requests.timed_out,
        cancelled: w.requests.cancelled,
        output_tokens: w.tokens.output,
        input_tokens: w.tokens.input,
        requests_per_s: w.throughput.requests_per_s,
        output_per_s: w.throughput.output_tokens_per_s,
        input_per_s: w.throughput.input_tokens_per_s,
        in_flight: w.concurrency_mean,
        latencies: vec![
            latency("TTFT", &l.ttft_s),
            latency("ITL", &l.itl_s),
            latency("TPOT", &l.tpot_s),
            latency("E2E", &l.e2e_s),
        ],
    })
}
