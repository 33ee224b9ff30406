//! A request under way: from the connection to the end of its stream, all in the task that polls it.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::body::Incoming;

use super::fault::Fault;
use super::open::{Answer, ERROR_BODY, Exchange, open};
use super::reading::Reading;
use super::server::Ticket;
use super::shared::Stream;
use super::speech::Speech;
use super::watch::PromptWatch;
use super::wire::Wire;
use crate::backend::{End, Generation, Item, Refusal};
use crate::clock::Clock;
use crate::event::Outcome;

/// Most time for a connection to come to rest behind `[DONE]`.
const REST: Duration = Duration::from_secs(1);

type Opening = Pin<Box<dyn Future<Output = Result<Answer, Fault>> + Send>>;

enum State {
    Opening(Opening),
    Streaming(Box<Wire>, Incoming),
    /// Over HTTP/2: the connection is somebody else's, too.
    Sharing(Box<Stream>),
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
    refusal: Refusal,
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
            refusal: Refusal::default(),
        }
    }

    fn opened(&mut self, answer: Result<Answer, Fault>) {
        self.state = match answer {
            Ok(Answer::Stream(Exchange::One(wire, body))) => State::Streaming(wire, body),
            Ok(Answer::Stream(Exchange::Shared(stream))) => State::Sharing(stream),
            Ok(Answer::Whole(json, at_ns)) => {
                self.reading.whole(&json, at_ns, self.counted);
                State::Over
            }
            Err(fault) => {
                self.refusal = Refusal { status: fault.status, retry_after: fault.retry_after };
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
            State::Sharing(stream) => match std::task::ready!(stream.poll_data(cx, "the stream was whole")) {
                Some(Ok((data, at_ns))) => self.reading.feed(&data, at_ns),
                Some(Err(fault)) => {
                    self.reading.broke(fault);
                    self.state = State::Over;
                }
                None => {
                    self.reading.over(stream.read_ns(), self.max_tokens);
                    self.state = State::Over;
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

    fn refusal(&self) -> Refusal {
        self.refusal
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
