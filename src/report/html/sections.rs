//! The parts of the page that are words and tables: what was run, the summary, errors, and each stage in full.

use std::fmt::Write as _;

use super::Source;
use super::write::{escaped, short, table as push_table, time};
use crate::report::failures;
use crate::report::fastgen::{self, Validator};
use crate::report::figures::{Report, StageReport, VerdictKind, Window};
use crate::report::segments;
use crate::report::table::{self, Table};
use crate::report::{Show, Stats};

/// The page's title.
pub fn title(sources: &[Source]) -> String {
    let mut profiles: Vec<&str> = sources.iter().map(|s| s.report().recording.profile.as_str()).collect();
    profiles.dedup();
    let names =
        if profiles.len() <= 3 { profiles.join(", ") } else { format!("{} recordings", sources.len()) };
    if names.trim_matches([',', ' ']).is_empty() { "Benchmark report".to_owned() } else { names }
}

/// The bar on top of the page.
pub fn bar(title: &str) -> String {
    format!(
        "<a class=\"skip\" href=\"#main\">To the figures</a>\n<header class=\"bar\"><div>\n<strong>{}</strong>\n<nav \
         aria-label=\"Sections\"><a href=\"#charts\">Charts</a> <a href=\"#summary\">Summary</a> <a \
         href=\"#stages\">Stages</a></nav>\n<button id=\"theme\" type=\"button\" hidden>Theme: <span>auto</span></button>\n\
         </div></header>\n",
        escaped(title)
    )
}

/// What was run, a card a recording.
pub fn headers(out: &mut String, sources: &[Source]) {
    let _ = writeln!(out, "<h1>{}</h1>", escaped(&title(sources)));
    for source in sources {
        let report = source.report();
        out.push_str("<section class=\"card head\">\n");
        let _ = writeln!(out, "<h2>{}</h2>", escaped(&report.recording.name));
        verdicts(out, report);
        tiles(out, report);
        out.push_str("<dl class=\"facts\">\n");
        for (name, value) in facts(report) {
            let _ = writeln!(out, "<div><dt>{}</dt><dd>{}</dd></div>", escaped(name), escaped(&value));
        }
        out.push_str("</dl>\n</section>\n");
    }
}

fn facts(report: &Report) -> Vec<(&'static str, String)> {
    let r = &report.recording;
    let mut facts = table::facts(report);
    if let Some(digest) = r.engine.as_ref().and_then(|e| e.model_sha256.as_ref()) {
        facts.push(("weights", format!("SHA-256 {}…", digest.chars().take(16).collect::<String>())));
    }
    facts.push(("recorded with", format!("fastgen-tui {} ({})", r.program.version, r.program.target)));
    for (_, value) in &mut facts {
        *value = value.replace(" ()", "");
    }
    facts
}

fn verdicts(out: &mut String, report: &Report) {
    out.push_str("<ul class=\"verdicts\">\n");
    for v in &report.recording.verdicts {
        let class = match v.verdict {
            VerdictKind::SlaMet => "good",
            VerdictKind::Interrupted
            | VerdictKind::Intervened
            | VerdictKind::ClientNearLimit
            | VerdictKind::HeldBack
            | VerdictKind::CountedByChunks => "doubt",
            _ => "bad",
        };
        let _ = writeln!(
            out,
            "<li class=\"{class}\"><b>{}</b> {}</li>",
            escaped(v.verdict.words()),
            escaped(&v.why)
        );
    }
    let failed = failures::line(report);
    if report.recording.verdicts.is_empty() {
        let class = if failed.is_some() { "bad" } else { "good" };
        let _ = writeln!(out, "<li class=\"{class}\">{}</li>", escaped(&table::verdict_line(report)));
    } else if let Some(failed) = failed {
        let _ = writeln!(out, "<li class=\"bad\">{}</li>", escaped(&failed));
    }
    out.push_str("</ul>\n");
}

