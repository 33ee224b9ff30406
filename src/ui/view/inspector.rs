//! One request: its times, its gaps token by token, its text, why it failed.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::Line;

use super::requests::verdict;
use super::{Cx, Hits, rows};
use crate::metrics::RequestRecord;
use crate::ui::format::{UNKNOWN, clock_ms, count, nanos, seconds};
use crate::ui::sanitize;
use crate::ui::theme::Role;
use crate::ui::widget::{focused, panel, text, text_right};

pub(super) fn draw(buf: &mut Buffer, area: Rect, cx: &Cx<'_>, hits: &mut Hits) {
    let Some(record) = &cx.ui.requests.open else { return };
    let [times, gaps, words] = rows(area, [7, (area.height / 3).max(5), 0]);
    draw_times(buf, times, record, cx);
    draw_gaps(buf, gaps, record, cx);
    draw_text(buf, words, record, cx, hits);
}

fn draw_times(buf: &mut Buffer, area: Rect, record: &RequestRecord, cx: &Cx<'_>) {
    let theme = cx.theme;
    let (mark, role) = verdict(record.outcome);
    let outcome = Line::styled(format!("{mark} {}", record.outcome.name()), theme.bold(role));
    let title = format!("Request #{} of client {}", record.request, record.client);
    let inner = panel(buf, area, &title, &outcome, theme);
    let at = |ns: Option<u64>| ns.map_or_else(|| UNKNOWN.to_owned(), clock_ms);
    let known = cx.snap.knows_schedule();
    let tokens = |n: u32| count(n.into());
    let table = [
        [
            ("scheduled", at(known.then_some(record.scheduled_ns))),
            ("send lag", nanos(cx.snap.send_lag_ns(record))),
        ],
        [("sent", at(Some(record.sent_ns))), ("TTFT", nanos(record.ttft_ns()))],
        [
            ("prefill", at(record.prefill_ns)),
            ("TTFT corrected", nanos(record.ttft_corrected_ns().filter(|_| known))),
        ],
        [
            ("first token", at(record.chunk_at_ns.first().copied())),
            ("TPOT", nanos(record.tpot_ns().map(|v| v as u64))),
        ],
        [("finished", at(Some(record.finished_ns))), ("E2E", nanos(record.e2e_ns()))],
    ];
    let third = [
        ("prompt tokens", tokens(record.prompt_tokens)),
        ("output tokens", tokens(record.output_tokens)),
        ("asked for", tokens(record.max_tokens)),
        ("chunks", count(record.chunk_at_ns.len() as u64)),
        ("counted by", record.counted_by.name().to_owned()),
    ];
    for (y, (pair, last)) in (0u16..).zip(table.into_iter().zip(third)) {
        let cells = pair.into_iter().chain([last]).zip([(1, 25), (29, 52), (56, 76)]);
        for ((label, value), (left, right)) in cells.filter(|(_, (_, right))| *right < inner.width) {
            text(buf, inner, (left, y), label, theme.fg(Role::Muted));
            text_right(buf, inner, (right, y), &value, theme.fg(Role::Text));
        }
    }
}

/// Gaps between chunks, `(chunk, seconds)`.
fn gaps(record: &RequestRecord) -> Vec<f64> {
    record.chunk_at_ns.windows(2).map(|w| w[1].saturating_sub(w[0]) as f64 / 1e9).collect()
}

fn draw_gaps(buf: &mut Buffer, area: Rect, record: &RequestRecord, cx: &Cx<'_>) {
    let theme = cx.theme;
    let gaps = gaps(record);
    let mut sorted = gaps.clone();
    sorted.sort_by(f64::total_cmp);
    let median = sorted.get(sorted.len() / 2).copied();
    let longest = (0..gaps.len()).max_by(|a, b| gaps[*a].total_cmp(&gaps[*b]));
    let title = match longest {
        Some(i) => format!(
            "median {}  longest {} before chunk {}",
            seconds(median).trim(),
            seconds(Some(gaps[i])).trim(),
            i + 2
        ),
        None => "fewer than two chunks".to_owned(),
    };
    let inner = panel(buf, area, "Gaps, chunk by chunk", &Line::styled(title, theme.fg(Role::Muted)), theme);
    let (Some(longest), true) = (longest, inner.height >= 2 && inner.width > 12) else { return };
    let top = gaps[longest].max(1e-9);
    let plot = Rect { x: inner.x + 9, width: inner.width - 10, height: inner.height - 1, ..inner };
    text_right(buf, inner, (8, 0), &seconds(Some(top)), theme.fg(Role::Muted));
    let width = usize::from(plot.width).min(gaps.len().max(1));
    for x in 0..width {
        let from = x * gaps.len() / width;
        let to = ((x + 1) * gaps.len() / width).max(from + 1);
        let worst = gaps[from..to].iter().copied().fold(0.0, f64::max);
        let role = if median.is_some_and(|m| worst > 3.0 * m) { Role::Warn } else { Role::Decode };
        column(buf, plot, x as u16, worst / top, theme.fg(role));
    }
    let scale = format!("chunk 2 … {}", gaps.len() + 1);
    text(buf, inner, (9, inner.height - 1), &scale, theme.fg(Role::Muted));
}

/// A column filled from below to `part` of the area's height.
fn column(buf: &mut Buffer, plot: Rect, x: u16, part: f64, style: ratatui::style::Style) {
    const BELOW: [&str; 9] = [" ", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"];
    let eighths = ((part * f64::from(plot.height) * 8.0).round() as usize).max(1);
    for y in 0..plot.height {
        let here = eighths.saturating_sub(usize::from(plot.height - 1 - y) * 8).min(8);
        text(buf, plot, (x, y), BELOW[here], style);
    }
}

fn draw_text(buf: &mut Buffer, area: Rect, record: &RequestRecord, cx: &Cx<'_>, hits: &mut Hits) {
    let theme = cx.theme;
    let hint = Line::styled("Esc closes", theme.fg(Role::Muted));
    let inner = focused(buf, area, "Text", &hint, theme);
    let width = usize::from(inner.width.saturating_sub(2));
    let mut lines = Vec::new();
    if let Some(error) = &record.error {
        lines.extend(sanitize::wrap(error, width).into_iter().map(|l| (l, theme.bold(Role::Bad))));
    }
    if let Some(words) = &record.text {
        lines.extend(sanitize::wrap(words, width).into_iter().map(|l| (l, theme.fg(Role::Text))));
    } else {
        let why = "not kept: set record.text = true to see what was generated".to_owned();
        lines.push((why, theme.fg(Role::Muted)));
    }
    let page = usize::from(inner.height);
    let offset = cx.ui.requests.scroll.min(lines.len().saturating_sub(page));
    hits.page = page;
    hits.offset = offset;
    for (y, (line, style)) in (0u16..).zip(lines.iter().skip(offset)).take(page) {
        text(buf, inner, (1, y), line, *style);
    }
}
