//! Screen 4: the last requests or the slowest, sorted and filtered.

use std::sync::Arc;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use super::{Cx, Hits, Target};
use crate::event::Outcome;
use crate::metrics::RequestRecord;
use crate::ui::format::{clock_ms, nanos};
use crate::ui::state::{Column, scroll};
use crate::ui::theme::Role;
use crate::ui::widget::{focused, text, text_cut, text_right};
use crate::ui::{rows, sanitize, search};

/// Columns: head, what it sorts by, right edge.
const COLUMNS: [(&str, Column, u16); 9] = [
    ("request", Column::Id, 7),
    ("client", Column::Client, 14),
    ("sent at", Column::Natural, 24),
    ("prompt", Column::Prompt, 31),
    ("output", Column::Output, 38),
    ("TTFT", Column::Ttft, 46),
    ("TPOT", Column::Tpot, 54),
    ("E2E", Column::E2e, 62),
    ("send lag", Column::Lag, 71),
];

pub(super) fn draw(buf: &mut Buffer, area: Rect, cx: &Cx<'_>, hits: &mut Hits) {
    let theme = cx.theme;
    let state = &cx.ui.requests;
    let rows = rows::requests(cx.snap, state);
    let title = if state.slowest { "Slowest requests" } else { "Newest requests" };
    let inner = focused(buf, area, title, &values(rows.len(), area.width - 2, cx), theme);
    if inner.height < 2 {
        return;
    }
    heads(buf, inner, cx);
    let list = Rect { y: inner.y + 1, height: inner.height - 1, ..inner };
    let page = usize::from(list.height);
    let selected = rows::selected(&rows, state);
    let offset = scroll(state.offset, selected, page, rows.len());
    hits.page = page;
    hits.offset = offset;
    let shown = rows.len().saturating_sub(offset).min(page) as u16;
    hits.add(Rect { height: shown, ..list }, Target::Rows(offset));
    for (y, (i, record)) in (0u16..).zip(rows.iter().enumerate().skip(offset).take(page)) {
        let row = Rect { y: list.y + y, height: 1, ..list };
        if i == selected {
            buf.set_style(row, theme.bg(Role::Selection));
        }
        draw_row(buf, row, record, cx);
        for word in state.filter.split_whitespace() {
            // `client=3` and `#17` are told by their columns.
            let outcome = Rect { x: row.x + row.width.min(57), width: row.width.saturating_sub(57), ..row };
            search::highlight(buf, outcome, word);
        }
    }
    if rows.is_empty() {
        let why = if state.filter.is_empty() { "no request has ended yet" } else { "no request matches" };
        text(buf, list, (2, 1), why, theme.fg(Role::Muted));
    }
}

