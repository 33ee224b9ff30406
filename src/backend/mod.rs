//! What can be asked to generate: the trait [`Backend`], and [`load`], which makes one from a profile.
//!
//! The load comes in here with token ids and takes out a [`Generation`], which it polls. A backend stamps
//! nothing but what only it can know; the client stamps arrivals. Each kind of backend lives in its own file
//! or folder; `mistralrs/` is the only place that names the engine's crate.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use crate::clock::Clock;
use crate::event::{BackendInfo, ClientId, CountedBy, Outcome, RequestId};
use crate::model::{self, ModelError};
use crate::profile::{BackendKind, Profile};
pub use crate::progress::Progress;

pub mod lane;
#[cfg(feature = "mistralrs")]
pub mod mistralrs;
pub mod moderation;
#[cfg(feature = "http")]
pub mod openai;
pub mod rounds;
pub mod sim;

/// The embedded engine's version, as Cargo.toml pins it.
pub const MISTRALRS_VERSION: &str = "0.8.1";

/// What a client asks for.
#[derive(Debug, Clone)]
pub struct GenerateRequest {
    pub request: RequestId,
    pub client: ClientId,
    /// The prompt, as token ids of the backend's vocabulary.
    pub prompt: Arc<[u32]>,
    /// Most tokens to generate; exactly so many if `ignore_eos`.
    pub max_tokens: u32,
    /// Do not let an end-of-sequence token end the generation.
    pub ignore_eos: bool,
    /// The prompt as a text of the user's own, for backends that take texts; `prompt` is what is known of its tokens.
    pub text: Option<Arc<str>>,
}

/// What a generation yields.
#[derive(Debug, Clone, PartialEq)]
pub enum Item {
    /// Work on the prompt began at this time of the run's clock. At most once, before the first chunk.
    Prefill { at_ns: u64 },
    /// `tokens ≥ 1` more tokens have arrived.
    /// `at_ns`: when they did, on the run's clock, where the backend saw that itself; else it is now.
    Chunk { at_ns: Option<u64>, tokens: u32, text: Option<Box<str>> },
    /// The end, well or ill. Nothing follows.
    End(End),
}

/// How a generation ended.
#[derive(Debug, Clone, PartialEq)]
pub struct End {
    pub outcome: Outcome,
    /// Tokens generated, exactly.
    pub output_tokens: u32,
    pub counted_by: CountedBy,
    /// Tokens in the prompt, where only the other side could count them.
    pub prompt_tokens: Option<u32>,
    /// What went wrong, one line.
    pub error: Option<Box<str>>,
}

/// What a server said when it refused a request.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Refusal {
    /// The HTTP status.
    pub status: Option<u16>,
    /// How long it asks to wait before the next try.
    pub retry_after: Option<Duration>,
}

/// A request under way. Dropping it cancels the request and frees its slot in the engine.
pub trait Generation: Send {
    /// The next item. After [`Item::End`] it must not be polled again.
    fn poll_item(&mut self, cx: &mut Context<'_>) -> Poll<Item>;

    /// The text so far, of backends that don't hand it out piece by piece with the chunks.
    fn take_text(&mut self) -> String {
        String::new()
    }

    /// How it was refused, of one that failed by that.
    fn refusal(&self) -> Refusal {
        Refusal::default()
    }
}

impl dyn Generation + '_ {
    /// The next item, as a future.
    pub async fn next(&mut self) -> Item {
        poll_fn(|cx| self.poll_item(cx)).await
    }
}

/// Readings of the engine; `None` where the backend can't tell.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Gauges {
    /// Sequences in the batch.
    pub running: Option<u32>,
    /// Sequences that wait for a place in it.
    pub waiting: Option<u32>,
    /// Share of the KV cache in use, 0..=1.
    pub kv_cache_used: Option<f32>,
    /// Prompt tokens looked up in the prefix cache and found there, since the engine's start.
    pub prefix_cache_queries: Option<u64>,
    pub prefix_cache_hits: Option<u64>,
    /// Share found lately, 0..=1, of engines that tell no counts.
    pub prefix_cache_hit_rate: Option<f32>,
    /// Sequences thrown out of the batch for want of memory, since the engine's start.
    pub preemptions: Option<u64>,
    /// Output tokens since the engine's start, counted as they are made.
    pub output_tokens: Option<u64>,
    /// Output tokens a second lately, of engines that tell no count.
    pub tokens_per_s: Option<f32>,
}

