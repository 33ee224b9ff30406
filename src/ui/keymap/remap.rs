//! Keys of the user's own. A command that is given keys loses those it had; all others keep theirs.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use super::names::{Name, parse};
use super::{Command, command};
use crate::suggest::did_you_mean;

/// Keys with names: as written in a configuration, as shown, and the key.
const NAMED: [(&str, &str, KeyCode); 15] = [
    ("space", "space", KeyCode::Char(' ')),
    ("tab", "Tab", KeyCode::Tab),
    ("shift-tab", "S-Tab", KeyCode::BackTab),
    ("up", "↑", KeyCode::Up),
    ("down", "↓", KeyCode::Down),
    ("left", "←", KeyCode::Left),
    ("right", "→", KeyCode::Right),
    ("enter", "Enter", KeyCode::Enter),
    ("esc", "Esc", KeyCode::Esc),
    ("pgup", "PgUp", KeyCode::PageUp),
    ("pgdn", "PgDn", KeyCode::PageDown),
    ("home", "Home", KeyCode::Home),
    ("end", "End", KeyCode::End),
    ("delete", "Del", KeyCode::Delete),
    ("backspace", "Bksp", KeyCode::Backspace),
];

/// Modifiers: as written, as shown.
const MODIFIERS: [(&str, &str, KeyModifiers); 3] = [
    ("ctrl-", "^", KeyModifiers::CONTROL),
    ("alt-", "M-", KeyModifiers::ALT),
    ("shift-", "S-", KeyModifiers::SHIFT),
];

/// A command and its keys, each with its place in the file (a byte).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wish {
    pub command: (String, usize),
    pub keys: Vec<(String, usize)>,
}

/// Which key does what, where that differs from the table.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Keys {
    own: Vec<(KeyEvent, Command)>,
    /// Commands whose usual keys do nothing any more.
    moved: Vec<Command>,
}

/// A key by its name in a configuration, e.g. `F`, `ctrl-f`, `shift-left`, `space`.
fn read_key(text: &str) -> Result<KeyEvent, String> {
    if let Some((_, _, code)) = NAMED.iter().find(|(name, ..)| *name == text) {
        return Ok(KeyEvent::new(*code, KeyModifiers::NONE));
    }
    let mut chars = text.chars();
    if let (Some(c), None) = (chars.next(), chars.next())
        && !c.is_control()
        && !c.is_whitespace()
    {
        return Ok(KeyEvent::new(KeyCode::Char(c), KeyModifiers::NONE));
    }
    for (prefix, _, modifier) in MODIFIERS {
        let Some(rest) = text.strip_prefix(prefix) else { continue };
        let key = read_key(rest)?;
        let letter = matches!(key.code, KeyCode::Char(_));
        let right = match modifier {
            KeyModifiers::SHIFT => !letter,
            KeyModifiers::CONTROL => matches!(key.code, KeyCode::Char('a'..='z')) || !letter,
            _ => true,
        };
        // What a terminal can't tell from another key would never arrive.
        return match (right, rest) {
            (true, "h" | "i" | "j" | "m") if modifier == KeyModifiers::CONTROL => {
                Err(format!("terminals send `{text}` as another key (Backspace, Tab or Enter)"))
            }
            (true, _) => Ok(KeyEvent::new(key.code, key.modifiers | modifier)),
            (false, _) => {
                Err(format!("no terminal sends `{text}`; write a capital, or ctrl- and a small letter"))
            }
        };
    }
    let hint = did_you_mean(text, NAMED.iter().map(|(name, ..)| *name));
    Err(format!("there is no key `{text}`{hint}; a key is a character, or e.g. space, enter, pgup, ctrl-f"))
}

