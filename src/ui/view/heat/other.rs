//! The percentile lines of a recording that plays beside the one that is shown, in crosses on the same axes.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::super::{Cx, pair};
use super::Look;
use super::field::lines;
use super::plot::{INKS, dimmed};
use crate::metrics::{Bins, HeatColumn};
use crate::ui::state::TimeAxis;

/// Which of the lines are drawn, of [`super::field::LINES`]: as many as are still told apart.
const DRAWN: [usize; 2] = [0, 2];
/// Cells from cross to cross.
const EVERY: usize = 2;

/// The other recording's columns, on an axis of its own clock.
pub struct Others<'a> {
    columns: Vec<&'a HeatColumn>,
    axis: TimeAxis,
    /// Cells of the map that lie before its beginning.
    skipped: u16,
}

/// What of the other lies on this axis; `None` if nothing plays beside.
pub fn of<'a>(cx: &Cx<'a>, axis: TimeAxis) -> Option<Others<'a>> {
    let other = cx.pic.other?;
    let (axis, skipped) = shifted(axis, other.shift_ns())?;
    let heat = other.snap.heat.of(cx.ui.latency.figure);
    let on_axis = |c: &&HeatColumn| c.end_ns() > axis.from_ns && c.start_ns < axis.end_ns();
    let columns: Vec<&HeatColumn> = heat.columns().filter(on_axis).collect();
    Some(Others { columns, axis, skipped })
}

/// The same cells on a clock that is behind by so much, and how many of them lie before its zero.
fn shifted(axis: TimeAxis, by_ns: i64) -> Option<(TimeAxis, u16)> {
    let cell_ns = axis.cell_ns.max(1);
    let from_ns = i128::from(axis.from_ns) - i128::from(by_ns);
    let before_ns = u64::try_from(-from_ns).unwrap_or(0);
    let skipped = u16::try_from(before_ns.div_ceil(cell_ns)).ok().filter(|cells| *cells < axis.cells)?;
    let from_ns = u64::try_from(from_ns + i128::from(u64::from(skipped) * cell_ns)).ok()?;
    let cells = axis.cells - skipped;
    Some((TimeAxis { from_ns, cell_ns, cells, last: cells - 1 }, skipped))
}

impl Others<'_> {
    /// Adds its values, so that they have room on the scale.
    pub fn add_to(&self, bins: &mut Bins) {
        for column in &self.columns {
            bins.add(column);
        }
    }
}

/// Draws the lines; what is shown is drawn over them.
pub fn draw(buf: &mut Buffer, map: Rect, look: &Look<'_>, cx: &Cx<'_>) {
    let Some(others) = &look.others else { return };
    let window_ns = cx.ui.window.seconds() as u64 * 1_000_000_000;
    let end_ns = others.columns.last().map_or(0, |column| column.end_ns());
    for (cell, values) in lines(&others.columns, others.axis, window_ns).into_iter().enumerate() {
        let over = others.axis.start_ns(cell as u16) >= end_ns;
        let Some(values) = values.filter(|_| !over && cell % EVERY == 0) else { continue };
        for line in DRAWN {
            let Some(row) = look.scale.row(values[line]) else { continue };
            let at = (map.x + others.skipped + cell as u16, map.y + row);
            let Some(drawn) = buf.cell_mut(at) else { continue };
            let ground = if drawn.symbol() == "▀" { dimmed(drawn.fg, drawn.bg, cx.theme) } else { None };
            drawn.set_symbol(pair::GLYPH).set_style(cx.theme.fg(INKS[line]));
            if let Some(ground) = ground {
                drawn.set_bg(ground);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_moments_stay_in_the_same_cells() {
        let axis = TimeAxis { from_ns: 1000, cell_ns: 10, cells: 50, last: 20 };
        let same = |by_ns| {
            let (other, skipped) = shifted(axis, by_ns)?;
            Some((other.from_ns, other.cells, skipped))
        };
        assert_eq!(same(0), Some((1000, 50, 0)));
        assert_eq!(same(-500), Some((1500, 50, 0)));
        assert_eq!(same(400), Some((600, 50, 0)));
        // It began 45 ns after the left edge: its first whole cell is the sixth.
        assert_eq!(same(1045), Some((5, 45, 5)));
        assert_eq!(same(1500), None, "it begins behind the right edge");
    }
}
