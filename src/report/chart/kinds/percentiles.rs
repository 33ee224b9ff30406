//! Token latency percentiles: FastGen's `plot_latency_percentile.py`.
//!
//! The original draws a bar chart for each number of clients. So does this where recordings have one stage each, or
//! when asked to be faithful; otherwise percentiles are drawn over clients, or rates of open loops, a panel
//! each if there are several curves.

use super::super::figure::{Axis, Extent, Figure, Look, Panel, Series, Style, Unit};
use super::curves::Loads;
use super::labels::common;
use super::{ChartError, Kind, Options, Recorded};
use crate::report::fastgen::{Percentiles, Point, curves};

const NAMES: [&str; 3] = ["P50", "P90", "P95"];

/// A curve of percentiles: its stages, and P50, P90, P95 in seconds of each.
struct Curve {
    label: String,
    stages: Vec<Point>,
    points: Vec<(f64, [Option<f64>; 3])>,
}

pub fn latency_percentiles(recorded: &[Recorded], options: &Options) -> Result<Figure, ChartError> {
    let curves: Vec<Curve> = recorded.iter().flat_map(of).filter(|c| !c.points.is_empty()).collect();
    if curves.is_empty() {
        return Err(Kind::LatencyPercentiles.nothing(
            "no stage is left with gaps between tokens; --skip-requests and --skip-head-tokens \
             leave out requests and tokens",
        ));
    }
    let bars = options.faithful || curves.iter().all(|c| c.points.len() == 1);
    let (x, panels) = if bars { as_bars(&curves, options) } else { over_clients(&curves, options) };
    let skips = recorded.iter().find_map(|r| r.report.stages.first()).map(|s| s.fastgen.skips);
    let told = skips.map(|skips| {
        format!(
            "Gaps between tokens, pooled. Left out: the first {} and the last of each request, {} request{} at either \
             end of a stage, warm-up.",
            skips.head_tokens,
            skips.requests,
            if skips.requests == 1 { "" } else { "s" }
        )
    });
    Ok(Figure {
        title: Kind::LatencyPercentiles.title().to_owned(),
        subtitle: common(recorded),
        x,
        panels,
        marks: Vec::new(),
        notes: told.into_iter().collect(),
    })
}

/// The curves of a recording.
fn of(recorded: &Recorded) -> Vec<Curve> {
    let report = &recorded.report;
    let stage =
        |point: &Point| report.stages.iter().find(|s| s.name == point.stage && s.sweep == point.sweep);
    let values = |p: &Percentiles| [p.p50, p.p90, p.p95];
    let point = |point: &Point| {
        let values = values(&stage(point)?.fastgen.token_latency_percentiles_s);
        let load = point.load()?;
        values.iter().any(Option::is_some).then_some((load, values))
    };
    let curve = |c: crate::report::fastgen::Curve| Curve {
        points: c.points.iter().filter_map(point).collect(),
        stages: c.points,
        label: c.label,
    };
    curves(report).into_iter().map(curve).collect()
}

fn latency(label: &str, options: &Options) -> Axis {
    Axis::new(label, Unit::Time).limits(options.y_limits)
}

/// P50, P90 and P95 side by side, a bar a curve and load.
fn as_bars(curves: &[Curve], options: &Options) -> (Axis, Vec<Panel>) {
    let mut series = Vec::new();
    for curve in curves {
        for (load, values) in &curve.points {
            let open = curve.stages.iter().any(|stage| stage.clients.is_none());
            let unit = if open {
                " req/s"
            } else if *load > 1.0 {
                " clients"
            } else {
                " client"
            };
            let told = format!("{load}{unit}");
            let label = if curves.len() == 1 { told } else { format!("{}, {told}", curve.label) };
            let bars = (1..).map(f64::from).zip(values).filter_map(|(x, y)| y.map(|y| (x, y)));
            series.push(Series::new(label, Style::Bars, Look::Number(series.len())).points(bars));
        }
    }
    let mut x = Axis::new("", Unit::Of("")).extent(Extent::Tight).limits(options.x_limits);
    x.names = (1..).map(f64::from).zip(NAMES.map(ToOwned::to_owned)).collect();
    (x, vec![Panel { y: latency("Latency", options), series }])
}

/// Over the load: all three of one curve in a panel, or a panel for each with all curves.
fn over_clients(curves: &[Curve], options: &Options) -> (Axis, Vec<Panel>) {
    let pairs = |curve: &Curve, which: usize| -> Vec<(f64, f64)> {
        curve.points.iter().filter_map(|(x, values)| Some((*x, values[which]?))).collect()
    };
    let style = Style::Measured { joined: true };
    let panels = match curves {
        [curve] => {
            let one = |(i, name): (usize, &&str)| {
                Series::new(*name, style, Look::Number(i)).points(pairs(curve, i))
            };
            let series = NAMES.iter().enumerate().rev().map(one).collect();
            vec![Panel { y: latency("Latency", options), series }]
        }
        many => NAMES
            .iter()
            .enumerate()
            .map(|(which, name)| {
                let series = many.iter().enumerate().map(|(i, curve)| {
                    // One legend serves all panels.
                    let label = if which == 0 { curve.label.as_str() } else { "" };
                    Series::new(label, style, Look::Number(i)).points(pairs(curve, which))
                });
                Panel { y: latency(name, options), series: series.collect() }
            })
            .collect(),
    };
    let loads = Loads::of(curves.iter().flat_map(|curve| &curve.stages));
    (loads.axis().limits(options.x_limits), panels)
}