/// Where an engine runs: whether this process' CPU time and this machine's power are its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// In this process.
    Process,
    /// In another one on this machine.
    Machine,
    /// On another machine, or nobody knows where.
    Elsewhere,
}

/// Something that generates tokens.
pub trait Backend: Send + Sync {
    /// What it is; fixed once it is ready.
    fn info(&self) -> &BackendInfo;

    /// The number of different token ids that a prompt may hold: ids are `0..vocabulary()`.
    fn vocabulary(&self) -> u32;

    /// Token ids that a prompt must not hold (control tokens), sorted.
    fn reserved_tokens(&self) -> &[u32] {
        &[]
    }

    /// A text as token ids, with the model's own tokenizer and chat template where it has one.
    ///
    /// # Errors
    /// [`BackendError::Unavailable`] where the backend has no tokenizer.
    fn encode(&self, _text: &str) -> Result<Vec<u32>, BackendError> {
        Err(BackendError::Unavailable(format!(
            "workload.prompt_text needs a tokenizer, and the backend `{}` has none",
            self.info().kind
        )))
    }

    /// A text as token ids, as it stands: no chat template.
    ///
    /// # Errors
    /// As [`Backend::encode`].
    fn encode_plain(&self, text: &str) -> Result<Vec<u32>, BackendError> {
        self.encode(text)
    }

    /// The routes of its own chat endpoint, where it has one.
    #[cfg(feature = "serve")]
    fn chat_routes(&self) -> Option<axum::Router> {
        None
    }

    /// Hands a request over. Never blocks; a refusal is the generation's [`Item::End`].
    /// Must be called inside a tokio runtime.
    fn generate(&self, request: GenerateRequest) -> Box<dyn Generation>;

    /// The engine's readings, cheaply.
    fn gauges(&self) -> Gauges {
        Gauges::default()
    }

    /// Where the engine runs.
    fn place(&self) -> Place {
        Place::Process
    }

    /// `Err` once the engine has died, hangs or was restarted behind our back: the run is void.
    ///
    /// # Errors
    /// [`BackendError::Died`] with what is known of the cause.
    fn health(&self) -> Result<(), BackendError> {
        Ok(())
    }

    /// Ends the engine and waits for its threads, a few seconds at most.
    fn shutdown(&self) {}
}

/// Why there is no backend, or no longer one.
#[derive(Debug, Clone, thiserror::Error)]
pub enum BackendError {
    /// The profile asks for what this build or machine does not have.
    #[error("{0}")]
    Unavailable(String),
    /// The model can't be used: missing, damaged, unknown, too big.
    #[error("{0}")]
    Model(String),
    /// The engine failed while loading.
    #[error("the engine failed to load the model: {0}")]
    Load(String),
    /// The engine died during the run.
    #[error("the engine died: {0}")]
    Died(String),
    /// Loading was given up because the user asked to end.
    #[error("loading was interrupted")]
    Interrupted,
}

impl From<ModelError> for BackendError {
    fn from(error: ModelError) -> Self {
        match error {
            ModelError::Interrupted => Self::Interrupted,
            other => Self::Model(other.to_string()),
        }
    }
}

/// What is known of a profile's backend before it is loaded: for headers and titles.
pub fn announced(profile: &Profile) -> BackendInfo {
    let (kind, version) = match profile.backend.kind {
        BackendKind::Mistralrs => ("mistralrs", MISTRALRS_VERSION),
        BackendKind::Sim => ("sim", env!("CARGO_PKG_VERSION")),
        BackendKind::Openai => ("openai", ""),
        BackendKind::Imported => ("imported", ""),
    };
    let model = if profile.backend.kind == BackendKind::Sim { "simulated" } else { "" };
    BackendInfo { kind: kind.into(), version: version.into(), model: model.into(), ..BackendInfo::default() }
}

/// How the embedded engine is told how many GPUs share its weights; a program can't tell it otherwise.
const TENSOR_PARALLEL_VARIABLE: &str = "MISTRALRS_MN_LOCAL_WORLD_SIZE";
/// The embedded engine starts this program again for each further GPU, with this variable set.
const WORKER_VARIABLE: &str = "__MISTRALRS_DAEMON_INTERNAL";

/// This process was started by the embedded engine, to be one GPU of several: it measures and records nothing.
pub fn is_worker() -> bool {
    cfg!(feature = "nccl") && std::env::var_os(WORKER_VARIABLE).is_some()
}

