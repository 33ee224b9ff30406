//! A stretch of a time axis on another ground, behind what is drawn there. No glyph changes: where there are no colours for
//! it the axis is reversed, and what is above it left as it is, for a map's full cells would look the same.

use std::ops::RangeInclusive;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Color, Modifier};

use crate::ui::theme::{Role, Theme};

/// Lays the ground of what is selected behind columns of an area, counted from its left edge, where its ground is bare.
pub fn shade(buf: &mut Buffer, area: Rect, columns: RangeInclusive<u16>, theme: &Theme) {
    let bare = theme.color(Role::Background).unwrap_or(Color::Reset);
    let Some(ground) = theme.color(Role::Selection).filter(|ground| *ground != bare) else { return };
    let (from, to) = columns.into_inner();
    for x in from..=to.min(area.width.saturating_sub(1)) {
        for y in 0..area.height {
            let Some(cell) = buf.cell_mut((area.x + x, area.y + y)) else { continue };
            if cell.bg == bare {
                cell.set_bg(ground);
            }
            // The upper half of a cell of the heat map that has something in its lower half only.
            if cell.symbol() == "▀" && cell.fg == bare {
                cell.set_fg(ground);
            }
        }
    }
}

/// The same for the axis itself: without colours for it, reversed.
pub fn shade_axis(buf: &mut Buffer, area: Rect, columns: RangeInclusive<u16>, theme: &Theme) {
    if !theme.bg(Role::Selection).add_modifier.contains(Modifier::REVERSED) {
        return shade(buf, area, columns, theme);
    }
    let (from, to) = columns.into_inner();
    let width = (to.min(area.width.saturating_sub(1)) + 1).saturating_sub(from);
    buf.set_style(Rect { x: area.x + from, width, ..area }.intersection(area), theme.bg(Role::Selection));
}

/// The columns of a stretch of seconds on an axis of so many columns whose edges are these seconds; `None` if it lies
/// beyond them.
pub fn columns(stretch: (f64, f64), edges: (f64, f64), width: u16) -> Option<RangeInclusive<u16>> {
    let (from, to) = (stretch.0.max(edges.0), stretch.1.min(edges.1));
    let place = |at: f64| {
        let part = (at - edges.0) / (edges.1 - edges.0).max(1e-9);
        (part * f64::from(width.saturating_sub(1))).round() as u16
    };
    (from <= to).then(|| place(from)..=place(to))
}

#[cfg(test)]
mod tests {
    use ratatui::style::Style;

    use super::*;
    use crate::ui::theme::{Depth, load};
    use crate::ui::widget::text;

    #[test]
    fn the_ground_changes_and_no_glyph() {
        for depth in [Depth::True, Depth::Ansi256, Depth::Ansi16, Depth::None] {
            let theme = load("dusk", None, depth).unwrap();
            let area = Rect::new(0, 0, 4, 2);
            let mut buf = Buffer::empty(area);
            buf.set_style(area, theme.base());
            text(&mut buf, area, (1, 1), "x", Style::new());
            let before = buf.clone();
            let (plot, axis) = (Rect { height: 1, ..area }, Rect { y: 1, height: 1, ..area });
            shade(&mut buf, plot, 1..=9, &theme);
            shade_axis(&mut buf, axis, 1..=9, &theme);
            assert_eq!((&buf[(0, 0)], &buf[(0, 1)]), (&before[(0, 0)], &before[(0, 1)]), "{depth:?}");
            assert_eq!(buf[(1, 1)].symbol(), "x");
            for x in 1..4 {
                assert_ne!(buf[(x, 1)], before[(x, 1)], "{depth:?}");
            }
            let colored = matches!(depth, Depth::True | Depth::Ansi256);
            assert_eq!(buf[(2, 0)] != before[(2, 0)], colored, "{depth:?}");
        }
    }

    #[test]
    fn a_stretch_is_cut_at_the_edges() {
        assert_eq!(columns((-5.0, 20.0), (0.0, 10.0), 11), Some(0..=10));
        assert_eq!(columns((2.0, 4.0), (0.0, 10.0), 11), Some(2..=4));
        assert_eq!(columns((12.0, 14.0), (0.0, 10.0), 11), None);
    }
}
