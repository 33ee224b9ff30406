//! A model of an engine: known timing, no weights. For tests, for measuring the client, and to try the
//! dashboard where no engine was built in.
//!
//! It behaves as a continuous-batching engine does: one thread, which in turn prefills one waiting request
//! and decodes one token for every running one. All running requests share a step, so a long prompt stalls
//! everybody's tokens, as on a real engine without chunked prefill.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::thread::JoinHandle;
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, bounded};
use tokio::sync::mpsc;

use super::{Backend, BackendError, End, Gauges, GenerateRequest, Generation, Item};
use crate::clock::Clock;
use crate::event::{BackendInfo, CountedBy, Outcome};
use crate::profile::Sim;

/// Requests the engine takes in before it refuses more.
const QUEUE: usize = 1 << 16;
const WORDS: [&str; 8] = [" a", " model", " of", " an", " engine", " says", " this", " word"];

/// The simulated engine.
pub struct SimBackend {
    info: BackendInfo,
    vocabulary: u32,
    jobs: Mutex<Option<Sender<Job>>>,
    shared: Arc<Shared>,
    engine: Mutex<Option<JoinHandle<()>>>,
}

#[derive(Default)]
struct Shared {
    running: AtomicU32,
    waiting: AtomicU32,
    dead: AtomicBool,
}

struct Job {
    prompt_tokens: u32,
    left: u32,
    made: u32,
    number: u64,
    out: mpsc::Sender<Item>,
}

impl SimBackend {
    /// Starts an engine that runs at most `max_batch` requests at once.
    pub fn new(sim: &Sim, max_batch: u32, clock: Clock) -> Self {
        let shared = Arc::new(Shared::default());
        let (jobs, incoming) = bounded(QUEUE);
        let engine = Engine {
            sim: sim.clone(),
            max_batch: max_batch.max(1) as usize,
            clock,
            incoming,
            shared: shared.clone(),
            waiting: VecDeque::new(),
            running: Vec::new(),
            seen: 0,
        };
        let thread = std::thread::Builder::new()
            .name("sim-engine".into())
            .spawn(move || engine.run())
            .inspect_err(|e| tracing::error!("the simulated engine has no thread: {e}"))
            .ok();
        shared.dead.store(thread.is_none(), Ordering::Release);
        Self {
            info: BackendInfo {
                kind: "sim".into(),
                version: env!("CARGO_PKG_VERSION").into(),
                device: "none".into(),
                model: "simulated".into(),
                quantization: "none".into(),
                max_batch: Some(max_batch),
                replicas: 1,
                notes: vec!["no weights: times come from [backend.sim]".into()],
                load_s: sim.load.as_secs_f64(),
                ..BackendInfo::default()
            },
            vocabulary: sim.vocabulary,
            jobs: Mutex::new(Some(jobs)),
            shared,
            engine: Mutex::new(thread),
        }
    }
}

impl Backend for SimBackend {
    fn info(&self) -> &BackendInfo {
        &self.info
    }

    fn vocabulary(&self) -> u32 {
        self.vocabulary
    }

    fn generate(&self, request: GenerateRequest) -> Box<dyn Generation> {
        let (out, items) = mpsc::channel(request.max_tokens as usize + 3);
        let job = Job {
            prompt_tokens: request.prompt.len() as u32,
            left: request.max_tokens,
            made: 0,
            number: 0,
            out,
        };
        self.shared.waiting.fetch_add(1, Ordering::Relaxed);
        let refused = match self.jobs.lock() {
            Ok(jobs) => match jobs.as_ref().map(|jobs| jobs.try_send(job)) {
                Some(Ok(())) => None,
                Some(Err(crossbeam_channel::TrySendError::Full(_))) => {
                    Some((Outcome::FailedOverload, "the engine's queue is full"))
                }
                _ => Some((Outcome::FailedEngine, "the engine is gone")),
            },
            Err(_) => Some((Outcome::FailedEngine, "the engine is gone")),
        };
        if refused.is_some() {
            self.shared.waiting.fetch_sub(1, Ordering::Relaxed);
        }
        Box::new(SimGeneration { items, made: 0, refused })
    }

    fn gauges(&self) -> Gauges {
        Gauges {
            running: Some(self.shared.running.load(Ordering::Relaxed)),
            waiting: Some(self.shared.waiting.load(Ordering::Relaxed)),
        }
    }

