//! Sorts many whole numbers: the gaps of a long recording, which take most of a report's time otherwise.

/// Bits of a digit: 2048 counters stay in the first-level cache.
const BITS: u32 = 11;
const BUCKETS: usize = 1 << BITS;
/// Below this many values the standard sort is as fast, and needs no second buffer.
const FEW: usize = 1 << 14;

/// Ascending order, by digits from the lowest to the highest; takes as much memory again for the time being.
pub fn sort(values: &mut Vec<u32>) {
    let highest = values.iter().copied().max().unwrap_or(0);
    if values.len() < FEW {
        values.sort_unstable();
        return;
    }
    let mut other = vec![0; values.len()];
    let mut shift = 0;
    while shift < u32::BITS && highest >> shift > 0 {
        distribute(values, &mut other, shift);
        std::mem::swap(values, &mut other);
        shift += BITS;
    }
}

/// Puts `from` into `to`, ordered by the digit at `shift` and otherwise as it was.
fn distribute(from: &[u32], to: &mut [u32], shift: u32) {
    let digit = |value: u32| (value >> shift) as usize % BUCKETS;
    let mut places = [0usize; BUCKETS];
    for value in from {
        places[digit(*value)] += 1;
    }
    let mut before = 0;
    for place in &mut places {
        before += std::mem::replace(place, before);
    }
    for value in from {
        let place = &mut places[digit(*value)];
        to[*place] = *value;
        *place += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Numbers of up to so many bits, the same each time.
    fn scattered(count: usize, bits: u32) -> Vec<u32> {
        let mut state = 1u64;
        let step = |_| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> (64 - bits)) as u32
        };
        (0..count).map(step).collect()
    }

    #[test]
    fn numbers_of_any_size_come_out_as_by_the_standard_sort() {
        for bits in [1, 8, 11, 12, 22, 23, 32] {
            for count in [0, 1, 100, FEW - 1, FEW, 3 * FEW + 7] {
                let mut got = scattered(count, bits);
                let mut want = got.clone();
                want.sort_unstable();
                sort(&mut got);
                assert!(got == want, "{count} numbers of {bits} bits");
            }
        }
        let mut zeros = vec![0; FEW];
        sort(&mut zeros);
        assert_eq!(zeros, vec![0; FEW]);
    }
}
