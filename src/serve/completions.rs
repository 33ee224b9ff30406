//! `POST /v1/completions`: a request of a client becomes one of the backend's, as a run's own would.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};

use axum::Json;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::extract::rejection::JsonRejection;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use http_body::Frame;
use serde::Deserialize;
use serde_json::{Value, json};

use super::api::{Api, error};
use crate::backend::{End, GenerateRequest, Generation, Item};
use crate::event::Outcome;

/// Tokens to generate where the request does not say; OpenAI's.
const MAX_TOKENS: u32 = 16;

/// A request's body.
#[derive(Debug, Deserialize)]
pub struct Asked {
    model: Option<String>,
    prompt: Prompt,
    #[serde(alias = "max_completion_tokens")]
    max_tokens: Option<u32>,
    #[serde(default)]
    stream: bool,
    #[serde(default)]
    stream_options: Option<StreamOptions>,
    #[serde(default)]
    ignore_eos: bool,
    temperature: Option<f64>,
    n: Option<u32>,
    best_of: Option<u32>,
    #[serde(default)]
    echo: bool,
    suffix: Option<Value>,
    stop: Option<Value>,
    logprobs: Option<Value>,
}

#[derive(Debug, Default, Clone, Copy, Deserialize)]
#[serde(default)]
struct StreamOptions {
    include_usage: bool,
    continuous_usage_stats: bool,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Prompt {
    Text(String),
    Ids(Vec<u32>),
    Batch(Vec<Vec<u32>>),
    Texts(Vec<String>),
}

impl Asked {
    /// What is asked for that is not done here.
    fn objection(&self, model: &str) -> Option<String> {
        if let Some(asked) = self.model.as_deref().filter(|asked| *asked != model && *asked != "default") {
            return Some(format!("the model `{asked}` is not served here; there is `{model}`"));
        }
        if self.temperature.is_some_and(|temperature| temperature > 0.0) {
            return Some("sampling is greedy here: temperature must be 0 or left out".into());
        }
        for (key, wanted) in [
            ("n", self.n.is_some_and(|n| n != 1)),
            ("best_of", self.best_of.is_some_and(|n| n != 1)),
            ("echo", self.echo),
            ("suffix", self.suffix.as_ref().is_some_and(|v| !v.is_null())),
            ("stop", self.stop.as_ref().is_some_and(|v| !v.is_null())),
            ("logprobs", self.logprobs.as_ref().is_some_and(|v| !v.is_null())),
        ] {
            if wanted {
                return Some(format!("`{key}` is not done here"));
            }
        }
        None
    }
}

/// The endpoint.
pub async fn completions(State(api): State<Arc<Api>>, asked: Result<Json<Asked>, JsonRejection>) -> Response {
    let asked = match asked {
        Ok(Json(asked)) => asked,
        Err(wrong) => return error(wrong.status(), &wrong.body_text()),
    };
    if let Some(why) = asked.objection(&api.backend.info().model) {
        return error(StatusCode::BAD_REQUEST, &why);
    }
    let prompt = match ids(&api, asked.prompt).await {
        Ok(ids) => ids,
        Err(why) => return error(StatusCode::BAD_REQUEST, &why),
    };
    let number = api.counts.next.fetch_add(1, Ordering::Relaxed);
    let prompt_tokens = prompt.len() as u32;
    let generation = api.backend.generate(GenerateRequest {
        request: number,
        client: 0,
        prompt: prompt.into(),
        max_tokens: asked.max_tokens.unwrap_or(MAX_TOKENS),
        ignore_eos: asked.ignore_eos,
        text: None,
    });
    api.counts.running.fetch_add(1, Ordering::Relaxed);
    let model = api.backend.info().model.clone();
    let answer = Answer {
        under_way: UnderWay { api, ended: false },
        generation,
        head: Head { id: format!("cmpl-{number}"), model, created: jiff::Timestamp::now().as_second() },
        prompt_tokens,
        max_tokens: asked.max_tokens.unwrap_or(MAX_TOKENS),
        options: asked.stream_options.unwrap_or_default(),
        made: 0,
        over: false,
    };
    if asked.stream {
        let kind = [(header::CONTENT_TYPE, "text/event-stream"), (header::CACHE_CONTROL, "no-cache")];
        return (kind, Body::new(answer)).into_response();
    }
    answer.whole().await
}

/// A prompt as token ids.
async fn ids(api: &Arc<Api>, prompt: Prompt) -> Result<Vec<u32>, String> {
    let text = match prompt {
        Prompt::Ids(ids) => return Ok(ids),
        Prompt::Text(text) => text,
        Prompt::Batch(mut batch) => {
            return match (batch.pop(), batch.is_empty()) {
                (Some(ids), true) => Ok(ids),
                _ => Err("one prompt a request, please".into()),
            };
        }
        Prompt::Texts(mut texts) => match (texts.pop(), texts.is_empty()) {
            (Some(text), true) => text,
            _ => return Err("one prompt a request, please".into()),
        },
    };
    let api = api.clone();
    // The engine is asked, and that blocks.
    let encoded = tokio::task::spawn_blocking(move || api.backend.encode_plain(&text)).await;
    encoded.map_err(|error| error.to_string())?.map_err(|error| error.to_string())
}

/// Counts a request as running as long as it lives.
struct UnderWay {
    api: Arc<Api>,
    ended: bool,
}

impl UnderWay {
    fn ends(&mut self, end: &End, prompt_tokens: u32) {
        self.ended = true;
        let counts = &self.api.counts;
        if end.outcome == Outcome::Completed {
            counts.completed.fetch_add(1, Ordering::Relaxed);
            counts.prompt_tokens.fetch_add(prompt_tokens.into(), Ordering::Relaxed);
            counts.output_tokens.fetch_add(end.output_tokens.into(), Ordering::Relaxed);
        } else {
            counts.failed.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.api.counts.running.fetch_sub(1, Ordering::Relaxed);
        if !self.ended {
            self.api.counts.failed.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// What is the same in all objects of an answer.
struct Head {
    id: String,
    model: String,
    created: i64,
}

impl Head {
    fn object(&self, choices: &Value) -> Value {
        json!({
            "id": self.id, "object": "text_completion", "created": self.created, "model": self.model, "choices": choices,
        })
    }
}

fn choice(text: &str, finish_reason: Option<&str>) -> Value {
    json!([{ "index": 0, "text": text, "logprobs": null, "finish_reason": finish_reason }])
}

/// An answer under way. As a body it is the stream; dropping it cancels the request.
struct Answer {
    under_way: UnderWay,
    generation: Box<dyn Generation>,
    head: Head,
    prompt_tokens: u32,
    max_tokens: u32,
    options: StreamOptions,
    made: u32,
    over: bool,
}

impl Answer {
    fn usage(&self, made: u32) -> Value {
        json!({
            "prompt_tokens": self.prompt_tokens, "completion_tokens": made, "total_tokens": self.prompt_tokens + made,
        })
    }

    fn event(&self, choices: &Value, made: Option<u32>) -> String {
        let mut object = self.head.object(choices);
        if let Some(made) = made {
            object["usage"] = self.usage(made);
        }
        format!("data: {object}\n\n")
    }

    fn chunk(&mut self, tokens: u32, text: Option<&str>) -> Bytes {
        self.made += tokens;
        let counted = self.options.continuous_usage_stats.then_some(self.made);
        self.event(&choice(text.unwrap_or_default(), None), counted).into()
    }

    fn reason(&self, end: &End) -> &'static str {
        if end.output_tokens >= self.max_tokens { "length" } else { "stop" }
    }

    /// The last events of a stream.
    fn last(&mut self, end: &End) -> Bytes {
        self.over = true;
        self.under_way.ends(end, self.prompt_tokens);
        if end.outcome != Outcome::Completed {
            let message = end.error.as_deref().unwrap_or("the generation failed");
            let object = json!({ "error": { "message": message, "type": "server_error" } });
            return format!("data: {object}\n\ndata: [DONE]\n\n").into();
        }
        let counted = self.options.continuous_usage_stats.then_some(end.output_tokens);
        let mut text = self.event(&choice("", Some(self.reason(end))), counted);
        if self.options.include_usage {
            text.push_str(&self.event(&json!([]), Some(end.output_tokens)));
        }
        text.push_str("data: [DONE]\n\n");
        text.into()
    }

    /// The answer in one piece.
    async fn whole(mut self) -> Response {
        let mut text = String::new();
        let end = loop {
            match self.generation.next().await {
                Item::Prefill { .. } => {}
                Item::Chunk { text: piece, .. } => text.push_str(piece.as_deref().unwrap_or_default()),
                Item::End(end) => break end,
            }
        };
        self.under_way.ends(&end, self.prompt_tokens);
        if end.outcome != Outcome::Completed {
            return error(status(end.outcome), end.error.as_deref().unwrap_or("the generation failed"));
        }
        let mut object = self.head.object(&choice(&text, Some(self.reason(&end))));
        object["usage"] = self.usage(end.output_tokens);
        Json(object).into_response()
    }
}

/// What a failure is over HTTP.
fn status(outcome: Outcome) -> StatusCode {
    match outcome {
        Outcome::FailedOverload => StatusCode::SERVICE_UNAVAILABLE,
        Outcome::FailedProtocol => StatusCode::BAD_REQUEST,
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

impl http_body::Body for Answer {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        if self.over {
            return Poll::Ready(None);
        }
        loop {
            let bytes = match std::task::ready!(self.generation.poll_item(cx)) {
                Item::Prefill { .. } => continue,
                Item::Chunk { tokens, text, .. } => self.chunk(tokens, text.as_deref()),
                Item::End(end) => self.last(&end),
            };
            return Poll::Ready(Some(Ok(Frame::data(bytes))));
        }
    }
}
