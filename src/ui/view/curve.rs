//! Screen 5: throughput against latency and effective throughput against the load (clients, or an open loop's rate), a point a stage, growing while
//! a sweep runs, over published curves and other recordings'.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};

use super::{Cx, Hits, columns, rows};
use crate::metrics::StagePoint;
use crate::metrics::fastgen::{Curve, Source, Target, Validator};
use crate::ui::format::{UNKNOWN, count, digits, percent, rate, seconds};
use crate::ui::theme::Role;
use crate::ui::widget::{Scatter, Series, focused, panel, text, text_right};
use crate::ui::{sanitize, search};

/// Glyphs and inks of the run's own curves, then of what lies behind them.
const OWN: [(&str, Role); 4] =
    [("●", Role::Output), ("■", Role::Decode), ("▲", Role::Requests), ("◆", Role::Input)];
const BEHIND: [(&str, Role); 4] =
    [("◇", Role::Muted), ("△", Role::Queued), ("□", Role::Prefill), ("○", Role::Border)];
/// A point that still moves.
const MOVING: &str = "◍";
/// Panels narrower than this have short titles.
const WIDE: u16 = 60;
/// Most rows that the table gets while there is room for charts.
const TABLE_ROWS: u16 = 16;

pub(super) fn draw(buf: &mut Buffer, area: Rect, cx: &Cx<'_>, hits: &mut Hits) {
    let stages = cx.snap.curve.points().count() as u16;
    let table = (stages.clamp(1, TABLE_ROWS) + 3).min(area.height * 2 / 5).max(5).min(area.height);
    let [charts, list] = rows(area, [area.height - table, 0]);
    let [left, right] = columns(charts, [charts.width.div_ceil(2), 0]);
    let own = own_curves(cx);
    draw_latency(buf, left, &own, cx);
    draw_effective(buf, right, &own, cx);
    draw_table(buf, list, cx, hits);
}

/// The SLA that is looked at: its rate's number, and the whole.
fn sla(cx: &Cx<'_>) -> (usize, Target) {
    let sla = &cx.snap.curve.sla;
    let at = cx.ui.curve.rate_of(sla.rates.len());
    let target = Target {
        prompt_tokens_per_s: sla.prompt_tokens_per_s,
        generation_tokens_per_s: sla.rates.get(at).copied().unwrap_or(f64::NAN),
        validator: cx.ui.curve.validator,
    };
    (at, target)
}

/// The run's stages, those together that differ in their load only, with what tells them from the others.
fn own_curves<'a>(cx: &Cx<'a>) -> Vec<(String, Vec<&'a StagePoint>)> {
    let mut curves: Vec<(String, Vec<&StagePoint>)> = Vec::new();
    for point in cx.snap.curve.points() {
        let rest = point.sweep.iter().filter(|(key, _)| key != "clients" && key != "rate");
        let words: Vec<String> = rest.map(|(k, v)| format!("{k}={}", plain(v))).collect();
        let label = words.join(", ");
        match curves.iter_mut().find(|(l, _)| *l == label) {
            Some((_, points)) => points.push(point),
            None => curves.push((label, vec![point])),
        }
    }
    for (_, points) in &mut curves {
        let load = |p: &StagePoint| p.load().unwrap_or(0.0);
        points.sort_by(|a, b| load(a).total_cmp(&load(b)));
    }
    curves
}

