//! What a screen can know at one moment: everything is bounded, so a copy costs the same all run long.

use std::collections::VecDeque;
use std::sync::Arc;

use super::curve::CurveView;
use super::interventions::Cut;
use super::{Errors, HeatMaps, RequestRecord, ToolFigures};
use crate::event::{BackendInfo, Control, Ended, LogLine, Outcome, Phase, RequestId, Sample, StageStart};

/// Requests kept for the table: the last ones.
pub const RECENT_REQUESTS: usize = 512;
/// Requests kept for the table: the slowest by end-to-end latency.
pub const SLOWEST_REQUESTS: usize = 64;
/// Seconds kept of the series.
pub const SERIES_SECONDS: usize = 600;
/// Spans kept a client.
pub const LANE_SPANS: usize = 96;
/// Spans between interventions kept of the stage: the last ones.
pub const SPANS_KEPT: usize = 4;
/// Log lines kept.
pub const LOG_LINES: usize = 1000;
/// Buckets of a mini-histogram.
pub const MINI_BUCKETS: usize = 48;

/// A picture of the run at `at_ns`.
#[derive(Debug, Clone, Default)]
pub struct Snapshot {
    /// Time of the newest event (replay: of the play head), nanoseconds since the run's start.
    pub at_ns: u64,
    pub loading: Option<Loading>,
    pub info: Option<Arc<BackendInfo>>,
    pub stage: Option<Arc<StageStart>>,
    /// How the run's stages fare.
    pub stages: Stages,
    pub phase: Option<Phase>,
    /// When the present phase began.
    pub phase_at_ns: u64,
    /// When measuring began.
    pub measuring_at_ns: Option<u64>,
    /// When the last measured request ended, once the stage is done.
    pub measured_end_ns: Option<u64>,
    pub ended: Option<Ended>,
    pub counts: Counts,
    pub in_flight: InFlight,
    /// Output tokens a second, prompt tokens a second, completed requests a second.
    pub output_rate: Rate,
    pub input_rate: Rate,
    pub request_rate: Rate,
    /// One entry a whole second, oldest first, at most [`SERIES_SECONDS`].
    pub series: Arc<Vec<SeriesPoint>>,
    /// Latencies of the stage's measured, completed requests.
    pub latency: Latencies,
    /// The last spans between interventions of the stage, oldest first, the present one last; empty before the first
    /// intervention.
    pub spans: Vec<Arc<SpanView>>,
    /// What other tools' figures need beside these.
    pub tools: ToolFigures,
    /// Latencies over time, of all stages.
    pub heat: HeatMaps,
    /// Throughput against latency, a point a stage.
    pub curve: CurveView,
    /// The newest readings.
    pub sample: Option<Arc<Sample>>,
    /// By client number.
    pub lanes: Vec<Arc<Lane>>,
    /// Newest first.
    pub recent: Arc<Vec<Arc<RequestRecord>>>,
    /// Slowest first, by end-to-end latency.
    pub slowest: Arc<Vec<Arc<RequestRecord>>>,
    /// Oldest first.
    pub log: Arc<Vec<LogLine>>,
    /// Interventions, oldest first: time and what.
    pub controls: Arc<Vec<(u64, Control)>>,
    /// Load paused just now.
    pub paused: bool,
    /// Events that got lost: not 0 means tainted.
    pub lost_events: u64,
    /// Why the client's own figures are in doubt; empty when they are not.
    pub degraded: Vec<String>,
    /// Clients of a closed loop, where somebody set them since its stage began.
    pub clients_set: Option<u32>,
    /// Requests/s of an open loop, where somebody set them since its stage began.
    pub rate_set: Option<f64>,
    /// How long the load has rested since measuring began: a timetable stood still meanwhile.
    pub rested_ns: u64,
    /// As many requests were in flight as the stage's open loop may have, and others were sent late for it.
    pub at_limit: bool,
}

impl Snapshot {
    /// Whether it is known when requests were meant to be sent. Other tools' files don't tell: an import takes the time of
    /// sending for it.
    pub fn knows_schedule(&self) -> bool {
        !self.info.as_ref().is_some_and(|info| info.is_imported())
    }

    /// A request's send lag, nanoseconds, where it is known.
    pub fn send_lag_ns(&self, record: &RequestRecord) -> Option<u64> {
        self.knows_schedule().then(|| record.send_lag_ns())
    }

