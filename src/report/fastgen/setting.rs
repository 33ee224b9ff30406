//! What a stage ran with, so that stages can be put beside those that differ in one thing only.

use serde_json::Value;

/// The parameters of a stage that FastGen's plots tell apart: the recording's profile under the sweep's values.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Setting {
    /// The backend's kind; a sweep may name it otherwise.
    pub backend: String,
    /// A shape, a hub id, or a file's name without its ending; empty if nothing tells.
    pub model: String,
    pub quantization: String,
    pub max_batch: Option<u64>,
    pub replicas: u32,
    pub tensor_parallel: u32,
    /// Mean prompt and output tokens that were asked for.
    pub prompt_tokens: Option<f64>,
    pub output_tokens: Option<f64>,
    /// Requests/s of an open loop swept over its rate.
    pub rate: Option<f64>,
}

impl Setting {
    /// Of a stage: from the recording's profile and the sweep's values. `model` is what the backend called its
    /// model, for profiles that name none.
    pub fn of(profile: &Value, sweep: &[(String, Value)], model: &str) -> Self {
        let swept = |key: &str| sweep.iter().find(|(k, _)| k == key).map(|(_, value)| value);
        let backend = contender(profile, swept("backend"));
        let base = |path: &str| match backend {
            Some(own) if path.starts_with("/backend") => own,
            Some(own) if path.starts_with("/model") && own.get("model").is_some() => own,
            _ => profile,
        };
        let own = |path: &str| base(path).pointer(path);
        let value = |key: &str, path: &str| swept(key).or_else(|| own(path));
        let text = |key, path| value(key, path).and_then(Value::as_str).unwrap_or_default().to_owned();
        let many = |key, path| {
            let number = value(key, path).and_then(Value::as_u64).and_then(|n| u32::try_from(n).ok());
            number.filter(|n| *n > 0).unwrap_or(1)
        };
        let served = own("/backend/kind").and_then(Value::as_str) == Some("openai") && !model.is_empty();
        // A server has its weights by itself, whatever the profile's are.
        let named = swept("model").or_else(|| own("/model").filter(|_| !served)).and_then(model_name);
        Self {
            backend: text("backend", "/backend/kind"),
            model: named.unwrap_or_else(|| model.to_owned()),
            quantization: text("quantization", "/model/quantization"),
            max_batch: value("max_batch", "/backend/max_batch").and_then(Value::as_u64),
            replicas: many("replicas", "/backend/replicas"),
            tensor_parallel: many("tensor_parallel", "/backend/tensor_parallel"),
            prompt_tokens: value("prompt_tokens", "/workload/prompt_tokens").and_then(mean),
            output_tokens: value("output_tokens", "/workload/output_tokens").and_then(mean),
            rate: swept("rate").and_then(Value::as_f64),
        }
    }

    /// In words, without the load and what a plot varies.
    pub fn label(&self) -> String {
        let mut parts = vec![if self.model.is_empty() { self.backend.clone() } else { self.model.clone() }];
        let mut tell = |name: &str, tokens: Option<f64>| {
            parts.extend(tokens.map(|n| format!("{name} {n}")));
        };
        tell("prompt", self.prompt_tokens);
        tell("generation", self.output_tokens);
        parts.join(", ")
    }
}

/// The backend of a stage that is written out in the sweep, with its weights if it has some of its own.
fn contender<'a>(profile: &'a Value, swept: Option<&Value>) -> Option<&'a Value> {
    let name = swept?.as_str()?;
    let all = profile.pointer("/sweep/backend")?.as_array()?;
    all.iter().find(|value| value.get("name").and_then(Value::as_str) == Some(name))
}

/// The name in a `[model]` table, or in a sweep's value: a text, or such a table.
fn model_name(model: &Value) -> Option<String> {
    if let Some(name) = model.as_str() {
        return Some(stem(name));
    }
    let name = ["dummy", "hub", "path"].into_iter().find_map(|key| model.get(key)?.as_str());
    name.map(stem)
}

