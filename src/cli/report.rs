//! `report` and `export`: exact figures of recordings, as text or as tables.

use std::path::{Path, PathBuf};

use super::args::{ExportArgs, Format, ReportArgs, WindowName};
use super::failure::{Exit, Failure, Outcome};
use super::{finish, output};
use crate::report::fastgen::Skips;
use crate::report::{self, Report, Run, Show, csv};

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
    Ok(reports.iter().map(finish::verdict).find(|exit| *exit != Exit::Done).unwrap_or(Exit::Done))
}

/// Writes CSV files.
pub fn export(args: &ExportArgs) -> Outcome {
    // The folder is tried before anything is read: reading may take a while.
    let mut export = csv::Export::create(&args.csv)?;
    for path in &args.files {
        let run = Run::read(path)?;
        export.add(&run, &report::report(&run))?;
    }
    for path in export.finish()? {
        output::say(&format!("wrote {}", path.display()));
    }
    Ok(Exit::Done)
}
