//! Readings as they are written: rounded to what can be known, so that a line is not twice as long.

use crate::event::{EngineSample, GpuSample, Sample};

/// The readings with their time in ticks.
pub(super) fn rounded(sample: &Sample, tick: u64) -> Sample {
    let gpus = sample.gpus.iter().map(|gpu| GpuSample {
        utilisation_percent: tenths(gpu.utilisation_percent),
        power_w: tenths(gpu.power_w),
        power_limit_w: tenths(gpu.power_limit_w),
        temperature_c: tenths(gpu.temperature_c),
        ..gpu.clone()
    });
    Sample {
        at_ns: sample.at_ns / tick,
        cpu_percent: tenths(sample.cpu_percent),
        core_percent: sample.core_percent.iter().copied().filter(|p| p.is_finite()).map(f32::round).collect(),
        process_cpu_percent: tenths(sample.process_cpu_percent),
        client_cpu_percent: tenths(sample.client_cpu_percent),
        engine_cpu_percent: tenths(sample.engine_cpu_percent),
        load_1m: to(100.0, sample.load_1m),
        cpu_power_w: tenths(sample.cpu_power_w),
        power_w: tenths(sample.power_w),
        gpus: gpus.collect(),
        engine: EngineSample {
            kv_cache_used: to(10_000.0, sample.engine.kv_cache_used),
            prefix_cache_hit_rate: to(10_000.0, sample.engine.prefix_cache_hit_rate),
            tokens_per_s: tenths(sample.engine.tokens_per_s),
            ..sample.engine
        },
        ..sample.clone()
    }
}

fn tenths(value: Option<f32>) -> Option<f32> {
    to(10.0, value)
}

fn to(parts: f32, value: Option<f32>) -> Option<f32> {
    value.map(|value| (value * parts).round() / parts)
}
