//! What the terminal told (keys, mouse, pasted text) → changes of the state and effects; and what a frame leaves for
//! the next event. Without a terminal, so that tests drive the dashboard as the frame loop does.

use crossterm::event::{Event, KeyCode, KeyEvent, KeyModifiers, MouseButton, MouseEventKind};

use super::keymap;
use super::state::{Screen, UiState};
use super::update::{Effect, Sight, palette_key, typed, update};
use super::view::Hits;

/// Most characters of pasted text that are taken: more than any text field holds.
const MOST_PASTED: usize = 1000;

/// Carries out what an event asks for.
pub fn heard(ui: &mut UiState, hits: &Hits, event: &Event, sight: Sight<'_>) -> Vec<Effect> {
    if speaks(event) {
        // What the footer says was of the one before.
        ui.flash = None;
    }
    let command = match event {
        Event::Key(key) if ui.prompt.is_some() => return typed(ui, *key),
        Event::Key(key) if ui.palette.is_some() => return palette_key(ui, *key, sight),
        Event::Paste(text) => return pasted(ui, text, sight),
        Event::Key(key) => ui.keys.command(*key),
        // What lies under the list of commands is not to be clicked through it.
        Event::Mouse(_) if ui.palette.is_some() => None,
        Event::Mouse(mouse) => match mouse.kind {
            MouseEventKind::ScrollUp | MouseEventKind::ScrollDown => {
                Some(keymap::wheel(mouse.kind == MouseEventKind::ScrollUp, mouse.modifiers, ui.screen))
            }
            MouseEventKind::Down(MouseButton::Left) | MouseEventKind::Drag(MouseButton::Left) => {
                hits.at(mouse.column, mouse.row)
            }
            _ => None,
        },
        _ => None,
    };
    command.map_or_else(Vec::new, |command| update(ui, &command, sight))
}

/// Somebody did something; a button that is let go belongs to the press before.
fn speaks(event: &Event) -> bool {
    match event {
        Event::Key(_) | Event::Paste(_) => true,
        Event::Mouse(mouse) => matches!(
            mouse.kind,
            MouseEventKind::Down(_) | MouseEventKind::ScrollUp | MouseEventKind::ScrollDown
        ),
        _ => false,
    }
}

/// Pasted text goes into an open text field as one line, and nowhere else: its letters are no keys.
fn pasted(ui: &mut UiState, text: &str, sight: Sight<'_>) -> Vec<Effect> {
    let mut effects = Vec::new();
    for c in text.chars().take(MOST_PASTED) {
        let c = if c.is_whitespace() { ' ' } else { c };
        if c.is_control() {
            continue;
        }
        let key = KeyEvent::new(KeyCode::Char(c), KeyModifiers::NONE);
        if ui.prompt.is_some() {
            effects.extend(typed(ui, key));
        } else if ui.palette.is_some() {
            effects.extend(palette_key(ui, key, sight));
        } else {
            break;
        }
    }
    effects
}

/// Keeps what the last frame showed, which keys and clicks refer to.
pub fn remember(ui: &mut UiState, hits: &Hits) {
    ui.page = hits.page.max(1);
    ui.help_most = hits.help_most;
    match ui.screen {
        Screen::Clients => {
            ui.client_offset = hits.offset;
            ui.lanes.span_ns = hits.lanes_ns;
        }
        Screen::Requests if ui.requests.open.is_some() => ui.requests.scroll = hits.offset,
        Screen::Requests => ui.requests.offset = hits.offset,
        Screen::System => ui.system = hits.offset,
        Screen::Latency => ui.latency.axis = hits.axis,
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::Snapshot;
    use crate::ui::state::{Prompt, PromptKind};

    #[test]
    fn a_word_in_the_footer_is_gone_with_the_next_key() {
        let snap = Snapshot::default();
        let sight = Sight { snap: &snap, transport: None, over: false, pair: false };
        let key = |code| Event::Key(KeyEvent::new(code, KeyModifiers::NONE));
        for event in [key(KeyCode::Char('2')), key(KeyCode::Char(':')), Event::Paste("x".into())] {
            let mut ui = UiState { flash: Some(("theme foo".into(), u64::MAX)), ..UiState::default() };
            heard(&mut ui, &Hits::default(), &event, sight);
            assert_eq!(ui.flash, None, "{event:?}");
        }
    }

    #[test]
    fn pasted_text_is_typed_into_a_field_and_is_no_keys() {
        let snap = Snapshot::default();
        let sight = Sight { snap: &snap, transport: None, over: false, pair: false };
        let paste = Event::Paste("q1\r\n\x1b[2J\u{3}x".into());
        let mut ui = UiState::default();
        assert_eq!(heard(&mut ui, &Hits::default(), &paste, sight), []);
        assert_eq!((ui.screen, ui.stops), (Screen::Live, 0));
        ui.prompt = Some(Prompt { kind: PromptKind::Mark, text: "a ".into() });
        assert_eq!(heard(&mut ui, &Hits::default(), &paste, sight), []);
        assert_eq!(ui.prompt.as_ref().map(|p| p.text.as_str()), Some("a q1  [2Jx"));
        heard(&mut ui, &Hits::default(), &Event::Paste("é".repeat(99_999)), sight);
        assert!(ui.prompt.is_some_and(|p| p.text.chars().count() <= 200));
    }
}
