//! The map itself: counts as shades, percentile lines, the SLA, marks, axes and the cursor.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Color, Style};

use super::super::{Cx, header, range};
use super::field::{Spread, lines};
use super::scale::{apart, round_up, tick_label, whither};
use super::sla::LimitLine;
use super::{GUTTER, Look, NAMES, Selected, labels, other};
use crate::metrics::interventions;
use crate::ui::format::{clock, clock_ms};
use crate::ui::sanitize;
use crate::ui::theme::{Depth, Role, Theme};
use crate::ui::widget::{Dots, shade as shade_columns, shade_axis, text, text_right, time_step};

/// What is less than this is not drawn: the edge of a spread bucket.
const LEAST: f32 = 0.04;
/// Shades of a map without enough colours, from few to many.
pub const SHADES: [&str; 4] = ["░", "▒", "▓", "█"];
/// The lines' inks, in the order of the percentiles.
pub const INKS: [Role; 3] = [Role::Text, Role::Input, Role::Bad];
const NAMES_OF_LINES: [&str; 3] = ["p50", "p90", "p99"];

/// Whether a terminal has colours enough for a map in them.
pub fn colored(theme: &Theme) -> bool {
    matches!(theme.depth, Depth::True | Depth::Ansi256)
}

/// How strongly so much is shown, 0..=1: by the logarithm, so that a single one is seen beside thousands.
fn strength(count: f64, top: f64) -> f64 {
    (count.ln_1p() / top.ln_1p().max(1e-9)).clamp(0.0, 1.0)
}

/// The ground of a cell of this strength.
pub fn ground(theme: &Theme, strength: f64) -> Option<Color> {
    if strength < 0.6 {
        theme.mix(Role::Background, Role::Decode, 0.22 + strength * 0.8)
    } else {
        let bright = theme.mix(Role::Decode, Role::Text, (strength - 0.6) * 1.6);
        let dark = theme.mix(Role::Background, Role::Decode, 0.7 + (strength - 0.6) * 0.75);
        if strength < 0.8 { dark } else { bright }
    }
}

/// The ground below a line: both halves of the cell in one, and half as strong, so that the line is seen.
pub fn dimmed(upper: Color, lower: Color, theme: &Theme) -> Option<Color> {
    let (Color::Rgb(r, g, b), Color::Rgb(r2, g2, b2)) = (upper, lower) else { return None };
    let Some(Color::Rgb(r3, g3, b3)) = theme.color(Role::Background) else { return None };
    let mixed = |a: u8, b: u8, bare: u8| {
        let half = u16::midpoint(u16::from(a), u16::from(b));
        u16::midpoint(half, u16::from(bare)) as u8
    };
    Some(Color::Rgb(mixed(r, r2, r3), mixed(g, g2, g3), mixed(b, b2, b3)))
}

/// The shade of a cell of this strength.
pub fn shade(strength: f64) -> &'static str {
    SHADES[((strength * 4.0) as usize).min(3)]
}

/// Draws the map with its axes around it; gives the count of the strongest shade.
pub fn draw(buf: &mut Buffer, map: Rect, look: &Look<'_>, cx: &Cx<'_>) -> f64 {
    let top = cells(buf, map, look, cx.theme);
    marks(buf, map, look, cx);
    cursor(buf, map, look, cx.theme);
    if let Some((from, to)) = range::stretch(cx).and_then(|(from, to)| look.axis.cells_of(from, to)) {
        shade_columns(buf, map, from..=to, cx.theme);
        shade_axis(buf, Rect { y: map.bottom(), height: 1, ..map }, from..=to, cx.theme);
    }
    limits(buf, map, look, cx.theme);
    other::draw(buf, map, look, cx);
    percentiles(buf, map, look, cx);
    limit_names(buf, map, look, cx.theme);
    axes(buf, map, look, cx.theme);
    top
}

fn cells(buf: &mut Buffer, map: Rect, look: &Look<'_>, theme: &Theme) -> f64 {
    let halves = colored(theme);
    let fine = if halves { map.height * 2 } else { map.height };
    let field = Spread::over(&look.scale, fine).field(&look.columns, look.axis);
    let top = round_up(f64::from(field.iter().copied().fold(1.0, f32::max)));
    // Colours are few: they are mixed once.
    let colors: Vec<Option<Color>> = (0..=64).map(|i| ground(theme, f64::from(i) / 64.0)).collect();
    let bare = theme.color(Role::Background);
    let rows = usize::from(fine);
    for x in 0..map.width {
        let column = &field[usize::from(x) * rows..(usize::from(x) + 1) * rows];
        if column.iter().all(|n| *n < LEAST) {
            continue;
        }
        for y in 0..map.height {
            let Some(cell) = buf.cell_mut((map.x + x, map.y + y)) else { continue };
            if halves {
                let half = |i: usize| {
                    let n = column[i];
                    let level = (strength(f64::from(n), top) * 64.0).round() as usize;
                    (n >= LEAST).then(|| colors[level]).flatten()
                };
                let (upper, lower) = (half(usize::from(y) * 2), half(usize::from(y) * 2 + 1));
                if upper.is_some() || lower.is_some() {
                    let mut style = Style::new();
                    (style.fg, style.bg) = (upper.or(bare), lower.or(bare));
                    cell.set_symbol("▀").set_style(style);
                }
            } else if column[usize::from(y)] >= LEAST {
                let symbol = shade(strength(f64::from(column[usize::from(y)]), top));
                cell.set_symbol(symbol).set_style(theme.fg(Role::Decode));
            }
        }
    }
    top
}

