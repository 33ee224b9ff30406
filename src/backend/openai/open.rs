//! Sends a request, over whichever HTTP is spoken, and looks at what kind of answer comes.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;

use super::fault::{Fault, harmless, words};
use super::head::Head;
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
    One(Box<Wire>),
    /// Over HTTP/2.
    Shared(Box<Stream>),
}

impl Exchange {
    /// The whole body, as far as `limit` bytes; what lies beyond is left.
    ///
    /// # Errors
    /// If the connection breaks before.
    pub async fn body(&mut self, limit: usize) -> Result<Vec<u8>, Fault> {
        let stream = match self {
            Self::One(wire) => return wire.body(limit).await,
            Self::Shared(stream) => stream,
        };
        let mut whole = Vec::new();
        while whole.len() < limit {
            match poll_fn(|cx| stream.poll_data(cx, "its answer was whole")).await {
                None => break,
                Some(data) => {
                    let (data, _) = data?;
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
            Self::One(wire) => wire.read_ns(),
            Self::Shared(stream) => stream.read_ns(),
        }
    }

    /// Keeps the connection for another request, if its body was read to the end.
    pub fn keep(self, server: &Server) {
        if let Self::One(wire) = self {
            server.put_back(wire);
        }
    }
}

/// Sends a request (a GET without a body) and waits for the head of its answer.
///
/// # Errors
/// There is no connection, it breaks, or what comes is no HTTP.
pub async fn exchange(server: &Server, path: &str, body: Option<Vec<u8>>) -> Result<(Head, Exchange), Fault> {
    match server.http() {
        HttpVersion::One => alone(server, path, body).await,
        // Boxed, so that requests over HTTP/1.1 need no room for it.
        HttpVersion::Two => Box::pin(among_others(server, path, body.map(Bytes::from))).await,
    }
}

async fn alone(server: &Server, path: &str, body: Option<Vec<u8>>) -> Result<(Head, Exchange), Fault> {
    let lines = server.lines(path, body.as_ref().map(Vec::len))?;
    let idle = poll_fn(|cx| Poll::Ready(server.idle(cx))).await;
    let used = idle.is_some();
    let mut wire = match idle {
        Some(wire) => wire,
        None => server.connect().await?,
    };
    let answer = match wire.send(lines.clone(), body.unwrap_or_default()).await {
        // An idle connection that the server closed in this very moment: nothing was sent over it.
        Err(Unanswered { unsent: Some(body), .. }) if used => {
            wire = Box::pin(server.connect()).await?;
            wire.send(lines, body).await
        }
        answer => answer,
    };
    let head = answer.map_err(|unanswered| unanswered.fault)?;
    Ok((head, Exchange::One(wire)))
}

async fn among_others(server: &Server, path: &str, body: Option<Bytes>) -> Result<(Head, Exchange), Fault> {
    let mut again = true;
    loop {
        let slot = server.slot().await?;
        let request = server.stream_request(path, body.as_ref())?;
        match shared::send(slot, request, body.clone()).await {
            Ok((head, stream)) => return Ok((Head::of(&head), Exchange::Shared(Box::new(stream)))),
            // A connection that the server was just ending: it did nothing with the request.
            Err(unanswered) if unanswered.untouched && again => again = false,
            Err(unanswered) => return Err(unanswered.fault),
        }
    }
}

/// Sends a request of the load and looks at what kind of answer comes.
///
/// # Errors
/// As [`exchange`] and [`judge`].
pub async fn open(server: Arc<Server>, body: Vec<u8>, whole: bool) -> Result<Answer, Fault> {
    let (head, answer) = exchange(&server, server.path(), Some(body)).await?;
    judge(server, head, answer, whole).await
}

/// Whether an answer is a stream, as far as its head tells.
pub fn is_stream(head: &Head, whole: bool) -> bool {
    head.status.is_success() && !whole && STREAMS.contains(&&*head.media)
}

/// Looks at what kind of answer comes.
///
/// `whole`: no stream is expected, and what comes may call itself anything.
///
/// # Errors
/// Whatever is no stream and no JSON object, told in one line.
pub async fn judge(
    server: Arc<Server>,
    head: Head,
    mut answer: Exchange,
    whole: bool,
) -> Result<Answer, Fault> {
    if !head.status.is_success() {
        return Err(Box::pin(refused(&server, &head, answer)).await);
    }
    match &*head.media {
        // vLLM's /generate calls its answers nothing at all.
        kind if kind == "application/json" || (whole && kind != "text/html") => {
            let json = answer.body(WHOLE).await?;
            if json.len() >= WHOLE {
                return Err(Fault::protocol(format!("the answer is longer than {} MiB", WHOLE >> 20)));
            }
            let at_ns = answer.read_ns();
            answer.keep(&server);
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
async fn refused(server: &Server, head: &Head, mut answer: Exchange) -> Fault {
    if head.status.is_redirection() {
        let to = head.location.as_ref().map_or_else(String::new, |to| format!(" to {}", harmless(to)));
        let status = head.status.as_u16();
        let message = format!("HTTP {status}: the server redirects{to}; set backend.urls to where it serves");
        return Fault { status: Some(status), ..Fault::new(Outcome::FailedHttp, message) };
    }
    let read = answer.error_body().await;
    let fault = Fault::status(head, &words(&read));
    // The connection is not at fault.
    answer.keep(server);
    fault
}
