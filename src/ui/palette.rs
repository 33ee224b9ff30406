//! What the line for commands offers: every command that fits what is typed, best first, or the words that can stand
//! after one.

use crossterm::event::KeyEvent;

use super::keymap::Scene;
use super::keymap::names::Name;
use super::keymap::remap::{Keys, every_key, shown};
use super::state::UiState;

/// A row of the list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Choice {
    /// What Tab and Enter make of the line.
    pub line: String,
    /// Wants an argument that is not there yet.
    pub unfinished: bool,
    /// The command with the place of its argument.
    pub shown: String,
    pub keys: String,
    pub about: &'static str,
    /// Why it can't be used now.
    pub why: Option<String>,
}

/// How well a name fits, 0 best; `None`: not at all.
fn rank(typed: &str, name: &str, about: &str) -> Option<u8> {
    let words = |text: &str| text.split(['-', ' ']).any(|w| w.to_lowercase().starts_with(typed));
    if name.starts_with(typed) {
        return Some(0);
    }
    if words(name) {
        return Some(1);
    }
    if name.contains(typed) {
        return Some(2);
    }
    let mut rest = name.chars();
    if typed.chars().all(|c| rest.any(|n| n == c)) {
        return Some(3);
    }
    (typed.len() >= 3 && words(about)).then_some(4)
}

/// The rows for what is typed, those of use now before the others that fit as well.
pub fn choices(ui: &UiState, scene: Scene, over: bool) -> Vec<Choice> {
    let Some(palette) = &ui.palette else { return Vec::new() };
    let line = palette.text.trim_start();
    let why = |name: Name| name.unavailable(scene, ui.screen, over);
    let row = |name: Name| {
        let entry = name.entry();
        Choice {
            line: entry.name.to_owned(),
            unfinished: !entry.takes.optional(),
            shown: format!("{} {}", entry.name, entry.takes.placeholder()).trim_end().to_owned(),
            keys: keys(name, &ui.keys),
            about: entry.about,
            why: why(name),
        }
    };
    if let Some((head, rest)) = line.split_once(char::is_whitespace) {
        let Some(name) = Name::find(head) else { return Vec::new() };
        let all = name.entry().takes.choices(&ui.themes);
        if all.is_empty() {
            return vec![row(name)];
        }
        let rest = rest.trim().to_lowercase();
        let fitting = all.into_iter().filter(|c| rank(&rest, &c.to_lowercase(), "").is_some());
        let mut fitting: Vec<String> = fitting.collect();
        fitting.sort_by_key(|c| rank(&rest, &c.to_lowercase(), ""));
        let of = |word: String| {
            let line = format!("{head} {word}");
            Choice { shown: line.clone(), line, unfinished: false, keys: String::new(), ..row(name) }
        };
        return fitting.into_iter().map(of).collect();
    }
    let typed = line.to_lowercase();
    let fitting = Name::ALL.iter().filter_map(|name| {
        let entry = name.entry();
        Some((rank(&typed, entry.name, entry.about)?, row(*name)))
    });
    let mut rows: Vec<(u8, Choice)> = fitting.collect();
    rows.sort_by_key(|(rank, row)| (*rank, row.why.is_some()));
    rows.into_iter().map(|(_, row)| row).collect()
}

/// The keys of a command, as they are shown; the first few of many.
pub fn keys(name: Name, mapped: &Keys) -> String {
    let is = |key: &KeyEvent| mapped.command(*key).is_some_and(|c| c.name() == name);
    let own = mapped.own_keys().filter(is);
    let mut all: Vec<String> = own.chain(every_key().filter(is)).map(shown).collect();
    all.dedup();
    match all.as_slice() {
        [first, .., last] if all.len() > 4 => format!("{first}–{last}"),
        _ => all.join(" "),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ui::state::{Palette, Screen};

    const LIVE: Scene = Scene { replay: false, open: false, pair: false, sweep: false, over: false };

    fn offered(text: &str) -> Vec<Choice> {
        let ui = UiState {
            palette: Some(Palette { text: text.into(), ..Palette::default() }),
            themes: vec!["dusk".into(), "day".into()],
            screen: Screen::Live,
            ..UiState::default()
        };
        choices(&ui, LIVE, false)
    }

    #[test]
    fn the_best_fit_comes_first() {
        assert_eq!(offered("").len(), Name::ALL.len());
        assert_eq!(offered("th")[0].line, "theme");
        assert_eq!(offered("mark")[0].line, "mark");
        assert!(offered("mark").iter().any(|c| c.line == "next-mark"));
        assert_eq!(offered("zin")[0].line, "zoom-in");
        assert_eq!(offered("clipb"), []);
        assert_eq!(offered("svg")[0].line, "picture");
    }

    #[test]
    fn words_after_a_command_are_offered_too() {
        let lines: Vec<String> = offered("theme d").into_iter().map(|c| c.line).collect();
        assert_eq!(lines, ["theme dusk", "theme day"]);
        assert_eq!(offered("screen lat")[0].line, "screen latency");
        assert!(offered("seek 1")[0].why.as_deref() == Some("only in a replay"));
        assert_eq!(offered("nothing here"), []);
    }

    #[test]
    fn keys_are_those_of_the_keymap() {
        assert_eq!(keys(Name::Screen, &Keys::default()), "1–7");
        assert_eq!(keys(Name::Up, &Keys::default()), "k ↑");
        assert_eq!(keys(Name::Pause, &Keys::default()), "space");
        assert_eq!(keys(Name::Interrupt, &Keys::default()), "^C");
        assert_eq!(keys(Name::Seek, &Keys::default()), "S-← S-→");
    }
}
