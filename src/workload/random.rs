//! Random numbers that are the same on any machine: xoshiro256++, seeded by what the numbers are for.

use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::{Rng as _, SeedableRng as _};

/// A stream of random numbers.
#[derive(Debug, Clone)]
pub struct Random(Xoshiro256PlusPlus);

impl Random {
    /// The stream of a seed for one purpose (`stream`) and one item of it (`index`). Streams that differ in
    /// any of the three are unrelated.
    pub fn new(seed: u64, stream: u64, index: u64) -> Self {
        Self(Xoshiro256PlusPlus::seed_from_u64(mix(mix(mix(seed) ^ stream) ^ index)))
    }

    /// A number of 0..1, all multiples of 2⁻⁵³ alike.
    pub fn unit(&mut self) -> f64 {
        (self.0.next_u64() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// A whole number below `bound`, which must not be 0; all alike (Lemire's method, with rejection).
    pub fn below(&mut self, bound: u32) -> u32 {
        let bound = u64::from(bound.max(1));
        loop {
            let product = u64::from(self.0.next_u32()) * bound;
            let low = product & 0xffff_ffff;
            // What is rejected is below the bound, too, so that hardly any number costs a division.
            if low >= bound || low >= (1u64 << 32) % bound {
                return (product >> 32) as u32;
            }
        }
    }

    /// A number of the standard normal distribution (Box and Muller's method).
    pub fn normal(&mut self) -> f64 {
        // 1 − unit is never 0, so its logarithm is finite.
        let radius = libm::sqrt(-2.0 * libm::log(1.0 - self.unit()));
        radius * libm::cos(std::f64::consts::TAU * self.unit())
    }

    /// A number of the gamma distribution of this shape (above 0) and scale 1, by Marsaglia and Tsang's method: the
    /// cube of a normal number near 1, with rejection. Shapes below 1 are drawn as one more, times a power of a
    /// uniform number.
    pub fn gamma(&mut self, shape: f64) -> f64 {
        if shape < 1.0 {
            let power = libm::log(1.0 - self.unit()) / shape;
            return self.gamma(shape + 1.0) * libm::exp(power);
        }
        let d = shape - 1.0 / 3.0;
        let c = 1.0 / libm::sqrt(9.0 * d);
        loop {
            let x = self.normal();
            let cube = (1.0 + c * x) * (1.0 + c * x) * (1.0 + c * x);
            if cube > 0.0 && libm::log(1.0 - self.unit()) < 0.5 * x * x + d - d * cube + d * libm::log(cube) {
                return d * cube;
            }
        }
    }

    /// A number of the exponential distribution with mean 1.
    pub fn exponential(&mut self) -> f64 {
        -libm::log(1.0 - self.unit())
    }
}

/// SplitMix64's finaliser: every bit of the result depends on every bit of the input.
fn mix(x: u64) -> u64 {
    let x = x.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_below_a_bound_are_alike_and_streams_differ() {
        let mut random = Random::new(42, 0, 0);
        let mut counts = [0u32; 7];
        for _ in 0..70_000 {
            counts[random.below(7) as usize] += 1;
        }
        // Standard deviation of a count is about 93.
        assert!(counts.iter().all(|c| (9_550..10_450).contains(c)), "{counts:?}");
        let first = |seed, stream, index| Random::new(seed, stream, index).unit().to_bits();
        let all = [first(1, 0, 0), first(0, 1, 0), first(0, 0, 1), first(0, 0, 0), first(1, 1, 0)];
        let distinct: std::collections::BTreeSet<_> = all.iter().collect();
        assert_eq!(distinct.len(), all.len());
    }

    #[test]
    fn moments_are_those_of_the_distributions() {
        let mut random = Random::new(7, 0, 0);
        let n = 100_000;
        let normal: Vec<f64> = (0..n).map(|_| random.normal()).collect();
        let mean = normal.iter().sum::<f64>() / f64::from(n);
        let variance = normal.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / f64::from(n);
        assert!(mean.abs() < 0.015 && (variance - 1.0).abs() < 0.02, "{mean} {variance}");
        let exponential = (0..n).map(|_| random.exponential()).sum::<f64>() / f64::from(n);
        assert!((exponential - 1.0).abs() < 0.015, "{exponential}");
    }
}
