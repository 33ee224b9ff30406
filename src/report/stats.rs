//! Exact statistics of many durations: every one counts as it is, none is put into a bucket. Durations are whole ticks,
//! and of millions many are the same, so what is kept is how often each came: less than a byte for a token of a long run.
//!
//! Percentiles interpolate linearly between the closest ranks, as NumPy does unless told otherwise (type 7 of
//! Hyndman and Fan, "Sample Quantiles in Statistical Packages", 1996).

use serde::Serialize;

use super::radix;

const NS_PER_S: f64 = 1e9;

/// A distribution in seconds. All but `count` are `None` while there is nothing.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Stats {
    pub mean: Option<f64>,
    pub min: Option<f64>,
    pub p50: Option<f64>,
    pub p90: Option<f64>,
    pub p95: Option<f64>,
    pub p99: Option<f64>,
    pub p999: Option<f64>,
    pub max: Option<f64>,
    pub count: u64,
}

/// So many are gathered at least before they are counted.
const GATHERED: usize = if cfg!(test) { 4 } else { 1 << 16 };

/// Durations while they are collected: 12 bytes for each that differs from others where they are whole ticks, 16 a chunk
/// otherwise.
#[derive(Debug, Clone)]
pub struct Pool {
    tick_ns: u64,
    /// Not counted yet.
    ticks: Vec<u32>,
    counted: Counted,
    /// `(nanoseconds, copies)` of all that is no whole number of ticks or too long for 32 bits of them.
    rest: Vec<(f64, u32)>,
    count: u64,
    /// The sum, whole nanoseconds and the rest apart, so that nothing is rounded away.
    whole_ns: u128,
    part_ns: f64,
}

impl Pool {
    /// An empty pool for times of this resolution, nanoseconds.
    pub fn new(tick_ns: u64) -> Self {
        Self {
            tick_ns: tick_ns.max(1),
            ticks: Vec::new(),
            counted: Counted::default(),
            rest: Vec::new(),
            count: 0,
            whole_ns: 0,
            part_ns: 0.0,
        }
    }

    /// Takes in one duration.
    pub fn push_ns(&mut self, ns: u64) {
        self.push_chunk(ns, 1);
    }

    /// Takes in `tokens` durations of `gap_ns / tokens` each.
    pub fn push_chunk(&mut self, gap_ns: u64, tokens: u32) {
        if tokens == 0 {
            return;
        }
        self.count += u64::from(tokens);
        self.whole_ns += u128::from(gap_ns);
        let whole = gap_ns.is_multiple_of(self.tick_ns).then(|| u32::try_from(gap_ns / self.tick_ns).ok());
        match whole.flatten() {
            Some(ticks) if tokens == 1 => {
                self.ticks.push(ticks);
                // As many as there are different ones, so that counting them costs each the same.
                if self.ticks.len() >= GATHERED.max(self.counted.values.len()) {
                    self.counted.take(&mut self.ticks);
                }
            }
            _ => self.rest.push((gap_ns as f64 / f64::from(tokens), tokens)),
        }
    }

    /// Takes in one duration that is no whole number of nanoseconds.
    pub fn push_f64(&mut self, ns: f64) {
        self.count += 1;
        self.part_ns += ns;
        self.rest.push((ns, 1));
    }

    /// Sorts, and is ready to be asked.
    pub fn sorted(mut self) -> Sorted {
        self.counted.take(&mut self.ticks);
        self.ticks = Vec::new();
        self.counted.add_up();
        self.rest.sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
        let mut before = 0;
        let starts = self
            .rest
            .iter()
            .map(|&(ns, copies)| {
                let start = self.counted.below(ns, self.tick_ns) + before;
                before += u64::from(copies);
                start
            })
            .collect();
        Sorted { pool: self, starts }
    }

    /// The usual figures.
    pub fn stats(self) -> Stats {
        self.sorted().stats()
    }
}

/// Different ticks in order, and how often each came.
#[derive(Debug, Clone, Default)]
struct Counted {
    values: Vec<u32>,
    /// Of each value; once they are added up, of it and all below.
    counts: Vec<u64>,
}