    /// The stage's latencies with their names, in the order in which tables have them; `None` what rests on a schedule that
    /// isn't known.
    pub fn latencies(&self) -> Vec<(&'static str, Option<&Summary>)> {
        let known = self.knows_schedule();
        let rests = |name: &str| name.ends_with("corrected") || name == "send lag";
        let named = self.latency.named().into_iter();
        named.map(|(name, s)| (name, Some(s).filter(|_| known || !rests(name)))).collect()
    }

    /// How requests arrive, in words, e.g. `poisson 8 req/s`; `None` for a closed loop.
    pub fn arrivals(&self) -> Option<String> {
        self.stage.as_ref()?.open.as_ref().map(|open| open.words(self.rate_set))
    }

    /// Clients that a closed loop has just now.
    pub fn clients(&self) -> Option<u32> {
        self.stage.as_ref()?.clients.map(|clients| self.clients_set.unwrap_or(clients))
    }

    /// Requests/s that an open loop asks for just now.
    pub fn rate(&self) -> Option<f64> {
        let open = self.stage.as_ref()?.open.as_ref()?;
        let since_ns = self.measuring_at_ns.map_or(0, |begin| self.at_ns.saturating_sub(begin));
        let since_ns = since_ns.saturating_sub(self.rested_ns);
        Some(self.rate_set.unwrap_or_else(|| open.rate_at(since_ns)))
    }
}

/// The stages of a run: how many there are to be, and how those that are over ended.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Stages {
    /// In all, where it is known.
    pub planned: Option<u32>,
    pub failed: u32,
    pub skipped: u32,
    /// Name of the stage that failed last, and why.
    pub last_failure: Option<(Box<str>, Box<str>)>,
}

/// How far loading has come.
#[derive(Debug, Clone, PartialEq)]
pub struct Loading {
    pub step: Box<str>,
    pub fraction: Option<f32>,
}

/// Requests of the stage. Warm-up is counted apart and in nothing else.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counts {
    pub warmup_done: u64,
    pub warmup_planned: Option<u64>,
    /// Measured requests sent.
    pub sent: u64,
    pub completed: u64,
    pub failed: u64,
    pub timed_out: u64,
    pub cancelled: u64,
    /// Output tokens that reached clients, and prompt tokens of requests with a first token.
    pub output_tokens: u64,
    pub input_tokens: u64,
    /// Requests that did not complete, by kind.
    pub errors: Errors,
    /// How often requests were sent again.
    pub retries: u64,
    /// Tokens in the longest sequence (prompt and output) so far.
    pub longest_tokens: u32,
}

impl Counts {
    /// Measured requests that have ended, however.
    pub fn ended(&self) -> u64 {
        self.completed + self.failed + self.timed_out + self.cancelled
    }
}

/// Requests in flight (warm-up too), by what happens to them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct InFlight {
    pub total: u32,
    /// Without a first token; `queued + prefill` where the backend tells them apart as they happen.
    pub before_first_token: u32,
    /// `None` where the backend can't tell, or tells only afterwards.
    pub queued: Option<u32>,
    pub prefill: Option<u32>,
    pub decode: u32,
}

/// A rate over sliding windows of whole 1-second buckets; `None` before a window's first whole bucket.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Rate {
    /// Over the last whole second.
    pub s1: Option<f64>,
    /// Over the last 10 whole seconds (or as many as there are).
    pub s10: Option<f64>,
    /// Over the last 60 whole seconds (or as many as there are).
    pub s60: Option<f64>,
    /// Over the stage's measured window so far.
    pub mean: Option<f64>,
    /// Highest 1-second value in the measured window.
    pub peak: Option<f64>,
}

/// One whole second of the run.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct SeriesPoint {
    /// Start of the second, in seconds since the run's start.
    pub second: u64,
    pub output_tokens: u64,
    pub input_tokens: u64,
    pub completed: u64,
    pub failed: u64,
    /// Requests in flight at the second's end.
    pub in_flight: u32,
    /// Percentiles of what ended in this second, seconds.
    pub ttft_p50_s: Option<f64>,
    pub ttft_p99_s: Option<f64>,
    pub itl_p50_s: Option<f64>,
    pub itl_p99_s: Option<f64>,
    /// The readings taken in this second.
    pub sample: Option<Arc<Sample>>,
    pub phase: Option<Phase>,
}

