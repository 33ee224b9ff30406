//! Rules for the keys of `[backend]` that concern servers over HTTP.

use super::check::Check;
use super::check_launch::check_launch;
use super::openai::{Dialect, Endpoint};
use super::{Backend, BackendKind, HttpVersion, Profile};

/// Headers that are made here, or that would carry a key into a recording.
const OWN_HEADERS: [&str; 9] = [
    "host",
    "content-length",
    "content-type",
    "transfer-encoding",
    "connection",
    "accept",
    "upgrade",
    "te",
    "expect",
];
const SECRET_HEADERS: [&str; 6] =
    ["authorization", "proxy-authorization", "cookie", "api-key", "x-api-key", "x-auth-token"];
/// Keys of a body that the load decides.
const OWN_BODY: [&str; 14] = [
    "model",
    "prompt",
    "prompts",
    "messages",
    "inputs",
    "input_data",
    "parameters",
    "stream",
    "max_tokens",
    "max_completion_tokens",
    "max_new_tokens",
    "n",
    "best_of",
    "details",
];
/// Most threads of clients.
const MOST_CLIENT_THREADS: u32 = 64;
/// Most connections to a server.
const MOST_CONNECTIONS: u32 = 10_000;
/// The smallest vocabulary that prompts can be drawn from: the first ids are control tokens.
const LEAST_VOCABULARY: u32 = 100;

/// Checks them.
pub(super) fn check_openai(profile: &Profile, check: &mut Check) {
    let backend = &profile.backend;
    let threads = backend.client_threads.unwrap_or(1);
    check.need((1..=MOST_CLIENT_THREADS).contains(&threads), "backend.client_threads", || {
        format!("must be from 1 to {MOST_CLIENT_THREADS}")
    });
    check.need(backend.kind != BackendKind::Openai || !backend.urls.is_empty(), "backend", || {
        "kind = \"openai\" needs `urls`, e.g. urls = [\"http://127.0.0.1:8000/v1\"]".into()
    });
    if let Some(launch) = &backend.launch {
        check_launch(launch, check);
    }
    check.need(backend.api_key_env.as_deref().is_none_or(is_variable), "backend.api_key_env", || {
        "must be the NAME of an environment variable that holds the key, never the key itself".into()
    });
    check_connections(backend, check);
    check.need(backend.vocabulary.is_none_or(|n| n >= LEAST_VOCABULARY), "backend.vocabulary", || {
        format!("must be {LEAST_VOCABULARY} or more")
    });
    check.need(backend.model.as_deref() != Some(""), "backend.model", || {
        "must not be empty; leave the key out for the first model that the server lists".into()
    });
    check_answers(profile, check);
    for name in backend.headers.keys() {
        let (key, lower) = (format!("backend.headers.{name}"), name.to_ascii_lowercase());
        check.need(!SECRET_HEADERS.contains(&lower.as_str()), &key, || {
            "a key must not stand in a profile, which is recorded; put it into an environment variable and name \
             that by backend.api_key_env"
                .into()
        });
        check
            .need(!OWN_HEADERS.contains(&lower.as_str()), &key, || "this header is set by the client".into());
    }
    for name in backend.body.keys() {
        check.need(!OWN_BODY.contains(&name.as_str()), &format!("backend.body.{name}"), || {
            "this key is set by the load; see backend.model, [workload]".into()
        });
    }
}

/// What can be known of answers that don't tell all.
fn check_answers(profile: &Profile, check: &mut Check) {
    let backend = &profile.backend;
    let dialect = backend.dialect;
    check.need(!(dialect.is_foreign() && backend.endpoint == Endpoint::Chat), "backend.endpoint", || {
        format!("the dialect \"{}\" has no chat; leave the key out", dialect.name())
    });
    let silent = dialect == Dialect::AzureMl || (dialect == Dialect::VllmGenerate && !backend.stream);
    check.need(!silent || backend.tokenizer.is_some(), "backend.tokenizer", || {
        format!(
            "the dialect \"{}\" tells no counts{}; name the model's tokenizer.json here, to count the tokens of its \
             texts",
            dialect.name(),
            if dialect == Dialect::AzureMl { "" } else { " without a stream" }
        )
    });
    let whole = !backend.stream || matches!(dialect, Dialect::AzureMl);
    check.need(!whole || profile.load.ttft_timeout.is_none(), "load.ttft_timeout", || {
        "without a stream no first token is seen; set load.request_timeout instead".into()
    });
}

fn check_connections(backend: &Backend, check: &mut Check) {
    check.need(
        backend.api_key_env.is_none() || backend.api_key_file.is_none(),
        "backend.api_key_file",
        || "`backend.api_key_env` is set too; the key comes from one of them".into(),
    );
    for (key, path) in
        [("backend.api_key_file", &backend.api_key_file), ("backend.ca_file", &backend.ca_file)]
    {
        let empty = path.as_ref().is_some_and(|path| path.as_os_str().is_empty());
        check.need(!empty, key, || "must not be empty; leave the key out for none".into());
    }
    check.need(
        backend.connections.is_none_or(|n| (1..=MOST_CONNECTIONS).contains(&n)),
        "backend.connections",
        || format!("must be 1 to {MOST_CONNECTIONS}"),
    );
    check.need(
        backend.connections.is_none() || backend.http == HttpVersion::Two,
        "backend.connections",
        || "needs http = \"2\": with HTTP/1.1 there are as many connections as requests under way".into(),
    );
    check.need(backend.tls_verify || backend.ca_file.is_none(), "backend.ca_file", || {
        "is of no use with tls_verify = false; leave one of them out".into()
    });
}

pub(super) fn is_variable(name: &str) -> bool {
    let mut chars = name.chars();
    chars.next().is_some_and(|c| c.is_ascii_alphabetic() || c == '_')
        && chars.all(|c| c.is_ascii_alphanumeric() || c == '_')
}
