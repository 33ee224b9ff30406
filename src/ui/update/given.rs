//! Commands that come with what they need, and those that leave the dashboard: clipboard, pictures, themes.

use super::{Effect, Sight, find, lanes, set_filter, transport};
use crate::ui::Action;
use crate::ui::keymap::Command;
use crate::ui::search::pattern;
use crate::ui::state::{Palette, Prompt, PromptKind, Screen, UiState};

/// Carries one of them out; `None` if it is another.
pub fn carry_out(ui: &mut UiState, command: &Command, sight: Sight<'_>) -> Option<Vec<Effect>> {
    Some(match command {
        Command::Palette => {
            ui.palette = Some(Palette::default());
            Vec::new()
        }
        Command::UseTheme(name) => vec![Effect::UseTheme(name.clone())],
        Command::Copy => vec![Effect::Copy],
        Command::Picture => vec![Effect::Picture],
        Command::SeekAt(_) | Command::Speed(_) => transport(command, sight),
        Command::SetClients(n) => load(Action::SetClients(*n), sight),
        Command::SetRate(rate) => load(Action::SetRate(*rate), sight),
        Command::MarkWith(note) => {
            let mut effects = load(Action::Mark(note.clone()), sight);
            if !effects.is_empty() {
                effects.push(Effect::Say(format!("marked: {}", crate::ui::sanitize::line(note))));
            }
            effects
        }
        Command::FilterBy(text) => {
            set_filter(ui, text.clone());
            Vec::new()
        }
        Command::Filter => {
            if let Some(text) = pattern(ui).map(str::to_owned) {
                ui.prompt = Some(Prompt { kind: PromptKind::Filter, text });
            }
            Vec::new()
        }
        Command::Match(forward) => find::go(ui, *forward, sight.snap),
        Command::Pan(by) => lanes::pan(ui, *by, sight.snap),
        Command::Follow => {
            follow(ui);
            Vec::new()
        }
        Command::Close if clear(ui) => Vec::new(),
        _ => return None,
    })
}

/// Back to the newest of what the screen shows.
fn follow(ui: &mut UiState) {
    match ui.screen {
        Screen::Clients => ui.lanes.to_ns = None,
        Screen::Curve => ui.curve.up = 0,
        Screen::Log => (ui.log.up, ui.log.found) = (0, None),
        Screen::Live | Screen::Latency | Screen::Requests | Screen::System => {}
    }
}

/// Ends what Esc ends before it does anything else: the search, then a look at the past. Tells whether there was any.
fn clear(ui: &mut UiState) -> bool {
    if ui.screen == Screen::Requests && ui.requests.open.is_some() {
        return false;
    }
    let searched = pattern(ui).is_some_and(|text| !text.is_empty());
    if searched {
        set_filter(ui, String::new());
    }
    let past = ui.screen == Screen::Clients && ui.lanes.to_ns.is_some();
    if past && !searched {
        ui.lanes.to_ns = None;
    }
    searched || past
}

/// What changes a live run, while there is one.
fn load(action: Action, sight: Sight<'_>) -> Vec<Effect> {
    if sight.transport.is_some() || sight.over { Vec::new() } else { vec![Effect::Act(action)] }
}
