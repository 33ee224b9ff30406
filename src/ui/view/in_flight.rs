//! Requests in flight, by what happens to them.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::Line;

use super::Cx;
use crate::ui::format::UNKNOWN;
use crate::ui::sanitize;
use crate::ui::theme::Role;
use crate::ui::widget::{panel, stacked, text};

/// Glyphs of the stages of a request, the same on every screen.
pub(super) const QUEUED: &str = "▪";
pub(super) const WAITING: &str = "░";
pub(super) const PREFILL: &str = "▒";
pub(super) const DECODE: &str = "█";

pub(super) fn draw(buf: &mut Buffer, area: Rect, cx: &Cx<'_>) {
    let theme = cx.theme;
    let flight = cx.snap.in_flight;
    let clients = cx.snap.clients().or((!cx.snap.lanes.is_empty()).then_some(cx.snap.lanes.len() as u32));
    let of = clients.map_or_else(|| UNKNOWN.to_owned(), |c| c.to_string());
    let title = match cx.snap.arrivals() {
        Some(words) => format!("{} at {}", flight.total, sanitize::line(&words)),
        // Of clients that were taken away, some are still busy with their last request.
        None if clients.is_some_and(|c| c < flight.total) => format!("{} going to {of}", flight.total),
        None if clients == Some(1) => format!("{} of 1 client", flight.total),
        None => format!("{} of {of} clients", flight.total),
    };
    let title = Line::styled(title, theme.bold(Role::Text));
    let inner = panel(buf, area, "In flight", &title, theme);
    let mut parts: Vec<(&str, u32, &str, Style)> = match (flight.queued, flight.prefill) {
        (Some(queued), Some(prefill)) => vec![
            ("queued", queued, QUEUED, theme.fg(Role::Queued)),
            ("prefill", prefill, PREFILL, theme.fg(Role::Prefill)),
        ],
        _ => vec![("before 1st token", flight.before_first_token, WAITING, theme.fg(Role::Waiting))],
    };
    parts.push(("decode", flight.decode, DECODE, theme.fg(Role::Decode)));
    let whole = f64::from(clients.unwrap_or(0).max(flight.total).max(1));
    let bar = Rect { x: inner.x + 1, width: inner.width.saturating_sub(2), ..inner };
    let drawn: Vec<_> = parts.iter().map(|(_, n, glyph, style)| (f64::from(*n), *glyph, *style)).collect();
    stacked(buf, bar, whole, &drawn, theme.fg(Role::Border));
    // The counts keep their columns for as many clients as there are.
    let digits = clients.unwrap_or(0).max(flight.total).to_string().len();
    let mut x = 0;
    for (name, n, glyph, style) in &parts {
        x = text(buf, bar, (x, 1), glyph, *style);
        x = text(buf, bar, (x, 1), &format!(" {n:>digits$} "), theme.bold(Role::Text));
        x = text(buf, bar, (x, 1), name, theme.fg(Role::Muted)) + 1;
    }
    let engine = cx.snap.sample.as_ref().and_then(|s| Some((s.engine.running?, s.engine.waiting?)));
    if let Some((running, waiting)) = engine {
        let last = if cx.snap.ended.is_some() { "'s last reading" } else { "" };
        let words = format!("engine{last}: {running} running, {waiting} waiting");
        text(buf, bar, (0, 2), &words, theme.fg(Role::Muted));
    }
}