impl Counted {
    /// Takes all of `ticks` in.
    fn take(&mut self, ticks: &mut Vec<u32>) {
        radix::sort(ticks);
        let before = std::mem::take(self);
        let mut known = before.values.into_iter().zip(before.counts).peekable();
        for same in ticks.chunk_by(|a, b| a == b) {
            while let Some((value, count)) = known.next_if(|(value, _)| *value <= same[0]) {
                self.put(value, count);
            }
            self.put(same[0], same.len() as u64);
        }
        known.for_each(|(value, count)| self.put(value, count));
        ticks.clear();
    }

    /// Adds to the last value, or another behind it.
    fn put(&mut self, value: u32, count: u64) {
        match (self.values.last(), self.counts.last_mut()) {
            (Some(last), Some(counted)) if *last == value => *counted += count,
            _ => {
                self.values.push(value);
                self.counts.push(count);
            }
        }
    }

    fn add_up(&mut self) {
        let mut sum = 0;
        for count in &mut self.counts {
            sum += *count;
            *count = sum;
        }
    }

    /// Once they are added up: how many lie below a time.
    fn below(&self, ns: f64, tick_ns: u64) -> u64 {
        let at = self.values.partition_point(|&ticks| ns_of(ticks, tick_ns) < ns);
        at.checked_sub(1).map_or(0, |at| self.counts[at])
    }
}

/// Durations in order.
#[derive(Debug, Clone)]
pub struct Sorted {
    pool: Pool,
    /// The rank of the first copy of each of `pool.rest` among all.
    starts: Vec<u64>,
}

impl Sorted {
    /// How many there are.
    pub fn count(&self) -> u64 {
        self.pool.count
    }

    /// The arithmetic mean, seconds.
    pub fn mean(&self) -> Option<f64> {
        let sum = self.pool.whole_ns as f64 + self.pool.part_ns;
        (self.pool.count > 0).then(|| sum / self.pool.count as f64 / NS_PER_S)
    }

    /// The value at `q` in 0..=1, seconds.
    pub fn percentile(&self, q: f64) -> Option<f64> {
        self.percentile_with_late(q, 0)
    }

    /// The value at `q` as if there were `late` more that never came: infinitely long ones. `None` if there is
    /// nothing, or if the answer is infinite.
    pub fn percentile_with_late(&self, q: f64, late: u64) -> Option<f64> {
        let last = (self.pool.count + late).checked_sub(1)?;
        let at = last as f64 * q;
        let rank = at.floor();
        let part = at - rank;
        let low = self.at_rank(rank as u64)?;
        if part == 0.0 {
            return Some(low);
        }
        let high = self.at_rank((rank as u64 + 1).min(last))?;
        // As NumPy does it, from the nearer end, so that results agree to the last bit.
        Some(if part < 0.5 { low + (high - low) * part } else { high - (high - low) * (1.0 - part) })
    }

    /// The usual figures.
    pub fn stats(&self) -> Stats {
        Stats {
            mean: self.mean(),
            min: self.percentile(0.0),
            p50: self.percentile(0.5),
            p90: self.percentile(0.9),
            p95: self.percentile(0.95),
            p99: self.percentile(0.99),
            p999: self.percentile(0.999),
            max: self.percentile(1.0),
            count: self.pool.count,
        }
    }

    /// The value with `rank` smaller ones before it, seconds.
    fn at_rank(&self, rank: u64) -> Option<f64> {
        if rank >= self.pool.count {
            return None;
        }
        let after = self.starts.partition_point(|&start| start <= rank);
        let Some(entry) = after.checked_sub(1) else {
            return self.tick(rank);
        };
        let (ns, copies) = self.pool.rest[entry];
        let into = rank - self.starts[entry];
        if into < u64::from(copies) {
            return Some(ns / NS_PER_S);
        }
        // All ticks below the entry come before it; go on with those after it.
        self.tick(self.pool.counted.below(ns, self.pool.tick_ns) + into - u64::from(copies))
    }

    fn tick(&self, index: u64) -> Option<f64> {
        let counted = &self.pool.counted;
        let at = counted.counts.partition_point(|up_to| *up_to <= index);
        Some(ns_of(*counted.values.get(at)?, self.pool.tick_ns) / NS_PER_S)
    }
}