/// The latency figures of a stage.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Latencies {
    pub ttft: Summary,
    pub ttft_corrected: Summary,
    pub itl: Summary,
    pub tpot: Summary,
    pub e2e: Summary,
    pub e2e_corrected: Summary,
    pub send_lag: Summary,
}

impl Latencies {
    /// All of them with their names, in the order in which tables have them.
    pub fn named(&self) -> [(&'static str, &Summary); 7] {
        [
            ("TTFT", &self.ttft),
            ("TTFT corrected", &self.ttft_corrected),
            ("ITL", &self.itl),
            ("TPOT", &self.tpot),
            ("E2E", &self.e2e),
            ("E2E corrected", &self.e2e_corrected),
            ("send lag", &self.send_lag),
        ]
    }
}

/// Figures of a stage from one intervention to the next.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct SpanView {
    /// What it began with, and when.
    pub cut: Cut,
    /// When the next one began; `None` of the present one.
    pub end_ns: Option<u64>,
    /// Requests that completed in it, and output tokens that came.
    pub completed: u64,
    pub output_tokens: u64,
    /// Of completed requests, what lies in the span as a whole; of the first span, of those that ended in it.
    pub ttft: Summary,
    pub itl: Summary,
    pub tpot: Summary,
    pub e2e: Summary,
}

impl SpanView {
    /// Its length up to `now_ns`, if it is not over, in seconds.
    pub fn seconds(&self, now_ns: u64) -> f64 {
        self.end_ns.unwrap_or(now_ns).saturating_sub(self.cut.at_ns) as f64 / 1e9
    }
}

/// A distribution in a few figures, in seconds. All `None` while `count` is 0.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Summary {
    pub count: u64,
    pub mean: Option<f64>,
    pub min: Option<f64>,
    pub p50: Option<f64>,
    pub p90: Option<f64>,
    pub p95: Option<f64>,
    pub p99: Option<f64>,
    pub p999: Option<f64>,
    pub max: Option<f64>,
    /// Counts in [`MINI_BUCKETS`] log-spaced buckets from `min` to `max`; empty while there is nothing.
    pub buckets: Vec<u64>,
}

/// What one client did lately.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Lane {
    pub client: u32,
    /// Finished spans, oldest first, at most [`LANE_SPANS`].
    pub spans: VecDeque<Span>,
    /// The request in flight.
    pub current: Option<Open>,
    pub completed: u64,
    pub failed: u64,
    /// Mean output tokens a second over its completed requests: output tokens / E2E.
    pub tokens_per_s: Option<f64>,
}

/// A finished request on a client's lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    pub request: RequestId,
    pub sent_ns: u64,
    /// Where known: before it the request was queued.
    pub prefill_ns: Option<u64>,
    pub first_token_ns: Option<u64>,
    pub finished_ns: u64,
    pub outcome: Outcome,
    pub warmup: bool,
    pub prompt_tokens: u32,
    pub output_tokens: u32,
}

/// A request in flight on a client's lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Open {
    pub request: RequestId,
    pub sent_ns: u64,
    pub prefill_ns: Option<u64>,
    pub first_token_ns: Option<u64>,
    pub last_token_ns: Option<u64>,
    pub output_tokens: u32,
    pub max_tokens: u32,
    pub prompt_tokens: u32,
    pub warmup: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_rests_on_an_unknown_schedule_is_unknown() {
        let info = |version: &str, device: &str| {
            let (version, device) = (version.to_owned(), device.to_owned());
            Some(Arc::new(BackendInfo { kind: "fastgen".into(), version, device, ..BackendInfo::default() }))
        };
        let record = crate::metrics::definitions::tests::chunky();
        let mut snap = Snapshot { info: info("", ""), ..Snapshot::default() };
        let known = |snap: &Snapshot| {
            let rows = snap.latencies().into_iter();
            rows.filter_map(|(name, s)| s.map(|_| name)).collect::<Vec<_>>()
        };
        assert_eq!(known(&snap), ["TTFT", "ITL", "TPOT", "E2E"]);
        assert_eq!(snap.send_lag_ns(&record), None);
        for info in [info("0.8.1", "cpu"), info("", "server"), None] {
            snap.info = info;
            assert_eq!(known(&snap).len(), 7);
            assert_eq!(snap.send_lag_ns(&record), Some(record.send_lag_ns()));
        }
    }
}
