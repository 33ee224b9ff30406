//! `report` and `export`: exact figures of recordings, as text or as tables.

use std::path::{Path, PathBuf};

use super::args::{ExportArgs, Format, ReportArgs, WindowName};
use super::failure::{Exit, Failure, Outcome};
use super::{finish, output};
use crate::report::fastgen::Skips;
use crate::report::{self, Report, Run, Show, VerdictKind, csv};

/// Reads a recording and makes its report.
///
/// # Errors
/// If it can't be read at all.
pub fn read(path: &Path) -> Result<Report, Failure> {
    Ok(report::report(&Run::read(path)?))
}

/// Prints reports.
pub fn report(args: &ReportArgs) -> Outcome {
    let skips = Skips { head_tokens: args.skip_head_tokens, requests: args.skip_requests };
    let read = |path: &PathBuf| Ok::<_, Failure>(report::report_with(&Run::read(path)?, skips));
    let reports = args.files.iter().map(read).collect::<Result<Vec<_>, _>>()?;
    let show = match args.window {
        None => Show::Both,
        Some(WindowName::Measured) => Show::Measured,
        Some(WindowName::Steady) => Show::Steady,
    };
    let text = match args.format {
        Format::Text => report::text(&reports, show),
        Format::Markdown => report::markdown(&reports, show),
        Format::Json => report::to_json(&reports).map_err(Failure::failed)?,
    };
    output::print(&text)?;
    finish::judge(&reports)
}

/// Says on standard error what the tables can't say of themselves: that they are of a part only.
fn warn_of_losses(report: &Report) {
    let grave = [VerdictKind::Tainted, VerdictKind::Cut, VerdictKind::Damaged];
    for verdict in report.recording.verdicts.iter().filter(|v| grave.contains(&v.verdict)) {
        output::say(&format!(
            "attention: {} is {}: {}",
            report.recording.name,
            verdict.verdict.words(),
            verdict.why
        ));
    }
}

/// Writes CSV files.
pub fn export(args: &ExportArgs) -> Outcome {
    // The folder is tried before anything is read: reading may take a while.
    let mut export = csv::Export::create(&args.csv)?;
    for path in &args.files {
        let run = Run::read(path)?;
        let report = report::report(&run);
        warn_of_losses(&report);
        export.add(&run, &report)?;
    }
    for path in export.finish()? {
        output::say(&format!("wrote {}", path.display()));
    }
    Ok(Exit::Done)
}
