//! The schema of a profile: one struct a table, every key documented, defaults that make sense.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::backend::Backend;
use super::values::{duration, duration_map, is_default, optional_duration};

/// A whole profile, checked.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Profile {
    pub profile: Meta,
    #[serde(default)]
    pub backend: Backend,
    #[serde(default)]
    pub model: Model,
    #[serde(default)]
    pub workload: Workload,
    #[serde(default)]
    pub load: Load,
    #[serde(default)]
    pub stop: Stop,
    /// A grid: key → values; every cell is a stage.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub sweep: BTreeMap<String, Vec<serde_json::Value>>,
    #[serde(default)]
    pub sla: Sla,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reference: Vec<Reference>,
    #[serde(default)]
    pub record: Record,
    #[serde(default)]
    pub ui: Ui,
}

/// `[profile]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Meta {
    pub name: String,
    #[serde(default)]
    pub about: String,
}

/// `[model]`: one of `hub`, `path`, `dummy`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Model {
    /// `org/name` on the hub.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hub: Option<String>,
    /// A GGUF file, or a folder of safetensors.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<PathBuf>,
    /// Random weights of a named shape.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dummy: Option<String>,
    /// For `dummy`: the file's type (`f16`, `q8_0`, `q4_0`, `q4k`; `none` means `f16`).
    /// Else an in-situ quantization (`q4k`, `q8_0`, …) or `none`.
    pub quantization: String,
    /// Seed of dummy weights.
    pub seed: u64,
}

impl Default for Model {
    fn default() -> Self {
        Self { hub: None, path: None, dummy: None, quantization: "none".into(), seed: 0 }
    }
}

/// `[workload]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Workload {
    pub prompt_tokens: Length,
    pub output_tokens: Length,
    /// Generate exactly the asked count: an end-of-sequence token does not end a generation.
    pub ignore_eos: bool,
    /// Tokens at the start of every prompt that are the same in all.
    pub shared_prefix_tokens: u32,
    /// Seed of prompts, lengths and arrivals: same seed, same requests, on any machine.
    pub seed: u64,
    /// Use this text as every prompt, tokenised by the model, in place of random token ids.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prompt_text: Option<String>,
}

impl Default for Workload {
    fn default() -> Self {
        Self {
            prompt_tokens: Length::Fixed(32),
            output_tokens: Length::Fixed(32),
            ignore_eos: true,
            shared_prefix_tokens: 0,
            seed: 42,
            prompt_text: None,
        }
    }
}

/// A distribution of lengths in tokens; a plain number is a fixed length.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Length {
    Fixed(u32),
    Of(Distribution),
}

/// `{ normal = { mean, std, min, max } }`, `{ uniform = { min, max } }`, `{ lognormal = { mean, std, min, max } }`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Distribution {
    /// Normal, rounded, cut to min..=max.
    Normal(Spread),
    /// Every whole number of min..=max alike.
    Uniform(Range),
    /// Log-normal with this mean and standard deviation of the lengths themselves, cut to min..=max.
    Lognormal(Spread),
}

/// Mean and standard deviation, and the bounds to cut to.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Spread {
    pub mean: f64,
    pub std: f64,
    #[serde(default = "one")]
    pub min: u32,
    /// [`Spread::UNBOUNDED`] where it isn't given: the model's context is the bound.
    #[serde(default = "unbounded", skip_serializing_if = "is_unbounded")]
    pub max: u32,
}

/// Bounds, both inclusive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Range {
    pub min: u32,
    pub max: u32,
}

fn one() -> u32 {
    1
}

impl Spread {
    /// `max` where it isn't given. Lengths are then cut to what the model's context leaves.
    pub const UNBOUNDED: u32 = u32::MAX;
}

impl Length {
    /// Shortest and longest; the longest is [`Spread::UNBOUNDED`] where only the model's context bounds it.
    pub fn bounds(&self) -> (u32, u32) {
        match self {
            Self::Fixed(tokens) => (*tokens, *tokens),
            Self::Of(Distribution::Uniform(range)) => (range.min, range.max),
            Self::Of(Distribution::Normal(spread) | Distribution::Lognormal(spread)) => {
                (spread.min, spread.max)
            }
        }
    }
}

impl Length {
    /// The mean, before any cut to bounds; a uniform length's is the middle.
    pub fn mean(&self) -> f64 {
        match self {
            Self::Fixed(tokens) => f64::from(*tokens),
            Self::Of(Distribution::Uniform(range)) => f64::midpoint(range.min.into(), range.max.into()),
            Self::Of(Distribution::Normal(spread) | Distribution::Lognormal(spread)) => spread.mean,
        }
    }
}

fn unbounded() -> u32 {
    Spread::UNBOUNDED
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde hands over a reference")]
fn is_unbounded(max: &u32) -> bool {
    *max == Spread::UNBOUNDED
}

/// How requests arrive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LoadKind {
    /// A fixed number of clients, each with one request in flight.
    Closed,
    /// An open loop, one request every `1 / rate` seconds.
    Constant,
    /// Gaps of an exponential distribution.
    Poisson,
    /// Gaps of a gamma distribution.
    Gamma,
    /// Even gaps at a rate that changes evenly, then stays.
    Ramp,
    Trace,
}

