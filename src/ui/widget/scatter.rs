//! Points in a plane, each series in a glyph of its own and joined by a thin line, with round ticks on both axes.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

use super::chart::{stroke, trim};
use super::{text, text_right};
use crate::ui::format::{digits, round_step};
use crate::ui::theme::{Role, Theme};

/// Points that belong together.
#[derive(Debug, Clone)]
pub struct Series {
    /// In the order in which they are joined; not finite or negative ones are left out.
    pub points: Vec<(f64, f64)>,
    pub glyph: &'static str,
    pub ink: Style,
    /// A word beside a point, by its number; words that would cover something are left out.
    pub labels: Vec<String>,
}

/// The plane, from 0 to the greatest value of each axis.
pub struct Scatter<'a> {
    /// Later ones lie over earlier ones.
    pub series: &'a [Series],
    /// Written at the end of the x axis.
    pub x_unit: &'static str,
}

/// Columns that the ticks' numbers take, with the axis.
const GUTTER: u16 = 6;

/// A scale from 0 up: its end and its step.
#[derive(Clone, Copy)]
struct Scale {
    top: f64,
    step: f64,
}

impl Scale {
    fn of(values: impl Iterator<Item = f64>, ticks: u16) -> Self {
        let most = values.fold(0.0, f64::max).max(1e-6) * 1.02;
        let step = round_step(most, usize::from(ticks.clamp(1, 10)));
        Self { top: (most / step).ceil().max(1.0) * step, step }
    }

    fn ticks(self) -> impl Iterator<Item = f64> {
        (0..=(self.top / self.step).round() as u32).map(move |i| f64::from(i) * self.step)
    }
}

impl Scatter<'_> {
    /// Draws axes, lines and points.
    pub fn draw(&self, buf: &mut Buffer, area: Rect, theme: &Theme) {
        if area.width <= GUTTER + 8 || area.height < 4 {
            return;
        }
        let plot =
            Rect { x: area.x + GUTTER, width: area.width - GUTTER - 1, height: area.height - 1, ..area };
        let all = || self.series.iter().flat_map(|s| s.points.iter()).filter(|p| drawable(p));
        let x = Scale::of(all().map(|p| p.0), plot.width / 10);
        let y = Scale::of(all().map(|p| p.1), plot.height / 3);
        draw_y(buf, area, y, theme);
        self.draw_x(buf, area, x, theme);
        for series in self.series {
            draw_line(buf, plot, series, (x.top, y.top));
        }
        for series in self.series {
            draw_points(buf, plot, series, (x.top, y.top));
        }
        for series in self.series {
            draw_labels(buf, plot, series, (x.top, y.top), theme);
        }
    }

    fn draw_x(&self, buf: &mut Buffer, area: Rect, scale: Scale, theme: &Theme) {
        let row = area.height - 1;
        let unit = self.x_unit.chars().count() as u16;
        let end = area.width.saturating_sub(unit + 1);
        text(buf, area, (end, row), self.x_unit, theme.fg(Role::Muted));
        let mut free = GUTTER - 1;
        for value in scale.ticks() {
            let x = GUTTER + (value / scale.top * f64::from(area.width - GUTTER - 2)).round() as u16;
            let label = trim(&digits(value)).to_owned();
            let from = x.saturating_sub(label.len() as u16 / 2);
            if from >= free && from + label.len() as u16 + 1 <= end {
                text(buf, area, (from, row), &label, theme.fg(Role::Muted));
                free = from + label.len() as u16 + 2;
            }
        }
    }
}

fn drawable(point: &(f64, f64)) -> bool {
    [point.0, point.1].iter().all(|v| v.is_finite() && *v >= 0.0 && *v < 1e15)
}

fn draw_y(buf: &mut Buffer, area: Rect, scale: Scale, theme: &Theme) {
    let rows = area.height - 1;
    for y in 0..rows {
        text(buf, area, (GUTTER - 1, y), "│", theme.fg(Role::Border));
    }
    for value in scale.ticks() {
        let y = ((1.0 - value / scale.top) * f64::from(rows - 1)).round() as u16;
        text_right(buf, area, (GUTTER - 1, y), trim(&digits(value)), theme.fg(Role::Muted));
        text(buf, area, (GUTTER - 1, y), "┤", theme.fg(Role::Border));
    }
}

/// Where a point lies, in cells.
fn place(plot: Rect, top: (f64, f64), point: (f64, f64)) -> (f64, f64) {
    let x = point.0 / top.0 * f64::from(plot.width - 1);
    let y = (1.0 - point.1 / top.1) * f64::from(plot.height - 1);
    (x, y)
}

fn draw_line(buf: &mut Buffer, plot: Rect, series: &Series, top: (f64, f64)) {
    let size = (usize::from(plot.width) * 2, usize::from(plot.height) * 4);
    let mut cells = vec![0u8; usize::from(plot.width) * usize::from(plot.height)];
    let dots = |p: &(f64, f64)| {
        let (x, y) = place(plot, top, *p);
        (x * 2.0 + 0.5, y * 4.0 + 1.5)
    };
    let points: Vec<_> = series.points.iter().filter(|p| drawable(p)).collect();
    for pair in points.windows(2) {
        stroke(&mut cells, size, dots(pair[0]), dots(pair[1]));
    }
    for (i, bits) in cells.iter().enumerate().filter(|(_, bits)| **bits != 0) {
        let (x, y) = (i % usize::from(plot.width), i / usize::from(plot.width));
        if let Some(cell) = buf.cell_mut((plot.x + x as u16, plot.y + y as u16)) {
            cell.set_char(char::from_u32(0x2800 + u32::from(*bits)).unwrap_or(' ')).set_style(series.ink);
        }
    }
}

fn cell_of(plot: Rect, top: (f64, f64), point: (f64, f64)) -> (u16, u16) {
    let (x, y) = place(plot, top, point);
    (x.round() as u16, y.round() as u16)
}

fn draw_points(buf: &mut Buffer, plot: Rect, series: &Series, top: (f64, f64)) {
    for point in series.points.iter().filter(|p| drawable(p)) {
        text(buf, plot, cell_of(plot, top, *point), series.glyph, series.ink);
    }
}

/// Beside its point, at the right or else at the left, and only over blank cells.
fn draw_labels(buf: &mut Buffer, plot: Rect, series: &Series, top: (f64, f64), theme: &Theme) {
    for (point, label) in series.points.iter().zip(&series.labels).filter(|(p, _)| drawable(p)) {
        let (x, y) = cell_of(plot, top, *point);
        let width = label.chars().count() as u16;
        let places = [(x + 2, y), (x.saturating_sub(width + 1), y), (x, y + 1), (x, y.saturating_sub(1))];
        let blank = |at: (u16, u16)| {
            let inside = at.0 + width <= plot.width && at.1 < plot.height;
            inside && (at.0..at.0 + width).all(|x| is_blank(buf, plot, (x, at.1)))
        };
        if let Some(at) = places.into_iter().find(|at| blank(*at)) {
            text(buf, plot, at, label, theme.fg(Role::Muted));
        }
    }
}

fn is_blank(buf: &Buffer, plot: Rect, at: (u16, u16)) -> bool {
    buf.cell((plot.x + at.0, plot.y + at.1)).is_some_and(|cell| cell.symbol() == " ")
}
