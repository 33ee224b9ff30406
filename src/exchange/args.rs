//! A result file's `args`: the command line of the original, of either generation.
//!
//! The first generation has `client_num`, `prompt_length`, `max_new_tokens`, `num_queries`, `vllm`, and tells
//! model, tensor parallelism and batch size only in the name of its deployment, e.g. `llama2-7b-tp1-b768`. The
//! second has `num_clients`, `mean_prompt_length`, `mean_max_new_tokens`, `num_requests`, `backend`, and a key for
//! each of the others.

use serde_json::{Map, Value};

use super::response::{kind, shown};

/// FastGen's own default of its ragged batch.
const MAX_BATCH: u32 = 768;
/// FastGen's standard deviation of lengths, as a share of their mean.
const VARIATION: f64 = 0.3;
/// More clients than this are a slip, as in a profile.
const MOST_CLIENTS: u64 = 100_000;
/// A longer mean is no length of a prompt.
const MOST_TOKENS: u64 = 1 << 30;

/// What was run.
#[derive(Debug, Clone, PartialEq)]
pub struct Args {
    /// `fastgen`, `vllm`, `aml`, `openai`.
    pub backend: String,
    /// A hub id, or what the deployment's name tells; empty if nothing does.
    pub model: String,
    /// `model` is a hub id.
    pub hub: bool,
    pub clients: u32,
    pub tensor_parallel: u32,
    pub replicas: u32,
    pub max_batch: u32,
    /// Means that were asked for.
    pub prompt_tokens: Option<u32>,
    pub output_tokens: Option<u32>,
    /// Standard deviations as a share of the mean.
    pub prompt_variation: f64,
    pub output_variation: f64,
    pub max_prompt_tokens: Option<u32>,
    pub requests: Option<u64>,
    pub warmup: u32,
}

impl Args {
    /// Reads a file's `args`; `name` is the file's own name without its ending, which may tell what they don't.
    ///
    /// # Errors
    /// What is missing or wrong, with the key.
    pub fn read(value: &Value, name: &str) -> Result<Self, String> {
        let Value::Object(args) = value else {
            return Err(format!("its `args` is {}, not an object", kind(value)));
        };
        let look = Look(args);
        let clients = look.number(&["num_clients", "client_num"], MOST_CLIENTS)?.ok_or(
            "its `args` has neither `num_clients` nor `client_num`: it is no result of FastGen's benchmark",
        )?;
        let text = |key: &str| args.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
        let deployment = text("deployment_name");
        let told = Told::of(&deployment).or(Told::of(name));
        let hub = text("model");
        let count = |keys: &[&str], told: Option<u32>, usual| {
            Ok::<u32, String>(look.number(keys, MOST_TOKENS)?.or(told).unwrap_or(usual))
        };
        Ok(Self {
            backend: look.backend(),
            hub: hub.contains('/'),
            tensor_parallel: count(&["tp_size"], told.tensor_parallel, 1)?,
            replicas: count(&["num_replicas"], told.replicas, 1)?,
            max_batch: count(&["max_ragged_batch_size"], told.max_batch, MAX_BATCH)?,
            model: if hub.is_empty() { told.model } else { hub },
            clients,
            prompt_tokens: look.number(&["mean_prompt_length", "prompt_length"], MOST_TOKENS)?,
            output_tokens: look.number(&["mean_max_new_tokens", "max_new_tokens"], MOST_TOKENS)?,
            prompt_variation: look.share("prompt_length_var")?,
            output_variation: look.share("max_new_tokens_var")?,
            max_prompt_tokens: look.number(&["max_prompt_length"], MOST_TOKENS)?,
            requests: look.number(&["num_requests", "num_queries"], MOST_TOKENS)?.map(u64::from),
            warmup: args
                .get("warmup")
                .and_then(Value::as_u64)
                .and_then(|n| u32::try_from(n).ok())
                .unwrap_or(1),
        })
    }
}

struct Look<'a>(&'a Map<String, Value>);

impl Look<'_> {
    fn backend(&self) -> String {
        match self.0.get("backend").and_then(Value::as_str) {
            Some(given) if !given.is_empty() => given.to_owned(),
            _ if self.0.get("vllm").and_then(Value::as_bool) == Some(true) => "vllm".into(),
            _ => "fastgen".into(),
        }
    }

    /// The first of these keys that is there and not null: a whole number from 1 to `most`.
    fn number(&self, keys: &[&str], most: u64) -> Result<Option<u32>, String> {
        let found = keys.iter().find_map(|key| self.0.get(*key).filter(|v| !v.is_null()).map(|v| (key, v)));
        let Some((key, value)) = found else { return Ok(None) };
        let whole = value.as_u64().or_else(|| value.as_f64().filter(|x| x.fract() == 0.0).map(|x| x as u64));
        match whole.filter(|n| (1..=most).contains(n)).and_then(|n| u32::try_from(n).ok()) {
            Some(number) => Ok(Some(number)),
            None => {
                Err(format!("`args.{key}` is {}; expected a whole number from 1 to {most}", shown(value)))
            }
        }
    }

    fn share(&self, key: &str) -> Result<f64, String> {
        let Some(value) = self.0.get(key).filter(|v| !v.is_null()) else { return Ok(VARIATION) };
        value
            .as_f64()
            .filter(|share| (0.0..=1e6).contains(share))
            .ok_or_else(|| format!("`args.{key}` is {}; expected a number of 0 or more", shown(value)))
    }
}

