//! The header: what runs, where it stands, whether the figures can be trusted.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};

use super::{Cx, Hits, Target, range};
use crate::event::{Control, Ended, Phase};
use crate::metrics::{Definitions, falls_behind};
use crate::ui::Recording;
use crate::ui::format::{UNKNOWN, bytes, clock, count, rate};
use crate::ui::keymap::Command;
use crate::ui::sanitize;
use crate::ui::state::Screen;
use crate::ui::theme::Role;
use crate::ui::widget::text;

/// Draws it at the top of the area; gives its height.
pub(super) fn draw(buf: &mut Buffer, area: Rect, cx: &Cx<'_>, hits: &mut Hits) -> u16 {
    let verdicts = verdicts(cx);
    let height = if verdicts.is_empty() { 3 } else { 4 };
    let ground = Rect { height: height - 1, ..area };
    buf.set_style(ground, cx.theme.bg(Role::Surface));
    draw_pair(buf, Rect { height: 1, ..area }, &names(cx), &recording(cx));
    let second = Rect { y: area.y + 1, height: 1, ..area };
    let tabs_end = tabs(buf, second, cx, hits);
    let rest = Rect { x: second.x + tabs_end, width: second.width - tabs_end, ..second };
    draw_pair(buf, rest, &phase(cx), &counts(cx));
    if !verdicts.is_empty() {
        let line = Line::from(verdicts);
        line_cut(buf, (area.x + 1, area.y + 2), &line, area.width - 1);
    }
    progress(buf, Rect { y: area.y + height - 1, height: 1, ..area }, cx);
    height
}

/// A line at the left and one at the right; the left gives way.
fn draw_pair(buf: &mut Buffer, area: Rect, left: &Line<'_>, right: &Line<'_>) {
    let width = (right.width() as u16).min(area.width.saturating_sub(1));
    let from = area.width - width;
    line_cut(buf, (area.x + 1, area.y), left, from.saturating_sub(3));
    buf.set_line(area.x + from.saturating_sub(1), area.y, right, width);
}

/// A line, cut off at an ellipsis where it is too wide.
fn line_cut(buf: &mut Buffer, at: (u16, u16), line: &Line<'_>, width: u16) {
    let (end, y) = buf.set_line(at.0, at.1, line, width);
    if line.width() > usize::from(width) && end > at.0 {
        buf.set_string(end - 1, y, "…", Style::default());
    }
}

