//! The FastGen columns of `summary.csv`. Their rates are those of all recordings in the table.

use super::summary::{Cell, Cells};
use crate::report::fastgen::{Figures, Percentiles, Validator};
use crate::report::figures::StageReport;

/// All rates that any of the stages was judged at, in the order of their first use.
pub fn rates<'a>(stages: impl Iterator<Item = &'a StageReport>) -> Vec<f64> {
    let mut rates: Vec<f64> = Vec::new();
    for rate in stages.flat_map(|s| &s.fastgen.sla.generation_tokens_per_s) {
        if !rates.contains(rate) {
            rates.push(*rate);
        }
    }
    rates
}

/// The columns, named alike with and without a stage.
pub fn cells(stage: Option<&StageReport>, rates: &[f64]) -> Cells {
    let mut cells = Vec::new();
    let f = stage.map(|s| &s.fastgen);
    let whole = |n: Option<u64>| n.map_or(Cell::Empty, Cell::Whole);
    let mut put = |name: &str, cell: Cell| cells.push((format!("fastgen_{name}"), cell));
    put("requests", whole(f.map(|f| f.requests)));
    let figures = f.map_or_else(Figures::default, |f| f.figures);
    put("query_throughput_rps", Cell::Number(figures.query_throughput_rps));
    put("measured_throughput_rps", Cell::Number(figures.measured_throughput_rps));
    put("latency_s", Cell::Number(figures.latency_s));
    put("first_token_latency_s", Cell::Number(figures.first_token_latency_s));
    put("token_gen_latency_s", Cell::Number(figures.token_gen_latency_s));
    put("tokens_per_s_generated", Cell::Number(figures.tokens_per_s_generated));
    put("tokens_per_s_prompt_and_generated", Cell::Number(figures.tokens_per_s_prompt_and_generated));
    for validator in Validator::ALL {
        for rate in rates {
            let key = format!("{}_{rate}", validator.name());
            let effective = f.and_then(|f| f.effective_throughput_rps.of(validator).at(*rate));
            put(&format!("effective_throughput_rps_{key}"), Cell::Number(effective));
            let good = f.and_then(|f| f.good_requests.of(validator).at(*rate));
            put(&format!("good_requests_{key}"), whole(good));
        }
    }
    let percentiles = f.map_or_else(Percentiles::default, |f| f.token_latency_percentiles_s);
    for (name, value) in percentiles.all() {
        put(&format!("token_latency_{name}_s"), Cell::Number(value));
    }
    put("replicas", whole(f.map(|f| u64::from(f.replicas))));
    put("tensor_parallel", whole(f.map(|f| u64::from(f.tensor_parallel))));
    put("tflops_per_gpu", Cell::Number(f.and_then(|f| f.tflops_per_gpu)));
    put("tflops_per_gpu_nominal", Cell::Number(f.and_then(|f| f.tflops_per_gpu_nominal)));
    cells
}
