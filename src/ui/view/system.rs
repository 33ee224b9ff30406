//! Screen 6: the engine's, the host's and the GPUs' figures over time, each on the time axis of the output tokens.
//!
//! ```text
//!   output tokens/s   always on top             │ figures of the
//!   running, waiting, KV cache, …               │ newest readings
//!   host CPU, memory, GPU utilisation, …        │ (where there is
//!   time axis of them all                       │ room: `vitals`)
//! ```

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use unicode_width::UnicodeWidthStr as _;

use super::{Cx, Hits, header, range, vitals};
use crate::ui::theme::Role;
use crate::ui::tracks::{self, Owner, Track, shown};
use crate::ui::widget::{Chart, Mark, panel, text};
use crate::ui::{sanitize, search};

/// From this width on there is room for figures beside the lines.
const BESIDE: u16 = 110;
/// Fewest and most rows of a track, its title among them.
const LOWEST: u16 = 3;
const TALLEST: u16 = 9;

pub(super) fn draw(buf: &mut Buffer, area: Rect, cx: &Cx<'_>, hits: &mut Hits) {
    let side = match area.width {
        ..BESIDE => 0,
        BESIDE..160 => 38,
        _ => 48,
    };
    let left = Rect { width: area.width - side, ..area };
    let all = tracks::tracks(cx.snap);
    draw_tracks(buf, left, &all, cx, hits);
    if side > 0 {
        vitals::draw(buf, Rect { x: left.right(), width: side, ..area }, cx);
    }
}

/// The stretch of time that is shown, seconds.
#[derive(Clone, Copy)]
struct Window {
    from_s: f64,
    to_s: f64,
}

impl Window {
    fn of(cx: &Cx<'_>) -> Self {
        let end_s = cx.snap.series.last().map_or(0.0, |p| (p.second + 1) as f64);
        let start_s = cx.snap.series.first().map_or(0.0, |p| p.second as f64);
        let span_s = f64::from(cx.ui.span_s(end_s - start_s));
        let from_s = (end_s - span_s).max(start_s);
        Self { from_s, to_s: end_s.max(from_s + 10.0) }
    }
}

fn draw_tracks(buf: &mut Buffer, area: Rect, all: &[Track], cx: &Cx<'_>, hits: &mut Hits) {
    let window = Window::of(cx);
    let marks: Vec<Mark> =
        header::marks(cx).into_iter().map(|(at_s, glyph, style)| Mark { at_s, glyph, style }).collect();
    let room = area.height.saturating_sub(1);
    let tall = (room / all.len().max(1) as u16).clamp(LOWEST, TALLEST);
    let fitting = usize::from(room / tall).max(1);
    let below = all.len() - 1;
    let rows = fitting - 1;
    let offset = cx.ui.system.min(below.saturating_sub(rows));
    hits.page = rows.max(1);
    hits.offset = offset;
    let shown_now = all[..1].iter().chain(all[1..].iter().skip(offset).take(rows));
    let count = 1 + rows.min(below);
    // What is left over goes to the first, if nothing else is to come.
    let others = tall * (count as u16 - 1);
    let first = room.saturating_sub(others).min(if below == 0 { room } else { TALLEST + tall });
    let mut y = area.y;
    for (i, track) in shown_now.enumerate() {
        let height = if i == 0 { first } else { tall }.min(area.bottom().saturating_sub(y));
        draw_track(buf, Rect { y, height, ..area }, track, (window, &marks), cx);
        y += height;
    }
    if below == 0 && room > 2 {
        text(buf, area, (8, room / 2), "no readings of engine, host or GPUs yet", cx.theme.fg(Role::Muted));
    }
    let axis = Rect { y, height: 1, ..area };
    if y < area.bottom() {
        let chart = Chart {
            points: &[],
            behind: &[],
            from_s: window.from_s,
            to_s: window.to_s,
            marks: &marks,
            shaded: range::stretch_s(cx),
            ink: cx.theme.base(),
        };
        chart.draw_x(buf, axis, cx.theme);
        let hidden = hidden(offset, below.saturating_sub(offset + rows));
        text(buf, axis, (0, 0), &hidden, cx.theme.bold(Role::Accent));
    }
}

/// How many tracks are out of sight above and below, in at most five columns.
fn hidden(above: usize, below: usize) -> String {
    let word = |glyph: &str, n: usize| if n == 0 { String::new() } else { format!("{glyph}{n}") };
    word("↑", above) + &word("↓", below)
}

fn draw_track(buf: &mut Buffer, area: Rect, track: &Track, axis: (Window, &[Mark]), cx: &Cx<'_>) {
    let theme = cx.theme;
    let (window, marks) = axis;
    if area.height == 0 {
        return;
    }
    let role = match track.owner {
        Owner::Load => Role::Output,
        Owner::Engine => Role::Decode,
        Owner::Host => Role::Requests,
        Owner::Gpu(_) => Role::Prefill,
    };
    let value = |value| format!("{:>11}", shown(value, track.unit));
    let muted = theme.fg(Role::Muted);
    let values = Line::from(vec![
        Span::styled(value(track.now), theme.bold(role)),
        Span::styled(format!(" {}", cx.newest()), muted),
        Span::styled(format!("{} peak", value(track.peak(window.from_s))), muted),
    ]);
    let head = Rect { height: 1, ..area };
    panel(buf, head, &track.title, &values, theme);
    let from = track.title.width() as u16 + 4;
    if track.owner != Owner::Load {
        search::highlight(buf, Rect { width: from.min(head.width), ..head }, &cx.ui.search);
    }
    let searched = (track.owner == Owner::Load)
        .then(|| search::told(&cx.ui.search, &search::matches(cx.snap, cx.ui), usize::MAX))
        .flatten();
    let words = searched.unwrap_or_else(|| words(track, cx));
    let end = area.width.saturating_sub(values.width() as u16 + 4);
    if !words.is_empty() && from + (words.width() as u16) + 2 <= end {
        text(buf, head, (from, 0), &format!(" {} ", sanitize::line(&words)), muted);
    }
    let first = track.points.partition_point(|(at, _)| *at < window.from_s);
    let chart = Chart {
        points: &track.points[first..],
        behind: &[],
        from_s: window.from_s,
        to_s: window.to_s,
        marks,
        shaded: range::stretch_s(cx),
        ink: theme.fg(role),
    };
    let plot = Rect { y: area.y + 1, height: area.height - 1, ..area };
    chart.draw_bare(buf, plot, least_top(track), theme);
}

/// The axis' least end: a count that stays at nought has no thousandths.
fn least_top(track: &Track) -> f64 {
    if track.unit.is_empty() { track.least_top.max(1.0) } else { track.least_top }
}

/// What stands beside a track's title where there is no room for all figures.
fn words(track: &Track, cx: &Cx<'_>) -> String {
    let sample = cx.snap.sample.as_deref();
    match track.owner {
        Owner::Load => tracks::energy_j_per_token(cx.snap)
            .map_or_else(String::new, |joules| format!("{} per token", shown(Some(joules), "J"))),
        Owner::Host if track.unit == "%" => {
            sample.map_or_else(String::new, |sample| vitals::cores(&sample.core_percent, 32))
        }
        Owner::Gpu(_) => track.words.clone(),
        Owner::Host | Owner::Engine => String::new(),
    }
}
