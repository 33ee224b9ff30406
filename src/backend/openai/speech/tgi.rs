//! Text Generation Inference: `POST /generate_stream` and `POST /generate`.
//!
//! Asked with `{"inputs": "…", "parameters": {"max_new_tokens": …, "details": true}}`. Each event of the stream is one
//! token, with its id and its text, which is empty where a character is not whole yet; the last has `generated_text`
//! and `details` with `generated_tokens`, and in newer versions `input_length`. There is no `[DONE]`. An error within
//! the stream is an event with `error` and `error_type`.

use std::borrow::Cow;

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::json;

use super::form::{Form, keys};
use super::{Peek, complaint};
use crate::backend::openai::peek::Usage;

pub(super) fn form() -> Form {
    Form {
        open: "{\"parameters\":{",
        fixed: keys(json!({ "details": true, "do_sample": false })),
        max: "max_new_tokens",
        ignore_eos: false,
        min: None,
        before: "},\"inputs\":\"",
        after: "\"}",
        tokens: false,
    }
}

#[derive(Deserialize)]
struct Event<'a> {
    #[serde(borrow, default)]
    token: Option<Token<'a>>,
    #[serde(borrow, default)]
    generated_text: Option<Cow<'a, str>>,
    #[serde(default)]
    details: Option<Details>,
    #[serde(default)]
    error: Option<serde_json::Value>,
}

#[derive(Deserialize)]
struct Token<'a> {
    #[serde(borrow, default)]
    text: Cow<'a, str>,
    #[serde(default)]
    special: bool,
}

#[derive(Deserialize)]
struct Details {
    #[serde(default)]
    finish_reason: Option<IgnoredAny>,
    #[serde(default)]
    generated_tokens: Option<u32>,
    #[serde(default)]
    input_length: Option<u32>,
}

pub(super) fn look(json: &[u8], text: &mut String) -> Result<Peek, serde_json::Error> {
    let event: Event<'_> = serde_json::from_slice(json)?;
    let mut found = Peek::default();
    if let Some(details) = event.details {
        found.finished = details.finish_reason.is_some();
        found.usage =
            Some(Usage { prompt_tokens: details.input_length, completion_tokens: details.generated_tokens });
    }
    found.error = event.error.and_then(complaint);
    found.choices = event.token.is_some() || event.generated_text.is_some();
    found.finished |= event.generated_text.is_some();
    match (event.token, event.generated_text) {
        (Some(token), _) => {
            found.generated = true;
            if !token.special {
                text.push_str(&token.text);
            }
        }
        (None, Some(whole)) => {
            found.generated = !whole.is_empty();
            text.push_str(&whole);
        }
        (None, None) => {}
    }
    Ok(found)
}
