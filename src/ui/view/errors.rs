//! What went wrong, by kind, and the verdict of it once the run is over.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::Line;
use unicode_width::UnicodeWidthStr as _;

use super::Cx;
use crate::event::Outcome;
use crate::metrics::{ErrorCount, ErrorKind};
use crate::ui::format::count;
use crate::ui::sanitize;
use crate::ui::theme::Role;
use crate::ui::widget::{panel, text};

/// Rows that the panel wants within its frame, two a kind; 0 where nothing went wrong.
pub(super) fn wanted(cx: &Cx<'_>) -> u16 {
    (cx.snap.counts.errors.len() * 2).min(6) as u16
}

/// Rows that are kept for it on a comfortable and on a large screen, so that a failure moves nothing else.
pub(super) const RESERVED: [u16; 2] = [3, 6];

/// At a run's end: how many requests failed, and why most of them. A run of that kind is done, but not well.
pub(super) fn verdict(cx: &Cx<'_>) -> Option<(String, String)> {
    cx.snap.ended.as_ref()?;
    let (counts, stages) = (&cx.snap.counts, &cx.snap.stages);
    // Of all stages: what somebody has cancelled did not fail.
    let mut kinds: Vec<(ErrorKind, u64, Option<&str>)> = Vec::new();
    let all = stages.errors_before.iter().chain(&counts.errors);
    for (kind, of) in all.filter(|(kind, _)| kind.outcome != Outcome::Cancelled) {
        match kinds.iter_mut().find(|(k, ..)| k == kind) {
            Some((_, requests, first)) => {
                *requests += of.requests;
                *first = first.or(of.first.as_deref());
            }
            None => kinds.push((*kind, of.requests, of.first.as_deref())),
        }
    }
    let failed: u64 = kinds.iter().map(|(_, requests, _)| requests).sum();
    let (kind, _, first) = kinds.into_iter().max_by_key(|(_, requests, _)| *requests)?;
    let badge = format!("{} of {} failed", count(failed), count(stages.ended_before + counts.ended()));
    Some((badge, said(kind, first)))
}

/// The kinds, those of the most requests first.
fn kinds<'a>(cx: &Cx<'a>) -> Vec<(ErrorKind, &'a ErrorCount)> {
    let mut kinds: Vec<_> = cx.snap.counts.errors.iter().map(|(kind, of)| (*kind, of)).collect();
    kinds.sort_by_key(|(_, count)| std::cmp::Reverse(count.requests));
    kinds
}

/// A kind with its cause.
fn said(kind: ErrorKind, first: Option<&str>) -> String {
    let why = first.map_or_else(String::new, |why| format!(": {}", sanitize::line(why)));
    format!("{kind}{why}")
}

pub(super) fn draw(buf: &mut Buffer, area: Rect, cx: &Cx<'_>) {
    let theme = cx.theme;
    let counts = &cx.snap.counts;
    let all: u64 = counts.errors.values().map(|count| count.requests).sum();
    let share = all as f64 / counts.ended().max(1) as f64 * 100.0;
    let again = match counts.retries {
        0 => String::new(),
        n => format!(", {} sent again", count(n)),
    };
    let title = Line::styled(
        format!("{} of {} ({share:.1} %){again}", count(all), count(counts.ended())),
        theme.bold(Role::Bad),
    );
    let inner = panel(buf, area, "Not completed", &title, theme);
    let kinds = kinds(cx);
    let digits = kinds.iter().map(|(_, of)| count(of.requests).len()).max().unwrap_or(0);
    let (mut y, mut left) = (0, kinds.len());
    for (kind, of) in kinds {
        left -= 1;
        // A cause goes on in the next row as long as the other kinds have one each.
        let rows = usize::from(inner.height - y).saturating_sub(left).max(1);
        let head = format!("{:>digits$} {kind}", count(of.requests));
        y = draw_kind(buf, Rect { y: inner.y + y, height: inner.height - y, ..inner }, (&head, of), rows, cx)
            + y;
        if y >= inner.height {
            break;
        }
    }
}

/// A kind in as many rows as it takes, and in `rows` at most; tells how many.
fn draw_kind(buf: &mut Buffer, area: Rect, (head, of): (&str, &ErrorCount), rows: usize, cx: &Cx<'_>) -> u16 {
    let theme = cx.theme;
    let why = of.first.as_deref().map_or_else(String::new, |why| format!(": {}", sanitize::line(why)));
    let lines = sanitize::wrap(&format!("{head}{why}"), usize::from(area.width.saturating_sub(2)));
    let shown = lines.len().min(rows);
    for (y, line) in (0u16..).zip(&lines[..shown]) {
        let end = text(buf, area, (1, y), line, theme.fg(Role::Text));
        if usize::from(y) + 1 == shown && shown < lines.len() {
            text(buf, area, (end.min(area.width.saturating_sub(1)), y), "…", theme.fg(Role::Muted));
        }
    }
    if lines.first().is_some_and(|line| line.starts_with(head)) && head.width() < usize::from(area.width) {
        text(buf, area, (1, 0), head, theme.fg(Role::Bad));
    }
    shown as u16
}
