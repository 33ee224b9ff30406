//! A client's lane: its requests over a window of time, with edges in eighths of a cell.

use std::ops::RangeInclusive;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Modifier, Style};

use super::super::in_flight::{DECODE, PREFILL, QUEUED, WAITING};
use crate::event::Outcome;
use crate::metrics::{LANE_SPANS, Lane};
use crate::ui::format::clock;
use crate::ui::theme::{Role, Theme};
use crate::ui::widget::{text, time_step};

/// The stretch of time that a lane's cells stand for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Window {
    from_ns: u64,
    /// Nanoseconds a cell.
    cell_ns: f64,
    width: u16,
}

impl Window {
    /// The `span_ns` before `to_ns`; from the run's start if it is younger.
    pub(super) fn ending(to_ns: u64, span_ns: u64, width: u16) -> Self {
        let width = width.max(1);
        let cell_ns = (span_ns as f64 / f64::from(width)).max(1.0);
        // Whole cells, so that the picture moves by cells and does not shimmer.
        let cell = cell_ns as u64;
        let to = to_ns.div_ceil(cell.max(1)).saturating_mul(cell.max(1));
        Self { from_ns: to.saturating_sub(span_ns), cell_ns, width }
    }

    /// A time's place in cells, maybe outside.
    fn place(self, at_ns: u64) -> f64 {
        (at_ns as f64 - self.from_ns as f64) / self.cell_ns
    }

    /// The cells of a stretch of time, cut at the edges; `None` if it lies beyond them.
    pub(super) fn columns(self, from_ns: u64, to_ns: u64) -> Option<RangeInclusive<u16>> {
        let last = f64::from(self.width) - 1.0;
        let (from, to) = (self.place(from_ns).max(0.0), self.place(to_ns).min(last));
        (from <= to).then_some(from as u16..=to as u16)
    }
}

/// A stretch of one kind.
#[derive(Clone, Copy)]
struct Piece {
    from: f64,
    to: f64,
    role: Role,
}

fn glyph(role: Role) -> &'static str {
    match role {
        Role::Queued => QUEUED,
        Role::Prefill => PREFILL,
        Role::Waiting => WAITING,
        _ => DECODE,
    }
}

/// Draws a lane on one row.
pub(super) fn draw(buf: &mut Buffer, row: Rect, lane: &Lane, window: Window, theme: &Theme) {
    for x in 0..row.width {
        text(buf, row, (x, 0), " ", theme.base());
    }
    if lane.spans.len() >= LANE_SPANS {
        // What came before is not kept.
        let known = lane.spans.front().map_or(0.0, |span| window.place(span.sent_ns));
        for x in 0..known.clamp(0.0, f64::from(row.width)) as u16 {
            text(buf, row, (x, 0), "·", theme.fg(Role::Muted));
        }
    }
    for span in &lane.spans {
        if window.place(span.finished_ns) < 0.0 || window.place(span.sent_ns) > f64::from(window.width) {
            continue;
        }
        let times = (span.sent_ns, span.prefill_ns, span.first_token_ns, span.finished_ns);
        pieces(times, window, |piece| fill(buf, row, piece, theme));
        if span.outcome != Outcome::Completed && window.place(span.finished_ns) <= f64::from(window.width) {
            let at = window.place(span.finished_ns) as u16;
            let role = if span.outcome == Outcome::Cancelled { Role::Warn } else { Role::Bad };
            text(buf, row, (at.min(window.width - 1), 0), "✗", theme.bold(role));
        }
    }
    if let Some(open) = &lane.current {
        let end = window.from_ns.saturating_add((window.cell_ns * f64::from(window.width)) as u64);
        let until = open.last_token_ns.unwrap_or(end).max(open.sent_ns);
        pieces((open.sent_ns, open.prefill_ns, open.first_token_ns, until), window, |piece| {
            fill(buf, row, piece, theme);
        });
    }
}

