//! Keys while the line for commands is open: typed, completed, chosen, carried out or given up.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use super::{Effect, Sight, update};
use crate::ui::keymap::names::{Name, parse};
use crate::ui::palette::{Choice, choices};
use crate::ui::state::{Palette, UiState};

/// Longest line, in characters.
const LONGEST: usize = 200;
/// Lines that are remembered.
const REMEMBERED: usize = 50;

/// A key while the palette is open.
pub fn key(ui: &mut UiState, key: KeyEvent, sight: Sight<'_>) -> Vec<Effect> {
    let control = key.modifiers.contains(KeyModifiers::CONTROL);
    let rows = choices(ui, sight.scene(), sight.over);
    let Some(palette) = ui.palette.as_mut() else { return Vec::new() };
    let before = palette.text.clone();
    match key.code {
        KeyCode::Esc => ui.palette = None,
        KeyCode::Char('c') if control => ui.palette = None,
        KeyCode::Backspace if palette.text.is_empty() => ui.palette = None,
        KeyCode::Enter => return enter(ui, &rows, sight),
        KeyCode::Tab => complete(palette, &rows),
        KeyCode::Up | KeyCode::BackTab => palette.selected = palette.selected.saturating_sub(1),
        KeyCode::Down => palette.selected = (palette.selected + 1).min(rows.len().saturating_sub(1)),
        KeyCode::Char('p') if control => recall(palette, &ui.history, true),
        KeyCode::Char('n') if control => recall(palette, &ui.history, false),
        KeyCode::Char('u') if control => palette.text.clear(),
        KeyCode::Char('w') if control => {
            let kept = palette.text.trim_end().rfind(' ').map_or(0, |space| space + 1);
            palette.text.truncate(kept);
        }
        KeyCode::Backspace => drop(palette.text.pop()),
        KeyCode::Char(c) if !control && palette.text.chars().count() < LONGEST => palette.text.push(c),
        _ => {}
    }
    if let Some(palette) = ui.palette.as_mut().filter(|p| p.text != before) {
        palette.said = None;
        palette.selected = 0;
    }
    Vec::new()
}

/// Makes the line that of the selected row.
fn complete(palette: &mut Palette, rows: &[Choice]) {
    if let Some(row) = rows.get(palette.selected).filter(|row| row.line.len() + 1 > palette.text.trim().len())
    {
        palette.text.clone_from(&row.line);
        let takes = Name::find(&row.line).is_some_and(|n| !n.entry().takes.placeholder().is_empty());
        if takes {
            palette.text.push(' ');
        }
    }
}

/// An older or newer line of the history.
fn recall(palette: &mut Palette, history: &[String], older: bool) {
    let to = match (palette.back, older) {
        (None, true) => Some(0),
        (Some(at), true) => Some((at + 1).min(history.len().saturating_sub(1))),
        (Some(at), false) => at.checked_sub(1),
        (None, false) => None,
    };
    palette.back = to.filter(|at| *at < history.len());
    palette.text = palette.back.map_or_else(String::new, |at| history[history.len() - 1 - at].clone());
}

/// The line that Enter stands for: what is typed if that is a whole command, else the selected row.
fn chosen(palette: &Palette, rows: &[Choice]) -> Option<String> {
    let typed = palette.text.trim();
    let (head, rest) = typed.split_once(char::is_whitespace).unwrap_or((typed, ""));
    let row = rows.get(palette.selected);
    let whole = match Name::find(head) {
        // Of a list of words the selected one is meant, unless the word is whole.
        Some(name) if palette.text.contains(char::is_whitespace) => {
            name.entry().takes.choices(&[]).is_empty() && row.is_none_or(|r| r.line == head)
        }
        Some(_) => palette.selected == 0,
        None => false,
    };
    match row {
        _ if whole => Some(typed.to_owned()),
        Some(row) => Some(row.line.clone()),
        None if rest.is_empty() && typed.is_empty() => None,
        None => Some(typed.to_owned()),
    }
}

