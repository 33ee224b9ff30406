//! The selected range of a replay: its ends on time axes, and its exact figures as a panel over the screen's foot.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::Line;

use super::{Cx, bare};
use crate::ui::format::{count, rate, seconds};
use crate::ui::range::{Range, StageFigures};
use crate::ui::sanitize;
use crate::ui::theme::Role;
use crate::ui::widget::{panel, text, text_right};

/// Glyphs of its beginning and its end.
pub(super) const EDGES: [&str; 2] = ["[", "]"];
/// Rows of a stage: two of counts and rates, heads, four latencies.
const STAGE: u16 = 7;
/// Columns of a latency's name, and of a time.
const LABEL: u16 = 9;
const CELL: u16 = 9;
const WIDEST: u16 = 80;

/// Beginning and end on the clock of what is shown, nanoseconds.
pub(super) fn edges(cx: &Cx<'_>) -> [Option<u64>; 2] {
    if cx.pic.transport.is_none() {
        return [None; 2];
    }
    let range = cx.ui.range;
    [range.from_ns, range.to_ns].map(|at| at.and_then(|ns| cx.shown_ns(ns)))
}

/// The range on the clock of what is shown, nanoseconds; an end that isn't set is the recording's.
pub(super) fn stretch(cx: &Cx<'_>) -> Option<(u64, u64)> {
    let range = cx.ui.range.within(cx.pic.transport?.length_ns)?;
    Some((cx.shown_ns(range.from_ns).unwrap_or(0), cx.shown_ns(range.to_ns)?))
}

/// [`stretch`] in seconds.
pub(super) fn stretch_s(cx: &Cx<'_>) -> Option<(f64, f64)> {
    stretch(cx).map(|(from_ns, to_ns)| (from_ns as f64 / 1e9, to_ns as f64 / 1e9))
}

/// The ends as ticks for time axes.
pub(super) fn marks(cx: &Cx<'_>) -> Vec<(f64, &'static str, Style)> {
    let style = cx.theme.bold(Role::Accent);
    let ends = edges(cx).into_iter().zip(EDGES);
    ends.filter_map(|(at, glyph)| Some((at? as f64 / 1e9, glyph, style))).collect()
}

/// Draws the range on the transport bar.
pub(super) fn draw_bar(buf: &mut Buffer, bar: Rect, cx: &Cx<'_>, column: impl Fn(f64) -> u16) {
    let Some(range) = cx.pic.transport.and_then(|at| cx.ui.range.within(at.length_ns)) else { return };
    let ink = cx.theme.bold(Role::Accent);
    let (from, to) = (column(range.from_ns as f64), column(range.to_ns as f64));
    text(buf, bar, (from, 0), &"═".repeat(usize::from(to.saturating_sub(from))), ink);
    for ((x, glyph), set) in [from, to].into_iter().zip(EDGES).zip([cx.ui.range.from_ns, cx.ui.range.to_ns]) {
        if set.is_some() {
            text(buf, bar, (x, 0), glyph, ink);
        }
    }
}

/// Draws the panel at the foot of the body, if it is wanted.
pub(super) fn draw(buf: &mut Buffer, body: Rect, cx: &Cx<'_>) {
    let range = cx.pic.transport.and_then(|at| cx.ui.range.within(at.length_ns));
    let Some(range) = range.filter(|_| cx.ui.range.shown) else { return };
    let measured = cx.pic.measured.filter(|measured| measured.range == range).map(|m| &m.stages);
    let stages = match measured {
        Some(Ok(stages)) => stages.as_slice(),
        _ => &[],
    };
    let fitting = (body.height.saturating_sub(2) / STAGE).max(1);
    let rows = match stages.len() as u16 {
        0 => 1,
        n if n <= fitting => n * STAGE,
        _ => (fitting * STAGE + 1).min(body.height.saturating_sub(2)),
    };
    let (width, height) = (body.width.min(WIDEST), (rows + 2).min(body.height));
    let over = Rect { x: body.x + (body.width - width) / 2, y: body.bottom() - height, width, height };
    let inner = frame(buf, over, range, cx);
    match measured {
        None => drop(text(buf, inner, (1, 0), "computing…", cx.theme.fg(Role::Muted))),
        Some(Err(why)) => drop(text(buf, inner, (1, 0), &sanitize::line(why), cx.theme.fg(Role::Warn))),
        Some(Ok(_)) => draw_stages(buf, inner, stages, fitting, cx),
    }
}

fn frame(buf: &mut Buffer, over: Rect, range: Range, cx: &Cx<'_>) -> Rect {
    bare(buf, over, cx.theme);
    let whose = if cx.pic.other.is_some() { "Range of A" } else { "Range" };
    let keys = Line::styled("e exports · r hides · \\ clears", cx.theme.fg(Role::Muted));
    panel(buf, over, &format!("{whose} {}", range.words()), &keys, cx.theme)
}

fn draw_stages(buf: &mut Buffer, inner: Rect, stages: &[StageFigures], fitting: u16, cx: &Cx<'_>) {
    let mut rest = inner;
    for stage in stages.iter().take(usize::from(fitting)) {
        draw_stage(buf, rest, stage, cx);
        let used = STAGE.min(rest.height);
        rest = Rect { y: rest.y + used, height: rest.height - used, ..rest };
    }
    let more = stages.len().saturating_sub(usize::from(fitting));
    if more > 0 && rest.height > 0 {
        let words = format!("{more} more stages: `fastgen-tui report FILE --from … --to …` tells all");
        text(buf, rest, (1, 0), &words, cx.theme.fg(Role::Muted));
    }
}

fn draw_stage(buf: &mut Buffer, area: Rect, stage: &StageFigures, cx: &Cx<'_>) {
    let (muted, bold) = (cx.theme.fg(Role::Muted), cx.theme.bold(Role::Text));
    let cancelled =
        if stage.cancelled > 0 { format!(", {} cancelled", stage.cancelled) } else { String::new() };
    let x = text(buf, area, (1, 0), &sanitize::line(&stage.name), bold);
    let counts = format!(
        "{:.3} s: {} requests completed, {} came, {} failed{cancelled}",
        stage.seconds,
        count(stage.completed),
        count(stage.scheduled),
        count(stage.failed)
    );
    text(buf, area, (x + 1, 0), &counts, cx.theme.fg(Role::Text));
    let mut x = 1;
    let tokens = |n: u64| format!("({})", count(n));
    for (value, unit, of) in [
        (stage.requests_per_s, "req/s", String::new()),
        (stage.output_per_s, "out tok/s", tokens(stage.output_tokens)),
        (stage.input_per_s, "in tok/s", tokens(stage.input_tokens)),
        (stage.in_flight, "in flight", String::new()),
    ] {
        x = text(buf, area, (x, 1), rate(value).trim(), bold);
        x = text(buf, area, (x + 1, 1), &format!("{unit} {of}"), muted) + 2;
    }
    for (i, head) in (1u16..).zip(["mean", "p50", "p90", "p95", "p99", "max"]) {
        text_right(buf, area, (LABEL + CELL * i - 3, 2), head, muted);
    }
    text_right(buf, area, (LABEL + CELL * 7 - 1, 2), "count", muted);
    for (y, row) in (3u16..).zip(&stage.latencies) {
        text(buf, area, (1, y), row.name, bold);
        for (i, value) in (1u16..).zip(row.values) {
            text_right(buf, area, (LABEL + CELL * i, y), &seconds(value), cx.theme.fg(Role::Text));
        }
        text_right(buf, area, (LABEL + CELL * 7 - 1, y), &count(row.count), muted);
    }
}
