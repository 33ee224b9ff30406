//! Commands that come with what they need, and those that leave the dashboard: clipboard, pictures, themes.

use super::{Effect, Sight, find, lanes, set_filter, transport};
use crate::ui::Action;
use crate::ui::keymap::Command;
use crate::ui::keymap::names::Name;
use crate::ui::palette::keys;
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
        Command::SetClients(n) => vec![Effect::Act(Action::SetClients(*n))],
        Command::SetRate(rate) => vec![Effect::Act(Action::SetRate(*rate))],
        Command::MarkWith(note) => {
            let said = format!("marked: {}", crate::ui::sanitize::line(note));
            vec![Effect::Act(Action::Mark(note.clone())), Effect::Say(said)]
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
        Command::Close => close(ui, sight),
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

/// Closes what lies on top, one thing at a time. It never leaves: after a run's end it tells what does.
fn close(ui: &mut UiState, sight: Sight<'_>) -> Vec<Effect> {
    if clear(ui) || !sight.over || sight.transport.is_some() {
        return Vec::new();
    }
    let keys = keys(Name::Quit, &ui.keys);
    let how = if keys.is_empty() { "`:quit`".to_owned() } else { keys };
    vec![Effect::Say(format!("the run is over: {how} leaves"))]
}

/// Ends what Esc ends: a panel over the screen, what is open, the search, a look at the past. Tells whether there was any.
fn clear(ui: &mut UiState) -> bool {
    if std::mem::take(&mut ui.range.shown) {
        return true;
    }
    match ui.screen {
        Screen::Requests if ui.requests.open.take().is_some() => return true,
        Screen::Latency if ui.latency.cursor_ns.take().is_some() => return true,
        _ => {}
    }
    let searched = pattern(ui).is_some_and(|text| !text.is_empty());
    if searched {
        set_filter(ui, String::new());
        return true;
    }
    ui.screen == Screen::Clients && ui.lanes.to_ns.take().is_some()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::Snapshot;
    use crate::ui::update::update;

    #[test]
    fn esc_closes_one_thing_after_the_other_and_never_leaves() {
        let (mut ui, snap) = (UiState { screen: Screen::Latency, ..UiState::default() }, Snapshot::default());
        ui.range.shown = true;
        ui.latency.cursor_ns = Some(1);
        let over = Sight { snap: &snap, transport: None, over: true, pair: false };
        let esc = |ui: &mut UiState| update(ui, &Command::Close, over);
        assert_eq!(esc(&mut ui), []);
        assert!(!ui.range.shown && ui.latency.cursor_ns.is_some());
        assert_eq!(esc(&mut ui), []);
        assert_eq!(ui.latency.cursor_ns, None);
        let said = [Effect::Say("the run is over: q leaves".into())];
        assert_eq!((esc(&mut ui), esc(&mut ui)), (said.to_vec(), said.to_vec()));
        ui.screen = Screen::Requests;
        ui.requests.filter = "failed".into();
        assert_eq!((esc(&mut ui), ui.requests.filter.as_str()), (Vec::new(), ""));
        let running = Sight { over: false, ..over };
        assert_eq!(update(&mut ui, &Command::Close, running), []);
    }
}
