//! The tables of the screens, as they are filtered, sorted and chosen there.

use super::Sheet;
use crate::event::Level;
use crate::metrics::{Bins, Definitions, HeatFigure, Rate, RequestRecord, Snapshot, Summary};
use crate::ui::state::UiState;
use crate::ui::{rows, tracks};

/// A number as it is, or nothing.
fn number(value: Option<f64>) -> String {
    value.filter(|v| v.is_finite()).map_or_else(String::new, |v| v.to_string())
}

/// Nanoseconds as seconds.
fn seconds(ns: Option<u64>) -> String {
    number(ns.map(|ns| ns as f64 / 1e9))
}

pub(super) fn live(snap: &Snapshot, ui: &UiState) -> Sheet {
    let mut sheet = Sheet::new("the latency table and the rates");
    sheet.row(["figure", "count", "mean (s)", "p50 (s)", "p90 (s)", "p95 (s)", "p99 (s)", "max (s)"]);
    let told = snap.told(ui.definitions);
    let named: Vec<(&str, &Summary)> = if ui.definitions == Definitions::Own {
        snap.latencies().into_iter().filter_map(|(name, s)| Some((name, s?))).collect()
    } else {
        let tpot = told.tpot.map(|s| ("TPOT", s));
        [Some(("TTFT", told.ttft)), Some(("ITL", told.itl)), tpot, Some(("E2E", told.e2e))]
            .into_iter()
            .flatten()
            .collect()
    };
    for (name, s) in named {
        let name = match ui.definitions {
            Definitions::Own => name.to_owned(),
            tool => format!("{name}, as {}", tool.name()),
        };
        let values = [s.mean, s.p50, s.p90, s.p95, s.p99, s.max].map(number);
        sheet.row([name, s.count.to_string()].into_iter().chain(values));
    }
    sheet.part();
    sheet.row(["rate (1/s)", "last 1 s", "last 10 s", "last 60 s", "mean", "peak of 1 s"]);
    let rates: [(&str, &Rate); 3] = [
        ("output tokens", &snap.output_rate),
        ("input tokens", &snap.input_rate),
        ("requests", &snap.request_rate),
    ];
    for (name, r) in rates {
        let values = [r.s1, r.s10, r.s60, r.mean, r.peak].map(number);
        sheet.row([name.to_owned()].into_iter().chain(values));
    }
    sheet
}

const PERCENTILES: [f64; 4] = [0.5, 0.9, 0.95, 0.99];

fn percentiles(bins: &Bins) -> [String; 4] {
    bins.percentiles_ns(PERCENTILES).map_or_else(Default::default, |all| all.map(|ns| number(Some(ns / 1e9))))
}

/// Percentiles of all figures over what is shown, then the chosen one's over time.
pub(super) fn latency(snap: &Snapshot, ui: &UiState) -> Sheet {
    let figure = ui.latency.figure;
    let mut sheet = Sheet::new(&format!("percentiles, and those of {} over time", figure.name()));
    let axis = ui.latency.axis;
    let whole = axis.cell_ns == 0;
    let shown = |start: u64, end: u64| whole || (end > axis.from_ns && start < axis.end_ns());
    sheet.row(["figure", "count", "p50 (s)", "p90 (s)", "p95 (s)", "p99 (s)"]);
    for figure in HeatFigure::ALL {
        let mut bins = Bins::default();
        snap.heat
            .of(figure)
            .columns()
            .filter(|c| shown(c.start_ns, c.end_ns()))
            .for_each(|column| bins.add(column));
        let begin = [figure.name().to_owned(), bins.total().to_string()];
        sheet.row(begin.into_iter().chain(percentiles(&bins)));
    }
    sheet.part();
    sheet.row(["from (s)", "to (s)", "count", "p50 (s)", "p90 (s)", "p95 (s)", "p99 (s)"]);
    for column in snap.heat.of(figure).columns().filter(|c| shown(c.start_ns, c.end_ns())) {
        let mut bins = Bins::default();
        bins.add(column);
        let begin =
            [seconds(Some(column.start_ns)), seconds(Some(column.end_ns())), bins.total().to_string()];
        sheet.row(begin.into_iter().chain(percentiles(&bins)));
    }
    sheet
}

