//! Servers' ways of speaking the protocol: which of the keys beyond OpenAI's they take.

use serde_json::{Map, Value, json};

use crate::profile::{Backend, Dialect, Endpoint, PromptAs};

/// What a server takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Habits {
    /// As notes and messages name it.
    pub name: &'static str,
    /// `ignore_eos`
    pub ignore_eos: bool,
    /// `min_tokens`
    pub min_tokens: bool,
    /// `stream_options.continuous_usage_stats`: exact counts in every chunk.
    pub continuous_usage: bool,
    /// `cache_prompt`
    pub cache_prompt: bool,
}

const PLAIN: Habits = Habits {
    name: "OpenAI",
    ignore_eos: false,
    min_tokens: false,
    continuous_usage: false,
    cache_prompt: false,
};
const VLLM: Habits =
    Habits { name: "vLLM", ignore_eos: true, min_tokens: true, continuous_usage: true, ..PLAIN };
const SGLANG: Habits = Habits { name: "SGLang", ..VLLM };
/// This program's own `serve`.
const SERVED: Habits =
    Habits { name: "fastgen-tui serve", ignore_eos: true, continuous_usage: true, ..PLAIN };
const LLAMA_CPP: Habits = Habits { name: "llama.cpp", ignore_eos: true, cache_prompt: true, ..PLAIN };

/// The habits that a profile names, or that the owner in the server's list of models tells.
pub fn habits(dialect: Dialect, owned_by: Option<&str>) -> Habits {
    match dialect {
        Dialect::Vllm => VLLM,
        Dialect::Sglang => SGLANG,
        Dialect::LlamaCpp => LLAMA_CPP,
        _ => match owned_by {
            Some("vllm") => VLLM,
            Some("sglang") => SGLANG,
            Some("llamacpp") => LLAMA_CPP,
            Some("fastgen-tui") => SERVED,
            _ => PLAIN,
        },
    }
}

impl Habits {
    /// The keys of a request's body that are the same in all.
    pub fn fixed_body(&self, backend: &Backend, model: &str) -> Map<String, Value> {
        let mut usage = json!({ "include_usage": true });
        if self.continuous_usage {
            usage["continuous_usage_stats"] = true.into();
        }
        let mut body = Map::new();
        body.insert("model".into(), model.into());
        body.insert("stream".into(), true.into());
        body.insert("stream_options".into(), usage);
        body.insert("temperature".into(), 0.into());
        if self.cache_prompt {
            body.insert("cache_prompt".into(), backend.prefix_cache.into());
        }
        for (key, value) in &backend.body {
            body.insert(key.clone(), value.clone());
        }
        body
    }

    /// What a reader of the figures must know of how the server was asked.
    pub fn notes(&self, backend: &Backend, ignore_eos: bool) -> Vec<String> {
        let endpoint = match backend.endpoint {
            Endpoint::Completions => "/completions",
            Endpoint::Chat => "/chat/completions",
        };
        let mut notes = vec![format!("{} dialect, {endpoint}", self.name)];
        notes.push(match sent_as(backend) {
            PromptAs::Tokens => "prompts as token ids".into(),
            PromptAs::Text => "prompts as text, counted by the server's usage".into(),
        });
        if ignore_eos && !self.ignore_eos && !backend.body.contains_key("ignore_eos") {
            notes.push(
                "the server is not known to take ignore_eos: outputs may end before their length".into(),
            );
        }
        notes
    }
}

/// How prompts are sent: a chat has messages, and those are text.
pub fn sent_as(backend: &Backend) -> PromptAs {
    match backend.endpoint {
        Endpoint::Chat => PromptAs::Text,
        Endpoint::Completions => backend.prompt_as,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_known_by_the_owner_of_its_models_unless_told() {
        assert_eq!(habits(Dialect::Auto, Some("vllm")).name, "vLLM");
        assert_eq!(habits(Dialect::Auto, Some("sglang")).name, "SGLang");
        assert_eq!(habits(Dialect::Auto, Some("llamacpp")).name, "llama.cpp");
        assert_eq!(habits(Dialect::Auto, Some("openai")).name, "OpenAI");
        assert_eq!(habits(Dialect::Auto, None).name, "OpenAI");
        assert_eq!(habits(Dialect::LlamaCpp, Some("vllm")).name, "llama.cpp");
    }

    #[test]
    fn bodies_differ_by_dialect_and_the_profiles_keys_win() {
        let mut backend = Backend::default();
        backend.body.insert("temperature".into(), json!(0.7));
        let vllm = VLLM.fixed_body(&backend, "m");
        assert_eq!(vllm["stream_options"]["continuous_usage_stats"], true);
        assert_eq!(vllm["temperature"], 0.7);
        let plain = PLAIN.fixed_body(&backend, "m");
        assert!(plain["stream_options"].get("continuous_usage_stats").is_none());
        assert_eq!(LLAMA_CPP.fixed_body(&backend, "m")["cache_prompt"], false);
        assert!(plain.get("cache_prompt").is_none());
        assert!(PLAIN.notes(&backend, true).last().is_some_and(|n| n.contains("ignore_eos")));
        assert!(!VLLM.notes(&backend, true).last().is_some_and(|n| n.contains("ignore_eos")));
    }
}
