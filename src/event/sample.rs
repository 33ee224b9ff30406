//! Readings of host, GPUs and engine, taken once a second.

use serde::{Deserialize, Serialize};

/// Readings taken once a second. What isn't known is `None`, never 0.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Sample {
    #[serde(rename = "t")]
    pub at_ns: u64,
    /// Host CPU over all cores, 0..=100 %.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu_percent: Option<f32>,
    /// Host CPU of each core, 0..=100 %.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub core_percent: Vec<f32>,
    /// This process's CPU time, in % of one core (200 = two cores).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub process_cpu_percent: Option<f32>,
    /// CPU of the clients, collector and screen threads alone, in % of one core.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_cpu_percent: Option<f32>,
    /// CPU of the engine's threads, in % of one core; only where the engine is in this process.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub engine_cpu_percent: Option<f32>,
    /// Runnable threads of the host, mean over a minute.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub load_1m: Option<f32>,
    /// Resident memory of this process, bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rss_bytes: Option<u64>,
    /// Host memory in use and in all, bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory_used_bytes: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory_total_bytes: Option<u64>,
    /// Power of the host's CPU packages since the sample before, watts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu_power_w: Option<f32>,
    /// Power that the engine's tokens cost, watts: of the GPUs and CPUs it runs on, where it runs on this host.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub power_w: Option<f32>,
    /// One entry a GPU; empty where there is none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub gpus: Vec<GpuSample>,
    /// What the engine tells.
    #[serde(flatten)]
    pub engine: EngineSample,
    /// Longest delay of the client runtime's event loop in the last second, nanoseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub loop_lag_ns: Option<u64>,
}

/// What an engine tells of itself.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct EngineSample {
    /// Sequences in the batch.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub running: Option<u32>,
    /// Sequences that wait for a place in it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub waiting: Option<u32>,
    /// Share of the KV cache in use, 0..=1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kv_cache_used: Option<f32>,
    /// Prompt tokens looked up in the prefix cache and found there, since the run's first reading.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prefix_cache_queries: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prefix_cache_hits: Option<u64>,
    /// Share found, 0..=1: since the sample before, or as the engine says over a time of its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prefix_cache_hit_rate: Option<f32>,
    /// Sequences thrown out of the batch for want of memory, since the run's first reading.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub preemptions: Option<u64>,
    /// Output tokens a second as the engine counts them.
    #[serde(rename = "engine_tokens_per_s", skip_serializing_if = "Option::is_none")]
    pub tokens_per_s: Option<f32>,
}

/// One GPU's readings.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct GpuSample {
    pub name: String,
    pub utilisation_percent: Option<f32>,
    pub memory_used_bytes: Option<u64>,
    pub memory_total_bytes: Option<u64>,
    pub power_w: Option<f32>,
    /// The power it is held to, watts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub power_limit_w: Option<f32>,
    pub temperature_c: Option<f32>,
    /// Clocks of the multiprocessors and of the memory, MHz.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub clock_mhz: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory_clock_mhz: Option<u32>,
    /// Why the clocks are held down, e.g. `power cap`; empty while they are not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub throttled_by: Option<Vec<String>>,
}

impl Sample {
    /// Power of all GPUs together, watts; `None` where one of them doesn't tell, or there is none.
    pub fn gpu_power_w(&self) -> Option<f32> {
        let watts: Option<Vec<f32>> = self.gpus.iter().map(|gpu| gpu.power_w).collect();
        watts.filter(|watts| !watts.is_empty()).map(|watts| watts.iter().sum())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_engine_tells_stands_beside_the_rest_as_in_older_recordings() {
        let old = r#"{"t":7,"cpu_percent":12.5,"running":3,"waiting":1,"gpus":[{"name":"A","power_w":1.5}]}"#;
        let sample: Sample = serde_json::from_str(old).unwrap();
        assert_eq!((sample.engine.running, sample.engine.waiting), (Some(3), Some(1)));
        assert_eq!((sample.cpu_percent, sample.gpu_power_w()), (Some(12.5), Some(1.5)));
        let known = EngineSample { preemptions: Some(2), ..EngineSample::default() };
        let line = serde_json::to_string(&Sample { at_ns: 1, engine: known, ..Sample::default() }).unwrap();
        assert_eq!(line, r#"{"t":1,"preemptions":2}"#);
        let unknown: Sample = serde_json::from_str(r#"{"t":1,"from_a_later_version":[1]}"#).unwrap();
        assert_eq!(unknown, Sample { at_ns: 1, ..Sample::default() });
    }

    #[test]
    fn one_silent_gpu_makes_the_sum_unknown() {
        let gpu = |power_w| GpuSample { power_w, ..GpuSample::default() };
        let of = |gpus| Sample { gpus, ..Sample::default() }.gpu_power_w();
        assert_eq!(of(vec![gpu(Some(100.0)), gpu(Some(50.0))]), Some(150.0));
        assert_eq!(of(vec![gpu(Some(100.0)), gpu(None)]), None);
        assert_eq!(of(Vec::new()), None);
    }
}
