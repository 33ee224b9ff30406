//! The latencies of one second: counted every token, emptied every second, so both must cost next to nothing.
//!
//! Steps are exactly those of the histograms in `distribution` (three significant digits, from a tick of the clock to an
//! hour), so that percentiles of a second and of a stage agree; but it is known which of them are in use, and only
//! these are looked at.

use super::distribution::{HIGHEST_NS, LOWEST_NS};
use super::pack::Pack;

/// Bits of what isn't told apart among the shortest: the power of two up to a tick.
const UNIT_BITS: u32 = LOWEST_NS.ilog2();
/// Bits of the number of steps in an octave, but the first, which has twice as many: three digits need 1000 in each.
const STEP_BITS: u32 = 10;
/// Lengths from here on are counted as the highest one.
const END_NS: u64 = (HIGHEST_NS + 1).next_power_of_two();
/// Steps in all.
const STEPS: usize = step_of(END_NS - 1) + 1;

/// The step of a length below [`END_NS`].
#[inline]
const fn step_of(ns: u64) -> usize {
    let first_octave = (2 << (STEP_BITS + UNIT_BITS)) - 1;
    let octave = (ns | first_octave).ilog2() - STEP_BITS - UNIT_BITS;
    // Its highest bit stands for the octave.
    ((octave as usize) << STEP_BITS) + (ns >> (octave + UNIT_BITS)) as usize
}

/// The greatest length in a step.
fn greatest_ns(step: usize) -> u64 {
    let octave = (step >> STEP_BITS).saturating_sub(1);
    let within = step - (octave << STEP_BITS);
    ((within as u64 + 1) << (octave as u32 + UNIT_BITS)) - 1
}

/// Counts of lengths.
pub(super) struct Steps {
    counts: Box<[u32]>,
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
    pub(super) fn add(&mut self, ns: u64, n: u32) {
        let step = step_of(if ns < END_NS { ns } else { HIGHEST_NS });
        let Some(count) = self.counts.get_mut(step) else { return };
        *count = count.saturating_add(n);
        self.total += u64::from(n);
        self.used = (self.used.0.min(step), self.used.1.max(step));
    }

    /// Forgets all.
    pub(super) fn clear(&mut self) {
        let (first, last) = self.used;
        if let Some(counts) = self.counts.get_mut(first..=last) {
            counts.fill(0);
        }
        (self.total, self.used) = (0, (STEPS, 0));
    }

    /// Lengths in use and their counts, ascending; each is the greatest of its step.
    fn counted(&self) -> impl Iterator<Item = (u64, u32)> + '_ {
        let (first, last) = self.used;
        let counts = self.counts.get(first..=last).unwrap_or_default();
        let used = counts.iter().enumerate().filter(|(_, n)| **n > 0);
        used.map(move |(i, n)| (greatest_ns(first + i), *n))
    }

    /// The percentiles for ascending shares in 0..=1, seconds; `None` each while it is empty.
    pub(super) fn quantiles_s<const N: usize>(&self, shares: [f64; N]) -> [Option<f64>; N] {
        let mut found = [None; N];
        let (mut below, mut at) = (0, 0);
        for (ns, n) in self.counted() {
            below += u64::from(n);
            while at < N && ((shares[at] * self.total as f64).ceil() as u64).max(1) <= below {
                found[at] = Some(ns as f64 / 1e9);
                at += 1;
            }
            if at == N {
                break;
            }
        }
        found
    }
}

/// Counts, each with the length it is of.
impl Pack for Steps {
    fn pack(&self, out: &mut Vec<u8>) {
        self.counted().count().pack(out);
        for value in self.counted() {
            value.pack(out);
        }
    }

    fn unpack(from: &mut &[u8]) -> Option<Self> {
        let mut steps = Self::default();
        for (ns, n) in Vec::<(u64, u32)>::unpack(from)? {
            steps.add(ns, n);
        }
        Some(steps)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::distribution::histogram;
    use super::*;

    proptest! {
        #[test]
        fn percentiles_are_those_of_the_long_histogram(
            values in prop::collection::vec((0..64_u32, any::<u64>(), 1..4_u32), 1..200), q in 0.0..=1.0_f64,
        ) {
            let (mut steps, mut histogram) = (Steps::default(), histogram());
            // What was there before must leave nothing behind.
            for ns in [0, 700, u64::MAX] {
                steps.add(ns, 3);
            }
            steps.clear();
            for (shift, bits, n) in &values {
                steps.add(bits >> shift, *n);
                histogram.saturating_record_n(bits >> shift, u64::from(*n));
            }
            // The lowest share means the least value here, not the lower end of its step.
            let q = q.max(1e-9);
            let want = [q, q.max(0.99)].map(|q| Some(histogram.value_at_quantile(q) as f64 / 1e9));
            prop_assert_eq!(steps.quantiles_s([q, q.max(0.99)]), want);
            let mut bytes = Vec::new();
            steps.pack(&mut bytes);
            let again = Steps::unpack(&mut &bytes[..]).unwrap();
            prop_assert_eq!((again.counts, again.total, again.used), (steps.counts, steps.total, steps.used));
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
    fn steps_are_where_they_end() {
        for step in 0..STEPS {
            assert_eq!(step_of(greatest_ns(step)), step);
        }
        assert_eq!(greatest_ns(STEPS - 1), END_NS - 1);
    }
}
