//! What a request's body is made of: what is the same in all, and where a request's own part goes.

use serde_json::{Map, Value, json};

use crate::backend::openai::dialect::{Habits, sent_as};
use crate::profile::{Backend, Endpoint, PromptAs};

/// A body: `open`, the fixed keys, the length, `before`, the prompt, `after`.
#[derive(Debug, Clone, PartialEq)]
pub struct Form {
    /// Braces and keys that hold the fixed keys.
    pub open: &'static str,
    /// Keys that are the same in all requests; the profile's own are added.
    pub fixed: Map<String, Value>,
    /// The key of the most tokens to generate.
    pub max: &'static str,
    /// The server takes `ignore_eos`.
    pub ignore_eos: bool,
    /// The key of the least tokens to generate, where the server takes one.
    pub min: Option<&'static str>,
    /// From the last of these keys to the prompt.
    pub before: &'static str,
    /// Behind the prompt.
    pub after: &'static str,
    /// The prompt as token ids.
    pub tokens: bool,
}

/// For OpenAI's two endpoints.
pub fn openai(habits: &Habits, backend: &Backend, model: &str) -> Form {
    let (before, after) = match (backend.endpoint, sent_as(backend, habits)) {
        (Endpoint::Chat, _) => (",\"messages\":[{\"role\":\"user\",\"content\":\"", "\"}]}"),
        (Endpoint::Completions, PromptAs::Tokens) => (",\"prompt\":[", "]}"),
        (Endpoint::Completions, PromptAs::Text) => (",\"prompt\":\"", "\"}"),
    };
    Form {
        open: "{",
        fixed: habits.fixed_body(backend, model),
        max: "max_tokens",
        ignore_eos: habits.ignore_eos,
        min: habits.min_tokens.then_some("min_tokens"),
        before,
        after,
        tokens: after == "]}",
    }
}

/// Fixed keys from a JSON object.
pub(super) fn keys(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        other => Map::from_iter([("value".to_owned(), other)]),
    }
}

/// A text prompt in a JSON object of its own keys: `{"prompt": "…", …}`.
pub(super) fn plain(stream: bool, more: Value) -> Form {
    let mut fixed = keys(json!({ "stream": stream }));
    fixed.append(&mut keys(more));
    Form {
        open: "{",
        fixed,
        max: "max_tokens",
        ignore_eos: true,
        min: None,
        before: ",\"prompt\":\"",
        after: "\"}",
        tokens: false,
    }
}
