//! What profiles differ in, told as short as can be.

use std::collections::BTreeMap;

use serde_json::Value;

/// Parts of a profile that change neither what was measured nor what a chart shows.
const IRRELEVANT: [&str; 8] =
    ["profile", "record", "ui", "reference", "sla", "sweep", "stop", "workload.seed"];
/// Parts of a key that mean nothing without the one before.
const GENERIC: [&str; 7] = ["mean", "std", "min", "max", "normal", "lognormal", "uniform"];
/// Lengths by chance: each is one value.
const DISTRIBUTIONS: [&str; 3] = ["normal", "lognormal", "uniform"];
/// Where a sweep's keys are in a profile.
const SWEPT: [(&str, &str); 10] = [
    ("clients", "load.clients"),
    ("rate", "load.rate"),
    ("prompt_tokens", "workload.prompt_tokens"),
    ("output_tokens", "workload.output_tokens"),
    ("max_batch", "backend.max_batch"),
    ("replicas", "backend.replicas"),
    ("tensor_parallel", "backend.tensor_parallel"),
    ("model", "model"),
    ("quantization", "model.quantization"),
    ("backend", "backend.kind"),
];

/// A key in which profiles differ, and its value in each of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    pub key: String,
    pub values: Vec<String>,
}

/// The keys in which profiles differ, but those that some of them sweep over, and those of `shown`, which the chart
/// shows anyway. `also` is one that is told although runs don't depend on it.
pub fn differences(profiles: &[&Value], shown: &[&str], also: Option<&str>) -> Vec<Difference> {
    let swept = |key: &str| profiles.iter().any(|p| p.pointer(&format!("/sweep/{key}")).is_some());
    let mut left_out: Vec<&str> = IRRELEVANT.to_vec();
    left_out.extend(SWEPT.iter().filter(|(key, _)| swept(key) || shown.contains(key)).map(|(_, path)| *path));
    let flat: Vec<_> = profiles.iter().map(|p| flattened(p)).collect();
    let mut keys: Vec<&String> = flat.iter().flat_map(BTreeMap::keys).collect();
    keys.sort_unstable();
    keys.dedup();
    let below =
        |key: &str, path: &str| key.strip_prefix(path).is_some_and(|r| r.is_empty() || r.starts_with('.'));
    let differing: Vec<&String> = keys
        .into_iter()
        .filter(|key| also == Some(key.as_str()) || !left_out.iter().any(|path| below(key, path)))
        .filter(|key| flat.iter().any(|f| f.get(*key) != flat[0].get(*key)))
        .collect();
    let value =
        |flat: &BTreeMap<String, String>, key: &str| flat.get(key).map_or("unset".into(), Clone::clone);
    let told = |key: &&String| Difference {
        key: short(key, &differing),
        values: flat.iter().map(|f| value(f, key)).collect(),
    };
    differing.iter().map(told).collect()
}

/// The end of a key that tells it apart from the others.
fn short(key: &str, among: &[&String]) -> String {
    let parts: Vec<&str> = key.split('.').collect();
    let named = parts.iter().rposition(|part| !GENERIC.contains(part)).unwrap_or(0);
    let end = |from: usize| parts[from..].join(".");
    let alone = |end: &String| !among.iter().any(|k| *k != key && k.ends_with(&format!(".{end}")));
    (0..=named).rev().map(end).find(alone).unwrap_or_else(|| key.to_owned())
}

/// `backend.max_batch` → `16`; lists are one value.
fn flattened(profile: &Value) -> BTreeMap<String, String> {
    let mut flat = BTreeMap::new();
    let mut open = vec![(String::new(), profile)];
    while let Some((path, value)) = open.pop() {
        match value {
            Value::Object(table)
                if table.len() == 1 && DISTRIBUTIONS.iter().any(|d| table.contains_key(*d)) =>
            {
                drop(flat.insert(path, distribution(table)));
            }
            Value::Object(table) => open.extend(table.iter().map(|(key, value)| {
                (if path.is_empty() { key.clone() } else { format!("{path}.{key}") }, value)
            })),
            Value::Null => {}
            Value::String(text) => drop(flat.insert(path, text.clone())),
            other => drop(flat.insert(path, other.to_string())),
        }
    }
    flat
}

/// `{"normal": {"mean": 60, "std": 18}}` → `normal 60 ± 18`; `{"uniform": {"min": 1, "max": 9}}` → `uniform 1–9`.
fn distribution(table: &serde_json::Map<String, Value>) -> String {
    let Some((kind, of)) = table.iter().next() else { return String::new() };
    let number = |key: &str| {
        of.get(key).map_or_else(|| "?".to_owned(), |v| v.to_string().trim_end_matches(".0").to_owned())
    };
    match kind.as_str() {
        "uniform" => format!("uniform {}–{}", number("min"), number("max")),
        _ => format!("{kind} {} ± {}", number("mean"), number("std")),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn told(profiles: &[Value], shown: &[&str]) -> Vec<String> {
        let profiles: Vec<&Value> = profiles.iter().collect();
        let all = differences(&profiles, shown, Some("sla.prompt_tokens_per_s"));
        all.into_iter().map(|d| format!("{} {}", d.key, d.values.join("|"))).collect()
    }

    #[test]
    fn only_what_matters_is_told() {
        let of = |batch: u32, theme: &str, clients: u32| {
            json!({
                "profile": { "name": theme }, "ui": { "theme": theme }, "record": { "path": theme },
                "backend": { "kind": "sim", "max_batch": batch }, "load": { "clients": clients },
                "workload": { "seed": batch, "prompt_tokens": 5 },
            })
        };
        let profiles = [of(16, "dusk", 4), of(32, "dawn", 8)];
        assert_eq!(told(&profiles, &[]), ["max_batch 16|32", "clients 4|8"]);
        assert_eq!(told(&profiles, &["clients"]), ["max_batch 16|32"]);
        let mut sweeping = profiles.clone();
        sweeping[1]["sweep"] = json!({ "clients": [1, 2] });
        assert_eq!(told(&sweeping, &[]), ["max_batch 16|32"]);
        assert_eq!(told(&[profiles[0].clone(), profiles[0].clone()], &[]), Vec::<String>::new());
        assert_eq!(told(&[], &[]), Vec::<String>::new());
        let sla = |rate: u32| json!({ "sla": { "prompt_tokens_per_s": rate, "ttft": rate } });
        assert_eq!(told(&[sla(1), sla(2)], &[]), ["prompt_tokens_per_s 1|2"]);
        assert_eq!(told(&[json!(null), json!([1])], &[]), [" unset|[1]"]);
    }

    #[test]
    fn keys_are_as_long_as_they_must_be() {
        let profiles = [
            json!({ "workload": { "prompt_tokens": { "normal": { "mean": 1200.0, "std": 3.5 } } },
                    "a": { "kind": "x", "length": { "uniform": { "min": 1, "max": 9 } } } }),
            json!({ "workload": { "prompt_tokens": 2600 }, "b": { "kind": "y" } }),
        ];
        assert_eq!(
            told(&profiles, &[]),
            [
                "a.kind x|unset",
                "length uniform 1–9|unset",
                "b.kind unset|y",
                "prompt_tokens normal 1200 ± 3.5|2600"
            ]
        );
    }
}
