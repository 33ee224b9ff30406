//! Throughput by replicas (FastGen's `plot_repl_scale.py`), and the work of each GPU by sizes of tensor parallelism
//! (`plot_tp_sizes.py`).

use super::super::figure::{Axis, Extent, Figure, Look, Panel, Series, Style, Unit};
use super::super::fit::Polynomial;
use super::curves::fit_note;
use super::labels::common;
use super::{ChartError, Kind, Options, Recorded, fitted};
use crate::report::Report;
use crate::report::fastgen::{Scaling, Setting, TpSize, replica_scale, tp_sizes};

/// Degrees of FastGen's fits.
const REPLICAS: usize = 1;
const SIZES: usize = 3;

/// Groups of each recording where every one is a curve by itself, else of all together; with the recordings'
/// labels where there are several.
fn apart_or_together<T>(
    recorded: &[Recorded],
    groups: impl Fn(&[Report]) -> Vec<T>,
    whole: impl Fn(&T) -> bool,
) -> Vec<(Option<String>, T)> {
    let apart: Vec<_> = recorded.iter().map(|r| groups(std::slice::from_ref(&r.report))).collect();
    if recorded.len() > 1 && apart.iter().all(|g| !g.is_empty() && g.iter().all(&whole)) {
        let named = |(r, g): (&Recorded, Vec<T>)| -> Vec<_> {
            g.into_iter().map(|group| (Some(r.label.clone()), group)).collect()
        };
        return recorded.iter().zip(apart).flat_map(named).collect();
    }
    let reports: Vec<Report> = recorded.iter().map(|r| r.report.clone()).collect();
    groups(&reports).into_iter().map(|group| (None, group)).collect()
}

/// The parts of a group's name: its recording, what it ran with, and what the chart is about.
fn parts(recording: Option<&String>, setting: &Setting, about: String) -> Vec<String> {
    let tokens = |name: &str, tokens: Option<f64>| tokens.map_or(String::new(), |n| format!("{name} {n}"));
    vec![
        recording.cloned().unwrap_or_default(),
        setting.backend.clone(),
        setting.model.clone(),
        setting.quantization.clone(),
        setting.max_batch.map_or(String::new(), |n| format!("max_batch {n}")),
        tokens("prompt", setting.prompt_tokens),
        tokens("generation", setting.output_tokens),
        about,
    ]
}

/// What tells groups apart, as short as can be: their parts without those that all have in common. A recording's
/// name, which tells what is different in it, is told only where it says more than what the chart is about; then what
/// it ran with needs no telling, unless that differs within the recording.
fn short(mut groups: Vec<Vec<String>>, recorded: &[Recorded]) -> Vec<String> {
    let last = |g: &Vec<String>| g.last().cloned();
    let ends: Vec<_> = groups.iter().map(|g| (g[0].clone(), last(g))).collect();
    for group in &mut groups {
        let end = (group[0].clone(), last(group));
        if !group[0].is_empty() && ends.iter().filter(|e| **e == end).count() == 1 {
            let about = group.len() - 1;
            group[1..about].iter_mut().for_each(String::clear);
        }
    }
    let alike = groups.iter().enumerate().any(|(i, g)| groups[..i].iter().any(|h| last(h) == last(g)));
    if !alike && !recorded.iter().any(|r| r.chosen || r.differs) {
        for group in &mut groups {
            group[0].clear();
        }
    }
    let common = |i: usize| groups.iter().all(|g| g[i] == groups[0][i]);
    let told = |g: &Vec<String>| {
        let parts = g.iter().enumerate().filter(|(i, part)| !common(*i) && !part.is_empty());
        let parts: Vec<&str> = parts.map(|(_, part)| part.as_str()).collect();
        if parts.is_empty() { last(g).unwrap_or_default() } else { parts.join(", ") }
    };
    groups.iter().map(told).collect()
}

/// Groups in the order of clients. Fewer clients than replicas is no number of clients for each: the original draws
/// such stages, all in one, but they compare nothing.
fn groups(recorded: &[Recorded], faithful: bool) -> Vec<(Option<String>, Scaling)> {
    let mut groups = apart_or_together(recorded, replica_scale, |_| true);
    groups.retain(|(_, g)| faithful || g.clients_per_replica > 0);
    groups.sort_by_key(|(_, g)| g.clients_per_replica);
    groups
}

