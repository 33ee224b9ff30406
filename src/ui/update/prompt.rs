//! Keys while something is typed in the footer: a filter, which works while it is typed, or a mark's note.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use super::Effect;
use crate::ui::Action;
use crate::ui::state::{PromptKind, Screen, UiState};

/// A key while a prompt is open: typed, taken or given up.
pub fn typed(ui: &mut UiState, key: KeyEvent) -> Vec<Effect> {
    let Some(mut prompt) = ui.prompt.take() else { return Vec::new() };
    let control = key.modifiers.contains(KeyModifiers::CONTROL);
    match key.code {
        KeyCode::Esc => {
            if prompt.kind == PromptKind::Filter {
                set_filter(ui, String::new());
            }
            return Vec::new();
        }
        KeyCode::Char('c') if control => return Vec::new(),
        KeyCode::Enter => {
            if prompt.kind == PromptKind::Mark {
                let said = Effect::Say(format!("marked: {}", crate::ui::sanitize::line(&prompt.text)));
                return vec![Effect::Act(Action::Mark(prompt.text)), said];
            }
            return Vec::new();
        }
        KeyCode::Char('u') if control => prompt.text.clear(),
        KeyCode::Backspace => drop(prompt.text.pop()),
        KeyCode::Char(c) if !control && prompt.text.chars().count() < 200 => prompt.text.push(c),
        _ => {}
    }
    if prompt.kind == PromptKind::Filter {
        set_filter(ui, prompt.text.clone());
    }
    ui.prompt = Some(prompt);
    Vec::new()
}

/// Sets what the screen is filtered or searched by.
pub(super) fn set_filter(ui: &mut UiState, text: String) {
    match ui.screen {
        Screen::Log => {
            ui.log.filter = text;
            ui.log.up = 0;
            (ui.log.all, ui.log.found) = (false, None);
        }
        Screen::Requests => ui.requests.filter = text,
        Screen::Clients | Screen::Curve | Screen::System => ui.search = text,
        Screen::Live | Screen::Latency => {}
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Sight, update};
    use super::*;
    use crate::metrics::Snapshot;
    use crate::ui::keymap::Command;

    #[test]
    fn a_mark_is_typed_and_a_filter_works_while_typed() {
        let (mut ui, snap) = (UiState::default(), Snapshot::default());
        let key = |c| KeyEvent::new(KeyCode::Char(c), KeyModifiers::NONE);
        update(&mut ui, &Command::Mark, Sight { snap: &snap, transport: None, over: false });
        typed(&mut ui, key('q'));
        let done = typed(&mut ui, KeyEvent::new(KeyCode::Enter, KeyModifiers::NONE));
        assert_eq!(done[0], Effect::Act(Action::Mark("q".into())));
        ui.screen = Screen::Log;
        update(&mut ui, &Command::Filter, Sight { snap: &snap, transport: None, over: false });
        typed(&mut ui, key('x'));
        assert_eq!(ui.log.filter, "x");
        typed(&mut ui, KeyEvent::new(KeyCode::Esc, KeyModifiers::NONE));
        assert_eq!((ui.log.filter.as_str(), ui.prompt), ("", None));
    }
}
