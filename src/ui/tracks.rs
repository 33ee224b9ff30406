//! What the System screen draws over time: one line a figure, all on one time axis, only of what is known.

use std::sync::Arc;

use super::format::{ByteUnits, UNKNOWN, digits, units};
use crate::event::{GpuSample, Sample};
use crate::metrics::{SeriesPoint, Snapshot};

/// Readings that lie further apart than this are not joined by a line, seconds.
const GAP_S: f64 = 3.5;
/// Bytes in a unit of memory: GiB.
const GIB: f64 = (1u64 << 30) as f64;

/// Whose figure it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Owner {
    Load,
    Engine,
    Host,
    Gpu(usize),
}

/// A figure over time.
#[derive(Debug, Clone, PartialEq)]
pub struct Track {
    pub owner: Owner,
    pub title: String,
    pub unit: &'static str,
    /// Time in seconds and value; `None` breaks the line.
    pub points: Vec<(f64, Option<f64>)>,
    /// The newest value, of the second under way too.
    pub now: Option<f64>,
    /// The least that the axis goes up to: 100 of a percentage.
    pub least_top: f64,
    /// More of the newest reading, in words.
    pub words: String,
}

impl Track {
    /// The highest value from this time on.
    pub fn peak(&self, from_s: f64) -> Option<f64> {
        let since = self.points.iter().filter(|(at, _)| *at >= from_s);
        since.filter_map(|(_, value)| *value).chain(self.now).reduce(f64::max)
    }
}

/// A value with its unit, or `–`.
pub fn shown(value: Option<f64>, unit: &str) -> String {
    match value {
        Some(value) if unit == "%" => format!("{value:.0} %"),
        Some(value) if unit.is_empty() && value.fract() == 0.0 => format!("{value:.0}"),
        Some(value) => format!("{} {unit}", digits(value)).trim_end().to_owned(),
        None => UNKNOWN.to_owned(),
    }
}

/// How a figure is read, and what of it is shown.
struct Figure {
    owner: Owner,
    title: &'static str,
    unit: &'static str,
    least_top: f64,
    of: fn(&Sample) -> Option<f64>,
}

const fn figure(
    owner: Owner,
    title: &'static str,
    unit: &'static str,
    of: fn(&Sample) -> Option<f64>,
) -> Figure {
    Figure { owner, title, unit, least_top: 0.0, of }
}

const fn share(owner: Owner, title: &'static str, of: fn(&Sample) -> Option<f64>) -> Figure {
    Figure { owner, title, unit: "%", least_top: 100.0, of }
}

/// In the order in which they are shown.
const FIGURES: [Figure; 13] = [
    figure(Owner::Engine, "Running in the engine", "", |s| s.engine.running.map(f64::from)),
    figure(Owner::Engine, "Waiting in the engine", "", |s| s.engine.waiting.map(f64::from)),
    share(Owner::Engine, "KV cache", |s| s.engine.kv_cache_used.map(percent)),
    share(Owner::Engine, "Prefix hits", |s| s.engine.prefix_cache_hit_rate.map(percent)),
    figure(Owner::Engine, "Preemptions", "", |s| s.engine.preemptions.map(|n| n as f64)),
    figure(Owner::Engine, "Engine's own tokens/s", "", |s| s.engine.tokens_per_s.map(f64::from)),
    share(Owner::Host, "Host CPU", |s| s.cpu_percent.map(f64::from)),
    figure(Owner::Host, "Engine's CPU", "cores", |s| s.engine_cpu_percent.map(cores)),
    figure(Owner::Host, "Client's CPU", "cores", |s| s.client_cpu_percent.map(cores)),
    figure(Owner::Host, "Host memory", "GiB", |s| s.memory_used_bytes.map(gib)),
    figure(Owner::Host, "Our memory", "GiB", |s| s.rss_bytes.map(gib)),
    figure(Owner::Host, "Load", "", |s| s.load_1m.map(f64::from)),
    figure(Owner::Host, "CPU power", "W", |s| s.cpu_power_w.map(f64::from)),
];

fn percent(part: f32) -> f64 {
    f64::from(part) * 100.0
}

fn cores(percent: f32) -> f64 {
    f64::from(percent) / 100.0
}

fn gib(bytes: u64) -> f64 {
    bytes as f64 / GIB
}

/// All tracks of a run: the first is what the clients get, on the axis of all the others.
pub fn tracks(snap: &Snapshot) -> Vec<Track> {
    let samples: Vec<&Arc<Sample>> = snap.series.iter().filter_map(|point| point.sample.as_ref()).collect();
    let newest = snap.sample.as_deref();
    let mut all = vec![output(&snap.series)];
    all.extend(FIGURES.iter().filter_map(|figure| host(&samples, newest, figure)));
    let gpus = samples.iter().map(|sample| sample.gpus.len()).max().unwrap_or(0);
    for gpu in 0..gpus {
        all.extend(of_gpu(&samples, newest, gpu));
    }
    all
}

