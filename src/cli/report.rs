//! `report` and `export`: exact figures of recordings, as text or as tables.

use std::path::{Path, PathBuf};

use super::args::{ExportArgs, Format, ReportArgs, ToolName, WindowName};
use super::failure::{Exit, Failure, Outcome};
use super::names::told_apart;
use super::plot::target::Part;
use super::range::RangeArgs;
use super::{finish, output};
use crate::exchange;
use crate::metrics::Definitions;
use crate::report::fastgen::Skips;
use crate::report::{self, Report, Run, Show, VerdictKind, csv, html};

/// Reads a recording and makes its report.
///
/// # Errors
/// If it can't be read at all.
pub fn read(path: &Path) -> Result<Report, Failure> {
    Ok(report::report(&Run::read(path)?))
}

/// Prints reports, or writes them into a file.
pub fn report(args: &ReportArgs) -> Outcome {
    args.range.check()?;
    // The file is tried before anything is read: reading may take a while.
    let file = (args.output.as_os_str() != "-").then(|| Part::open(&args.output)).transpose()?;
    let (text, reports) = made(args)?;
    match file {
        Some(file) => output::say(&format!("wrote {}", file.write(text.as_bytes())?.display())),
        None => {
            output::print(&text)?;
        }
    }
    finish::judge(&reports)
}

/// What is written, and the figures in it.
fn made(args: &ReportArgs) -> Result<(String, Vec<Report>), Failure> {
    let skips = Skips { head_tokens: args.skip_head_tokens, requests: args.skip_requests };
    let definitions = args.definitions.map_or(Definitions::Own, definitions);
    let show = match args.window {
        None => Show::Both,
        Some(WindowName::Measured) => Show::Measured,
        Some(WindowName::Steady) => Show::Steady,
    };
    if args.format == Format::Html {
        // A recording is boiled down before the next is read.
        let sources =
            runs(&args.files, &args.range).map(|run| Ok(html::Source::of(&run?, skips, definitions)));
        let sources = sources.collect::<Result<Vec<_>, Failure>>()?;
        let reports = sources.iter().map(|s| s.report().clone()).collect();
        return Ok((html::html(&sources, show), reports));
    }
    let read = |run: Result<Run, Failure>| {
        let run = run?;
        let mut report = report::report_with(&run, skips);
        report::redefine(&mut report, &run, definitions);
        Ok::<_, Failure>(report)
    };
    let reports = runs(&args.files, &args.range).map(read).collect::<Result<Vec<_>, _>>()?;
    let text = match args.format {
        Format::Html | Format::Text => report::text_within(&reports, show, columns(&args.output)),
        Format::Markdown => report::markdown(&reports, show),
        Format::Json => report::to_json(&reports).map_err(Failure::failed)?,
    };
    Ok((text, reports))
}

/// Recordings one after another, each read when it is its turn, under names that tell them apart.
fn runs(files: &[PathBuf], range: &RangeArgs) -> impl Iterator<Item = Result<Run, Failure>> {
    files.iter().zip(told_apart(files)).map(|(path, name)| {
        let mut run = range.read(path)?;
        if let Some(name) = name {
            run.name = name;
        }
        Ok(run)
    })
}

/// Columns of a text report: a file is as wide whatever the terminal.
fn columns(path: &Path) -> usize {
    if path.as_os_str() == "-" { output::columns(std::io::stdout()) } else { report::COLUMNS }
}

fn definitions(tool: ToolName) -> Definitions {
    match tool {
        ToolName::Vllm => Definitions::Vllm,
        ToolName::Aiperf => Definitions::Aiperf,
        ToolName::Guidellm => Definitions::Guidellm,
        ToolName::GenaiPerf => Definitions::GenaiPerf,
        ToolName::Fastgen => Definitions::Fastgen,
    }
}

/// Says on standard error what tables and result files can't say of themselves: that they are of a part only.
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

/// Writes CSV files and FastGen's result files.
pub fn export(args: &ExportArgs) -> Outcome {
    args.range.check()?;
    // Folders and the tokenizer are tried before anything is read: reading may take a while.
    let old = if args.force { csv::Old::Replace } else { csv::Old::Keep };
    let folders = [args.csv.as_deref(), args.fastgen.as_deref()];
    let mut missing: Vec<&Path> = folders.into_iter().flatten().filter(|dir| !dir.exists()).collect();
    missing.dedup();
    let mut tables = args.csv.as_deref().map(|dir| csv::Export::create(dir, old)).transpose()?;
    let counter = args.tokenizer.as_deref().map(exchange::Counter::load).transpose()?;
    let tokenizer = args.tokenizer.clone().zip(counter);
    let create = |dir: &PathBuf| exchange::Export::create(dir, tokenizer);
    let mut results = args.fastgen.as_ref().map(create).transpose()?;
    for folder in missing {
        output::say(&output::made(folder));
    }
    for run in runs(&args.files, &args.range) {
        let run = run?;
        let report = report::report(&run);
        warn_of_losses(&report);
        if let Some(tables) = &mut tables {
            tables.add(&run, &report)?;
        }
        if let Some(results) = &mut results {
            results.add(&run)?;
        }
    }
    let mut written = tables.map(csv::Export::finish).transpose()?.unwrap_or_default();
    let results = results.map(exchange::Export::finish).transpose()?;
    let nothing = results.as_ref().is_some_and(|results| results.files.is_empty());
    let results = results.unwrap_or_default();
    results.notes.iter().for_each(|note| output::say(note));
    written.extend(results.files);
    for path in written {
        output::say(&format!("wrote {}", path.display()));
    }
    if nothing {
        return Err(Failure::failed("there was no stage to write a result file for"));
    }
    Ok(Exit::Done)
}
