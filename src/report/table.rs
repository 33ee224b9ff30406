//! Tables of text cells, and how numbers are written in reports for people.

use super::definitions::RedefinedLatency;
use super::figures::{Latency, Report, SlaReport, StageReport, Throughput};
use super::stats::Stats;
use super::{Show, Window};
use crate::event::BackendInfo;

/// What stands for a value that isn't known.
pub const UNKNOWN: &str = "-";

/// Rows of cells under a header. The first column is text, the others are numbers.
pub struct Table {
    pub header: Vec<String>,
    pub rows: Vec<Vec<String>>,
}

impl Table {
    /// An empty table with these columns.
    pub fn new<S: Into<String>>(header: impl IntoIterator<Item = S>) -> Self {
        Self { header: header.into_iter().map(Into::into).collect(), rows: Vec::new() }
    }

    /// Adds a row.
    pub fn row(&mut self, cells: Vec<String>) {
        self.rows.push(cells);
    }
}

/// The thresholds of `[sla]`, a row each. `names`: the first and the last column's; `missed`: the word for one that was.
pub fn thresholds(sla: &SlaReport, names: [&str; 2], missed: &str) -> Table {
    let mut limits = Table::new([names[0], "limit s", "measured s", "share %", names[1]]);
    for t in &sla.thresholds {
        limits.row(vec![
            t.threshold.clone(),
            number(Some(t.limit_s), 4),
            number(t.value_s, 4),
            number(t.share.map(|s| s * 100.0), 1),
            if t.met { "met" } else { missed }.into(),
        ]);
    }
    limits
}

/// A number with so many decimals.
pub fn number(value: Option<f64>, decimals: usize) -> String {
    let Some(value) = value else { return UNKNOWN.into() };
    let text = format!("{value:.decimals$}");
    // What rounds to nothing has no sign.
    match text.strip_prefix('-') {
        Some(rest) if rest.bytes().all(|b| matches!(b, b'0' | b'.')) => rest.to_owned(),
        _ => text,
    }
}

/// Four significant digits, or the whole number where that has more: runs differ by more than that, and the exact
/// value stands in files.
fn figure(value: f64) -> String {
    let decimals = match value {
        v if v < 9.999_5 => 3,
        v if v < 99.995 => 2,
        v if v < 999.95 => 1,
        _ => 0,
    };
    format!("{value:.decimals$}")
}

/// A latency's row: its name with the unit that suits its largest value, then mean to max and count.
pub fn latency_row(name: &str, stats: &Stats) -> Vec<String> {
    let (unit, factor) = unit(stats.max);
    let show = |v: Option<f64>| v.map_or_else(|| UNKNOWN.into(), |v| figure(v * factor));
    let mut cells = vec![format!("{name} {unit}")];
    let all = [stats.mean, stats.min, stats.p50, stats.p90, stats.p95, stats.p99, stats.p999, stats.max];
    cells.extend(all.map(show));
    cells.push(stats.count.to_string());
    cells
}

/// The header over [`latency_row`]s.
pub fn latency_header(window: &str) -> Table {
    Table::new([window, "mean", "min", "p50", "p90", "p95", "p99", "p99.9", "max", "count"])
}

/// The latencies of a window: ours, or those of the tool whose definitions were asked for.
pub fn latencies(name: &str, window: &Window) -> Table {
    let Some(told) = &window.definitions else {
        let mut table = latency_header(&format!("{name} window"));
        for (_, name, stats) in window.latency.all() {
            table.row(latency_row(name, stats));
        }
        return table;
    };
    let mut table = latency_header(&format!("{name}, as {}", told.name));
    for (name, stats) in told.latency.all() {
        let none =
            || std::iter::once(format!("{name} {UNKNOWN}")).chain((0..9).map(|_| UNKNOWN.into())).collect();
        table.row(stats.map_or_else(none, |stats| latency_row(name, stats)));
    }
    table
}

