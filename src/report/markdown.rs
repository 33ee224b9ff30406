//! The report as Markdown, to paste into an issue or a pull request.

use std::fmt::Write as _;

use super::Show;
use super::fastgen;
use super::figures::{Report, StageReport};
use super::segments;
use super::system_table;
use super::table::{self, Table};

/// All recordings one after another, under a table to compare them where there is more than one stage in all.
pub fn markdown(reports: &[Report], show: Show) -> String {
    let mut out = String::new();
    if reports.iter().map(|r| r.stages.len()).sum::<usize>() > 1 {
        push_table(&mut out, &table::summary(reports, show));
    }
    for report in reports {
        push_report(&mut out, report, show);
    }
    out.truncate(out.trim_end().len());
    out + "\n"
}

fn push_report(out: &mut String, report: &Report, show: Show) {
    let _ = write!(out, "## {}\n\n", escape(&report.recording.name));
    let _ = write!(out, "**{}**\n\n", escape(&table::verdict_line(report)));
    for (name, value) in table::facts(report) {
        let _ = writeln!(out, "- {name}: {}", escape(&value));
    }
    out.push('\n');
    let sweep = report.stages.len() > 1;
    if sweep {
        push_overall(out, report);
    }
    for stage in &report.stages {
        push_stage(out, report, stage, show);
    }
    if !sweep {
        push_overall(out, report);
    }
}

/// FastGen's figures and the readings: over the stages of a sweep, which they compare; under a single one.
fn push_overall(out: &mut String, report: &Report) {
    for table in fastgen::tables(report).into_iter().chain(system_table::table(report)) {
        push_table(out, &table);
    }
}

fn push_stage(out: &mut String, report: &Report, stage: &StageReport, show: Show) {
    let load = stage.load().map_or_else(String::new, |load| format!(", {}", escape(&load)));
    let r = &stage.requests;
    let _ = write!(out, "### {}{load}\n\n", escape(&stage.name));
    let again = if r.retries > 0 { format!(" {} were sent again.", r.retries) } else { String::new() };
    let _ = write!(out, "{}.{again}\n\n", table::completed(report, stage));
    if push_fate(out, stage) {
        return;
    }
    if let Some(offered) = table::offered(stage) {
        let _ = write!(out, "{}\n\n", escape(&offered));
    }
    let windows = show.of(&stage.windows);
    push_table(out, &table::rates(&windows));
    for table in segments::tables(stage) {
        push_table(out, &table);
    }
    for (name, window) in windows {
        let Some(window) = window else { continue };
        let latencies = table::latencies(name, window);
        push_table(out, &latencies);
        if !window.errors.is_empty() {
            let mut errors =
                Table::new([format!("errors, {name} window"), "requests".into(), "the first".into()]);
            for kind in &window.error_kinds {
                let first = escape(kind.first.as_deref().unwrap_or_default());
                errors.row(vec![kind.name(), kind.requests.to_string(), first]);
            }
            push_table(out, &errors);
        }
    }
    if let Some(sla) = &stage.sla {
        let limits = table::thresholds(sla, ["SLA", "verdict"], "**missed**");
        push_table(out, &limits);
    }
}

/// How the stage ended, if not well; tells whether that is all there is to say.
fn push_fate(out: &mut String, stage: &StageReport) -> bool {
    if let Some(fate) = table::fate(stage) {
        let _ = write!(out, "**{}**\n\n", escape(&fate));
    }
    stage.windows.measured.is_none() && stage.ended_reason.is_some()
}

fn push_table(out: &mut String, table: &Table) {
    let row = |cells: &[String]| format!("| {} |\n", cells.join(" | "));
    out.push_str(&row(&table.header));
    out.push_str("|---|");
    out.push_str(&"---:|".repeat(table.header.len().saturating_sub(1)));
    out.push('\n');
    for cells in &table.rows {
        let mut cells = cells.clone();
        if let Some(name) = cells.first_mut() {
            *name = escape(name);
        }
        out.push_str(&row(&cells));
    }
    out.push('\n');
}

/// Text of a recording as text: no table cell, tag, link or emphasis begins in it.
fn escape(text: &str) -> String {
    let mut out = String::new();
    for c in table::harmless(text).chars() {
        match c {
            '<' => out.push_str("&lt;"),
            '&' => out.push_str("&amp;"),
            '|' | '*' | '`' | '[' | ']' | '\\' | '@' | '#' => out.extend(['\\', c]),
            _ => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{fixture, report};

    #[test]
    fn every_table_is_whole() {
        let mut run = fixture::run();
        run.name = "a|b<c>.jsonl.zst".into();
        run.header.profile["sla"] = serde_json::json!({ "ttft": "2s" });
        let out = markdown(&[report(&run), report(&fixture::closed_loop(2, 5))], Show::Both);
        assert!(out.contains("## a\\|b&lt;c>.jsonl.zst\n"), "{out}");
        assert!(out.contains("| failed_engine | 1 |") && out.contains("**missed**"), "{out}");
        assert!(out.contains("| effective req/s, ema16 |"), "{out}");
        assert!(out.contains("| effective req/s, ema16 |"), "{out}");
        let mut columns = None;
        for line in out.lines() {
            let bars = line.replace("\\|", "").matches('|').count();
            match columns {
                Some(columns) if bars > 0 => assert_eq!(bars, columns, "{line}"),
                _ => columns = (bars > 0).then_some(bars),
            }
        }
        // FastGen's SLA, at six rates, comes last.
        assert_eq!(columns, Some(8));
    }
}
