//! Text at a place, and the frame around a panel.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::Line;
use unicode_width::UnicodeWidthStr as _;

use crate::ui::theme::{Role, Theme};

/// Writes text within an area's row `y` (from its top), from column `x`; gives the column after it.
/// What doesn't fit is cut off.
pub fn text(buf: &mut Buffer, area: Rect, at: (u16, u16), text: &str, style: Style) -> u16 {
    let (x, y) = at;
    if y >= area.height || x >= area.width {
        return x;
    }
    let room = usize::from(area.width - x);
    let (end, _) = buf.set_stringn(area.x + x, area.y + y, text, room, style);
    end - area.x
}

/// Writes text so that it ends before column `x`.
pub fn text_right(buf: &mut Buffer, area: Rect, at: (u16, u16), content: &str, style: Style) {
    let width = content.width().min(usize::from(u16::MAX)) as u16;
    text(buf, area, (at.0.saturating_sub(width), at.1), content, style);
}

/// As [`panel`], of the panel that keys move in: its title is marked.
pub fn focused(buf: &mut Buffer, area: Rect, title: &str, values: &Line<'_>, theme: &Theme) -> Rect {
    panel(buf, area, &format!("▸ {title}"), values, theme)
}

/// A panel: a rule with a title at the left and values at the right; with room enough a whole frame.
/// Gives the area within.
pub fn panel(buf: &mut Buffer, area: Rect, title: &str, values: &Line<'_>, theme: &Theme) -> Rect {
    if area.is_empty() {
        return area;
    }
    let style = theme.fg(Role::Border);
    let boxed = area.height >= 4 && area.width >= 20;
    let rule = "─".repeat(usize::from(area.width));
    text(buf, area, (0, 0), &rule, style);
    if boxed {
        let bottom = area.height - 1;
        text(buf, area, (0, bottom), &rule, style);
        for y in 1..bottom {
            text(buf, area, (0, y), "│", style);
            text(buf, area, (area.width - 1, y), "│", style);
        }
        let corners =
            [("╭", 0, 0), ("╮", area.width - 1, 0), ("╰", 0, bottom), ("╯", area.width - 1, bottom)];
        for (corner, x, y) in corners {
            text(buf, area, (x, y), corner, style);
        }
    }
    let end = text(buf, area, (2, 0), &format!(" {title} "), theme.bold(Role::Accent));
    let width = values.width().min(usize::from(u16::MAX)) as u16;
    let from = area.width.saturating_sub(width + 4);
    if width > 0 && from > end {
        text(buf, area, (from, 0), &" ".repeat(usize::from(width) + 2), style);
        buf.set_line(area.x + from + 1, area.y, values, width);
    }
    let side = u16::from(boxed);
    Rect { x: area.x + side, y: area.y + 1, width: area.width - 2 * side, height: area.height - 1 - side }
}
