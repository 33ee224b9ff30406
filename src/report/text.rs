//! The report for a terminal or a pipe: as wide as is asked for, no colour, so that it can be kept.

use super::Show;
use super::fastgen;
use super::figures::{Report, StageReport, Window};
use super::layout;
use super::segments;
use super::system_table;
use super::table::{self, Table};

/// Columns of a report that goes to no terminal.
pub const COLUMNS: usize = 80;
/// Narrower than this no report is, whatever the terminal…
const LEAST_COLUMNS: usize = 40;
/// …and its words, unlike its tables, are not wider: longer lines are hard to read.
const MOST_WORDS: usize = 120;

/// [`text_within`] the columns of a report that goes to no terminal.
pub fn text(reports: &[Report], show: Show) -> String {
    text_within(reports, show, COLUMNS)
}

/// All recordings one after another, under a table to compare them where there is more than one stage in all. No line of
/// a table is longer than `columns`.
pub fn text_within(reports: &[Report], show: Show, columns: usize) -> String {
    let mut page = Page { out: String::new(), columns: columns.max(LEAST_COLUMNS) };
    if reports.iter().map(|r| r.stages.len()).sum::<usize>() > 1 {
        page.table(&table::summary(reports, show));
        page.blank();
    }
    for (i, report) in reports.iter().enumerate() {
        if i > 0 {
            page.blank();
        }
        push_report(&mut page, report, show);
    }
    page.out
}

/// The text so far.
struct Page {
    out: String,
    columns: usize,
}

impl Page {
    fn table(&mut self, table: &Table) {
        layout::push_table(&mut self.out, table, self.columns);
    }

    fn blank(&mut self) {
        self.out.push('\n');
    }

    fn line(&mut self, text: &str) {
        layout::words(&mut self.out, text, self.columns.min(MOST_WORDS));
    }
}

fn push_report(page: &mut Page, report: &Report, show: Show) {
    page.line(&format!("{}: {}", table::harmless(&report.recording.name), table::verdict_line(report)));
    for (name, value) in table::facts(report) {
        page.line(&format!("  {name:<8} {value}"));
    }
    let sweep = report.stages.len() > 1;
    if sweep {
        push_overall(page, report);
    }
    for stage in &report.stages {
        push_stage(page, report, stage, show);
    }
    if !sweep {
        push_overall(page, report);
    }
    if report.stages.is_empty() {
        page.line("  nothing was measured");
    }
}

/// FastGen's figures and the readings: over the stages of a sweep, which they compare; under a single one.
fn push_overall(page: &mut Page, report: &Report) {
    for table in fastgen::tables(report).into_iter().chain(system_table::table(report)) {
        page.blank();
        page.table(&table);
    }
}

fn push_stage(page: &mut Page, report: &Report, stage: &StageReport, show: Show) {
    let load = stage.load().map_or_else(String::new, |load| format!(", {}", table::harmless(&load)));
    let r = &stage.requests;
    let again = if r.retries > 0 { format!(", {} sent again", r.retries) } else { String::new() };
    page.blank();
    page.line(&format!(
        "stage {}{load}: {}, {} more to warm up{again}",
        table::harmless(&stage.name),
        table::completed(report, stage),
        stage.warmup_requests
    ));
    if let Some(fate) = table::fate(stage) {
        page.line(&format!("  {fate}"));
    }
    if stage.windows.measured.is_none() && stage.ended_reason.is_some() {
        return;
    }
    if let Some(offered) = table::offered(stage) {
        page.line(&format!("  {offered}"));
    }
    let windows = show.of(&stage.windows);
    page.table(&table::rates(&windows));
    for table in segments::tables(stage) {
        page.blank();
        page.table(&table);
    }
    for (name, window) in windows {
        let Some(window) = window else { continue };
        let latencies = table::latencies(name, window);
        page.blank();
        page.table(&latencies);
        if !window.errors.is_empty() {
            push_errors(page, window);
        }
    }
    push_sla(page, stage);
}