/// The figures that one looks for first.
fn tiles(out: &mut String, report: &Report) {
    let many = report.stages.len() > 1;
    out.push_str("<ul class=\"tiles\">\n");
    let mut tile = |name: &str, value: String, of: &str| {
        let of = if many { of } else { "" };
        let _ = writeln!(
            out,
            "<li><span>{}</span><b>{}</b><small>{}</small></li>",
            escaped(name),
            escaped(&value),
            escaped(of)
        );
    };
    for (name, figure) in [
        ("Output tokens/s", (|w| w.throughput.output_tokens_per_s) as fn(&Window) -> Option<f64>),
        ("Requests/s", |w| w.throughput.requests_per_s),
    ] {
        let of = |s: &StageReport| s.windows.measured.as_ref().and_then(figure);
        if let Some((stage, value)) = extreme(report, of, true) {
            tile(name, short(value), &format!("most: {}", stage.name));
        }
    }
    if let Some((name, value, of)) = best_effective(report) {
        tile(&name, short(value), &format!("most: {of}"));
    }
    for (name, stats) in
        [("TTFT p99", (|w| &w.latency.ttft_s) as fn(&Window) -> &Stats), ("ITL p99", |w| &w.latency.itl_s)]
    {
        let of = |s: &StageReport| s.windows.measured.as_ref().and_then(|w| stats(w).p99);
        if let (Some((_, low)), Some((worst, high))) = (extreme(report, of, false), extreme(report, of, true))
        {
            let value = if many { between(low, high) } else { time(high) };
            tile(name, value, &format!("longest: {}", worst.name));
        }
    }
    let sum = |of: fn(&StageReport) -> u64| report.stages.iter().map(of).sum::<u64>();
    let (completed, scheduled) = (sum(|s| s.requests.completed), sum(|s| s.requests.scheduled));
    let done = match report.recording.range {
        Some(_) => completed.to_string(),
        None => format!("{completed} of {scheduled}"),
    };
    tile("Completed", done, &format!("{} stages", report.stages.len()));
    out.push_str("</ul>\n");
}

/// Two times as short as a tile is: three digits, and the unit once where both have it.
fn between(low: f64, high: f64) -> String {
    let told = |seconds: f64| {
        let (value, unit) = match seconds {
            s if s >= 1.0 => (s, "s"),
            s if s >= 1e-3 => (s * 1e3, "ms"),
            s => (s * 1e6, "µs"),
        };
        let decimals = match value {
            v if v >= 99.95 => 0,
            v if v >= 9.995 => 1,
            _ => 2,
        };
        (format!("{value:.decimals$}"), unit)
    };
    let ((low, small), (high, large)) = (told(low), told(high));
    if small == large {
        format!("{low} – {high} {large}")
    } else {
        format!("{low} {small} – {high} {large}")
    }
}

/// The stage with the highest, or lowest, value of a figure; the first of equal ones.
fn extreme(
    report: &Report,
    figure: impl Fn(&StageReport) -> Option<f64>,
    highest: bool,
) -> Option<(&StageReport, f64)> {
    let mut best: Option<(&StageReport, f64)> = None;
    for stage in &report.stages {
        let Some(value) = figure(stage) else { continue };
        if best.is_none_or(|(_, b)| if highest { value > b } else { value < b }) {
            best = Some((stage, value));
        }
    }
    best
}

/// Effective throughput at the profile's rate in the middle.
fn best_effective(report: &Report) -> Option<(String, f64, String)> {
    let sla = &report.stages.first()?.fastgen.sla;
    let mut rates = sla.generation_tokens_per_s.clone();
    rates.sort_by(f64::total_cmp);
    let usual = rates.iter().find(|r| r.total_cmp(&4.0).is_eq());
    let rate = *usual.or_else(|| rates.get(rates.len() / 2))?;
    let validator = sla.validators.first().copied().unwrap_or(Validator::Cumulative);
    let of = |s: &StageReport| s.fastgen.effective_throughput_rps.of(validator).at(rate);
    let (stage, value) = extreme(report, of, true)?;
    Some((format!("Effective req/s at {rate} tokens/s"), value, stage.name.clone()))
}

/// A row a stage, a table a window.
pub fn summaries(out: &mut String, sources: &[Source], show: Show) {
    let reports: Vec<Report> = sources.iter().map(|s| s.report().clone()).collect();
    out.push_str("<h2 id=\"summary\">Summary</h2>\n<section class=\"card\">\n");
    if show != Show::Steady {
        let made = table::summary(&reports, Show::Measured);
        push_table(out, "Measured window: from the end of warm-up to the last request's end", &made);
    }
    if show != Show::Measured {
        let made = table::summary(&reports, Show::Steady);
        push_table(out, "Steady window: the longest stretch at full load", &made);
    }
    out.push_str("<p class=\"note\">Latencies in milliseconds. Bad: failed or timed out.</p>\n");
    let mut windows = reports.iter().flat_map(|r| &r.stages).filter_map(|s| s.windows.measured.as_ref());
    if let Some(told) = windows.find_map(|w| w.definitions.as_ref()) {
        let _ = writeln!(
            out,
            "<p class=\"note\">Latencies and rates in tables are as {} defines them; charts and the figures on top of \
             the page keep fastgen-tui's own definitions.</p>",
            escaped(told.name)
        );
    }
    out.push_str("</section>\n");
}