/// Interventions and phases as vertical lines where the map is bare; notes at the top.
fn marks(buf: &mut Buffer, map: Rect, look: &Look<'_>, cx: &Cx<'_>) {
    for (at_s, glyph, style) in header::marks(cx) {
        let Some(x) = look.axis.cell_of((at_s * 1e9) as u64) else { continue };
        for y in 0..map.height {
            bare(buf, map, (x, y), glyph, style);
        }
    }
    let words = |(at_ns, control): &(u64, _)| {
        Some((look.axis.cell_of(*at_ns)?, sanitize::line(&interventions::words(control))))
    };
    let labels: Vec<(u16, String)> = cx.snap.controls.iter().filter_map(words).collect();
    // A limit's name on the first row would lie over them.
    let row = u16::from(look.limits.lines.iter().any(|limit| limit_row(limit, look).1 == 0));
    let blank = |x: u16| buf.cell((map.x + x, map.y + row)).is_some_and(|cell| cell.symbol() == " ");
    let fitting: Vec<(u16, String)> = labels::fitting(&labels, map.width, blank);
    for (x, word) in fitting {
        text(buf, map, (x, row), &word, cx.theme.fg(Role::Muted));
    }
}

/// Writes where nothing is.
fn bare(buf: &mut Buffer, map: Rect, at: (u16, u16), symbol: &str, style: Style) {
    let blank = buf.cell((map.x + at.0, map.y + at.1)).is_some_and(|cell| cell.symbol() == " ");
    if blank {
        text(buf, map, at, symbol, style);
    }
}

fn cursor(buf: &mut Buffer, map: Rect, look: &Look<'_>, theme: &Theme) {
    let Some(selected) = &look.selected else { return };
    for y in 0..map.height {
        bare(buf, map, (selected.cell, y), "│", theme.fg(Role::Accent));
    }
}

/// The row of a limit, or that of the edge beyond which it lies, and its name.
fn limit_row(limit: &LimitLine, look: &Look<'_>) -> (Option<u16>, u16, String) {
    let words = limit.words();
    match look.scale.row(limit.ns) {
        Some(row) => (Some(row), row, format!(" {words} ")),
        None if look.scale.part(limit.ns) > 1.0 => (None, 0, format!(" {words} ↑ ")),
        None => (None, look.scale.rows - 1, format!(" {words} ↓ ")),
    }
}

/// A dashed line a limit.
fn limits(buf: &mut Buffer, map: Rect, look: &Look<'_>, theme: &Theme) {
    for row in look.limits.lines.iter().filter_map(|limit| limit_row(limit, look).0) {
        for x in 0..map.width {
            let Some(cell) = buf.cell_mut((map.x + x, map.y + row)) else { continue };
            cell.set_symbol("╌").set_style(theme.bold(Role::Warn));
        }
    }
}

/// Their names, over everything; those of one row side by side.
fn limit_names(buf: &mut Buffer, map: Rect, look: &Look<'_>, theme: &Theme) {
    let ink = theme.bold(Role::Warn).patch(theme.bg(Role::Background));
    let mut ends: Vec<(u16, u16)> = Vec::new();
    for limit in &look.limits.lines {
        let (_, row, label) = limit_row(limit, look);
        let taken = ends.iter().filter(|(r, _)| *r == row).map(|(_, width)| width).sum::<u16>();
        let width = label.chars().count() as u16;
        if taken + width <= map.width {
            text(buf, map, (map.width - taken - width, row), &label, ink);
            ends.push((row, width));
        }
    }
}

