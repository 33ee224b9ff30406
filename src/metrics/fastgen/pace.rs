//! Is a request fast enough? FastGen's two validators, reduced to the slowest that a request ever was.
//!
//! The original walks through all tokens of a request once for each rate. Both validators compare something of
//! each token with 1/rate, so the largest of these tells for every rate; a new rate costs one comparison.
//! Comparisons are those of the original in the same floating-point arithmetic, so that a request on the very
//! edge falls on the same side.

use super::Timeline;

/// Span of the moving average, in tokens: FastGen's default.
const SPAN: f64 = 16.0;
/// What is left of a token's weight one token later: 1 − 2/(span + 1), by way of the centre of mass as pandas
/// does it, since the last bit may decide.
const DECAY: f64 = 1.0 - 1.0 / (1.0 + (SPAN - 1.0) / 2.0);

/// How the pace of generation is judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Validator {
    /// After each entry: the time since the first token is at most what that many tokens may take.
    Cumulative,
    /// The exponential moving average of the gaps (span 16, bias-corrected) stays below the time of a token.
    Ema16,
}

impl Validator {
    /// Both, in the order of reports.
    pub const ALL: [Self; 2] = [Self::Cumulative, Self::Ema16];

    /// Its name in profiles and files.
    pub fn name(self) -> &'static str {
        match self {
            Self::Cumulative => "cumulative",
            Self::Ema16 => "ema16",
        }
    }

    /// The one of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|v| v.name() == name)
    }
}

/// What is asked of a request.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Target {
    /// The first token comes within prompt tokens / this, seconds.
    pub prompt_tokens_per_s: f64,
    /// The pace of the others.
    pub generation_tokens_per_s: f64,
    pub validator: Validator,
}

/// A request reduced to what the SLA asks for. It meets a [`Target`] or not, at any rate.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Pace {
    pub prompt_tokens: u32,
    /// Time to the first token; infinite where no token came.
    pub first_s: f64,
    /// The least time a token that the cumulative validator lets pass; 0 for a single token.
    pub cumulative_s: f64,
    /// The highest value of the moving average; below every limit for a single token.
    pub ema_s: f64,
}

impl Pace {
    /// Of one request, whose entries are finite numbers.
    pub fn of(request: &impl Timeline) -> Self {
        let entries = request.entries();
        let mut pace = Self {
            prompt_tokens: request.prompt_tokens(),
            first_s: if entries == 0 { f64::INFINITY } else { request.entry_s(0) },
            cumulative_s: 0.0,
            ema_s: f64::NEG_INFINITY,
        };
        let (mut sum, mut ema) = (0.0, Ema::default());
        for i in 1..entries {
            let gap = request.entry_s(i);
            let count = i as f64;
            sum += gap;
            if pace.cumulative_s * count < sum {
                pace.cumulative_s = least_share(sum, count);
            }
            pace.ema_s = pace.ema_s.max(ema.next(gap));
        }
        pace
    }

    /// Whether the request meets the target.
    pub fn meets(&self, target: &Target) -> bool {
        let allowed_s = f64::from(self.prompt_tokens) / target.prompt_tokens_per_s;
        if allowed_s < self.first_s {
            return false;
        }
        let token_s = 1.0 / target.generation_tokens_per_s;
        match target.validator {
            Validator::Cumulative => self.cumulative_s <= token_s,
            Validator::Ema16 => self.ema_s < token_s,
        }
    }
}

/// The smallest float whose product with `count`, rounded, reaches `sum`: the original compares `sum` with
/// such products, and a product of floats never falls as its factor grows.
fn least_share(sum: f64, count: f64) -> f64 {
    let mut share = sum / count;
    if !share.is_finite() {
        return share;
    }
    while share * count < sum {
        share = share.next_up();
    }
    while share.next_down() * count >= sum {
        share = share.next_down();
    }
    share
}

/// Exponentially weighted mean with bias correction: Σ (1−α)^j x[t−j] / Σ (1−α)^j with α = 2/(span + 1), as
/// `Series.ewm(span=16).mean()` of pandas computes it, step by step.
#[derive(Debug, Default)]
struct Ema {
    mean: f64,
    /// Weight of all that came before; 0 before the first value.
    weight: f64,
}

