//! The books of one request: how many tokens the engine has sampled, and which chunk holds how many.
//!
//! The engine streams text, not tokens: a token whose bytes end within a UTF-8 character sends no chunk, and
//! the next chunk holds both. So chunks can't be counted. But the engine calls a request's logits processors
//! exactly once for each token it samples, before it sends that token's chunk, and hands the sampler's
//! logits through. [`Counter`] is such a processor; it changes nothing and counts.
//!
//! Which chunk a silent token belongs to follows from the number of chunks sent when the next token is
//! sampled: if it has not grown since the token before, that token was silent.

use std::collections::VecDeque;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use mistralrs::{CustomLogitsProcessor, Response, Tensor};
use tokio::sync::mpsc::{Receiver, WeakSender};

use super::steps::Steps;
use crate::clock::Clock;

/// What engine and client share of a request.
pub struct Ledger {
    books: Mutex<Books>,
    /// The engine's end of the channel; weak, so that the channel closes when the engine is done.
    channel: WeakSender<Response>,
}

#[derive(Default)]
struct Books {
    /// Tokens sampled.
    sampled: u32,
    /// Chunks that had been sent when the last token was sampled.
    sent_before_last: u32,
    /// Messages taken out of the channel.
    received: u32,
    /// For each silent token, the number (from 1) of the chunk that its text came or will come with.
    silent: VecDeque<u32>,
    /// When work on the prompt began.
    prefill_ns: Option<u64>,
    /// It is counted among the running ones.
    running: bool,
    /// Nobody waits for it any more.
    left: bool,
}

/// A message of the engine with its place in the books.
pub struct Received {
    pub response: Response,
    /// Tokens in it, if it is a chunk.
    pub tokens: u32,
}

impl Ledger {
    pub fn new(channel: WeakSender<Response>) -> Self {
        Self { books: Mutex::default(), channel }
    }

    fn books(&self) -> MutexGuard<'_, Books> {
        self.books.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tokens sampled so far.
    pub fn sampled(&self) -> u32 {
        self.books().sampled
    }

    /// When work on the prompt began, once known; given out once.
    pub fn take_prefill(&self) -> Option<u64> {
        self.books().prefill_ns.take()
    }

    /// Takes the next message. `None` when the engine is done with the request. The books are locked over the
    /// take, so that engine and client never disagree on how many chunks there were.
    pub fn poll_recv(
        &self,
        responses: &mut Receiver<Response>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Received>> {
        let mut books = self.books();
        responses.poll_recv(cx).map(|response| {
            let response = response?;
            books.received += 1;
            let mut tokens = 1;
            while books.silent.front().is_some_and(|chunk| *chunk <= books.received) {
                books.silent.pop_front();
                tokens += 1;
            }
            Some(Received { response, tokens })
        })
    }

    /// Chunks sent so far, in the channel or taken; `None` once the channel is closed from either end.
    pub fn sent(&self) -> Option<u32> {
        self.sent_in(&self.books())
    }

    fn sent_in(&self, books: &Books) -> Option<u32> {
        let channel = self.channel.upgrade().filter(|channel| !channel.is_closed())?;
        Some(books.received + (channel.max_capacity() - channel.capacity()) as u32)
    }

    /// Enters a token that is being sampled; gives the chunks sent before it.
    fn sample(&self) -> u32 {
        let mut books = self.books();
        let sent = self.sent_in(&books).unwrap_or(books.sent_before_last + 1);
        if books.sampled > 0 && sent == books.sent_before_last {
            books.silent.push_back(sent + 1);
        }
        books.sampled += 1;
        books.sent_before_last = sent;
        sent
    }

    fn set_prefill(&self, at_ns: u64) {
        self.books().prefill_ns = Some(at_ns);
    }

    /// The first token is there. Whether the request is to be counted as running from now on.
    fn begins(&self) -> bool {
        let mut books = self.books();
        let begins = !books.left && !books.running;
        books.running |= begins;
        begins
    }

    /// Nobody waits for the request any more. Whether it was counted as running.
    pub fn leaves(&self) -> bool {
        let mut books = self.books();
        books.left = true;
        std::mem::replace(&mut books.running, false)
    }
}

/// The logits processor that counts a request's tokens and tells the engine's steps apart.
pub struct Counter {
    pub ledger: Arc<Ledger>,
    pub steps: Arc<Steps>,
    pub clock: Clock,
    /// When the request was handed over.
    pub sent_ns: u64,
    pub prompt_tokens: usize,
}

impl CustomLogitsProcessor for Counter {
    fn apply(&self, logits: &Tensor, context: &[u32]) -> mistralrs::Result<Tensor> {
        let chunks = self.ledger.sample();
        let prefill = context.len() <= self.prompt_tokens;
        let began = self.steps.sampled(&self.ledger, chunks, (prefill, context.len()), self.clock.now_ns());
        if prefill {
            self.ledger.set_prefill(began.max(self.sent_ns));
            if self.ledger.begins() {
                self.steps.running.fetch_add(1, Ordering::Relaxed);
            }
        }
        // A tensor is a handle: this copies no logits.
        Ok(logits.clone())
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::mpsc;

    use super::*;

    fn message() -> Response {
        Response::InternalError("a message".into())
    }

    fn take(ledger: &Ledger, rx: &mut Receiver<Response>) -> u32 {
        let mut cx = Context::from_waker(std::task::Waker::noop());
        match ledger.poll_recv(rx, &mut cx) {
            Poll::Ready(Some(received)) => received.tokens,
            _ => panic!("a message is there"),
        }
    }

    #[test]
    fn a_request_runs_from_its_first_token_until_nobody_waits_for_it() {
        let (tx, _rx) = mpsc::channel::<Response>(1);
        let ledger = Ledger::new(tx.downgrade());
        assert!(ledger.begins() && !ledger.begins());
        assert!(ledger.leaves() && !ledger.leaves());
        assert!(!ledger.begins(), "its first token came after it was given up");
    }

    #[test]
    fn silent_tokens_belong_to_the_next_chunk_however_late_it_is_read() {
        // Tokens 2 and 3 are silent, and so is 5. Chunks: {1}, {2, 3, 4}, {5, 6}, {7}.
        let script = [true, false, false, true, false, true, true];
        for read_at_once in [true, false] {
            let (tx, mut rx) = mpsc::channel(16);
            let ledger = Ledger::new(tx.downgrade());
            let mut seen = Vec::new();
            for sends in script {
                ledger.sample();
                if sends {
                    tx.try_send(message()).unwrap();
                    if read_at_once {
                        seen.push(take(&ledger, &mut rx));
                    }
                }
            }
            while seen.len() < 4 {
                seen.push(take(&ledger, &mut rx));
            }
            assert_eq!(seen, [1, 3, 2, 1], "read at once: {read_at_once}");
            assert_eq!(ledger.sampled(), 7);
        }
    }
}
