//! A range of time of a replay: what keys do to it, and its exact figures as a session brings them.
//!
//! The dashboard only remembers where the range begins and ends. Figures come from the session, which computes them
//! elsewhere, as reports do; until they are there, the panel says so.

use super::Action;
use super::format::clock_ms;
use super::keymap::Command;
use super::state::UiState;
use super::update::{Effect, Sight};

/// A stretch of a recording, both ends in it, nanoseconds since its run's start: whole milliseconds, so that whatever
/// names it names the same, and `report --from --to` can be given just these times.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Range {
    pub from_ns: u64,
    pub to_ns: u64,
}

/// Nanoseconds of a millisecond.
const MS: u64 = 1_000_000;

impl Range {
    /// From the millisecond in which one time lies up to the end of that in which the other lies.
    pub fn around(from_ns: u64, to_ns: u64) -> Self {
        Self { from_ns: from_ns / MS * MS, to_ns: to_ns.div_ceil(MS).saturating_mul(MS) }
    }

    /// It as a part of a file's name, e.g. `10.000s-30.500s`.
    pub fn file_words(self) -> String {
        let seconds = |ns: u64| format!("{}.{:03}s", ns / (1000 * MS), ns / MS % 1000);
        format!("{}-{}", seconds(self.from_ns), seconds(self.to_ns))
    }

    /// It on the run's clock, e.g. `0:10.000–0:30.500`.
    pub fn words(self) -> String {
        format!("{}–{}", clock_ms(self.from_ns), clock_ms(self.to_ns))
    }
}

/// What is selected.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RangeState {
    pub from_ns: Option<u64>,
    pub to_ns: Option<u64>,
    /// Its figures are on the screen.
    pub shown: bool,
}

impl RangeState {
    /// The range in a recording of this length; an end that isn't set is the recording's.
    pub fn within(&self, length_ns: u64) -> Option<Range> {
        let set = self.from_ns.or(self.to_ns).is_some();
        set.then(|| Range::around(self.from_ns.unwrap_or(0), self.to_ns.unwrap_or(length_ns)))
    }
}

/// What a key does to the range.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RangeKey {
    /// It begins (`false`) or ends (`true`) at the head.
    Edge(bool),
    Clear,
    /// Shows or hides its figures.
    Figures,
}

/// The exact figures of a range, or why there are none.
#[derive(Debug, Clone, PartialEq)]
pub struct Measured {
    pub range: Range,
    /// One entry a stage that measured something in it.
    pub stages: Result<Vec<StageFigures>, String>,
}

/// A stage's figures in a range. Times in seconds, rates a second; `None` is not known.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct StageFigures {
    pub name: String,
    /// Length of the measured window in the range.
    pub seconds: f64,
    /// Requests that came, and that ended by how they did.
    pub scheduled: u64,
    pub completed: u64,
    pub failed: u64,
    pub cancelled: u64,
    pub output_tokens: u64,
    pub input_tokens: u64,
    pub requests_per_s: Option<f64>,
    pub output_per_s: Option<f64>,
    pub input_per_s: Option<f64>,
    /// Time-average of requests in flight.
    pub in_flight: Option<f64>,
    pub latencies: Vec<LatencyFigures>,
}

/// One latency: mean, p50, p90, p95, p99 and max in seconds, and how many values there are.
#[derive(Debug, Clone, PartialEq)]
pub struct LatencyFigures {
    pub name: &'static str,
    pub values: [Option<f64>; 6],
    pub count: u64,
}

/// Carries out a command of a replay's range, the export that follows it, and the switch between two recordings.
pub(super) fn update(ui: &mut UiState, command: &Command, sight: Sight<'_>) -> Vec<Effect> {
    match (command, sight.transport) {
        (Command::Export, Some(at)) => export(ui.range.within(at.length_ns)),
        (Command::Export, None) => export(None),
        (Command::Range(RangeKey::Edge(end)), Some(at)) => {
            set(&mut ui.range, at.at_ns, *end);
            measured(ui.range.within(at.length_ns))
        }
        (Command::Beside, _) if sight.pair => {
            other(ui);
            Vec::new()
        }
        (Command::Range(RangeKey::Clear), Some(_)) => {
            ui.range = RangeState::default();
            Vec::new()
        }
        (Command::Range(RangeKey::Figures), Some(_)) if ui.range.from_ns.or(ui.range.to_ns).is_none() => {
            vec![Effect::Say("no range yet: ( begins one at the head, ) ends it there".into())]
        }
        (Command::Range(RangeKey::Figures), Some(_)) => {
            ui.range.shown = !ui.range.shown;
            Vec::new()
        }
        _ => Vec::new(),
    }
}

/// Switches between two recordings. What was selected by its time or number means nothing in the other.
fn other(ui: &mut UiState) {
    ui.beside = !ui.beside;
    ui.latency.cursor_ns = None;
    (ui.requests.open, ui.requests.selected) = (None, None);
}

