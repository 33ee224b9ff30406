//! The embedded engine: the only place that names the crate `mistralrs`.
//!
//! [`load`] makes a [`Backend`] of one engine or several; [`generation`] turns the engine's answers into items,
//! with token counts from [`ledger`] and the start of prefill from [`steps`]. Sampling is greedy: the same
//! prompt gives the same text. [`bare`] is the engine with nothing of ours around it, for comparison.

pub mod bare;
#[cfg(feature = "serve")]
mod chat;
mod device;
mod engine;
mod generation;
mod ledger;
mod panics;
mod prepare;
mod steps;

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use mistralrs::core::TokenizationRequest;
use mistralrs::{
    MessageContent, NormalRequest, Request, RequestLike, RequestMessage, SamplingParams, StopTokens,
    TextMessageRole, TextMessages,
};
use tokio::sync::mpsc;

pub use prepare::{check, load};

use self::engine::{Engine, NotTaken};
use self::generation::{Refused, Running, end};
use self::ledger::{Counter, Ledger};
use super::{Backend, BackendError, Gauges, GenerateRequest, Generation};
use crate::clock::Clock;
use crate::event::{BackendInfo, Outcome};

/// How long tokenising a text may take.
const ENCODE_WITHIN: Duration = Duration::from_secs(30);

/// One engine, or several side by side.
pub struct MistralrsBackend {
    info: BackendInfo,
    engines: Vec<Arc<Engine>>,
    clock: Clock,
    vocabulary: u32,
    reserved: Vec<u32>,
}

impl Backend for MistralrsBackend {
    fn info(&self) -> &BackendInfo {
        &self.info
    }

    fn vocabulary(&self) -> u32 {
        self.vocabulary
    }

    fn reserved_tokens(&self) -> &[u32] {
        &self.reserved
    }

    fn encode(&self, text: &str) -> Result<Vec<u32>, BackendError> {
        let as_chat = self.engines.iter().all(|engine| engine.facts.chat_template);
        self.tokenise(text, as_chat)
    }

    fn encode_plain(&self, text: &str) -> Result<Vec<u32>, BackendError> {
        self.tokenise(text, false)
    }

    #[cfg(feature = "serve")]
    fn chat_routes(&self) -> Option<axum::Router> {
        Some(chat::routes(self.engines.clone(), self.info.model.clone()))
    }

    fn generate(&self, request: GenerateRequest) -> Box<dyn Generation> {
        if let Some(why) = self.objection(&request) {
            return Box::new(Refused(end(Outcome::FailedProtocol, 0, Some(why))));
        }
        if request.max_tokens == 0 {
            return Box::new(Refused(end(Outcome::Completed, 0, None)));
        }
        let Some(engine) = self.engines.iter().min_by_key(|engine| engine.in_flight()) else {
            return Box::new(Refused(end(Outcome::FailedEngine, 0, Some("there is no engine".into()))));
        };
        self.submit(engine, &request)
    }

    /// What waits for its first token is waiting, in the engine's queue or in its prefill.
    fn gauges(&self) -> Gauges {
        let running: u32 = self.engines.iter().map(|e| e.steps.running.load(Ordering::Relaxed)).sum();
        let in_flight: u32 = self.engines.iter().map(|e| e.in_flight()).sum();
        Gauges {
            running: Some(running.min(in_flight)),
            waiting: Some(in_flight.saturating_sub(running)),
            ..Gauges::default()
        }
    }

    fn health(&self) -> Result<(), BackendError> {
        self.engines.iter().try_for_each(|engine| engine.health()).map_err(BackendError::Died)
    }

    fn shutdown(&self) {
        self.engines.iter().for_each(|engine| engine.end());
        for engine in &self.engines {
            if !engine.wait() {
                tracing::warn!("the engine did not end in time; it is left to the end of the process");
            }
        }
    }
}

impl Drop for MistralrsBackend {
    fn drop(&mut self) {
        self.shutdown();
    }
}

impl MistralrsBackend {
    /// What is wrong with a request, before the engine, whose complaint would come late or hit a whole batch.
    fn objection(&self, request: &GenerateRequest) -> Option<String> {
        if request.prompt.is_empty() {
            return Some("the prompt is empty".into());
        }
        let tokens = request.prompt.len() as u64 + u64::from(request.max_tokens);
        if let Some(context) = self.info.context_tokens.filter(|context| tokens > u64::from(*context)) {
            return Some(format!(
                "too long: {} prompt tokens and {} to generate are more than the model's context of {context}",
                request.prompt.len(),
                request.max_tokens
            ));
        }
        let strange = request.prompt.iter().find(|id| **id >= self.vocabulary)?;
        Some(format!("the token id {strange} is not in the vocabulary of {}", self.vocabulary))
    }