/// How a key is shown: `F`, `^F`, `S-←`.
pub fn shown(key: KeyEvent) -> String {
    let name = NAMED.iter().find(|(.., code)| *code == key.code).map(|(_, shown, _)| (*shown).to_owned());
    let mut out = String::new();
    for (_, shown, _) in MODIFIERS.iter().filter(|(.., m)| key.modifiers.contains(*m)) {
        out.push_str(shown);
    }
    match (name, key.code) {
        (Some(name), _) => out.push_str(&name),
        (None, KeyCode::Char(c)) if key.modifiers.contains(KeyModifiers::CONTROL) => {
            out.extend(c.to_uppercase());
        }
        (None, KeyCode::Char(c)) => out.push(c),
        _ => {}
    }
    out
}

/// The key that the table calls so.
fn of_table(shown: &str) -> KeyEvent {
    if let Some((.., code)) = NAMED.iter().find(|(_, name, _)| *name == shown) {
        return KeyEvent::new(*code, KeyModifiers::NONE);
    }
    let mut chars = shown.chars();
    match (chars.next(), chars.next()) {
        (Some('^'), Some(c)) => KeyEvent::new(KeyCode::Char(c.to_ascii_lowercase()), KeyModifiers::CONTROL),
        (first, _) => KeyEvent::new(KeyCode::Char(first.unwrap_or(' ')), KeyModifiers::NONE),
    }
}

/// Keys that commands can have without a configuration.
pub fn every_key() -> impl Iterator<Item = KeyEvent> {
    let plain = |code| KeyEvent::new(code, KeyModifiers::NONE);
    let shifted = |code| KeyEvent::new(code, KeyModifiers::SHIFT);
    let control = |c| KeyEvent::new(KeyCode::Char(c), KeyModifiers::CONTROL);
    let letters = ('!'..='~').map(move |c| plain(KeyCode::Char(c)));
    let named = NAMED.iter().map(move |(.., code)| plain(*code));
    let named_shifted = NAMED.iter().map(move |(.., code)| shifted(*code));
    let different = move |key: &KeyEvent| command(plain(key.code)) != command(*key);
    letters.chain(named).chain(named_shifted.filter(different)).chain(('a'..='z').map(control))
}

/// A command as a line that gives it, where its name alone does not.
fn line_of(command: &Command) -> String {
    let name = command.name().entry().name;
    match command {
        Command::Show(screen) => format!("{name} {}", screen.name().to_lowercase()),
        Command::Seek(by) => format!("{name} {:+}", by / 1_000_000_000),
        _ => name.to_owned(),
    }
}

impl Keys {
    /// The keys of these wishes; `Err` is a byte of the file and what is wrong there.
    ///
    /// # Errors
    /// An unknown command or key, a key twice, a key that another command has.
    pub fn new(wishes: &[Wish]) -> Result<Self, (usize, String)> {
        let mut keys = Self::default();
        for wish in wishes {
            let (name, at) = &wish.command;
            let command = parse(name).map_err(|e| (*at, e.to_string()))?;
            if command.name() == Name::Interrupt {
                return Err((
                    *at,
                    "`interrupt` keeps ctrl-c, so that the program can always be ended".into(),
                ));
            }
            keys.moved.push(command);
        }
        for (wish, command) in wishes.iter().zip(keys.moved.clone()) {
            for (text, at) in &wish.keys {
                let key = read_key(text).map_err(|message| (*at, message))?;
                if let Some(other) = keys.command(key) {
                    return Err((*at, keys.taken(text, key, &other, &command)));
                }
                keys.own.push((key, command.clone()));
            }
        }
        Ok(keys)
    }

    /// Why a command can't have a key that has one.
    fn taken(&self, text: &str, key: KeyEvent, by: &Command, command: &Command) -> String {
        let other = line_of(by);
        let own = self.own_keys().any(|k| k.code == key.code && k.modifiers == key.modifiers);
        match own {
            true if by == command => format!("`{text}` is given to `{other}` twice; once will do"),
            true => format!("`{text}` is given to `{other}` above already; a key does one thing"),
            false => format!("`{text}` is a key of `{other}` already; give `{other}` others first"),
        }
    }