/// Errors by kind, and what they said.
pub fn errors(out: &mut String, sources: &[Source]) {
    out.push_str("<h2 id=\"errors\">Errors</h2>\n<section class=\"card\">\n");
    let many = sources.len() > 1;
    let mut kinds = Table::new(["stage", "kind", "requests"]);
    let mut said = Table::new(["kind", "requests", "message"]);
    for source in sources {
        for stage in &source.report().stages {
            let Some(window) = &stage.windows.measured else { continue };
            let name =
                if many { format!("{}, {}", source.recorded.label, stage.name) } else { stage.name.clone() };
            for kind in &window.error_kinds {
                kinds.row(vec![name.clone(), kind.name(), kind.requests.to_string()]);
            }
        }
        for (kind, message, n) in &source.messages.most {
            said.row(vec![kind.name().into(), n.to_string(), message.clone()]);
        }
        if source.messages.others > 0 {
            said.row(vec!["other".into(), source.messages.others.to_string(), "with other messages".into()]);
        }
    }
    if kinds.rows.is_empty() && said.rows.is_empty() {
        out.push_str("<p class=\"empty\">No request failed or timed out.</p>\n");
    } else {
        push_table(out, "By stage and kind", &kinds);
        push_table(out, "What they said, the most frequent first", &said);
    }
    out.push_str("</section>\n");
}

/// Every stage in full, folded away.
pub fn details(out: &mut String, sources: &[Source], show: Show) {
    out.push_str("<h2 id=\"stages\">Stages in full</h2>\n");
    for source in sources {
        let report = source.report();
        let _ = writeln!(out, "<section class=\"card\">\n<h3>{}</h3>", escaped(&report.recording.name));
        if report.stages.is_empty() {
            out.push_str("<p class=\"empty\">Nothing was measured.</p>\n");
        }
        let tables = fastgen::tables(report);
        if !tables.is_empty() {
            out.push_str("<details><summary>DeepSpeed-FastGen's figures</summary>\n");
            for table in &tables {
                push_table(out, table.header.first().map_or("", String::as_str), &unnamed_first(table));
            }
            out.push_str("</details>\n");
        }
        report.stages.iter().for_each(|s| stage(out, report, s, show));
        out.push_str("</section>\n");
    }
}

/// Without a name over the names: the caption has it.
fn unnamed_first(table: &Table) -> Table {
    let mut header = table.header.clone();
    header.first_mut().into_iter().for_each(String::clear);
    Table { header, rows: table.rows.clone() }
}

fn stage(out: &mut String, report: &Report, stage: &StageReport, show: Show) {
    let load = stage.load().map_or_else(String::new, |load| format!(", {load}"));
    let _ = writeln!(
        out,
        "<details><summary>{}{}: {}</summary>",
        escaped(&stage.name),
        escaped(&load),
        table::completed(report, stage)
    );
    if let Some(fate) = table::fate(stage) {
        let _ = writeln!(out, "<p class=\"empty\">{}</p>", escaped(&fate));
    }
    if let Some(offered) = table::offered(stage) {
        let _ = writeln!(out, "<p class=\"sub\">{}</p>", escaped(&offered));
    }
    let windows = show.of(&stage.windows);
    push_table(out, "Counts and rates", &table::rates(&windows));
    let captions = ["Before and after: rates between interventions", "Before and after: latencies"];
    for (caption, made) in captions.into_iter().zip(segments::tables(stage)) {
        push_table(out, caption, &unnamed_first(&made));
    }
    for (name, window) in windows {
        let Some(window) = window else { continue };
        let made = table::latencies(name, window);
        let caption = made.header.first().map(|told| format!("Latencies, {told}"));
        push_table(out, &caption.unwrap_or_default(), &unnamed_first(&made));
    }
    if let Some(sla) = &stage.sla {
        let limits = table::thresholds(sla, ["threshold", "verdict"], "missed");
        push_table(out, "SLA", &limits);
    }
    out.push_str("</details>\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_of_times_is_short() {
        assert_eq!(between(0.002_506, 0.1494), "2.51 – 149 ms");
        assert_eq!(between(0.071_12, 1.158), "71.1 ms – 1.16 s");
        assert_eq!(between(0.000_09, 0.0999), "90.0 µs – 99.9 ms");
    }
}