/// A request's stretches: queued, prefill, decode; or waiting, decode where prefill isn't known.
fn pieces(times: (u64, Option<u64>, Option<u64>, u64), window: Window, mut each: impl FnMut(Piece)) {
    let (sent, prefill, first, end) = times;
    let mut add = |from: u64, to: u64, role: Role| {
        let (from, to) = (window.place(from).max(0.0), window.place(to).min(f64::from(window.width)));
        if to > from {
            each(Piece { from, to, role });
        }
    };
    let first_or_end = first.unwrap_or(end);
    match prefill {
        Some(prefill) => {
            add(sent, prefill.min(first_or_end), Role::Queued);
            add(prefill, first_or_end, Role::Prefill);
        }
        None => add(sent, first_or_end, Role::Waiting),
    }
    if let Some(first) = first {
        add(first, end, Role::Decode);
    }
}

/// Blocks filled from the left, in eighths.
const LEFT: [&str; 9] = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉", "█"];

/// Fills the cells of a piece. A decode's edges are cut in eighths; other kinds take the cells that they
/// cover by half or more, and one at least.
fn fill(buf: &mut Buffer, row: Rect, piece: Piece, theme: &Theme) {
    let ink = theme.fg(piece.role);
    let mut put = |x: u16, symbol: &str, style: Style| {
        text(buf, row, (x, 0), symbol, style);
    };
    if piece.role != Role::Decode {
        let from = piece.from.round() as u16;
        let to = (piece.to.round() as u16).max(piece.from as u16 + 1);
        for x in from.min(to - 1)..to {
            put(x, glyph(piece.role), ink);
        }
        return;
    }
    let (first, last) = (piece.from as u16, (piece.to.ceil() as u16).saturating_sub(1));
    for x in first..=last {
        let from = ((piece.from - f64::from(x)).clamp(0.0, 1.0) * 8.0).round() as usize;
        let to = ((piece.to - f64::from(x)).clamp(0.0, 1.0) * 8.0).round() as usize;
        if from > 0 && to > from {
            // The left part is bare: the block is drawn in reverse.
            put(x, LEFT[from.min(7)], ink.add_modifier(Modifier::REVERSED));
        } else if from == 0 && to > 0 {
            put(x, LEFT[to], ink);
        }
    }
}

/// Interventions and phases, where no request is drawn. Marks: seconds, glyph, style.
pub(super) fn marks(buf: &mut Buffer, area: Rect, window: Window, marks: &[(f64, &'static str, Style)]) {
    for (at_s, glyph, style) in marks {
        let x = window.place((at_s * 1e9) as u64);
        if !(0.0..f64::from(window.width)).contains(&x) {
            continue;
        }
        for y in 0..area.height {
            let blank = buf.cell((area.x + x as u16, area.y + y)).is_some_and(|cell| cell.symbol() == " ");
            if blank {
                text(buf, area, (x as u16, y), glyph, *style);
            }
        }
    }
}

/// The time axis below the lanes.
pub(super) fn axis(buf: &mut Buffer, area: Rect, window: Window, theme: &Theme) {
    let span_s = window.cell_ns * f64::from(window.width) / 1e9;
    let step = time_step(span_s, usize::from(window.width / 12).max(1));
    let mut at = (window.from_ns as f64 / 1e9 / step).ceil() * step;
    while at * 1e9 <= window.from_ns as f64 + span_s * 1e9 {
        let x = window.place((at * 1e9) as u64) as u16;
        let label = format!("╵{}", clock((at * 1e9) as u64));
        if x + label.chars().count() as u16 <= area.width {
            text(buf, area, (x, 0), &label, theme.fg(Role::Muted));
        }
        at += step;
    }
}

/// A glyph on the time axis, where its time is on it.
pub(super) fn tick(buf: &mut Buffer, area: Rect, window: Window, (at_ns, glyph, style): (u64, &str, Style)) {
    let place = window.place(at_ns);
    if (0.0..f64::from(window.width)).contains(&place) {
        text(buf, area, (place as u16, 0), glyph, style);
    }
}
