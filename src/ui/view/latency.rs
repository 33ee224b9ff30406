//! The latency table: percentiles a row, and the distribution's shape.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::Line;

use super::Cx;
use crate::metrics::{Definitions, SpanView, Summary};
use crate::ui::format::{UNKNOWN, clock, count, rate, seconds};
use crate::ui::sanitize;
use crate::ui::theme::Role;
use crate::ui::widget::{histogram, panel, text, text_right};

/// Rows: label and figures. A tool has no corrected ones, and maybe no TPOT.
fn summaries<'a>(cx: &Cx<'a>, room: usize) -> Vec<(&'static str, Option<&'a Summary>)> {
    if let Some(s) = chosen(cx) {
        let rows = [("TTFT", &s.ttft), ("ITL", &s.itl), ("TPOT", &s.tpot), ("E2E", &s.e2e)];
        return rows.into_iter().take(room).map(|(name, s)| (name, Some(s))).collect();
    }
    if cx.ui.definitions == Definitions::Own {
        return own(cx, room).into_iter().map(|(name, s)| (name, Some(s))).collect();
    }
    let told = cx.snap.told(cx.ui.definitions);
    let rows =
        [("TTFT", Some(told.ttft)), ("ITL", Some(told.itl)), ("TPOT", told.tpot), ("E2E", Some(told.e2e))];
    rows.into_iter().take(room).collect()
}

/// The span between interventions that was chosen, if it is still kept.
fn chosen<'a>(cx: &Cx<'a>) -> Option<&'a SpanView> {
    let at = cx.snap.spans.len().checked_sub(cx.ui.span? + 1)?;
    Some(&cx.snap.spans[at])
}

/// When a span is and what it began with: `since 0:42 (16 to 24 clients)`.
fn named(span: &SpanView, words: bool) -> String {
    let from = clock(span.cut.at_ns);
    let when = span.end_ns.map_or_else(|| format!("since {from}"), |end| format!("{from} to {}", clock(end)));
    if !words {
        return when;
    }
    let what: String = sanitize::line(&span.cut.words).chars().take(WORDS).collect();
    format!("{when} ({what})")
}

/// Most characters of what a span began with: a mark's note may be long.
const WORDS: usize = 24;

/// Our own rows: plain and corrected.
fn own<'a>(cx: &Cx<'a>, room: usize) -> Vec<(&'static str, &'a Summary)> {
    let l = &cx.snap.latency;
    let mut rows = vec![
        ("TTFT", &l.ttft),
        ("TTFT corrected", &l.ttft_corrected),
        ("ITL", &l.itl),
        ("TPOT", &l.tpot),
        ("E2E", &l.e2e),
        ("E2E corrected", &l.e2e_corrected),
        ("send lag", &l.send_lag),
    ];
    if rows.len() > room {
        rows.pop();
    }
    if rows.len() > room {
        // Corrected rows that say the same as the plain ones make room.
        let same = |a: &Summary, b: &Summary| a.p50 == b.p50 && a.p99 == b.p99 && a.max == b.max;
        let (ttft, e2e) = (same(&l.ttft, &l.ttft_corrected), same(&l.e2e, &l.e2e_corrected));
        rows.retain(|(name, _)| !(ttft && *name == "TTFT corrected" || e2e && *name == "E2E corrected"));
    }
    rows.truncate(room);
    rows
}

/// Width of a column of times, with the space before it.
const CELL: u16 = 9;
const LABEL: u16 = 15;

/// Title and values: whose definitions hold, and what throughput is by them.
fn heading(cx: &Cx<'_>, width: u16) -> (String, String) {
    let of = cx.ui.definitions;
    if let Some(span) = chosen(cx) {
        let over = span.seconds(cx.snap.at_ns);
        let a_second = |n: u64| rate((over > 0.0).then(|| n as f64 / over));
        let (requests, output) = (a_second(span.completed), a_second(span.output_tokens));
        let values =
            format!("{} req/s · {} tok/s · {} ok", requests.trim(), output.trim(), count(span.completed));
        return (format!("Latency {}", named(span, true)), values);
    }
    if of == Definitions::Own {
        let requests = format!("{} completed requests", count(cx.snap.latency.e2e.count));
        let hint = cx.snap.spans.last().map(|span| format!("i: {} · ", named(span, width >= 90)));
        return ("Latency".to_owned(), hint.unwrap_or_default() + &requests);
    }
    let told = cx.snap.told(of);
    let over = told.seconds.map_or_else(|| UNKNOWN.to_owned(), |s| format!("{s:.1}"));
    let requests = rate(told.requests_per_s);
    let output = rate(told.output_tokens_per_s);
    let values = if width >= 90 {
        let total = rate(told.total_tokens_per_s);
        format!("{requests} req/s · {output} output tok/s · {total} total tok/s over {over} s")
    } else {
        format!("{requests} req/s {output} tok/s over {over} s")
    };
    (format!("Latency, as {}", of.name()), values)
}

pub(super) fn draw(buf: &mut Buffer, area: Rect, cx: &Cx<'_>) {
    let theme = cx.theme;
    let muted = theme.fg(Role::Muted);
    let (title, values) = heading(cx, area.width);
    let inner = panel(buf, area, &title, &Line::styled(values, muted), theme);
    if inner.height < 2 {
        return;
    }
    let heads = ["p50", "p90", "p95", "p99", "max"];
    for (x, head) in (0u16..).zip(heads) {
        text_right(buf, inner, (LABEL + CELL * (x + 1) - 3, 0), head, muted);
    }
    let shape = LABEL + CELL * 5 + 2;
    let room = inner.width.saturating_sub(shape);
    // Ends of the histogram are labelled where there is room for both and a shape between.
    let labelled = room >= 36;
    if room >= 8 {
        let head = match room {
            40.. => "    min  distribution (log scale)",
            _ if labelled => "    min  log scale",
            _ => "log scale",
        };
        text(buf, inner, (shape, 0), head, muted);
        if labelled {
            text_right(buf, inner, (inner.width - 4, 0), "max", muted);
        }
    }
    for (y, (name, s)) in (1u16..).zip(summaries(cx, usize::from(inner.height - 1))) {
        let style = if name.contains(' ') { muted } else { theme.bold(Role::Text) };
        text(buf, inner, (1, y), name, style);
        let percentiles = s.map_or([None; 5], |s| [s.p50, s.p90, s.p95, s.p99, s.max]);
        for (x, value) in (0u16..).zip(percentiles) {
            let style = if x == 0 { theme.bold(Role::Text) } else { theme.fg(Role::Text) };
            text_right(buf, inner, (LABEL + CELL * (x + 1), y), &seconds(value), style);
        }
        let Some(s) = s.filter(|s| room >= 8 && !s.buckets.is_empty()) else { continue };
        let ink = theme.fg(Role::Output);
        let bar = Rect { x: inner.x + shape, y: inner.y + y, width: room.saturating_sub(1), height: 1 };
        if labelled {
            text(buf, inner, (shape, y), &seconds(s.min), muted);
            text_right(buf, inner, (inner.width - 1, y), &seconds(s.max), muted);
            let width = (room - 19).min(72);
            histogram(buf, Rect { x: bar.x + 9, width, ..bar }, &s.buckets, ink);
        } else {
            histogram(buf, bar, &s.buckets, ink);
        }
    }
}
