//! One column of a heat map: counts by length, and the buckets that lengths fall into.

use crate::metrics::pack::Pack;

/// Bits of the number of buckets in an octave.
const SUB_BITS: u32 = 5;
/// The shortest length told from shorter ones is 2^10 ns, a little more than a tick of the clock.
const LOWEST_BITS: u32 = 10;
/// Buckets in all: 32 octaves, up to 73 minutes; what is longer is counted in the last one.
pub const BUCKETS: usize = 32 << SUB_BITS;
/// Room for counts is made in steps of so many buckets.
const STEP: usize = 16;

/// The bucket of a length in nanoseconds, below [`BUCKETS`].
#[inline]
pub fn bucket_of(ns: u64) -> usize {
    let ns = ns.max(1 << LOWEST_BITS);
    let octave = ns.ilog2();
    let sub = (ns >> (octave - SUB_BITS)) & ((1 << SUB_BITS) - 1);
    ((((octave - LOWEST_BITS) << SUB_BITS) | sub as u32) as usize).min(BUCKETS - 1)
}

/// The least length in a bucket, nanoseconds; of [`BUCKETS`] itself, the end of the last one.
pub fn bucket_start_ns(bucket: usize) -> u64 {
    let (octave, sub) = (bucket >> SUB_BITS, bucket & ((1 << SUB_BITS) - 1));
    ((1 << SUB_BITS) + sub as u64) << (octave as u32 + LOWEST_BITS - SUB_BITS)
}

/// Counts by length over a stretch of time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeatColumn {
    /// When it begins, nanoseconds since the run's start.
    pub start_ns: u64,
    pub width_ns: u64,
    /// The bucket of the first of `counts`.
    low: usize,
    counts: Vec<u32>,
    total: u64,
}

impl HeatColumn {
    pub(super) fn new(start_ns: u64, width_ns: u64) -> Self {
        Self { start_ns, width_ns, low: 0, counts: Vec::new(), total: 0 }
    }

    /// When it ends; that moment is not in it.
    pub fn end_ns(&self) -> u64 {
        self.start_ns.saturating_add(self.width_ns)
    }

    /// Whether a time lies in it.
    pub(super) fn holds(&self, at_ns: u64) -> bool {
        self.start_ns <= at_ns && at_ns < self.end_ns()
    }

    /// How many values it holds.
    pub fn total(&self) -> u64 {
        self.total
    }

    /// Buckets and their counts, ascending; those of nothing are left out.
    pub fn counts(&self) -> impl Iterator<Item = (usize, u32)> + '_ {
        self.counts.iter().enumerate().filter(|(_, n)| **n > 0).map(|(i, n)| (self.low + i, *n))
    }

    #[inline]
    pub(super) fn add(&mut self, bucket: usize, n: u32) {
        let place = bucket.wrapping_sub(self.low);
        self.total += u64::from(n);
        match self.counts.get_mut(place) {
            Some(count) => *count = count.saturating_add(n),
            None => self.widen(bucket, n),
        }
    }

    /// Counts in a bucket that there was no room for.
    #[cold]
    fn widen(&mut self, bucket: usize, n: u32) {
        let from = bucket / STEP * STEP;
        if self.counts.is_empty() {
            self.low = from;
        } else if from < self.low {
            self.counts.splice(0..0, std::iter::repeat_n(0, self.low - from));
            self.low = from;
        }
        let wanted = from + STEP - self.low;
        if wanted > self.counts.len() {
            self.counts.resize(wanted, 0);
        }
        let count = &mut self.counts[bucket - self.low];
        *count = count.saturating_add(n);
    }

    /// Takes in all that another one holds.
    pub(super) fn absorb(&mut self, other: &Self) {
        for (bucket, n) in other.counts() {
            self.add(bucket, n);
        }
    }
}

/// Columns summed up: a distribution that can be asked for its percentiles.
#[derive(Debug, Clone)]
pub struct Bins {
    counts: Vec<u64>,
    total: u64,
}

impl Default for Bins {
    fn default() -> Self {
        Self { counts: vec![0; BUCKETS], total: 0 }
    }
}

impl Bins {
    /// Takes a column in.
    pub fn add(&mut self, column: &HeatColumn) {
        for (bucket, n) in column.counts() {
            self.counts[bucket] += u64::from(n);
        }
        self.total += column.total();
    }

    /// Takes one out again that was taken in.
    pub fn remove(&mut self, column: &HeatColumn) {
        for (bucket, n) in column.counts() {
            self.counts[bucket] = self.counts[bucket].saturating_sub(u64::from(n));
        }
        self.total = self.total.saturating_sub(column.total());
    }

    /// How many values there are.
    pub fn total(&self) -> u64 {
        self.total
    }

    /// Counts by bucket, [`BUCKETS`] of them.
    pub fn counts(&self) -> &[u64] {
        &self.counts
    }

