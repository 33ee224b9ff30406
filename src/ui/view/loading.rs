//! Before the load begins: how far the engine has come.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::Line;

use super::Cx;
use crate::ui::format::clock;
use crate::ui::sanitize;
use crate::ui::theme::Role;
use crate::ui::widget::{meter, panel, text, text_cut};

pub(super) fn draw(buf: &mut Buffer, area: Rect, cx: &Cx<'_>) {
    let theme = cx.theme;
    let since = Line::styled(clock(cx.snap.at_ns), theme.fg(Role::Muted));
    let inner = panel(buf, area, "Loading", &since, theme);
    let width = inner.width.saturating_sub(8).min(72);
    let log_rows = (cx.snap.log.len() as u16).min(inner.height.saturating_sub(6));
    let at = Rect {
        x: inner.x + (inner.width - width) / 2,
        y: inner.y + (inner.height.saturating_sub(log_rows + 4)) / 2,
        width,
        height: 3,
    };
    let step = cx.snap.loading.as_ref().map_or("starting", |l| &*l.step);
    let fraction = cx.snap.loading.as_ref().and_then(|l| l.fraction);
    let title = format!("{} {}", cx.pic.title.engine(), cx.pic.title.model);
    text(buf, at, (0, 0), sanitize::line(title.trim()).as_str(), theme.bold(Role::Text));
    text_cut(buf, at, (0, 1), &sanitize::line(step), theme.fg(Role::Muted));
    if let Some(part) = fraction {
        let bar = Rect { y: at.y + 2, width: width.saturating_sub(6), height: 1, ..at };
        meter(buf, bar, part.into(), theme.fg(Role::Accent), theme.fg(Role::Border));
        text(
            buf,
            at,
            (width.saturating_sub(5), 2),
            &format!("{:>3.0} %", part * 100.0),
            theme.fg(Role::Text),
        );
    }
    let newest = cx.snap.log.iter().rev().take(usize::from(log_rows)).rev();
    for (y, line) in (0u16..).zip(newest) {
        let row = Rect { y: inner.bottom() - log_rows + y, height: 1, ..inner };
        let words = format!("{}  {}", line.source, line.message);
        text_cut(buf, row, (1, 0), &sanitize::line(&words), theme.fg(Role::Muted));
    }
}
