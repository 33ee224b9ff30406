//! From recordings to figures: one file a family of charts, after the plots of DeepSpeed-FastGen's benchmark
//! (`benchmarks/inference/mii/src/plot_*.py` in DeepSpeedExamples), whose axes and degrees of fit are kept.

mod curves;
mod differences;
mod labels;
mod percentiles;
mod recorded;
mod scaling;
#[cfg(test)]
mod tests;
mod timeline;

use super::figure::{Figure, Limits, Series, Style};
pub use curves::Loads;
pub use recorded::Recorded;

use crate::report::fastgen::Validator;

/// The charts there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    ThroughputLatency,
    EffectiveThroughput,
    LatencyPercentiles,
    ReplicaScale,
    TpSizes,
    Timeline,
}

/// Which polynomial is drawn through points.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fit {
    /// Of the degree that FastGen's plot has, where the points suit it.
    Usual,
    None,
    Degree(usize),
}

impl Fit {
    fn degree(self, usual: usize) -> Option<usize> {
        match self {
            Self::Usual => Some(usual),
            Self::None => None,
            Self::Degree(n) => Some(n),
        }
    }
}

/// A polynomial needs so many points more than it has coefficients, or it follows every chance.
const SPARE_POINTS: usize = 3;

/// Gives measured points their polynomial, or else joins them: FastGen's degree where there are points enough and they
/// go on to the right with the load. A curve that bends back, or a few points, would be told falsely by it.
fn fitted(mut series: Series, options: &Options, usual: usize) -> Series {
    let points: Vec<_> = series.drawable().collect();
    let suits = points.len() > usual + SPARE_POINTS && points.windows(2).all(|pair| pair[0].0 < pair[1].0);
    series.fit = match options.fit {
        Fit::Usual => (suits || options.faithful).then_some(usual),
        other => other.degree(usual),
    };
    series.style = Style::Measured { joined: series.fit.is_none() };
    series
}

/// What the user wants of a chart.
#[derive(Debug, Clone, PartialEq)]
pub struct Options {
    pub title: Option<String>,
    pub fit: Fit,
    /// As the original's plot, also where it hides something.
    pub faithful: bool,
    pub x_limits: Limits,
    pub y_limits: Limits,
    /// Generation rates of the effective throughput; empty: those of the profile.
    pub rates: Vec<f64>,
    pub validator: Validator,
    /// Draw the profile's reference curves.
    pub references: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            title: None,
            fit: Fit::Usual,
            faithful: false,
            x_limits: (None, None),
            y_limits: (None, None),
            rates: Vec::new(),
            validator: Validator::Cumulative,
            references: true,
        }
    }
}

/// Why there is no chart.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum ChartError {
    #[error("nothing to draw in {kind}: {why}")]
    Nothing { kind: &'static str, why: String },
}

impl Kind {
    /// Its name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::ThroughputLatency => "throughput-latency",
            Self::EffectiveThroughput => "effective-throughput",
            Self::LatencyPercentiles => "latency-percentiles",
            Self::ReplicaScale => "replica-scale",
            Self::TpSizes => "tp-sizes",
            Self::Timeline => "timeline",
        }
    }

    fn title(self) -> &'static str {
        match self {
            Self::ThroughputLatency => "Throughput and latency",
            Self::EffectiveThroughput => "Effective throughput",
            Self::LatencyPercentiles => "Token latency percentiles",
            Self::ReplicaScale => "Throughput by replicas",
            Self::TpSizes => "Tensor parallelism: work of each GPU and latency",
            Self::Timeline => "Timeline",
        }
    }

    fn nothing(self, why: &str) -> ChartError {
        ChartError::Nothing { kind: self.name(), why: why.to_owned() }
    }
}

/// Makes the figure of recordings.
///
/// # Errors
/// If they have nothing that it could show: what is missing, and how to get it.
pub fn plot(kind: Kind, recorded: Vec<Recorded>, options: &Options) -> Result<Figure, ChartError> {
    let (recorded, mut notes) = labels::told_apart(kind, recorded);
    let mut figure = match kind {
        Kind::ThroughputLatency => curves::throughput_latency(&recorded, options),
        Kind::EffectiveThroughput => curves::effective_throughput(&recorded, options),
        Kind::LatencyPercentiles => percentiles::latency_percentiles(&recorded, options),
        Kind::ReplicaScale => scaling::replicas(&recorded, options),
        Kind::TpSizes => scaling::sizes(&recorded, options),
        Kind::Timeline => timeline::timeline(&recorded, options),
    }?;
    if let Some(title) = &options.title {
        figure.title.clone_from(title);
    }
    figure.notes.append(&mut notes);
    figure.notes.extend(recorded.iter().filter_map(labels::doubt));
    Ok(figure)
}
