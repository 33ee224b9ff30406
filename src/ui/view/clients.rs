//! Screen 3: one row a client, time running right: queued, prefill, decode in their own glyphs. An open loop has a row
//! for each place that a request took while it was in flight, the lowest free one.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use super::in_flight::{DECODE, PREFILL, QUEUED, WAITING};
use super::requests::{short, verdict};
use super::{Cx, Hits, Target, header};
use crate::metrics::{Lane, Open};
use crate::ui::format::{clock, count, nanos, rate, seconds};
use crate::ui::state::scroll;
use crate::ui::theme::Role;
use crate::ui::widget::{focused, panel, shade, shade_axis, text, text_right};
use crate::ui::{rows, sanitize, search};

mod strip;

/// Columns left of the lanes: number, state, done, failed, tokens a second.
const TABLE: u16 = 38;

pub(super) fn draw(buf: &mut Buffer, area: Rect, cx: &Cx<'_>, hits: &mut Hits) {
    let detail = if area.height >= 24 { 5 } else { 0 };
    let list = Rect { height: area.height - detail, ..area };
    let selected = cx.ui.client.min(cx.snap.lanes.len().saturating_sub(1));
    draw_lanes(buf, list, cx, Some((selected, hits)));
    if detail > 0 {
        let place = Rect { y: area.bottom() - detail, height: detail, ..area };
        draw_selected(buf, place, selected, cx);
    }
}

/// The lanes as a panel; with a selection where the list can be moved in.
pub(super) fn draw_lanes(buf: &mut Buffer, area: Rect, cx: &Cx<'_>, selection: Option<(usize, &mut Hits)>) {
    let theme = cx.theme;
    let lanes = &cx.snap.lanes;
    let arrivals = cx.snap.arrivals().map(|words| sanitize::line(&words));
    let title = arrivals.as_ref().map_or_else(|| "Clients".into(), |words| format!("Places: {words}"));
    let to_ns = selection.as_ref().and(cx.ui.lanes.to_ns).filter(|to| *to < cx.snap.at_ns);
    let found = if selection.is_some() { search::matches(cx.snap, cx.ui) } else { Vec::new() };
    let mut values = if selection.is_some() { told(to_ns, &found, cx) } else { Vec::new() };
    values.extend(legend(cx));
    let framed = if selection.is_some() { focused } else { panel };
    let inner = framed(buf, area, &title, &Line::from(values), theme);
    if inner.height < 3 || inner.width < TABLE + 10 {
        return;
    }
    let listed = Rect { y: inner.y + 1, height: inner.height - 2, ..inner };
    // A blank row between lanes where there is room for one.
    let stride = if lanes.len() * 2 <= usize::from(listed.height) { 2 } else { 1 };
    let rows = usize::from(listed.height / stride);
    let strip_area = Rect { x: listed.x + TABLE, width: listed.width - TABLE - 1, ..listed };
    let span_s = cx.ui.span_s(readable_span_s(lanes, strip_area.width));
    let window = strip::Window::ending(
        to_ns.unwrap_or(cx.snap.at_ns),
        u64::from(span_s) * 1_000_000_000,
        strip_area.width,
    );
    heads(buf, inner, theme);
    let (selected, offset) = match selection {
        Some((selected, hits)) => {
            let offset = scroll(cx.ui.client_offset, selected, rows, lanes.len());
            (hits.page, hits.offset) = (rows, offset);
            hits.lanes_ns = u64::from(span_s) * 1_000_000_000;
            for (y, i) in (0..listed.height).step_by(stride.into()).zip(offset..lanes.len()) {
                hits.add(Rect { y: listed.y + y, height: 1, ..listed }, Target::Rows(i));
            }
            (Some(selected), offset)
        }
        None => (None, 0),
    };
    for (y, (i, lane)) in (0u16..).zip(lanes.iter().enumerate().skip(offset).take(rows)) {
        let row = Rect { y: listed.y + y * stride, height: 1, ..listed };
        if selected == Some(i) {
            // Only the table's part is lit: the lane keeps its own colours.
            buf.set_style(Rect { width: TABLE - 1, ..row }, theme.bg(Role::Selection));
        }
        table_row(buf, row, lane, cx);
        if found.contains(&i) {
            text(buf, row, (0, 0), "▸", theme.bold(Role::Accent));
        }
        strip::draw(buf, Rect { y: row.y, height: 1, ..strip_area }, lane, window, theme);
    }
    if lanes.is_empty() {
        text(buf, listed, (2, 1), "no request has been sent yet", theme.fg(Role::Muted));
    }
    draw_axis(buf, inner, strip_area, window, cx);
    let place = listed_words(offset, rows, lanes.len(), arrivals.is_some());
    text(buf, inner, (1, inner.height - 1), &place, theme.fg(Role::Muted));
}

