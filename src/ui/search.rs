//! What is searched for in tables, which rows it is in, and the ink that it is shown in.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Modifier;
use unicode_width::UnicodeWidthStr as _;

use super::state::{Screen, UiState};
use super::{rows, tracks};
use crate::event::Outcome;
use crate::metrics::{Lane, Snapshot};

/// What the screen is searched by; `None` where there is nothing to search in.
pub fn pattern(ui: &UiState) -> Option<&str> {
    match ui.screen {
        Screen::Log => Some(&ui.log.filter),
        Screen::Requests => Some(&ui.requests.filter),
        Screen::Clients | Screen::Curve | Screen::System => Some(&ui.search),
        Screen::Live | Screen::Latency => None,
    }
}

/// The rows that match, by their places in the screen's list; none without a pattern. Of the log in the list of all
/// lines of the level, of System in the list below the first figure.
pub fn matches(snap: &Snapshot, ui: &UiState) -> Vec<usize> {
    let Some(text) = pattern(ui).map(str::to_lowercase).filter(|text| !text.is_empty()) else {
        return Vec::new();
    };
    let within = |row: &str| row.to_lowercase().contains(&text);
    match ui.screen {
        Screen::Clients => (0..snap.lanes.len()).filter(|i| lane(&snap.lanes[*i], &text)).collect(),
        Screen::System => {
            let titles = tracks::tracks(snap).into_iter().skip(1).enumerate();
            titles.filter(|(_, track)| within(&track.title)).map(|(i, _)| i).collect()
        }
        Screen::Curve => {
            snap.curve.points().enumerate().filter(|(_, p)| within(&p.name)).map(|(i, _)| i).collect()
        }
        Screen::Requests => (0..rows::requests(snap, &ui.requests).len()).collect(),
        Screen::Log => {
            let lines = rows::levelled(snap, &ui.log);
            (0..lines.len()).filter(|i| rows::says(lines[*i], &text)).collect()
        }
        Screen::Live | Screen::Latency => Vec::new(),
    }
}

/// The pattern and its matches for a panel's title: `/decode 2 of 5  `; `None` without a pattern.
pub fn told(pattern: &str, found: &[usize], here: usize) -> Option<String> {
    let pattern = super::sanitize::line(pattern);
    let nth = found.iter().position(|row| *row == here).map(|nth| format!("{} of ", nth + 1));
    let count = match found.len() {
        0 => "no match".to_owned(),
        n => format!("{}{n}", nth.unwrap_or_default()),
    };
    (!pattern.is_empty()).then(|| format!("/{pattern} {count}  "))
}

/// Every word must match: a client's number, `client=3`, `#17` (a request on its lane), or a part of its state or of
/// how one of its requests failed.
pub fn lane(lane: &Lane, text: &str) -> bool {
    text.split_whitespace().all(|word| {
        if let Some(client) = word.strip_prefix("client=") {
            return client.parse() == Ok(lane.client);
        }
        if let Some(id) = word.strip_prefix('#') {
            let is = |request: u64| id.parse() == Ok(request);
            return lane.current.is_some_and(|o| is(o.request)) || lane.spans.iter().any(|s| is(s.request));
        }
        let bad = |o: Outcome| o != Outcome::Completed && o.name().contains(word);
        word.parse() == Ok(lane.client)
            || rows::state(lane.current.as_ref()).contains(word)
            || lane.spans.iter().any(|s| bad(s.outcome))
    })
}

/// Turns ink and ground around wherever the pattern stands in an area; its letters' case does not matter.
pub fn highlight(buf: &mut Buffer, area: Rect, pattern: &str) {
    let wanted: Vec<String> = pattern.to_lowercase().chars().map(String::from).collect();
    if wanted.is_empty() {
        return;
    }
    for y in area.top()..area.bottom() {
        let mut cells = Vec::new();
        let mut x = area.left();
        while x < area.right() {
            let Some(cell) = buf.cell((x, y)) else { break };
            let width = (cell.symbol().width() as u16).max(1);
            cells.push((x, width, cell.symbol().to_lowercase()));
            x += width;
        }
        let mut at = 0;
        while at + wanted.len() <= cells.len() {
            let here = &cells[at..at + wanted.len()];
            if !here.iter().zip(&wanted).all(|((.., symbol), w)| symbol == w) {
                at += 1;
                continue;
            }
            let end = here.last().map_or(0, |(x, width, _)| x + width);
            for x in here[0].0..end {
                if let Some(cell) = buf.cell_mut((x, y)) {
                    // On a selected row without colours everything is turned around already.
                    cell.modifier.toggle(Modifier::REVERSED);
                    cell.modifier.insert(Modifier::BOLD | Modifier::UNDERLINED);
                }
            }
            at += wanted.len();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_match_is_turned_around_and_nothing_else_is() {
        let mut buf = Buffer::empty(Rect::new(0, 0, 12, 1));
        buf.set_string(0, 0, "a日B ab abc", ratatui::style::Style::new());
        highlight(&mut buf, Rect::new(0, 0, 12, 1), "AB");
        let turned: Vec<u16> =
            (0..12).filter(|x| buf[(*x, 0)].modifier.contains(Modifier::REVERSED)).collect();
        assert_eq!(turned, [5, 6, 8, 9]);
        highlight(&mut buf, Rect::new(0, 0, 3, 1), "日");
        assert!(buf[(1, 0)].modifier.contains(Modifier::REVERSED));
    }

    #[test]
    fn lanes_are_found_by_number_state_and_request() {
        let idle = Lane { client: 3, ..Lane::default() };
        assert!(lane(&idle, "3") && lane(&idle, "client=3") && lane(&idle, "idle") && lane(&idle, "3 idle"));
        assert!(!lane(&idle, "#3") && !lane(&idle, "decode") && !lane(&idle, "client=4"));
    }
}
