//! The figures of a screen as tab-separated text, with heads and units: what `y` puts on the clipboard. Values are
//! plain numbers in the unit of their head; what isn't known is left empty.

mod osc;
mod tables;

pub use osc::{MOST_BYTES, sequence};

use super::sanitize;
use super::state::{Screen, UiState};
use crate::metrics::Snapshot;

/// Tab-separated text, and what is in it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sheet {
    /// E.g. `latency table and rates`.
    pub what: String,
    pub lines: Vec<String>,
}

impl Sheet {
    fn new(what: &str) -> Self {
        Self { what: what.to_owned(), lines: Vec::new() }
    }

    /// A row; nothing in a cell can end the cell, the row or act on a terminal.
    fn row<S: AsRef<str>>(&mut self, cells: impl IntoIterator<Item = S>) {
        let cells: Vec<String> = cells.into_iter().map(|cell| sanitize::line(cell.as_ref())).collect();
        self.lines.push(cells.join("\t"));
    }

    /// Parts a table from the one before.
    fn part(&mut self) {
        if !self.lines.is_empty() {
            self.lines.push(String::new());
        }
    }

    /// The whole lines that fit into so many bytes, and how many those are.
    pub fn fitting(&self, bytes: usize) -> (String, usize) {
        let mut text = String::new();
        for (i, line) in self.lines.iter().enumerate() {
            if text.len() + line.len() + 1 > bytes {
                return (text, i);
            }
            text.push_str(line);
            text.push('\n');
        }
        (text, self.lines.len())
    }
}

/// The sheet of the screen that is shown.
pub fn sheet(snap: &Snapshot, ui: &UiState) -> Sheet {
    match (ui.screen, &ui.requests.open) {
        (Screen::Live, _) => tables::live(snap, ui),
        (Screen::Latency, _) => tables::latency(snap, ui),
        (Screen::Clients, _) => tables::clients(snap),
        (Screen::Requests, Some(record)) => tables::tokens(record),
        (Screen::Requests, None) => tables::requests(snap, ui),
        (Screen::Curve, _) => tables::curve(snap, ui),
        (Screen::System, _) => tables::system(snap),
        (Screen::Log, _) => tables::log(snap, ui),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::event::{Level, LogLine};

    #[test]
    fn only_whole_lines_are_cut_off() {
        let mut sheet = Sheet::new("x");
        sheet.row(["a", "b"]);
        sheet.row(["c\td", "\u{1b}[2J\n"]);
        assert_eq!(sheet.lines[1], "c␉d\t␛[2J␊");
        assert_eq!(sheet.fitting(4), ("a\tb\n".to_owned(), 1));
        assert_eq!(sheet.fitting(3), (String::new(), 0));
        assert_eq!(sheet.fitting(100).1, 2);
    }

    #[test]
    fn every_screen_has_heads_and_rows_of_one_width() {
        let line =
            LogLine { at_ns: 1_500_000_000, level: Level::Warn, source: "a\tb".into(), message: "m".into() };
        let snap = Snapshot { log: Arc::new(vec![line]), ..Snapshot::default() };
        for screen in Screen::ALL {
            let sheet = sheet(&snap, &UiState { screen, ..UiState::default() });
            assert!(!sheet.what.is_empty());
            let mut width = None;
            for line in &sheet.lines {
                let cells = line.split('\t').count();
                match (line.is_empty(), width) {
                    (true, _) => width = None,
                    (false, None) => width = Some(cells),
                    (false, Some(width)) => assert_eq!(width, cells, "{screen:?}: {line}"),
                }
            }
        }
        let log = sheet(&snap, &UiState { screen: Screen::Log, ..UiState::default() });
        assert_eq!(log.lines, ["time (s)\tlevel\tsource\tmessage", "1.5\twarn\ta␉b\tm"]);
    }
}
