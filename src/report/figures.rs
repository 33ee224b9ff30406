//! The figures of a recording: the JSON report is these structs, written in this order.
//!
//! `docs/report.schema.json` describes them for programs, `docs/measurement.md` for people. Keys may be added
//! within a report version; none is taken away or given another meaning.

use std::collections::BTreeMap;

use serde::{Serialize, Serializer};

use super::client::ClientReport;
use super::definitions::Redefined;
use super::fastgen::{Curve, FastgenReport};
use super::range::RangePart;
use super::segments::SegmentReport;
pub use super::sla::{SlaReport, ThresholdReport};
use super::stats::Stats;
use super::system::SystemReport;
use crate::event::{BackendInfo, Outcome};
use crate::metrics::{ErrorKind, RequestRecord, interventions};
use crate::recording::{Host, Program};

/// Version of the JSON report.
pub const REPORT_VERSION: u32 = 1;

/// All figures of one recording.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    pub report_version: u32,
    pub recording: RecordingPart,
    pub stages: Vec<StageReport>,
    /// The profile's reference curves, to draw behind measured ones.
    #[serde(skip)]
    pub references: Vec<Curve>,
}

/// What was run, and how far its figures can be trusted.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RecordingPart {
    /// The recording's name.
    pub name: String,
    /// The profile's name.
    pub profile: String,
    /// The backend's kind.
    pub backend: String,
    /// RFC 3339.
    pub started_at: String,
    pub ended: EndedAs,
    /// Why the run could not go on, where `ended` is `failed`.
    pub ended_reason: Option<String>,
    pub lost_events: u64,
    /// Lines or frames of the recording that could not be read.
    pub damaged: u64,
    /// Requests whose end is not in the recording.
    pub unfinished_requests: u64,
    pub verdicts: Vec<Verdict>,
    /// How near the client was to its own limit.
    pub client: ClientReport,
    pub seed: u64,
    /// What the backend said of itself, the last one of several; `null` if none was ever ready.
    pub engine: Option<BackendInfo>,
    /// All that served a stage, each once, in the order of their first stage.
    pub engines: Vec<BackendInfo>,
    pub host: Host,
    pub program: Program,
    /// The part of the recording that the figures are of; `null` for all of it.
    pub range: Option<RangePart>,
}

/// How a recording ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum EndedAs {
    /// The stop condition was met.
    Complete,
    /// Somebody ended the run.
    Interrupted,
    /// The run could not go on.
    Failed,
    /// The recording does not tell: it was cut off.
    Cut,
}

impl EndedAs {
    /// Its name in files.
    pub fn name(self) -> &'static str {
        match self {
            Self::Complete => "complete",
            Self::Interrupted => "interrupted",
            Self::Failed => "failed",
            Self::Cut => "cut",
        }
    }
}

/// A judgement, and what it rests on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Verdict {
    pub verdict: VerdictKind,
    /// One line.
    pub why: String,
}

/// What can be said of a run as a whole, gravest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum VerdictKind {
    Tainted,
    ClientDegraded,
    Cut,
    Damaged,
    Failed,
    Interrupted,
    /// The load was changed by hand while it was measured.
    Intervened,
    /// Requests of an open loop were sent late because as many were in flight as may be.
    HeldBack,
    /// Requests of an open loop came faster than they were answered.
    Overloaded,
    /// Output tokens are counted by chunks, of which each may hold several.
    CountedByChunks,
    /// The client was busy to more than half of what it can measure on that machine.
    ClientNearLimit,
    SlaMissed,
    SlaMet,
}

impl VerdictKind {
    /// In words.
    pub fn words(self) -> &'static str {
        match self {
            Self::Tainted => "tainted",
            Self::ClientDegraded => "client degraded",
            Self::Cut => "cut off",
            Self::Damaged => "damaged",
            Self::Failed => "failed",
            Self::Interrupted => "interrupted",
            Self::Intervened => "changed by hand",
            Self::HeldBack => "held back",
            Self::Overloaded => "can't keep up",
            Self::CountedByChunks => "tokens counted by chunks",
            Self::ClientNearLimit => "client may be the bottleneck",
            Self::SlaMissed => "SLA missed",
            Self::SlaMet => "SLA met",
        }
    }
}

