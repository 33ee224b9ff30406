//! Reading of the values that serde's derive can't read with good errors: lengths, which are a number or one
//! of several tables, and `[sla]`, whose thresholds are collected by name.

use std::time::Duration;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Error, MapAccess, Unexpected, Visitor};
use serde::{Deserialize, Deserializer};

use super::values::duration;
use super::{Distribution, Length, Range, Sla, Spread};

/// Every key that `[sla]` may hold.
pub const SLA_KEYS: [&str; 27] = [
    "prompt_tokens_per_s",
    "generation_tokens_per_s",
    "validators",
    "ttft",
    "ttft_mean",
    "ttft_p50",
    "ttft_p90",
    "ttft_p95",
    "ttft_p99",
    "itl",
    "itl_mean",
    "itl_p50",
    "itl_p90",
    "itl_p95",
    "itl_p99",
    "tpot",
    "tpot_mean",
    "tpot_p50",
    "tpot_p90",
    "tpot_p95",
    "tpot_p99",
    "e2e",
    "e2e_mean",
    "e2e_p50",
    "e2e_p90",
    "e2e_p95",
    "e2e_p99",
];

impl<'de> Deserialize<'de> for Sla {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        d.deserialize_map(SlaVisitor)
    }
}

struct SlaVisitor;

impl<'de> Visitor<'de> for SlaVisitor {
    type Value = Sla;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a table")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Sla, A::Error> {
        let mut sla = Sla::default();
        while let Some(SlaKey(key)) = map.next_key()? {
            match key {
                "prompt_tokens_per_s" => sla.prompt_tokens_per_s = map.next_value()?,
                "generation_tokens_per_s" => sla.generation_tokens_per_s = map.next_value()?,
                "validators" => sla.validators = map.next_value()?,
                threshold => {
                    let Most(time) = map.next_value()?;
                    sla.thresholds.insert(threshold.to_owned(), time);
                }
            }
        }
        Ok(sla)
    }
}

/// A key of `[sla]`; others are refused while the key's place is still at hand.
struct SlaKey(&'static str);

impl<'de> Deserialize<'de> for SlaKey {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let name = String::deserialize(d)?;
        match SLA_KEYS.iter().find(|key| **key == name) {
            Some(key) => Ok(Self(key)),
            None => Err(D::Error::unknown_field(&name, &SLA_KEYS)),
        }
    }
}

#[derive(Deserialize)]
struct Most(#[serde(with = "duration")] Duration);

impl<'de> Deserialize<'de> for Length {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        d.deserialize_any(LengthVisitor)
    }
}

struct LengthVisitor;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Choice {
    normal: Option<Spread>,
    uniform: Option<Range>,
    lognormal: Option<Spread>,
}

impl<'de> Visitor<'de> for LengthVisitor {
    type Value = Length;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a number of tokens, or a distribution such as { uniform = { min = 1, max = 64 } }")
    }

    fn visit_u64<E: Error>(self, tokens: u64) -> Result<Length, E> {
        match u32::try_from(tokens) {
            Ok(tokens) => Ok(Length::Fixed(tokens)),
            Err(_) => Err(E::invalid_value(Unexpected::Unsigned(tokens), &self)),
        }
    }

    fn visit_i64<E: Error>(self, tokens: i64) -> Result<Length, E> {
        match u32::try_from(tokens) {
            Ok(tokens) => Ok(Length::Fixed(tokens)),
            Err(_) => Err(E::invalid_value(Unexpected::Signed(tokens), &self)),
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Length, A::Error> {
        let choice = Choice::deserialize(MapAccessDeserializer::new(map))?;
        let distribution = match (choice.normal, choice.uniform, choice.lognormal) {
            (Some(spread), None, None) => Distribution::Normal(spread),
            (None, Some(range), None) => Distribution::Uniform(range),
            (None, None, Some(spread)) => Distribution::Lognormal(spread),
            _ => return Err(A::Error::custom("a length is exactly one of normal, uniform, lognormal")),
        };
        Ok(Length::Of(distribution))
    }
}
