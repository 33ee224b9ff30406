//! Servers' ways of speaking the protocol: which of the keys beyond OpenAI's they take.

use serde_json::{Map, Value, json};

use super::speech::Kind;
use crate::profile::{Backend, Dialect, Endpoint, Profile, PromptAs};

/// What a server takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Habits {
    /// As notes and messages name it.
    pub name: &'static str,
    /// The API that is spoken.
    pub kind: Kind,
    /// Prompts as token ids.
    pub token_prompts: bool,
    /// `ignore_eos`
    pub ignore_eos: bool,
    /// `min_tokens`
    pub min_tokens: bool,
    /// `stream_options.include_usage`: counts at the end of a stream.
    pub usage: bool,
    /// `stream_options.continuous_usage_stats`: exact counts in every chunk.
    pub continuous_usage: bool,
    /// `cache_prompt`
    pub cache_prompt: bool,
}

const PLAIN: Habits = Habits {
    name: "OpenAI",
    kind: Kind::Openai,
    token_prompts: true,
    ignore_eos: false,
    min_tokens: false,
    usage: true,
    continuous_usage: false,
    cache_prompt: false,
};
const VLLM: Habits =
    Habits { name: "vLLM", ignore_eos: true, min_tokens: true, continuous_usage: true, ..PLAIN };
const SGLANG: Habits = Habits { name: "SGLang", ..VLLM };
/// Owner of the model of this program's own `serve`.
pub const OURS: &str = "fastgen-tui";
/// `serve` itself.
const SERVED: Habits =
    Habits { name: "fastgen-tui serve", ignore_eos: true, continuous_usage: true, ..PLAIN };
const LLAMA_CPP: Habits = Habits { name: "llama.cpp", ignore_eos: true, cache_prompt: true, ..PLAIN };
const TGI: Habits = Habits { name: "TGI", kind: Kind::Tgi, token_prompts: false, ..PLAIN };
const TGI_CHAT: Habits = Habits { kind: Kind::Openai, ..TGI };
const MII_GATEWAY: Habits =
    Habits { name: "MII", kind: Kind::MiiGateway, ignore_eos: true, usage: false, ..TGI };
const MII_TEXT: Habits = Habits { kind: Kind::MiiText, ignore_eos: false, min_tokens: true, ..MII_GATEWAY };
// Of a list of ids it would make a prompt each.
const MII_OPENAI: Habits = Habits { name: "MII's OpenAI server", kind: Kind::Openai, ..MII_TEXT };
const VLLM_GENERATE: Habits =
    Habits { name: "vLLM's /generate", kind: Kind::VllmGenerate, ignore_eos: true, usage: false, ..TGI };
const AZURE_ML: Habits = Habits { name: "Azure ML", kind: Kind::AzureMl, usage: false, ..TGI };

/// The habits of a dialect. With `auto` it is this program's own server if that owns the model, else plain OpenAI.
/// `prefix`: the path of the base URL.
pub fn habits(dialect: Dialect, endpoint: Endpoint, prefix: &str, owned_by: Option<&str>) -> Habits {
    match dialect {
        Dialect::Auto if owned_by == Some(OURS) => SERVED,
        Dialect::Auto => PLAIN,
        Dialect::Vllm => VLLM,
        Dialect::Sglang => SGLANG,
        Dialect::LlamaCpp => LLAMA_CPP,
        Dialect::Tgi if endpoint == Endpoint::Chat => TGI_CHAT,
        Dialect::Tgi => TGI,
        Dialect::Mii if prefix.ends_with("/generate") => MII_TEXT,
        Dialect::Mii => MII_GATEWAY,
        Dialect::MiiOpenai => MII_OPENAI,
        Dialect::VllmGenerate => VLLM_GENERATE,
        Dialect::AzureMl => AZURE_ML,
    }
}

/// The dialect that the owner in a server's list of models tells.
pub fn by_owner(owned_by: &str) -> Option<Dialect> {
    Some(match owned_by {
        "vllm" => Dialect::Vllm,
        "sglang" => Dialect::Sglang,
        "llamacpp" => Dialect::LlamaCpp,
        "deepspeed-mii" => Dialect::MiiOpenai,
        _ => return None,
    })
}

/// The key of what a stream holds beside its text.
const STREAM_OPTIONS: &str = "stream_options";

impl Habits {
    /// The keys of a request's body to OpenAI's endpoints that are the same in all.
    pub fn fixed_body(&self, backend: &Backend, model: &str) -> Map<String, Value> {
        self.fixed(backend, model, false)
    }

    /// The same for a request whose answer is counted in each event. `None` where that can't be asked for, or where the
    /// profile says itself what is.
    pub fn counting_body(&self, backend: &Backend, model: &str) -> Option<Map<String, Value>> {
        let can = self.continuous_usage && self.usage && backend.stream;
        (can && !backend.body.contains_key(STREAM_OPTIONS)).then(|| self.fixed(backend, model, true))
    }

    fn fixed(&self, backend: &Backend, model: &str, each: bool) -> Map<String, Value> {
        let mut body = Map::new();
        body.insert("model".into(), model.into());
        body.insert("stream".into(), backend.stream.into());
        if backend.stream && self.usage {
            let mut usage = json!({ "include_usage": true });
            if each {
                usage["continuous_usage_stats"] = true.into();
            }
            body.insert(STREAM_OPTIONS.into(), usage);
        }
        if self.min_tokens && !self.ignore_eos {
            // MII always samples, and divides by the temperature: the most likely token is had this way.
            body.insert("top_k".into(), 1.into());
        } else {
            body.insert("temperature".into(), 0.into());
        }
        if self.cache_prompt {
            body.insert("cache_prompt".into(), backend.prefix_cache.into());
        }
        body
    }

