//! Where a replay stands: a bar to click on.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::{Cx, Hits, Target, header, range};
use crate::ui::format::clock;
use crate::ui::theme::Role;
use crate::ui::widget::{text, text_right};

pub(super) fn draw(buf: &mut Buffer, area: Rect, cx: &Cx<'_>, hits: &mut Hits) {
    let (theme, Some(at)) = (cx.theme, cx.pic.transport) else { return };
    buf.set_style(area, theme.bg(Role::Surface));
    let glyph = if at.playing { "▶" } else { "‖" };
    text(buf, area, (1, 0), glyph, theme.bold(Role::Accent));
    text(buf, area, (3, 0), &format!("{:<5}", format!("{}×", at.speed)), theme.fg(Role::Text));
    text_right(buf, area, (16, 0), &clock(at.at_ns), theme.bold(Role::Text));
    text_right(buf, area, (area.width - 1, 0), &clock(at.length_ns), theme.fg(Role::Muted));
    let mut bar = Rect { x: area.x + 17, width: area.width.saturating_sub(26), ..area };
    if let Some(percent) = at.indexed.filter(|_| area.width > 60) {
        let words = format!("indexing {percent:>2} %");
        bar.width = bar.width.saturating_sub(words.len() as u16 + 1);
        text_right(buf, area, (area.width - 10, 0), &words, theme.fg(Role::Muted));
    }
    if bar.width < 2 {
        return;
    }
    hits.add(bar, Target::Bar);
    let whole = at.length_ns.max(1) as f64;
    let column = |ns: f64| ((ns / whole).clamp(0.0, 1.0) * f64::from(bar.width - 1)).round() as u16;
    let head = column(at.at_ns as f64);
    text(buf, bar, (0, 0), &"─".repeat(usize::from(bar.width)), theme.fg(Role::Border));
    text(buf, bar, (0, 0), &"━".repeat(usize::from(head)), theme.fg(Role::Accent));
    for (at_s, _, style) in header::marks(cx) {
        text(buf, bar, (column(at_s * 1e9 - cx.shift_ns() as f64), 0), "┿", style);
    }
    range::draw_bar(buf, bar, cx, column);
    text(buf, bar, (head, 0), "●", theme.bold(Role::Accent));
}
