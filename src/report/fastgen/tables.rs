//! The FastGen part of reports for people: a row a stage.

use super::figures::FastgenReport;
use super::{Scaling, TpSize, Validator, replica_scale, tp_sizes};
use crate::metrics::interventions;
use crate::report::figures::{Report, StageReport};
use crate::report::table::{Table, UNKNOWN, at_most, number};

/// Most rates side by side, so that a terminal holds them.
const RATES: usize = 6;

/// The tables of a recording, none if no request completed. One stage: its figures, and a row a validator. A
/// sweep: a row a stage, and a table a validator; then replicas and tensor-parallel sizes where they vary.
pub fn tables(report: &Report) -> Vec<Table> {
    let stages: Vec<&StageReport> = report.stages.iter().filter(|s| s.fastgen.requests > 0).collect();
    let Some(first) = stages.first() else { return Vec::new() };
    let mut all = vec![figures(&stages), token_latency(&stages)];
    let sla = &first.fastgen.sla;
    for rates in sla.generation_tokens_per_s.chunks(RATES) {
        match stages.as_slice() {
            [stage] => all.push(validators(&stage.fastgen, rates)),
            _ => all.extend(sla.validators.iter().map(|v| effective(&stages, *v, rates))),
        }
    }
    let reports = std::slice::from_ref(report);
    all.extend(replica_scale(reports).iter().map(scaling));
    let sizes = tp_sizes(reports);
    if sizes.iter().any(|s| s.tensor_parallel != sizes[0].tensor_parallel) {
        all.push(tensor_parallel(&sizes));
    }
    all
}

fn whole(value: Option<u32>) -> String {
    value.map_or_else(|| UNKNOWN.into(), |n| n.to_string())
}

fn ms(seconds: Option<f64>) -> String {
    number(seconds.map(|s| s * 1e3), 2)
}

fn figures(stages: &[&StageReport]) -> Table {
    let head = ["FastGen", "req/s", "measured req/s", "latency s", "first token s", "tok/s", "with prompt"];
    let mut table = Table::new(head);
    for stage in stages {
        let f = &stage.fastgen.figures;
        table.row(vec![
            stage.name.clone(),
            number(f.query_throughput_rps, 3),
            number(f.measured_throughput_rps, 3),
            number(f.latency_s, 3),
            number(f.first_token_latency_s, 3),
            number(f.tokens_per_s_generated, 1),
            number(f.tokens_per_s_prompt_and_generated, 1),
        ]);
    }
    table
}

fn token_latency(stages: &[&StageReport]) -> Table {
    let mut table = Table::new(["token latency ms", "mean", "p50", "p90", "p95"]);
    for stage in stages {
        let f = &stage.fastgen;
        let mut cells = vec![stage.name.clone(), ms(f.figures.token_gen_latency_s)];
        cells.extend(f.token_latency_percentiles_s.all().map(|(_, value)| ms(value)));
        table.row(cells);
    }
    table
}

fn rate_names(rates: &[f64]) -> impl Iterator<Item = String> {
    rates.iter().map(|rate| format!("{} t/s", at_most(*rate, 3)))
}

fn effective(stages: &[&StageReport], validator: Validator, rates: &[f64]) -> Table {
    let open = stages.iter().all(|stage| stage.clients.is_none() && stage.rate().is_some());
    let load = if open { "rate" } else { "clients" };
    let head = [format!("effective, {}", validator.name()), load.into(), "req/s".into()];
    let mut table = Table::new(head.into_iter().chain(["latency s".into()]).chain(rate_names(rates)));
    for stage in stages {
        let f = &stage.fastgen;
        let mut cells = vec![
            stage.name.clone(),
            if open {
                stage.rate().map_or_else(|| UNKNOWN.into(), |r| at_most(r, 3))
            } else {
                whole(stage.clients)
            },
            number(f.figures.query_throughput_rps, 3),
            number(f.figures.latency_s, 3),
        ];
        let by_rate = f.effective_throughput_rps.of(validator);
        cells.extend(rates.iter().map(|rate| number(by_rate.at(*rate), 3)));
        table.row(cells);
    }
    table
}

fn validators(f: &FastgenReport, rates: &[f64]) -> Table {
    let mut table = Table::new(std::iter::once("FastGen's SLA".to_owned()).chain(rate_names(rates)));
    for validator in &f.sla.validators {
        let name = validator.name();
        let mut row = |what: &str, cell: &dyn Fn(f64) -> String| {
            let cells = rates.iter().map(|rate| cell(*rate));
            table.row(std::iter::once(format!("{what}, {name}")).chain(cells).collect());
        };
        row("effective req/s", &|rate| number(f.effective_throughput_rps.of(*validator).at(rate), 3));
        row(&format!("good of {} requests", f.requests), &|rate| {
            f.good_requests.of(*validator).at(rate).map_or_else(|| UNKNOWN.into(), |n| n.to_string())
        });
    }
    table
}

