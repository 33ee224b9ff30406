//! Token latency percentiles: P50, P90 and P95 of pooled gaps, as FastGen's bar charts show them.

use serde::Serialize;

use super::Timeline;
use super::figures::Skips;
use crate::report::stats::Pool;

/// Seconds; `None` where nothing is left to take one of.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Percentiles {
    pub p50: Option<f64>,
    pub p90: Option<f64>,
    pub p95: Option<f64>,
}

impl Percentiles {
    /// Each with its name.
    pub fn all(&self) -> [(&'static str, Option<f64>); 3] {
        [("p50", self.p50), ("p90", self.p90), ("p95", self.p95)]
    }
}

/// Pools the entries of all requests but the first and the last few by their start, and of each request all but
/// its first few and its last. To skip 0 requests skips none (the original's slice would keep none). `tick_ns`: what times
/// are whole multiples of, nanoseconds.
pub fn token_latencies<T: Timeline>(mut requests: Vec<&T>, skips: Skips, tick_ns: u64) -> Percentiles {
    requests.sort_by(|a, b| a.start_s().total_cmp(&b.start_s()));
    let end = requests.len().saturating_sub(skips.requests);
    let kept = requests.get(skips.requests..end).unwrap_or_default();
    let mut pool = Pool::new(tick_ns);
    for request in kept {
        for i in skips.head_tokens..request.entries().saturating_sub(1) {
            match request.entry_ns(i) {
                Some(ns) => pool.push_ns(ns),
                None => pool.push_f64(request.entry_s(i) * 1e9),
            }
        }
    }
    let sorted = pool.sorted();
    let [p50, p90, p95] = [0.5, 0.9, 0.95].map(|q| sorted.percentile(q));
    Percentiles { p50, p90, p95 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::RequestRecord;
    use crate::report::fixture::{self, MS};

    fn requests() -> Vec<RequestRecord> {
        // Started in the order 1, 0, 2; gaps of 10, 20, 30 ms; of 100 and 200; of 1, 2, 3.
        vec![
            fixture::request(0, 50 * MS)
                .chunks(&[(60 * MS, 1), (70 * MS, 1), (90 * MS, 1), (120 * MS, 1)])
                .into(),
            fixture::request(1, 0).chunks(&[(5 * MS, 1), (105 * MS, 1), (305 * MS, 1)]).into(),
            fixture::request(2, 80 * MS)
                .chunks(&[(81 * MS, 1), (82 * MS, 1), (84 * MS, 1), (87 * MS, 1)])
                .into(),
        ]
    }

    fn p50(head_tokens: usize, skipped: usize) -> Option<f64> {
        let requests = requests();
        token_latencies(requests.iter().collect(), Skips { head_tokens, requests: skipped }, 1_000).p50
    }

    #[test]
    fn first_and_last_of_tokens_and_requests_are_left_out() {
        // Only request 0 is left, and of it the gaps of 10 and 20 ms.
        assert_eq!(p50(1, 1), Some(0.015));
        assert_eq!((p50(2, 1), p50(3, 1), p50(99, 1)), (Some(0.02), None, None));
        // All requests: 10, 20; 100; 1, 2.
        assert_eq!(p50(1, 0), Some(0.01));
        // With the first entries 10, 5 and 1: 1, 1, 2, 5, 10, 10, 20, 100.
        assert_eq!(p50(0, 0), Some(0.0075));
        assert_eq!((p50(1, 2), p50(1, usize::MAX)), (None, None));
    }
}