    /// The buckets of the least and of the greatest value.
    pub fn range(&self) -> Option<(usize, usize)> {
        let low = self.counts.iter().position(|n| *n > 0)?;
        let high = self.counts.iter().rposition(|n| *n > 0)?;
        Some((low, high))
    }

    /// Percentiles in nanoseconds, each off by 1.6 % at most, for ascending shares in 0..=1. `None` while empty.
    pub fn percentiles_ns<const N: usize>(&self, shares: [f64; N]) -> Option<[f64; N]> {
        let mut out = [0.0; N];
        let mut at = 0;
        let mut below = 0;
        for (bucket, n) in self.counts.iter().enumerate().filter(|(_, n)| **n > 0) {
            below += n;
            while at < N && below as f64 >= (shares[at] * self.total as f64).ceil().max(1.0) {
                out[at] = middle_ns(bucket);
                at += 1;
            }
            if at == N {
                return Some(out);
            }
        }
        None
    }

    /// Share of values of a length up to this, nanoseconds; of the bucket that holds it, its part below.
    pub fn share_within(&self, limit_ns: f64) -> Option<f64> {
        let bucket = bucket_of(limit_ns.max(0.0) as u64);
        let whole: u64 = self.counts[..bucket].iter().sum();
        let (from, to) = (bucket_start_ns(bucket) as f64, bucket_start_ns(bucket + 1) as f64);
        let part = ((limit_ns - from) / (to - from)).clamp(0.0, 1.0);
        (self.total > 0).then(|| (whole as f64 + self.counts[bucket] as f64 * part) / self.total as f64)
    }
}

/// The middle of a bucket, nanoseconds.
fn middle_ns(bucket: usize) -> f64 {
    (bucket_start_ns(bucket) + bucket_start_ns(bucket + 1)) as f64 / 2.0
}

/// Counts that can't be where they claim to be would be a trap for later ones.
impl Pack for HeatColumn {
    fn pack(&self, out: &mut Vec<u8>) {
        (self.start_ns, self.width_ns, self.low).pack(out);
        self.counts.pack(out);
        self.total.pack(out);
    }

    fn unpack(from: &mut &[u8]) -> Option<Self> {
        let (start_ns, width_ns, low) = <(u64, u64, usize)>::unpack(from)?;
        let (counts, total) = <(Vec<u32>, u64)>::unpack(from)?;
        let fits = low.checked_add(counts.len()).is_some_and(|end| end <= BUCKETS);
        fits.then_some(Self { start_ns, width_ns, low, counts, total })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn buckets_are_where_they_begin() {
        for bucket in 0..BUCKETS {
            assert_eq!(bucket_of(bucket_start_ns(bucket)), bucket);
            assert_eq!(bucket_of(bucket_start_ns(bucket + 1) - 1), bucket);
        }
        assert_eq!((bucket_of(0), bucket_of(u64::MAX)), (0, BUCKETS - 1));
        assert!(bucket_start_ns(BUCKETS) > 3_600_000_000_000);
    }

    #[test]
    fn a_column_grows_both_ways_and_keeps_its_counts() {
        let mut column = HeatColumn::new(0, 1);
        for (bucket, n) in [(500, 1), (300, 2), (900, 3), (500, 4), (0, 5), (BUCKETS - 1, 6)] {
            column.add(bucket, n);
        }
        let all: Vec<_> = column.counts().collect();
        assert_eq!(all, [(0, 5), (300, 2), (500, 5), (900, 3), (BUCKETS - 1, 6)]);
        assert_eq!(column.total(), 21);
    }

    proptest! {
        #[test]
        fn percentiles_are_within_their_precision(mut values in prop::collection::vec(2_000_u64..3_000_000_000_000, 1..300)) {
            let mut column = HeatColumn::new(0, 1);
            for ns in &values {
                column.add(bucket_of(*ns), 1);
            }
            let mut bins = Bins::default();
            bins.add(&column);
            values.sort_unstable();
            let shares = [0.5, 0.9, 0.99];
            for (got, q) in bins.percentiles_ns(shares).unwrap().into_iter().zip(shares) {
                let want = values[((q * values.len() as f64).ceil() as usize).max(1) - 1] as f64;
                prop_assert!((got / want - 1.0).abs() <= 0.0161, "{} for {}", got, want);
            }
            bins.remove(&column);
            prop_assert_eq!((bins.total(), bins.range(), bins.percentiles_ns([0.5])), (0, None, None));
        }
    }

    #[test]
    fn shares_are_counted_from_below() {
        let mut column = HeatColumn::new(0, 1);
        column.add(bucket_of(10_000_000), 3);
        column.add(bucket_of(80_000_000), 1);
        let mut bins = Bins::default();
        assert_eq!(bins.share_within(1e9), None);
        bins.add(&column);
        assert_eq!(bins.share_within(50e6), Some(0.75));
        assert_eq!(bins.share_within(1e9), Some(1.0));
        assert_eq!(bins.share_within(1e6), Some(0.0));
    }
}
