//! The distribution beside the map, on the same latency axis: bars, the cumulative share, percentiles and peaks.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::Line;

use super::super::Cx;
use super::Look;
use super::field::{LINES, Spread, peaks};
use super::plot::INKS;
use super::scale::{apart, whither};
use crate::ui::format::{count, seconds};
use crate::ui::theme::Role;
use crate::ui::widget::{Dots, LEFT, panel, text, text_right};

/// Columns of percentiles and peaks: `peak 12.3 ms`.
const LABELS: u16 = 13;
/// The cumulative share is a line where it has at least so many columns, and numbers where not.
const CURVE: u16 = 12;
/// Columns of such a number.
const NUMBER: u16 = 5;

pub fn draw(buf: &mut Buffer, area: Rect, look: Option<&Look<'_>>, cx: &Cx<'_>) {
    let total = look.map_or(0, |look| look.bins().total());
    let unit = cx.ui.latency.figure.unit();
    // Where nothing is counted, "0 tokens" would look like a measurement.
    let words = if total == 0 { String::new() } else { format!("{} {unit}", count(total)) };
    let values = Line::styled(words, cx.theme.fg(Role::Muted));
    let title = if area.width >= 40 { "Distribution" } else { "Spread" };
    let inner = panel(buf, area, title, &values, cx.theme);
    if total == 0 {
        text(buf, inner, (1, inner.height / 2), nothing(look), cx.theme.fg(Role::Muted));
    }
    let Some(look) = look.filter(|_| total > 0 && inner.width > LABELS + NUMBER + 3) else { return };
    let plot = Rect { height: look.scale.rows.min(inner.height), ..inner };
    let rows = Spread::over(&look.scale, look.scale.rows).rows(look.bins());
    let room = inner.width - LABELS;
    let curve = if room >= 2 * CURVE { room / 2 } else { NUMBER };
    let bars = Rect { width: room - curve, ..plot };
    let beside = Rect { x: bars.right(), width: curve, ..plot };
    draw_bars(buf, bars, &rows, cx);
    if curve >= CURVE {
        draw_curve(buf, beside, &rows, cx);
    } else {
        draw_numbers(buf, beside, &rows, cx);
    }
    draw_labels(buf, Rect { x: beside.right(), width: LABELS, ..plot }, look, &rows, cx);
}

/// Why there is no distribution.
fn nothing(look: Option<&Look<'_>>) -> &'static str {
    match look {
        None => "no values yet",
        Some(look) if look.selected.is_some() => "no values in this column",
        Some(_) => "no values in this stretch",
    }
}

fn draw_bars(buf: &mut Buffer, area: Rect, rows: &[f64], cx: &Cx<'_>) {
    let most = rows.iter().copied().fold(0.0, f64::max).max(1e-9);
    let ink = cx.theme.fg(Role::Output);
    let width = area.width.saturating_sub(1);
    for (y, n) in (0u16..).zip(rows) {
        let eighths = (n / most * f64::from(width) * 8.0).round() as usize;
        let eighths = if *n >= 0.5 { eighths.max(1) } else { eighths };
        for x in 0..width {
            let here = eighths.saturating_sub(usize::from(x) * 8).min(8);
            if here > 0 {
                text(buf, area, (x, y), LEFT[here], ink);
            }
        }
    }
    let below = Rect { y: area.bottom(), height: 1, ..area };
    text(buf, below, (0, 0), "count", cx.theme.fg(Role::Muted));
}

/// Share of values at most as long as each row's upper edge, from the top row down.
fn cumulative(rows: &[f64]) -> Vec<f64> {
    let total: f64 = rows.iter().sum::<f64>().max(1e-9);
    let mut left = total;
    rows.iter()
        .map(|n| {
            let share = left / total;
            left -= n;
            share.clamp(0.0, 1.0)
        })
        .collect()
}

fn draw_curve(buf: &mut Buffer, area: Rect, rows: &[f64], cx: &Cx<'_>) {
    let mut sheet = Dots::new(area.width - 1, area.height);
    let right = f64::from(area.width - 1) * 2.0 - 1.0;
    let mut last = None;
    for (y, share) in cumulative(rows).into_iter().chain([0.0]).enumerate() {
        let to = (share * right, y as f64 * 4.0 - if y == 0 { 0.0 } else { 0.5 });
        sheet.line(last.unwrap_or(to), to);
        last = Some(to);
    }
    sheet.paint(buf, area, cx.theme.fg(Role::Requests), |_, _| None);
    let below = Rect { y: area.bottom(), height: 1, ..area };
    text(buf, below, (0, 0), "0", cx.theme.fg(Role::Muted));
    text_right(buf, below, (area.width - 1, 0), "100 %", cx.theme.fg(Role::Muted));
}

fn draw_numbers(buf: &mut Buffer, area: Rect, rows: &[f64], cx: &Cx<'_>) {
    for ((y, share), n) in (0u16..).zip(cumulative(rows)).zip(rows) {
        if *n >= 0.5 {
            text_right(
                buf,
                area,
                (area.width - 1, y),
                &format!("{:.0}%", share * 100.0),
                cx.theme.fg(Role::Requests),
            );
        }
    }
    let below = Rect { y: area.bottom(), height: 1, ..area };
    text_right(buf, below, (area.width - 1, 0), "CDF", cx.theme.fg(Role::Muted));
}

/// Percentiles at their rows, then peaks where there is room.
fn draw_labels(buf: &mut Buffer, area: Rect, look: &Look<'_>, rows: &[f64], cx: &Cx<'_>) {
    let Some(values) = look.bins().percentiles_ns(LINES) else { return };
    let row = |ns: f64| look.scale.row(ns).unwrap_or(0);
    let wanted = [row(values[2]), row(values[1]), row(values[0])];
    let taken = apart(wanted, area.height);
    let places = wanted.into_iter().zip(taken);
    for ((i, name), (wanted, row)) in [(2, "p99"), (1, "p90"), (0, "p50")].into_iter().zip(places) {
        let words = format!("{}{name} {}", whither(wanted, row), seconds(Some(values[i] / 1e9)));
        text(buf, area, (0, row), &words, cx.theme.bold(INKS[i]));
    }
    let mut taken = taken.to_vec();
    for peak in peaks(rows) {
        let near = [peak as u16, peak as u16 + 1, (peak as u16).saturating_sub(1)];
        let Some(row) = near.into_iter().find(|r| *r < area.height && !taken.contains(r)) else { continue };
        taken.push(row);
        let middle = look.scale.at_ns(1.0 - (peak as f64 + 0.5) / f64::from(look.scale.rows));
        let words = format!("peak {}", seconds(Some(middle / 1e9)));
        text(buf, area, (0, row), &words, cx.theme.fg(Role::Output));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_grow_from_the_bottom_up() {
        let shares = cumulative(&[1.0, 0.0, 3.0, 4.0, 0.0]);
        assert_eq!(shares, [1.0, 0.875, 0.875, 0.5, 0.0]);
        assert_eq!(cumulative(&[0.0, 0.0]), [1.0, 1.0]);
    }
}
