//! One latency figure: a histogram for percentiles, and the exact count, mean and extremes.

use super::pack::pack;
use super::steps::Steps;
use super::{MINI_BUCKETS, RequestRecord, Summary};

fn seconds(ns: u64) -> f64 {
    ns as f64 / 1e9
}

/// A latency's distribution. Values are nanoseconds.
#[derive(Clone)]
pub(super) struct Distribution {
    histogram: Steps,
    count: u64,
    sum_ns: u128,
    min_ns: u64,
    max_ns: u64,
    /// Made from the first `summarised` values.
    summary: Summary,
    summarised: u64,
}

impl Distribution {
    pub(super) fn new() -> Self {
        Self {
            histogram: Steps::default(),
            count: 0,
            sum_ns: 0,
            min_ns: u64::MAX,
            max_ns: 0,
            summary: Summary::default(),
            summarised: 0,
        }
    }

    /// Counts one value.
    pub(super) fn record(&mut self, value_ns: u64) {
        self.record_n(value_ns, 1, value_ns);
    }

    /// Counts `value_ns` `n` times; `total_ns` is their exact sum (`n × value` before rounding).
    pub(super) fn record_n(&mut self, value_ns: u64, n: u32, total_ns: u64) {
        if n == 0 {
            return;
        }
        self.histogram.add(value_ns, u64::from(n));
        self.count += u64::from(n);
        self.sum_ns += u128::from(total_ns);
        self.min_ns = self.min_ns.min(value_ns);
        self.max_ns = self.max_ns.max(value_ns);
    }

    /// Counts a value, if there is one.
    pub(super) fn record_if(&mut self, value_ns: Option<u64>) {
        if let Some(ns) = value_ns {
            self.record(ns);
        }
    }

    /// Counts a gap that ended with a chunk of so many tokens as so many equal ones; gives one of them.
    pub(super) fn record_gap(&mut self, gap_ns: u64, tokens: u32) -> u64 {
        let n = u64::from(tokens.max(1));
        let each = if n == 1 { gap_ns } else { gap_ns.saturating_add(n / 2) / n };
        self.record_n(each, tokens, gap_ns);
        each
    }

    /// Counts the gaps between chunks as [`Distribution::record_gap`] does, and hands each of its values on.
    pub(super) fn record_gaps(&mut self, record: &RequestRecord, mut each: impl FnMut(u64, u32)) {
        let gaps = record.chunk_at_ns.windows(2).map(|pair| pair[1].saturating_sub(pair[0]));
        if !record.chunk_tokens.is_empty() {
            for (i, gap_ns) in gaps.enumerate() {
                let n = record.tokens_in(i + 1);
                each(self.record_gap(gap_ns, n), n);
            }
            return;
        }
        self.count += gaps.len() as u64;
        for gap_ns in gaps {
            self.histogram.add(gap_ns, 1);
            self.sum_ns += u128::from(gap_ns);
            self.min_ns = self.min_ns.min(gap_ns);
            self.max_ns = self.max_ns.max(gap_ns);
            each(gap_ns, 1);
        }
    }

    /// How many values were counted.
    pub(super) fn count(&self) -> u64 {
        self.count
    }

    /// What is left without the values of another one, all of which are in this one too. Extremes are then those of
    /// the histogram.
    pub(super) fn without(&self, other: &Self) -> Self {
        let mut rest = self.clone();
        rest.summarised = 0;
        rest.summary = Summary::default();
        // It can't fail for values that are in both; else all of them stay.
        if !rest.histogram.subtract(&other.histogram) {
            return rest;
        }
        rest.count = self.count.saturating_sub(other.count);
        rest.sum_ns = self.sum_ns.saturating_sub(other.sum_ns);
        let ends = (rest.histogram.counted().next(), rest.histogram.counted().next_back());
        let (Some(first), Some(last)) = ends else { return rest };
        // The steps' lower ends, since what is left of tokens that came at once is zero; they may lie below the
        // true extremes.
        rest.min_ns = first.least_ns.clamp(self.min_ns, self.max_ns);
        rest.max_ns = if Steps::same(last.least_ns, self.max_ns) { self.max_ns } else { last.least_ns };
        rest.max_ns = rest.max_ns.clamp(rest.min_ns, self.max_ns);
        rest
    }