/// A path's last part without the ending of a model file; a hub id as it is.
fn stem(name: &str) -> String {
    match name.strip_suffix(".gguf") {
        Some(path) => path.rsplit(['/', '\\']).next().unwrap_or(path).to_owned(),
        None => name.to_owned(),
    }
}

/// The mean of a length: a number, or a distribution.
fn mean(length: &Value) -> Option<f64> {
    if let Some(fixed) = length.as_f64() {
        return Some(fixed);
    }
    for kind in ["normal", "lognormal"] {
        if let Some(mean) = length.get(kind).and_then(|d| d.get("mean")).and_then(Value::as_f64) {
            return Some(mean);
        }
    }
    let uniform = length.get("uniform")?;
    Some(f64::midpoint(uniform.get("min")?.as_f64()?, uniform.get("max")?.as_f64()?))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_sweep_comes_before_the_profile() {
        let profile = json!({
            "backend": { "kind": "sim", "max_batch": 32, "replicas": 1, "tensor_parallel": 2 },
            "model": { "hub": "meta-llama/Llama-2-7b-hf", "quantization": "none" },
            "workload": {
                "prompt_tokens": { "normal": { "mean": 2600.0, "std": 780.0 } },
                "output_tokens": { "uniform": { "min": 40, "max": 80 } },
            },
        });
        let plain = Setting::of(&profile, &[], "said");
        assert_eq!((plain.replicas, plain.tensor_parallel, plain.max_batch), (1, 2, Some(32)));
        assert_eq!((plain.prompt_tokens, plain.output_tokens), (Some(2600.0), Some(60.0)));
        assert_eq!(plain.label(), "meta-llama/Llama-2-7b-hf, prompt 2600, generation 60");
        let sweep: Vec<(String, Value)> = vec![
            ("replicas".into(), 4.into()),
            ("prompt_tokens".into(), 128.into()),
            ("model".into(), json!({ "path": "a/b/some-13b.gguf" })),
            ("rate".into(), 2.5.into()),
        ];
        let swept = Setting::of(&profile, &sweep, "said");
        assert_eq!((swept.replicas, swept.prompt_tokens, swept.rate), (4, Some(128.0), Some(2.5)));
        assert_eq!((swept.model.as_str(), swept.quantization.as_str()), ("some-13b", "none"));
    }

    #[test]
    fn a_backend_that_is_swept_over_brings_its_own() {
        let profile = json!({
            "backend": { "kind": "sim", "replicas": 1, "tensor_parallel": 1, "max_batch": 8 },
            "model": { "dummy": "tiny", "quantization": "q8_0" },
            "workload": { "prompt_tokens": 100 },
            "sweep": { "backend": [
                "sim",
                { "name": "own", "backend": { "kind": "mistralrs", "replicas": 2, "tensor_parallel": 4 },
                  "model": { "hub": "org/some-13b", "quantization": "none" } },
                { "name": "server", "backend": { "kind": "openai", "tensor_parallel": 2 } },
            ] },
        });
        let of = |name: &str, said| Setting::of(&profile, &[("backend".into(), name.into())], said);
        let sim = of("sim", "simulated");
        assert_eq!((sim.model.as_str(), sim.tensor_parallel, sim.max_batch), ("tiny", 1, Some(8)));
        let own = of("own", "");
        assert_eq!((own.replicas, own.tensor_parallel, own.max_batch), (2, 4, None));
        assert_eq!((own.model.as_str(), own.quantization.as_str()), ("org/some-13b", "none"));
        assert_eq!(own.prompt_tokens, Some(100.0));
        let server = of("server", "told-7b");
        assert_eq!((server.model.as_str(), server.tensor_parallel), ("told-7b", 2));
    }

    #[test]
    fn a_profile_that_says_nothing_is_no_obstacle() {
        let bare = Setting::of(&json!({ "backend": { "replicas": "many" } }), &[], "said");
        assert_eq!((bare.model.as_str(), bare.replicas, bare.tensor_parallel), ("said", 1, 1));
        assert_eq!((bare.prompt_tokens, bare.max_batch), (None, None));
        assert_eq!(Setting::of(&Value::Null, &[], "").label(), "");
    }
}
