//! The engine and nothing else: the same requests in a closed loop, with no events, recorder or screen, and
//! none of our counting in the engine. What a run gets is compared with this.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use mistralrs::{Request, Response};
use tokio::sync::mpsc;

use super::engine::{Engine, NotTaken};
use super::{device, engine, plain_request, prepare};
use crate::backend::{BackendError, GenerateRequest, Progress};
use crate::clock::Clock;
use crate::model::{ModelSource, Prepared};
use crate::profile::Profile;

/// What a bare run came to.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bare {
    pub requests: u64,
    /// Chunks, which are tokens for models whose every token is text.
    pub tokens: u64,
    /// From the first request sent to the last one's end.
    pub seconds: f64,
}

impl Bare {
    pub fn tokens_per_s(&self) -> f64 {
        self.tokens as f64 / self.seconds
    }
}

/// What requests have to fit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// Token ids are `0..vocabulary`, without the reserved ones.
    pub vocabulary: u32,
    pub reserved: Vec<u32>,
    /// The longest sequence, in tokens.
    pub context: u32,
}

/// Loads the profile's model as a run does, makes the requests, sends `warmup` of the requests, then measures the others: `clients`
/// at a time, each client sending its next request when the one before has ended.
///
/// # Errors
/// As for loading; [`BackendError::Died`] when a request fails.
pub fn run(
    profile: &Profile,
    requests: impl FnOnce(&Asked) -> Result<Vec<GenerateRequest>, String>,
    (clients, warmup): (u32, usize),
    progress: &dyn Progress,
) -> Result<Bare, BackendError> {
    let clock = Clock::start();
    let chosen = device::choose(&profile.backend.device)?;
    let prepared = ModelSource::resolve(&profile.model)?.prepare(progress)?;
    let weights = if let Prepared::Gguf(info) = &prepared { Some(info.tensor_bytes) } else { None };
    device::set_threads(profile.backend.threads, weights);
    let engine = Arc::new(engine::load(profile, &prepared, &chosen, clock).map_err(BackendError::Load)?);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|e| BackendError::Load(e.to_string()))?;
    let (vocabulary, reserved) = prepare::vocabulary(&prepared, &engine.facts);
    let asked = Asked { vocabulary, reserved, context: engine.facts.context };
    let requests: Arc<[GenerateRequest]> = requests(&asked).map_err(BackendError::Load)?.into();
    let warmup = warmup.min(requests.len());
    let (first, rest) = (0..warmup, warmup..requests.len());
    runtime.block_on(closed_loop(&engine, &requests, first, clients))?;
    let began = clock.now_ns();
    let tokens = runtime.block_on(closed_loop(&engine, &requests, rest.clone(), clients))?;
    let seconds = (clock.now_ns() - began) as f64 / 1e9;
    engine.end();
    engine.wait();
    Ok(Bare { requests: rest.len() as u64, tokens, seconds })
}

async fn closed_loop(
    engine: &Arc<Engine>,
    requests: &Arc<[GenerateRequest]>,
    range: std::ops::Range<usize>,
    clients: u32,
) -> Result<u64, BackendError> {
    let next = Arc::new(AtomicUsize::new(range.start));
    let tokens = Arc::new(AtomicU64::new(0));
    let mut running = Vec::new();
    for _ in 0..clients {
        let (engine, requests, next, tokens) =
            (engine.clone(), requests.clone(), next.clone(), tokens.clone());
        running.push(tokio::spawn(async move {
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= range.end {
                    return Ok::<(), BackendError>(());
                }
                tokens.fetch_add(one(&engine, &requests[number]).await?, Ordering::Relaxed);
            }
        }));
    }
    for client in running {
        client.await.map_err(|e| BackendError::Died(e.to_string()))??;
    }
    Ok(tokens.load(Ordering::Relaxed))
}

async fn one(engine: &Engine, request: &GenerateRequest) -> Result<u64, BackendError> {
    let (response, mut responses) = mpsc::channel(request.max_tokens as usize + 2);
    let normal = plain_request(request, &engine.facts.end_tokens, response);
    engine.submit(Request::Normal(Box::new(normal))).map_err(|error| match error {
        NotTaken::Full => BackendError::Died("its queue is full".into()),
        NotTaken::Dead(why) => BackendError::Died(why),
    })?;
    let mut tokens = 0;
    while let Some(response) = responses.recv().await {
        match response {
            Response::CompletionChunk(_) => tokens += 1,
            _ => return Err(BackendError::Died("a request failed".into())),
        }
    }
    engine.left();
    Ok(tokens)
}
