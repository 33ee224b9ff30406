//! What machine and engine did while a stage was measured: means and highest values of the readings in its measured
//! window, and what a token cost.
//!
//! Readings come once a second, so a mean is over seconds, and a peak shorter than one may be missed. `null` is not
//! known: on no reading of the window.

use std::collections::BTreeMap;

use serde::Serialize;

use super::window::Span;
use crate::event::{GpuSample, Sample};

/// Readings of a stage's measured window.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct SystemReport {
    /// Readings in the window.
    pub readings: u64,
    /// Of the host, over all cores, 0 to 100.
    pub cpu_percent: Spread,
    /// Of this process, its engine's and its client's threads, in % of one core.
    pub process_cpu_percent: Spread,
    pub engine_cpu_percent: Spread,
    pub client_cpu_percent: Spread,
    pub load_1m: Spread,
    /// Resident memory of this process, and memory of the host in use.
    pub rss_bytes: Spread,
    pub memory_used_bytes: Spread,
    /// Of the host's CPU packages, W.
    pub cpu_power_w: Spread,
    /// Of what the engine runs on, W.
    pub power_w: Spread,
    /// Mean power × length of the window / output tokens, J.
    pub energy_j_per_output_token: Option<f64>,
    pub engine: EngineReport,
    pub gpus: Vec<GpuReport>,
}

/// What the engine told.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct EngineReport {
    pub running: Spread,
    pub waiting: Spread,
    pub kv_cache_percent: Spread,
    /// Prompt tokens found in the prefix cache, in % of those looked up in the window.
    pub prefix_cache_hit_percent: Option<f64>,
    /// Sequences thrown out of the batch in the window.
    pub preemptions: Option<u64>,
    pub tokens_per_s: Spread,
}

/// One GPU.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct GpuReport {
    pub name: String,
    pub utilisation_percent: Spread,
    pub memory_used_bytes: Spread,
    pub power_w: Spread,
    pub temperature_c: Spread,
    pub clock_mhz: Spread,
    /// By reason, the share of readings at which it held the clocks down; `null` where the GPU doesn't tell.
    pub throttled_by: Option<BTreeMap<String, f64>>,
}

/// Mean and highest value of a reading.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Spread {
    pub mean: Option<f64>,
    pub max: Option<f64>,
}

impl Spread {
    fn of(values: impl Iterator<Item = Option<f64>>) -> Self {
        let known: Vec<f64> = values.flatten().filter(|value| value.is_finite()).collect();
        let sum: f64 = known.iter().sum();
        Self {
            mean: (!known.is_empty()).then(|| sum / known.len() as f64),
            max: known.iter().copied().reduce(f64::max),
        }
    }
}

/// A reading without the digits that a wider type would make up.
pub fn shortest(number: f32) -> f64 {
    number.to_string().parse().unwrap_or_else(|_| f64::from(number))
}

/// A share in %, which a recording has to four decimals.
pub fn percent(share: f32) -> f64 {
    (shortest(share) * 1e4).round() / 100.0
}

/// The readings of a window in which so many output tokens were made; `None` without any.
pub fn system(samples: &[Sample], window: Span, output_tokens: u64) -> Option<SystemReport> {
    let inside: Vec<&Sample> = samples.iter().filter(|sample| window.has(sample.at_ns)).collect();
    if inside.is_empty() {
        return None;
    }
    let floats = |of: fn(&Sample) -> Option<f32>| Spread::of(inside.iter().map(|s| of(s).map(shortest)));
    let bytes = |of: fn(&Sample) -> Option<u64>| Spread::of(inside.iter().map(|s| of(s).map(|n| n as f64)));
    let power_w = floats(|s| s.power_w);
    let joules = power_w.mean.map(|watts| watts * window.seconds());
    Some(SystemReport {
        readings: inside.len() as u64,
        cpu_percent: floats(|s| s.cpu_percent),
        process_cpu_percent: floats(|s| s.process_cpu_percent),
        engine_cpu_percent: floats(|s| s.engine_cpu_percent),
        client_cpu_percent: floats(|s| s.client_cpu_percent),
        load_1m: floats(|s| s.load_1m),
        rss_bytes: bytes(|s| s.rss_bytes),
        memory_used_bytes: bytes(|s| s.memory_used_bytes),
        cpu_power_w: floats(|s| s.cpu_power_w),
        power_w,
        energy_j_per_output_token: joules.filter(|_| output_tokens > 0).map(|j| j / output_tokens as f64),
        engine: engine(&inside),
        gpus: gpus(&inside),
    })
}

