//! Counts of latencies by length: a histogram of three significant digits, from a tick of the clock to an hour.
//!
//! Steps are laid out as Gil Tene's HdrHistogram lays them out: each octave has as many as the digits need, all of one
//! width. That is a few shifts a token. Which steps are in use is known, so that what is emptied every second costs next
//! to nothing then. Tests hold it against the crate `hdrhistogram`, which did this before: a token is counted several times,
//! and took twice as long there.

use super::pack::Pack;

/// Lengths are told apart from about this one on, nanoseconds: one tick of the clock.
const LOWEST_NS: u64 = 1_000;
/// Longer ones are counted as this one.
const HIGHEST_NS: u64 = 3_600_000_000_000;
/// Bits of what isn't told apart among the shortest: the power of two up to a tick.
const UNIT_BITS: u32 = LOWEST_NS.ilog2();
/// Bits of the number of steps in an octave, but the first, which has twice as many: three digits need 1000 in each.
const STEP_BITS: u32 = 10;
/// The first length that there is no step for.
const END_NS: u64 = (HIGHEST_NS + 1).next_power_of_two();
/// Steps in all.
const STEPS: usize = step_of(END_NS - 1) + 1;

/// The step of a length; of one from [`END_NS`] on, where it would be.
#[inline]
const fn step_of(ns: u64) -> usize {
    let first_octave = (2 << (STEP_BITS + UNIT_BITS)) - 1;
    let octave = (ns | first_octave).ilog2() - STEP_BITS - UNIT_BITS;
    // Its highest bit stands for the octave.
    ((octave as usize) << STEP_BITS) + (ns >> (octave + UNIT_BITS)) as usize
}

/// The bits that are not told apart in a step, and the least length in it.
fn begin_of(step: usize) -> (u32, u64) {
    let octave = (step >> STEP_BITS).saturating_sub(1);
    let bits = octave as u32 + UNIT_BITS;
    (bits, ((step - (octave << STEP_BITS)) as u64) << bits)
}

/// A step that counted something: lengths in nanoseconds, and how many.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Step {
    pub(super) least_ns: u64,
    pub(super) middle_ns: u64,
    pub(super) greatest_ns: u64,
    pub(super) count: u64,
}

/// Counts of lengths.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Steps {
    counts: Box<[u64]>,
    total: u64,
    /// No step outside of these counted anything; the first is above the last where none did.
    used: (usize, usize),
}

impl Default for Steps {
    fn default() -> Self {
        Self { counts: vec![0; STEPS].into(), total: 0, used: (STEPS, 0) }
    }
}

impl Steps {
    /// Counts a length, nanoseconds, so many times.
    #[inline]
    pub(super) fn add(&mut self, ns: u64, n: u64) {
        let step = step_of(if ns < END_NS { ns } else { HIGHEST_NS });
        let Some(count) = self.counts.get_mut(step) else { return };
        *count = count.saturating_add(n);
        self.total = self.total.saturating_add(n);
        self.used = (self.used.0.min(step), self.used.1.max(step));
    }

    /// Takes out what another one holds; `false`, and nothing is taken, if it isn't all in this one.
    pub(super) fn subtract(&mut self, other: &Self) -> bool {
        let pairs = || self.counts.iter().zip(&other.counts);
        if pairs().any(|(count, out)| count < out) {
            return false;
        }
        for (count, out) in self.counts.iter_mut().zip(&other.counts) {
            *count -= out;
        }
        self.total = self.total.saturating_sub(other.total);
        true
    }

    /// Whether two lengths are not told apart.
    pub(super) fn same(one_ns: u64, other_ns: u64) -> bool {
        step_of(one_ns) == step_of(other_ns)
    }

    /// Forgets all.
    pub(super) fn clear(&mut self) {
        let (first, last) = self.used;
        if let Some(counts) = self.counts.get_mut(first..=last) {
            counts.fill(0);
        }
        (self.total, self.used) = (0, (STEPS, 0));
    }

    /// Steps that counted something, ascending.
    pub(super) fn counted(&self) -> impl DoubleEndedIterator<Item = Step> + '_ {
        let (first, last) = self.used;
        let counts = self.counts.get(first..=last).unwrap_or_default();
        let used = counts.iter().enumerate().filter(|(_, n)| **n > 0);
        used.map(move |(i, count)| {
            let (bits, least_ns) = begin_of(first + i);
            let (middle_ns, greatest_ns) = (least_ns + (1 << bits >> 1), least_ns + ((1 << bits) - 1));
            Step { least_ns, middle_ns, greatest_ns, count: *count }
        })
    }

    /// The percentiles for ascending shares in 0..=1, seconds; `None` each while it is empty.
    pub(super) fn quantiles_s<const N: usize>(&self, shares: [f64; N]) -> [Option<f64>; N] {
        let mut found = [None; N];
        let (mut below, mut at) = (0, 0);
        for step in self.counted() {
            below = step.count.saturating_add(below);
            // Beyond what a float tells apart it may come out above the total.
            while at < N
                && ((shares[at] * self.total as f64).ceil() as u64).clamp(1, self.total.max(1)) <= below
            {
                found[at] = Some(step.greatest_ns as f64 / 1e9);
                at += 1;
            }
            if at == N {
                break;
            }
        }
        found
    }
}

