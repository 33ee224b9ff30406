//! Sends a request, over whichever HTTP is spoken, and looks at what kind of answer comes.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::body::{Bytes, Incoming};
use hyper::header::{CONTENT_TYPE, HeaderMap, HeaderName, LOCATION};
use hyper::http::response::Parts;

use super::fault::{Fault, harmless, text, words};
use super::server::Server;
use super::shared::{self, Stream};
use super::wire::{Unanswered, Wire};
use crate::event::Outcome;
use crate::profile::HttpVersion;

/// Most of an error's body that is looked at.
pub const ERROR_BODY: usize = 64 * 1024;
/// Most time for an error's body.
const ERROR_TIME: Duration = Duration::from_secs(5);
/// The longest answer that comes whole in place of a stream.
const WHOLE: usize = 64 * 1024 * 1024;
/// Tells how long a server keeps a resting connection open.
const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
/// Media types of streams. The second ones are wrong, but servers and proxies send them with the right content.
const STREAMS: [&str; 5] =
    ["text/event-stream", "", "text/plain", "application/octet-stream", "application/x-ndjson"];

/// What a request is answered with.
pub enum Answer {
    Stream(Exchange),
    /// One JSON object, and when its last bytes were read.
    Whole(Vec<u8>, u64),
}

/// A request that was answered, its body still to come.
pub enum Exchange {
    /// Over HTTP/1.1: a connection of its own.
    One(Box<Wire>, Incoming),
    /// Over HTTP/2.
    Shared(Box<Stream>),
}

impl Exchange {
    fn poll_data(&mut self, cx: &mut Context<'_>, during: &str) -> Poll<Option<Result<Bytes, Fault>>> {
        match self {
            Self::One(wire, body) => Poll::Ready(match std::task::ready!(wire.poll_body(cx, body)) {
                Some(Ok(frame)) => Some(Ok(frame.into_data().unwrap_or_default())),
                Some(Err(error)) => Some(Err(Fault::broken(&error, during))),
                None => None,
            }),
            Self::Shared(stream) => {
                stream.poll_data(cx, during).map(|data| data.map(|data| data.map(|(bytes, _)| bytes)))
            }
        }
    }

    /// The whole body, as far as `limit` bytes; what lies beyond is left.
    ///
    /// # Errors
    /// If the connection breaks before.
    pub async fn body(&mut self, limit: usize) -> Result<Vec<u8>, Fault> {
        let mut whole = Vec::new();
        while whole.len() < limit {
            match poll_fn(|cx| self.poll_data(cx, "its answer was whole")).await {
                None => break,
                Some(data) => {
                    let data = data?;
                    whole.extend_from_slice(&data[..data.len().min(limit - whole.len())]);
                }
            }
        }
        Ok(whole)
    }

    /// What there is of an error's body.
    async fn error_body(&mut self) -> Vec<u8> {
        let read = tokio::time::timeout(ERROR_TIME, self.body(ERROR_BODY)).await;
        read.unwrap_or_else(|_| Ok(Vec::new())).unwrap_or_default()
    }

    fn read_ns(&self) -> u64 {
        match self {
            Self::One(wire, _) => wire.read_ns(),
            Self::Shared(stream) => stream.read_ns(),
        }
    }

    /// Keeps the connection for another request, if its body was read to the end.
    pub async fn keep(self, server: &Server) {
        if let Self::One(mut wire, _) = self
            && wire.is_free().await
        {
            server.put_back(*wire);
        }
    }
}

/// Sends a request (a GET without a body) and waits for the head of its answer.
///
/// # Errors
/// There is no connection, it breaks, or what comes is no HTTP.
pub async fn exchange(
    server: &Server,
    path: &str,
    body: Option<Vec<u8>>,
) -> Result<(Parts, Exchange), Fault> {
    match server.http() {
        HttpVersion::One => alone(server, path, body).await,
        // Boxed, so that requests over HTTP/1.1 need no room for it.
        HttpVersion::Two => Box::pin(among_others(server, path, body.map(Bytes::from))).await,
    }
}