fn engine(inside: &[&Sample]) -> EngineReport {
    let spread = |of: fn(&Sample) -> Option<f64>| Spread::of(inside.iter().map(|s| of(s)));
    // Counts since the run's start: what the last one is ahead of the first.
    let grown = |of: fn(&Sample) -> Option<u64>| {
        let first = inside.iter().find_map(|s| of(s))?;
        let last = inside.iter().rev().find_map(|s| of(s))?;
        Some(last.saturating_sub(first))
    };
    let hits = grown(|s| s.engine.prefix_cache_hits);
    let queries = grown(|s| s.engine.prefix_cache_queries);
    let counted = match (hits, queries) {
        (Some(hits), Some(queries)) => (queries > 0).then(|| hits as f64 / queries as f64 * 100.0),
        _ => spread(|s| s.engine.prefix_cache_hit_rate.map(percent)).mean,
    };
    EngineReport {
        running: spread(|s| s.engine.running.map(f64::from)),
        waiting: spread(|s| s.engine.waiting.map(f64::from)),
        kv_cache_percent: spread(|s| s.engine.kv_cache_used.map(percent)),
        prefix_cache_hit_percent: counted,
        preemptions: grown(|s| s.engine.preemptions),
        tokens_per_s: spread(|s| s.engine.tokens_per_s.map(shortest)),
    }
}

fn gpus(inside: &[&Sample]) -> Vec<GpuReport> {
    let count = inside.iter().map(|sample| sample.gpus.len()).max().unwrap_or(0);
    (0..count).map(|i| gpu(&inside.iter().filter_map(|s| s.gpus.get(i)).collect::<Vec<_>>())).collect()
}

fn gpu(readings: &[&GpuSample]) -> GpuReport {
    let floats = |of: fn(&GpuSample) -> Option<f32>| Spread::of(readings.iter().map(|g| of(g).map(shortest)));
    let told: Vec<_> = readings.iter().filter_map(|g| g.throttled_by.as_ref()).collect();
    let mut reasons = BTreeMap::new();
    for reason in told.iter().copied().flatten() {
        *reasons.entry(reason.clone()).or_default() += 1.0 / told.len() as f64;
    }
    GpuReport {
        name: readings.first().map(|g| g.name.clone()).unwrap_or_default(),
        utilisation_percent: floats(|g| g.utilisation_percent),
        memory_used_bytes: Spread::of(readings.iter().map(|g| g.memory_used_bytes.map(|n| n as f64))),
        power_w: floats(|g| g.power_w),
        temperature_c: floats(|g| g.temperature_c),
        clock_mhz: Spread::of(readings.iter().map(|g| g.clock_mhz.map(f64::from))),
        throttled_by: (!told.is_empty()).then_some(reasons),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that fails may panic")]
mod tests {
    use super::*;
    use crate::event::EngineSample;

    const S: u64 = 1_000_000_000;

    #[test]
    fn means_and_peaks_are_of_the_window_and_of_what_is_known() {
        let at = |at_ns, cpu: f32, power_w, hits| Sample {
            at_ns,
            cpu_percent: Some(cpu),
            power_w,
            engine: EngineSample {
                prefix_cache_hits: Some(hits),
                prefix_cache_queries: Some(hits * 4),
                preemptions: Some(hits / 10),
                ..EngineSample::default()
            },
            gpus: vec![GpuSample {
                throttled_by: Some(if hits > 15 { vec!["heat".into()] } else { Vec::new() }),
                ..GpuSample::default()
            }],
            ..Sample::default()
        };
        let samples = [
            at(S, 99.0, None, 5),
            at(2 * S, 10.0, Some(100.0), 10),
            at(3 * S, 30.0, Some(200.0), 30),
            at(9 * S, 99.0, None, 99),
        ];
        let made = system(&samples, Span { start_ns: 2 * S, end_ns: 4 * S }, 60).unwrap();
        assert_eq!(made.readings, 2);
        assert_eq!((made.cpu_percent.mean, made.cpu_percent.max), (Some(20.0), Some(30.0)));
        // 150 W for 2 s.
        assert_eq!(made.energy_j_per_output_token, Some(5.0));
        assert_eq!((made.engine.prefix_cache_hit_percent, made.engine.preemptions), (Some(25.0), Some(2)));
        assert_eq!((made.rss_bytes, made.engine.running), (Spread::default(), Spread::default()));
        assert_eq!(made.gpus[0].throttled_by, Some(BTreeMap::from([("heat".into(), 0.5)])));
        assert_eq!(made.gpus[0].power_w, Spread::default());
    }

    #[test]
    fn without_readings_or_tokens_nothing_is_made_up() {
        let window = Span { start_ns: 2 * S, end_ns: 4 * S };
        assert_eq!(system(&[], window, 60), None);
        let sample = Sample { at_ns: 3 * S, power_w: Some(10.0), ..Sample::default() };
        let made = system(&[sample], window, 0).unwrap();
        assert_eq!((made.power_w.max, made.energy_j_per_output_token), (Some(10.0), None));
    }
}