/// What a deployment's name tells: `[vllm-]MODEL-tpN[-bN][_replN]`, with more behind it in a file's name.
#[derive(Debug, Default, PartialEq)]
struct Told {
    model: String,
    tensor_parallel: Option<u32>,
    max_batch: Option<u32>,
    replicas: Option<u32>,
}

impl Told {
    fn of(name: &str) -> Self {
        let mut told = Self::default();
        let Some((model, rest)) = name.rsplit_once("-tp") else { return told };
        model.strip_prefix("vllm-").unwrap_or(model).clone_into(&mut told.model);
        for (i, part) in rest.split(['-', '_']).enumerate() {
            let number = |lead: &str| part.strip_prefix(lead)?.parse::<u32>().ok().filter(|n| *n > 0);
            if i == 0 {
                told.tensor_parallel = number("");
            } else {
                told.max_batch = told.max_batch.or_else(|| number("bs")).or_else(|| number("b"));
                told.replicas = told.replicas.or_else(|| number("replicas")).or_else(|| number("repl"));
            }
        }
        told
    }

    fn or(self, other: Self) -> Self {
        Self {
            model: if self.model.is_empty() { other.model } else { self.model },
            tensor_parallel: self.tensor_parallel.or(other.tensor_parallel),
            max_batch: self.max_batch.or(other.max_batch),
            replicas: self.replicas.or(other.replicas),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn both_generations_say_the_same() {
        let first = json!({
            "max_new_tokens": 60, "deployment_name": "llama2-13b-tp2-b768", "num_queries": 512, "warmup": 1,
            "client_num": 8, "prompt_length": 2600, "use_thread": false, "stream": true, "vllm": false,
        });
        let second = json!({
            "tp_size": 2, "max_ragged_batch_size": 768, "num_replicas": 1, "max_prompt_length": 4000,
            "mean_prompt_length": 2600, "mean_max_new_tokens": 60, "num_clients": 8, "num_requests": 512,
            "prompt_length_var": 0.3, "max_new_tokens_var": 0.3, "warmup": 1, "stream": true,
            "model": "meta-llama/Llama-2-13b-hf", "deployment_name": "mii-deployment", "backend": "fastgen",
        });
        let (first, second) = (Args::read(&first, "x").unwrap(), Args::read(&second, "x").unwrap());
        assert_eq!((first.model.as_str(), first.hub), ("llama2-13b", false));
        assert_eq!((second.model.as_str(), second.hub), ("meta-llama/Llama-2-13b-hf", true));
        let alike = Args { model: String::new(), hub: false, max_prompt_tokens: None, ..second };
        assert_eq!(Args { model: String::new(), ..first }, alike);
    }

    #[test]
    fn names_tell_what_args_do_not() {
        let args = json!({ "client_num": 4, "vllm": true, "deployment_name": "vllm-llama2-70b-tp4" });
        let args = Args::read(&args, "vllm-llama2-70b-tp4_c4_p2600_g60").unwrap();
        assert_eq!((args.backend.as_str(), args.model.as_str()), ("vllm", "llama2-70b"));
        assert_eq!((args.tensor_parallel, args.replicas, args.max_batch), (4, 1, 768));
        let args = Args::read(&json!({ "client_num": 4 }), "llama2-70b-tp4-b512_repl3_c4_p2600_g60").unwrap();
        assert_eq!((args.tensor_parallel, args.replicas, args.max_batch), (4, 3, 512));
        assert_eq!(Told::of("benchmark-deployment"), Told::default());
    }

    #[test]
    fn wrong_values_are_named() {
        for (args, says) in [
            (json!([1]), "is a list"),
            (json!({ "tp_size": 1 }), "neither `num_clients` nor `client_num`"),
            (json!({ "num_clients": 0 }), "`args.num_clients` is 0"),
            (json!({ "num_clients": 2.5 }), "`args.num_clients` is 2.5"),
            (json!({ "client_num": "NaN" }), "`args.client_num` is NaN"),
            (json!({ "num_clients": [1, 2] }), "`args.num_clients` is a list"),
            (json!({ "num_clients": 1, "tp_size": -4 }), "`args.tp_size` is -4"),
            (json!({ "num_clients": 1, "prompt_length_var": "much" }), "`args.prompt_length_var` is a text"),
        ] {
            let error = Args::read(&args, "x").unwrap_err();
            assert!(error.contains(says), "{args}: {error}");
        }
    }
}