/// An end that would lie on the wrong side of the other drops that one.
fn set(range: &mut RangeState, at_ns: u64, end: bool) {
    if end {
        range.to_ns = Some(at_ns);
        range.from_ns = range.from_ns.filter(|from| *from < at_ns);
    } else {
        range.from_ns = Some(at_ns);
        range.to_ns = range.to_ns.filter(|to| *to > at_ns);
    }
    range.shown |= range.from_ns.is_some() && range.to_ns.is_some();
}

fn measured(range: Option<Range>) -> Vec<Effect> {
    range.map(|range| Effect::Act(Action::Measure(range))).into_iter().collect()
}

fn export(range: Option<Range>) -> Vec<Effect> {
    let (action, what) = match range {
        Some(range) => (Action::ExportRange(range), format!("exporting CSV files of {}", range.words())),
        None => (Action::Export, "exporting CSV files".to_owned()),
    };
    vec![Effect::Act(action), Effect::Say(format!("{what} beside the recording"))]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::Snapshot;
    use crate::ui::Transport;

    fn press(ui: &mut UiState, key: RangeKey, at_ns: u64) -> Vec<Effect> {
        let snap = Snapshot::default();
        let transport =
            Some(Transport { at_ns, length_ns: 100 * MS, playing: true, speed: 1.0, indexed: None });
        update(ui, &Command::Range(key), Sight { snap: &snap, transport, over: false, pair: false })
    }

    fn asked(effects: &[Effect]) -> Option<(u64, u64)> {
        match effects {
            [Effect::Act(Action::Measure(range))] => Some((range.from_ns / MS, range.to_ns / MS)),
            _ => None,
        }
    }

    #[test]
    fn both_ends_are_set_at_the_head_and_the_figures_asked_for() {
        let mut ui = UiState::default();
        assert_eq!(asked(&press(&mut ui, RangeKey::Edge(false), 20 * MS)), Some((20, 100)));
        assert!(!ui.range.shown, "half a range covers nothing");
        assert_eq!(asked(&press(&mut ui, RangeKey::Edge(true), 60 * MS)), Some((20, 60)));
        assert!(ui.range.shown);
        press(&mut ui, RangeKey::Figures, 60 * MS);
        assert!(!ui.range.shown);
        // An end before the beginning: from the recording's start on.
        assert_eq!(asked(&press(&mut ui, RangeKey::Edge(true), 10 * MS)), Some((0, 10)));
        assert_eq!(asked(&press(&mut ui, RangeKey::Edge(false), 30 * MS)), Some((30, 100)));
        assert_eq!(press(&mut ui, RangeKey::Clear, 0), []);
        assert_eq!(ui.range, RangeState::default());
        assert!(matches!(&press(&mut ui, RangeKey::Figures, 0)[..], [Effect::Say(_)]));
    }

    #[test]
    fn the_other_recording_is_shown_where_there_is_one() {
        let (mut ui, snap) = (UiState::default(), Snapshot::default());
        ui.latency.cursor_ns = Some(7);
        let alone = Sight { snap: &snap, transport: None, over: false, pair: false };
        assert_eq!(super::update(&mut ui, &Command::Beside, alone), []);
        assert!(!ui.beside && ui.latency.cursor_ns.is_some());
        update(&mut ui, &Command::Beside, Sight { pair: true, ..alone });
        assert!(ui.beside && ui.latency.cursor_ns.is_none(), "its time is not the other's");
    }

    #[test]
    fn the_export_is_of_the_range_where_there_is_one_and_a_live_run_has_none() {
        let (mut ui, snap) = (UiState::default(), Snapshot::default());
        let transport =
            Some(Transport { at_ns: 0, length_ns: 100 * MS, playing: true, speed: 1.0, indexed: None });
        let see = Sight { snap: &snap, transport, over: false, pair: false };
        let live = Sight { transport: None, ..see };
        assert_eq!(update(&mut ui, &Command::Export, see)[0], Effect::Act(Action::Export));
        press(&mut ui, RangeKey::Edge(true), 50 * MS);
        let range = Range { from_ns: 0, to_ns: 50 * MS };
        assert_eq!(update(&mut ui, &Command::Export, see)[0], Effect::Act(Action::ExportRange(range)));
        assert_eq!(update(&mut ui, &Command::Export, live)[0], Effect::Act(Action::Export));
        assert_eq!(update(&mut ui, &Command::Range(RangeKey::Edge(false)), live), []);
    }

    #[test]
    fn all_that_names_a_range_names_the_same_times() {
        let range = Range::around(10_123_987_654, 70_456_000_001);
        assert_eq!(range.words(), "0:10.123–1:10.457");
        assert_eq!(range.file_words(), "10.123s-70.457s");
        assert_eq!(Range::around(range.from_ns, range.to_ns), range, "whole milliseconds stay");
        let half = RangeState { from_ns: Some(1), ..RangeState::default() };
        assert_eq!(half.within(5 * MS + 1), Some(Range { from_ns: 0, to_ns: 6 * MS }));
    }
}