    pub(super) fn clear(&mut self) {
        self.histogram.clear();
        self.count = 0;
        self.sum_ns = 0;
        self.min_ns = u64::MAX;
        self.max_ns = 0;
        self.summary = Summary::default();
        self.summarised = 0;
    }

    /// The figures; made anew only if something was counted since the last time.
    pub(super) fn summary(&mut self) -> &Summary {
        if self.summarised != self.count {
            self.summarised = self.count;
            self.summary = self.summarise();
        }
        &self.summary
    }

    /// One pass over the histogram gives all percentiles and the buckets.
    fn summarise(&self) -> Summary {
        let mut ranks = Ranks::new(self.count);
        let mut buckets = Buckets::new(self.min_ns, self.max_ns);
        let mut below = 0;
        for step in self.histogram.counted() {
            let value = step.middle_ns.clamp(self.min_ns, self.max_ns);
            below += step.count;
            ranks.reach(below, value);
            buckets.add(value, step.count);
        }
        let [p50, p90, p95, p99, p999] = ranks.values.map(Some);
        Summary {
            count: self.count,
            mean: Some(self.sum_ns as f64 / self.count as f64 / 1e9),
            min: Some(seconds(self.min_ns)),
            p50,
            p90,
            p95,
            p99,
            p999,
            max: Some(seconds(self.max_ns)),
            buckets: buckets.counts,
        }
    }
}

/// Finds percentiles while counts go by in ascending order of value.
struct Ranks {
    /// Rank (from 1) of each percentile.
    wanted: [u64; 5],
    /// In seconds.
    values: [f64; 5],
    found: usize,
}

impl Ranks {
    fn new(count: u64) -> Self {
        let wanted = [0.5, 0.9, 0.95, 0.99, 0.999].map(|q: f64| ((q * count as f64).ceil() as u64).max(1));
        Self { wanted, values: [0.0; 5], found: 0 }
    }

    /// `below` values are `value` or less.
    fn reach(&mut self, below: u64, value: u64) {
        while self.found < self.wanted.len() && self.wanted[self.found] <= below {
            self.values[self.found] = seconds(value);
            self.found += 1;
        }
    }
}

/// Log-spaced buckets from the least to the greatest value.
struct Buckets {
    /// Upper edges in nanoseconds, ascending; the last bucket has none.
    edges: [f64; MINI_BUCKETS - 1],
    counts: Vec<u64>,
    current: usize,
}

impl Buckets {
    fn new(min_ns: u64, max_ns: u64) -> Self {
        let low = (min_ns.max(1) as f64).ln();
        let step = ((max_ns.max(1) as f64).ln() - low) / MINI_BUCKETS as f64;
        let edges = std::array::from_fn(|i| (low + step * (i + 1) as f64).exp());
        Self { edges, counts: vec![0; MINI_BUCKETS], current: 0 }
    }

    /// Values must come in ascending order.
    fn add(&mut self, value_ns: u64, count: u64) {
        while self.current < self.edges.len() && value_ns as f64 >= self.edges[self.current] {
            self.current += 1;
        }
        self.counts[self.current] += count;
    }
}

pack!(Distribution { histogram, count, sum_ns, min_ns, max_ns; summary: Summary::default(); summarised: 0 });

#[cfg(test)]
mod tests {
    use super::*;

    /// The highest latency that percentiles tell from longer ones.
    const HIGHEST_NS: u64 = 3_600_000_000_000;