fn enter(ui: &mut UiState, rows: &[Choice], sight: Sight<'_>) -> Vec<Effect> {
    let Some(palette) = ui.palette.as_mut() else { return Vec::new() };
    let Some(line) = chosen(palette, rows) else { return Vec::new() };
    let name = Name::find(line.split_whitespace().next().unwrap_or(""));
    if let Some(why) = name.and_then(|n| n.unavailable(sight.scene(), ui.screen, sight.over)) {
        palette.said = Some(format!("`{line}`: {why}"));
        return Vec::new();
    }
    let command = match parse(&line) {
        Ok(command) => command,
        Err(error) => {
            palette.said = Some(error.to_string());
            if name.is_some() && !line.contains(' ') {
                palette.text = format!("{line} ");
                palette.selected = 0;
            }
            return Vec::new();
        }
    };
    ui.palette = None;
    ui.history.retain(|old| *old != line);
    ui.history.push(line);
    let surplus = ui.history.len().saturating_sub(REMEMBERED);
    ui.history.drain(..surplus);
    update(ui, &command, sight)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::Snapshot;
    use crate::ui::keymap::Command;
    use crate::ui::state::Screen;
    use crate::ui::{Action, Transport};

    /// Opens the palette and types; `\n` is Enter, `\t` Tab, `\x10` Ctrl-P, `\x1b` Esc, `↓` Down.
    fn types(ui: &mut UiState, text: &str, replay: bool) -> Vec<Effect> {
        let snap = Snapshot::default();
        let at = Transport { at_ns: 0, length_ns: 1000, playing: true, speed: 1.0, indexed: None };
        let transport = replay.then_some(at);
        let sight = Sight { snap: &snap, transport, over: false, pair: false };
        let mut effects = update(ui, &Command::Palette, sight);
        assert!(ui.palette.is_some());
        for c in text.chars() {
            let (code, modifiers) = match c {
                '\n' => (KeyCode::Enter, KeyModifiers::NONE),
                '\t' => (KeyCode::Tab, KeyModifiers::NONE),
                '\x1b' => (KeyCode::Esc, KeyModifiers::NONE),
                '\x10' => (KeyCode::Char('p'), KeyModifiers::CONTROL),
                '↓' => (KeyCode::Down, KeyModifiers::NONE),
                c => (KeyCode::Char(c), KeyModifiers::NONE),
            };
            effects.extend(key(ui, KeyEvent::new(code, modifiers), sight));
        }
        effects
    }

    fn said(ui: &UiState) -> &str {
        ui.palette.as_ref().unwrap().said.as_deref().unwrap_or("")
    }

    #[test]
    fn a_line_is_carried_out_and_remembered() {
        let mut ui = UiState::default();
        assert_eq!(types(&mut ui, "screen lat\n", false), []);
        assert_eq!((ui.screen, ui.palette.is_none()), (Screen::Latency, true));
        assert_eq!(types(&mut ui, "clients 16\n", false), [Effect::Act(Action::SetClients(16))]);
        assert_eq!(ui.history, ["screen latency", "clients 16"]);
        assert_eq!(types(&mut ui, "\x10\n", false), [Effect::Act(Action::SetClients(16))]);
        types(&mut ui, "\x10\x10\n", false);
        assert_eq!(ui.history, ["clients 16", "screen latency"]);
        assert_eq!(types(&mut ui, "seek 1:30\n", true), [Effect::Act(Action::Seek(90_000_000_000))]);
        assert_eq!(types(&mut ui, "speed 4\n", true), [Effect::Act(Action::Speed(4.0))]);
        let marked = types(&mut ui, "mark the dip here\n", false);
        assert_eq!(marked[0], Effect::Act(Action::Mark("the dip here".into())));
    }

    #[test]
    fn tab_completes_and_enter_takes_what_is_selected() {
        let mut ui = UiState { themes: vec!["dusk".into(), "day".into()], ..UiState::default() };
        types(&mut ui, "the\t", false);
        assert_eq!(ui.palette.as_ref().unwrap().text, "theme ");
        types(&mut ui, "theme da\t", false);
        assert_eq!(ui.palette.as_ref().unwrap().text, "theme day");
        assert_eq!(types(&mut ui, "theme ↓\n", false), [Effect::UseTheme("day".into())]);
        types(&mut ui, "freez\n", false);
        assert!(ui.frozen);
    }

    #[test]
    fn what_cannot_be_done_is_said_and_the_line_stays() {
        let mut ui = UiState::default();
        assert_eq!(types(&mut ui, "seek 10\n", false), []);
        assert_eq!(said(&ui), "`seek 10`: only in a replay");
        types(&mut ui, "clients\n", false);
        assert_eq!(
            (said(&ui), ui.palette.as_ref().unwrap().text.as_str()),
            ("`clients` takes a number from 1 to 100000", "clients ")
        );
        types(&mut ui, "clients x\n", false);
        assert_eq!(said(&ui), "`clients` takes a number from 1 to 100000, not `x`");
        types(&mut ui, "qqqq\n", false);
        assert!(said(&ui).contains("no command `qqqq`"), "{}", said(&ui));
        types(&mut ui, "clients 4\x1b", false);
        assert!(ui.palette.is_none() && ui.history.is_empty());
    }
}
