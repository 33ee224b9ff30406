//! Exact figures from recordings: text, JSON, Markdown, HTML, CSV.
//!
//! `cli` comes in with the entries of a recording, makes a [`Run`] of them and a [`Report`] of that, and
//! prints it ([`text`], [`markdown`], [`html`], [`Report::to_json`], [`to_json`]) or writes tables ([`csv::Export`]).
//! DeepSpeed-FastGen's analyses are in [`fastgen`]. What each figure means is in `docs/measurement.md`.

pub mod chart;
mod client;
pub mod csv;
mod definitions;
mod exact;
mod failures;
pub mod fastgen;
mod figures;
#[cfg(test)]
mod fixture;
pub mod html;
mod layout;
mod markdown;
mod open;
mod radix;
mod range;
mod run;
#[cfg(test)]
mod schema_test;
mod seconds;
mod segments;
mod sla;
mod stats;
mod system;
mod system_table;
mod table;
mod text;
mod verdict;
mod window;

pub use crate::metrics::{BACKLOG_DEVIATIONS, BACKLOG_SHARE};
pub use client::{BOTTLENECK_SHARE, ClientReport, three_digits};
pub use definitions::{Redefined, RedefinedLatency, redefine};
pub use exact::{report, report_with};
pub use figures::*;
pub use markdown::markdown;
pub use range::{RangeError, RangePart};
pub use run::{Run, Stage};
pub use segments::SegmentReport;
pub use stats::{Pool, Sorted, Stats};
pub use system::{EngineReport, GpuReport, Spread, SystemReport};
pub use text::{COLUMNS, text, text_within};
pub use window::{STEADY_DIP_NS, STEADY_SHARE, Span};

/// Which windows a report for people shows. Files always hold both.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Show {
    Both,
    Measured,
    Steady,
}

impl Show {
    /// The windows of a stage to show, each with its name; a missing one is shown as such.
    fn of(self, windows: &Windows) -> Vec<(&'static str, Option<&Window>)> {
        let measured = ("measured", windows.measured.as_ref());
        let steady = ("steady", windows.steady.as_ref());
        match self {
            Self::Both => vec![measured, steady],
            Self::Measured => vec![measured],
            Self::Steady => vec![steady],
        }
    }
}

/// JSON of several recordings: the object for one, an array of such objects for more.
///
/// # Errors
/// None that can happen with these types; handed on all the same.
pub fn to_json(reports: &[Report]) -> serde_json::Result<String> {
    match reports {
        [one] => one.to_json(),
        many => serde_json::to_string_pretty(many).map(|json| json + "\n"),
    }
}