fn push_errors(page: &mut Page, window: &Window) {
    let kinds: Vec<_> = window.errors.iter().map(|(kind, n)| format!("{} {n}", kind.name())).collect();
    page.line(&format!("  errors: {}", kinds.join(", ")));
    for kind in &window.error_kinds {
        let first = kind.first.as_deref().unwrap_or("nothing was said");
        page.line(&format!("    {} {}, first: {}", kind.name(), kind.requests, table::harmless(first)));
    }
}

fn push_sla(page: &mut Page, stage: &StageReport) {
    let Some(sla) = &stage.sla else { return };
    let limits = table::thresholds(sla, ["SLA", ""], "MISSED");
    page.blank();
    page.table(&limits);
}

#[cfg(test)]
mod tests {
    use unicode_width::UnicodeWidthStr;

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
        assert!(
            !text.lines().any(|l| l.trim_start().starts_with("TTFT") && l.split_whitespace().count() < 9)
        );
    }

    #[test]
    fn several_are_compared_on_top() {
        let mut other = fixture::closed_loop(4, 6);
        other.name = format!("{}.jsonl.zst", "very-long-".repeat(12));
        let text = text_within(&[report(&fixture::run()), report(&other)], Show::Steady, 100);
        let mut lines = text.lines();
        assert!(lines.next().unwrap().starts_with("  steady"));
        assert!(lines.next().unwrap().starts_with("  window, ms"));
        assert!(lines.next().unwrap().trim_start().starts_with("hand "));
        assert!(lines.next().unwrap().trim_start().starts_with("very-long-very-lo"));
        assert!(text.lines().all(|l| l.width() <= 100 || l.trim_start().starts_with("very-long")), "{text}");
        assert!(!text.contains("measured window"), "{text}");
    }

    /// Stages of several backends whose names are long and alike at their ends.
    fn sweep() -> Report {
        let cells: Vec<_> = [1, 2, 4, 8, 16, 32].map(|clients| ("tiny", clients)).into();
        let mut run = fixture::sweep(&cells);
        for (i, stage) in run.stages.iter_mut().enumerate() {
            let backend = ["a-server-of-mine", "b-server-of-mine", "sim"][i % 3];
            stage.start.name =
                format!("backend={backend}, prompt_tokens=2600, output_tokens=60, clients={i}");
        }
        report(&run)
    }

    #[test]
    fn no_width_is_exceeded_and_no_stage_lost() {
        let mut intervened = fixture::closed_loop(4, 40);
        let mark = crate::event::Control::Mark { note: "a note of some length, for the table".into() };
        intervened.controls = vec![(500_000_000, mark)];
        intervened.header.profile["sla"] = serde_json::json!({ "ttft_p99": "2s" });
        let reports = [sweep(), report(&intervened)];
        for columns in [40, 60, 80, 100, 120, 160] {
            for show in [Show::Both, Show::Steady] {
                let text = text_within(&reports, show, columns);
                let long = text.lines().find(|l| l.width() > columns && l.trim().contains(' '));
                assert_eq!(long, None, "at {columns}");
                let flat = text.split_whitespace().collect::<Vec<_>>().join(" ");
                for stage in &reports[0].stages {
                    assert!(
                        flat.contains(&format!("stage {},", stage.name)),
                        "at {columns}: {}\n{text}",
                        stage.name
                    );
                }
            }
        }
    }

    #[test]
    fn an_escape_sequence_in_an_error_stays_text() {
        let mut run = fixture::run();
        run.ended = Some(crate::event::Ended::Failed { reason: "\u{1b}[2Jgone\nnow".into() });
        let text = text(&[report(&run)], Show::Both);
        assert!(text.starts_with("hand.jsonl.zst: failed ( [2Jgone now)"), "{text}");
    }
}
