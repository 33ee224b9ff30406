//! The line for commands in the footer, and above it what it offers.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::Line;
use unicode_width::UnicodeWidthStr as _;

use super::Cx;
use crate::ui::palette::{Choice, choices};
use crate::ui::sanitize;
use crate::ui::state::{Palette, scroll};
use crate::ui::theme::Role;
use crate::ui::widget::{panel, text};

/// Most rows of the list.
const MOST_ROWS: u16 = 14;
/// Columns of names and of keys.
const NAMES: u16 = 20;
const KEYS: u16 = 13;

/// The list over the lower end of the body.
pub(super) fn draw(buf: &mut Buffer, body: Rect, palette: &Palette, cx: &Cx<'_>) {
    let rows = choices(cx.ui, cx.scene(), cx.pic.over);
    let height = (rows.len().max(1) as u16).min(MOST_ROWS).min(body.height.saturating_sub(2)) + 2;
    let height = height.min(body.height);
    let width = body.width.min(110);
    let over = Rect { y: body.bottom() - height, height, width, ..body };
    for y in over.top()..over.bottom() {
        for x in over.left()..over.right() {
            if let Some(cell) = buf.cell_mut((x, y)) {
                cell.reset();
            }
        }
    }
    buf.set_style(over, cx.theme.base());
    buf.set_style(over, cx.theme.bg(Role::Surface));
    let selected = palette.selected.min(rows.len().saturating_sub(1));
    let place = format!("{} of {}", (selected + 1).min(rows.len()), rows.len());
    let inner = panel(buf, over, "Commands", &Line::styled(place, cx.theme.fg(Role::Muted)), cx.theme);
    let page = usize::from(inner.height);
    let offset = scroll(0, selected, page, rows.len());
    for (y, (i, row)) in (0u16..).zip(rows.iter().enumerate().skip(offset).take(page)) {
        draw_row(buf, Rect { y: inner.y + y, height: 1, ..inner }, row, i == selected, cx);
    }
    if rows.is_empty() {
        text(buf, inner, (2, 0), "no command fits", cx.theme.fg(Role::Muted));
    }
}

fn draw_row(buf: &mut Buffer, area: Rect, row: &Choice, selected: bool, cx: &Cx<'_>) {
    let theme = cx.theme;
    if selected {
        buf.set_style(area, theme.bg(Role::Selection));
        text(buf, area, (0, 0), "▸", theme.bold(Role::Accent));
    }
    let usable = row.why.is_none();
    let name = if usable { theme.bold(Role::Text) } else { theme.fg(Role::Muted) };
    let shown = sanitize::line(&row.shown);
    text(buf, area, (1, 0), &shown, name);
    let after = (shown.width() as u16 + 3).max(NAMES + 3);
    let keys = if usable { theme.fg(Role::Accent) } else { theme.fg(Role::Muted) };
    text(buf, area, (after, 0), &row.keys, keys);
    let words = match &row.why {
        Some(why) => format!("✗ {why}"),
        None => row.about.to_owned(),
    };
    let style = if usable { theme.fg(Role::Text) } else { theme.fg(Role::Muted) };
    text(buf, area, (after + KEYS, 0), &words, style);
}

/// The line itself, with what was wrong or what the keys are.
pub(super) fn draw_line(buf: &mut Buffer, area: Rect, palette: &Palette, cx: &Cx<'_>) {
    let theme = cx.theme;
    let x = text(buf, area, (1, 0), ":", theme.bold(Role::Accent));
    let typed = sanitize::line(&palette.text);
    // The end of a line that is too long is what is being typed.
    let room = usize::from(area.width / 2).max(10);
    let surplus = typed.chars().count().saturating_sub(room);
    let tail: String = typed.chars().skip(surplus).collect();
    let x = text(buf, area, (x, 0), &tail, theme.fg(Role::Text));
    let x = text(buf, area, (x, 0), "▏", theme.bold(Role::Accent));
    let hint = "Enter runs · Tab completes · ↑↓ selects · ^P ^N history · Esc closes";
    let said = palette.said.as_deref().map(sanitize::line);
    let style = if said.is_some() { theme.bold(Role::Warn) } else { theme.fg(Role::Muted) };
    text(buf, area, (x + 2, 0), said.as_deref().unwrap_or(hint), style);
}
