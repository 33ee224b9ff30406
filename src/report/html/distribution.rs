//! The latency distribution: every percentile, the upper ones wide apart, since they are what matters.
//!
//! The x axis is −log10(1 − q), as HdrHistogram's plots have it: p90, p99 and p99.9 are equally far from each other.
//! A curve ends where the last request is the only one left.

use super::Source;
use crate::event::Outcome;
use crate::report::chart::{Axis, Extent, Figure, Look, Panel, Series, Style, Unit};
use crate::report::run::Stage;
use crate::report::stats::{Pool, Sorted};

/// Ticks: the share of requests, and its name.
const NAMED: [(f64, &str); 6] =
    [(0.5, "p50"), (0.9, "p90"), (0.95, "p95"), (0.99, "p99"), (0.999, "p99.9"), (0.9999, "p99.99")];
/// Steps of the x axis, and how many.
const STEP: f64 = 0.05;
const STEPS: u32 = 80;

/// One latency's distribution: x and seconds.
type Curve = Vec<(f64, f64)>;

/// The distributions of a stage's completed requests over its measured window.
#[derive(Debug, Clone, Default)]
pub struct Latencies {
    pub ttft: Curve,
    pub itl: Curve,
    pub e2e: Curve,
}

impl Latencies {
    pub fn of(stage: &Stage, tick_ns: u64) -> Self {
        let completed = || stage.judged().filter(|r| r.outcome == Outcome::Completed);
        let mut pools = [(); 3].map(|()| Pool::new(tick_ns));
        let [ttft, itl, e2e] = &mut pools;
        for r in completed() {
            r.ttft_ns().into_iter().for_each(|ns| ttft.push_ns(ns));
            r.e2e_ns().into_iter().for_each(|ns| e2e.push_ns(ns));
            for (i, pair) in r.chunk_at_ns.windows(2).enumerate() {
                itl.push_chunk(pair[1].saturating_sub(pair[0]), r.tokens_in(i + 1));
            }
        }
        let [ttft, itl, e2e] = pools.map(|pool| curve(&pool.sorted()));
        Self { ttft, itl, e2e }
    }
}

/// Where the curve is taken: x, and the share of requests below.
fn places() -> Vec<(f64, f64)> {
    let named = NAMED.map(|(q, _)| (place(q), q));
    let mut all: Vec<_> = (0..=STEPS)
        .map(|i| f64::from(i) * STEP)
        // The named ones are exact, so that they agree with the tables.
        .filter(|x| named.iter().all(|(other, _)| (x - other).abs() > 1e-6))
        .map(|x| (x, 1.0 - 10f64.powf(-x)))
        .chain(named)
        .collect();
    all.sort_by(|a, b| a.0.total_cmp(&b.0));
    all
}

fn place(q: f64) -> f64 {
    // Rounded, so that no two machines' logarithms differ.
    (-(1.0 - q).log10() * 1e6).round() / 1e6
}

fn curve(sorted: &Sorted) -> Curve {
    let count = sorted.count() as f64;
    let known = |q: f64| (1.0 - q) * count >= 1.0 - 1e-6;
    let at = |(x, q): (f64, f64)| sorted.percentile(q).filter(|_| known(q)).map(|value| (x, value));
    places().into_iter().filter_map(at).collect()
}

/// What each x is called.
pub fn names() -> Vec<(f64, String)> {
    let name = |(x, q): (f64, f64)| {
        let named = NAMED.iter().find(|(other, _)| (other - q).abs() < 1e-12);
        let decimals = match x {
            x if x >= 3.0 => 3,
            x if x >= 2.0 => 2,
            _ => 1,
        };
        let told = || if x == 0.0 { "least".to_owned() } else { format!("p{:.decimals$}", q * 100.0) };
        (x, named.map_or_else(told, |(_, name)| (*name).to_owned()))
    };
    places().into_iter().map(name).collect()
}

/// The figure of all stages of all recordings.
///
/// # Errors
/// If no stage has a latency: the reason.
pub fn figure(sources: &[Source]) -> Result<Figure, String> {
    let panel = |label: &str| Panel { y: Axis::new(label, Unit::Time), series: Vec::new() };
    let mut panels = ["TTFT", "ITL", "E2E"].map(panel);
    let all =
        sources.iter().flat_map(|s| s.report().stages.iter().zip(&s.latencies).map(move |(r, l)| (s, r, l)));
    let shown: Vec<_> = all.filter(|(_, _, l)| !l.ttft.is_empty() || !l.e2e.is_empty()).collect();
    for (i, (source, stage, latencies)) in shown.iter().enumerate() {
        let name = &source.recorded.label;
        let label = match (sources.len(), source.report().stages.len()) {
            (1, 1) => String::new(),
            (1, _) => stage.name.clone(),
            (_, 1) => name.clone(),
            _ => format!("{name}, {}", stage.name),
        };
        let curves = [&latencies.ttft, &latencies.itl, &latencies.e2e];
        for (which, (panel, curve)) in panels.iter_mut().zip(curves).enumerate() {
            // One legend serves all panels.
            let label = if which == 0 { label.as_str() } else { "" };
            let one = Series::new(label, Style::Line, Look::Number(i)).points(curve.iter().copied());
            panel.series.push(one);
        }
    }
    if shown.is_empty() {
        return Err("nothing to draw: no stage has a completed request with tokens".to_owned());
    }
    let mut x = Axis::new("Percentile", Unit::Of("")).extent(Extent::Tight);
    // p95 would touch its neighbour.
    x.names =
        NAMED.iter().filter(|n| n.1 != "p95").map(|(q, name)| (place(*q), (*name).to_owned())).collect();
    Ok(Figure {
        title: "Latency distribution".to_owned(),
        subtitle: String::new(),
        x,
        panels: panels.into_iter().filter(|p| p.series.iter().any(|s| !s.points.is_empty())).collect(),
        marks: Vec::new(),
        notes: vec![
            "Completed requests of the measured window; gaps between tokens (ITL) pooled.".to_owned(),
        ],
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::Definitions;
    use crate::report::fastgen::Skips;
    use crate::report::fixture;

    #[test]
    fn named_percentiles_are_the_reports() {
        let source = Source::of(&fixture::closed_loop(20, 100), Skips::default(), Definitions::Own);
        let stats = &source.report().stages[0].windows.measured.as_ref().unwrap().latency;
        let curves = &source.latencies[0];
        for (curve, stats) in
            [(&curves.ttft, &stats.ttft_s), (&curves.itl, &stats.itl_s), (&curves.e2e, &stats.e2e_s)]
        {
            let at = |q: f64| curve.iter().find(|(x, _)| x.total_cmp(&place(q)).is_eq()).map(|p| p.1);
            assert_eq!(
                [at(0.5), at(0.9), at(0.99), at(0.999)],
                [stats.p50, stats.p90, stats.p99, stats.p999]
            );
        }
        // 2000 requests: 0.5 of one lies above p99.975.
        assert!(curves.ttft.last().unwrap().0 < 3.31 && curves.itl.len() == places().len());
        let names = names();
        assert_eq!(names[0].1, "least");
        assert!(names.iter().any(|n| n.1 == "p99.9") && names.iter().any(|n| n.1 == "p98.9"));
    }

    #[test]
    fn without_tokens_there_is_a_reason() {
        let mut run = fixture::run();
        run.stages[0].requests.clear();
        assert!(
            figure(&[Source::of(&run, Skips::default(), Definitions::Own)])
                .unwrap_err()
                .contains("completed")
        );
    }
}
