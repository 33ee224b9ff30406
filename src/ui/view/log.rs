//! Screen 7: what the program, the engine and its libraries said.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use super::{Cx, Hits};
use crate::event::Level;
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
    let page = usize::from(inner.height);
    hits.page = page;
    let up = state.up.min(lines.len().saturating_sub(page));
    let end = lines.len() - up;
    let start = end.saturating_sub(page);
    for (y, line) in (0u16..).zip(&lines[start..end]) {
        let (name, role) = level(line.level);
        text_right(buf, inner, (12, y), &clock_ms(line.at_ns), theme.fg(Role::Muted));
        text(buf, inner, (14, y), name, theme.bold(role));
        let source = sanitize::line(&line.source);
        text(buf, inner, (20, y), &source.chars().take(8).collect::<String>(), theme.fg(Role::Muted));
        text(buf, inner, (29, y), &sanitize::line(&line.message), theme.fg(Role::Text));
        if state.all && state.found.as_ref() == Some(*line) {
            text(buf, inner, (0, y), "▸", theme.bold(Role::Accent));
        }
        let said = Rect { x: inner.x + 20, y: inner.y + y, width: inner.width.saturating_sub(20), height: 1 };
        search::highlight(buf, said, &state.filter);
    }
    if lines.is_empty() {
        text(buf, inner, (2, 1), "nothing yet at this level", theme.fg(Role::Muted));
    }
}