impl Ema {
    fn next(&mut self, value: f64) -> f64 {
        if self.weight == 0.0 {
            (self.mean, self.weight) = (value, 1.0);
            return value;
        }
        let old = self.weight * DECAY;
        // Equal values stay exactly what they are, which matters for a pace right on the limit.
        #[allow(clippy::float_cmp, reason = "exactly equal is what is meant")]
        if self.mean != value {
            self.mean = (old * self.mean + value) / (old + 1.0);
        }
        self.weight = old + 1.0;
        self.mean
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    struct Entries(Vec<f64>);

    impl Timeline for Entries {
        fn prompt_tokens(&self) -> u32 {
            512
        }
        fn output_tokens(&self) -> u32 {
            self.0.len() as u32
        }
        fn start_s(&self) -> f64 {
            0.0
        }
        fn end_s(&self) -> f64 {
            self.0.iter().sum()
        }
        fn entries(&self) -> usize {
            self.0.len()
        }
        fn entry_s(&self, i: usize) -> f64 {
            self.0[i]
        }
    }

    fn target(validator: Validator, generation_tokens_per_s: f64) -> Target {
        Target { prompt_tokens_per_s: 512.0, generation_tokens_per_s, validator }
    }

    fn meets(entries: &[f64], validator: Validator, rate: f64) -> bool {
        Pace::of(&Entries(entries.to_vec())).meets(&target(validator, rate))
    }

    #[test]
    fn a_pace_right_on_the_limit_passes_one_validator_only() {
        let even = [1.0, 0.25, 0.25, 0.25, 0.25];
        assert!(meets(&even, Validator::Cumulative, 4.0) && !meets(&even, Validator::Ema16, 4.0));
        assert!(meets(&even, Validator::Ema16, 3.99) && !meets(&even, Validator::Cumulative, 4.01));
    }

    #[test]
    fn the_first_token_decides_where_there_is_no_other() {
        for validator in Validator::ALL {
            assert!(meets(&[1.0], validator, 1e9));
            assert!(!meets(&[1.0 + 1e-9], validator, 1e-9));
            assert!(!meets(&[1.1, 0.001], validator, 1.0));
            assert!(!meets(&[], validator, 1e-9));
            assert_eq!(Validator::named(validator.name()), Some(validator));
        }
        assert_eq!(Validator::named("ema32"), None);
    }

    #[test]
    fn a_late_token_is_made_good_by_the_cumulative_validator_only_if_there_was_time_left() {
        // Ten quick tokens save up for one gap of two seconds.
        let mut gaps = vec![0.5];
        gaps.extend([0.1; 10]);
        gaps.push(2.0);
        assert!(meets(&gaps, Validator::Cumulative, 3.0) && !meets(&gaps, Validator::Ema16, 3.0));
        assert!(!meets(&[0.5, 2.0, 0.1, 0.1], Validator::Cumulative, 3.0));
    }

    /// The validators as the original has them: every token compared, for one rate.
    fn by_the_book(gaps: &[f64], validator: Validator, rate: f64) -> bool {
        match validator {
            Validator::Cumulative => {
                let mut sum = 0.0;
                gaps.iter().enumerate().all(|(i, gap)| {
                    sum += gap;
                    sum <= (1.0 / rate) * (i + 1) as f64
                })
            }
            Validator::Ema16 => (0..gaps.len()).all(|t| {
                let weights = (0..=t).map(|j| (1.0f64 - 2.0 / 17.0).powf(j as f64));
                let sum: f64 = weights.clone().zip((0..=t).map(|j| gaps[t - j])).map(|(w, x)| w * x).sum();
                sum / weights.sum::<f64>() < 1.0 / rate
            }),
        }
    }

    proptest! {
        #[test]
        fn one_number_answers_for_every_rate(
            // Multiples of 1/64 s meet limits exactly, again and again.
            gaps in prop::collection::vec((0u32..64).prop_map(|n| f64::from(n) / 64.0), 1..60),
            rate in prop::sample::select(vec![1.0, 2.0, 3.0, 4.0, 6.0, 8.0, 2.5, 64.0, 7.3]),
        ) {
            let entries: Vec<f64> = std::iter::once(0.0).chain(gaps.iter().copied()).collect();
            let got = meets(&entries, Validator::Cumulative, rate);
            prop_assert_eq!(got, by_the_book(&gaps, Validator::Cumulative, rate));
        }

        #[test]
        fn averages_are_the_formulas(
            gaps in prop::collection::vec(0.001f64..1.0, 1..60),
            rate in 1.0f64..20.0,
        ) {
            let entries: Vec<f64> = std::iter::once(0.0).chain(gaps.iter().copied()).collect();
            // Away from the edge, where the order of rounding can't matter.
            let highest = Pace::of(&Entries(entries.clone())).ema_s;
            prop_assume!((highest * rate - 1.0).abs() > 1e-9);
            prop_assert_eq!(meets(&entries, Validator::Ema16, rate), by_the_book(&gaps, Validator::Ema16, rate));
        }

        #[test]
        fn the_least_share_is_least(sum in 1e-9f64..1e6, count in 1u32..100_000) {
            let count = f64::from(count);
            let share = least_share(sum, count);
            prop_assert!(share * count >= sum && share.next_down() * count < sum);
        }
    }
}
