//! Stages that differ in replicas, or in the size of tensor parallelism, put side by side.

use super::setting::Setting;
use crate::report::figures::{Report, StageReport};

/// Throughput by replicas with as many clients for each replica, as FastGen's plot of replica scaling.
#[derive(Debug, Clone, PartialEq)]
pub struct Scaling {
    pub label: String,
    /// What its stages have in common; replicas are 1 here.
    pub setting: Setting,
    /// Clients over replicas, rounded down.
    pub clients_per_replica: u32,
    /// By replicas; there are at least two numbers of them.
    pub points: Vec<ScalePoint>,
}

/// A stage in [`Scaling`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ScalePoint {
    pub replicas: u32,
    pub clients: u32,
    pub throughput_rps: f64,
    pub measured_rps: Option<f64>,
    pub latency_s: f64,
}

/// TFLOP/s of a GPU against latency for one size of tensor parallelism.
#[derive(Debug, Clone, PartialEq)]
pub struct TpSize {
    pub label: String,
    /// What its stages have in common.
    pub setting: Setting,
    pub tensor_parallel: u32,
    /// By clients.
    pub points: Vec<TpPoint>,
}

/// A stage in [`TpSize`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TpPoint {
    pub clients: Option<u32>,
    /// With the model's parameters and the measured tokens.
    pub tflops_per_gpu: f64,
    /// As FastGen's plot: with the parameters of the model's name and the tokens asked for.
    pub tflops_per_gpu_nominal: Option<f64>,
    pub latency_s: f64,
}

fn stages(reports: &[Report]) -> impl Iterator<Item = &StageReport> {
    reports.iter().flat_map(|r| &r.stages)
}

/// Groups of stages, of all recordings together, that differ in replicas and are alike in all else: setting and
/// clients for each replica.
pub fn replica_scale(reports: &[Report]) -> Vec<Scaling> {
    let mut groups: Vec<(Setting, Scaling)> = Vec::new();
    for stage in stages(reports) {
        let f = &stage.fastgen;
        let figures = stage.clients.zip(f.figures.query_throughput_rps).zip(f.figures.latency_s);
        let Some(((clients, throughput_rps), latency_s)) = figures else { continue };
        let (replicas, measured_rps) = (f.setting.replicas, f.figures.measured_throughput_rps);
        let setting = Setting { replicas: 1, ..f.setting.clone() };
        let clients_per_replica = clients / replicas;
        let point = ScalePoint { replicas, clients, throughput_rps, measured_rps, latency_s };
        let same =
            |(s, g): &(Setting, Scaling)| *s == setting && g.clients_per_replica == clients_per_replica;
        let at = groups.iter().position(same).unwrap_or_else(|| {
            let label = setting.label();
            let group = Scaling { label, setting: setting.clone(), clients_per_replica, points: Vec::new() };
            groups.push((setting, group));
            groups.len() - 1
        });
        groups[at].1.points.push(point);
    }
    let scaled = groups.into_iter().map(|(_, group)| group);
    let mut scaled: Vec<_> =
        scaled.filter(|g| g.points.iter().any(|p| p.replicas != g.points[0].replicas)).collect();
    for group in &mut scaled {
        group.points.sort_by_key(|p| p.replicas);
    }
    scaled
}

/// Stages whose TFLOP/s are known, of all recordings together, by their setting: what is alike in all but the
/// load is one series.
pub fn tp_sizes(reports: &[Report]) -> Vec<TpSize> {
    let mut groups: Vec<(Setting, TpSize)> = Vec::new();
    for stage in stages(reports) {
        let f = &stage.fastgen;
        let Some((tflops_per_gpu, latency_s)) = f.tflops_per_gpu.zip(f.figures.latency_s) else { continue };
        let tflops_per_gpu_nominal = f.tflops_per_gpu_nominal;
        let point = TpPoint { clients: stage.clients, tflops_per_gpu, tflops_per_gpu_nominal, latency_s };
        let setting = Setting { rate: None, ..f.setting.clone() };
        let at = groups.iter().position(|(s, _)| *s == setting).unwrap_or_else(|| {
            let tensor_parallel = setting.tensor_parallel;
            let label = format!("{}, TP={tensor_parallel}", setting.label());
            let group = TpSize { label, setting: setting.clone(), tensor_parallel, points: Vec::new() };
            groups.push((setting, group));
            groups.len() - 1
        });
        groups[at].1.points.push(point);
    }
    let mut sizes: Vec<_> = groups.into_iter().map(|(_, size)| size).collect();
    sizes.sort_by_key(|s| s.tensor_parallel);
    for size in &mut sizes {
        size.points.sort_by_key(|p| p.clients);
    }
    sizes
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::report::{fixture, report};

    /// A recording of one stage with this profile, and the clients' figures of [`fixture::closed_loop`].
    fn recording(clients: u32, backend: &serde_json::Value, model: &str) -> Report {
        let mut run = fixture::closed_loop(clients, 5);
        run.header.profile = json!({
            "profile": { "name": "p" },
            "backend": backend,
            "model": { "dummy": model },
            "workload": { "prompt_tokens": 10, "output_tokens": 10 },
        });
        report(&run)
    }

    #[test]
    fn replicas_with_as_many_clients_each_are_a_group() {
        let of = |clients, replicas| recording(clients, &json!({ "replicas": replicas }), "tiny");
        let reports = [of(4, 2), of(2, 1), of(8, 4), of(4, 1), of(9, 4)];
        let scaled = replica_scale(&reports);
        // Four clients on one replica stand alone; nine on four are two each, as in the original.
        assert_eq!(scaled.len(), 1);
        assert_eq!(
            (scaled[0].clients_per_replica, scaled[0].label.as_str()),
            (2, "tiny, prompt 10, generation 10")
        );
        let points: Vec<_> = scaled[0].points.iter().map(|p| (p.replicas, p.clients)).collect();
        assert_eq!(points, [(1, 2), (2, 4), (4, 8), (4, 9)]);
        assert!((scaled[0].points[2].throughput_rps - 80.0).abs() < 1e-9);
        assert_eq!(replica_scale(&[of(2, 1), recording(4, &json!({ "replicas": 2 }), "llama2-7b")]), []);
    }

    #[test]
    fn sizes_of_tensor_parallelism_are_series() {
        let of = |clients, tp| recording(clients, &json!({ "tensor_parallel": tp }), "llama2-7b");
        let sizes = tp_sizes(&[of(4, 2), of(2, 1), of(8, 2), recording(4, &json!({}), "unheard-of")]);
        let told: Vec<_> = sizes.iter().map(|s| (s.tensor_parallel, s.points.len())).collect();
        assert_eq!(told, [(1, 1), (2, 2)]);
        assert_eq!(sizes[0].label, "llama2-7b, prompt 10, generation 10, TP=1");
        // Two clients, 20 queries/s of 20 tokens; and twice that on two GPUs.
        let (one, two) = (sizes[0].points[0], sizes[1].points[0]);
        assert!((one.tflops_per_gpu - 2.0 * 6.738_415_616e9 * 20.0 * 20.0 / 1e12).abs() < 1e-9);
        assert!((two.tflops_per_gpu - one.tflops_per_gpu).abs() < 1e-9);
        assert!((one.tflops_per_gpu_nominal.unwrap() - 7.0 * 20.0 * 2.0 * 1e-3 * 20.0).abs() < 1e-9);
    }
}
