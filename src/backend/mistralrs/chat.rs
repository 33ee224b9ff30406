//! `POST /v1/chat/completions` of a served engine: messages, templates, tools and streams are the engine's own, from
//! its server's crate. Only the end of a text is ours: the engine is loaded without one (see [`super::engine`]), so
//! each request brings its stop tokens.

use std::sync::Arc;

use axum::Router;
use axum::extract::rejection::JsonRejection;
use axum::extract::{Json, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use mistralrs::{Request, StopTokens};
use mistralrs_server_core::chat_completion::{
    ChatCompletionResponder, create_streamer, handle_error, parse_request, process_non_streaming_response,
};
use mistralrs_server_core::handler_core::{create_response_channel, send_request_with_model};
use mistralrs_server_core::openai::ChatCompletionRequest;
use serde_json::{Value, json};

use super::engine::Engine;

/// The name by which the engine's handlers know the one model that is loaded.
const DEFAULT_MODEL: &str = "default";

struct Chat {
    engines: Vec<Arc<Engine>>,
    model: String,
}

/// The chat endpoint of these engines, which all have the same model.
pub fn routes(engines: Vec<Arc<Engine>>, model: String) -> Router {
    Router::new().route("/v1/chat/completions", post(chat)).with_state(Arc::new(Chat { engines, model }))
}

fn refuse(status: StatusCode, message: &str) -> Response {
    let object =
        json!({ "error": { "message": message, "type": "invalid_request_error", "code": status.as_u16() } });
    (status, Json(object)).into_response()
}

async fn chat(State(chat): State<Arc<Chat>>, body: Result<Json<Value>, JsonRejection>) -> Response {
    let mut body = match body {
        Ok(Json(body)) => body,
        Err(wrong) => return refuse(wrong.status(), &wrong.body_text()),
    };
    let asked = body["model"].as_str().unwrap_or(DEFAULT_MODEL);
    if asked != chat.model && asked != DEFAULT_MODEL {
        let why = format!("the model `{asked}` is not served here; there is `{}`", chat.model);
        return refuse(StatusCode::BAD_REQUEST, &why);
    }
    body["model"] = DEFAULT_MODEL.into();
    let ignore_eos = body["ignore_eos"].as_bool().unwrap_or(false);
    let request: ChatCompletionRequest = match serde_json::from_value(body) {
        Ok(request) => request,
        Err(wrong) => return refuse(StatusCode::BAD_REQUEST, &wrong.to_string()),
    };
    let Some(engine) = chat.engines.iter().min_by_key(|engine| engine.in_flight()) else {
        return refuse(StatusCode::SERVICE_UNAVAILABLE, "there is no engine");
    };
    if let Err(why) = engine.health() {
        // Asked now, the engine's handle would start another engine in silence.
        return refuse(StatusCode::SERVICE_UNAVAILABLE, &why);
    }
    if !engine.facts.chat_template {
        return refuse(StatusCode::BAD_REQUEST, "the model has no chat template; use /v1/completions");
    }
    answer(engine, request, ignore_eos, chat.model.clone()).await
}

async fn answer(
    engine: &Engine,
    request: ChatCompletionRequest,
    ignore_eos: bool,
    model: String,
) -> Response {
    let runner = engine.runner();
    let (sender, mut receiver) = create_response_channel(None);
    let (mut request, streaming) = match parse_request(request, runner.clone(), sender).await {
        Ok(parsed) => parsed,
        Err(error) => return handle_error(runner, error.into()).into_response(),
    };
    if let Request::Normal(normal) = &mut request
        && !ignore_eos
        && normal.sampling_params.stop_toks.is_none()
    {
        normal.sampling_params.stop_toks = Some(StopTokens::Ids(engine.facts.end_tokens.clone()));
    }
    if let Err(error) = send_request_with_model(&runner, request, None).await {
        return handle_error(runner, error.into()).into_response();
    }
    // The engine knows the model by the path of its file, which is nobody's business.
    if streaming {
        let rename = Box::new(move |mut chunk: mistralrs::ChatCompletionChunkResponse| {
            chunk.model.clone_from(&model);
            chunk
        });
        return create_streamer(receiver, runner, Some(rename), None).into_response();
    }
    let mut whole = process_non_streaming_response(&mut receiver, runner).await;
    if let ChatCompletionResponder::Json(response) = &mut whole {
        response.model = model;
    }
    whole.into_response()
}
