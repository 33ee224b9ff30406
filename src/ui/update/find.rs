//! From match to match of what is searched for.

use super::{Effect, shift};
use crate::metrics::Snapshot;
use crate::ui::keymap::Command;
use crate::ui::rows;
use crate::ui::search::{matches, pattern};
use crate::ui::state::{Screen, UiState};

/// Goes to the next or previous match, around the ends.
pub(super) fn go(ui: &mut UiState, forward: bool, snap: &Snapshot) -> Vec<Effect> {
    let Some(pattern) = pattern(ui).map(str::to_owned) else { return Vec::new() };
    if pattern.is_empty() {
        return vec![Effect::Say("nothing is searched for: / begins".into())];
    }
    let all = matches(snap, ui);
    let here = here(ui, snap);
    let next = |at: &usize| if forward { *at > here } else { *at < here };
    let found = if forward { all.iter().position(next) } else { all.iter().rposition(next) };
    let around = if forward { 0 } else { all.len().saturating_sub(1) };
    let nth = found.unwrap_or(around);
    let Some(row) = all.get(nth).copied() else {
        return vec![Effect::Say(format!("nothing matches {pattern}"))];
    };
    show(ui, row, snap);
    let wrapped = match (found, forward) {
        (Some(_), _) => "",
        (None, true) => ", from the top",
        (None, false) => ", from the end",
    };
    vec![Effect::Say(format!("{pattern}: match {} of {}{wrapped}", nth + 1, all.len()))]
}

/// The row that the next match is looked for from.
fn here(ui: &UiState, snap: &Snapshot) -> usize {
    match ui.screen {
        Screen::Clients => ui.client,
        Screen::Requests => rows::selected(&rows::requests(snap, &ui.requests), &ui.requests),
        Screen::System => ui.system,
        Screen::Curve => snap.curve.points().count().saturating_sub(1 + ui.curve.up),
        Screen::Log => {
            let lines = rows::levelled(snap, &ui.log);
            let found = ui.log.found.as_ref();
            // From the newest: what comes first is the match before it.
            found.and_then(|f| lines.iter().rposition(|l| *l == f)).unwrap_or(lines.len())
        }
        Screen::Live | Screen::Latency => 0,
    }
}

fn show(ui: &mut UiState, row: usize, snap: &Snapshot) {
    match ui.screen {
        Screen::Curve => ui.curve.up = snap.curve.points().count().saturating_sub(1 + row),
        Screen::Log => {
            let lines = rows::levelled(snap, &ui.log);
            ui.log.found = lines.get(row).map(|l| (*l).clone());
            ui.log.all = true;
            // In the middle, with what was said before and after.
            ui.log.up = lines.len().saturating_sub(row + 1 + ui.page / 2);
        }
        _ => shift(ui, &Command::SelectRow(row), snap),
    }
}
