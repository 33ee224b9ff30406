//! Screen 7: what the program, the engine and its libraries said.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use super::{Cx, Hits};
use crate::event::{Level, LogLine};
use crate::ui::format::clock_ms;
use crate::ui::theme::Role;
use crate::ui::widget::{focused, text, text_right};
use crate::ui::{rows, sanitize, search};

fn level(level: Level) -> (&'static str, Role) {
    match level {
        Level::Debug => ("debug", Role::Muted),
        Level::Info => ("info", Role::Accent),
        Level::Warn => ("warn", Role::Warn),
        Level::Error => ("error", Role::Bad),
    }
}

pub(super) fn draw(buf: &mut Buffer, area: Rect, cx: &Cx<'_>, hits: &mut Hits) {
    let theme = cx.theme;
    let state = &cx.ui.log;
    let lines = rows::log(cx.snap, state);
    let mut title = Vec::new();
    if !state.filter.is_empty() {
        let found = search::matches(cx.snap, cx.ui);
        let lines = rows::levelled(cx.snap, state);
        let at = state.found.as_ref().and_then(|f| lines.iter().rposition(|l| *l == f));
        let words = if state.all {
            search::told(&state.filter, &found, at.unwrap_or(usize::MAX)).unwrap_or_default()
        } else {
            format!("filter {}  ", sanitize::line(&state.filter))
        };
        title.push(Span::styled(words, theme.bold(Role::Warn)));
    }
    let least = level(state.least).0;
    let place = format!("{least} and above  {} of {} lines", lines.len(), cx.snap.log.len());
    title.push(Span::styled(place, theme.fg(Role::Muted)));
    if state.up > 0 {
        title.push(Span::styled("  End follows", theme.bold(Role::Warn)));
    }
    let inner = focused(buf, area, "Log", &Line::from(title), theme);
    let shown = visible(&lines, state.up, inner);
    hits.page = shown.page;
    let mut y = 0;
    for (i, (line, rows)) in shown.lines.iter().enumerate() {
        let (name, role) = level(line.level);
        text_right(buf, inner, (12, y), &clock_ms(line.at_ns), theme.fg(Role::Muted));
        text(buf, inner, (14, y), name, theme.bold(role));
        let source = sanitize::line(&line.source);
        text(buf, inner, (20, y), &source.chars().take(8).collect::<String>(), theme.fg(Role::Muted));
        if state.all && state.found.as_ref() == Some(*line) {
            text(buf, inner, (0, y), "▸", theme.bold(Role::Accent));
        }
        let top = y;
        for row in rows.iter().skip(if i == 0 { shown.cut } else { 0 }) {
            text(buf, inner, (MESSAGE, y), row, theme.fg(Role::Text));
            y += 1;
        }
        let height = (y - top).min(inner.height.saturating_sub(top));
        let said = Rect { x: inner.x + 20, y: inner.y + top, width: inner.width.saturating_sub(20), height };
        search::highlight(buf, said, &state.filter);
    }
    if lines.is_empty() {
        text(buf, inner, (2, 1), "nothing yet at this level", theme.fg(Role::Muted));
    }
}

/// Column of the message.
const MESSAGE: u16 = 29;
/// Most characters of a message that are shown; what is longer is no message but a dump.
const LONGEST: usize = 2000;

/// The lines on screen, each with its rows.
struct Shown<'a> {
    lines: Vec<(&'a LogLine, Vec<String>)>,
    /// Rows of the first line above the screen.
    cut: usize,
    /// Lines of a page: not more than there are on the first one, so that it can be reached.
    page: usize,
}

/// The lines that fill the area, of which the lowest is `up` from the newest.
fn visible<'a>(lines: &[&'a LogLine], up: usize, area: Rect) -> Shown<'a> {
    let (width, height) = (usize::from(area.width.saturating_sub(MESSAGE)), usize::from(area.height));
    let wrapped = |line: &LogLine| match line.message.char_indices().nth(LONGEST) {
        Some((end, _)) => sanitize::wrap(&format!("{}…", &line.message[..end]), width),
        None => sanitize::wrap(&line.message, width),
    };
    let fill = |lines: &mut dyn Iterator<Item = &&'a LogLine>| {
        let (mut taken, mut rows) = (Vec::new(), 0);
        while rows < height
            && let Some(line) = lines.next()
        {
            let wrapped = wrapped(line);
            rows += wrapped.len();
            taken.push((*line, wrapped));
        }
        (taken, rows.saturating_sub(height))
    };
    let (first, over) = fill(&mut lines.iter());
    let first_page = (first.len() - usize::from(over > 0)).max(1);
    let end = lines.len() - up.min(lines.len().saturating_sub(first_page));
    let (mut taken, cut) = fill(&mut lines[..end].iter().rev());
    taken.reverse();
    Shown { page: taken.len().clamp(1, first_page), lines: taken, cut }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_lines_are_wrapped_and_every_line_can_be_reached() {
        let line = |message: String| LogLine { at_ns: 0, level: Level::Info, source: String::new(), message };
        let all: Vec<LogLine> = (0..20).map(|i| line(format!("{i} {}", "word ".repeat(i % 4 * 9)))).collect();
        let lines: Vec<&LogLine> = all.iter().collect();
        let area = Rect::new(0, 0, MESSAGE + 20, 6);
        let newest = visible(&lines, 0, area);
        let rows: usize = newest.lines.iter().map(|(_, rows)| rows.len()).sum();
        assert_eq!(rows - newest.cut, 6, "the screen is full");
        assert!(newest.lines.iter().all(|(_, rows)| rows.iter().all(|row| row.chars().count() <= 20)));
        let top = visible(&lines, 99, area);
        assert!(top.lines[0].0.message.starts_with("0 ") && top.cut == 0);
        assert_eq!(visible(&[], 3, area).lines.len(), 0);
    }
}
