//! A model of an engine: known timing, no weights. For tests, for measuring the client, and to try the
//! dashboard where no engine was built in.
//!
//! It behaves as a continuous-batching engine does: one thread, which in turn prefills one waiting request
//! and decodes one token for every running one. All running requests share a step, so a long prompt stalls
//! everybody's tokens, as on a real engine without chunked prefill.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::thread::JoinHandle;
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, bounded};
use tokio::sync::mpsc;

use super::{Backend, BackendError, End, Gauges, GenerateRequest, Generation, Item, Progress};
use crate::clock::Clock;
use crate::event::{BackendInfo, CountedBy, Outcome};
use crate::profile::{Backend as Settings, Sim};

/// Requests the engine takes in before it refuses more.
const QUEUE: usize = 1 << 16;
const WORDS: [&str; 8] = [" a", " model", " of", " an", " engine", " says", " this", " word"];

/// How often a load under way looks whether it is to be given up.
const LOAD_STEP: Duration = Duration::from_millis(20);

/// The simulated engine, or several side by side.
pub struct SimBackend {
    info: BackendInfo,
    vocabulary: u32,
    engines: Vec<Handle>,
}

/// One engine, from outside.
struct Handle {
    jobs: Mutex<Option<Sender<Job>>>,
    shared: Arc<Shared>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

#[derive(Default)]
struct Shared {
    running: AtomicU32,
    waiting: AtomicU32,
    /// Tokens made since the start.
    made: AtomicU64,
    dead: AtomicBool,
}

impl Shared {
    fn in_flight(&self) -> u32 {
        self.running.load(Ordering::Relaxed) + self.waiting.load(Ordering::Relaxed)
    }
}

struct Job {
    prompt_tokens: u32,
    left: u32,
    made: u32,
    number: u64,
    out: mpsc::Sender<Item>,
}

impl SimBackend {
    /// Takes the time that `[backend.sim]` gives for loading, then starts `backend.replicas` engines.
    ///
    /// # Errors
    /// [`BackendError::Interrupted`] if the user ends it meanwhile.
    pub fn load(backend: &Settings, clock: Clock, progress: &dyn Progress) -> Result<Self, BackendError> {
        let load = backend.sim.load;
        let began = clock.now_ns();
        loop {
            let spent = Duration::from_nanos(clock.now_ns() - began);
            if spent >= load {
                break;
            }
            if progress.cancelled() {
                return Err(BackendError::Interrupted);
            }
            progress.step("loading nothing, slowly", Some(spent.as_secs_f32() / load.as_secs_f32()));
            pause(LOAD_STEP.min(load.saturating_sub(spent)));
        }
        Ok(Self::new(backend, clock))
    }

    fn new(backend: &Settings, clock: Clock) -> Self {
        let replicas = backend.replicas.max(1);
        // Tensor parallelism without any cost of its own: everything is as many times faster.
        let speedup = backend.tensor_parallel.max(1);
        let mut sim = backend.sim.clone();
        sim.step /= speedup;
        sim.step_per_sequence /= speedup;
        sim.prefill_tokens_per_s *= f64::from(speedup);
        let mut notes = vec!["no weights: times come from [backend.sim]".into()];
        if speedup > 1 {
            notes.push(format!("tensor parallelism of {speedup} simulated as {speedup} times the speed"));
        }
        Self {
            info: BackendInfo {
                kind: "sim".into(),
                version: env!("CARGO_PKG_VERSION").into(),
                device: "none".into(),
                model: "simulated".into(),
                quantization: "none".into(),
                max_batch: Some(backend.max_batch),
                replicas,
                notes,
                load_s: sim.load.as_secs_f64(),
                ..BackendInfo::default()
            },
            vocabulary: sim.vocabulary,
            engines: (0..replicas).map(|_| Handle::start(&sim, backend.max_batch, clock)).collect(),
        }
    }
}

impl Handle {
    fn start(sim: &Sim, max_batch: u32, clock: Clock) -> Self {
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
        Self { jobs: Mutex::new(Some(jobs)), shared, thread: Mutex::new(thread) }
    }

    /// Hands a job over; why not, if it is not taken.
    fn submit(&self, job: Job) -> Option<(Outcome, &'static str)> {
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
        refused
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
        let engine = self.engines.iter().min_by_key(|engine| engine.shared.in_flight());
        let refused = match engine {
            Some(engine) => engine.submit(job),
            None => Some((Outcome::FailedEngine, "there is no engine")),
        };
        Box::new(SimGeneration { items, made: 0, refused })
    }

    fn gauges(&self) -> Gauges {
        let sum = |of: fn(&Shared) -> &AtomicU32| {
            Some(self.engines.iter().map(|engine| of(&engine.shared).load(Ordering::Relaxed)).sum())
        };
        let made = |engine: &Handle| engine.shared.made.load(Ordering::Relaxed);
        Gauges {
            running: sum(|shared| &shared.running),
            waiting: sum(|shared| &shared.waiting),
            output_tokens: Some(self.engines.iter().map(made).sum()),
            ..Gauges::default()
        }
    }

    fn health(&self) -> Result<(), BackendError> {
        if self.engines.iter().any(|engine| engine.shared.dead.load(Ordering::Acquire)) {
            return Err(BackendError::Died("the simulated engine ended (backend.sim.die_after)".into()));
        }
        Ok(())
    }

    fn shutdown(&self) {
        for engine in &self.engines {
            if let Ok(mut jobs) = engine.jobs.lock() {
                jobs.take();
            }
            if let Some(thread) = engine.thread.lock().ok().and_then(|mut t| t.take()) {
                let _ = thread.join();
            }
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
    End {
        outcome,
        output_tokens,
        counted_by: CountedBy::Engine,
        prompt_tokens: None,
        error: error.map(Into::into),
    }
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
        self.shared.made.fetch_add(u64::from(job.left > 0), Ordering::Relaxed);
        if emit(&mut job) {
            self.running.push(job);
        }
    }

    fn decode_step(&mut self) {
        if self.running.is_empty() {
            return;
        }
        pause(self.sim.step + self.sim.step_per_sequence * (self.running.len() as u32 - 1));
        self.shared.made.fetch_add(self.running.len() as u64, Ordering::Relaxed);
        self.running.retain_mut(emit);
    }
}

/// Sends a token; `false` once the request needs no more.
fn emit(job: &mut Job) -> bool {
    if job.left > 0 {
        job.left -= 1;
        job.made += 1;
        let word = WORDS[job.made as usize % WORDS.len()];
        if job.out.try_send(Item::Chunk { at_ns: None, tokens: 1, text: Some(word.into()) }).is_err() {
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