/// Rates of a window, and what they are over.
fn throughput(window: &Window) -> (f64, &Throughput) {
    let own = (window.seconds, &window.throughput);
    window.definitions.as_ref().map_or(own, |told| (told.seconds, &told.throughput))
}

fn unit(max_s: Option<f64>) -> (&'static str, f64) {
    match max_s {
        Some(max) if max >= 10.0 => ("s", 1.0),
        Some(max) if max < 1e-3 => ("us", 1e6),
        _ => ("ms", 1e3),
    }
}

/// Counts and rates of a stage, a column a window.
pub fn rates(windows: &[(&'static str, Option<&Window>)]) -> Table {
    let names = windows.iter().map(|(name, window)| match window {
        Some(_) => format!("{name} window"),
        None => format!("no {name} window"),
    });
    let mut table = Table::new(std::iter::once(String::new()).chain(names));
    let mut add = |name: &str, cell: &dyn Fn(&Window) -> String| {
        let cells = windows.iter().map(|(_, w)| w.map_or_else(|| UNKNOWN.into(), cell));
        table.row(std::iter::once(name.to_owned()).chain(cells).collect());
    };
    add("length s", &|w| number(Some(w.seconds), 3));
    add("requests completed", &|w| w.requests.completed.to_string());
    add("requests failed", &|w| w.requests.failed.to_string());
    add("requests timed out", &|w| w.requests.timed_out.to_string());
    add("requests cancelled", &|w| w.requests.cancelled.to_string());
    add("output tokens", &|w| w.tokens.output.to_string());
    add("input tokens", &|w| w.tokens.input.to_string());
    let tool = windows.iter().find_map(|(_, window)| Some((*window)?.definitions.as_ref()?.name));
    if let Some(tool) = tool {
        add(&format!("rates as {tool}: over s"), &|w| number(Some(throughput(w).0), 3));
    }
    add("requests/s", &|w| number(throughput(w).1.requests_per_s, 3));
    add("output tokens/s", &|w| number(throughput(w).1.output_tokens_per_s, 1));
    add("input tokens/s", &|w| number(throughput(w).1.input_tokens_per_s, 1));
    add("total tokens/s", &|w| number(throughput(w).1.total_tokens_per_s, 1));
    add("requests in flight, mean", &|w| number(w.concurrency_mean, 2));
    add("Little residual", &|w| number(w.little_residual, 4));
    table
}

/// One row a stage of every recording, to compare by eye; each from the window shown (the measured one if
/// both are).
pub fn summary(reports: &[Report], show: Show) -> Table {
    let head = ["req/s", "out tok/s", "TTFT p50", "TTFT p99", "ITL p50", "ITL p99", "E2E p99", "bad"];
    let window = if show == Show::Steady { "steady window" } else { "measured window" };
    let stages = || reports.iter().flat_map(|report| &report.stages);
    let told = stages().find_map(|stage| stage.windows.measured.as_ref()?.definitions.as_ref());
    let title =
        told.map_or_else(|| format!("{window}, ms"), |told| format!("{window}, ms, as {}", told.name));
    let head = head.into_iter().map(str::to_owned);
    let mut table = Table::new(std::iter::once(title).chain(head));
    for report in reports {
        for stage in &report.stages {
            let window = match show {
                Show::Steady => stage.windows.steady.as_ref(),
                Show::Both | Show::Measured => stage.windows.measured.as_ref(),
            };
            let bad = stage.requests.failed + stage.requests.timed_out;
            let name = stage_name(report, &stage.name, reports.len() > 1);
            let mut row = summary_row(name, window, bad);
            if let (Some(ended @ ("failed" | "skipped")), Some(bad)) = (stage.ended, row.last_mut()) {
                ended.clone_into(bad);
            }
            table.row(row);
        }
    }
    table
}

fn summary_row(name: String, window: Option<&Window>, bad: u64) -> Vec<String> {
    let rate = |f: fn(&Throughput) -> Option<f64>, decimals| {
        number(window.and_then(|w| f(throughput(w).1)), decimals)
    };
    let told = window.and_then(|w| w.definitions.as_ref()).map(|told| &told.latency);
    let of = |own: fn(&Latency) -> &Stats, tools: fn(&RedefinedLatency) -> &Stats| {
        told.map(tools).or_else(|| window.map(|w| own(&w.latency)))
    };
    let ms =
        |stats: Option<&Stats>, f: fn(&Stats) -> Option<f64>| number(stats.and_then(f).map(|v| v * 1e3), 1);
    let (ttft, itl) = (of(|l| &l.ttft_s, |l| &l.ttft_s), of(|l| &l.itl_s, |l| &l.itl_s));
    vec![
        name,
        rate(|t| t.requests_per_s, 3),
        rate(|t| t.output_tokens_per_s, 1),
        ms(ttft, |s| s.p50),
        ms(ttft, |s| s.p99),
        ms(itl, |s| s.p50),
        ms(itl, |s| s.p99),
        ms(of(|l| &l.e2e_s, |l| &l.e2e_s), |s| s.p99),
        bad.to_string(),
    ]
}

fn stage_name(report: &Report, stage: &str, many: bool) -> String {
    let name = report.recording.name.trim_end_matches(".jsonl.zst");
    match (many, report.stages.len()) {
        (true, 1) => name.to_owned(),
        (true, _) => format!("{name} {stage}"),
        (false, _) => stage.to_owned(),
    }
}

/// How many of a stage's requests completed. Those that ended in a range need not be those that came in it.
pub fn completed(report: &Report, stage: &StageReport) -> String {
    let r = &stage.requests;
    match report.recording.range {
        Some(_) => format!("{} requests completed in the range, {} came in it", r.completed, r.scheduled),
        None => format!("{} of {} requests completed", r.completed, r.scheduled),
    }
}

/// How a stage ended, where it did not simply complete.
pub fn fate(stage: &StageReport) -> Option<String> {
    let ended = stage.ended.filter(|ended| *ended != "complete")?;
    let reason = stage.ended_reason.as_deref().map(harmless);
    Some(reason.map_or_else(|| ended.to_owned(), |reason| format!("{ended}: {reason}")))
}

/// What an open loop offered and what came of it, in one line.
pub fn offered(stage: &StageReport) -> Option<String> {
    let open = stage.open_loop.as_ref()?;
    let rate = |rate| number(rate, 3);
    let keeps_up = match open.keeps_up {
        Some(true) => "; the server kept up",
        Some(false) => "; the server did not keep up",
        None => "",
    };
    Some(format!(
        "offered {} req/s, achieved {}; at most {} in flight of {} allowed, {} held back{keeps_up}",
        rate(open.offered_per_s),
        rate(open.achieved_per_s),
        open.peak_in_flight,
        open.max_in_flight,
        open.held_back
    ))
}

/// Name and value pairs that say what was run.
pub fn facts(report: &Report) -> Vec<(&'static str, String)> {
    let r = &report.recording;
    let mut facts = vec![("profile", r.profile.clone())];
    // A run that never got to a stage has an engine at most.
    let served: Vec<&BackendInfo> =
        if r.engines.is_empty() { r.engine.iter().collect() } else { r.engines.iter().collect() };
    if served.is_empty() {
        facts.push(("backend", r.backend.clone()));
    } else {
        facts.push(("backend", each(&served, BackendInfo::engine_name)));
        facts.push(("model", each(&served, BackendInfo::model_name)));
    }
    if r.host.cores > 0 {
        facts.push(("host", format!("{}, {}, {} cores", r.host.name, r.host.cpu, r.host.cores)));
    }
    if !r.host.gpus.is_empty() {
        facts.push(("GPUs", r.host.gpus.join(", ")));
    }
    if let Some(client) = &r.client.line {
        facts.push(("client", client.clone()));
    }
    if let Some(range) = &r.range {
        facts.push(("range", range.words()));
    }
    facts.push(("started", format!("{}, seed {}", whole_second(&r.started_at), r.seed)));
    facts.into_iter().map(|(name, value)| (name, harmless(value.trim()))).collect()
}

/// What is said of each of several engines, each once.
fn each(served: &[&BackendInfo], say: impl Fn(&BackendInfo) -> String) -> String {
    let mut all: Vec<String> = Vec::new();
    for words in served.iter().map(|engine| say(engine).trim().to_owned()) {
        if !all.contains(&words) {
            all.push(words);
        }
    }
    all.join("; ")
}

/// `2026-01-02T03:04:05.678Z` without the part of a second.
fn whole_second(time: &str) -> String {
    let Some((whole, part)) = time.split_once('.') else { return time.to_owned() };
    whole.to_owned() + part.trim_start_matches(|c: char| c.is_ascii_digit())
}

/// A number with so many decimals at most.
pub fn at_most(value: f64, decimals: usize) -> String {
    let text = number(Some(value), decimals);
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

/// The verdict in one line.
pub fn verdict_line(report: &Report) -> String {
    let r = &report.recording;
    let said: Vec<_> =
        r.verdicts.iter().map(|v| format!("{} ({})", v.verdict.words(), harmless(&v.why))).collect();
    if said.is_empty() { "complete, nothing lost".into() } else { said.join("; ") }
}

/// Text from a recording without control characters, so that it can't command a terminal.
pub fn harmless(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that fails may panic")]
mod tests {
    use super::*;
    use crate::report::{fixture, report};

    #[test]
    fn all_engines_of_a_sweep_are_named_once() {
        let mut run = fixture::sweep(&[("tiny", 1), ("tiny", 2), ("tiny", 4)]);
        let engine = |kind: &str, load_s| BackendInfo {
            kind: kind.into(),
            version: "1".into(),
            model: "tiny".into(),
            load_s,
            ..BackendInfo::default()
        };
        let engines = [engine("sim", 0.5), engine("openai", 1.0), engine("sim", 0.7)];
        for (stage, engine) in run.stages.iter_mut().zip(&engines) {
            stage.info = Some(engine.clone());
        }
        run.info = Some(engines[2].clone());
        let report = report(&run);
        assert_eq!(report.recording.engines.len(), 2);
        let told = facts(&report);
        let of = |name| told.iter().find(|(n, _)| *n == name).map(|(_, value)| value.as_str()).unwrap();
        assert_eq!((of("backend"), of("model")), ("sim 1; openai 1", "tiny"));
    }

    #[test]
    fn numbers_have_the_digits_that_tell() {
        assert_eq!(whole_second("2026-01-02T03:04:05.678901234Z"), "2026-01-02T03:04:05Z");
        assert_eq!(whole_second("2026-01-02T03:04:05Z"), "2026-01-02T03:04:05Z");
        assert_eq!(whole_second("2026-01-02T03:04:05.6+02:00"), "2026-01-02T03:04:05+02:00");
        assert_eq!([0.1 + 0.2, 8.0, 1.0 / 3.0, 100.0].map(|v| at_most(v, 3)), ["0.3", "8", "0.333", "100"]);
        assert_eq!(
            [0.001, 9.9999, 99.994, 776.09, 1002.4].map(figure),
            ["0.001", "10.00", "99.99", "776.1", "1002"]
        );
    }

    #[test]
    fn what_an_import_cant_tell_is_not_told() {
        let mut run = fixture::closed_loop(2, 4);
        run.header.profile["backend"] = serde_json::json!({ "kind": "imported" });
        let of = |run: &crate::report::Run| report(run).stages[0].windows.measured.clone().unwrap().latency;
        let lag = latency_row("send lag", &of(&run).send_lag_s);
        assert_eq!(lag[1..], [[UNKNOWN; 8].as_slice(), &["0"]].concat());
        assert_eq!((of(&run).ttft_corrected_s.count, of(&run).ttft_s.count), (0, 8));
        // Files of this program tell it.
        run.stages[0].requests[3].scheduled_ns -= 5_000;
        assert_eq!(of(&run).send_lag_s.count, 8);
    }
}
