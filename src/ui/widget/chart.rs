//! A line over time in braille dots, with round ticks, a filled foot and vertical marks.

use std::ops::RangeInclusive;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

use super::shade::{columns, shade, shade_axis};
use super::{text, text_right};
use crate::ui::format::{clock, digits, round_step};
use crate::ui::theme::{Role, Theme};

/// A vertical tick on the time axis.
#[derive(Debug, Clone)]
pub struct Mark {
    pub at_s: f64,
    pub glyph: &'static str,
    pub style: Style,
}

/// A line over time.
pub struct Chart<'a> {
    /// Time in seconds, ascending, and value ≥ 0; `None` breaks the line.
    pub points: &'a [(f64, Option<f64>)],
    /// Another line on the same axes, drawn in crosses behind it.
    pub behind: &'a [(f64, Option<f64>)],
    /// Seconds at the left and the right edge.
    pub from_s: f64,
    pub to_s: f64,
    pub marks: &'a [Mark],
    /// A stretch of the time axis, in seconds, that stands out.
    pub shaded: Option<(f64, f64)>,
    pub ink: Style,
}

/// Smallest step between ticks: their numbers have three decimals at most.
const LEAST_STEP: f64 = 0.001;
/// Columns that the ticks' numbers take, with the axis.
const GUTTER: u16 = 6;

/// What the line behind is drawn with.
pub const CROSS: &str = "×";

/// Bits of a braille cell by column and row.
const DOTS: [[u8; 4]; 2] = [[0x01, 0x02, 0x04, 0x40], [0x08, 0x10, 0x20, 0x80]];