    /// The command of a key while nothing is being typed.
    pub fn command(&self, key: KeyEvent) -> Option<Command> {
        let own = self.own.iter().find(|(k, _)| k.code == key.code && k.modifiers == key.modifiers);
        if let Some((_, command)) = own {
            return Some(command.clone());
        }
        command(key).filter(|command| !self.moved.contains(command))
    }

    /// The user's keys, of all commands.
    pub fn own_keys(&self) -> impl Iterator<Item = KeyEvent> {
        self.own.iter().map(|(key, _)| *key)
    }

    /// A binding's keys as they are now, from how the table shows them.
    pub fn shown(&self, table: &str) -> String {
        if self.moved.is_empty() {
            return table.to_owned();
        }
        let mut out: Vec<String> = Vec::new();
        for token in table.split(' ').flat_map(|t| self.apart(t)) {
            match command(of_table(&token)) {
                Some(command) if self.moved.contains(&command) => {
                    let own = self.own.iter().filter(|(_, c)| *c == command).map(|(key, _)| shown(*key));
                    for key in own {
                        if !out.contains(&key) {
                            out.push(key);
                        }
                    }
                }
                _ => out.push(token),
            }
        }
        out.join(" ")
    }

    /// A range such as `1–7` as single keys, once one of them is another.
    fn apart(&self, token: &str) -> Vec<String> {
        let ends: Vec<char> = token.chars().collect();
        let &[first, '–', last] = ends.as_slice() else { return vec![token.to_owned()] };
        let all: Vec<String> = (first..=last).map(String::from).collect();
        let moved = |t: &String| command(of_table(t)).is_some_and(|c| self.moved.contains(&c));
        if all.iter().any(moved) { all } else { vec![token.to_owned()] }
    }

    /// All commands that have keys, in the order of their names' table: the line that gives it, its keys as shown,
    /// and whether they are the user's.
    pub fn all(&self) -> Vec<(String, Vec<String>, bool)> {
        let keys: Vec<KeyEvent> = every_key().chain(self.own.iter().map(|(k, _)| *k)).collect();
        let mut rows: Vec<(String, Vec<String>, bool)> = Vec::new();
        let moved = self.moved.iter().map(|c| (c.clone(), None));
        let with = keys.iter().filter_map(|key| Some((self.command(*key)?, Some(written(*key)))));
        for (command, key) in moved.chain(with) {
            let line = line_of(&command);
            let at = rows.iter().position(|(l, ..)| *l == line).unwrap_or_else(|| {
                rows.push((line, Vec::new(), self.moved.contains(&command)));
                rows.len() - 1
            });
            let new = key.filter(|k| !rows[at].1.contains(k));
            rows[at].1.extend(new);
        }
        let place = |line: &str| {
            let head = line.split(' ').next().unwrap_or(line);
            Name::ALL.iter().position(|n| n.entry().name == head)
        };
        rows.sort_by_key(|(line, ..)| place(line));
        rows
    }
}

