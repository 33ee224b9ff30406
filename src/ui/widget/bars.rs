//! Bars in eighths of a cell: meters, stacked bars, mini-histograms.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

use super::text;

/// Blocks filled from the left, in eighths.
pub const LEFT: [&str; 9] = [" ", "▏", "▎", "▍", "▌", "▋", "▊", "▉", "█"];
/// Blocks filled from below, in eighths.
const BELOW: [&str; 9] = [" ", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"];

/// A bar filled to `part` (0..=1) of the area's first row; the rest is a thin line.
pub fn meter(buf: &mut Buffer, area: Rect, part: f64, ink: Style, rest: Style) {
    let eighths = (part.clamp(0.0, 1.0) * f64::from(area.width) * 8.0).round() as usize;
    for x in 0..area.width {
        let here = eighths.saturating_sub(usize::from(x) * 8).min(8);
        let (symbol, style) = if here == 0 { ("·", rest) } else { (LEFT[here], ink) };
        text(buf, area, (x, 0), symbol, style);
    }
}

/// Parts of a whole side by side, each in its own glyph; a part that is there has one cell at least.
pub fn stacked(buf: &mut Buffer, area: Rect, whole: f64, parts: &[(f64, &str, Style)], rest: Style) {
    let mut x = 0u16;
    let mut sum = 0.0;
    for (value, glyph, style) in parts {
        sum += value;
        let end = (sum / whole.max(1e-9) * f64::from(area.width)).round() as u16;
        let end = if *value > 0.0 { end.max(x + 1) } else { end }.min(area.width);
        while x < end {
            text(buf, area, (x, 0), glyph, *style);
            x += 1;
        }
    }
    while x < area.width {
        text(buf, area, (x, 0), "·", rest);
        x += 1;
    }
}

/// Counts as bars over the area's width, one row high; what is not nothing is seen.
pub fn histogram(buf: &mut Buffer, area: Rect, counts: &[u64], ink: Style) {
    let width = usize::from(area.width);
    if counts.is_empty() || width == 0 {
        return;
    }
    let column = |x: usize| {
        let from = x * counts.len() / width;
        let to = ((x + 1) * counts.len() / width).max(from + 1).min(counts.len());
        counts[from..to].iter().sum::<u64>()
    };
    let most = (0..width).map(column).max().unwrap_or(0).max(1);
    for x in 0..width {
        let count = column(x);
        let height = (count as f64 / most as f64 * 8.0).round() as usize;
        let height = if count > 0 { height.max(1) } else { 0 };
        text(buf, area, (x as u16, 0), BELOW[height.min(8)], ink);
    }
}