pub(super) fn clients(snap: &Snapshot) -> Sheet {
    let mut sheet = Sheet::new("the clients");
    sheet.row(["client", "state", "request", "completed", "failed", "output tokens (1/s)"]);
    for lane in &snap.lanes {
        sheet.row([
            lane.client.to_string(),
            rows::state(lane.current.as_ref()).to_owned(),
            lane.current.map_or_else(String::new, |o| o.request.to_string()),
            lane.completed.to_string(),
            lane.failed.to_string(),
            number(lane.tokens_per_s),
        ]);
    }
    sheet
}

pub(super) fn requests(snap: &Snapshot, ui: &UiState) -> Sheet {
    let mut sheet = Sheet::new("the requests in the table");
    sheet.row([
        "request",
        "client",
        "sent at (s)",
        "prompt (tokens)",
        "output (tokens)",
        "TTFT (s)",
        "TPOT (s)",
        "E2E (s)",
        "send lag (s)",
        "warm-up",
        "outcome",
        "error",
    ]);
    for r in rows::requests(snap, &ui.requests) {
        sheet.row([
            r.request.to_string(),
            r.client.to_string(),
            seconds(Some(r.sent_ns)),
            r.prompt_tokens.to_string(),
            r.output_tokens.to_string(),
            seconds(r.ttft_ns()),
            number(r.tpot_ns().map(|ns| ns / 1e9)),
            seconds(r.e2e_ns()),
            seconds(snap.send_lag_ns(r)),
            if r.warmup { "yes" } else { "no" }.to_owned(),
            r.outcome.name().to_owned(),
            r.error.as_deref().unwrap_or("").to_owned(),
        ]);
    }
    sheet
}

/// When each chunk of a request came.
pub(super) fn tokens(record: &RequestRecord) -> Sheet {
    let mut sheet = Sheet::new(&format!("the chunks of request #{}", record.request));
    sheet.row(["chunk", "at (s)", "since sent (s)", "gap (s)"]);
    let mut before = None;
    for (i, at) in record.chunk_at_ns.iter().enumerate() {
        let since = at.saturating_sub(record.sent_ns);
        let gap = before.map(|b| at.saturating_sub(b));
        sheet.row([(i + 1).to_string(), seconds(Some(*at)), seconds(Some(since)), seconds(gap)]);
        before = Some(*at);
    }
    sheet
}

pub(super) fn curve(snap: &Snapshot, ui: &UiState) -> Sheet {
    let mut sheet = Sheet::new("the stages' points");
    let at = ui.curve.rate_of(snap.curve.sla.rates.len());
    let validator = ui.curve.validator;
    let generation = number(snap.curve.sla.rates.get(at).copied());
    let sla = format!("effective (1/s) at {generation} tokens/s, {}", validator.name());
    sheet.row([
        "stage",
        "clients or rate (1/s)",
        "requests",
        "queries (1/s)",
        "mean latency (s)",
        "good (0..1)",
        &sla,
    ]);
    for p in snap.curve.points() {
        sheet.row([
            p.name.clone(),
            number(p.load()),
            p.requests.to_string(),
            number(p.throughput_rps()),
            number(p.latency_s()),
            number(p.good_share(at, validator)),
            number(p.effective_rps(at, validator)),
        ]);
    }
    sheet
}

/// The newest value of each figure, then all over time, each reading with its own time.
pub(super) fn system(snap: &Snapshot) -> Sheet {
    let mut sheet = Sheet::new("the system's figures, newest and over time");
    let all = tracks::tracks(snap);
    sheet.row(["figure", "unit", "now", "peak"]);
    for track in &all {
        let values = [number(track.now), number(track.peak(0.0))];
        sheet.row([track.title.clone(), track.unit.to_owned()].into_iter().chain(values));
    }
    sheet.part();
    sheet.row(["time (s)", "figure", "unit", "value"]);
    for track in &all {
        for (at, value) in track.points.iter().filter(|(_, value)| value.is_some()) {
            sheet.row([number(Some(*at)), track.title.clone(), track.unit.to_owned(), number(*value)]);
        }
    }
    sheet
}

pub(super) fn log(snap: &Snapshot, ui: &UiState) -> Sheet {
    let mut sheet = Sheet::new("the lines of the log");
    sheet.row(["time (s)", "level", "source", "message"]);
    for line in rows::log(snap, &ui.log) {
        let level = match line.level {
            Level::Debug => "debug",
            Level::Info => "info",
            Level::Warn => "warn",
            Level::Error => "error",
        };
        sheet.row([&seconds(Some(line.at_ns)), level, &line.source, &line.message]);
    }
    sheet
}