/// A key as a configuration has it.
fn written(key: KeyEvent) -> String {
    let mut out = String::new();
    for (written, ..) in MODIFIERS.iter().filter(|(.., m)| key.modifiers.contains(*m)) {
        out.push_str(written);
    }
    match (NAMED.iter().find(|(.., code)| *code == key.code), key.code) {
        (Some((name, ..)), _) => out.push_str(name),
        (None, KeyCode::Char(c)) => out.push(c),
        _ => {}
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ui::state::Screen;

    fn keys(wishes: &[(&str, &[&str])]) -> Result<Keys, (usize, String)> {
        let wishes: Vec<Wish> = wishes
            .iter()
            .enumerate()
            .map(|(i, (command, keys))| Wish {
                command: ((*command).to_owned(), i * 100),
                keys: keys.iter().zip(1..).map(|(k, n)| ((*k).to_owned(), i * 100 + n)).collect(),
            })
            .collect();
        Keys::new(&wishes)
    }

    fn of(keys: &Keys, name: &str) -> Option<Command> {
        keys.command(read_key(name).unwrap())
    }

    #[test]
    fn a_command_that_is_given_keys_loses_its_own() {
        let keys = keys(&[("freeze", &["F", "ctrl-f"]), ("screen log", &["L"]), ("export", &[])]).unwrap();
        assert_eq!(of(&keys, "F"), Some(Command::Freeze));
        assert_eq!(of(&keys, "ctrl-f"), Some(Command::Freeze));
        assert_eq!(of(&keys, "p"), None);
        assert_eq!(of(&keys, "L"), Some(Command::Show(Screen::Log)));
        assert_eq!(of(&keys, "7"), None);
        assert_eq!(of(&keys, "1"), Some(Command::Show(Screen::Live)));
        assert_eq!(of(&keys, "e"), None, "no key at all");
        assert_eq!(of(&keys, "q"), Some(Command::Quit));
        assert_eq!(of(&keys, "ctrl-c"), Some(Command::Interrupt));
        assert_eq!(keys.shown("p"), "F ^F");
        assert_eq!(keys.shown("1–7 Tab S-Tab"), "1 2 3 4 5 6 L Tab S-Tab");
        assert_eq!((keys.shown("e"), keys.shown("q ^C")), (String::new(), "q ^C".to_owned()));
        let all = keys.all();
        assert!(all.contains(&("freeze".into(), vec!["F".into(), "ctrl-f".into()], true)), "{all:?}");
        assert!(all.contains(&("screen log".into(), vec!["L".into()], true)));
        assert!(all.contains(&("quit".into(), vec!["q".into()], false)));
    }

    #[test]
    fn keys_can_be_swapped() {
        let keys = keys(&[("zoom-out", &["Z"]), ("zoom-in", &["z"])]).unwrap();
        assert_eq!((of(&keys, "z"), of(&keys, "Z")), (Some(Command::Zoom(-1)), Some(Command::Zoom(1))));
        assert_eq!(keys.shown("z Z"), "Z z");
    }

    #[test]
    fn wrong_wishes_are_told_with_their_place() {
        let fails = |wishes: &[(&str, &[&str])]| keys(wishes).unwrap_err();
        assert_eq!(
            fails(&[("frezze", &["F"])]),
            (0, "there is no command `frezze`; did you mean `freeze`?".into())
        );
        let (at, taken) = fails(&[("freeze", &["F", "q"])]);
        assert_eq!((at, taken.starts_with("`q` is a key of `quit` already")), (2, true), "{taken}");
        let (at, above) = fails(&[("freeze", &["F"]), ("mark", &["F"])]);
        assert_eq!(
            (at, above.as_str()),
            (101, "`F` is given to `freeze` above already; a key does one thing")
        );
        let (at, twice) = fails(&[("freeze", &["F", "G", "F"])]);
        assert_eq!((at, twice.as_str()), (3, "`F` is given to `freeze` twice; once will do"));
        assert!(fails(&[("mark", &["spcae"])]).1.contains("did you mean `space`?"));
        assert!(fails(&[("mark", &["ctrl-M"])]).1.contains("no terminal sends"));
        assert!(fails(&[("mark", &["ctrl-i"])]).1.contains("as another key"));
        assert!(fails(&[("mark", &["ctrl-c"])]).1.contains("`interrupt` already"));
        assert!(fails(&[("interrupt", &["x"])]).1.contains("keeps ctrl-c"));
        assert!(fails(&[("seek x", &["x"])]).1.contains("takes"));
        assert!(fails(&[("mark", &[""])]).1.contains("there is no key"));
    }

    #[test]
    fn every_key_is_read_back_from_how_it_is_written() {
        for key in every_key().filter(|k| command(*k).is_some()) {
            assert_eq!(read_key(&written(key)).unwrap(), key);
        }
    }
}