impl Chart<'_> {
    /// Draws axes and line.
    pub fn draw(&self, buf: &mut Buffer, area: Rect, theme: &Theme) {
        if area.width <= GUTTER + 2 || area.height == 0 {
            return;
        }
        // Where there are few rows the line has them all, and the time axis is left to a larger neighbour.
        let axis = u16::from(area.height >= 5);
        let area = Rect { height: area.height + 1 - axis, ..area };
        self.draw_lines(buf, area, 0.0, theme);
        if axis > 0 {
            self.draw_x(buf, area, theme);
        } else if let Some(columns) = self.shaded_columns(area.width - GUTTER) {
            // Its own last row stands for the axis.
            let last =
                Rect { y: area.bottom() - 2, height: 1, x: area.x + GUTTER, width: area.width - GUTTER };
            shade_axis(buf, last, columns, theme);
        }
    }

    /// Draws the line without a time axis; its own goes up to `least` at least.
    pub fn draw_bare(&self, buf: &mut Buffer, area: Rect, least: f64, theme: &Theme) {
        if area.width > GUTTER + 2 && area.height > 0 {
            self.draw_lines(buf, Rect { height: area.height + 1, ..area }, least, theme);
        }
    }

    /// All but the time axis, whose row is the area's last.
    fn draw_lines(&self, buf: &mut Buffer, area: Rect, least: f64, theme: &Theme) {
        let plot = Rect { x: area.x + GUTTER, width: area.width - GUTTER, height: area.height - 1, ..area };
        let most = self.points.iter().chain(self.behind).filter_map(|(_, y)| *y).fold(0.0, f64::max);
        // A line that has its end needs no room above it.
        let wanted = if most <= least { least } else { most * 1.02 };
        // A line that stays at nought has an axis all the same.
        let wanted = if wanted > 0.0 { wanted.max(LEAST_STEP) } else { 1.0 };
        let step = round_step(wanted, usize::from(plot.height / 2).clamp(1, 5)).max(LEAST_STEP);
        let top = (wanted / step * 0.999_999).ceil().max(1.0) * step;
        Self::draw_y(buf, area, (top, step), theme);
        if let Some(columns) = self.shaded_columns(plot.width) {
            shade(buf, plot, columns, theme);
        }
        self.draw_marks(buf, plot);
        crosses(buf, plot, self.behind, (self.from_s, self.to_s, top), theme.fg(Role::Muted));
        self.draw_line(buf, plot, top);
    }

    fn draw_y(buf: &mut Buffer, area: Rect, scale: (f64, f64), theme: &Theme) {
        let (top, step) = scale;
        let rows = area.height - 1;
        for y in 0..rows {
            text(buf, area, (GUTTER - 1, y), "│", theme.fg(Role::Border));
        }
        for i in 0..=(top / step).round() as u32 {
            let value = f64::from(i) * step;
            // The row that holds the dot of this value, where a line would have it.
            let dot = ((1.0 - value / top) * f64::from(rows * 4 - 1)).round();
            let y = (dot / 4.0) as u16;
            let label = tick(value, step);
            text(buf, area, (0, y), "     ", theme.fg(Role::Muted));
            text_right(buf, area, (GUTTER - 1, y), &label, theme.fg(Role::Muted));
            text(buf, area, (GUTTER - 1, y), "┤", theme.fg(Role::Border));
        }
    }

    /// Draws the time axis in the area's last row.
    pub fn draw_x(&self, buf: &mut Buffer, area: Rect, theme: &Theme) {
        if area.width <= GUTTER + 2 || area.height == 0 {
            return;
        }
        let row = area.height - 1;
        let below = Rect { x: area.x + GUTTER, y: area.y + row, width: area.width - GUTTER, height: 1 };
        if let Some(columns) = self.shaded_columns(below.width) {
            shade_axis(buf, below, columns, theme);
        }
        let span = (self.to_s - self.from_s).max(1e-9);
        let width = f64::from(area.width - GUTTER);
        let step = time_step(span, usize::from((area.width - GUTTER) / 12).max(1));
        let mut at = (self.from_s.max(0.0) / step).ceil() * step;
        let mut free = GUTTER;
        while at <= self.to_s {
            let x = GUTTER + ((at - self.from_s) / span * (width - 1.0)).round() as u16;
            let label = clock((at * 1e9) as u64);
            let length = label.len() as u16;
            let from = x.saturating_sub(length / 2).max(GUTTER);
            if from >= free && from + length <= area.width {
                text(buf, area, (from, row), &label, theme.fg(Role::Muted));
                free = from + length + 2;
            }
            at += step;
        }
    }

    fn shaded_columns(&self, width: u16) -> Option<RangeInclusive<u16>> {
        columns(self.shaded?, (self.from_s, self.to_s), width)
    }

    fn draw_marks(&self, buf: &mut Buffer, plot: Rect) {
        for mark in self.marks.iter().filter(|m| m.at_s >= self.from_s && m.at_s <= self.to_s) {
            let part = (mark.at_s - self.from_s) / (self.to_s - self.from_s).max(1e-9);
            let x = (part * f64::from(plot.width - 1)).round() as u16;
            for y in 0..plot.height {
                text(buf, plot, (x, y), mark.glyph, mark.style);
            }
        }
    }

    fn draw_line(&self, buf: &mut Buffer, plot: Rect, top: f64) {
        let (columns, rows) = (usize::from(plot.width) * 2, usize::from(plot.height) * 4);
        let mut cells = vec![0u8; usize::from(plot.width) * usize::from(plot.height)];
        let span = (self.to_s - self.from_s).max(1e-9);
        let place = |t: f64, v: f64| {
            let x = (t - self.from_s) / span * (columns - 1) as f64;
            let y = (1.0 - (v / top).clamp(0.0, 1.0)) * (rows - 1) as f64;
            (x, y)
        };
        let mut last: Option<(f64, f64)> = None;
        for (t, value) in self.points {
            let here = value.map(|v| place(*t, v));
            if let Some(to) = here {
                stroke(&mut cells, (columns, rows), last.unwrap_or(to), to);
            }
            last = here;
        }
        for (i, bits) in cells.iter().enumerate().filter(|(_, bits)| **bits != 0) {
            let (x, y) = (i % usize::from(plot.width), i / usize::from(plot.width));
            if let Some(cell) = buf.cell_mut((plot.x + x as u16, plot.y + y as u16)) {
                cell.set_char(char::from_u32(0x2800 + u32::from(*bits)).unwrap_or(' ')).set_style(self.ink);
            }
        }
    }
}

/// Sets the dots of a straight stroke, one a dot column and whatever joins them.
pub(super) fn stroke(cells: &mut [u8], size: (usize, usize), from: (f64, f64), to: (f64, f64)) {
    let steps = (to.0 - from.0).abs().max((to.1 - from.1).abs()).ceil().max(1.0);
    if steps > 100_000.0 {
        return;
    }
    for i in 0..=steps as usize {
        let part = i as f64 / steps;
        let (x, y) = (from.0 + (to.0 - from.0) * part, from.1 + (to.1 - from.1) * part);
        if x < -0.5 || y < -0.5 {
            continue;
        }
        let (x, y) = (x.round() as usize, y.round() as usize);
        if x < size.0 && y < size.1 {
            cells[y / 4 * (size.0 / 2) + x / 2] |= DOTS[x % 2][y % 4];
        }
    }
}

