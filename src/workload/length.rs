//! Lengths drawn from a profile's distributions.

use super::random::Random;
use crate::profile::{Distribution, Length, Spread};

/// Draws a length in tokens, cut to the distribution's own bounds.
pub fn draw(length: &Length, random: &mut Random) -> u32 {
    match length {
        Length::Fixed(tokens) => *tokens,
        Length::Of(Distribution::Uniform(range)) => {
            let width = range.max.saturating_sub(range.min).saturating_add(1);
            range.min.saturating_add(random.below(width))
        }
        Length::Of(Distribution::Normal(spread)) => cut(spread.mean + spread.std * random.normal(), spread),
        Length::Of(Distribution::Lognormal(spread)) => {
            // The parameters of the logarithm that give this mean and standard deviation of the lengths.
            let variance = libm::log(1.0 + (spread.std / spread.mean) * (spread.std / spread.mean));
            let mu = libm::log(spread.mean) - variance / 2.0;
            cut(libm::exp(mu + libm::sqrt(variance) * random.normal()), spread)
        }
    }
}

/// Rounds, half away from zero, and cuts to the bounds.
fn cut(x: f64, spread: &Spread) -> u32 {
    (libm::round(x).max(0.0) as u32).clamp(spread.min, spread.max.max(spread.min))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::profile::Range;

    fn spread(mean: f64, std: f64) -> Spread {
        Spread { mean, std, min: 1, max: 100_000 }
    }

    fn moments(length: &Length) -> (f64, f64) {
        let n = 40_000;
        let draws: Vec<f64> = (0..n).map(|i| f64::from(draw(length, &mut Random::new(3, 1, i)))).collect();
        let mean = draws.iter().sum::<f64>() / n as f64;
        let variance = draws.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / n as f64;
        (mean, variance.sqrt())
    }

    #[test]
    fn means_and_deviations_are_those_asked_for() {
        let cases = [
            (Length::Of(Distribution::Normal(spread(2600.0, 300.0))), 2600.0, 300.0),
            (Length::Of(Distribution::Lognormal(spread(256.0, 128.0))), 256.0, 128.0),
            (Length::Of(Distribution::Uniform(Range { min: 11, max: 110 })), 60.5, 28.87),
            (Length::Fixed(17), 17.0, 0.0),
        ];
        for (length, mean, std) in cases {
            let (m, s) = moments(&length);
            assert!((m - mean).abs() <= mean * 0.01, "{length:?}: mean {m}");
            assert!((s - std).abs() <= std * 0.03, "{length:?}: std {s}");
        }
    }

    proptest! {
        #[test]
        fn lengths_keep_their_bounds(
            (mean, std, seed) in (0.1f64..1e6, 0.0f64..1e6, any::<u64>()),
            (min, width) in (1u32..1000, 0u32..1000),
        ) {
            let spread = Spread { mean, std, min, max: min + width };
            let all = [
                Distribution::Normal(spread),
                Distribution::Lognormal(spread),
                Distribution::Uniform(Range { min, max: min + width }),
            ];
            for distribution in all {
                let drawn = draw(&Length::Of(distribution), &mut Random::new(seed, 0, 0));
                prop_assert!((min..=min + width).contains(&drawn), "{:?} {}", distribution, drawn);
            }
        }
    }
}