    /// What a reader of the figures must know of how the server was asked. `path`: where requests go.
    pub fn notes(&self, profile: &Profile, path: &str) -> Vec<String> {
        let backend = &profile.backend;
        let mut notes = vec![format!("{} dialect, {path}", self.name)];
        notes.push(match (sent_as(backend, self), profile.workload.prompt_text.is_some()) {
            (_, true) => "a given text as every prompt, counted by the server's usage".into(),
            (PromptAs::Tokens, _) => "prompts as token ids".into(),
            (PromptAs::Text, _) if backend.tokenizer.is_some() => {
                "prompts as text, each word one token of the tokenizer".into()
            }
            (PromptAs::Text, _) => {
                "prompts as text, about a token a word, counted by the server if it tells".into()
            }
        });
        if !self.kind.streams(backend.stream) {
            let why = if backend.stream { "this API does not stream" } else { "backend.stream = false" };
            notes.push(format!("not streamed ({why}): TTFT and gaps between tokens are not known"));
        }
        let exact = self.ignore_eos || self.min_tokens;
        if profile.workload.ignore_eos && !exact && !backend.body.contains_key("ignore_eos") {
            notes.push(
                "the server is not known to take ignore_eos: outputs may end before their length".into(),
            );
        }
        notes
    }
}

/// How prompts are sent: a chat has messages, and those are text, and some servers take nothing else.
pub fn sent_as(backend: &Backend, habits: &Habits) -> PromptAs {
    match backend.endpoint {
        Endpoint::Completions if habits.token_prompts => backend.prompt_as,
        _ => PromptAs::Text,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that fails may panic")]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    const PLACE: Endpoint = Endpoint::Completions;

    #[test]
    fn owners_and_profiles_name_a_dialect() {
        assert_eq!(by_owner("vllm"), Some(Dialect::Vllm));
        assert_eq!(by_owner("sglang"), Some(Dialect::Sglang));
        assert_eq!(by_owner("llamacpp"), Some(Dialect::LlamaCpp));
        assert_eq!(by_owner("deepspeed-mii"), Some(Dialect::MiiOpenai));
        assert_eq!(by_owner("openai"), None);
        assert_eq!(habits(Dialect::Auto, PLACE, "/v1", None), PLAIN);
        assert_eq!(habits(Dialect::Tgi, PLACE, "/v1", None).kind, Kind::Tgi);
        assert_eq!(habits(Dialect::Tgi, Endpoint::Chat, "/v1", None).kind, Kind::Openai);
        assert_eq!(habits(Dialect::Mii, PLACE, "/mii/llama", None).kind, Kind::MiiGateway);
        assert_eq!(habits(Dialect::Mii, PLACE, "/generate", None).kind, Kind::MiiText);
    }

    #[test]
    fn bodies_differ_by_dialect() {
        let backend = Backend::default();
        let each = VLLM.counting_body(&backend, "m").unwrap();
        assert_eq!(each["stream_options"], json!({ "include_usage": true, "continuous_usage_stats": true }));
        assert_eq!(VLLM.fixed_body(&backend, "m")["stream_options"], json!({ "include_usage": true }));
        assert_eq!(PLAIN.counting_body(&backend, "m"), None);
        let plain = PLAIN.fixed_body(&backend, "m");
        assert_eq!(plain["temperature"], 0);
        assert!(plain["stream_options"].get("continuous_usage_stats").is_none());
        assert_eq!(LLAMA_CPP.fixed_body(&backend, "m")["cache_prompt"], false);
        assert!(plain.get("cache_prompt").is_none());
        let mii = MII_OPENAI.fixed_body(&backend, "m");
        assert_eq!(mii["top_k"], 1);
        assert!(mii.get("stream_options").is_none() && mii.get("temperature").is_none());
        let whole = Backend { stream: false, ..Backend::default() };
        let vllm = VLLM.fixed_body(&whole, "m");
        assert!(vllm["stream"] == false && vllm.get("stream_options").is_none());
        assert_eq!(VLLM.counting_body(&whole, "m"), None);
        let own = BTreeMap::from([("stream_options".to_owned(), json!({}))]);
        assert_eq!(VLLM.counting_body(&Backend { body: own, ..Backend::default() }, "m"), None);
    }

    #[test]
    fn notes_tell_what_is_not_known() {
        let mut profile = crate::profile::resolve_in(None, "sim", &[]).unwrap().profile;
        let has = |habits: &Habits, profile: &Profile, word: &str| {
            habits.notes(profile, "/x").iter().any(|note| note.contains(word))
        };
        assert!(has(&PLAIN, &profile, "ignore_eos") && !has(&VLLM, &profile, "ignore_eos"));
        assert!(has(&MII_GATEWAY, &profile, "this API does not stream") && !has(&TGI, &profile, "stream"));
        assert!(has(&TGI, &profile, "about a token a word") && has(&VLLM, &profile, "token ids"));
        profile.backend.stream = false;
        profile.workload.prompt_text = Some("hello".into());
        assert!(has(&TGI, &profile, "backend.stream = false") && has(&VLLM, &profile, "a given text"));
    }
}
