//! FastGen's part of `[sla]`, out of a recording's profile.

use serde_json::Value;

use super::figures::FastgenSla;
use super::{Target, Validator};
use crate::profile::Sla;

impl FastgenSla {
    /// Reads it out of a profile as a recording keeps it. What is missing or makes no sense is FastGen's default:
    /// 512 prompt tokens/s and 1, 2, 3, 4, 6, 8 tokens/s.
    pub fn of(profile: &Value) -> Self {
        let table = profile.get("sla").cloned().unwrap_or_default();
        let (sla, usual) = (serde_json::from_value::<Sla>(table).unwrap_or_default(), Sla::default());
        let makes_sense = |rate: &f64| rate.is_finite() && *rate > 0.0;
        let mut rates: Vec<f64> = Vec::new();
        for rate in sla.generation_tokens_per_s.iter().filter(|r| makes_sense(r)) {
            // Doubles would be one key twice.
            if !rates.contains(rate) {
                rates.push(*rate);
            }
        }
        let mut validators: Vec<_> =
            sla.validators.iter().filter_map(|name| Validator::named(name)).collect();
        validators.sort_unstable();
        validators.dedup();
        Self {
            prompt_tokens_per_s: Some(sla.prompt_tokens_per_s)
                .filter(makes_sense)
                .unwrap_or(usual.prompt_tokens_per_s),
            generation_tokens_per_s: if rates.is_empty() { usual.generation_tokens_per_s } else { rates },
            validators,
        }
    }

    /// What it asks for at one of its rates.
    pub fn target(&self, validator: Validator, generation_tokens_per_s: f64) -> Target {
        Target { prompt_tokens_per_s: self.prompt_tokens_per_s, generation_tokens_per_s, validator }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_profile_without_rates_has_fastgens() {
        for profile in [json!({}), json!(null), json!({ "sla": { "generation_tokens_per_s": [] } })] {
            let sla = FastgenSla::of(&profile);
            assert_eq!(sla.prompt_tokens_per_s.to_string(), "512");
            assert_eq!(sla.generation_tokens_per_s, [1.0, 2.0, 3.0, 4.0, 6.0, 8.0]);
        }
        assert_eq!(FastgenSla::of(&json!({})).validators, Validator::ALL);
    }

    #[test]
    fn a_profiles_own_rates_come_in_its_order_each_once() {
        let sla = FastgenSla::of(&json!({ "sla": {
            "prompt_tokens_per_s": 256, "generation_tokens_per_s": [10, 2.5, 10, -1], "validators": ["ema16"],
            "ttft_p99": "2s",
        }}));
        assert_eq!(
            (sla.prompt_tokens_per_s.to_string(), sla.generation_tokens_per_s),
            ("256".into(), vec![10.0, 2.5])
        );
        assert_eq!(sla.validators, [Validator::Ema16]);
    }
}
