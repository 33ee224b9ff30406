//! Which requests and log lines a list shows, and in what order: filters and sorting.

use std::cmp::Ordering;
use std::sync::Arc;

use super::state::{Column, LogState, RequestsState};
use crate::event::LogLine;
use crate::metrics::{Open, RequestRecord, Snapshot};

/// The rows of the requests table.
pub fn requests<'a>(snap: &'a Snapshot, state: &RequestsState) -> Vec<&'a Arc<RequestRecord>> {
    let source = if state.slowest { &snap.slowest } else { &snap.recent };
    let mut rows: Vec<_> = source.iter().filter(|r| matches(r, &state.filter)).collect();
    if state.sort != Column::Natural {
        rows.sort_by(|a, b| compare(a, b, state.sort));
    }
    if state.reversed {
        rows.reverse();
    }
    rows
}

/// The place of the selected request among the rows; the first if it isn't there.
pub fn selected(rows: &[&Arc<RequestRecord>], state: &RequestsState) -> usize {
    state.selected.and_then(|id| rows.iter().position(|r| r.request == id)).unwrap_or(0)
}

/// Every word must match: `client=3`, `#17` (a request), or a part of the outcome or the error.
fn matches(record: &RequestRecord, filter: &str) -> bool {
    filter.split_whitespace().all(|word| {
        let word = word.to_lowercase();
        if let Some(client) = word.strip_prefix("client=") {
            return client.parse() == Ok(record.client);
        }
        if let Some(id) = word.strip_prefix('#') {
            return id.parse() == Ok(record.request);
        }
        record.outcome.name().contains(&word)
            || record.error.as_deref().is_some_and(|e| e.to_lowercase().contains(&word))
            || (record.warmup && "warmup".contains(&word))
    })
}

/// Largest first; unknown last.
fn compare(a: &RequestRecord, b: &RequestRecord, column: Column) -> Ordering {
    let value = |r: &RequestRecord| match column {
        Column::Natural => None,
        Column::Id => Some(r.request as f64),
        Column::Client => Some(f64::from(r.client)),
        Column::Prompt => Some(f64::from(r.prompt_tokens)),
        Column::Output => Some(f64::from(r.output_tokens)),
        Column::Ttft => r.ttft_ns().map(|v| v as f64),
        Column::Tpot => r.tpot_ns(),
        Column::E2e => r.e2e_ns().map(|v| v as f64),
        Column::Lag => Some(r.send_lag_ns() as f64),
    };
    match (value(a), value(b)) {
        (Some(a), Some(b)) => b.total_cmp(&a),
        (a, b) => b.is_some().cmp(&a.is_some()),
    }
}

/// The lines of the log, oldest first: those that match, or all of the level.
pub fn log<'a>(snap: &'a Snapshot, state: &LogState) -> Vec<&'a LogLine> {
    let mut lines = levelled(snap, state);
    if !state.all {
        let text = state.filter.to_lowercase();
        lines.retain(|l| says(l, &text));
    }
    lines
}

/// The log's lines of the level, oldest first.
pub fn levelled<'a>(snap: &'a Snapshot, state: &LogState) -> Vec<&'a LogLine> {
    snap.log.iter().filter(|l| l.level >= state.least).collect()
}

/// Whether a line has this text, in lower case.
pub fn says(line: &LogLine, text: &str) -> bool {
    text.is_empty() || line.message.to_lowercase().contains(text) || line.source.to_lowercase().contains(text)
}

/// What a client's request in flight is doing.
pub fn state(open: Option<&Open>) -> &'static str {
    match open {
        None => "idle",
        Some(o) if o.first_token_ns.is_some() => "decode",
        Some(o) if o.prefill_ns.is_some() => "prefill",
        Some(_) => "waiting",
    }
}
