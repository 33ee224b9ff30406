//! The report for a terminal: at most 100 columns, no colour, so that it can be piped and kept.

use std::fmt::Write as _;

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use super::Show;
use super::fastgen;
use super::figures::{Report, StageReport, Window};
use super::segments;
use super::table::{self, Table};

const COLUMNS: usize = 100;

/// All recordings one after another, under a table to compare them where there is more than one stage in all.
pub fn text(reports: &[Report], show: Show) -> String {
    let mut out = String::new();
    if reports.iter().map(|r| r.stages.len()).sum::<usize>() > 1 {
        push_table(&mut out, &table::summary(reports, show));
        out.push('\n');
    }
    for (i, report) in reports.iter().enumerate() {
        if i > 0 {
            out.push('\n');
        }
        push_report(&mut out, report, show);
    }
    out
}

fn push_report(out: &mut String, report: &Report, show: Show) {
    line(out, &format!("{}: {}", table::harmless(&report.recording.name), table::verdict_line(report)));
    for (name, value) in table::facts(report) {
        line(out, &format!("  {name:<8} {value}"));
    }
    let sweep = report.stages.len() > 1;
    if sweep {
        push_fastgen(out, report);
    }
    for stage in &report.stages {
        push_stage(out, report, stage, show);
    }
    if !sweep {
        push_fastgen(out, report);
    }
    if report.stages.is_empty() {
        line(out, "  nothing was measured");
    }
}

/// Over the stages of a sweep, which it compares; under a single one.
fn push_fastgen(out: &mut String, report: &Report) {
    for table in fastgen::tables(report) {
        out.push('\n');
        push_table(out, &table);
    }
}

fn push_stage(out: &mut String, report: &Report, stage: &StageReport, show: Show) {
    let load = stage.load().map_or_else(String::new, |load| format!(", {}", table::harmless(&load)));
    let r = &stage.requests;
    let again = if r.retries > 0 { format!(", {} sent again", r.retries) } else { String::new() };
    out.push('\n');
    line(
        out,
        &format!(
            "stage {}{load}: {}, {} more to warm up{again}",
            table::harmless(&stage.name),
            table::completed(report, stage),
            stage.warmup_requests
        ),
    );
    if let Some(fate) = table::fate(stage) {
        line(out, &format!("  {fate}"));
    }
    if stage.windows.measured.is_none() && stage.ended_reason.is_some() {
        return;
    }
    if let Some(offered) = table::offered(stage) {
        line(out, &format!("  {offered}"));
    }
    let windows = show.of(&stage.windows);
    push_table(out, &table::rates(&windows));
    for table in segments::tables(stage) {
        out.push('\n');
        push_table(out, &table);
    }
    for (name, window) in windows {
        let Some(window) = window else { continue };
        let latencies = table::latencies(name, window);
        out.push('\n');
        push_table(out, &latencies);
        if !window.errors.is_empty() {
            push_errors(out, window);
        }
    }
    push_sla(out, stage);
}

fn push_errors(out: &mut String, window: &Window) {
    let kinds: Vec<_> = window.errors.iter().map(|(kind, n)| format!("{} {n}", kind.name())).collect();
    line(out, &format!("  errors: {}", kinds.join(", ")));
    for kind in &window.error_kinds {
        let first = kind.first.as_deref().unwrap_or("nothing was said");
        line(out, &format!("    {} {}, first: {}", kind.name(), kind.requests, table::harmless(first)));
    }
}

fn push_sla(out: &mut String, stage: &StageReport) {
    let Some(sla) = &stage.sla else { return };
    let limits = table::thresholds(sla, ["SLA", ""], "MISSED");
    out.push('\n');
    push_table(out, &limits);
}

