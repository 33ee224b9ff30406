//! What the page needs of a recording: boiled down while the recording is in memory, so that several large ones can be
//! put into one page one after another.

use std::collections::BTreeMap;

use super::distribution::Latencies;
use crate::event::Outcome;
use crate::metrics::Definitions;
use crate::report::chart::{Kind, Recorded};
use crate::report::fastgen::Skips;
use crate::report::{Report, Run, Stage, redefine};

/// So many messages of errors are told.
const MESSAGES: usize = 12;
/// The longest of them, in characters.
const MESSAGE: usize = 300;

/// A recording, boiled down.
#[derive(Debug, Clone)]
pub struct Source {
    pub(super) recorded: Recorded,
    /// By stage.
    pub(super) latencies: Vec<Latencies>,
    pub(super) messages: Messages,
}

/// What failed requests said.
#[derive(Debug, Clone, Default)]
pub(super) struct Messages {
    /// The most frequent ones, with their kind.
    pub most: Vec<(Outcome, String, u64)>,
    /// Requests whose message is not among them.
    pub others: u64,
}

impl Source {
    /// Takes from a recording what the page needs. Tables follow the definitions, charts are ours.
    pub fn of(run: &Run, skips: Skips, definitions: Definitions) -> Self {
        let mut recorded = Recorded::of(run, Kind::Timeline, None, skips);
        redefine(&mut recorded.report, run, definitions);
        Self {
            recorded,
            latencies: run.stages.iter().map(|stage| Latencies::of(stage, run.header.tick_ns)).collect(),
            messages: Messages::of(run),
        }
    }

    /// The recording's exact figures.
    pub fn report(&self) -> &Report {
        &self.recorded.report
    }
}

impl Messages {
    fn of(run: &Run) -> Self {
        let mut counts: BTreeMap<(Outcome, &str), u64> = BTreeMap::new();
        for request in run.stages.iter().flat_map(Stage::judged) {
            if request.outcome.is_failure() || request.outcome.is_timeout() {
                let message = request.error.as_deref().unwrap_or_default();
                *counts.entry((request.outcome, message)).or_default() += 1;
            }
        }
        let mut all: Vec<_> = counts.into_iter().collect();
        // Equal counts stay in the order of their kinds and texts.
        all.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        let others = all.iter().skip(MESSAGES).map(|(_, count)| count).sum();
        all.truncate(MESSAGES);
        let told = all.into_iter().map(|((kind, text), count)| (kind, cut(text), count));
        Self { most: told.collect(), others }
    }
}

fn cut(text: &str) -> String {
    match text.char_indices().nth(MESSAGE) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}
