//! DeepSpeed-MII: the RESTful gateway of a deployment, and its server for plain texts.
//!
//! The gateway (`enable_restful_api`) takes `POST /mii/NAME` with the prompts and the keyword arguments of `generate`,
//! and answers once, when all is done: a JSON text which holds a JSON list with an object a prompt, with
//! `generated_text`, `prompt_length`, `generated_length` and `finish_reason`. Versions before FastGen answer an object
//! whose `response` is a list of texts, without counts.
//!
//! `mii.entrypoints.api_server` takes `POST /generate` and streams events `{"text": ["…"]}`, each with the text that is
//! new, then `[DONE]`; it tells no counts and has no `ignore_eos`. It always samples: the most likely token is had by
//! `top_k` 1.

use serde::Deserialize;
use serde_json::{Value, json};

use super::form::{Form, keys, plain};
use super::{Peek, Texts, complaint};
use crate::backend::openai::peek::Usage;

/// Where a deployment's gateway is.
const GATEWAY: &str = "/mii/";

pub(super) fn path(prefix: &str, root: &str, deployment: &str) -> String {
    if prefix.contains(GATEWAY) { prefix.to_owned() } else { format!("{root}{GATEWAY}{deployment}") }
}

/// The deployment that a base URL's path names.
pub fn deployment(prefix: &str) -> Option<&str> {
    prefix.split_once(GATEWAY).map(|(_, name)| name).filter(|name| !name.is_empty())
}

pub(super) fn gateway_form() -> Form {
    Form {
        open: "{",
        fixed: keys(json!({ "do_sample": false, "return_full_text": false })),
        max: "max_new_tokens",
        ignore_eos: true,
        min: Some("min_new_tokens"),
        before: ",\"prompts\":[\"",
        after: "\"]}",
        tokens: false,
    }
}

pub(super) fn text_form(stream: bool) -> Form {
    Form { ignore_eos: false, min: Some("min_tokens"), ..plain(stream, json!({ "top_k": 1 })) }
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Response {
    generated_text: Option<String>,
    prompt_length: Option<u32>,
    generated_length: Option<u32>,
}

pub(super) fn look_gateway(json: &[u8], text: &mut String) -> Result<Peek, serde_json::Error> {
    let mut told: Value = serde_json::from_slice(json)?;
    if let Value::String(within) = &told {
        told = serde_json::from_str(within)?;
    }
    let mut found = Peek::default();
    let first = match told {
        Value::Array(list) => list.into_iter().next(),
        Value::Object(mut map) => {
            found.error = map.remove("error").or_else(|| map.remove("message")).and_then(complaint);
            match map.remove("response") {
                Some(Value::Array(list)) => list.into_iter().next(),
                _ => None,
            }
        }
        _ => None,
    };
    let response = match first {
        Some(Value::String(generated)) => Response { generated_text: Some(generated), ..Response::default() },
        Some(other) => serde_json::from_value(other)?,
        None => Response::default(),
    };
    found.usage = response
        .generated_length
        .map(|n| Usage { completion_tokens: Some(n), prompt_tokens: response.prompt_length });
    if let Some(generated) = response.generated_text {
        found.choices = true;
        found.generated = !generated.is_empty();
        found.finished = true;
        text.push_str(&generated);
    }
    Ok(found)
}

pub(super) fn look_text(json: &[u8], text: &mut String) -> Result<Peek, serde_json::Error> {
    let mut found = Peek::default();
    if let Some(new) = Texts::read(json, &mut found)? {
        found.choices = true;
        found.generated = !new.is_empty();
        text.push_str(&new);
    }
    Ok(found)
}
