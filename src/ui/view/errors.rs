//! What went wrong, by kind.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::Line;

use super::Cx;
use crate::ui::format::count;
use crate::ui::sanitize;
use crate::ui::theme::Role;
use crate::ui::widget::{panel, text, text_cut, text_right};

/// Rows that the panel wants within its frame; 0 where nothing went wrong.
pub(super) fn wanted(cx: &Cx<'_>) -> u16 {
    cx.snap.counts.errors.len().min(6) as u16
}

pub(super) fn draw(buf: &mut Buffer, area: Rect, cx: &Cx<'_>) {
    let theme = cx.theme;
    let counts = &cx.snap.counts;
    let all: u64 = counts.errors.values().map(|count| count.requests).sum();
    let share = all as f64 / counts.ended().max(1) as f64 * 100.0;
    let again = match counts.retries {
        0 => String::new(),
        n => format!(", {} sent again", count(n)),
    };
    let title = Line::styled(
        format!("{} of {} ({share:.1} %){again}", count(all), count(counts.ended())),
        theme.bold(Role::Bad),
    );
    let inner = panel(buf, area, "Not completed", &title, theme);
    let mut kinds: Vec<_> = counts.errors.iter().collect();
    kinds.sort_by_key(|(_, count)| std::cmp::Reverse(count.requests));
    for (y, (kind, of)) in (0u16..).zip(kinds).take(usize::from(inner.height)) {
        text_right(buf, inner, (8, y), &count(of.requests), theme.bold(Role::Text));
        let end = text(buf, inner, (10, y), &kind.to_string(), theme.fg(Role::Bad));
        if let Some(why) = &of.first {
            text_cut(buf, inner, (end.max(26) + 2, y), &sanitize::line(why), theme.fg(Role::Muted));
        }
    }
}
