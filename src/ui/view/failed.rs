//! The run could not begin: why, in full.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::Line;

use super::Cx;
use crate::ui::sanitize;
use crate::ui::theme::Role;
use crate::ui::widget::{panel, text};

pub(super) fn draw(buf: &mut Buffer, area: Rect, reason: &str, cx: &Cx<'_>) {
    let theme = cx.theme;
    let inner = panel(buf, area, "The run could not begin", &Line::default(), theme);
    let width = usize::from(inner.width.saturating_sub(4).min(100));
    let lines = sanitize::wrap(reason, width);
    let mut y = 1;
    for line in &lines {
        text(buf, inner, (2, y), line, theme.bold(Role::Bad));
        y += 1;
    }
    y += 1;
    let advice = [
        "7 shows the log: what the engine said before it gave up.",
        "Nothing was measured. Mend the profile, or choose another with --profile NAME, and start again.",
        "q quits.",
    ];
    for line in advice.iter().flat_map(|a| sanitize::wrap(a, width)) {
        text(buf, inner, (2, y), &line, theme.fg(Role::Muted));
        y += 1;
    }
}
