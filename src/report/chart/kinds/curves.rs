//! Throughput against latency, and effective throughput against the load: clients, or requests/s offered.

use super::super::figure::{Axis, Extent, Figure, Look, Panel, Point, Series, Style, Unit};
use super::labels::common;
use super::{ChartError, Kind, Options, Recorded, fitted};
use crate::report::fastgen::{Curve, curves, references};

/// Degrees of FastGen's fits.
const THROUGHPUT_LATENCY: usize = 3;
const EFFECTIVE: usize = 4;
/// Measured points, before it is known whether a polynomial suits them.
const MEASURED: Style = Style::Measured { joined: true };
/// With more curves than this, numbers of clients beside all points would be a thicket.
const LABELLED: usize = 3;
/// Rates shown of one recording; of several only one, unless the user asks.
const USUAL_RATE: f64 = 4.0;

/// The curves of all recordings, each with its recording.
fn measured(recorded: &[Recorded]) -> Vec<(&Recorded, Curve)> {
    recorded.iter().flat_map(|r| curves(&r.report).into_iter().map(move |curve| (r, curve))).collect()
}

/// The reference curves of all profiles, each once.
fn published(recorded: &[Recorded], options: &Options) -> Vec<Curve> {
    let mut all: Vec<Curve> = Vec::new();
    for curve in recorded.iter().filter(|_| options.references).flat_map(|r| references(&r.profile)) {
        if !all.contains(&curve) {
            all.push(curve);
        }
    }
    all
}

/// Which loads stages have: clients, rates of open loops.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Loads {
    clients: bool,
    rates: bool,
}

impl Loads {
    /// The loads of some points.
    pub fn of<'a>(points: impl IntoIterator<Item = &'a crate::report::fastgen::Point>) -> Self {
        points.into_iter().fold(Self::default(), |loads, p| Self {
            clients: loads.clients || p.clients.is_some(),
            rates: loads.rates || p.clients.is_none() && p.rate.is_some(),
        })
    }

    /// An axis of them.
    pub fn axis(self) -> Axis {
        match (self.clients, self.rates) {
            (true, true) => Axis::new("Clients, or requests/s offered", Unit::Of("")),
            (false, true) => Axis::new("Offered load", Unit::Of("requests/s")),
            _ => Axis::new("Clients", Unit::Of("")).whole(),
        }
    }

    /// What the numbers are.
    pub fn words(self) -> &'static str {
        match (self.clients, self.rates) {
            (true, true) => "clients, or requests/s offered",
            (false, true) => "requests/s offered",
            _ => "clients",
        }
    }
}

/// FastGen's `plot_th_lat.py`: mean latency over throughput, a point a number of clients, or a rate of an open loop.
pub fn throughput_latency(recorded: &[Recorded], options: &Options) -> Result<Figure, ChartError> {
    let measured = measured(recorded);
    let labelled = measured.len() <= LABELLED && !options.faithful;
    let mut series: Vec<Series> = Vec::new();
    for (_, curve) in &measured {
        let mut one = Series::new(&curve.label, MEASURED, Look::Number(series.len()));
        one.points = points(curve, options.faithful, labelled);
        series.push(fitted(one, options, THROUGHPUT_LATENCY));
    }
    if series.iter().all(|s| s.points.is_empty()) {
        return Err(Kind::ThroughputLatency.nothing("no stage has a completed request"));
    }
    for curve in published(recorded, options) {
        let one = Series::new(&curve.label, Style::Reference, Look::Number(series.len()));
        series.push(one.points(if options.faithful { curve.faithful_pairs() } else { curve.pairs() }));
    }
    series.retain(|s| !s.points.is_empty());
    let mut notes = Vec::new();
    if options.faithful {
        notes.push("As FastGen's plot: throughputs and latencies are sorted each by themselves.".into());
    } else if labelled {
        let loads = Loads::of(measured.iter().flat_map(|(_, curve)| &curve.points));
        notes.push(format!("Numbers beside points: {}.", loads.words()));
    }
    notes.extend(fit_note(&series));
    let extent = if options.faithful { Extent::Around } else { Extent::FromZero };
    let x = Axis::new("Throughput", Unit::Of("queries/s")).extent(extent).limits(options.x_limits);
    let y = Axis::new("Latency", Unit::Time).extent(extent).limits(options.y_limits);
    Ok(Figure {
        title: Kind::ThroughputLatency.title().to_owned(),
        subtitle: common(recorded),
        x,
        panels: vec![Panel { y, series }],
        marks: Vec::new(),
        notes,
    })
}

fn points(curve: &Curve, faithful: bool, labelled: bool) -> Vec<Point> {
    if faithful {
        let pairs = curve.faithful_pairs().into_iter();
        return pairs.map(|(x, y)| Point { x, y, label: String::new() }).collect();
    }
    let label = |load: Option<f64>| load.filter(|_| labelled).map_or(String::new(), |n| n.to_string());
    let point = |p: &crate::report::fastgen::Point| {
        let (x, y) = p.throughput_rps.zip(p.latency_s)?;
        Some(Point { x, y, label: label(p.load()) })
    };
    curve.points.iter().filter_map(point).collect()
}

/// Says which curves are drawn through the points.
pub fn fit_note(series: &[Series]) -> Option<String> {
    let fitted = |s: &&Series| s.fit.is_some() && s.drawable().count() > 1;
    let degree = series.iter().find(fitted)?.fit?;
    let fewer = series.iter().filter(fitted).any(|s| s.drawable().count() <= degree);
    let lower = if fewer { " (lower where there are too few points)" } else { "" };
    Some(format!("Curves through points: polynomials of degree {degree}{lower}, least squares."))
}

