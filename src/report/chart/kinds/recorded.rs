//! A recording as charts need it.

use std::convert::Infallible;

use serde_json::Value;

use super::Kind;
use crate::metrics::interventions;
use crate::report::fastgen::Skips;
use crate::report::{Report, Run, report_with, seconds};

/// A recording, boiled down to what a chart of some kind shows.
#[derive(Debug, Clone)]
pub struct Recorded {
    /// In the legend.
    pub label: String,
    /// The user chose the label: nothing is added to it.
    pub chosen: bool,
    /// Its profile differs from the others' in what the chart doesn't show by itself.
    pub differs: bool,
    pub report: Report,
    /// The profile of its header.
    pub profile: Value,
    /// Empty unless it is for a timeline.
    pub seconds: Vec<Second>,
    /// Moments worth a line in a timeline: seconds since the run's start, and what happened.
    pub moments: Vec<(f64, String)>,
}

/// A second of a stage.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Second {
    /// Since the run's start.
    pub at_s: f64,
    pub output_tokens: f64,
    pub in_flight: f64,
    pub ttft_p50_s: Option<f64>,
    pub ttft_p99_s: Option<f64>,
}

impl Recorded {
    /// Takes from a recording what this kind of chart needs. Without a `label` it is called by its name.
    pub fn of(run: &Run, kind: Kind, label: Option<String>, skips: Skips) -> Self {
        let timeline = kind == Kind::Timeline;
        let name = run.name.strip_suffix(".jsonl.zst").unwrap_or(&run.name);
        Self {
            chosen: label.is_some(),
            differs: false,
            label: label.unwrap_or_else(|| name.to_owned()),
            report: report_with(run, skips),
            profile: run.header.profile.clone(),
            seconds: if timeline { seconds_of(run) } else { Vec::new() },
            moments: if timeline { moments(run) } else { Vec::new() },
        }
    }
}

fn seconds_of(run: &Run) -> Vec<Second> {
    let mut rows = Vec::new();
    let taken = seconds::each(run, |stage, now| {
        if stage.is_some() {
            let ttft = now.ttft(run.header.tick_ns);
            rows.push(Second {
                at_s: now.at as f64,
                output_tokens: now.output as f64,
                in_flight: now.in_flight as f64,
                ttft_p50_s: ttft.percentile(0.5),
                ttft_p99_s: ttft.percentile(0.99),
            });
        }
        Ok::<_, Infallible>(())
    });
    match taken {
        Ok(()) => rows,
        Err(never) => match never {},
    }
}

fn moments(run: &Run) -> Vec<(f64, String)> {
    let stages = run.stages.iter().map(|s| (s.start.at_ns, s.start.name.clone()));
    let controls = run.controls.iter().map(|(at, control)| (*at, interventions::words(control)));
    let inside = |(at, _): &(u64, String)| run.range.is_none_or(|range| range.has(*at));
    let mut moments: Vec<_> = stages.chain(controls).filter(inside).collect();
    moments.sort_by_key(|m| m.0);
    moments.into_iter().map(|(at, what)| (at as f64 / 1e9, what)).collect()
}
