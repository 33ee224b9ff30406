//! `series.csv`: one row a second of the run, from its start to its end.

use super::{ExportError, Output, Row};
use crate::event::Sample;
use crate::report::run::Run;
use crate::report::seconds::{self, Second, index};
use crate::report::system::{percent, shortest};

pub const HEADER: &str = "run,stage,at_s,requests_in_flight,requests_completed,requests_failed,\
    output_tokens_per_s,input_tokens_per_s,ttft_p50_s,ttft_p99_s,itl_p50_s,itl_p99_s,cpu_percent,rss_bytes,\
    gpu_percent,gpu_memory_bytes,gpu_power_w,engine_running,engine_waiting,kv_cache_percent,\
    prefix_cache_hit_percent,engine_preemptions,engine_tokens_per_s,engine_cpu_percent,client_cpu_percent,\
    memory_used_bytes,load_1m,cpu_power_w,power_w";

/// Writes a recording's rows.
pub fn write(out: &mut Output, run: &Run) -> Result<(), ExportError> {
    let mut samples = run.samples.iter().peekable();
    seconds::each(run, |stage, now| {
        let mut sample = None;
        while let Some(next) = samples.next_if(|s| index(s.at_ns) <= now.at) {
            sample = Some(next).filter(|s| index(s.at_ns) == now.at);
        }
        let row = &mut out.row;
        row.text(&run.name);
        row.text(stage.map_or("", |s| &s.start.name));
        for whole in [now.at, now.in_flight, now.completed, now.failed, now.output, now.input] {
            row.whole(whole);
        }
        latency(row, &now, run.header.tick_ns);
        readings(row, sample);
        out.end_row()
    })
}

fn latency(row: &mut Row, second: &Second, tick_ns: u64) {
    for sorted in [second.ttft(tick_ns), second.itl(tick_ns)] {
        row.float(sorted.percentile(0.5));
        row.float(sorted.percentile(0.99));
    }
}

/// GPUs: mean utilisation, memory and power of all together.
fn readings(row: &mut Row, sample: Option<&Sample>) {
    let one = |number: f32| shortest(number);
    row.float(sample.and_then(|s| s.cpu_percent).map(one));
    row.whole_or_empty(sample.and_then(|s| s.rss_bytes));
    let gpus = sample.map_or(&[][..], |s| &s.gpus);
    let busy: Vec<f64> = gpus.iter().filter_map(|g| g.utilisation_percent).map(one).collect();
    row.float((!busy.is_empty()).then(|| busy.iter().sum::<f64>() / busy.len() as f64));
    row.whole_or_empty(gpus.iter().filter_map(|g| g.memory_used_bytes).reduce(u64::saturating_add));
    row.float(gpus.iter().filter_map(|g| g.power_w).map(one).reduce(|a, b| a + b));
    let engine = sample.map(|s| s.engine).unwrap_or_default();
    row.whole_or_empty(engine.running.map(u64::from));
    row.whole_or_empty(engine.waiting.map(u64::from));
    row.float(engine.kv_cache_used.map(percent));
    row.float(engine.prefix_cache_hit_rate.map(percent));
    row.whole_or_empty(engine.preemptions);
    row.float(engine.tokens_per_s.map(one));
    row.float(sample.and_then(|s| s.engine_cpu_percent).map(one));
    row.float(sample.and_then(|s| s.client_cpu_percent).map(one));
    row.whole_or_empty(sample.and_then(|s| s.memory_used_bytes));
    for reading in [|s: &Sample| s.load_1m, |s: &Sample| s.cpu_power_w, |s: &Sample| s.power_w] {
        row.float(sample.and_then(reading).map(one));
    }
}