fn values(shown: usize, width: u16, cx: &Cx<'_>) -> Line<'static> {
    let state = &cx.ui.requests;
    let muted = cx.theme.fg(Role::Muted);
    let kept = if state.slowest { cx.snap.slowest.len() } else { cx.snap.recent.len() };
    let mut spans = Vec::new();
    if !state.filter.is_empty() {
        let filter = format!("filter {}  ", sanitize::line(&state.filter));
        spans.push(Span::styled(filter, cx.theme.bold(Role::Warn)));
    }
    if let Some(request) = rows::in_flight(cx.snap, state).filter(|_| cx.pic.transport.is_none()) {
        spans.push(Span::styled(format!("#{request} in flight: x cancels it  "), muted));
    }
    if is_narrow(width) && state.filter.is_empty() {
        spans.push(Span::styled("✗ failed  ◷ timed out    ", muted));
    }
    spans.push(Span::styled(format!("{shown} of the {kept} kept"), muted));
    Line::from(spans)
}

/// `send lag` is left out where the table is too narrow, never the outcome.
fn fits(right: u16, width: u16) -> bool {
    right + 14 <= width
}

fn heads(buf: &mut Buffer, inner: Rect, cx: &Cx<'_>) {
    let state = &cx.ui.requests;
    let width = inner.width;
    let mut end = 0;
    for (head, column, right) in COLUMNS.into_iter().filter(|(_, _, right)| fits(*right, width)) {
        let chosen = column == state.sort && column != Column::Natural;
        let style = cx.theme.fg(if chosen { Role::Accent } else { Role::Muted });
        let arrow = if state.reversed { "▲" } else { "▼" };
        let label = if chosen { format!("{arrow}{head}") } else { head.to_owned() };
        text_right(buf, inner, (right, 0), &label, style);
        end = right;
    }
    text(buf, inner, (end + 2, 0), "outcome", cx.theme.fg(Role::Muted));
}

fn draw_row(buf: &mut Buffer, row: Rect, record: &Arc<RequestRecord>, cx: &Cx<'_>) {
    let theme = cx.theme;
    let cells = [
        format!("#{}", record.request),
        record.client.to_string(),
        clock_ms(record.sent_ns),
        record.prompt_tokens.to_string(),
        record.output_tokens.to_string(),
        nanos(record.ttft_ns()),
        nanos(record.tpot_ns().map(|v| v as u64)),
        nanos(record.e2e_ns()),
        nanos(cx.snap.send_lag_ns(record)),
    ];
    let mut end = 0;
    for ((_, column, right), cell) in
        COLUMNS.into_iter().zip(cells).filter(|((.., r), _)| fits(*r, row.width))
    {
        let style = match column {
            Column::Natural | Column::Client => theme.fg(Role::Muted),
            _ => theme.fg(Role::Text),
        };
        text_right(buf, row, (right, 0), &cell, style);
        end = right;
    }
    let (mark, role) = verdict(record.outcome);
    let x = text(buf, row, (end + 2, 0), mark, theme.bold(role));
    let name = record.outcome.name();
    let words = match (record.warmup, record.outcome) {
        (true, Outcome::Completed) => "warm-up".to_owned(),
        (true, _) if is_narrow(row.width) => "warm-up".to_owned(),
        (true, _) => format!("{name}, warm-up"),
        (false, outcome) if is_narrow(row.width) => short(outcome).to_owned(),
        (false, _) => name.to_owned(),
    };
    let x = text_cut(buf, row, (x + 1, 0), &words, theme.fg(role));
    if let Some(error) = &record.error {
        text_cut(buf, row, (x + 2, 0), &sanitize::line(error), theme.fg(Role::Muted));
    }
}

/// Columns of the longest name of an outcome.
const LONGEST: u16 = 17;

/// Whether names of outcomes have no room, so that the mark and a short name stand for them.
fn is_narrow(width: u16) -> bool {
    let end = COLUMNS.iter().map(|(.., right)| *right).filter(|right| fits(*right, width)).max().unwrap_or(0);
    end + 4 + LONGEST > width
}

/// An outcome's name behind its mark, which tells a failure from a time-out: at most nine columns.
pub(super) fn short(outcome: Outcome) -> &'static str {
    let name = outcome.name();
    name.strip_prefix("failed_").or_else(|| name.strip_prefix("timed_out_")).unwrap_or(name)
}

/// How an outcome is marked: legible without colour.
pub(super) fn verdict(outcome: Outcome) -> (&'static str, Role) {
    match outcome {
        Outcome::Completed => ("✓", Role::Muted),
        Outcome::Cancelled => ("–", Role::Warn),
        o if o.is_timeout() => ("◷", Role::Warn),
        _ => ("✗", Role::Bad),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_outcome_is_cut_at_any_width() {
        use Outcome::{
            Cancelled, Completed, FailedConnect, FailedEngine, FailedHttp, FailedOverload, FailedProtocol,
            TimedOutConnect, TimedOutIdle, TimedOutTotal, TimedOutTtft,
        };
        let failed = [FailedConnect, FailedEngine, FailedHttp, FailedOverload, FailedProtocol];
        let late = [TimedOutConnect, TimedOutIdle, TimedOutTotal, TimedOutTtft];
        for outcome in [Cancelled, Completed].into_iter().chain(failed).chain(late) {
            assert!(outcome.name().len() <= usize::from(LONGEST), "{outcome:?}");
            assert!(short(outcome).len() <= 9, "{outcome:?}");
        }
        assert!(is_narrow(78) && !is_narrow(118));
    }
}