/// FastGen's `plot_effective_throughput.py`: queries/s that keep the SLA, over clients.
pub fn effective_throughput(recorded: &[Recorded], options: &Options) -> Result<Figure, ChartError> {
    let measured = measured(recorded);
    let rates = rates(recorded, measured.len(), options);
    let mut series: Vec<Series> = Vec::new();
    for (recording, curve) in &measured {
        let Some(stage) = recording.report.stages.first() else { continue };
        for (told, pairs) in
            by_rate(&rates, |rate| curve.effective(&stage.fastgen.sla.target(options.validator, rate)))
        {
            let label = match (measured.len(), rates.len()) {
                (_, 1) => curve.label.clone(),
                (1, _) => told,
                _ => format!("{}, {told}", curve.label),
            };
            let one = Series::new(label, MEASURED, Look::Number(series.len())).points(pairs);
            series.push(fitted(one, options, EFFECTIVE));
        }
    }
    if series.iter().all(|s| s.points.is_empty()) {
        return Err(Kind::EffectiveThroughput
            .nothing("it needs stages with completed requests that tell when each token came"));
    }
    series.extend(published_effective(recorded, options, &rates, series.len()));
    series.retain(|s| !s.points.is_empty());
    let loads = Loads::of(measured.iter().flat_map(|(_, curve)| &curve.points));
    Ok(Figure { x: load_axis(loads, options), ..effective_figure(recorded, options, &rates, series) })
}

fn load_axis(loads: Loads, options: &Options) -> Axis {
    let extent = if options.faithful { Extent::Around } else { Extent::FromZero };
    loads.axis().extent(extent).limits(options.x_limits)
}

/// Load and effective throughput.
type Pairs = Vec<(f64, f64)>;

/// What each rate gives; rates that give the same (often: all requests keep them) are told together.
fn by_rate(rates: &[f64], effective: impl Fn(f64) -> Pairs) -> impl Iterator<Item = (String, Pairs)> {
    let mut all: Vec<(Vec<String>, Pairs)> = Vec::new();
    for rate in rates {
        let pairs = effective(*rate);
        match all.iter_mut().find(|(_, same)| *same == pairs) {
            Some((told, _)) => told.push(rate.to_string()),
            None => all.push((vec![rate.to_string()], pairs)),
        }
    }
    all.into_iter().map(|(told, pairs)| (format!("{} tokens/s", told.join(", ")), pairs))
}

fn published_effective(recorded: &[Recorded], options: &Options, rates: &[f64], looks: usize) -> Vec<Series> {
    let sla = recorded.iter().find_map(|r| r.report.stages.first()).map(|s| &s.fastgen.sla);
    let Some(sla) = sla else { return Vec::new() };
    let mut series = Vec::new();
    for curve in published(recorded, options) {
        for rate in rates {
            let pairs = curve.effective(&sla.target(options.validator, *rate));
            let told = if rates.len() > 1 { format!(", {rate} tokens/s") } else { String::new() };
            let label = format!("{}{told}", curve.label);
            let one = Series::new(label, Style::Reference, Look::Number(looks + series.len())).points(pairs);
            if !one.points.is_empty() {
                series.push(one);
            }
        }
    }
    series
}

fn effective_figure(recorded: &[Recorded], options: &Options, rates: &[f64], series: Vec<Series>) -> Figure {
    let sla = recorded.iter().find_map(|r| r.report.stages.first()).map(|s| &s.fastgen.sla);
    let prompt = sla.map_or(String::new(), |s| format!("prompt {} tokens/s, ", s.prompt_tokens_per_s));
    let rates: Vec<String> = rates.iter().map(ToString::to_string).collect();
    let asked = format!(
        "SLA: {prompt}generation {} tokens/s, validator {}",
        rates.join(", "),
        options.validator.name()
    );
    let below = |least| Extent::FromBelowZero(least);
    let most = series.iter().flat_map(Series::drawable).map(|p| p.1).fold(0.0, f64::max);
    let y = Axis::new("Effective throughput", Unit::Of("queries/s"))
        .extent(below(if options.faithful { 0.05 } else { most * 0.03 }))
        .limits(options.y_limits);
    let common = common(recorded);
    let subtitle = if common.is_empty() { asked } else { format!("{common} · {asked}") };
    Figure {
        title: Kind::EffectiveThroughput.title().to_owned(),
        subtitle,
        x: load_axis(Loads::default(), options),
        notes: fit_note(&series).into_iter().collect(),
        panels: vec![Panel { y, series }],
        marks: Vec::new(),
    }
}

/// The rates to show: those asked for; of one curve all of its profile; of several FastGen's usual one, or the
/// middle one of the first profile.
fn rates(recorded: &[Recorded], curves: usize, options: &Options) -> Vec<f64> {
    if !options.rates.is_empty() {
        return options.rates.clone();
    }
    let stage = recorded.iter().find_map(|r| r.report.stages.first());
    let mut all = stage.map_or(Vec::new(), |s| s.fastgen.sla.generation_tokens_per_s.clone());
    all.sort_by(f64::total_cmp);
    if curves > 1 && !all.is_empty() {
        let usual = all.iter().copied().find(|rate| (rate - USUAL_RATE).abs() < 1e-9);
        return vec![usual.unwrap_or(all[all.len() / 2])];
    }
    all
}
