//! A request under way: from the connection to the end of its stream, all in the task that polls it.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, HeaderMap, LOCATION, RETRY_AFTER};

use super::fault::{Fault, harmless, words};
use super::reading::Reading;
use super::server::{Server, Ticket};
use super::speech::Speech;
use super::watch::PromptWatch;
use super::wire::{Unanswered, Wire};
use crate::backend::{End, Generation, Item};
use crate::clock::Clock;
use crate::event::Outcome;

/// Most of an error's body that is looked at.
const ERROR_BODY: usize = 64 * 1024;
/// Most time for an error's body.
const ERROR_TIME: Duration = Duration::from_secs(5);
/// The longest answer that comes whole in place of a stream.
const WHOLE: usize = 64 * 1024 * 1024;
/// Most time for a connection to come to rest behind `[DONE]`.
const REST: Duration = Duration::from_secs(1);

/// What a request is answered with.
enum Answer {
    Stream(Box<Wire>, Incoming),
    /// One JSON object, and when its last bytes were read.
    Whole(Vec<u8>, u64),
}

type Opening = Pin<Box<dyn Future<Output = Result<Answer, Fault>> + Send>>;

enum State {
    Opening(Opening),
    Streaming(Box<Wire>, Incoming),
    /// All has been read.
    Over,
}

/// What one request needs of its run.
pub struct Order {
    pub ticket: Ticket,
    pub path: String,
    pub body: Vec<u8>,
    pub max_tokens: u32,
    pub clock: Clock,
    /// The server's key: it must not come back in an error.
    pub key: Option<Arc<str>>,
    pub speech: Speech,
    /// No stream was asked for.
    pub whole: bool,
    /// Tokens of the prompt, and who is told if the server counts others.
    pub prompt: (u32, Option<Arc<PromptWatch>>),
    /// Tokens of a text are counted behind the run, if the server doesn't tell.
    pub counted: bool,
}

/// A request over HTTP. Dropping it closes its connection, which cancels it at the server.
pub struct HttpGeneration {
    state: State,
    reading: Reading,
    max_tokens: u32,
    clock: Clock,
    key: Option<Arc<str>>,
    ticket: Option<Ticket>,
    prompt: (u32, Option<Arc<PromptWatch>>),
    counted: bool,
}

impl HttpGeneration {
    /// Nothing is sent before the first poll.
    pub fn begin(order: Order) -> Self {
        let Order { ticket, path, body, max_tokens, clock, key, speech, whole, prompt, counted } = order;
        let opening = Box::pin(open(ticket.0.clone(), path, body, whole));
        Self {
            state: State::Opening(opening),
            reading: Reading::of(speech),
            max_tokens,
            clock,
            key,
            ticket: Some(ticket),
            prompt,
            counted,
        }
    }

    fn opened(&mut self, answer: Result<Answer, Fault>) {
        self.state = match answer {
            Ok(Answer::Stream(wire, body)) => State::Streaming(wire, body),
            Ok(Answer::Whole(json, at_ns)) => {
                self.reading.whole(&json, at_ns, self.counted);
                State::Over
            }
            Err(fault) => {
                self.reading.broke(fault);
                State::Over
            }
        };
    }

    /// Reads on until there is something to hand on; `Pending` if nothing has come.
    fn read_on(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        match &mut self.state {
            State::Opening(opening) => {
                let answer = std::task::ready!(opening.as_mut().poll(cx));
                self.opened(answer);
            }
            State::Streaming(wire, body) => match std::task::ready!(wire.poll_body(cx, body)) {
                Some(Ok(frame)) => {
                    if let Some(data) = frame.data_ref() {
                        self.reading.feed(data, wire.read_ns());
                    }
                }
                Some(Err(error)) => {
                    self.reading.broke(Fault::broken(&error, "the stream was whole"));
                    self.state = State::Over;
                }
                None => {
                    self.reading.over(wire.read_ns(), self.max_tokens);
                    self.keep_wire();
                }
            },
            State::Over => self.reading.over(self.clock.now_ns(), self.max_tokens),
        }
        Poll::Ready(())
    }

    /// The body is read to its end, so the connection can carry another request.
    fn keep_wire(&mut self) {
        if let State::Streaming(wire, _) = std::mem::replace(&mut self.state, State::Over)
            && let Some(ticket) = &self.ticket
        {
            ticket.0.put_back(*wire);
        }
    }