fn scaling(group: &Scaling) -> Table {
    let name = format!("replicas, {} each", interventions::clients(group.clients_per_replica));
    let mut table = Table::new([name.as_str(), "clients", "req/s", "measured", "latency s", "times one"]);
    let first = group.points.first().map(|p| p.throughput_rps / f64::from(p.replicas));
    for p in &group.points {
        table.row(vec![
            p.replicas.to_string(),
            p.clients.to_string(),
            number(Some(p.throughput_rps), 3),
            number(p.measured_rps, 3),
            number(Some(p.latency_s), 3),
            number(first.map(|one| p.throughput_rps / one), 2),
        ]);
    }
    table
}

fn tensor_parallel(sizes: &[TpSize]) -> Table {
    let head = ["tensor parallel", "clients", "TFLOP/s a GPU", "nominal", "latency s"];
    let mut table = Table::new(head);
    for size in sizes {
        for p in &size.points {
            table.row(vec![
                size.label.clone(),
                whole(p.clients),
                number(Some(p.tflops_per_gpu), 3),
                number(p.tflops_per_gpu_nominal, 3),
                number(Some(p.latency_s), 3),
            ]);
        }
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{fixture, report};

    fn headers(tables: &[Table]) -> Vec<&str> {
        tables.iter().map(|t| t.header[0].as_str()).collect()
    }

    #[test]
    fn one_stage_has_a_row_a_validator() {
        let mut run = fixture::run();
        run.header.profile["sla"] = serde_json::json!({
            "prompt_tokens_per_s": 50, "generation_tokens_per_s": [1, 2, 3, 4, 6, 8, 20], "validators": ["ema16"],
        });
        let tables = tables(&report(&run));
        assert_eq!(headers(&tables), ["FastGen", "token latency ms", "FastGen's SLA", "FastGen's SLA"]);
        assert_eq!(tables[0].rows[0][..5], ["main", "3.354", "3.000", "0.596", "0.200"]);
        assert_eq!(tables[2].rows.len(), 2);
        assert_eq!(tables[2].rows[1][..2], ["good of 3 requests, ema16", "1"]);
        assert_eq!(tables[3].rows[0], ["effective req/s, ema16", "0.000"]);
        run.stages[0].requests.clear();
        assert!(super::tables(&report(&run)).is_empty());
    }

    #[test]
    fn a_sweep_has_a_row_a_stage() {
        let report = report(&fixture::sweep(&[("tiny", 1), ("tiny", 2)]));
        let tables = tables(&report);
        assert_eq!(headers(&tables)[2..], ["effective, cumulative", "effective, ema16"]);
        assert_eq!(tables[2].header[4..6], ["1 t/s", "2 t/s"]);
        assert!(tables.iter().all(|t| t.rows.len() == 2 && t.rows.iter().all(|r| r.len() == t.header.len())));
    }

    #[test]
    fn an_open_loop_has_rates_and_nothing_of_clients() {
        let mut run = fixture::sweep(&[("tiny", 1), ("tiny", 2)]);
        for (stage, rate) in run.stages.iter_mut().zip([5.0, 12.5]) {
            let open = fixture::open_stage("poisson", rate, 8).start.open;
            stage.start.clients = None;
            stage.start.open = open;
        }
        let tables = tables(&report(&run));
        assert_eq!(tables[0].rows[1][1], "-", "clients / latency is not known");
        assert_ne!(tables[0].rows[1][2], "-");
        assert_eq!(tables[2].header[1], "rate");
        assert_eq!(tables[2].rows[1][1..3], ["12.5", "-"]);
    }

    #[test]
    fn what_varies_has_its_table() {
        let mut run = fixture::sweep(&[("llama2-7b", 1), ("llama2-7b", 2)]);
        let keep = run.clone();
        for (stage, n) in run.stages.iter_mut().zip([1, 2]) {
            stage.start.sweep.push(("replicas".into(), n.into()));
        }
        let scaled = tables(&report(&run));
        assert_eq!(headers(&scaled).last(), Some(&"replicas, 1 client each"));
        assert_eq!(scaled.last().unwrap().rows[1][..3], ["2", "2", "20.000"]);
        assert_eq!(scaled.last().unwrap().rows[1].last().unwrap(), "2.00");
        run = keep;
        run.header.profile["workload"] = serde_json::json!({ "prompt_tokens": 10, "output_tokens": 10 });
        for (stage, n) in run.stages.iter_mut().zip([1, 4]) {
            stage.start.sweep.push(("tensor_parallel".into(), n.into()));
        }
        let sizes = tables(&report(&run));
        assert_eq!(headers(&sizes).last(), Some(&"tensor parallel"));
        assert!(sizes.last().unwrap().rows[1][0].ends_with("TP=4"));
    }
}
