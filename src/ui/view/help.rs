//! All keys, over the screen.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::Line;
use unicode_width::UnicodeWidthStr as _;

use super::Cx;
use crate::ui::keymap::{BINDINGS, Place};
use crate::ui::state::Screen;
use crate::ui::theme::Role;
use crate::ui::widget::{panel, text};

pub(super) fn draw(buf: &mut Buffer, area: Rect, cx: &Cx<'_>) {
    // All screens' keys where there is room; else this screen's.
    let all = area.width >= 124 || area.height >= 34;
    let lines: Vec<(String, String)> = BINDINGS
        .iter()
        .filter(|b| cx.scene().has(b.place))
        .filter(|b| match b.place {
            Place::On(screen) | Place::LiveOn(screen) => all || screen == cx.ui.screen,
            Place::Lists => all || !matches!(cx.ui.screen, Screen::Live | Screen::Latency),
            _ => true,
        })
        .map(|b| match b.place {
            Place::On(screen) | Place::LiveOn(screen) if all => {
                (cx.ui.keys.shown(b.keys), format!("{}: {}", screen.name(), b.about))
            }
            _ => (cx.ui.keys.shown(b.keys), b.about.to_owned()),
        })
        .filter(|(keys, _)| !keys.is_empty())
        .collect();
    let room = usize::from(area.height.saturating_sub(2)).max(1);
    let across = lines.len().div_ceil(room).max(1);
    let longest = lines.iter().map(|(_, about)| about.width()).max().unwrap_or(0) as u16;
    let width = ((longest + 24).max(72) * across as u16 + 2).min(area.width);
    let rows = lines.len().div_ceil(across);
    let height = (rows as u16 + 2).min(area.height);
    let over =
        Rect { x: area.x + (area.width - width) / 2, y: area.y + (area.height - height) / 2, width, height };
    for y in over.top()..over.bottom() {
        for x in over.left()..over.right() {
            if let Some(cell) = buf.cell_mut((x, y)) {
                cell.reset();
            }
        }
    }
    buf.set_style(over, cx.theme.base());
    buf.set_style(over, cx.theme.bg(Role::Surface));
    let close = Line::styled("any key closes", cx.theme.fg(Role::Muted));
    let inner = panel(buf, over, "Keys", &close, cx.theme);
    let wide = inner.width / across as u16;
    for (i, (keys, about)) in lines.iter().enumerate() {
        let column = Rect { x: inner.x + (i / rows) as u16 * wide, width: wide, ..inner };
        let y = (i % rows) as u16;
        text(buf, column, (1, y), keys, cx.theme.bold(Role::Accent));
        text(buf, column, (22, y), about, cx.theme.fg(Role::Text));
    }
}
