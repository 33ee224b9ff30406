//! A request under way: from the connection to the end of its stream, all in the task that polls it.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use super::counting::Counting;
use super::fault::Fault;
use super::head::Head;
use super::open::{Answer, ERROR_BODY, Exchange, is_stream, judge, open};
use super::reading::Reading;
use super::server::{Server, Ticket};
use super::shared::Stream;
use super::speech::Speech;
use super::watch::PromptWatch;
use super::wire::{Unanswered, Wire, beside_head};
use crate::backend::moderation::UnderWay;
use crate::backend::{End, Generation, Item, Refusal};
use crate::clock::Clock;
use crate::event::Outcome;

/// Most time for a connection to come to rest behind `[DONE]`.
const REST: Duration = Duration::from_secs(1);
/// What is waited for, for a message.
const WHOLE: &str = "the stream was whole";

type Opening = Pin<Box<dyn Future<Output = Result<Answer, Fault>> + Send>>;

enum State {
    /// Nothing was sent: the request's body.
    New(Vec<u8>),
    /// Whatever takes longer than most: connecting, other answers than a stream, HTTP/2.
    Opening(Opening),
    /// Sent over a connection that was there already.
    Sent(Box<Wire>),
    Streaming(Box<Wire>),
    /// Over HTTP/2: the connection is somebody else's, too.
    Sharing(Box<Stream>),
    /// All has been read.
    Over,
}

/// What one request needs of its run.
pub struct Order {
    pub ticket: Ticket,
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
    /// Who learns how many tokens events hold.
    pub counting: Option<Arc<Counting>>,
}

/// A request over HTTP. Dropping it closes its connection, which cancels it at the server.
pub struct HttpGeneration {
    state: State,
    whole: bool,
    reading: Reading,
    max_tokens: u32,
    clock: Clock,
    key: Option<Arc<str>>,
    ticket: Option<Ticket>,
    prompt: (u32, Option<Arc<PromptWatch>>),
    counted: bool,
    counting: Option<Arc<Counting>>,
    refusal: Refusal,
    _under_way: UnderWay,
}

impl HttpGeneration {
    /// Nothing is sent before the first poll.
    pub fn begin(order: Order) -> Self {
        let Order { ticket, body, max_tokens, clock, key, speech, whole, prompt, counted, counting } = order;
        Self {
            state: State::New(body),
            whole,
            reading: Reading::of(speech, max_tokens),
            max_tokens,
            clock,
            key,
            ticket: Some(ticket),
            prompt,
            counted,
            counting,
            refusal: Refusal::default(),
            _under_way: UnderWay::begin(),
        }
    }

    fn server(&self) -> Option<&Arc<Server>> {
        self.ticket.as_ref().map(|ticket| &ticket.0)
    }

    /// Sends it over a connection that is free, or has one made.
    fn start(&mut self, cx: &mut Context<'_>, body: Vec<u8>) {
        let Some(server) = self.server() else { return };
        self.state = match server.idle(cx) {
            Some(mut wire) => {
                wire.begin(server.post(body.len(), beside_head(body.len())), body);
                State::Sent(wire)
            }
            None => State::Opening(Box::pin(open(server.clone(), body, self.whole))),
        };
    }

    /// The head of the answer has come, or none will.
    fn answered(&mut self, wire: Box<Wire>, head: Result<Head, Unanswered>) {
        let Some(server) = self.server() else { return };
        self.state = match head {
            Ok(head) if is_stream(&head, self.whole) => State::Streaming(wire),
            Ok(head) => {
                let answer = Exchange::One(wire);
                State::Opening(Box::pin(judge(server.clone(), head, answer, self.whole)))
            }
            // The server closed the connection in this very moment: nothing was sent over it.
            Err(Unanswered { unsent: Some(body), .. }) => {
                State::Opening(Box::pin(open(server.clone(), body, self.whole)))
            }
            Err(unanswered) => {
                self.reading.broke(unanswered.fault);
                State::Over
            }
        };
    }

    fn opened(&mut self, answer: Result<Answer, Fault>) {
        self.state = match answer {
            Ok(Answer::Stream(Exchange::One(wire))) => State::Streaming(wire),
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

    /// Goes on until there is something to hand on; `Pending` if nothing has come.
    fn go_on(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        match &mut self.state {
            State::Streaming(wire) => {
                let reading = &mut self.reading;
                let read = wire.poll_data(cx, WHOLE, |data, at_ns| reading.feed(data, at_ns));
                match ready!(read) {
                    Ok(true) => {}
                    Ok(false) => {
                        reading.over(wire.read_ns(), self.max_tokens);
                        self.keep_wire();
                    }
                    Err(fault) => self.broke(fault),
                }
            }
            State::New(body) => {
                let body = std::mem::take(body);
                self.start(cx, body);
            }
            State::Sent(wire) => {
                let head = ready!(wire.poll_head(cx));
                if let State::Sent(wire) = std::mem::replace(&mut self.state, State::Over) {
                    self.answered(wire, head);
                }
            }
            State::Opening(opening) => {
                let answer = ready!(opening.as_mut().poll(cx));
                self.opened(answer);
            }
            State::Sharing(stream) => match ready!(stream.poll_data(cx, WHOLE)) {
                Some(Ok((data, at_ns))) => self.reading.feed(&data, at_ns),
                Some(Err(fault)) => self.broke(fault),
                None => {
                    self.reading.over(stream.read_ns(), self.max_tokens);
                    self.state = State::Over;
                }
            },
            State::Over => self.reading.over(self.clock.now_ns(), self.max_tokens),
        }
        Poll::Ready(())
    }

    fn broke(&mut self, fault: Fault) {
        self.reading.broke(fault);
        self.state = State::Over;
    }

    /// The body is read to its end, so the connection can carry another request.
    fn keep_wire(&mut self) {
        if let State::Streaming(wire) = std::mem::replace(&mut self.state, State::Over)
            && let Some(server) = self.server()
        {
            server.put_back(wire);
        }
    }

    /// Behind `[DONE]` there is only the end of the body. It usually came with it; if not, somebody else waits.
    fn let_rest(&mut self, cx: &mut Context<'_>) {
        let State::Streaming(wire) = &mut self.state else { return };
        if !self.reading.is_well() {
            self.state = State::Over;
            return;
        }
        loop {
            match wire.poll_data(cx, WHOLE, |_, _| ()) {
                Poll::Ready(Ok(true)) => {}
                Poll::Ready(Ok(false)) => return self.keep_wire(),
                Poll::Ready(Err(_)) => {
                    self.state = State::Over;
                    return;
                }
                Poll::Pending => break,
            }
        }
        if let State::Streaming(mut wire) = std::mem::replace(&mut self.state, State::Over)
            && let Some(server) = self.server().cloned()
        {
            tokio::spawn(async move {
                if tokio::time::timeout(REST, wire.body(ERROR_BODY)).await.is_ok() {
                    server.put_back(wire);
                }
            });
        }
    }

    fn end(&mut self) -> End {
        if let (Some(counting), Some(alike)) = (&self.counting, self.reading.is_a_token_each()) {
            counting.learn(alike);
        }
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
            ready!(self.go_on(cx));
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
