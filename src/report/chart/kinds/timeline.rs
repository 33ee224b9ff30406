//! A run second by second: output tokens/s, requests in flight, and TTFT, with lines where stages begin and where
//! somebody intervened.

use super::super::figure::{Axis, Extent, Figure, Look, Mark, Panel, Series, Style, Unit};
use super::labels::common;
use super::recorded::Second;
use super::{ChartError, Kind, Options, Recorded};

/// A second is drawn at its middle.
const MIDDLE: f64 = 0.5;

pub fn timeline(recorded: &[Recorded], options: &Options) -> Result<Figure, ChartError> {
    if recorded.iter().all(|r| r.seconds.iter().all(|s| s.in_flight + s.output_tokens <= 0.0)) {
        return Err(Kind::Timeline.nothing("no stage has a measured request"));
    }
    let alone = recorded.len() == 1;
    let mut panels = [
        Panel { y: Axis::new("Output", Unit::Of("tokens/s")).limits(options.y_limits), series: Vec::new() },
        Panel { y: Axis::new("In flight", Unit::Of("requests")).whole(), series: Vec::new() },
        Panel { y: Axis::new("TTFT", Unit::Time), series: Vec::new() },
    ];
    let mut marks = Vec::new();
    for (i, recording) in recorded.iter().enumerate() {
        let look = Look::Number(i);
        let series = recording_series(recording, look, alone);
        for (panel, series) in panels.iter_mut().zip(series) {
            panel.series.extend(series);
        }
        marks.extend(moments(recording, look, alone));
    }
    if !alone {
        // Colours tell recordings apart, strokes percentiles.
        let stroke = |label, style| Series::new(label, style, Look::Plain);
        panels[2].series.extend([stroke("p50", Style::Line), stroke("p99", Style::Dashed)]);
    }
    let (low, high) = options.x_limits;
    let x = Axis::new("Since the first stage began", Unit::Of("s"))
        .extent(Extent::Tight)
        .limits((low.or(Some(0.0)), high));
    Ok(Figure {
        title: Kind::Timeline.title().to_owned(),
        subtitle: common(recorded),
        x,
        panels: panels.into(),
        marks,
        notes: vec!["A point a second; warm-up requests are left out.".into()],
    })
}

/// When the first stage began, in whole seconds since the run's start.
fn start(recording: &Recorded) -> f64 {
    recording.seconds.first().map_or(0.0, |s| s.at_s)
}

/// The series of a recording, by panel.
fn recording_series(recording: &Recorded, look: Look, alone: bool) -> [Vec<Series>; 3] {
    let start = start(recording);
    let over_time = |label: &str, style, look, value: fn(&Second) -> Option<f64>| {
        let point = |s: &Second| (s.at_s - start + MIDDLE, value(s).unwrap_or(f64::NAN));
        Series::new(label, style, look).points(recording.seconds.iter().map(point))
    };
    let named = if alone { "" } else { recording.label.as_str() };
    let (p50, p99) = if alone { ("p50", "p99") } else { ("", "") };
    let output = over_time(named, Style::Line, look, |s| Some(s.output_tokens));
    let in_flight = over_time("", Style::Line, look, |s| Some(s.in_flight));
    let upper = if alone { Look::Number(1) } else { look };
    let ttft = vec![
        over_time(p50, Style::Line, look, |s| s.ttft_p50_s),
        over_time(p99, Style::Dashed, upper, |s| s.ttft_p99_s),
    ];
    [vec![output], vec![in_flight], ttft]
}

/// Lines at stages and interventions; named where there is only one recording. The beginning of the first stage is
/// the beginning of the axis: no line, unless the stage has a name to tell.
fn moments(recording: &Recorded, look: Look, alone: bool) -> Vec<Mark> {
    let start = start(recording);
    let only_stage = recording.report.stages.len() < 2;
    let told = recording.moments.iter().filter(|(at, what)| !(only_stage && what == "main" || *at < start));
    let mark = |(at, what): &(f64, String)| Mark {
        x: at - start,
        label: if alone { what.clone() } else { String::new() },
        look: if alone { Look::Plain } else { look },
    };
    told.map(mark).collect()
}
