//! `plot`: charts of recordings, as SVG or PNG.

mod args;
pub(super) mod target;
#[cfg(test)]
mod tests;

use std::path::Path;

pub use self::args::PlotArgs;
use self::target::{Format, Target};
use super::failure::{Exit, Failure, Outcome};
use super::output;
use crate::report::Run;
use crate::report::chart::{self, ChartError, Fit, Options, Paper, PictureError, Recorded};
use crate::report::fastgen::Skips;

/// Sizes where none is asked for: an SVG's is only a proposal, a PNG's must do for print.
const SVG_SIZE: (u32, u32) = (960, 600);
const PNG_SIZE: (u32, u32) = (1920, 1200);

impl From<ChartError> for Failure {
    fn from(error: ChartError) -> Self {
        Self::failed(error)
    }
}

impl From<PictureError> for Failure {
    fn from(error: PictureError) -> Self {
        Self::failed(error)
    }
}

/// Draws a chart.
pub fn plot(args: &PlotArgs) -> Outcome {
    if !args.labels.is_empty() && args.labels.len() != args.files.len() {
        return Err(Failure::usage(format!(
            "--label was given {} times for {} files; give it once for each file, in their order",
            args.labels.len(),
            args.files.len()
        )));
    }
    if args.files.iter().filter(|f| f.as_os_str() == "-").count() > 1 {
        return Err(Failure::usage("standard input can be read only once: give `-` once"));
    }
    // The target is tried before anything is read: reading may take a while.
    let target = Target::open(&args.output)?;
    let recorded = args
        .files
        .iter()
        .enumerate()
        .map(|(i, file)| recorded(file, args, args.labels.get(i).cloned()))
        .collect::<Result<Vec<_>, Failure>>()?;
    let figure = chart::plot(args.kind.into(), recorded, &options(args))?;
    let (width, height) = args.size.unwrap_or(match target.format() {
        Format::Svg => SVG_SIZE,
        Format::Png => PNG_SIZE,
    });
    let paper = Paper { width, height, dark: args.dark };
    let picture = match target.format() {
        Format::Svg => chart::svg(&figure, paper)?.into_bytes(),
        Format::Png => chart::png(&figure, paper)?,
    };
    match target.write(&picture)? {
        Some(path) => output::say(&format!("wrote {}", path.display())),
        None => return output::print(&String::from_utf8_lossy(&picture)),
    }
    Ok(Exit::Done)
}

fn recorded(file: &Path, args: &PlotArgs, label: Option<String>) -> Result<Recorded, Failure> {
    let skips = Skips { head_tokens: args.skip_head_tokens, requests: args.skip_requests };
    Ok(Recorded::of(&Run::read(file)?, args.kind.into(), label, skips))
}

fn options(args: &PlotArgs) -> Options {
    Options {
        title: args.title.clone(),
        fit: args.fit.unwrap_or(Fit::Usual),
        faithful: args.faithful,
        x_limits: args.xlim.unwrap_or_default(),
        y_limits: args.ylim.unwrap_or_default(),
        rates: args.sla.clone(),
        validator: args.validator.into(),
        references: !args.no_reference,
    }
}