    /// Behind `[DONE]` there is only the end of the body. It usually came with it; if not, somebody else waits.
    fn let_rest(&mut self, cx: &mut Context<'_>) {
        let State::Streaming(wire, body) = &mut self.state else { return };
        if !self.reading.is_well() {
            self.state = State::Over;
            return;
        }
        loop {
            match wire.poll_body(cx, body) {
                Poll::Ready(Some(Ok(_))) => {}
                Poll::Ready(Some(Err(_))) => {
                    self.state = State::Over;
                    return;
                }
                Poll::Ready(None) => return self.keep_wire(),
                Poll::Pending => break,
            }
        }
        if let State::Streaming(mut wire, mut body) = std::mem::replace(&mut self.state, State::Over)
            && let Some(server) = self.ticket.as_ref().map(|ticket| ticket.0.clone())
        {
            tokio::spawn(async move {
                let rest = wire.body(&mut body, ERROR_BODY);
                if matches!(tokio::time::timeout(REST, rest).await, Ok(Ok(rest)) if rest.len() < ERROR_BODY) {
                    server.put_back(*wire);
                }
            });
        }
    }

    fn end(&mut self) -> End {
        let mut end = self.reading.end();
        if let (Some(error), Some(key)) = (&end.error, &self.key)
            && error.contains(&**key)
        {
            end.error = Some(error.replace(&**key, "***").into());
        }
        if let (asked, Some(watch), Some(told)) = (self.prompt.0, &self.prompt.1, end.prompt_tokens) {
            watch.compare(asked, told);
        }
        self.ticket = None;
        end
    }
}

impl Generation for HttpGeneration {
    fn poll_item(&mut self, cx: &mut Context<'_>) -> Poll<Item> {
        loop {
            if let Some((at_ns, tokens)) = self.reading.next_chunk() {
                return Poll::Ready(Item::Chunk { at_ns: Some(at_ns), tokens, text: None });
            }
            if self.reading.is_over() {
                self.let_rest(cx);
                return Poll::Ready(Item::End(self.end()));
            }
            std::task::ready!(self.read_on(cx));
        }
    }

    fn take_text(&mut self) -> String {
        self.reading.take_text()
    }
}

/// A request that can't be sent at all.
pub struct Refused(pub &'static str);

impl Generation for Refused {
    fn poll_item(&mut self, _: &mut Context<'_>) -> Poll<Item> {
        let mut reading = Reading::default();
        reading.broke(Fault::new(Outcome::FailedEngine, self.0));
        Poll::Ready(Item::End(reading.end()))
    }
}

/// Sends a request and looks at what kind of answer comes.
async fn open(server: Arc<Server>, path: String, body: Vec<u8>, whole: bool) -> Result<Answer, Fault> {
    let request = server.request(&path, Some(body))?;
    let mut wire = server.wire().await?;
    let answer = match wire.send(request).await {
        // An idle connection that the server closed in this very moment: nothing was sent over it.
        Err(Unanswered { unsent: Some(request), .. }) if wire.used => {
            wire = server.connect().await?;
            wire.send(request).await
        }
        answer => answer,
    };
    let (head, mut body) = answer.map_err(|unanswered| unanswered.fault)?.into_parts();
    let text = |name| head.headers.get(name).and_then(|value| value.to_str().ok());
    if head.status.is_redirection() {
        let to = text(LOCATION).map_or_else(String::new, |to| format!(" to {}", harmless(to)));
        let message = format!(
            "HTTP {}: the server redirects{to}; set backend.urls to where it serves",
            head.status.as_u16()
        );
        return Err(Fault::new(Outcome::FailedHttp, message));
    }
    if !head.status.is_success() {
        let read = tokio::time::timeout(ERROR_TIME, wire.body(&mut body, ERROR_BODY)).await;
        let read = read.unwrap_or_else(|_| Ok(Vec::new())).unwrap_or_default();
        let fault = Fault::status(head.status, text(RETRY_AFTER), &words(&read));
        // The connection is not at fault.
        if read.len() < ERROR_BODY && wire.is_free().await {
            server.put_back(wire);
        }
        return Err(fault);
    }
    match kind(&head.headers).as_str() {
        // vLLM's /generate calls its answers nothing at all.
        kind if kind == "application/json" || (whole && kind != "text/html") => {
            let json = wire.body(&mut body, WHOLE).await?;
            if json.len() >= WHOLE {
                return Err(Fault::protocol(format!("the answer is longer than {} MiB", WHOLE >> 20)));
            }
            let at_ns = wire.read_ns();
            server.put_back(wire);
            Ok(Answer::Whole(json, at_ns))
        }
        "text/html" => {
            let read = tokio::time::timeout(ERROR_TIME, wire.body(&mut body, ERROR_BODY)).await;
            let seen = words(&read.unwrap_or_else(|_| Ok(Vec::new())).unwrap_or_default());
            Err(Fault::protocol(format!(
                "the server answers with a web page; is the URL right? It says: {seen}"
            )))
        }
        _ => Ok(Answer::Stream(Box::new(wire), body)),
    }
}

/// The media type of an answer, without its parameters.
fn kind(headers: &HeaderMap) -> String {
    let value = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}