fn percentiles(buf: &mut Buffer, map: Rect, look: &Look<'_>, cx: &Cx<'_>) {
    let theme = cx.theme;
    let window_ns = cx.ui.window.seconds() as u64 * 1_000_000_000;
    let found = lines(&look.columns, look.axis, window_ns);
    let place = |x: usize, ns: f64| {
        let y = (1.0 - look.scale.part(ns)) * f64::from(map.height) * 4.0 - 0.5;
        (x as f64 * 2.0 + 0.5, y.clamp(0.0, f64::from(map.height) * 4.0 - 1.0))
    };
    for (i, ink) in INKS.into_iter().enumerate() {
        let mut sheet = Dots::new(map.width, map.height);
        let mut last: Option<(f64, f64)> = None;
        for (x, values) in found.iter().enumerate() {
            let here = values.map(|values| place(x, values[i]));
            if let Some(to) = here {
                sheet.line(last.unwrap_or(to), to);
            }
            last = here;
        }
        sheet.paint(buf, map, theme.bold(ink), |upper, lower| dimmed(upper, lower, theme));
    }
    let Some(newest) = found.iter().rev().find_map(|values| *values) else { return };
    let names = Rect { x: map.right(), width: NAMES, ..map };
    // The row of the dot that the line ends with.
    let rows = [2, 1, 0].map(|i| (place(0, newest[i]).1.round() / 4.0) as u16);
    for ((i, wanted), row) in [2, 1, 0].into_iter().zip(rows).zip(apart(rows, map.height)) {
        let name = format!("{}{}", whither(wanted, row), NAMES_OF_LINES[i]);
        text(buf, names, (0, row), &name, theme.bold(INKS[i]));
    }
}

fn axes(buf: &mut Buffer, map: Rect, look: &Look<'_>, theme: &Theme) {
    let muted = theme.fg(Role::Muted);
    let left = Rect { x: map.x - GUTTER, width: GUTTER, ..map };
    for y in 0..map.height {
        text(buf, left, (GUTTER - 1, y), "│", theme.fg(Role::Border));
    }
    for (row, ns) in look.scale.ticks() {
        text_right(buf, left, (GUTTER - 1, row), &tick_label(ns), muted);
        text(buf, left, (GUTTER - 1, row), "┤", theme.fg(Role::Border));
    }
    let below = Rect { y: map.bottom(), height: 1, width: map.width + NAMES, ..map };
    let axis = look.axis;
    let span_s = (axis.end_ns() - axis.from_ns) as f64 / 1e9;
    let step = time_step(span_s, usize::from(map.width / 12).max(1));
    let first = (axis.from_ns as f64 / 1e9 / step).ceil() * step;
    let cursor = look.selected.as_ref().map(|selected| cursor_label(selected, below.width));
    let mut free = 0;
    for i in 0..map.width {
        let at = first + f64::from(i) * step;
        let Some(x) = axis.cell_of((at * 1e9) as u64) else { break };
        let label = format!("╵{}", clock((at * 1e9) as u64));
        let end = x + label.chars().count() as u16;
        // The cursor's time takes the place of those that it would overwrite.
        let under = cursor.as_ref().is_some_and(|(from, to, _)| x <= *to && end >= *from);
        if x >= free && !under {
            free = text(buf, below, (x, 0), &label, muted) + 1;
        }
    }
    if let (Some(selected), Some((from, _, label))) = (&look.selected, cursor) {
        text(buf, below, (from, 0), &label, theme.bold(Role::Accent));
        text(buf, below, (selected.cell, 0), "▲", theme.bold(Role::Accent));
    }
}

/// The cursor's time with its place on the axis: its first column, the one behind its last, the words.
fn cursor_label(selected: &Selected, width: u16) -> (u16, u16, String) {
    let label = clock_ms(selected.from_ns);
    let label = format!("▲{}", label.get(..label.len() - 1).unwrap_or(&label));
    let columns = label.chars().count() as u16;
    if selected.cell + columns + 1 > width {
        (selected.cell.saturating_sub(columns), selected.cell + 1, label)
    } else {
        (selected.cell, selected.cell + columns, label)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ui::theme::{Rgb, load, vision};

    #[test]
    fn the_map_goes_from_few_to_many_for_everybody() {
        for name in vision::SAFE {
            let theme = load(name, None, Depth::True).unwrap();
            let mut shown = vec![theme.color(Role::Background).unwrap()];
            shown.extend([0.0, 0.25, 0.5, 0.75, 1.0].map(|s| ground(&theme, s).unwrap()));
            let shown: Vec<Rgb> = shown
                .into_iter()
                .map(|color| if let Color::Rgb(r, g, b) = color { Rgb(r, g, b) } else { panic!("{color:?}") })
                .collect();
            for (kind, matrix) in &vision::VISIONS {
                let light = |c: Rgb| vision::lab(c, matrix)[0];
                let up = light(shown[5]) > light(shown[0]);
                for pair in shown.windows(2) {
                    let d = vision::distance(pair[0], pair[1], matrix);
                    assert!(d >= vision::LEAST, "{name}, {kind}: {pair:?} are {d:.1} apart");
                    assert_eq!(light(pair[1]) > light(pair[0]), up, "{name}, {kind}: {pair:?}");
                }
            }
        }
    }
}
