//! One request under way in the engine.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};

use mistralrs::Response;
use tokio::sync::mpsc::Receiver;

use super::engine::Engine;
use super::ledger::{Ledger, Received};
use crate::backend::{End, Generation, Item};
use crate::event::{CountedBy, Outcome};

/// A request that the engine has, or had.
pub struct Running {
    pub responses: Receiver<Response>,
    pub ledger: Arc<Ledger>,
    pub engine: Arc<Engine>,
    pub max_tokens: u32,
    pub ignore_eos: bool,
    /// Tokens in the chunks given out so far.
    pub given: u32,
    /// Items that are due before the next message is looked at.
    pub due: VecDeque<Item>,
}

impl Generation for Running {
    fn poll_item(&mut self, cx: &mut Context<'_>) -> Poll<Item> {
        loop {
            if let Some(item) = self.due.pop_front() {
                return Poll::Ready(item);
            }
            match self.ledger.poll_recv(&mut self.responses, cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Some(received)) => self.take(received),
                Poll::Ready(None) => {
                    let end = self.closed();
                    self.due.push_back(Item::End(end));
                }
            }
        }
    }
}

/// Dropping it drops the receiver: the engine's next send for it fails, and the sequence gives up its slot.
impl Drop for Running {
    fn drop(&mut self) {
        if self.ledger.leaves() {
            self.engine.steps.running.fetch_sub(1, Ordering::Relaxed);
        }
        self.engine.left();
    }
}

impl Running {
    fn take(&mut self, received: Received) {
        let Received { response, tokens } = received;
        match response {
            Response::CompletionChunk(chunk) => {
                if let Some(at_ns) = self.ledger.take_prefill() {
                    self.due.push_back(Item::Prefill { at_ns });
                }
                let Some(choice) = chunk.choices.into_iter().next() else { return };
                // When a request's very first token is its last, the engine goes on for one more.
                let tokens = tokens.min(self.max_tokens - self.given).max(1);
                self.given += tokens;
                self.due.push_back(Item::Chunk { at_ns: None, tokens, text: Some(choice.text.into()) });
                if let Some(reason) = choice.finish_reason {
                    self.due.push_back(Item::End(self.finished(&reason)));
                }
            }
            other => self.due.push_back(Item::End(self.failed(&complaint(other)))),
        }
    }

    /// The last chunk came, with this reason: all tokens were in chunks.
    fn finished(&self, reason: &str) -> End {
        if reason == "canceled" {
            return end(Outcome::Cancelled, self.given, Some("the engine cancelled it".into()));
        }
        if self.ignore_eos && self.given != self.max_tokens {
            let why = format!("it ended (`{reason}`) before its {} tokens", self.max_tokens);
            return end(Outcome::FailedEngine, self.given, Some(why));
        }
        end(Outcome::Completed, self.given, None)
    }

    /// The engine let go of the request without a last chunk: its last token was silent, or something is
    /// wrong.
    fn closed(&self) -> End {
        let sampled = self.sampled();
        if sampled == self.max_tokens {
            return end(Outcome::Completed, sampled, None);
        }
        if let Err(why) = self.engine.health() {
            let outcome =
                if self.engine.was_shut_down() { Outcome::Cancelled } else { Outcome::FailedEngine };
            return end(outcome, sampled, Some(why));
        }
        if sampled > 0 && !self.ignore_eos {
            return end(Outcome::Completed, sampled, None);
        }
        self.failed(&format!(
            "the engine let go of the request after {sampled} of {} tokens",
            self.max_tokens
        ))
    }

    fn failed(&self, why: &str) -> End {
        end(Outcome::FailedEngine, self.sampled(), Some(why.to_owned()))
    }

    fn sampled(&self) -> u32 {
        self.ledger.sampled().min(self.max_tokens)
    }
}

/// A request that never got to the engine.
pub struct Refused(pub End);

impl Generation for Refused {
    fn poll_item(&mut self, _: &mut Context<'_>) -> Poll<Item> {
        Poll::Ready(Item::End(self.0.clone()))
    }
}

/// An end as the engine counts it, the error in one line.
pub fn end(outcome: Outcome, output_tokens: u32, error: Option<String>) -> End {
    let line = |error: String| error.lines().next().unwrap_or_default().into();
    End { outcome, output_tokens, counted_by: CountedBy::Engine, prompt_tokens: None, error: error.map(line) }
}

fn complaint(response: Response) -> String {
    match response {
        Response::InternalError(error) => format!("engine: {error}"),
        Response::ValidationError(error) => format!("the engine refused the request: {error}"),
        Response::ModelError(error, _) | Response::CompletionModelError(error, _) => {
            format!("the model failed: {error}")
        }
        _ => "the engine answered with something that is no completion".into(),
    }
}
