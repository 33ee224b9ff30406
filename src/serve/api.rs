//! The routes: models, health, metrics, completions; and what the embedded engine adds, its chat.

use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::json;
use tokio::net::{TcpListener, TcpStream};

use super::completions;
use crate::backend::Backend;

/// The longest request body: a prompt of a million token ids.
const BODY_LIMIT: usize = 16 * 1024 * 1024;

/// What every handler needs.
pub struct Api {
    pub backend: Arc<dyn Backend>,
    pub counts: Counts,
}

/// Totals since the start, for `/metrics`.
#[derive(Debug, Default)]
pub struct Counts {
    pub running: AtomicU32,
    pub completed: AtomicU64,
    pub failed: AtomicU64,
    pub prompt_tokens: AtomicU64,
    pub output_tokens: AtomicU64,
    /// Numbers requests.
    pub next: AtomicU64,
}

/// All routes; `key` is asked for everywhere but at `/health`.
pub fn routes(backend: Arc<dyn Backend>, key: Option<Arc<str>>) -> Router {
    let chat = backend.chat_routes();
    let api = Arc::new(Api { backend, counts: Counts::default() });
    let mut open = Router::new()
        .route("/v1/models", get(models))
        .route("/v1/completions", post(completions::completions))
        .route("/metrics", get(metrics))
        .with_state(api.clone());
    if let Some(chat) = chat {
        open = open.merge(chat);
    }
    if let Some(key) = key {
        open = open.layer(middleware::from_fn(move |headers: HeaderMap, request: Request, next: Next| {
            let key = key.clone();
            async move { if is_key(&headers, &key) { next.run(request).await } else { refused() } }
        }));
    }
    open.route("/health", get(health).with_state(api))
        .fallback(|| async { error(StatusCode::NOT_FOUND, "there is no such endpoint here") })
        .layer(DefaultBodyLimit::max(BODY_LIMIT))
}

/// Compares every byte, whatever the first that differs: how long it takes tells nothing of the key.
fn is_key(headers: &HeaderMap, key: &str) -> bool {
    let sent = headers.get(header::AUTHORIZATION).map(axum::http::HeaderValue::as_bytes).unwrap_or_default();
    let sent = sent.strip_prefix(b"Bearer ").unwrap_or_default();
    sent.len() == key.len() && sent.iter().zip(key.bytes()).fold(0, |differs, (a, b)| differs | (a ^ b)) == 0
}

fn refused() -> Response {
    error(StatusCode::UNAUTHORIZED, "this server wants its key: Authorization: Bearer KEY")
}

/// An error as OpenAI's API words it.
pub fn error(status: StatusCode, message: &str) -> Response {
    let kind = if status.is_server_error() { "server_error" } else { "invalid_request_error" };
    (status, Json(json!({ "error": { "message": message, "type": kind, "code": status.as_u16() } })))
        .into_response()
}

async fn models(State(api): State<Arc<Api>>) -> Response {
    let info = api.backend.info();
    let model = json!({
        "id": info.model,
        "object": "model",
        "owned_by": "fastgen-tui",
        "max_model_len": info.context_tokens,
        "vocab_size": api.backend.vocabulary(),
    });
    Json(json!({ "object": "list", "data": [model] })).into_response()
}

async fn health(State(api): State<Arc<Api>>) -> Response {
    match api.backend.health() {
        Ok(()) => Json(json!({ "status": "ok" })).into_response(),
        Err(why) => error(StatusCode::SERVICE_UNAVAILABLE, &why.to_string()),
    }
}

/// Prometheus' text format.
async fn metrics(State(api): State<Arc<Api>>) -> Response {
    let counts = &api.counts;
    let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
    let gauges = api.backend.gauges();
    let mut rows = vec![
        ("requests_in_flight", "gauge", u64::from(counts.running.load(Ordering::Relaxed))),
        ("requests_completed_total", "counter", read(&counts.completed)),
        ("requests_failed_total", "counter", read(&counts.failed)),
        ("prompt_tokens_total", "counter", read(&counts.prompt_tokens)),
        ("generation_tokens_total", "counter", read(&counts.output_tokens)),
    ];
    rows.extend(gauges.running.map(|n| ("engine_running", "gauge", u64::from(n))));
    rows.extend(gauges.waiting.map(|n| ("engine_waiting", "gauge", u64::from(n))));
    let mut text = String::new();
    for (name, kind, value) in rows {
        let written = writeln!(text, "# TYPE fastgen_{name} {kind}\nfastgen_{name} {value}");
        debug_assert!(written.is_ok(), "writing to a string can't fail");
    }
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], text).into_response()
}

/// Tokens must leave when they are made, however small they are.
pub struct NoDelay(pub TcpListener);

impl axum::serve::Listener for NoDelay {
    type Io = TcpStream;
    type Addr = std::net::SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        loop {
            match self.0.accept().await {
                Ok((stream, address)) => {
                    if let Err(error) = stream.set_nodelay(true) {
                        tracing::warn!("no TCP_NODELAY for {address}: {error}");
                    }
                    return (stream, address);
                }
                Err(error) => {
                    tracing::warn!("a connection was not taken: {error}");
                    // Most likely no more files can be opened: some will be closed soon.
                    tokio::time::sleep(std::time::Duration::from_millis(50)).await;
                }
            }
        }
    }

    fn local_addr(&self) -> std::io::Result<Self::Addr> {
        self.0.local_addr()
    }
}