    fn health(&self) -> Result<(), BackendError> {
        if self.shared.dead.load(Ordering::Acquire) {
            return Err(BackendError::Died("the simulated engine ended (backend.sim.die_after)".into()));
        }
        Ok(())
    }

    fn shutdown(&self) {
        if let Ok(mut jobs) = self.jobs.lock() {
            jobs.take();
        }
        if let Some(thread) = self.engine.lock().ok().and_then(|mut t| t.take()) {
            let _ = thread.join();
        }
    }
}

impl Drop for SimBackend {
    fn drop(&mut self) {
        self.shutdown();
    }
}

struct SimGeneration {
    items: mpsc::Receiver<Item>,
    made: u32,
    refused: Option<(Outcome, &'static str)>,
}

impl Generation for SimGeneration {
    fn poll_item(&mut self, cx: &mut Context<'_>) -> Poll<Item> {
        if let Some((outcome, why)) = self.refused {
            return Poll::Ready(Item::End(end(outcome, 0, Some(why))));
        }
        self.items.poll_recv(cx).map(|item| match item {
            Some(item) => {
                if let Item::Chunk { tokens, .. } = &item {
                    self.made += tokens;
                }
                item
            }
            None => Item::End(end(Outcome::FailedEngine, self.made, Some("the engine is gone"))),
        })
    }
}

fn end(outcome: Outcome, output_tokens: u32, error: Option<&str>) -> End {
    End { outcome, output_tokens, counted_by: CountedBy::Engine, error: error.map(Into::into) }
}

struct Engine {
    sim: Sim,
    max_batch: usize,
    clock: Clock,
    incoming: Receiver<Job>,
    shared: Arc<Shared>,
    waiting: VecDeque<Job>,
    running: Vec<Job>,
    seen: u64,
}

impl Engine {
    fn run(mut self) {
        while self.take_in() {
            self.prefill_one();
            self.decode_step();
            self.shared.running.store(self.running.len() as u32, Ordering::Relaxed);
        }
    }

    /// Takes in what has come; waits if there is nothing to do. `false` ends the engine.
    fn take_in(&mut self) -> bool {
        if self.waiting.is_empty() && self.running.is_empty() {
            match self.incoming.recv() {
                Ok(job) => self.accept(job),
                Err(_) => return false,
            }
        }
        while let Ok(job) = self.incoming.try_recv() {
            self.accept(job);
        }
        if self.sim.die_after > 0 && self.seen >= self.sim.die_after {
            self.shared.dead.store(true, Ordering::Release);
            return false;
        }
        true
    }

    fn accept(&mut self, mut job: Job) {
        self.seen += 1;
        job.number = self.seen;
        self.waiting.push_back(job);
    }

    fn prefill_one(&mut self) {
        if self.running.len() >= self.max_batch {
            return;
        }
        let Some(mut job) = self.waiting.pop_front() else { return };
        self.shared.waiting.fetch_sub(1, Ordering::Relaxed);
        if job.out.is_closed() {
            return;
        }
        let _ = job.out.try_send(Item::Prefill { at_ns: self.clock.now_ns() });
        if self.sim.prefill_tokens_per_s > 0.0 {
            pause(Duration::from_secs_f64(f64::from(job.prompt_tokens) / self.sim.prefill_tokens_per_s));
        }
        if self.sim.fail_every > 0 && job.number.is_multiple_of(self.sim.fail_every) {
            let failed = end(Outcome::FailedEngine, 0, Some("the simulated engine was told to fail"));
            let _ = job.out.try_send(Item::End(failed));
            return;
        }
        if emit(&mut job) {
            self.running.push(job);
        }
    }

    fn decode_step(&mut self) {
        if self.running.is_empty() {
            return;
        }
        pause(self.sim.step + self.sim.step_per_sequence * (self.running.len() as u32 - 1));
        self.running.retain_mut(emit);
    }
}

/// Sends a token; `false` once the request needs no more.
fn emit(job: &mut Job) -> bool {
    if job.left > 0 {
        job.left -= 1;
        job.made += 1;
        let word = WORDS[job.made as usize % WORDS.len()];
        if job.out.try_send(Item::Chunk { tokens: 1, text: Some(word.into()) }).is_err() {
            return false;
        }
    }
    if job.left == 0 {
        let _ = job.out.try_send(Item::End(end(Outcome::Completed, job.made, None)));
        return false;
    }
    true
}

fn pause(time: Duration) {
    if !time.is_zero() {
        std::thread::sleep(time);
    }
}