fn names(cx: &Cx<'_>) -> Line<'static> {
    let (theme, title) = (cx.theme, cx.pic.title);
    let muted = theme.fg(Role::Muted);
    let (backend, model) = match &cx.snap.info {
        Some(info) => (info.engine_name(), info.model_name()),
        None => (title.engine(), title.model.clone()),
    };
    let dot = Span::styled("  ·  ", theme.fg(Role::Border));
    let parts = [(&title.profile, theme.bold(Role::Text)), (&model, theme.fg(Role::Text)), (&backend, muted)];
    let mut line = Vec::new();
    // What isn't known, or not yet, leaves no gap.
    for (part, style) in parts.into_iter().filter(|(part, _)| !part.trim().is_empty()) {
        if !line.is_empty() {
            line.push(dot.clone());
        }
        line.push(Span::styled(sanitize::line(part), style));
    }
    if let Some(arrivals) = cx.snap.arrivals() {
        line.push(Span::styled(format!("  {}", sanitize::line(&arrivals)), theme.fg(Role::Text)));
    }
    if let Some(stage) = cx.snap.stage.as_ref().filter(|s| s.name != "main") {
        let of = cx.snap.stages.planned.filter(|planned| *planned > 1);
        let place = of.map_or_else(String::new, |planned| format!("{}/{planned} ", stage.stage + 1));
        let name = sanitize::line(&stage.name);
        line.push(Span::styled(format!("  [{place}{name}]"), theme.fg(Role::Accent)));
    }
    Line::from(line)
}

fn recording(cx: &Cx<'_>) -> Line<'static> {
    let theme = cx.theme;
    let size = |n: &u64| bytes(Some(*n));
    let (mark, style, words) = match cx.pic.recording {
        Recording::Off => ("○", Role::Muted, "not recorded".to_owned()),
        Recording::Writing { bytes, .. } => ("●", Role::Bad, format!("rec {}", size(bytes))),
        Recording::Failed { .. } => ("✗", Role::Bad, "recording failed".to_owned()),
        Recording::Closed { bytes, .. } => ("■", Role::Good, format!("recorded {}", size(bytes))),
        Recording::Replay { path } => {
            let name = path.rsplit('/').next().unwrap_or(path);
            let which =
                cx.letters().map_or_else(|| "replay".to_owned(), |[shown, _]| format!("replay {shown}:"));
            ("▶", Role::Accent, format!("{which} {}", sanitize::line(name)))
        }
    };
    let words_style = if matches!(cx.pic.recording, Recording::Failed { .. }) {
        theme.bold(Role::Bad)
    } else {
        theme.fg(Role::Muted)
    };
    Line::from(vec![Span::styled(mark, theme.bold(style)), Span::styled(format!(" {words}"), words_style)])
}

/// Columns that the phase with its times and the counts take beside the tabs.
const BESIDE_TABS: usize = 50;
/// Columns that the name of others' definitions takes there too.
const OTHER_DEFINITIONS: usize = 16;

fn tabs(buf: &mut Buffer, area: Rect, cx: &Cx<'_>, hits: &mut Hits) -> u16 {
    let mut x = 1;
    // Where names would leave no room for the phase, only the screen that is shown has its own.
    let names: usize = Screen::ALL.iter().map(|s| s.name().len() + 4).sum();
    let other = if cx.ui.definitions == Definitions::Own { 0 } else { OTHER_DEFINITIONS };
    let all = names + BESIDE_TABS + other <= usize::from(area.width);
    for screen in Screen::ALL {
        let label = if all || screen == cx.ui.screen {
            format!(" {} {} ", screen.number(), screen.name())
        } else {
            format!(" {} ", screen.number())
        };
        let style =
            if screen == cx.ui.screen { cx.theme.badge(Role::Accent) } else { cx.theme.fg(Role::Muted) };
        let end = text(buf, area, (x, 0), &label, style);
        let spot = Rect { x: area.x + x, width: end - x, ..area };
        hits.add(spot, Target::Command(Command::Show(screen)));
        x = end;
    }
    (x + 1).min(area.width)
}

/// The phase in words, and how it is marked.
pub(super) fn phase_name(cx: &Cx<'_>) -> (&'static str, Role) {
    match (&cx.snap.ended, cx.snap.phase) {
        (Some(Ended::Failed { .. }), _) => ("failed", Role::Bad),
        (Some(Ended::Interrupted), _) => ("interrupted", Role::Warn),
        (Some(Ended::Complete), _) if cut_short(cx) => ("ended by hand", Role::Warn),
        (Some(Ended::Complete), _) | (_, Some(Phase::Done)) => ("done", Role::Good),
        _ if cx.snap.paused => ("paused", Role::Warn),
        _ if cx.ui.stops >= 2 => ("ending", Role::Warn),
        _ if cx.ui.stops == 1 => ("draining", Role::Warn),
        (_, None | Some(Phase::Loading)) => ("loading", Role::Accent),
        (_, Some(Phase::Warmup)) => ("warm-up", Role::Accent),
        (_, Some(Phase::Measuring)) => ("measuring", Role::Good),
        (_, Some(Phase::Draining)) => ("draining", Role::Warn),
    }
}

/// Somebody ended the last stage before its time, and with it the run.
fn cut_short(cx: &Cx<'_>) -> bool {
    let last = cx.snap.stage.as_ref().map(|stage| stage.stage);
    cx.snap.controls.iter().any(|(_, c)| matches!(c, Control::NextStage { stage } if Some(*stage) == last))
}

/// Share of the phase that is behind, and nanoseconds before it, where they can be known.
pub(super) fn remaining(cx: &Cx<'_>) -> (Option<f64>, Option<u64>) {
    let snap = cx.snap;
    match (snap.phase, &snap.stage) {
        (Some(Phase::Warmup), _) => {
            let planned = snap.counts.warmup_planned.filter(|p| *p > 0);
            (planned.map(|p| snap.counts.warmup_done as f64 / p as f64), None)
        }
        (Some(Phase::Measuring), Some(stage)) => {
            let spent = snap.at_ns.saturating_sub(snap.measuring_at_ns.unwrap_or(snap.at_ns));
            let by_time = stage
                .planned_ns
                .filter(|p| *p > 0)
                .map(|planned| (spent as f64 / planned as f64, planned.saturating_sub(spent)));
            let ended = snap.counts.ended();
            let by_count = stage.planned_requests.filter(|p| *p > 0).map(|planned| {
                let left = planned.saturating_sub(ended) as f64 / ended.max(1) as f64 * spent as f64;
                (ended as f64 / planned as f64, if ended == 0 { u64::MAX } else { left as u64 })
            });
            // Whichever comes first ends it.
            let first = [by_time, by_count].into_iter().flatten().max_by(|a, b| a.0.total_cmp(&b.0));
            (first.map(|f| f.0), first.map(|f| f.1).filter(|ns| *ns < u64::MAX))
        }
        (Some(Phase::Loading) | None, _) => {
            (snap.loading.as_ref().and_then(|l| l.fraction).map(f64::from), None)
        }
        _ => (None, None),
    }
}

fn phase(cx: &Cx<'_>) -> Line<'static> {
    let theme = cx.theme;
    let (name, role) = phase_name(cx);
    let mut line = vec![Span::styled(name, theme.bold(role))];
    let counts = &cx.snap.counts;
    if cx.snap.phase == Some(Phase::Warmup) {
        let planned = counts.warmup_planned.map_or_else(|| UNKNOWN.to_owned(), count);
        line.push(Span::raw(format!(" {}/{planned}", count(counts.warmup_done))));
    }
    let over = cx.snap.ended.is_some() || cx.snap.phase == Some(Phase::Done);
    let spent = if over {
        cx.snap.measured_end_ns.unwrap_or(cx.snap.at_ns).saturating_sub(cx.snap.measuring_at_ns.unwrap_or(0))
    } else {
        cx.snap.at_ns.saturating_sub(cx.snap.phase_at_ns)
    };
    line.push(Span::raw(format!(" {}", clock(spent))));
    if let (_, Some(left)) = remaining(cx) {
        line.push(Span::styled(format!(" −{}", clock(left)), theme.fg(Role::Muted)));
    }
    if cx.ui.definitions != Definitions::Own {
        line.push(Span::raw(" "));
        line.push(Span::styled(format!(" as {} ", cx.ui.definitions.name()), theme.badge(Role::Accent)));
    }
    if cx.ui.frozen {
        line.push(Span::raw(" "));
        line.push(Span::styled(" frozen ", theme.badge(Role::Warn)));
    }
    if cx.pic.over && cx.pic.transport.is_none() {
        line.push(Span::styled(" – q quits", theme.fg(Role::Muted)));
    }
    Line::from(line)
}

fn counts(cx: &Cx<'_>) -> Line<'static> {
    let theme = cx.theme;
    let counts = &cx.snap.counts;
    let planned = cx.snap.stage.as_ref().and_then(|s| s.planned_requests);
    let of = planned.map_or_else(String::new, |p| format!("/{}", count(p)));
    let failed = counts.failed + counts.timed_out;
    let failed_style = if failed > 0 { theme.bold(Role::Bad) } else { theme.fg(Role::Muted) };
    let mut line = vec![
        Span::styled(format!("{}{of}", count(counts.ended())), theme.bold(Role::Text)),
        Span::styled(" req  ", theme.fg(Role::Muted)),
        Span::styled(format!("{} failed", count(failed)), failed_style),
    ];
    if counts.cancelled > 0 {
        line.push(Span::styled(format!("  {} cancelled", count(counts.cancelled)), theme.fg(Role::Muted)));
    }
    Line::from(line)
}

/// [`doubts`] as badges.
fn verdicts(cx: &Cx<'_>) -> Vec<Span<'static>> {
    let theme = cx.theme;
    let badge = |(badge, why): (String, String)| {
        [
            Span::styled(format!(" {badge} "), theme.badge(Role::Bad)),
            Span::styled(format!(" {why}  "), theme.fg(Role::Warn)),
        ]
    };
    doubts(cx).into_iter().flat_map(badge).collect()
}

/// What puts the figures in doubt, in a word or two and in full; empty is good.
pub(super) fn doubts(cx: &Cx<'_>) -> Vec<(String, String)> {
    let mut out = Vec::new();
    let mut say = |badge: String, why: String| out.push((badge, why));
    if cx.snap.lost_events > 0 {
        let lost = format!("{} events lost: the figures are incomplete", count(cx.snap.lost_events));
        say("TAINTED".into(), lost);
    }
    if !cx.snap.degraded.is_empty() {
        say("client degraded".into(), sanitize::line(&cx.snap.degraded.join("; ")));
    }
    if let Some(open) = cx.snap.stage.as_ref().and_then(|s| s.open.as_ref()).filter(|_| cx.snap.at_limit) {
        let most = count(u64::from(open.max_in_flight));
        say(
            "held back".into(),
            format!("{most} in flight is all that load.max_in_flight allows; others go out late"),
        );
    }
    if let Some((first, last)) = behind(cx) {
        say(
            "can't keep up".into(),
            format!("in flight on the average: {first:.0} over the first third, {last:.0} over the last"),
        );
    }
    if let Recording::Failed { reason, .. } = cx.pic.recording {
        say("recording failed".into(), sanitize::line(reason));
    }
    // The only stage's failure is the run's, and is told as that below once the run is over.
    let sweep = cx.snap.stages.planned.is_some_and(|planned| planned > 1);
    if let Some((name, reason)) = cx.snap.stages.last_failure.as_ref().filter(|_| sweep) {
        let failed = cx.snap.stages.failed;
        let badge = if failed == 1 { "1 stage failed".into() } else { format!("{failed} stages failed") };
        say(badge, sanitize::line(&format!("{name}: {reason}")));
    }
    if let (Some(Ended::Failed { reason }), true) = (&cx.snap.ended, cx.snap.stage.is_some()) {
        say("run failed".into(), sanitize::line(reason));
    }
    out
}

/// An open loop's server falls behind: requests in flight over the first and the last third since the rate is what it is.
/// At the limit of requests in flight they can't grow, and that is told.
fn behind(cx: &Cx<'_>) -> Option<(f64, f64)> {
    let snap = cx.snap;
    let open = snap.stage.as_ref()?.open.as_ref().filter(|_| !snap.at_limit)?;
    let ramped_ns = snap.measuring_at_ns?.saturating_add(open.ramp_ns.unwrap_or(0));
    let changes = |control: &Control| matches!(control, Control::Rate { .. } | Control::Resumed);
    let changed_ns = snap.controls.iter().filter(|(_, c)| changes(c)).map(|(at, _)| *at).max().unwrap_or(0);
    falls_behind(&snap.series, ramped_ns.max(changed_ns) as f64 / 1e9)
}

/// The phase's progress, as the rule between header and body.
fn progress(buf: &mut Buffer, area: Rect, cx: &Cx<'_>) {
    let style = cx.theme.fg(Role::Border);
    text(buf, area, (0, 0), &"─".repeat(usize::from(area.width)), style);
    if let (Some(part), _) = remaining(cx) {
        let width = (part.clamp(0.0, 1.0) * f64::from(area.width)).round() as usize;
        let (_, role) = phase_name(cx);
        text(buf, area, (0, 0), &"━".repeat(width), cx.theme.fg(role));
    }
}

/// All on one line, for terminals too small for more: whole words, as many as fit, the weightiest first.
pub(super) fn summary(cx: &Cx<'_>, width: u16) -> String {
    let (phase, _) = phase_name(cx);
    let counts = &cx.snap.counts;
    let mut words = vec![phase.to_owned()];
    if cx.snap.lost_events > 0 {
        words.push("TAINTED".into());
    } else if matches!(cx.pic.recording, Recording::Failed { .. }) {
        words.push("NOT RECORDED".into());
    }
    words.push(format!("{} tok/s", rate(cx.snap.output_rate.s1).trim()));
    words.push(format!("{} req", counts.ended()));
    words.push(format!("{} failed", counts.failed + counts.timed_out));
    let room = usize::from(width);
    let mut line = String::new();
    for word in words {
        if line.is_empty() || line.len() + 1 + word.len() <= room {
            line.push_str(if line.is_empty() { "" } else { " " });
            line.push_str(&word);
        }
    }
    let hints = [" (enlarge to 60×15)", " (60×15)"];
    let used = line.chars().count();
    if let Some(hint) = hints.iter().find(|hint| used + hint.chars().count() <= room) {
        line.push_str(hint);
    }
    line
}

/// Interventions, phase changes and the range's ends as ticks for time axes: seconds, glyph, style.
pub(super) fn marks(cx: &Cx<'_>) -> Vec<(f64, &'static str, Style)> {
    let mut out: Vec<(f64, &'static str, Style)> = cx
        .snap
        .controls
        .iter()
        .map(|(at, control)| {
            let role = if matches!(control, Control::Mark { .. }) { Role::Accent } else { Role::Warn };
            (*at as f64 / 1e9, "┊", cx.theme.fg(role))
        })
        .collect();
    for pair in cx.snap.series.windows(2) {
        if pair[0].phase != pair[1].phase {
            out.push((pair[1].second as f64, "┆", cx.theme.fg(Role::Border)));
        }
    }
    out.extend(range::marks(cx));
    out
}