/// The time axis in the panel's last row, and over the lanes the range, interventions and phases.
fn draw_axis(buf: &mut Buffer, inner: Rect, strip_area: Rect, window: strip::Window, cx: &Cx<'_>) {
    let theme = cx.theme;
    let axis = Rect { y: inner.bottom() - 1, height: 1, ..strip_area };
    // On the heads' row, too: where all lanes are full it is the only one left.
    let marked = Rect { y: inner.y, height: inner.height - 1, ..strip_area };
    strip::marks(buf, marked, window, &header::marks(cx));
    if let Some(columns) = super::range::stretch(cx).and_then(|(from, to)| window.columns(from, to)) {
        shade(buf, marked, columns.clone(), theme);
        shade_axis(buf, axis, columns, theme);
    }
    strip::axis(buf, axis, window, theme);
    for (at_s, glyph, style) in super::range::marks(cx) {
        strip::tick(buf, axis, window, ((at_s * 1e9) as u64, glyph, style));
    }
}

/// Which lanes of how many are on the screen.
fn listed_words(offset: usize, rows: usize, all: usize, open: bool) -> String {
    if offset > 0 || all > offset + rows {
        return format!("{}–{} of {all}", offset + 1, (offset + rows).min(all));
    }
    match (all, open) {
        (1, true) => "1 place used".into(),
        (n, true) => format!("{n} places used"),
        (1, false) => "1 client".into(),
        (n, false) => format!("{n} clients"),
    }
}

/// Cells that a request should take on its lane to be told from its neighbours.
const CELLS_A_REQUEST: f64 = 9.0;

/// Seconds over which the lanes' latest requests are wide enough to be read.
fn readable_span_s(lanes: &[std::sync::Arc<Lane>], width: u16) -> f64 {
    let last: Vec<f64> = lanes
        .iter()
        .filter_map(|l| l.spans.back())
        .map(|s| s.finished_ns.saturating_sub(s.sent_ns) as f64 / 1e9)
        .collect();
    if last.is_empty() {
        return 10.0;
    }
    // A little less will do: the next longer stretch would halve them.
    last.iter().sum::<f64>() / last.len() as f64 * f64::from(width) / CELLS_A_REQUEST * 0.7
}

fn heads(buf: &mut Buffer, inner: Rect, theme: &crate::ui::theme::Theme) {
    let muted = theme.fg(Role::Muted);
    text_right(buf, inner, (4, 0), "#", muted);
    text(buf, inner, (6, 0), "state", muted);
    text_right(buf, inner, (22, 0), "done", muted);
    text_right(buf, inner, (29, 0), "failed", muted);
    text_right(buf, inner, (36, 0), "tok/s", muted);
}

fn table_row(buf: &mut Buffer, row: Rect, lane: &Lane, cx: &Cx<'_>) {
    let theme = cx.theme;
    let (state, role) = state(lane.current.as_ref());
    text_right(buf, row, (4, 0), &lane.client.to_string(), theme.fg(Role::Muted));
    text(buf, row, (6, 0), state, theme.fg(role));
    text_right(buf, row, (22, 0), &count(lane.completed), theme.fg(Role::Text));
    let failed = if lane.failed > 0 { theme.bold(Role::Bad) } else { theme.fg(Role::Muted) };
    text_right(buf, row, (29, 0), &count(lane.failed), failed);
    text_right(buf, row, (36, 0), &rate(lane.tokens_per_s), theme.fg(Role::Text));
}

fn state(open: Option<&Open>) -> (&'static str, Role) {
    let role = match open {
        None => Role::Muted,
        Some(o) if o.first_token_ns.is_some() => Role::Decode,
        Some(o) if o.prefill_ns.is_some() => Role::Prefill,
        Some(_) => Role::Waiting,
    };
    (rows::state(open), role)
}

