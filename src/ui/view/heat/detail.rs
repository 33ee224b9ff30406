//! Below the map: the figures of the column that is looked at, or of all that is shown, and what shades mean.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use super::super::{Cx, pair};
use super::Look;
use super::plot::{SHADES, colored, ground};
use crate::metrics::{Bins, bucket_start_ns};
use crate::ui::format::{clock, clock_ms, count, seconds};
use crate::ui::theme::Role;
use crate::ui::widget::{panel, text};

pub fn draw(buf: &mut Buffer, area: Rect, look: Option<&Look<'_>>, top: f64, cx: &Cx<'_>) {
    let theme = cx.theme;
    let (title, values) = look.map_or_else(Default::default, |look| (title(look, cx), legend(top, cx)));
    let title = if title.is_empty() { "Shown".to_owned() } else { title };
    let inner = panel(buf, area, &title, &values, theme);
    let Some(look) = look else {
        let words = "figures come with the first request that completes";
        text(buf, inner, (1, 0), words, theme.fg(Role::Muted));
        return;
    };
    if look.bins().total() == 0 {
        let words = format!("no {} in this time", cx.ui.latency.figure.name());
        text(buf, inner, (1, 0), &words, theme.fg(Role::Muted));
    } else {
        figures(buf, inner, look.bins(), cx);
    }
    let mut words: Vec<String> = Vec::new();
    for limit in &look.limits.lines {
        if let Some(share) = look.bins().share_within(limit.ns) {
            words.push(format!("{:5.1} % within {}", share * 100.0, limit.words()));
        }
    }
    words.extend(look.limits.note.clone());
    text(buf, inner, (1, 1), &words.join(" · "), theme.fg(Role::Warn));
    let finest = look.columns.iter().map(|c| c.width_ns).min().unwrap_or(0);
    let coarsest = look.columns.iter().map(|c| c.width_ns).max().unwrap_or(0);
    let wide = |ns: u64| seconds(Some(ns as f64 / 1e9)).trim().to_owned();
    let columns =
        if finest == coarsest { wide(finest) } else { format!("{} to {}", wide(finest), wide(coarsest)) };
    let window = cx.ui.window.seconds();
    let note = match cx.letters().filter(|_| look.others.is_some()) {
        Some([_, other]) => {
            let glyph = pair::GLYPH;
            format!("lines over {window} s · {glyph} {other}'s p50 and p99 · in columns of {columns}")
        }
        None => format!("lines over {window} s · kept in columns of {columns}, lengths within 1.6 %"),
    };
    text(buf, inner, (1, 2), &note, theme.fg(Role::Muted));
}

fn title(look: &Look<'_>, cx: &Cx<'_>) -> String {
    let name = cx.ui.latency.figure.name();
    if let Some(selected) = &look.selected {
        return format!("{name}, {} to {}", clock_ms(selected.from_ns), clock_ms(selected.to_ns));
    }
    let to = look.axis.end_ns().min(cx.snap.at_ns.max(look.axis.from_ns));
    format!("{name}, all shown, {} to {}", clock(look.axis.from_ns), clock(to))
}

/// What the shades stand for: counts at quarters of the way.
fn legend(top: f64, cx: &Cx<'_>) -> Line<'static> {
    let theme = cx.theme;
    let (mut spans, mut last) = (Vec::new(), 0);
    for (i, shade) in SHADES.iter().enumerate() {
        let part = (i as f64 + 1.0) / 4.0;
        let patch = if colored(theme) {
            let mut style = ratatui::style::Style::new();
            style.bg = ground(theme, part);
            Span::styled("  ", style)
        } else {
            Span::styled((*shade).repeat(2), theme.fg(Role::Decode))
        };
        let most = (top.ln_1p() * part).exp_m1().round().max(1.0);
        // A small count has fewer steps than there are shades.
        if most as u64 == std::mem::replace(&mut last, most as u64) {
            continue;
        }
        spans.push(patch);
        spans.push(Span::styled(format!(" {} ", count(most as u64)), theme.fg(Role::Muted)));
    }
    Line::from(spans)
}

fn figures(buf: &mut Buffer, inner: Rect, bins: &Bins, cx: &Cx<'_>) {
    let theme = cx.theme;
    let what = format!("{:>9} {}", count(bins.total()), cx.ui.latency.figure.unit());
    let mut x = text(buf, inner, (0, 0), &what, theme.bold(Role::Text)) + 1;
    let values = bins.percentiles_ns([0.5, 0.9, 0.95, 0.99]);
    let value = |i: usize| seconds(values.map(|v| v[i] / 1e9));
    let end = |bucket: usize| seconds(Some(bucket_start_ns(bucket) as f64 / 1e9));
    let (least, most) =
        bins.range().map_or_else(|| (seconds(None), seconds(None)), |(l, h)| (end(l), end(h + 1)));
    let all = [
        ("p50", value(0)),
        ("p90", value(1)),
        ("p95", value(2)),
        ("p99", value(3)),
        ("max ≤", most),
        ("min ≥", least),
    ];
    for (name, value) in all {
        let width = (name.chars().count() + value.chars().count() + 2) as u16;
        if x + width > inner.width {
            break;
        }
        x = text(buf, inner, (x, 0), name, theme.fg(Role::Muted)) + 1;
        x = text(buf, inner, (x, 0), &value, theme.bold(Role::Text)) + 1;
    }
}
