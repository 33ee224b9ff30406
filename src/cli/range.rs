//! `--from` and `--to`: a range of a recording for `report` and `export`; and the same for a replay's range, whose
//! figures and files are made here for [`crate::replay`], which knows no reports.

use std::path::Path;
use std::time::Duration;

use clap::Args;

use super::failure::Failure;
use crate::report::{RangeError, Run};

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