fn ns_of(ticks: u32, tick_ns: u64) -> f64 {
    (u64::from(ticks) * tick_ns) as f64
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn pool(values_ns: &[u64]) -> Pool {
        let mut pool = Pool::new(1_000);
        for ns in values_ns {
            pool.push_ns(*ns);
        }
        pool
    }

    /// Sorts a plain array of seconds and interpolates by the textbook.
    fn naive(mut seconds: Vec<f64>, q: f64) -> f64 {
        seconds.sort_by(f64::total_cmp);
        let at = (seconds.len() - 1) as f64 * q;
        let low = seconds[at.floor() as usize];
        low + (seconds[at.ceil() as usize] - low) * at.fract()
    }

    fn near(a: f64, b: f64) {
        assert!((a - b).abs() <= 1e-12 * b.abs().max(1e-9), "{a} is not {b}");
    }

    #[test]
    fn percentiles_are_numpys() {
        // np.percentile([1, 2, 3, 4, 10], [50, 90, 95, 99, 99.9]), in seconds
        let stats = pool(&[10, 1, 4, 2, 3].map(|s| s * 1_000_000_000)).stats();
        near(stats.p50.unwrap(), 3.0);
        near(stats.p90.unwrap(), 7.6);
        near(stats.p95.unwrap(), 8.8);
        near(stats.p99.unwrap(), 9.76);
        near(stats.p999.unwrap(), 9.976);
        assert_eq!((stats.min, stats.max, stats.mean, stats.count), (Some(1.0), Some(10.0), Some(4.0), 5));
        // np.percentile([15, 20, 35, 40, 50], 40) == 29.0
        near(pool(&[50, 15, 40, 20, 35].map(|s| s * 1_000_000_000)).sorted().percentile(0.4).unwrap(), 29.0);
    }

    #[test]
    fn nothing_has_no_figures_and_one_value_is_all_of_them() {
        assert_eq!(Pool::new(1_000).stats(), Stats::default());
        let one = pool(&[7_000]).stats();
        assert_eq!((one.p50, one.p999, one.count), (Some(7e-6), Some(7e-6), 1));
    }

    #[test]
    fn a_chunk_counts_once_a_token() {
        let mut pool = Pool::new(1_000);
        pool.push_chunk(30_000_000, 3);
        pool.push_ns(40_000_000);
        let stats = pool.stats();
        assert_eq!(stats.count, 4);
        near(stats.mean.unwrap(), 0.0175);
        assert_eq!((stats.p50, stats.max), (Some(0.01), Some(0.04)));
    }

    #[test]
    fn what_never_came_is_infinitely_late() {
        let sorted = pool(&[1_000_000_000, 2_000_000_000, 3_000_000_000]).sorted();
        assert_eq!(sorted.percentile_with_late(0.5, 1), Some(2.5));
        assert_eq!(sorted.percentile_with_late(0.9, 1), None);
        assert_eq!(Pool::new(1).sorted().percentile_with_late(0.5, 4), None);
    }

    proptest! {
        #[test]
        fn any_mix_of_chunks_equals_a_naive_sort(
            chunks in prop::collection::vec((0u64..6_000_000_000_000, 1u32..5), 1..80),
            fractions in prop::collection::vec(0.0f64..1e10, 0..20),
            round in any::<bool>(),
            q in 0.0f64..=1.0,
        ) {
            let mut pool = Pool::new(1_000);
            let mut all = Vec::new();
            for (ns, n) in chunks {
                let ns = if round { ns - ns % 1_000 } else { ns };
                pool.push_chunk(ns, n);
                all.extend(std::iter::repeat_n(ns as f64 / f64::from(n) / 1e9, n as usize));
            }
            for ns in fractions {
                pool.push_f64(ns);
                all.push(ns / 1e9);
            }
            let mean = all.iter().sum::<f64>() / all.len() as f64;
            let sorted = pool.sorted();
            prop_assert_eq!(sorted.count(), all.len() as u64);
            prop_assert!((sorted.mean().unwrap() - mean).abs() <= 1e-9 * mean.max(1e-9));
            for q in [q, 0.0, 0.5, 0.9, 0.99, 0.999, 1.0] {
                let (got, want) = (sorted.percentile(q).unwrap(), naive(all.clone(), q));
                prop_assert!((got - want).abs() <= 1e-9 * want.max(1e-9), "{} is not {} at {}", got, want, q);
            }
        }
    }
}