pub fn replicas(recorded: &[Recorded], options: &Options) -> Result<Figure, ChartError> {
    let groups = groups(recorded, options.faithful);
    if groups.is_empty() {
        return Err(Kind::ReplicaScale.nothing(
            "it needs stages with different numbers of replicas and as many clients for each replica; sweep over \
             `replicas` and `clients`, or give recordings that differ in backend.replicas",
        ));
    }
    let told = |(name, g): &(Option<String>, Scaling)| {
        let clients = g.clients_per_replica;
        let plural = if clients == 1 { "" } else { "s" };
        parts(name.as_ref(), &g.setting, format!("{clients} client{plural} for each replica"))
    };
    let names = short(groups.iter().map(told).collect(), recorded);
    let mut series = Vec::new();
    for (i, ((_, group), name)) in groups.iter().zip(names).enumerate() {
        series.extend(replica_series(group, name, Look::Number(i), options));
    }
    if options.references && !options.faithful {
        let label = "in proportion to the fewest replicas";
        series.push(Series::new(label, Style::Dashed, Look::Plain));
    }
    let extent = if options.faithful { Extent::Tight } else { Extent::FromZero };
    let x = Axis::new("Replicas", Unit::Of("")).whole().extent(extent).limits(options.x_limits);
    let y = Axis::new("Throughput", Unit::Of("queries/s")).limits(options.y_limits);
    Ok(Figure {
        title: Kind::ReplicaScale.title().to_owned(),
        subtitle: common(recorded),
        x,
        notes: fit_note(&series).into_iter().collect(),
        panels: vec![Panel { y, series }],
        marks: Vec::new(),
    })
}

/// The points of a group (bars, as in the original, if asked for), its fit, and what proportion would give.
fn replica_series(group: &Scaling, name: String, look: Look, options: &Options) -> Vec<Series> {
    let points: Vec<_> = group.points.iter().map(|p| (f64::from(p.replicas), p.throughput_rps)).collect();
    let degree = options.fit.degree(REPLICAS);
    let ends = points.first().zip(points.last());
    if options.faithful {
        let line = Polynomial::fit(&points, degree.unwrap_or(0)).filter(|_| degree.is_some());
        let line = line.zip(ends).map(|(line, (first, last))| {
            let at = |i: i32| first.0 + (last.0 - first.0) * f64::from(i) / 50.0;
            let places = (0..=50).map(|i| (at(i), line.at(at(i))));
            Series::new("", Style::Dashed, Look::Plain).points(places)
        });
        let bars = Series::new(name, Style::Bars, look).points(points);
        return std::iter::once(bars).chain(line).collect();
    }
    let proportion = ends.filter(|_| options.references).map(|(first, last)| {
        let far = (last.0, first.1 * last.0 / first.0);
        Series::new("", Style::Dashed, Look::Plain).points([*first, far])
    });
    let style = Style::Measured { joined: degree.is_none() };
    let measured = Series::new(name, style, look).points(points).fit(degree);
    proportion.into_iter().chain([measured]).collect()
}

pub fn sizes(recorded: &[Recorded], options: &Options) -> Result<Figure, ChartError> {
    let groups = apart_or_together(recorded, tp_sizes, |size| size.points.len() > 1);
    if groups.is_empty() {
        return Err(Kind::TpSizes.nothing(
            "it needs completed requests of a model whose parameters are known: by a shape of `model shapes`, or by \
             a name such as llama-2-7b",
        ));
    }
    let told = |(name, g): &(Option<String>, TpSize)| {
        parts(name.as_ref(), &g.setting, format!("TP={}", g.tensor_parallel))
    };
    let names = short(groups.iter().map(told).collect(), recorded);
    let series: Vec<_> = groups
        .iter()
        .zip(names)
        .enumerate()
        .map(|(i, ((_, group), name))| {
            let points = tp_points(group, options.faithful);
            let style = Style::Measured { joined: true };
            fitted(Series::new(name, style, Look::Number(i)).points(points), options, SIZES)
        })
        .collect();
    let extent = if options.faithful { Extent::Around } else { Extent::FromZero };
    let x = Axis::new("Work of each GPU", Unit::Of("TFLOP/s")).extent(extent).limits(options.x_limits);
    let y = Axis::new("Latency", Unit::Time).extent(extent).limits(options.y_limits);
    let counted = if options.faithful {
        "Work as in FastGen's plot: parameters by the model's name, tokens as asked for."
    } else {
        "Work: 2 × parameters × tokens of a query × queries/s, over the GPUs."
    };
    Ok(Figure {
        title: Kind::TpSizes.title().to_owned(),
        subtitle: common(recorded),
        x,
        notes: std::iter::once(counted.to_owned()).chain(fit_note(&series)).collect(),
        panels: vec![Panel { y, series }],
        marks: Vec::new(),
    })
}

fn tp_points(size: &TpSize, faithful: bool) -> impl Iterator<Item = (f64, f64)> + '_ {
    let work = move |p: &crate::report::fastgen::TpPoint| {
        p.tflops_per_gpu_nominal.filter(|_| faithful).unwrap_or(p.tflops_per_gpu)
    };
    size.points.iter().map(move |p| (work(p), p.latency_s))
}