/// A tick's number in at most five characters, told from its neighbours a `step` away.
fn tick(value: f64, step: f64) -> String {
    const LARGE: [(f64, &str); 4] = [(1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")];
    if value >= 9999.5 {
        let large = LARGE.iter().find(|(scale, _)| value >= scale * 0.9999);
        return large.map_or_else(String::new, |(scale, unit)| {
            let number = digits(value / scale);
            format!("{}{unit}", if number.len() > 4 { "…" } else { trim(&number) })
        });
    }
    let decimals = if step >= 1.0 { 0 } else { (-step.log10() - 1e-9).ceil().clamp(0.0, 3.0) as usize };
    trim(&format!("{value:.decimals$}")).to_owned()
}

/// `12.0` → `12`, `0.50` → `0.5`.
pub(super) fn trim(number: &str) -> &str {
    if number.contains('.') { number.trim_end_matches('0').trim_end_matches('.') } else { number }
}

/// A step of time that people count in, so that at most `most` fit.
pub fn time_step(span_s: f64, most: usize) -> f64 {
    const STEPS: [f64; 12] = [1.0, 2.0, 5.0, 10.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0];
    let rough = span_s / most.max(1) as f64;
    STEPS.iter().copied().find(|s| *s >= rough).unwrap_or(rough.max(1.0))
}

/// A line over a plot, a cross a column. The scale: seconds at the edges, value at the top.
fn crosses(
    buf: &mut Buffer,
    plot: Rect,
    points: &[(f64, Option<f64>)],
    (from_s, to_s, top): (f64, f64, f64),
    ink: Style,
) {
    for x in 0..plot.width {
        let at_s = from_s + f64::from(x) / f64::from(plot.width.max(2) - 1) * (to_s - from_s);
        let after = points.partition_point(|(t, _)| *t <= at_s);
        let Some([(t0, v0), (t1, v1)]) = after.checked_sub(1).and_then(|i| points.get(i..i + 2)) else {
            continue;
        };
        let Some((v0, v1)) = v0.zip(*v1) else { continue };
        let value = v0 + (v1 - v0) * ((at_s - t0) / (t1 - t0).max(1e-9));
        let y = (1.0 - (value / top).clamp(0.0, 1.0)) * f64::from(plot.height.max(1) - 1);
        text(buf, plot, (x, y.round() as u16), CROSS, ink);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_short_and_differ() {
        for (step, wanted) in [(0.001, "0.003"), (0.02, "0.06"), (0.5, "1.5"), (20.0, "60"), (5000.0, "15k")]
        {
            assert_eq!(tick(step * 3.0, step), wanted);
        }
        for value in [0.0, 1234.0, 9999.0, 10_500.0, 123_456.0, 2e6, 5e9, 7e12, 1e15, 1e30] {
            assert!(tick(value, value / 3.0 + 0.001).chars().count() <= 5, "{value}");
        }
        let labels: std::collections::HashSet<String> =
            (0..5).map(|i| tick(f64::from(i) * 0.005, 0.005)).collect();
        assert_eq!(labels.len(), 5);
    }

    #[test]
    fn a_tick_is_in_the_row_of_its_value() {
        let theme = crate::ui::theme::load("dusk", None, crate::ui::theme::Depth::None).unwrap();
        for height in 4..24 {
            let area = Rect::new(0, 0, 30, height);
            let mut buf = Buffer::empty(area);
            let points = [(0.0, Some(50.0)), (9.0, Some(50.0))];
            let chart = Chart {
                points: &points,
                behind: &[],
                from_s: 0.0,
                to_s: 10.0,
                marks: &[],
                shaded: None,
                ink: Style::new(),
            };
            chart.draw_bare(&mut buf, area, 100.0, &theme);
            let row = |y: u16| (0..30).map(|x| buf[(x, y)].symbol()).collect::<String>();
            let rows: Vec<String> = (0..height).map(row).collect();
            if let Some(tick) = rows.iter().find(|row| row.trim_start().starts_with("50┤")) {
                let line = tick.chars().any(|c| ('\u{2801}'..='\u{28ff}').contains(&c));
                assert!(line, "{height}: {rows:#?}");
            }
        }
    }

    #[test]
    fn a_line_goes_through_its_points_and_breaks_where_they_do() {
        let area = Rect::new(0, 0, 5, 3);
        let mut buf = Buffer::empty(area);
        let points = [(0.0, Some(0.0)), (2.0, Some(10.0)), (3.0, None), (4.0, Some(10.0))];
        crosses(&mut buf, area, &points, (0.0, 4.0, 10.0), Style::new());
        let rows: Vec<String> = (0..3).map(|y| (0..5).map(|x| buf[(x, y)].symbol()).collect()).collect();
        assert_eq!(rows, ["     ", " ×   ", "×    "], "what lies between a point and none is not known");
    }
}
