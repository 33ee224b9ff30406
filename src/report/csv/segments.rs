//! `segments.csv`: one row a part of a stage's measured window, from one intervention to the next. Stages that nobody
//! intervened in have none.

use super::summary::{put, window_cells};
use super::{ExportError, Output, Row};
use crate::report::figures::{Report, Window};
use crate::report::segments::SegmentReport;

const NAMES: [&str; 8] = ["run", "stage", "segment", "began", "words", "clients", "rate", "paused"];

/// Writes the header: the columns' names don't depend on the recordings.
pub fn header(out: &mut Output) -> Result<(), ExportError> {
    for name in NAMES {
        out.row.text(name);
    }
    for (name, _) in window_cells("", Some(&Window::default())) {
        out.row.text(&name);
    }
    out.end_row()
}

/// Writes a recording's rows; tells how many.
pub fn write(out: &mut Output, report: &Report) -> Result<usize, ExportError> {
    let mut rows = 0;
    for stage in &report.stages {
        for (i, segment) in stage.segments.iter().enumerate() {
            out.row.text(&report.recording.name);
            out.row.text(&stage.name);
            row(&mut out.row, i as u64 + 1, segment);
            out.end_row()?;
            rows += 1;
        }
    }
    Ok(rows)
}

fn row(row: &mut Row, number: u64, segment: &SegmentReport) {
    row.whole(number);
    row.text(segment.began);
    row.text(&segment.words);
    row.whole_or_empty(segment.clients.map(u64::from));
    row.float(segment.rate);
    row.text(if segment.paused { "true" } else { "false" });
    for (_, cell) in window_cells("", Some(&segment.figures)) {
        put(row, cell);
    }
}
