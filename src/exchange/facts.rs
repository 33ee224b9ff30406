//! What a stage ran with: the recording's profile under the sweep's values, in FastGen's terms.
//!
//! Read from the JSON of the header, not through the profile's own schema: a recording of a newer version, with
//! keys unknown here, can be exported too.

use serde_json::{Map, Value, json};

use crate::report::{Run, Stage};

/// The file names and the plots know whole numbers only; this stands where nothing is known.
const UNKNOWN_TOKENS: u64 = 1;

/// A stage's setting.
#[derive(Debug, Clone, PartialEq)]
pub struct Facts {
    /// The folder that the scripts look into: `fastgen`, or an import's own.
    pub backend: String,
    /// A hub id, `dummy/SHAPE`, a file's name without its ending, or `simulated`.
    pub model: String,
    /// The shape of random weights.
    pub shape: Option<String>,
    pub clients: u32,
    pub tensor_parallel: u64,
    pub replicas: u64,
    pub max_batch: u64,
    pub prompt: LengthFacts,
    pub output: LengthFacts,
    pub warmup: u64,
}

/// A length in FastGen's terms.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LengthFacts {
    /// Mean, whole tokens.
    pub mean: u64,
    /// Standard deviation as a share of the mean.
    pub variation: f64,
    pub max: Option<u64>,
}

impl Facts {
    /// Of a stage; `None` without clients, which an open loop has not.
    pub fn of(run: &Run, stage: &Stage) -> Option<Self> {
        let look = Look { profile: &run.header.profile, sweep: &stage.start.sweep };
        let imported = look.profile.pointer("/backend/kind").and_then(Value::as_str) == Some("imported");
        let backend = look.swept("backend").and_then(Value::as_str).unwrap_or(&run.header.engine.kind);
        let (model, shape) = look.model(run.info.as_ref().map_or("", |info| info.model.as_str()));
        Some(Self {
            backend: if imported { plain(backend) } else { "fastgen".into() },
            model: path_safe(&model),
            shape,
            clients: stage.start.clients?,
            tensor_parallel: look.count("tensor_parallel", "/backend/tensor_parallel"),
            replicas: look.count("replicas", "/backend/replicas"),
            max_batch: look.count("max_batch", "/backend/max_batch"),
            prompt: look.length("prompt_tokens", "/workload/prompt_tokens"),
            output: look.length("output_tokens", "/workload/output_tokens"),
            warmup: look
                .profile
                .pointer("/load/warmup_requests_per_client")
                .and_then(Value::as_u64)
                .unwrap_or(1),
        })
    }

    /// The file's name without its ending, as the scripts take it apart.
    pub fn file_stem(&self) -> String {
        format!(
            "{}-tp{}-bs{}-replicas{}-prompt{}-gen{}-clients{}",
            self.model.replace('/', "_"),
            self.tensor_parallel,
            self.max_batch,
            self.replicas,
            self.prompt.mean,
            self.output.mean,
            self.clients
        )
    }

    /// The file's `args`, with the keys of both generations.
    pub fn args(&self, requests: usize, stream: bool, path: &str) -> Value {
        let mut args = Map::new();
        let mut put = |keys: &[&str], value: Value| {
            for key in keys {
                args.insert((*key).to_owned(), value.clone());
            }
        };
        put(&["model"], self.model.as_str().into());
        put(&["backend"], self.backend.as_str().into());
        put(&["deployment_name"], "fastgen-tui".into());
        put(&["tp_size"], self.tensor_parallel.into());
        put(&["max_ragged_batch_size"], self.max_batch.into());
        put(&["num_replicas"], self.replicas.into());
        put(&["num_clients", "client_num"], self.clients.into());
        put(&["num_requests", "num_queries"], requests.into());
        put(&["mean_prompt_length", "prompt_length"], self.prompt.mean.into());
        put(&["mean_max_new_tokens", "max_new_tokens"], self.output.mean.into());
        put(&["max_prompt_length"], self.prompt.max.into());
        put(&["prompt_length_var"], json!(self.prompt.variation));
        put(&["max_new_tokens_var"], json!(self.output.variation));
        put(&["warmup"], self.warmup.into());
        put(&["stream"], stream.into());
        put(&["vllm"], (self.backend == "vllm").into());
        put(&["use_thread", "overwrite_results", "fp6", "client_only"], false.into());
        put(&["cmd", "aml_api_url", "aml_api_key", "openai_api_url", "openai_api_key"], Value::Null);
        put(&["out_json_dir", "out_json_path"], path.into());
        Value::Object(args)
    }
}

struct Look<'a> {
    profile: &'a Value,
    sweep: &'a [(String, Value)],
}

