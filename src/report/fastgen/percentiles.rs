//! Token latency percentiles: P50, P90 and P95 of pooled gaps, as FastGen's bar charts show them.

use serde::Serialize;

use super::Timeline;
use super::figures::Skips;

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
/// its first few and its last. To skip 0 requests skips none (the original's slice would keep none).
pub fn token_latencies<T: Timeline>(mut requests: Vec<&T>, skips: Skips) -> Percentiles {
    requests.sort_by(|a, b| a.start_s().total_cmp(&b.start_s()));
    let end = requests.len().saturating_sub(skips.requests);
    let kept = requests.get(skips.requests..end).unwrap_or_default();
    let last = |r: &T| r.entries().saturating_sub(1);
    let mut pool = Vec::with_capacity(kept.iter().map(|r| last(r).saturating_sub(skips.head_tokens)).sum());
    for request in kept {
        pool.extend((skips.head_tokens..last(request)).map(|i| request.entry_s(i)));
    }
    let [p50, p90, p95] = percentiles(&mut pool, [0.5, 0.9, 0.95]);
    Percentiles { p50, p90, p95 }
}

/// The values at ascending `qs` in 0..=1, interpolated linearly as NumPy does. Puts `values` into another
/// order: each percentile is selected among those above the one before, which costs less than to sort.
fn percentiles<const N: usize>(values: &mut [f64], qs: [f64; N]) -> [Option<f64>; N] {
    let mut sorted_to = 0;
    qs.map(|q| {
        let at = values.len().checked_sub(1)? as f64 * q;
        let (rank, part) = (at.floor() as usize, at.fract());
        let (_, low, above) = values[sorted_to..].select_nth_unstable_by(rank - sorted_to, f64::total_cmp);
        let low = *low;
        sorted_to = rank;
        // The next rank; there is none above the highest, and then `part` is 0.
        let high = above.iter().copied().min_by(f64::total_cmp).unwrap_or(low);
        // From the nearer end, so that results agree to the last bit.
        Some(if part < 0.5 { low + (high - low) * part } else { high - (high - low) * (1.0 - part) })
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

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
        token_latencies(requests.iter().collect(), Skips { head_tokens, requests: skipped }).p50
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

    proptest! {
        #[test]
        fn selecting_equals_sorting(mut values in prop::collection::vec(0u32..50, 1..200)) {
            let mut seconds: Vec<f64> = values.iter().map(|v| f64::from(*v)).collect();
            values.sort_unstable();
            let got = percentiles(&mut seconds, [0.0, 0.5, 0.9, 0.95, 1.0]);
            for (q, got) in [0.0, 0.5, 0.9, 0.95, 1.0].into_iter().zip(got) {
                let at = (values.len() - 1) as f64 * q;
                let (low, high) = (values[at.floor() as usize], values[at.ceil() as usize]);
                let want = f64::from(low) + f64::from(high - low) * at.fract();
                prop_assert!((got.unwrap() - want).abs() <= 1e-12 * want.max(1.0));
            }
        }
    }
}