/// The figures of one stage.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct StageReport {
    pub name: String,
    /// The sweep's values, in the profile's order.
    #[serde(serialize_with = "in_order")]
    pub sweep: Vec<(String, serde_json::Value)>,
    /// Clients of a closed loop; `null` for an open one.
    pub clients: Option<u32>,
    /// How requests arrived in an open loop; `null` for a closed one.
    pub open_loop: Option<OpenLoopReport>,
    /// `complete`, `interrupted`, `failed`, `skipped`; `null` if the recording does not say.
    pub ended: Option<&'static str>,
    /// Why it failed or was skipped.
    pub ended_reason: Option<String>,
    pub windows: Windows,
    /// The measured window before and after each intervention; left out where there was none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub segments: Vec<SegmentReport>,
    /// Measured requests of the whole stage.
    pub requests: Requests,
    /// Warm-up requests: they enter no other figure.
    pub warmup_requests: u64,
    /// `null` where the profile sets no thresholds.
    pub sla: Option<SlaReport>,
    /// DeepSpeed-FastGen's own figures.
    pub fastgen: FastgenReport,
    /// What machine and engine did in the measured window; `null` without a reading in it.
    pub system: Option<SystemReport>,
}

/// The load of an open loop: what was asked for, and what came of it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct OpenLoopReport {
    /// `constant`, `poisson`, `gamma`, `ramp`.
    pub kind: String,
    /// Requests/s asked for; of a ramp those that it goes to.
    pub rate: f64,
    pub burstiness: Option<f64>,
    pub ramp_from: Option<f64>,
    pub ramp_s: Option<f64>,
    pub max_in_flight: u32,
    /// Requests that were scheduled, a second of the steady window; without one, from the first to the last scheduled.
    pub offered_per_s: Option<f64>,
    /// Requests that completed in the same stretch.
    pub achieved_per_s: Option<f64>,
    pub peak_in_flight: u64,
    /// Requests that were sent late because `max_in_flight` were in flight.
    pub held_back: u64,
    /// The longest that one of these waited.
    pub held_back_longest_s: Option<f64>,
    /// `null` without a steady window.
    pub backlog: Option<Backlog>,
    /// `false` if the backlog grows through the steady window.
    pub keeps_up: Option<bool>,
}

/// Requests scheduled and not ended, on the average over each third of the steady window.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Backlog {
    pub first: f64,
    pub middle: f64,
    pub last: f64,
}

impl StageReport {
    /// Requests/s that an open loop asks for, in a stage that never began too.
    pub fn rate(&self) -> Option<f64> {
        let swept = || self.sweep.iter().find(|(key, _)| key == "rate").and_then(|(_, value)| value.as_f64());
        self.open_loop.as_ref().map(|open| open.rate).or_else(swept)
    }

    /// Its load in words: `8 clients`, `poisson 8 req/s`; `None` where it is not known.
    pub fn load(&self) -> Option<String> {
        let open = self.open_loop.as_ref();
        self.clients.map(interventions::clients).or_else(|| open.map(OpenLoopReport::words))
    }
}

/// Figures by window; `null` where a stage has no such window.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Windows {
    pub measured: Option<Window>,
    pub steady: Option<Window>,
}

/// The figures of one window.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Window {
    /// Seconds since the run's start.
    pub start_s: f64,
    pub end_s: f64,
    /// The window's length.
    pub seconds: f64,
    pub requests: Requests,
    pub tokens: Tokens,
    pub throughput: Throughput,
    /// Time-average of measured requests in flight.
    pub concurrency_mean: Option<f64>,
    /// 1 − λ·W / L.
    pub little_residual: Option<f64>,
    pub latency: Latency,
    /// Failed and timed-out requests by kind.
    pub errors: BTreeMap<Outcome, u64>,
    /// The same more finely, with the words of the first of each kind.
    pub error_kinds: Vec<ErrorReport>,
    /// The same under another tool's definitions, where they were asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub definitions: Option<Redefined>,
}