/// How many tracks there are below the first, which always stays in sight.
pub fn below(snap: &Snapshot) -> usize {
    tracks(snap).len() - 1
}

fn output(series: &[SeriesPoint]) -> Track {
    let points = series.iter().map(|p| ((p.second + 1) as f64, Some(p.output_tokens as f64)));
    Track {
        owner: Owner::Load,
        title: "Output tokens/s".into(),
        unit: "",
        points: points.collect(),
        now: series.last().map(|p| p.output_tokens as f64),
        least_top: 0.0,
        words: String::new(),
    }
}

fn host(samples: &[&Arc<Sample>], newest: Option<&Sample>, figure: &Figure) -> Option<Track> {
    let points = points(samples, figure.of);
    let now = newest.and_then(figure.of).filter(|value| value.is_finite());
    let (unit, times) = unit(figure.unit, &points, now);
    let points = scaled(points, times);
    // Nothing that never happened takes up room.
    let idle = figure.title == "Preemptions" && points.iter().all(|(_, value)| value.is_none_or(|n| n < 0.5));
    (known(&points) && !idle).then(|| Track {
        owner: figure.owner,
        title: figure.title.into(),
        unit,
        points,
        now: now.map(|v| v * times),
        least_top: figure.least_top,
        words: String::new(),
    })
}

/// A figure's unit, and what its values are to be multiplied by. Memory is told in the units that the user chose, as it is
/// beside the lines, and in the smaller one if it never comes to one of the larger: so its axis has whole numbers.
fn unit(unit: &'static str, points: &[(f64, Option<f64>)], now: Option<f64>) -> (&'static str, f64) {
    if unit != "GiB" {
        return (unit, 1.0);
    }
    let most = points.iter().filter_map(|(_, value)| *value).chain(now).fold(0.0, f64::max);
    let (small, large, step, factor) = match units().0 {
        ByteUnits::Binary => ("MiB", "GiB", 1024.0, 1.0),
        ByteUnits::Decimal => ("MB", "GB", 1000.0, GIB / 1e9),
    };
    if most * factor < 1.0 { (small, step * factor) } else { (large, factor) }
}

/// Values so many times as great.
fn scaled(points: Vec<(f64, Option<f64>)>, times: f64) -> Vec<(f64, Option<f64>)> {
    points.into_iter().map(|(at, value)| (at, value.map(|v| v * times))).collect()
}

