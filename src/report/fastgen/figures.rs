//! The `fastgen` object of a stage in the JSON report.

use serde::{Serialize, Serializer};

use super::percentiles::Percentiles;
use super::setting::Setting;
use super::{Figures, Judge, Validator};

/// FastGen's figures of a stage, over its completed requests without those of warm-up. `None` is not known.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FastgenReport {
    /// Requests that the figures are of.
    pub requests: u64,
    #[serde(flatten)]
    pub figures: Figures,
    /// What was asked of the requests.
    pub sla: FastgenSla,
    /// Measured throughput × share of good requests.
    pub effective_throughput_rps: PerValidator<f64>,
    /// Requests that meet the SLA.
    pub good_requests: PerValidator<u64>,
    /// Of pooled gaps between tokens.
    pub token_latency_percentiles_s: Percentiles,
    /// What the percentiles leave out.
    #[serde(flatten)]
    pub skips: Skips,
    pub replicas: u32,
    pub tensor_parallel: u32,
    /// Parameters of the model, where its shape is known.
    pub parameters: Option<u64>,
    /// TFLOP/s of each GPU: 2 × parameters × mean tokens of a request × query throughput / GPUs.
    pub tflops_per_gpu: Option<f64>,
    /// The same as FastGen's plot has it: parameters by the model's name, tokens by the profile.
    pub tflops_per_gpu_nominal: Option<f64>,
    /// Answers for any other rate.
    #[serde(skip)]
    pub judge: Judge,
    /// What the stage ran with.
    #[serde(skip)]
    pub setting: Setting,
}

/// FastGen's part of a profile's `[sla]`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FastgenSla {
    /// The first token within prompt tokens / this, seconds.
    pub prompt_tokens_per_s: f64,
    /// In the profile's order, each once.
    pub generation_tokens_per_s: Vec<f64>,
    /// Those that reports for people show; files always hold both.
    #[serde(serialize_with = "names")]
    pub validators: Vec<Validator>,
}

/// What token latency percentiles leave out; FastGen's defaults are 1 and 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Skips {
    /// Entries at the start of each request: 1 is the time to the first token.
    #[serde(rename = "skip_head_tokens")]
    pub head_tokens: usize,
    /// Requests at the start and at the end, by their start.
    #[serde(rename = "skip_requests")]
    pub requests: usize,
}

impl Default for Skips {
    fn default() -> Self {
        Self { head_tokens: 1, requests: 1 }
    }
}

/// A figure by validator and rate.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PerValidator<T> {
    pub cumulative: Rates<T>,
    pub ema16: Rates<T>,
}

impl<T> PerValidator<T> {
    /// Computes it for both validators.
    pub fn each(figure: impl Fn(Validator) -> Rates<T>) -> Self {
        Self { cumulative: figure(Validator::Cumulative), ema16: figure(Validator::Ema16) }
    }

    /// Of one validator.
    pub fn of(&self, validator: Validator) -> &Rates<T> {
        match validator {
            Validator::Cumulative => &self.cumulative,
            Validator::Ema16 => &self.ema16,
        }
    }
}

/// A figure by rate, tokens/s; in JSON an object with the rates as keys.
#[derive(Debug, Clone, PartialEq)]
pub struct Rates<T>(pub Vec<(f64, Option<T>)>);

impl<T: Copy> Rates<T> {
    /// The figure at one of the rates.
    pub fn at(&self, rate: f64) -> Option<T> {
        self.0.iter().find(|(r, _)| r.total_cmp(&rate).is_eq()).and_then(|(_, value)| *value)
    }
}

impl<T: Serialize> Serialize for Rates<T> {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_map(self.0.iter().map(|(rate, value)| (rate.to_string(), value)))
    }
}

#[allow(clippy::ptr_arg, reason = "serde hands over what the field is")]
fn names<S: Serializer>(validators: &Vec<Validator>, s: S) -> Result<S::Ok, S::Error> {
    s.collect_seq(validators.iter().map(|v| v.name()))
}