/// Whether this build and this process can spread an engine over as many GPUs as the profile says.
fn check_parallel(profile: &Profile, engines: u32) -> Result<(), BackendError> {
    let size = profile.backend.tensor_parallel;
    let unavailable =
        |why: &str| Err(BackendError::Unavailable(format!("{size} GPUs for one engine: {why}")));
    if !cfg!(feature = "nccl") {
        let why = "this build has no NCCL; build with `--features cuda,nccl`, or use replicas";
        return if size > 1 { unavailable(why) } else { Ok(()) };
    }
    let told = std::env::var(TENSOR_PARALLEL_VARIABLE).ok();
    if told.as_deref().is_some_and(|told| told != size.to_string()) || (told.is_none() && size > 1) {
        return unavailable(&format!(
            "the engine takes this number from the environment, once for a process; run it with \
             {TENSOR_PARALLEL_VARIABLE}={size}"
        ));
    }
    if size > 1 && engines > 1 {
        return unavailable(
            "its GPUs can't be given to another engine; make a run for each engine of the sweep",
        );
    }
    Ok(())
}

/// Does what this process was started for, if that is not to measure: to look after a server that a run started.
pub fn assist() -> Option<std::process::ExitCode> {
    #[cfg(feature = "http")]
    return openai::supervise();
    #[cfg(not(feature = "http"))]
    None
}

/// Looks for what can be seen to be wrong without loading anything: a device that isn't there, a model that is
/// missing, damaged, or of a kind that the engine lacks. Looking for a hub may take seconds. `engines`: how many
/// different ones the run needs, one after another.
///
/// # Errors
/// The profile's key that is to blame, and what is wrong.
pub fn check(profile: &Profile, engines: u32) -> Result<(), (&'static str, BackendError)> {
    match profile.backend.kind {
        BackendKind::Openai => return check_openai(profile),
        BackendKind::Sim | BackendKind::Imported => return Ok(()),
        BackendKind::Mistralrs => {}
    }
    check_parallel(profile, engines).map_err(|e| ("backend.tensor_parallel", e))?;
    #[cfg(feature = "mistralrs")]
    mistralrs::check(profile)?;
    let model = &profile.model;
    let named = if model.path.is_some() {
        "model.path"
    } else if model.hub.is_some() {
        "model.hub"
    } else {
        "model.dummy"
    };
    model::ModelSource::resolve(model).and_then(|source| source.check()).map_err(|e| (e.key(named), e.into()))
}

#[cfg(feature = "http")]
fn check_openai(profile: &Profile) -> Result<(), (&'static str, BackendError)> {
    openai::check(profile)?;
    openai::check_launch(profile)
}

#[cfg(not(feature = "http"))]
fn check_openai(_: &Profile) -> Result<(), (&'static str, BackendError)> {
    Err(("backend.kind", no_http()))
}

#[cfg(not(feature = "http"))]
fn no_http() -> BackendError {
    BackendError::Unavailable(
        "this build can't measure servers over HTTP; build it with `--features http` (the default)".into(),
    )
}

/// Makes the backend that a profile asks for. Blocks, maybe for minutes: call it on a thread of its own.
///
/// # Errors
/// Says what is missing and what to do.
pub fn load(
    profile: &Profile,
    clock: Clock,
    progress: &Arc<dyn Progress>,
) -> Result<Arc<dyn Backend>, BackendError> {
    match profile.backend.kind {
        BackendKind::Sim => Ok(Arc::new(sim::SimBackend::load(&profile.backend, clock, &**progress)?)),
        #[cfg(feature = "mistralrs")]
        BackendKind::Mistralrs => mistralrs::load(profile, clock, progress),
        #[cfg(not(feature = "mistralrs"))]
        BackendKind::Mistralrs => Err(BackendError::Unavailable(
            "this build has no embedded engine; build it with `--features mistralrs` (the default), \
                 or set backend.kind = \"sim\""
                .into(),
        )),
        BackendKind::Imported => Err(BackendError::Unavailable(
            "backend.kind = \"imported\" marks a recording of another tool's results; it can't be run".into(),
        )),
        #[cfg(feature = "http")]
        BackendKind::Openai => Ok(Arc::new(openai::load(profile, clock, progress)?)),
        #[cfg(not(feature = "http"))]
        BackendKind::Openai => Err(no_http()),
    }
}