/// Columns as wide as their widest cell; the first one gives way where all don't fit.
fn push_table(out: &mut String, table: &Table) {
    let lines = || std::iter::once(&table.header).chain(&table.rows);
    let mut widths: Vec<usize> = (0..table.header.len())
        .map(|column| lines().filter_map(|cells| cells.get(column)).map(|c| c.width()).max().unwrap_or(0))
        .collect();
    let others: usize = widths.iter().skip(1).map(|w| w + 2).sum();
    if let Some(first) = widths.first_mut() {
        *first = (*first).min(COLUMNS.saturating_sub(others + 2)).max(8);
    }
    for cells in lines() {
        let mut text = String::from("  ");
        for (i, (cell, width)) in cells.iter().zip(&widths).enumerate() {
            if i == 0 {
                let name = cut(&table::harmless(cell), *width);
                let pad = width.saturating_sub(name.width());
                let _ = write!(text, "{name}{:pad$}", "");
            } else {
                let _ = write!(text, "  {cell:>width$}");
            }
        }
        out.push_str(text.trim_end());
        out.push('\n');
    }
}

/// The end of a name tells more than its beginning.
fn cut(name: &str, columns: usize) -> String {
    if name.width() <= columns {
        return name.to_owned();
    }
    let mut kept = Vec::new();
    let mut used = 2;
    for c in name.chars().rev() {
        used += c.width().unwrap_or(0);
        if used > columns {
            break;
        }
        kept.push(c);
    }
    "..".chars().chain(kept.into_iter().rev()).collect()
}

/// A line of words, broken at spaces where it is too long.
fn line(out: &mut String, text: &str) {
    let indent = text.len() - text.trim_start().len();
    let mut used = 0;
    for (i, word) in text.trim_start().split(' ').enumerate() {
        if i == 0 {
            let _ = write!(out, "{:indent$}", "");
            used = indent;
        } else if used + 1 + word.width() > COLUMNS {
            let _ = write!(out, "\n{:pad$}", "", pad = indent + 4);
            used = indent + 4;
        } else {
            out.push(' ');
            used += 1;
        }
        out.push_str(word);
        used += word.width();
    }
    out.push('\n');
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{fixture, report};

    #[test]
    fn one_recording_verdict_first() {
        let mut run = fixture::run();
        run.header.profile["sla"] = serde_json::json!({ "ttft_p99": "2s", "e2e": "150ms" });
        let text = text(&[report(&run)], Show::Both);
        assert!(text.starts_with("hand.jsonl.zst: SLA missed (main: e2e within 0.15 s: 25.0 %"), "{text}");
        for said in [
            "measured window",
            "steady window",
            "errors: failed_engine 1",
            "TTFT ms",
            "MISSED",
            "1 more to warm up",
            "token latency ms",
            "effective req/s, cumulative",
        ] {
            assert!(text.contains(said), "`{said}` is missing in\n{text}");
        }
        assert!(text.lines().all(|l| l.width() <= COLUMNS), "{text}");
    }

    #[test]
    fn several_are_compared_on_top() {
        let mut other = fixture::closed_loop(4, 6);
        other.name = format!("{}.jsonl.zst", "very-long-".repeat(12));
        let text = text(&[report(&fixture::run()), report(&other)], Show::Steady);
        let mut lines = text.lines();
        assert!(lines.next().unwrap().contains("steady window"));
        assert!(lines.next().unwrap().trim_start().starts_with("hand "));
        assert!(lines.next().unwrap().trim_start().starts_with(".."));
        assert!(text.lines().all(|l| l.width() <= COLUMNS || l.starts_with("very-long")), "{text}");
        assert!(!text.contains("measured window"), "{text}");
    }

    #[test]
    fn an_escape_sequence_in_an_error_stays_text() {
        let mut run = fixture::run();
        run.ended = Some(crate::event::Ended::Failed { reason: "\u{1b}[2Jgone\nnow".into() });
        let text = text(&[report(&run)], Show::Both);
        assert!(text.starts_with("hand.jsonl.zst: failed ( [2Jgone now)"), "{text}");
    }
}