/// `[load]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Load {
    pub kind: LoadKind,
    /// Of a closed loop. Of an open one: how many warm up side by side.
    pub clients: u32,
    /// Requests a second of an open loop; of a ramp those that it goes to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rate: Option<f64>,
    /// Shape of the gamma distribution of `kind = "gamma"`: 1 is a Poisson process, less comes in bursts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub burstiness: Option<f64>,
    /// Requests a second at a ramp's start.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ramp_from: Option<f64>,
    /// How long a ramp takes to `rate`.
    #[serde(with = "optional_duration", skip_serializing_if = "Option::is_none")]
    pub ramp_time: Option<Duration>,
    /// Most requests of an open loop in flight at once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_in_flight: Option<u32>,
    /// Requests each client sends before the barrier; they enter no figure.
    pub warmup_requests_per_client: u32,
    /// Each client of a closed loop starts after a uniformly random delay of up to this: `"10ms"`, or `"10ms/client"`.
    pub start_jitter: Jitter,
    /// Rest between two stages of a sweep.
    #[serde(with = "duration", skip_serializing_if = "Duration::is_zero")]
    pub stage_pause: Duration,
    /// Give up a request that has no first token after this.
    #[serde(with = "optional_duration", skip_serializing_if = "Option::is_none")]
    pub ttft_timeout: Option<Duration>,
    /// Give up a request after this.
    #[serde(with = "optional_duration", skip_serializing_if = "Option::is_none")]
    pub request_timeout: Option<Duration>,
    /// Give up a request whose tokens have begun to come when none has come for this long.
    #[serde(with = "optional_duration", skip_serializing_if = "Option::is_none")]
    pub idle_timeout: Option<Duration>,
    /// Most time for a connection to a server; default 10 s.
    #[serde(with = "optional_duration", skip_serializing_if = "Option::is_none")]
    pub connect_timeout: Option<Duration>,
    /// Send a request again, at most so often, when no connection can be made or the server is overloaded (HTTP 429,
    /// 503).
    #[serde(skip_serializing_if = "is_default")]
    pub retries: u32,
}

impl Default for Load {
    fn default() -> Self {
        Self {
            kind: LoadKind::Closed,
            clients: 8,
            rate: None,
            burstiness: None,
            ramp_from: None,
            ramp_time: None,
            max_in_flight: None,
            warmup_requests_per_client: 1,
            start_jitter: Jitter::default(),
            stage_pause: Duration::ZERO,
            ttft_timeout: None,
            request_timeout: None,
            idle_timeout: None,
            connect_timeout: None,
            retries: 0,
        }
    }
}

/// A start jitter: up to `fixed + per_client × clients`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Jitter {
    pub fixed: Duration,
    pub per_client: Duration,
}

/// `[stop]`: whichever comes first. Without either, the run goes on until it is ended.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Stop {
    /// Measured requests: a number, or in a closed loop a formula of `clients` such as `"4*clients+32"`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub requests: Option<Formula>,
    /// Length of the measured part.
    #[serde(with = "optional_duration", skip_serializing_if = "Option::is_none")]
    pub duration: Option<Duration>,
    /// Of a sweep over `clients` or `rate`: run no larger ones once two in a row brought less than this share of requests/s
    /// more (0.02: two percent).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub when_flat: Option<f64>,
    /// What happens to requests in flight when the stop condition is met.
    pub drain: Drain,
}

/// What happens to requests in flight at the end.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Drain {
    /// They are finished, and count.
    #[default]
    Finish,
    /// They are cancelled.
    Cancel,
}

/// A number, or `A*clients+B`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Formula {
    pub per_client: u64,
    pub fixed: u64,
}

impl Formula {
    /// Its value for a number of clients.
    pub fn value(&self, clients: u32) -> u64 {
        self.per_client.saturating_mul(u64::from(clients)).saturating_add(self.fixed)
    }
}

/// `[sla]`. Keys beside the named ones are thresholds; see [`super::values`] for how they are read, since
/// serde's derive can't refuse unknown keys where some are collected.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Sla {
    /// FastGen's: the first token within prompt tokens / this.
    pub prompt_tokens_per_s: f64,
    /// FastGen's generation rates.
    pub generation_tokens_per_s: Vec<f64>,
    /// `cumulative`, `ema16`.
    pub validators: Vec<String>,
    /// Thresholds: `ttft`, `itl`, `tpot`, `e2e`, alone or with `_mean`, `_p50`, `_p90`, `_p95`, `_p99` → most time allowed.
    #[serde(flatten, serialize_with = "duration_map::serialize")]
    pub thresholds: BTreeMap<String, Duration>,
}

impl Default for Sla {
    fn default() -> Self {
        Self {
            prompt_tokens_per_s: 512.0,
            generation_tokens_per_s: vec![1.0, 2.0, 3.0, 4.0, 6.0, 8.0],
            validators: vec!["cumulative".into(), "ema16".into()],
            thresholds: BTreeMap::new(),
        }
    }
}

/// `[[reference]]`: a published curve.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reference {
    pub label: String,
    pub clients: Vec<u32>,
    #[serde(default)]
    pub throughput_rps: Vec<f64>,
    #[serde(default)]
    pub latency_s: Vec<f64>,
    #[serde(default)]
    pub effective_rps_4tps: Vec<f64>,
}

/// `[record]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Record {
    /// Where recordings go; `{profile}` and `{started}` are filled in.
    pub path: String,
    /// Keep generated text in the recording.
    pub text: bool,
}

impl Default for Record {
    fn default() -> Self {
        Self { path: "recordings/{profile}-{started}.jsonl.zst".into(), text: false }
    }
}

/// `[ui]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Ui {
    pub theme: String,
    /// Most frames a second.
    pub fps: u32,
}

impl Default for Ui {
    fn default() -> Self {
        Self { theme: "dusk".into(), fps: 15 }
    }
}
