//! Throughput–latency curves out of reports, and the profile's reference curves.

use serde_json::Value;

use super::{Curve, Effective, Point, Source};
use crate::profile::Reference;
use crate::report::figures::{Report, StageReport};

/// What varies along a curve; all else in a sweep tells curves apart.
const LOAD_KEYS: [&str; 2] = ["clients", "rate"];
/// The rate that a reference's `effective_rps_4tps` is for, tokens/s.
const REFERENCE_RATE: f64 = 4.0;

/// The curves of a recording: one, or one for each combination of the sweep's other values. Stages without a
/// completed request are no points.
pub fn curves(report: &Report) -> Vec<Curve> {
    let name = report.recording.name.trim_end_matches(".jsonl.zst");
    let mut curves: Vec<(Vec<(String, Value)>, Curve)> = Vec::new();
    for stage in report.stages.iter().filter(|s| s.fastgen.requests > 0) {
        let key: Vec<_> =
            stage.sweep.iter().filter(|(k, _)| !LOAD_KEYS.contains(&k.as_str())).cloned().collect();
        let at = curves.iter().position(|(k, _)| *k == key).unwrap_or_else(|| {
            let told = key.iter().map(|(k, v)| format!(", {k}={}", plain(v)));
            let label = std::iter::once(name.to_owned()).chain(told).collect();
            curves.push((key, Curve { label, source: Source::Measured, points: Vec::new() }));
            curves.len() - 1
        });
        curves[at].1.points.push(point(stage));
    }
    for (_, curve) in &mut curves {
        let load = |p: &Point| p.load().unwrap_or(0.0);
        curve.points.sort_by(|a, b| load(a).total_cmp(&load(b)));
    }
    curves.into_iter().map(|(_, curve)| curve).collect()
}

fn point(stage: &StageReport) -> Point {
    let figures = &stage.fastgen.figures;
    Point {
        stage: stage.name.clone(),
        sweep: stage.sweep.clone(),
        clients: stage.clients,
        rate: stage.rate(),
        throughput_rps: figures.query_throughput_rps.or(figures.measured_throughput_rps),
        latency_s: figures.latency_s,
        effective: Effective::Judged(stage.fastgen.judge.clone()),
    }
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), ToOwned::to_owned)
}

/// The `[[reference]]` curves of a profile as a recording keeps it. Columns shorter than `clients` end early.
pub fn references(profile: &Value) -> Vec<Curve> {
    let table = profile.get("reference").cloned().unwrap_or_default();
    let references: Vec<Reference> = serde_json::from_value(table).unwrap_or_default();
    references.into_iter().map(reference).collect()
}

fn reference(reference: Reference) -> Curve {
    let point = |(i, clients): (usize, &u32)| Point {
        stage: String::new(),
        sweep: Vec::new(),
        clients: Some(*clients),
        rate: None,
        throughput_rps: reference.throughput_rps.get(i).copied(),
        latency_s: reference.latency_s.get(i).copied(),
        effective: reference.effective_rps_4tps.get(i).map_or(Effective::Unknown, |rps| {
            Effective::Published { generation_tokens_per_s: REFERENCE_RATE, rps: *rps }
        }),
    };
    let points = reference.clients.iter().enumerate().map(point).collect();
    Curve { label: reference.label, source: Source::Reference, points }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::report::fastgen::{Target, Validator};
    use crate::report::{fixture, report};

    const EASY: Target =
        Target { prompt_tokens_per_s: 1.0, generation_tokens_per_s: 1.0, validator: Validator::Cumulative };

    #[test]
    fn a_sweep_over_more_than_clients_has_a_curve_for_each_of_the_rest() {
        let run = fixture::sweep(&[("short", 4), ("short", 2), ("long", 2), ("long", 4), ("empty", 0)]);
        let curves = curves(&report(&run));
        let told: Vec<_> = curves
            .iter()
            .map(|c| (c.label.as_str(), c.points.iter().map(|p| p.clients).collect::<Vec<_>>()))
            .collect();
        let two_and_four = || vec![Some(2), Some(4)];
        assert_eq!(told, [("hand, model=short", two_and_four()), ("hand, model=long", two_and_four())]);
        // Two clients with a request every 100 ms each: 20 a second, all of them good.
        let (throughput, latency) = curves[0].pairs()[0];
        assert!((throughput - 20.0).abs() < 1e-9 && (latency - 0.1).abs() < 1e-12);
        let effective = curves[0].effective(&EASY);
        assert_eq!(effective.len(), 2);
        assert!((effective[1].1 - 40.0).abs() < 1.0, "{effective:?}");
    }

    #[test]
    fn references_are_curves_too() {
        let profile = json!({ "reference": [{
            "label": "paper", "clients": [1, 2, 4], "throughput_rps": [0.5, 0.9, 1.2], "latency_s": [1.8, 2.3],
            "effective_rps_4tps": [0.5],
        }]});
        let curves = references(&profile);
        assert_eq!(
            (curves.len(), curves[0].source, curves[0].label.as_str()),
            (1, Source::Reference, "paper")
        );
        assert_eq!(curves[0].pairs(), [(0.5, 1.8), (0.9, 2.3)]);
        let target =
            |generation_tokens_per_s| Target { prompt_tokens_per_s: 512.0, generation_tokens_per_s, ..EASY };
        assert_eq!(curves[0].effective(&target(4.0)), [(1.0, 0.5)]);
        assert_eq!(curves[0].effective(&target(2.0)), []);
        assert_eq!(references(&json!({ "reference": "none" })), []);
        assert_eq!(references(&Value::Null), []);
    }
}
