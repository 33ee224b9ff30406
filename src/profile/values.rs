//! How single values of a profile are written and read: durations, jitter, counts by formula, threads.

use std::time::Duration;

use serde::de::{Error as _, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{Formula, Jitter, Threads};

/// For `skip_serializing_if`.
pub fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// For `skip_serializing_if`.
#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
pub fn is_true(value: &bool) -> bool {
    *value
}

/// Writes a duration as `10ms`, `1m 30s`.
pub fn show(duration: Duration) -> String {
    humantime::format_duration(duration).to_string()
}

/// Reads a duration such as `500ms`, `1m 30s`.
///
/// # Errors
/// Says what is wrong with it and how one is written.
pub fn parse(text: &str) -> Result<Duration, String> {
    humantime::parse_duration(text)
        .map_err(|e| format!("`{text}` is no duration ({e}); write e.g. \"500ms\", \"30s\", \"10m\""))
}

/// A text that must be read further: says what it stands for if it is no text.
struct TextFor(&'static str);

impl Visitor<'_> for TextFor {
    type Value = String;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.0)
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<String, E> {
        Ok(text.to_owned())
    }
}

const DURATION: TextFor = TextFor("a duration such as \"500ms\", \"30s\", \"10m\"");
const JITTER: TextFor = TextFor("a duration such as \"10ms\", or one for each client, \"10ms/client\"");

/// `serde(with)` for a [`Duration`] as text.
pub mod duration {
    use super::*;

    pub fn serialize<S: Serializer>(value: &Duration, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(&show(*value))
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<Duration, D::Error> {
        parse(&d.deserialize_str(DURATION)?).map_err(D::Error::custom)
    }
}

/// `serde(with)` for an optional [`Duration`] as text.
pub mod optional_duration {
    use super::{Deserializer, Duration, Serializer, duration, show};

    pub fn serialize<S: Serializer>(value: &Option<Duration>, s: S) -> Result<S::Ok, S::Error> {
        match value {
            Some(value) => s.serialize_str(&show(*value)),
            None => s.serialize_none(),
        }
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<Option<Duration>, D::Error> {
        duration::deserialize(d).map(Some)
    }
}

/// `serde(serialize_with)` for a map of names to durations; `[sla]` is read by hand.
pub mod duration_map {
    use std::collections::BTreeMap;

    use super::{Duration, Serializer, show};

    pub fn serialize<S: Serializer>(map: &BTreeMap<String, Duration>, s: S) -> Result<S::Ok, S::Error> {
        s.collect_map(map.iter().map(|(k, v)| (k, show(*v))))
    }
}

impl Serialize for Jitter {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        let text = match (self.fixed.is_zero(), self.per_client.is_zero()) {
            (_, true) => show(self.fixed),
            (true, false) => format!("{}/client", show(self.per_client)),
            (false, false) => format!("{} + {}/client", show(self.fixed), show(self.per_client)),
        };
        s.serialize_str(&text)
    }
}

impl<'de> Deserialize<'de> for Jitter {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = d.deserialize_str(JITTER)?;
        let mut jitter = Self::default();
        for part in text.split('+') {
            let part = part.trim();
            let (sum, text) = match part.strip_suffix("/client") {
                Some(part) => (&mut jitter.per_client, part.trim()),
                None => (&mut jitter.fixed, part),
            };
            *sum = sum.saturating_add(parse(text).map_err(D::Error::custom)?);
        }
        Ok(jitter)
    }
}

impl Serialize for Threads {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Auto => s.serialize_str("auto"),
            Self::Count(n) => s.serialize_u32(*n),
        }
    }
}

#[derive(Deserialize)]
#[serde(untagged)]
enum NumberOrText {
    Number(i64),
    Text(String),
}

impl<'de> Deserialize<'de> for Threads {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        match NumberOrText::deserialize(d) {
            Ok(NumberOrText::Text(text)) if text == "auto" => Ok(Self::Auto),
            Ok(NumberOrText::Number(n)) if n > 0 => {
                u32::try_from(n).map(Self::Count).map_err(D::Error::custom)
            }
            _ => Err(D::Error::custom("expected a number of threads above 0, or \"auto\"")),
        }
    }
}

impl std::fmt::Display for Formula {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (self.per_client, self.fixed) {
            (0, fixed) => write!(f, "{fixed}"),
            (per, 0) => write!(f, "{per}*clients"),
            (per, fixed) => write!(f, "{per}*clients+{fixed}"),
        }
    }
}

impl std::str::FromStr for Formula {
    type Err = String;

    /// Reads a sum of numbers, `clients`, and `N*clients`.
    fn from_str(text: &str) -> Result<Self, String> {
        let bad = || format!("`{text}` is no number and no formula such as \"4*clients+32\"");
        let mut formula = Self { per_client: 0, fixed: 0 };
        for term in text.split('+') {
            let mut factor = 1u64;
            let mut by_client = false;
            for part in term.split('*').map(str::trim) {
                if part == "clients" && !by_client {
                    by_client = true;
                } else {
                    let number: u64 = part.parse().map_err(|_| bad())?;
                    factor = factor.checked_mul(number).ok_or_else(bad)?;
                }
            }
            let sum = if by_client { &mut formula.per_client } else { &mut formula.fixed };
            *sum = sum.checked_add(factor).ok_or_else(bad)?;
        }
        Ok(formula)
    }
}

impl Serialize for Formula {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        match self.per_client {
            0 => s.serialize_u64(self.fixed),
            _ => s.serialize_str(&self.to_string()),
        }
    }
}

impl<'de> Deserialize<'de> for Formula {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        match NumberOrText::deserialize(d) {
            Ok(NumberOrText::Number(n)) => u64::try_from(n)
                .map(|fixed| Self { per_client: 0, fixed })
                .map_err(|_| D::Error::custom("a count can't be below 0")),
            Ok(NumberOrText::Text(text)) => text.parse().map_err(D::Error::custom),
            Err(_) => Err(D::Error::custom("expected a number or a formula such as \"4*clients+32\"")),
        }
    }
}
