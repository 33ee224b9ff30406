//! How requests arrive in an open loop: what a stage says of it as it begins.

use serde::{Deserialize, Serialize};

/// An open loop, as the profile asks for it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OpenLoop {
    /// `constant`, `poisson`, `gamma`, `ramp`: a text, so that a recording of a newer version can be read.
    pub kind: String,
    /// Requests a second; of a ramp those that it goes to.
    pub rate: f64,
    /// Shape of the gamma distribution of gaps.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub burstiness: Option<f64>,
    /// Requests a second at a ramp's start.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ramp_from: Option<f64>,
    /// A ramp's length in nanoseconds, from the start of measuring.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ramp_ns: Option<u64>,
    /// Most requests in flight at once.
    pub max_in_flight: u32,
    /// Places that warm-up requests are sent from, side by side.
    #[serde(default)]
    pub warmup_clients: u32,
}

impl OpenLoop {
    /// Requests a second that are asked for, `since_ns` nanoseconds after measuring began.
    pub fn rate_at(&self, since_ns: u64) -> f64 {
        match (self.ramp_from, self.ramp_ns) {
            (Some(from), Some(length)) if since_ns < length => {
                from + (self.rate - from) * (since_ns as f64 / length as f64)
            }
            _ => self.rate,
        }
    }

    /// In words: `poisson 8 req/s`, `gamma 8 req/s, burstiness 0.5`, `ramp 1 to 20 req/s`; with the rate that somebody
    /// set since, where there is one.
    pub fn words(&self, set: Option<f64>) -> String {
        let kind = &self.kind;
        let rate = set.unwrap_or(self.rate);
        match (self.burstiness, self.ramp_from.filter(|_| set.is_none())) {
            (Some(shape), _) => format!("{kind} {rate} req/s, burstiness {shape}"),
            (None, Some(from)) => format!("{kind} {from} to {rate} req/s"),
            (None, None) => format!("{kind} {rate} req/s"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_tell_kind_and_rate_and_a_ramp_grows() {
        let mut open = OpenLoop {
            kind: "poisson".into(),
            rate: 8.0,
            burstiness: None,
            ramp_from: None,
            ramp_ns: None,
            max_in_flight: 4,
            warmup_clients: 2,
        };
        assert_eq!(
            (open.words(None), open.words(Some(8.8))),
            ("poisson 8 req/s".into(), "poisson 8.8 req/s".into())
        );
        assert!((open.rate_at(0) - 8.0).abs() < 1e-12);
        open.burstiness = Some(0.5);
        assert_eq!(open.words(None), "poisson 8 req/s, burstiness 0.5");
        open = OpenLoop {
            kind: "ramp".into(),
            burstiness: None,
            ramp_from: Some(1.0),
            ramp_ns: Some(100),
            ..open
        };
        assert_eq!(
            (open.words(None), open.words(Some(3.0))),
            ("ramp 1 to 8 req/s".into(), "ramp 3 req/s".into())
        );
        assert!((open.rate_at(50) - 4.5).abs() < 1e-12 && (open.rate_at(100) - 8.0).abs() < 1e-12);
    }
}
