//! What the client can measure on the machine of a run, as `fastgen-tui calibrate` found it out before.

use serde::{Deserialize, Serialize};

use crate::metrics::ClientLimit;

/// The client's limits for one way to an engine. Costs are CPU time of the clients' thread.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Calibration {
    /// When it was found out.
    pub at: jiff::Timestamp,
    /// Most tokens/s that were seen: many in a read, as fast as they come.
    pub seen_tokens_per_s: f64,
    /// A token that comes alone, microseconds.
    pub token_cpu_us: f64,
    /// A request without its tokens, microseconds.
    pub request_cpu_us: f64,
}

impl Calibration {
    /// The most tokens/s that one thread can measure if every token comes alone and a request has `tokens` of them:
    /// the thread does nothing else then. Never more than was seen.
    pub fn tokens_per_s(&self, tokens: f64) -> f64 {
        self.limit().tokens_per_s(tokens)
    }

    /// The limits without the time.
    pub fn limit(&self) -> ClientLimit {
        let Self { seen_tokens_per_s, token_cpu_us, request_cpu_us, .. } = *self;
        ClientLimit { seen_tokens_per_s, token_cpu_us, request_cpu_us }
    }

    /// Figures that can be calculated with.
    pub fn is_sane(&self) -> bool {
        let costs = [self.token_cpu_us, self.request_cpu_us];
        self.seen_tokens_per_s.is_finite()
            && self.seen_tokens_per_s > 0.0
            && costs.iter().all(|cost| cost.is_finite() && *cost >= 0.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_requests_lower_the_limit_and_nothing_exceeds_what_was_seen() {
        let made = Calibration {
            at: jiff::Timestamp::UNIX_EPOCH,
            seen_tokens_per_s: 200_000.0,
            token_cpu_us: 5.0,
            request_cpu_us: 45.0,
        };
        assert!((made.tokens_per_s(1.0) - 20_000.0).abs() < 1e-6);
        assert!((made.tokens_per_s(9.0) - 100_000.0).abs() < 1e-6);
        assert!(made.tokens_per_s(0.0) > 0.0, "a request without a token costs what one with a token does");
        let bunched = Calibration { token_cpu_us: 1.0, request_cpu_us: 0.0, ..made };
        assert!((bunched.tokens_per_s(100.0) - 200_000.0).abs() < 1e-6);
        assert!(Calibration { token_cpu_us: 0.0, ..bunched }.tokens_per_s(1.0) <= 200_000.0);
        assert!(made.is_sane());
        assert!(!Calibration { token_cpu_us: f64::NAN, ..made }.is_sane());
        assert!(!Calibration { seen_tokens_per_s: 0.0, ..made }.is_sane());
    }
}