impl<'a> Look<'a> {
    fn swept(&self, key: &str) -> Option<&'a Value> {
        self.sweep.iter().find(|(k, _)| k == key).map(|(_, value)| value)
    }

    fn count(&self, key: &str, path: &str) -> u64 {
        let value = self.swept(key).or_else(|| self.profile.pointer(path));
        value.and_then(Value::as_u64).filter(|n| *n > 0).unwrap_or(1)
    }

    /// The model's name, and its shape if it has random weights; `said` is what the backend calls it.
    fn model(&self, said: &str) -> (String, Option<String>) {
        let table = self.swept("model").or_else(|| self.profile.get("model"));
        let key =
            |key: &str| table.and_then(|t| t.get(key)).and_then(Value::as_str).filter(|s| !s.is_empty());
        if let Some(shape) = key("dummy") {
            return (format!("dummy/{shape}"), Some(shape.to_owned()));
        }
        let name = key("hub").or_else(|| table.and_then(Value::as_str));
        let file = key("path").map(|path| {
            let name = path.trim_end_matches(['/', '\\']).rsplit(['/', '\\']).next().unwrap_or(path);
            name.strip_suffix(".gguf").unwrap_or(name)
        });
        (name.or(file).unwrap_or(said).to_owned(), None)
    }

    /// A sweep's number sets the mean and scales the rest with it.
    fn length(&self, key: &str, path: &str) -> LengthFacts {
        let usual = LengthFacts { mean: UNKNOWN_TOKENS, variation: 0.0, max: None };
        let base = self.profile.pointer(path).and_then(length).unwrap_or(usual);
        match self.swept(key) {
            Some(Value::Number(mean)) => LengthFacts { mean: mean.as_u64().unwrap_or(base.mean), ..base },
            Some(table) => length(table).unwrap_or(base),
            None => base,
        }
    }
}

/// Mean, deviation and bound of a length as a profile writes it.
fn length(value: &Value) -> Option<LengthFacts> {
    let make = |mean: f64, std: f64, max: Option<u64>| {
        let variation = if mean > 0.0 { std / mean } else { 0.0 };
        LengthFacts { mean: mean.round().max(1.0) as u64, variation, max }
    };
    if let Some(fixed) = value.as_f64() {
        return Some(make(fixed, 0.0, value.as_u64()));
    }
    for kind in ["normal", "lognormal"] {
        if let Some(spread) = value.get(kind) {
            let number = |key: &str| spread.get(key).and_then(Value::as_f64);
            return Some(make(number("mean")?, number("std")?, spread.get("max").and_then(Value::as_u64)));
        }
    }
    let uniform = value.get("uniform")?;
    let (min, max) = (uniform.get("min")?.as_f64()?, uniform.get("max")?.as_f64()?);
    Some(make(f64::midpoint(min, max), (max - min) / 12f64.sqrt(), uniform.get("max")?.as_u64()))
}

/// A name that is one part of a path, and plain in the patterns that the scripts search with.
fn plain(name: &str) -> String {
    let keep =
        |c: char| if c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '+') { c } else { '_' };
    let name: String = name.chars().map(keep).collect();
    if name.trim_matches('.').is_empty() { "unknown".into() } else { name }
}

/// Such a name, or two with a slash between them, as a hub id is.
fn path_safe(model: &str) -> String {
    match model.split_once('/') {
        Some((org, name)) => format!("{}/{}", plain(org), plain(name)),
        None => plain(model),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_told_as_mean_and_variation() {
        let facts = |value: Value| length(&value).map(|l| (l.mean, (l.variation * 1e3).round(), l.max));
        assert_eq!(facts(json!(64)), Some((64, 0.0, Some(64))));
        let normal = json!({ "normal": { "mean": 2600.0, "std": 780.0, "min": 1, "max": 4000 } });
        assert_eq!(facts(normal), Some((2600, 300.0, Some(4000))));
        assert_eq!(facts(json!({ "lognormal": { "mean": 256.4, "std": 128.2 } })), Some((256, 500.0, None)));
        assert_eq!(facts(json!({ "uniform": { "min": 32, "max": 160 } })), Some((96, 385.0, Some(160))));
        assert_eq!(facts(json!("long")), None);
    }

    #[test]
    fn models_give_plain_names() {
        let name = |model: Value, said: &str| {
            let (name, shape) = Look { profile: &json!({ "model": model }), sweep: &[] }.model(said);
            (path_safe(&name), shape)
        };
        assert_eq!(name(json!({ "hub": "org/a-7b" }), "x"), ("org/a-7b".into(), None));
        assert_eq!(name(json!({ "dummy": "tiny" }), "x"), ("dummy/tiny".into(), Some("tiny".into())));
        assert_eq!(name(json!({ "path": "/m/Some [1].gguf" }), "x").0, "Some__1_");
        assert_eq!(name(json!({ "quantization": "none" }), "../../etc").0, "unknown/.._etc");
        assert_eq!(name(Value::Null, "").0, "unknown");
    }
}