async fn alone(server: &Server, path: &str, body: Option<Vec<u8>>) -> Result<(Parts, Exchange), Fault> {
    let request = server.request(path, body)?;
    let mut wire = server.wire().await?;
    let answer = match wire.send(request).await {
        // An idle connection that the server closed in this very moment: nothing was sent over it.
        Err(Unanswered { unsent: Some(request), .. }) if wire.used => {
            wire = Box::pin(server.connect()).await?;
            wire.send(request).await
        }
        answer => answer,
    };
    let (head, body) = answer.map_err(|unanswered| unanswered.fault)?.into_parts();
    if let Some(keep_ns) = text(&head.headers, KEEP_ALIVE).and_then(rest) {
        wire.keep_ns = keep_ns;
    }
    Ok((head, Exchange::One(Box::new(wire), body)))
}

/// How long a connection may rest by its server's `Keep-Alive`, in nanoseconds: a second less than the server waits,
/// because the next request is under way for a while.
fn rest(keep_alive: &str) -> Option<u64> {
    let value = |name: &str| {
        keep_alive
            .split(',')
            .find_map(|part| part.trim().strip_prefix(name)?.strip_prefix('=')?.trim().parse::<u64>().ok())
    };
    if value("max") == Some(0) {
        return Some(0);
    }
    let seconds = value("timeout")?;
    Some(seconds.saturating_sub(1).saturating_mul(1_000_000_000))
}

async fn among_others(server: &Server, path: &str, body: Option<Bytes>) -> Result<(Parts, Exchange), Fault> {
    let mut again = true;
    loop {
        let slot = server.slot().await?;
        let request = server.stream_request(path, body.as_ref())?;
        match shared::send(slot, request, body.clone()).await {
            Ok((head, stream)) => return Ok((head, Exchange::Shared(Box::new(stream)))),
            // A connection that the server was just ending: it did nothing with the request.
            Err(unanswered) if unanswered.untouched && again => again = false,
            Err(unanswered) => return Err(unanswered.fault),
        }
    }
}

/// Sends a request and looks at what kind of answer comes.
///
/// `whole`: no stream is expected, and what comes may call itself anything.
///
/// # Errors
/// Whatever is no stream and no JSON object, told in one line.
pub async fn open(server: Arc<Server>, path: String, body: Vec<u8>, whole: bool) -> Result<Answer, Fault> {
    let (head, mut answer) = exchange(&server, &path, Some(body)).await?;
    if !head.status.is_success() {
        return Err(Box::pin(refused(&server, &head, answer)).await);
    }
    match kind(&head.headers).as_str() {
        // vLLM's /generate calls its answers nothing at all.
        kind if kind == "application/json" || (whole && kind != "text/html") => {
            let json = answer.body(WHOLE).await?;
            if json.len() >= WHOLE {
                return Err(Fault::protocol(format!("the answer is longer than {} MiB", WHOLE >> 20)));
            }
            let at_ns = answer.read_ns();
            answer.keep(&server).await;
            Ok(Answer::Whole(json, at_ns))
        }
        "text/html" => Err(Fault::protocol(format!(
            "the server answers with a web page; is the URL right? It says: {}",
            words(&answer.error_body().await)
        ))),
        kind if STREAMS.contains(&kind) => Ok(Answer::Stream(answer)),
        kind => {
            let kind = harmless(kind);
            Err(Fault::protocol(format!(
                "the server answers with {kind}, which is no event stream; is the URL right? It says: {}",
                words(&answer.error_body().await)
            )))
        }
    }
}

/// An answer that is not 2xx.
async fn refused(server: &Server, head: &Parts, mut answer: Exchange) -> Fault {
    if head.status.is_redirection() {
        let to = text(&head.headers, LOCATION).map_or_else(String::new, |to| format!(" to {}", harmless(to)));
        let status = head.status.as_u16();
        let message = format!("HTTP {status}: the server redirects{to}; set backend.urls to where it serves");
        return Fault { status: Some(status), ..Fault::new(Outcome::FailedHttp, message) };
    }
    let read = answer.error_body().await;
    let fault = Fault::status(head, &words(&read));
    // The connection is not at fault.
    if read.len() < ERROR_BODY {
        answer.keep(server).await;
    }
    fault
}

/// The media type of an answer, without its parameters.
fn kind(headers: &HeaderMap) -> String {
    let value = text(headers, CONTENT_TYPE).unwrap_or_default();
    value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::rest;

    #[test]
    fn a_connection_rests_a_second_less_than_its_server_waits() {
        assert_eq!(rest("timeout=5, max=100"), Some(4_000_000_000));
        assert_eq!(rest("max=3,timeout=1"), Some(0));
        assert_eq!(rest("timeout=60, max=0"), Some(0));
        assert_eq!(rest("timeout=soon"), None);
        assert_eq!(rest(""), None);
    }
}