/// Counts, each with how far its step is from the one before, and a 0.
impl Pack for Steps {
    fn pack(&self, out: &mut Vec<u8>) {
        let mut before = 0;
        for step in self.counted() {
            (step.count, step.greatest_ns - before).pack(out);
            before = step.greatest_ns;
        }
        0_u64.pack(out);
    }

    fn unpack(from: &mut &[u8]) -> Option<Self> {
        let (mut steps, mut at_ns) = (Self::default(), 0_u64);
        loop {
            let count = u64::unpack(from)?;
            if count == 0 {
                return Some(steps);
            }
            at_ns = at_ns.checked_add(u64::unpack(from)?).filter(|ns| *ns < END_NS)?;
            steps.add(at_ns, count);
        }
    }
}

#[cfg(test)]
mod tests {
    use hdrhistogram::Histogram;
    use proptest::prelude::*;

    use super::*;

    /// Lengths of any size, and how many of each.
    type Values = Vec<(u32, u64, u64)>;

    fn values() -> impl Strategy<Value = Values> {
        prop::collection::vec((0..64_u32, any::<u64>(), 1..4_u64), 0..200)
    }

    fn both(values: &Values) -> (Steps, Histogram<u64>) {
        let mut steps = Steps::default();
        let mut histogram = Histogram::new_with_bounds(LOWEST_NS, HIGHEST_NS, 3).unwrap();
        // What was there before must leave nothing behind.
        for ns in [0, 700, u64::MAX] {
            steps.add(ns, 3);
        }
        steps.clear();
        for (shift, bits, n) in values {
            steps.add(bits >> shift, *n);
            histogram.saturating_record_n(bits >> shift, *n);
        }
        (steps, histogram)
    }

    fn same(steps: &Steps, histogram: &Histogram<u64>) {
        let of = |value: u64| (histogram.lowest_equivalent(value), histogram.median_equivalent(value), value);
        let want: Vec<_> =
            histogram.iter_recorded().map(|s| (of(s.value_iterated_to()), s.count_at_value())).collect();
        let got: Vec<_> =
            steps.counted().map(|s| ((s.least_ns, s.middle_ns, s.greatest_ns), s.count)).collect();
        assert_eq!(got, want);
        for q in [1e-9, 0.25, 0.5, 0.99, 1.0] {
            let want = (!histogram.is_empty()).then(|| histogram.value_at_quantile(q) as f64 / 1e9);
            assert_eq!(steps.quantiles_s([q]), [want], "at {q}");
        }
    }

    proptest! {
        #[test]
        fn it_counts_as_hdrhistogram_does(all in values(), others in values(), one: u64, shift in 0..64_u32) {
            let (mut steps, mut histogram) = both(&all);
            same(&steps, &histogram);
            let mut bytes = Vec::new();
            steps.pack(&mut bytes);
            prop_assert_eq!(Steps::unpack(&mut &bytes[..]), Some(steps.clone()));
            // A part of it can be taken out, strangers can't.
            let (part, part_of_it) = both(&all[..all.len() / 2].to_vec());
            let (strangers, strange) = both(&others);
            if histogram.clone().subtract(&strange).is_err() {
                prop_assert!(!steps.subtract(&strangers));
                same(&steps, &histogram);
            }
            prop_assert!(steps.subtract(&part));
            histogram.subtract(&part_of_it).unwrap();
            same(&steps, &histogram);
            let (a, b) = (one >> shift, one >> shift ^ 512 << (shift / 2));
            prop_assert_eq!(Steps::same(a, b), histogram.equivalent(a, b), "{} and {}", a, b);
        }
    }

    #[test]
    fn without_values_there_is_nothing() {
        let mut steps = Steps::default();
        assert_eq!(steps.quantiles_s([0.5, 0.99]), [None, None]);
        steps.add(5_000, 1);
        steps.clear();
        assert_eq!((steps.quantiles_s([0.5]), steps.counted().count()), ([None], 0));
    }

    #[test]
    fn counts_beyond_all_reason_have_percentiles_too() {
        let mut steps = Steps::default();
        steps.add(5_000, 1 << 60);
        steps.add(9_000, (1 << 60) - 1);
        assert!(steps.quantiles_s([0.5, 1.0]).iter().all(Option::is_some));
        steps.add(20_000, u64::MAX);
        steps.add(70_000, u64::MAX);
        let [half, all] = steps.quantiles_s([0.5, 1.0]);
        assert!(half < Some(21e-6) && all.is_some(), "{half:?} {all:?}");
    }

    #[test]
    fn steps_are_where_they_begin_and_end() {
        for step in 0..STEPS {
            let (bits, least_ns) = begin_of(step);
            assert_eq!((step_of(least_ns), step_of(least_ns + (1 << bits) - 1)), (step, step));
        }
        assert_eq!(step_of(END_NS), STEPS);
    }

    #[test]
    fn bytes_that_name_no_step_give_nothing() {
        let mut bytes = Vec::new();
        (1_u64, END_NS).pack(&mut bytes);
        assert_eq!(Steps::unpack(&mut &bytes[..]), None);
        assert_eq!(Steps::unpack(&mut &[3, 7][..]), None);
    }
}
