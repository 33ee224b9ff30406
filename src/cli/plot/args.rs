//! The arguments of `plot`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use crate::report::chart::{Fit, Kind, Limits, MAX_DEGREE, Paper};
use crate::report::fastgen::Validator;

const KINDS: &str = "\
Axes' limits are in queries/s, requests and clients; latencies and times in seconds, whatever the axis shows.

Exit status: 0 done · 1 nothing to draw, or a file can't be read or written · 2 wrong usage";

#[derive(Debug, Args)]
#[command(after_help = KINDS)]
pub struct PlotArgs {
    /// What to draw
    #[arg(value_enum)]
    pub kind: KindName,
    /// Recordings, laid over each other; `-` is standard input
    #[arg(required = true)]
    pub files: Vec<PathBuf>,
    /// The picture: OUT.svg or OUT.png; `-` writes SVG to standard output
    #[arg(short, long, value_name = "OUT")]
    pub output: PathBuf,
    /// What a recording is called in the legend; once for each file, in their order [default: its file's name]
    #[arg(long = "label", value_name = "TEXT")]
    pub labels: Vec<String>,
    /// Degree of the polynomial through the points, or none [default: as FastGen's: 3 for throughput-latency and
    /// tp-sizes, 4 for effective-throughput, 1 for replica-scale]
    #[arg(long, value_name = "N|none", value_parser = fit)]
    pub fit: Option<Fit>,
    /// As FastGen's own plot, also where it hides something: sorted pairs, bars, nominal work
    #[arg(long)]
    pub faithful: bool,
    /// Ends of the x axis, e.g. 0:2; either may be left out
    #[arg(long, value_name = "A:B", value_parser = limits, allow_hyphen_values = true)]
    pub xlim: Option<Limits>,
    /// Ends of the y axis (timeline: of the first panel)
    #[arg(long, value_name = "A:B", value_parser = limits, allow_hyphen_values = true)]
    pub ylim: Option<Limits>,
    /// The title [default: the chart's kind]
    #[arg(long, value_name = "TEXT")]
    pub title: Option<String>,
    /// Width and height in pixels; letters grow with them [default: 960x600, PNG: 1920x1200]
    #[arg(long, value_name = "WxH", value_parser = size)]
    pub size: Option<(u32, u32)>,
    /// For a dark page
    #[arg(long)]
    pub dark: bool,
    /// effective-throughput: generation rate in tokens/s that is asked of requests; may be given again [default: the
    /// profile's; of several recordings one of them]
    #[arg(long, value_name = "RATE", value_parser = rate)]
    pub sla: Vec<f64>,
    /// effective-throughput: how a request is judged
    #[arg(long, value_enum, default_value_t = ValidatorName::Cumulative)]
    pub validator: ValidatorName,
    /// latency-percentiles: leave out so many entries at the start of each request; the first one is the time to the
    /// first token
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub skip_head_tokens: usize,
    /// latency-percentiles: leave out so many requests at the start and at the end of a stage
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub skip_requests: usize,
    /// Draw no reference curves
    #[arg(long)]
    pub no_reference: bool,
}

/// The charts there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum KindName {
    /// Mean latency of a query over queries/s, a point a number of clients
    ThroughputLatency,
    /// Queries/s that keep the SLA, over clients
    EffectiveThroughput,
    /// P50, P90 and P95 of the gaps between tokens
    LatencyPercentiles,
    /// Queries/s over replicas, with as many clients for each
    ReplicaScale,
    /// Latency over the work of each GPU, a curve a size of tensor parallelism
    TpSizes,
    /// Tokens/s, requests in flight and TTFT, second by second
    Timeline,
}

impl From<KindName> for Kind {
    fn from(name: KindName) -> Self {
        match name {
            KindName::ThroughputLatency => Self::ThroughputLatency,
            KindName::EffectiveThroughput => Self::EffectiveThroughput,
            KindName::LatencyPercentiles => Self::LatencyPercentiles,
            KindName::ReplicaScale => Self::ReplicaScale,
            KindName::TpSizes => Self::TpSizes,
            KindName::Timeline => Self::Timeline,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ValidatorName {
    /// After each token, the time since the first one is at most what so many tokens may take
    Cumulative,
    /// The moving average of the gaps (span 16) stays below the time of a token
    Ema16,
}

impl From<ValidatorName> for Validator {
    fn from(name: ValidatorName) -> Self {
        match name {
            ValidatorName::Cumulative => Self::Cumulative,
            ValidatorName::Ema16 => Self::Ema16,
        }
    }
}

fn fit(text: &str) -> Result<Fit, String> {
    if text == "none" {
        return Ok(Fit::None);
    }
    match text.parse::<usize>() {
        Ok(degree) if degree <= MAX_DEGREE => Ok(Fit::Degree(degree)),
        _ => Err(format!("expected a degree from 0 to {MAX_DEGREE}, or none")),
    }
}

fn limits(text: &str) -> Result<Limits, String> {
    let end = |text: &str| match text.trim() {
        "" => Ok(None),
        number => match number.parse::<f64>() {
            Ok(value) if value.is_finite() => Ok(Some(value)),
            _ => Err(format!("`{number}` is no number")),
        },
    };
    let (low, high) = text.split_once(':').ok_or("expected A:B, e.g. 0:2, :2 or 0:")?;
    match (end(low)?, end(high)?) {
        (None, None) => Err("expected a number before or after the colon".into()),
        (Some(low), Some(high)) if low >= high => Err(format!("{low} is not below {high}")),
        limits => Ok(limits),
    }
}

fn size(text: &str) -> Result<(u32, u32), String> {
    let side = |text: &str| text.parse::<u32>().ok().filter(|n| Paper::SIDES.contains(n));
    let (width, height) = text.split_once('x').ok_or("expected WIDTHxHEIGHT, e.g. 960x600")?;
    let (least, most) = (Paper::SIDES.start(), Paper::SIDES.end());
    side(width)
        .zip(side(height))
        .ok_or_else(|| format!("width and height are whole numbers from {least} to {most}"))
}

fn rate(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(rate) if rate.is_finite() && rate > 0.0 => Ok(rate),
        _ => Err("expected tokens/s above 0".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_may_be_open_at_one_end() {
        assert_eq!(limits("0:2.5"), Ok((Some(0.0), Some(2.5))));
        assert_eq!(limits("-1:"), Ok((Some(-1.0), None)));
        assert_eq!(limits(":3"), Ok((None, Some(3.0))));
        for wrong in ["", "3", ":", "3:1", "1:1", "a:b", "nan:2", "0:inf"] {
            assert!(limits(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn other_values_are_checked_too() {
        assert_eq!((fit("none"), fit("4")), (Ok(Fit::None), Ok(Fit::Degree(4))));
        assert!(fit("10").is_err() && fit("-1").is_err() && fit("cubic").is_err());
        assert_eq!(size("800x500"), Ok((800, 500)));
        assert!(size("99x500").is_err() && size("5000x500").is_err() && size("800").is_err());
        assert_eq!(rate("2.5"), Ok(2.5));
        assert!(rate("0").is_err() && rate("nan").is_err());
    }
}