/// Requests that went wrong in one way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ErrorReport {
    pub outcome: Outcome,
    /// `null` unless the server refused by it.
    pub http_status: Option<u16>,
    pub requests: u64,
    /// What was said of the first.
    pub first: Option<Box<str>>,
}

impl ErrorReport {
    /// Its name for people, e.g. `failed_overload 429`.
    pub fn name(&self) -> String {
        ErrorKind { outcome: self.outcome, status: self.http_status }.to_string()
    }
}

/// Measured requests by how they ended.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Requests {
    pub scheduled: u64,
    pub completed: u64,
    pub failed: u64,
    pub timed_out: u64,
    pub cancelled: u64,
    /// How often requests were sent again, as `load.retries` allows.
    pub retries: u64,
}

impl Requests {
    /// Counts one that ended.
    pub fn count(&mut self, record: &RequestRecord) {
        let outcome = record.outcome;
        self.retries += u64::from(record.retries);
        if outcome == Outcome::Completed {
            self.completed += 1;
        } else if outcome == Outcome::Cancelled {
            self.cancelled += 1;
        } else if outcome.is_timeout() {
            self.timed_out += 1;
        } else {
            self.failed += 1;
        }
    }

    /// All that ended.
    pub fn ended(&self) -> u64 {
        self.completed + self.failed + self.timed_out + self.cancelled
    }
}

/// Tokens that fell into a window.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Tokens {
    pub input: u64,
    pub output: u64,
}

/// Rates over a window's whole length; `null` for an empty window.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Throughput {
    pub requests_per_s: Option<f64>,
    pub output_tokens_per_s: Option<f64>,
    pub input_tokens_per_s: Option<f64>,
    pub total_tokens_per_s: Option<f64>,
}

/// Latencies of completed requests, seconds.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Latency {
    pub ttft_s: Stats,
    pub ttft_corrected_s: Stats,
    pub itl_s: Stats,
    pub tpot_s: Stats,
    pub e2e_s: Stats,
    pub e2e_corrected_s: Stats,
    pub send_lag_s: Stats,
    /// E2E over output tokens.
    pub normalized_s: Stats,
}

impl Latency {
    /// Every figure: its key in files, its name for people, and its statistics.
    pub fn all(&self) -> [(&'static str, &'static str, &Stats); 8] {
        [
            ("ttft_s", "TTFT", &self.ttft_s),
            ("ttft_corrected_s", "TTFT corrected", &self.ttft_corrected_s),
            ("itl_s", "ITL", &self.itl_s),
            ("tpot_s", "TPOT", &self.tpot_s),
            ("e2e_s", "E2E", &self.e2e_s),
            ("e2e_corrected_s", "E2E corrected", &self.e2e_corrected_s),
            ("send_lag_s", "send lag", &self.send_lag_s),
            ("normalized_s", "E2E per token", &self.normalized_s),
        ]
    }
}

impl Report {
    /// Whether a verdict of this kind was passed.
    pub fn is(&self, kind: VerdictKind) -> bool {
        self.recording.verdicts.iter().any(|v| v.verdict == kind)
    }

    /// Stages that failed: name and reason.
    pub fn failed_stages(&self) -> Vec<(&str, &str)> {
        let failed = self.stages.iter().filter(|s| s.ended == Some("failed"));
        failed.map(|s| (s.name.as_str(), s.ended_reason.as_deref().unwrap_or_default())).collect()
    }

    /// There were measured requests, and none of them completed.
    pub fn all_failed(&self) -> bool {
        let ended: u64 = self.stages.iter().map(|s| s.requests.ended() - s.requests.cancelled).sum();
        ended > 0 && self.stages.iter().all(|s| s.requests.completed == 0)
    }

    /// The JSON report: the same recording gives the same bytes.
    ///
    /// # Errors
    /// None that can happen with these types; handed on all the same.
    pub fn to_json(&self) -> serde_json::Result<String> {
        serde_json::to_string_pretty(self).map(|json| json + "\n")
    }
}

fn in_order<S: Serializer>(sweep: &[(String, serde_json::Value)], s: S) -> Result<S::Ok, S::Error> {
    s.collect_map(sweep.iter().map(|(k, v)| (k, v)))
}
