//! Throughput against latency, a point a stage: what FastGen's plots and the Curve screen draw.

use serde_json::Value;

use super::{Judge, Target};

/// Where a curve comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// Stages of a recording, or of a run under way.
    Measured,
    /// Published figures that a profile names.
    Reference,
}

/// Points that belong together: all that differs among them is the load.
#[derive(Debug, Clone, PartialEq)]
pub struct Curve {
    pub label: String,
    pub source: Source,
    /// By growing load: clients, or the rate of an open loop.
    pub points: Vec<Point>,
}

/// One stage.
#[derive(Debug, Clone, PartialEq)]
pub struct Point {
    /// The stage's name; empty in a reference.
    pub stage: String,
    /// The sweep's values in it.
    pub sweep: Vec<(String, Value)>,
    /// Clients of a closed loop.
    pub clients: Option<u32>,
    /// Requests/s that an open loop asks for.
    pub rate: Option<f64>,
    /// Queries/s as FastGen plots them: clients / mean latency; of an open loop the measured ones.
    pub throughput_rps: Option<f64>,
    /// Mean latency of a query to its end.
    pub latency_s: Option<f64>,
    pub effective: Effective,
}

/// What is known of a point's effective throughput.
#[derive(Debug, Clone, PartialEq)]
pub enum Effective {
    /// Everything: it can be asked for any target.
    Judged(Judge),
    /// One published value, at FastGen's prompt rate of 512 tokens/s and this rate of generation.
    Published {
        generation_tokens_per_s: f64,
        rps: f64,
    },
    Unknown,
}

impl Point {
    /// What varies along a curve: clients, or the rate of an open loop.
    pub fn load(&self) -> Option<f64> {
        self.clients.map(f64::from).or(self.rate)
    }

    /// Effective throughput at a target. A published value answers for its own rates, whatever the validator,
    /// which publications don't tell.
    pub fn effective_rps(&self, target: &Target) -> Option<f64> {
        const PUBLISHED_PROMPT_RATE: f64 = 512.0;
        match &self.effective {
            Effective::Judged(judge) => judge.effective_rps(target),
            Effective::Published { generation_tokens_per_s: rate, rps } => {
                let same = |a: f64, b: f64| (a - b).abs() <= 1e-9 * b.abs();
                let asked = same(*rate, target.generation_tokens_per_s)
                    && same(PUBLISHED_PROMPT_RATE, target.prompt_tokens_per_s);
                asked.then_some(*rps)
            }
            Effective::Unknown => None,
        }
    }
}

impl Curve {
    /// `(throughput, latency)` of each stage, in the order of the points: true pairs, which show the bend past
    /// saturation.
    pub fn pairs(&self) -> Vec<(f64, f64)> {
        self.points.iter().filter_map(|p| p.throughput_rps.zip(p.latency_s)).collect()
    }

    /// As FastGen's plot has it: throughputs and latencies each sorted by themselves, then paired by rank. A
    /// throughput that falls past saturation no longer shows.
    pub fn faithful_pairs(&self) -> Vec<(f64, f64)> {
        let (mut throughputs, mut latencies): (Vec<f64>, Vec<f64>) = self.pairs().into_iter().unzip();
        throughputs.sort_by(f64::total_cmp);
        latencies.sort_by(f64::total_cmp);
        throughputs.into_iter().zip(latencies).collect()
    }

    /// `(clients or rate, effective throughput)` of each stage that has both.
    pub fn effective(&self, target: &Target) -> Vec<(f64, f64)> {
        self.points.iter().filter_map(|p| p.load().zip(p.effective_rps(target))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::fastgen::Validator;

    fn point(clients: u32, throughput: Option<f64>, latency: f64, effective: Effective) -> Point {
        Point {
            stage: format!("clients={clients}"),
            sweep: vec![("clients".into(), clients.into())],
            clients: Some(clients),
            rate: None,
            throughput_rps: throughput,
            latency_s: Some(latency),
            effective,
        }
    }

    #[test]
    fn true_pairs_show_the_bend_and_faithful_ones_hide_it() {
        let curve = Curve {
            label: "bent".into(),
            source: Source::Measured,
            points: vec![
                point(1, Some(1.0), 1.0, Effective::Unknown),
                point(2, Some(3.0), 2.0, Effective::Unknown),
                point(3, None, 2.5, Effective::Unknown),
                point(4, Some(2.0), 4.0, Effective::Unknown),
            ],
        };
        assert_eq!(curve.pairs(), [(1.0, 1.0), (3.0, 2.0), (2.0, 4.0)]);
        assert_eq!(curve.faithful_pairs(), [(1.0, 1.0), (2.0, 2.0), (3.0, 4.0)]);
    }

    #[test]
    fn a_published_value_answers_for_its_own_rates_only() {
        let published = Effective::Published { generation_tokens_per_s: 4.0, rps: 1.5 };
        let curve = Curve {
            label: "paper".into(),
            source: Source::Reference,
            points: vec![point(8, Some(2.0), 4.0, published), point(9, Some(2.0), 4.0, Effective::Unknown)],
        };
        let at = |prompt_tokens_per_s, generation_tokens_per_s| {
            let validator = Validator::Cumulative;
            curve.effective(&Target { prompt_tokens_per_s, generation_tokens_per_s, validator })
        };
        assert_eq!(at(512.0, 4.0), [(8.0, 1.5)]);
        assert_eq!((at(512.0, 6.0), at(256.0, 4.0)), (vec![], vec![]));
    }
}