fn plain(value: &serde_json::Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn glyph_of(set: &[(&'static str, Role); 4], i: usize, cx: &Cx<'_>) -> (&'static str, Style) {
    let (glyph, role) = set[i % set.len()];
    (glyph, cx.theme.fg(role))
}

/// Series behind and before: published and other recordings' curves first, the run's own over them.
fn all_series<B, O>(own: &[(String, Vec<&StagePoint>)], cx: &Cx<'_>, behind: B, point: O) -> Vec<Series>
where
    B: Fn(&Curve) -> Vec<(f64, f64)>,
    O: Fn(&StagePoint) -> Option<(f64, f64)>,
{
    let mut all = Vec::new();
    for (i, curve) in cx.pic.title.curves.iter().enumerate() {
        let (glyph, ink) = glyph_of(&BEHIND, i, cx);
        all.push(Series { points: behind(curve), glyph, ink, labels: Vec::new() });
    }
    for (i, (_, points)) in own.iter().enumerate() {
        let (glyph, ink) = glyph_of(&OWN, i, cx);
        let placed: Vec<_> = points.iter().filter_map(|p| Some((point(p)?, *p))).collect();
        let labels =
            placed.iter().map(|(_, p)| p.load().map_or_else(String::new, |load| load.to_string())).collect();
        all.push(Series { points: placed.iter().map(|(at, _)| *at).collect(), glyph, ink, labels });
        let moving: Vec<_> = placed.iter().filter(|(_, p)| !p.over).map(|(at, _)| *at).collect();
        all.push(Series {
            points: moving,
            glyph: MOVING,
            ink: cx.theme.bold(Role::Accent),
            labels: Vec::new(),
        });
    }
    all
}

fn draw_latency(buf: &mut Buffer, area: Rect, own: &[(String, Vec<&StagePoint>)], cx: &Cx<'_>) {
    let muted = cx.theme.fg(Role::Muted);
    let values = if area.width < WIDE { "mean latency s" } else { "mean latency s over queries/s" };
    let values = Line::styled(values, muted);
    let inner = panel(buf, area, "Throughput–latency", &values, cx.theme);
    let series = all_series(own, cx, Curve::pairs, |p| p.throughput_rps().zip(p.latency_s()));
    draw_plane(buf, inner, &series, "q/s", cx);
    legend(buf, inner, own, cx);
}

fn draw_effective(buf: &mut Buffer, area: Rect, own: &[(String, Vec<&StagePoint>)], cx: &Cx<'_>) {
    let (at, target) = sla(cx);
    let theme = cx.theme;
    let values = Line::from(vec![
        Span::styled(format!("≥ {} tok/s ", short(target.generation_tokens_per_s)), theme.bold(Role::Accent)),
        Span::styled(target.validator.name(), theme.fg(Role::Muted)),
    ]);
    let title = if area.width < WIDE { "Effective q/s" } else { "Effective throughput, queries/s" };
    let inner = panel(buf, area, title, &values, theme);
    let behind = |curve: &Curve| curve.effective(&target);
    let series = all_series(own, cx, behind, |p| Some((p.load()?, p.effective_rps(at, target.validator)?)));
    draw_plane(buf, inner, &series, load_word(cx), cx);
}

/// What the run's load is counted in.
fn load_word(cx: &Cx<'_>) -> &'static str {
    let rates = cx.snap.curve.points().any(|p| p.clients.is_none() && p.rate.is_some());
    if rates { "req/s" } else { "clients" }
}

fn draw_plane(buf: &mut Buffer, inner: Rect, series: &[Series], x_unit: &'static str, cx: &Cx<'_>) {
    if series.iter().all(|s| s.points.is_empty()) {
        let words = "no stage has a completed request yet";
        text(buf, inner, (2, inner.height / 2), words, cx.theme.fg(Role::Muted));
        return;
    }
    Scatter { series, x_unit }.draw(buf, inner, cx.theme);
}

/// Which curve is which, in the upper left corner, where throughput–latency curves never are.
fn legend(buf: &mut Buffer, inner: Rect, own: &[(String, Vec<&StagePoint>)], cx: &Cx<'_>) {
    let theme = cx.theme;
    let title = cx.pic.title;
    let mut lines: Vec<(&str, Style, String)> = Vec::new();
    for (i, (label, _)) in own.iter().enumerate() {
        let (glyph, ink) = glyph_of(&OWN, i, cx);
        let word = if label.is_empty() { title.profile.as_str() } else { label };
        lines.push((glyph, ink, sanitize::line(word)));
    }
    for (i, curve) in title.curves.iter().enumerate() {
        let (glyph, ink) = glyph_of(&BEHIND, i, cx);
        let kind = if curve.source == Source::Reference { "" } else { "recording " };
        lines.push((glyph, ink, format!("{kind}{}", sanitize::line(&curve.label))));
    }
    let room = (inner.height / 2).saturating_sub(1);
    let width = usize::from(inner.width * 3 / 5);
    for (y, (glyph, ink, label)) in (0..room).zip(&lines) {
        let x = text(buf, inner, (8, y), glyph, *ink);
        let label: String = label.chars().take(width).collect();
        text(buf, inner, (x + 1, y), &label, theme.fg(Role::Muted));
    }
}

/// A rate in as few characters as it takes.
fn short(value: f64) -> String {
    if value.is_finite() && value.fract() == 0.0 { format!("{value:.0}") } else { digits(value) }
}

/// The table's columns after the stage's name, and their widths.
const COLUMNS: [(&str, u16); 6] =
    [("clients", 8), ("requests", 10), ("queries/s", 10), ("latency", 10), ("good", 8), ("effective/s", 12)];
/// The shortest a stage's name is cut to, and all columns.
const LEAST_NAME: u16 = 8;
const ALL: u16 = 58;

/// Right edges of the columns, counted from the name's end; `None` of one that gives way. On the narrowest terminal that
/// is how many requests there were, which tells least.
fn edges(width: u16) -> [Option<u16>; 6] {
    let narrow = width < LEAST_NAME + ALL;
    let mut right = 0;
    COLUMNS.map(|(head, width)| {
        if narrow && head == "requests" {
            return None;
        }
        right += width;
        Some(right)
    })
}

fn draw_table(buf: &mut Buffer, area: Rect, cx: &Cx<'_>, hits: &mut Hits) {
    let theme = cx.theme;
    let (at, target) = sla(cx);
    let found = search::matches(cx.snap, cx.ui);
    let mut values = explained(&target, cx);
    if let Some(words) = search::told(&cx.ui.search, &found, usize::MAX) {
        values.spans.insert(0, Span::styled(words, theme.bold(Role::Warn)));
    }
    let inner = focused(buf, area, "Stages", &values, theme);
    let points: Vec<&StagePoint> = cx.snap.curve.points().collect();
    let room = usize::from(inner.height.saturating_sub(1));
    hits.page = room.max(1);
    let end = points.len() - cx.ui.curve.up.min(points.len().saturating_sub(room));
    let from = end.saturating_sub(room);
    let edges = edges(inner.width);
    let name = inner.width.saturating_sub(ALL + 8).clamp(LEAST_NAME, 40);
    text(buf, inner, (1, 0), "stage", theme.fg(Role::Muted));
    for ((head, _), right) in COLUMNS.into_iter().zip(edges) {
        let Some(right) = right else { continue };
        let head = if head == "clients" { load_word(cx) } else { head };
        text_right(buf, inner, (name + right, 0), head, theme.fg(Role::Muted));
    }
    let best = best(&points, at, target.validator);
    for (y, point) in (1u16..).zip(&points[from..end]) {
        let row = Rect { y: inner.y + y, height: 1, ..inner };
        let label: String = sanitize::line(&point.name).chars().take(usize::from(name)).collect();
        text(buf, row, (1, 0), &label, theme.fg(Role::Text));
        search::highlight(buf, Rect { width: name, ..row }, &cx.ui.search);
        let effective = point.effective_rps(at, target.validator);
        let cells = [
            point.load().map_or_else(|| UNKNOWN.to_owned(), |load| load.to_string()),
            count(point.requests),
            rate(point.throughput_rps()),
            seconds(point.latency_s()),
            percent(point.good_share(at, target.validator).map(|s| (s * 100.0) as f32)),
            rate(effective),
        ];
        for (right, cell) in edges.into_iter().zip(cells) {
            let Some(right) = right else { continue };
            text_right(buf, row, (name + right, 0), &cell, theme.fg(Role::Text));
        }
        let mark = if !point.over {
            "now"
        } else if best == Some(point.id) {
            "best"
        } else {
            ""
        };
        if row.width >= name + ALL + 6 {
            text(buf, row, (name + ALL + 2, 0), mark, theme.bold(Role::Accent));
        }
    }
}

/// The stage with the highest effective throughput, once there is more than one.
fn best(points: &[&StagePoint], at: usize, validator: Validator) -> Option<u32> {
    let known = points.iter().filter_map(|p| Some((p.effective_rps(at, validator)?, p.id)));
    let best = known.filter(|(rps, _)| *rps > 0.0).max_by(|a, b| a.0.total_cmp(&b.0))?;
    (points.len() > 1).then_some(best.1)
}

fn explained(target: &Target, cx: &Cx<'_>) -> Line<'static> {
    Line::styled(
        format!(
            "good: first token within prompt/{} s, then ≥ {} tokens/s",
            short(target.prompt_tokens_per_s),
            short(target.generation_tokens_per_s)
        ),
        cx.theme.fg(Role::Muted),
    )
}