    fn submit(&self, engine: &Arc<Engine>, request: &GenerateRequest) -> Box<dyn Generation> {
        // Room for all that can come: the engine waits for room, and everybody else with it.
        let (response, responses) = mpsc::channel(request.max_tokens as usize + 2);
        let ledger = Arc::new(Ledger::new(response.downgrade()));
        let counter = Counter {
            ledger: ledger.clone(),
            steps: engine.steps.clone(),
            clock: self.clock,
            sent_ns: self.clock.now_ns(),
            prompt_tokens: request.prompt.len(),
        };
        let mut normal = plain_request(request, &engine.facts.end_tokens, response);
        normal.logits_processors = Some(vec![Arc::new(counter)]);
        match engine.submit(Request::Normal(Box::new(normal))) {
            Ok(()) => Box::new(Running {
                responses,
                ledger,
                engine: engine.clone(),
                max_tokens: request.max_tokens,
                ignore_eos: request.ignore_eos,
                given: 0,
                due: VecDeque::with_capacity(3),
            }),
            Err(NotTaken::Full) => {
                let why = "the engine's queue is full".into();
                Box::new(Refused(end(Outcome::FailedOverload, 0, Some(why))))
            }
            Err(NotTaken::Dead(cause)) => {
                let why = format!("the engine died: {cause}");
                Box::new(Refused(end(Outcome::FailedEngine, 0, Some(why))))
            }
        }
    }

    /// Asks the first engine. Waits by polling, for it may be called inside a runtime or outside.
    fn tokenise(&self, text: &str, as_chat: bool) -> Result<Vec<u32>, BackendError> {
        let unavailable =
            |why: String| BackendError::Unavailable(format!("the text can't be tokenised: {why}"));
        let engine = self.engines.first().ok_or_else(|| unavailable("there is no engine".into()))?;
        let RequestMessage::Chat { messages, .. } =
            TextMessages::new().add_message(TextMessageRole::User, text).take_messages()
        else {
            return Err(unavailable("the engine makes no chat of it".into()));
        };
        // The engine's `Either` is of a crate that we don't depend on, so one of its values is made over.
        let side =
            if as_chat { MessageContent::Left(String::new()) } else { MessageContent::Right(Vec::new()) };
        let (response, mut answered) = mpsc::channel(1);
        let request = TokenizationRequest {
            text: side.map_left(|_| messages).map_right(|_| text.to_owned()),
            tools: None,
            add_generation_prompt: true,
            add_special_tokens: true,
            enable_thinking: None,
            reasoning_effort: None,
            response,
        };
        engine.channel().try_send(Request::Tokenize(request)).map_err(|e| unavailable(e.to_string()))?;
        let poll = Duration::from_millis(1);
        let mut waited = Duration::ZERO;
        loop {
            match answered.try_recv() {
                Ok(tokens) => return tokens.map_err(|e| unavailable(e.to_string())),
                Err(mpsc::error::TryRecvError::Empty) if waited < ENCODE_WITHIN => {
                    std::thread::sleep(poll);
                    waited += poll;
                }
                Err(error) => return Err(unavailable(error.to_string())),
            }
        }
    }
}

/// A request as the engine takes it: token ids, greedy, streamed.
fn plain_request(
    request: &GenerateRequest,
    end_tokens: &[u32],
    response: mpsc::Sender<mistralrs::Response>,
) -> NormalRequest {
    let stop = (!request.ignore_eos && !end_tokens.is_empty()).then(|| StopTokens::Ids(end_tokens.to_vec()));
    let sampling = SamplingParams {
        max_len: Some(request.max_tokens as usize),
        stop_toks: stop,
        ..SamplingParams::deterministic()
    };
    let prompt = RequestMessage::CompletionTokens(request.prompt.to_vec());
    let id = usize::try_from(request.request).unwrap_or(usize::MAX);
    let mut normal = NormalRequest::new_simple(prompt, sampling, response, id, None, None);
    normal.is_streaming = true;
    normal
}

#[cfg(test)]
mod tests;
