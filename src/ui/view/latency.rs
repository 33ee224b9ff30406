//! The latency table: percentiles a row, and the distribution's shape.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::Line;

use super::{Cx, pair};
use crate::metrics::{Definitions, Snapshot, SpanView, Summary};
use crate::ui::format::{UNKNOWN, clock, count, rate, seconds};
use crate::ui::sanitize;
use crate::ui::theme::Role;
use crate::ui::widget::{histogram, panel, text, text_right};

/// Rows: label and figures. A tool has no corrected ones, and maybe no TPOT.
fn summaries(snap: &Snapshot, of: Definitions, room: usize) -> Vec<(&'static str, Option<&Summary>)> {
    if of == Definitions::Own {
        return own(snap, room);
    }
    let told = snap.told(of);
    let rows =
        [("TTFT", Some(told.ttft)), ("ITL", Some(told.itl)), ("TPOT", told.tpot), ("E2E", Some(told.e2e))];
    rows.into_iter().take(room).collect()
}

/// A span's rows.
fn spanned(span: &SpanView, room: usize) -> Vec<(&'static str, Option<&Summary>)> {
    let rows = [("TTFT", &span.ttft), ("ITL", &span.itl), ("TPOT", &span.tpot), ("E2E", &span.e2e)];
    rows.into_iter().take(room).map(|(name, s)| (name, Some(s))).collect()
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
fn own(snap: &Snapshot, room: usize) -> Vec<(&'static str, Option<&Summary>)> {
    let l = &snap.latency;
    let mut rows = snap.latencies();
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

/// The percentiles with their places in the narrow table; those without one give way.
const HEADS: [(&str, Option<u16>); 5] =
    [("p50", Some(0)), ("p90", None), ("p95", None), ("p99", Some(1)), ("max", Some(2))];
/// From this width on there is room for another recording's beside all of ours.
const ROOMY: u16 = 116;

/// What stands where.
struct Layout {
    /// The table beside another recording's, or on the narrowest terminal, has fewer percentiles.
    narrow: bool,
    /// Where the other recording's columns begin.
    beside: Option<u16>,
    /// Where the distribution begins, and how many columns it has.
    shape: u16,
    room: u16,
}

impl Layout {
    fn of(width: u16, pair: bool) -> Self {
        let narrow = pair && width < ROOMY || width < LABEL + CELL * 5;
        let table = LABEL + CELL * if narrow { 3 } else { 5 };
        let shape = if pair { table + pair::COLUMNS } else { table } + 2;
        Self { narrow, beside: pair.then_some(table), shape, room: width.saturating_sub(shape) }
    }

    /// The place of a percentile.
    fn place(&self, i: u16, narrow: Option<u16>) -> Option<u16> {
        if self.narrow { narrow } else { Some(i) }
    }

    /// Ends of the histogram are labelled where there is room for both and a shape between.
    fn labelled(&self) -> bool {
        self.room >= 36
    }
}

pub(super) fn draw(buf: &mut Buffer, area: Rect, cx: &Cx<'_>) {
    let theme = cx.theme;
    let muted = theme.fg(Role::Muted);
    let (title, values) = heading(cx, area.width);
    let inner = panel(buf, area, &title, &Line::styled(values, muted), theme);
    if inner.height < 2 {
        return;
    }
    let layout = Layout::of(inner.width, cx.pic.other.is_some());
    draw_heads(buf, inner, &layout, cx);
    let of = cx.ui.definitions;
    // The other's rows are found by their names: it may have more of them.
    let others = cx.pic.other.map(|other| summaries(other.snap, of, usize::MAX)).unwrap_or_default();
    let room = usize::from(inner.height - 1);
    let rows = chosen(cx).map_or_else(|| summaries(cx.snap, of, room), |span| spanned(span, room));
    for (y, (name, s)) in (1u16..).zip(rows) {
        let style = if name.contains(' ') { muted } else { theme.bold(Role::Text) };
        text(buf, inner, (1, y), name, style);
        let percentiles = s.map_or([None; 5], |s| [s.p50, s.p90, s.p95, s.p99, s.max]);
        for (i, (value, (_, narrow))) in (0u16..).zip(percentiles.into_iter().zip(HEADS)) {
            let Some(x) = layout.place(i, narrow) else { continue };
            let style = if i == 0 { theme.bold(Role::Text) } else { theme.fg(Role::Text) };
            text_right(buf, inner, (LABEL + CELL * (x + 1), y), &seconds(value), style);
        }
        if let Some(x) = layout.beside {
            let other = others.iter().find(|(named, _)| *named == name).and_then(|(_, s)| *s);
            pair::row(buf, inner, (x, y), (s, other), cx);
        }
        if let Some(s) = s.filter(|s| layout.room >= 8 && !s.buckets.is_empty()) {
            draw_shape(buf, Rect { y: inner.y + y, height: 1, ..inner }, s, &layout, cx);
        }
    }
}

fn draw_heads(buf: &mut Buffer, inner: Rect, layout: &Layout, cx: &Cx<'_>) {
    let muted = cx.theme.fg(Role::Muted);
    for (i, (head, narrow)) in (0u16..).zip(HEADS) {
        if let Some(x) = layout.place(i, narrow) {
            text_right(buf, inner, (LABEL + CELL * (x + 1) - 3, 0), head, muted);
        }
    }
    if let Some(x) = layout.beside {
        pair::heads(buf, inner, x, cx);
    }
    if layout.room >= 8 {
        let head = match layout.room {
            40.. => "    min  distribution (log scale)",
            _ if layout.labelled() => "    min  log scale",
            _ => "log scale",
        };
        text(buf, inner, (layout.shape, 0), head, muted);
        if layout.labelled() {
            text_right(buf, inner, (inner.width - 4, 0), "max", muted);
        }
    }
}

/// The distribution of a row.
fn draw_shape(buf: &mut Buffer, row: Rect, s: &Summary, layout: &Layout, cx: &Cx<'_>) {
    let (ink, muted) = (cx.theme.fg(Role::Output), cx.theme.fg(Role::Muted));
    let bar = Rect { x: row.x + layout.shape, width: layout.room.saturating_sub(1), ..row };
    if layout.labelled() {
        text(buf, row, (layout.shape, 0), &seconds(s.min), muted);
        text_right(buf, row, (row.width - 1, 0), &seconds(s.max), muted);
        let width = (layout.room - 19).min(72);
        histogram(buf, Rect { x: bar.x + 9, width, ..bar }, &s.buckets, ink);
    } else {
        histogram(buf, bar, &s.buckets, ink);
    }
}
