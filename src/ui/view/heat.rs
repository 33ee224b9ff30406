//! Screen 2: latencies over time as a heat map with percentile lines and the SLA over it, their distribution beside
//! it on the same axis, and below the figures of the column that is looked at.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use super::{Cx, Hits, Target, columns, pair, rows};
use crate::metrics::{Bins, HeatColumn, HeatFigure};
use crate::ui::keymap::Command;
use crate::ui::state::TimeAxis;
use crate::ui::theme::Role;
use crate::ui::widget::{focused, text};

mod detail;
mod field;
mod labels;
mod other;
mod plot;
mod scale;
mod side;
mod sla;

use scale::Scale;
use sla::Limits;

/// Columns that the ticks' numbers take, with the axis.
const GUTTER: u16 = 8;
/// Columns at the right that tell which line is which.
const NAMES: u16 = 4;

/// What is looked at.
struct Look<'a> {
    axis: TimeAxis,
    /// Those on the axis, in the order of time.
    columns: Vec<&'a HeatColumn>,
    scale: Scale,
    limits: Limits,
    /// All of them.
    shown: Bins,
    selected: Option<Selected>,
    /// Those of the recording beside.
    others: Option<other::Others<'a>>,
}

/// The column under the cursor.
struct Selected {
    cell: u16,
    from_ns: u64,
    to_ns: u64,
    bins: Bins,
}

impl Look<'_> {
    /// The distribution to be told: the selected column's, or all.
    fn bins(&self) -> &Bins {
        self.selected.as_ref().map_or(&self.shown, |selected| &selected.bins)
    }
}

pub(super) fn draw(buf: &mut Buffer, area: Rect, cx: &Cx<'_>, hits: &mut Hits) {
    let strip = if area.height >= 30 { 5 } else { 4 }.min(area.height / 3);
    let [top, bottom] = rows(area, [area.height - strip, 0]);
    let [left, right] = columns(top, [area.width - (area.width * 3 / 10).clamp(26, 56), 0]);
    let inner = map_panel(buf, left, cx, hits);
    if inner.width < GUTTER + NAMES + 10 || inner.height < 4 {
        return;
    }
    let map =
        Rect { x: inner.x + GUTTER, width: inner.width - GUTTER - NAMES, height: inner.height - 1, ..inner };
    let Some(look) = look(cx, map) else {
        text(buf, inner, (2, inner.height / 2), "no request has completed yet", cx.theme.fg(Role::Muted));
        side::draw(buf, right, None, cx);
        detail::draw(buf, bottom, None, 0.0, cx);
        return;
    };
    hits.axis = look.axis;
    hits.add(Rect { height: map.height + 1, ..map }, Target::Cells);
    let top = plot::draw(buf, map, &look, cx);
    if look.shown.total() == 0 {
        let words = format!("no {} in this stretch", cx.ui.latency.figure.name());
        text(buf, map, (2, map.height / 2), &words, cx.theme.fg(Role::Muted));
    }
    side::draw(buf, right, Some(&look), cx);
    detail::draw(buf, bottom, Some(&look), top, cx);
}

/// The frame around the map, with a tab for each figure.
fn map_panel(buf: &mut Buffer, area: Rect, cx: &Cx<'_>, hits: &mut Hits) -> Rect {
    let theme = cx.theme;
    let tabs = HeatFigure::ALL.map(|figure| {
        let style =
            if figure == cx.ui.latency.figure { theme.badge(Role::Accent) } else { theme.fg(Role::Muted) };
        Span::styled(format!(" {} ", figure.name()), style)
    });
    let values = Line::from(tabs.to_vec());
    let mut title = if area.width >= 70 { "Latency over time" } else { "Over time" }.to_owned();
    if let Some([_, other]) = cx.letters() {
        let lines = if area.width >= 70 { "'s p50, p99" } else { "" };
        title = format!("{title}  {} {other}{lines}", pair::GLYPH);
    }
    let inner = focused(buf, area, &title, &values, theme);
    let mut x = area.right().saturating_sub(values.width() as u16 + 3);
    for (figure, tab) in HeatFigure::ALL.into_iter().zip(&tabs) {
        let width = tab.width() as u16;
        hits.add(Rect { x, y: area.y, width, height: 1 }, Target::Command(Command::Figure(figure)));
        x += width;
    }
    inner
}

/// `None` while nothing has completed.
fn look<'a>(cx: &Cx<'a>, map: Rect) -> Option<Look<'a>> {
    let figure = cx.ui.latency.figure;
    let heat = cx.snap.heat.of(figure);
    // All figures share an axis.
    let begin_ns = cx.snap.heat.begin_ns()?;
    let axis = scale::time_axis(begin_ns, cx, map.width);
    let on_axis = |c: &&HeatColumn| c.end_ns() > axis.from_ns && c.start_ns < axis.end_ns();
    let columns: Vec<&HeatColumn> = heat.columns().filter(on_axis).collect();
    let mut shown = Bins::default();
    for column in &columns {
        shown.add(column);
    }
    let limits = sla::limits(figure, cx);
    let others = other::of(cx, axis);
    let mut both = shown.clone();
    if let Some(others) = &others {
        others.add_to(&mut both);
    }
    let scale = Scale::of(&both, &limits, map.height);
    let selected = cx.ui.latency.cursor_ns.and_then(|at| select(axis, at, &columns));
    Some(Look { axis, columns, scale, limits, shown, selected, others })
}

/// What lies under the cursor, in whole columns: those whose middle is in the cell, or the one that holds the cell.
fn select(axis: TimeAxis, at_ns: u64, columns: &[&HeatColumn]) -> Option<Selected> {
    let cell = axis.cell_of(at_ns)?;
    let (mut from_ns, mut to_ns) = (axis.start_ns(cell), axis.start_ns(cell + 1));
    let mut bins = Bins::default();
    let middle = axis.middle_ns(cell);
    let inside = |c: &&&HeatColumn| {
        (from_ns..to_ns).contains(&(c.start_ns + c.width_ns / 2))
            || (c.start_ns..c.end_ns()).contains(&middle)
    };
    let chosen: Vec<_> = columns.iter().filter(inside).collect();
    for column in chosen {
        bins.add(column);
        from_ns = from_ns.min(column.start_ns);
        to_ns = to_ns.max(column.end_ns());
    }
    Some(Selected { cell, from_ns, to_ns, bins })
}