/// Does any request on the lanes say when its prefill began?
fn prefill_known(cx: &Cx<'_>) -> bool {
    cx.snap.lanes.iter().any(|l| {
        l.spans.iter().any(|s| s.prefill_ns.is_some()) || l.current.is_some_and(|o| o.prefill_ns.is_some())
    })
}

/// How far back the lanes are, and what is searched for.
fn told(to_ns: Option<u64>, found: &[usize], cx: &Cx<'_>) -> Vec<Span<'static>> {
    let style = cx.theme.bold(Role::Warn);
    let back = to_ns.map(|to| {
        let ago = seconds(Some(cx.snap.at_ns.saturating_sub(to) as f64 / 1e9));
        Span::styled(format!("◂ {} back  ", ago.trim()), style)
    });
    let searched = search::told(&cx.ui.search, found, cx.ui.client).map(|words| Span::styled(words, style));
    searched.into_iter().chain(back).collect()
}

fn legend(cx: &Cx<'_>) -> Vec<Span<'static>> {
    let theme = cx.theme;
    let mut entries = if prefill_known(cx) {
        // Of one in flight it is not known yet how long it is queued; of one that failed early it never was.
        let waiting = (WAITING, Role::Waiting, "waiting");
        vec![waiting, (QUEUED, Role::Queued, "queued"), (PREFILL, Role::Prefill, "prefill")]
    } else {
        vec![(WAITING, Role::Waiting, "before 1st token")]
    };
    entries.push((DECODE, Role::Decode, "decode"));
    entries.push(("✗", Role::Bad, "failed"));
    let spans = entries.into_iter().flat_map(|(glyph, role, name)| {
        [Span::styled(glyph, theme.fg(role)), Span::styled(format!(" {name}  "), theme.fg(Role::Muted))]
    });
    spans.collect()
}

/// The selected client's request in flight and its last ones.
fn draw_selected(buf: &mut Buffer, area: Rect, selected: usize, cx: &Cx<'_>) {
    let theme = cx.theme;
    let Some(lane) = cx.snap.lanes.get(selected) else { return };
    let live = cx.pic.transport.is_none() && lane.current.is_some();
    let hint = if live { "x: cancel · Enter: all its requests" } else { "Enter: all its requests" };
    let hint = Line::styled(hint, theme.fg(Role::Muted));
    let what = if cx.snap.arrivals().is_some() { "Place" } else { "Client" };
    let inner = panel(buf, area, &format!("{what} {}", lane.client), &hint, theme);
    let mut y = 0;
    if let Some(open) = &lane.current {
        let (state, role) = state(Some(open));
        text_right(buf, inner, (9, y), &format!("#{}", open.request), theme.bold(Role::Text));
        text(buf, inner, (11, y), state, theme.fg(role));
        let since = nanos(Some(cx.snap.at_ns.saturating_sub(open.sent_ns)));
        let words = format!(
            "{since} since {}   prompt {:>5}   output {:>5} of {}",
            clock(open.sent_ns),
            open.prompt_tokens,
            open.output_tokens,
            open.max_tokens
        );
        text(buf, inner, (22, y), &words, theme.fg(Role::Text));
        y += 1;
    }
    for span in lane.spans.iter().rev().take(usize::from(inner.height - y)) {
        text_right(buf, inner, (9, y), &format!("#{}", span.request), theme.fg(Role::Text));
        let good = span.outcome == crate::event::Outcome::Completed;
        let style = if good { theme.fg(Role::Muted) } else { theme.fg(Role::Bad) };
        let (mark, _) = verdict(span.outcome);
        let name = short(span.outcome);
        let outcome = if good { name.to_owned() } else { format!("{mark} {name}") };
        text(buf, inner, (11, y), &outcome, style);
        let took = nanos(Some(span.finished_ns.saturating_sub(span.sent_ns)));
        let first = nanos(span.first_token_ns.map(|f| f.saturating_sub(span.sent_ns)));
        let words = format!(
            "{took} since {}   prompt {:>5}   output {:>5}   TTFT {first}",
            clock(span.sent_ns),
            span.prompt_tokens,
            span.output_tokens
        );
        text(buf, inner, (22, y), &words, theme.fg(Role::Text));
        y += 1;
    }
}