/// A GPU's utilisation, memory and power.
fn of_gpu(samples: &[&Arc<Sample>], newest: Option<&Sample>, gpu: usize) -> Vec<Track> {
    let newest = newest.and_then(|sample| sample.gpus.get(gpu));
    let track = |title: &str, unit, least_top, of: &dyn Fn(&GpuSample) -> Option<f64>, words: String| {
        let points = points(samples, |sample| sample.gpus.get(gpu).and_then(of));
        let (owner, title) = (Owner::Gpu(gpu), format!("GPU {gpu} {title}"));
        let now = newest.and_then(of).filter(|value| value.is_finite());
        let seen = known(&points);
        let (unit, times) = self::unit(unit, &points, now);
        let (points, now, least_top) = (scaled(points, times), now.map(|v| v * times), least_top * times);
        seen.then_some(Track { owner, title, unit, points, now, least_top, words })
    };
    let words = newest.map(state).unwrap_or_default();
    let memory = |g: &GpuSample| g.memory_used_bytes.map(gib);
    let total = newest.and_then(|g| g.memory_total_bytes).map_or(0.0, gib);
    let power = |g: &GpuSample| g.power_w.map(f64::from);
    let busy = |g: &GpuSample| g.utilisation_percent.map(f64::from);
    let none = String::new;
    [
        track("utilisation", "%", 100.0, &busy, words),
        track("memory", "GiB", total, &memory, none()),
        track("power", "W", 0.0, &power, none()),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// Temperature, clock, and what holds it down: what of it is known.
pub fn state(gpu: &GpuSample) -> String {
    let mut words = Vec::new();
    words.extend(gpu.temperature_c.map(|t| format!("{t:.0} °C")));
    words.extend(gpu.clock_mhz.map(|mhz| format!("{mhz} MHz")));
    if let Some(reasons) = gpu.throttled_by.as_ref().filter(|reasons| !reasons.is_empty()) {
        words.push(format!("held down: {}", reasons.join(", ")));
    }
    words.join("  ")
}

fn known(points: &[(f64, Option<f64>)]) -> bool {
    points.iter().any(|(_, value)| value.is_some())
}

/// A figure's line: each reading at its time, broken where readings are missing.
fn points(samples: &[&Arc<Sample>], of: impl Fn(&Sample) -> Option<f64>) -> Vec<(f64, Option<f64>)> {
    let mut points: Vec<(f64, Option<f64>)> = Vec::with_capacity(samples.len());
    for sample in samples {
        let at = sample.at_ns as f64 / 1e9;
        if let Some((before, _)) = points.last()
            && at - before > GAP_S
        {
            points.push((at, None));
        }
        points.push((at, of(sample).filter(|value| value.is_finite() && *value >= 0.0)));
    }
    points
}

/// Energy of an output token over the last ten seconds with readings, joules.
pub fn energy_j_per_token(snap: &Snapshot) -> Option<f64> {
    let last = snap
        .series
        .iter()
        .rev()
        .take(10)
        .filter_map(|p| Some((p.sample.as_ref()?.power_w?, p.output_tokens)));
    let (mut joules, mut tokens) = (0.0, 0);
    for (watts, made) in last {
        joules += f64::from(watts);
        tokens += made;
    }
    (tokens > 0).then(|| joules / tokens as f64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::EngineSample;

    fn snap(samples: Vec<(u64, Sample)>) -> Snapshot {
        let series = samples.into_iter().map(|(second, sample)| SeriesPoint {
            second,
            output_tokens: 100,
            sample: Some(Arc::new(Sample { at_ns: second * 1_000_000_000 + 500_000_000, ..sample })),
            ..SeriesPoint::default()
        });
        let series: Vec<SeriesPoint> = series.collect();
        let sample = series.last().and_then(|point| point.sample.clone());
        Snapshot { series: Arc::new(series), sample, ..Snapshot::default() }
    }

    fn names(snap: &Snapshot) -> Vec<String> {
        tracks(snap).into_iter().map(|track| track.title).collect()
    }

    #[test]
    fn only_what_is_known_has_a_track() {
        assert_eq!(names(&Snapshot::default()), ["Output tokens/s"]);
        let cpu = Sample { cpu_percent: Some(40.0), ..Sample::default() };
        let with_engine = Sample {
            engine: EngineSample { running: Some(8), preemptions: Some(0), ..EngineSample::default() },
            gpus: vec![GpuSample { power_w: Some(90.0), ..GpuSample::default() }],
            ..cpu.clone()
        };
        let snap = snap(vec![(0, Sample::default()), (1, cpu), (2, with_engine)]);
        assert_eq!(names(&snap), ["Output tokens/s", "Running in the engine", "Host CPU", "GPU 0 power"]);
        let all = tracks(&snap);
        assert_eq!(all[1].points, [(0.5, None), (1.5, None), (2.5, Some(8.0))]);
        assert_eq!((all[2].now, all[2].peak(0.0), all[2].least_top), (Some(40.0), Some(40.0), 100.0));
    }

    #[test]
    fn little_memory_is_told_in_a_smaller_unit() {
        let with = |rss: u64| Sample { rss_bytes: Some(rss), ..Sample::default() };
        let little = snap(vec![(0, with(32 << 20)), (1, with(48 << 20))]);
        let track = &tracks(&little)[1];
        assert_eq!((track.unit, track.now, track.points[0].1), ("MiB", Some(48.0), Some(32.0)));
        let much = snap(vec![(0, with(32 << 20)), (1, with(3 << 30))]);
        assert_eq!((tracks(&much)[1].unit, tracks(&much)[1].now), ("GiB", Some(3.0)));
    }

    #[test]
    fn a_line_breaks_where_readings_are_missing() {
        let cpu = |percent| Sample { cpu_percent: Some(percent), ..Sample::default() };
        let odd = Sample { cpu_percent: Some(f32::NAN), ..Sample::default() };
        let snap = snap(vec![(0, cpu(1.0)), (2, cpu(2.0)), (9, cpu(3.0)), (10, odd)]);
        let points = &tracks(&snap)[1].points;
        assert_eq!(
            points,
            &[(0.5, Some(1.0)), (2.5, Some(2.0)), (9.5, None), (9.5, Some(3.0)), (10.5, None)]
        );
        assert_eq!(tracks(&snap)[1].peak(1.0), Some(3.0));
        assert_eq!(tracks(&snap)[1].now, None);
    }

    #[test]
    fn energy_is_of_the_seconds_whose_power_is_known() {
        let power = |power_w| Sample { power_w, ..Sample::default() };
        let known = snap(vec![(0, power(Some(200.0))), (1, power(None)), (2, power(Some(100.0)))]);
        assert_eq!(energy_j_per_token(&known), Some(1.5));
        assert_eq!(energy_j_per_token(&snap(vec![(0, power(None))])), None);
    }

    #[test]
    fn values_have_their_units() {
        assert_eq!(shown(Some(97.4), "%"), "97 %");
        assert_eq!(shown(Some(8.0), ""), "8");
        assert_eq!(shown(Some(1.25), "cores"), "1.25 cores");
        assert_eq!(shown(None, "W"), "–");
    }
}