    #[test]
    fn percentiles_are_within_three_digits_and_the_mean_is_exact() {
        let mut d = Distribution::new();
        for ms in 1..=1000_u64 {
            d.record(ms * 1_000_000);
        }
        let s = d.summary().clone();
        assert_eq!(s.count, 1000);
        assert!((s.mean.unwrap() - 0.5005).abs() < 1e-12);
        assert_eq!((s.min, s.max), (Some(0.001), Some(1.0)));
        for (got, want) in [(s.p50, 0.5), (s.p90, 0.9), (s.p95, 0.95), (s.p99, 0.99), (s.p999, 0.999)] {
            assert!((got.unwrap() / want - 1.0).abs() < 1e-3, "{got:?} for {want}");
        }
        assert_eq!(s.buckets.len(), MINI_BUCKETS);
        assert_eq!(s.buckets.iter().sum::<u64>(), 1000);
        assert!(s.buckets[0] > 0 && s.buckets[MINI_BUCKETS - 1] > 0);
    }

    #[test]
    fn what_is_left_of_tokens_that_came_together_is_zero() {
        let (mut all, mut last) = (Distribution::new(), Distribution::new());
        (0..4).for_each(|_| all.record(0));
        all.record(5_000_000);
        last.record(5_000_000);
        let s = all.without(&last).summary().clone();
        assert_eq!((s.count, s.min, s.max, s.p50), (4, Some(0.0), Some(0.0), Some(0.0)));
    }

    #[test]
    fn values_beyond_the_bounds_saturate_but_stay_exact_in_max_and_mean() {
        let mut d = Distribution::new();
        d.record(2 * HIGHEST_NS);
        d.record(0);
        let s = d.summary();
        assert_eq!(s.max, Some(7200.0));
        assert_eq!(s.min, Some(0.0));
        assert_eq!(s.mean, Some(3600.0));
    }

    #[test]
    fn the_longest_gap_there_can_be_is_parted() {
        let mut d = Distribution::new();
        assert_eq!(d.record_gap(u64::MAX, 2), u64::MAX / 2);
    }

    #[test]
    fn what_is_taken_out_is_gone_whatever_is_left() {
        /// All, what is taken out, and least and most of what is left.
        type Case = (&'static [u64], &'static [u64], Option<(f64, f64)>);
        let of = |values: &[u64]| {
            let mut d = Distribution::new();
            for ns in values {
                d.record(*ns);
            }
            d
        };
        let cases: [Case; 5] = [
            (&[5_000_000, 9_000_000, 70_000_000], &[70_000_000], Some((0.005, 0.009))),
            (&[0, 0, 20_000_000], &[20_000_000], Some((0.0, 0.0))),
            (&[0, 0], &[0], Some((0.0, 0.0))),
            (&[3 * HIGHEST_NS, 7_000_000], &[3 * HIGHEST_NS], Some((0.007, 0.007))),
            (&[8_000_000], &[8_000_000], None),
        ];
        for (all, out, want) in cases {
            let mut rest = of(all).without(&of(out));
            let s = rest.summary().clone();
            assert_eq!(s.count, (all.len() - out.len()) as u64);
            let Some((least, most)) = want else {
                assert_eq!(s, Summary::default());
                continue;
            };
            for (got, want) in [(s.min, least), (s.max, most), (s.p50, least)] {
                assert!(
                    (got.unwrap() - want).abs() <= want.max(1e-3) * 1e-3,
                    "{got:?} for {want} in {all:?}"
                );
            }
        }
    }

    #[test]
    fn equal_values_fall_into_one_bucket() {
        let mut d = Distribution::new();
        d.record_n(5_000_000, 7, 35_000_000);
        let s = d.summary();
        assert_eq!(s.count, 7);
        assert_eq!(s.buckets.iter().filter(|c| **c > 0).count(), 1);
        assert_eq!(s.p50, Some(0.005));
    }

    #[test]
    fn nothing_counted_gives_nothing_and_clear_forgets() {
        let mut d = Distribution::new();
        assert_eq!(*d.summary(), Summary::default());
        d.record(1_000_000);
        assert_eq!(d.summary().count, 1);
        d.clear();
        assert_eq!(*d.summary(), Summary::default());
    }
}
