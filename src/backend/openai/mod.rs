//! OpenAI-compatible servers over HTTP/1.1, as fast and as true as this machine allows.
//!
//! A request's whole life is one poll function in its client's task ([`generation`]): no task, no channel and no
//! lock between the socket and the client. [`wire`] is a connection, [`server`] keeps those that are idle; [`sse`]
//! cuts the stream, [`peek`] looks into an event, [`reading`] knows what it means. [`ask`] and [`dialect`] write
//! requests, [`probe`] asks the server what it is before any load, [`fault`] says what went wrong. [`metrics`] asks
//! for the engine's own figures meanwhile.

mod ask;
mod dialect;
mod fault;
mod generation;
mod metrics;
mod peek;
mod probe;
mod reading;
mod server;
mod shape;
mod sse;
mod target;
mod wire;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use self::ask::Ask;
use self::generation::{HttpGeneration, Order, Refused};
use self::metrics::Metrics;
use self::probe::Served;
use self::server::{Fleet, Server, headers};
use self::target::Target;
use super::{Backend, BackendError, Gauges, GenerateRequest, Generation, Place, Progress};
use crate::clock::Clock;
use crate::event::BackendInfo;
use crate::profile::{Backend as Settings, Profile};

/// Prompts are drawn from so many token ids where the profile does not say.
const VOCABULARY: u32 = 32_000;
/// The first ids are control tokens in nearly every vocabulary (`<s>`, `</s>`, `<pad>`, …).
const RESERVED: [u32; 10] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9];

/// Servers that are there and have the model.
pub struct OpenaiBackend {
    info: BackendInfo,
    vocabulary: u32,
    fleet: Fleet,
    ask: Ask,
    clock: Clock,
    key: Option<Arc<str>>,
    place: Place,
    metrics: Option<Metrics>,
    ended: AtomicBool,
}

/// Looks at what can be seen to be wrong without a server.
///
/// # Errors
/// The profile's key that is to blame, and what is wrong.
pub fn check(settings: &Settings) -> Result<(), (&'static str, BackendError)> {
    let unavailable = |key, why: String| (key, BackendError::Unavailable(why));
    key(settings).map_err(|why| unavailable("backend.api_key_env", why))?;
    for url in &settings.urls {
        let target = Target::parse(url).map_err(|why| unavailable("backend.urls", why))?;
        headers(&target, &settings.headers, None).map_err(|why| unavailable("backend.headers", why))?;
    }
    let url = settings.metrics_url.as_deref().unwrap_or_default();
    metrics::check(url).map_err(|why| unavailable("backend.metrics_url", why))
}

/// The server's key, from the variable that the profile names.
fn key(settings: &Settings) -> Result<Option<Arc<str>>, String> {
    let Some(name) = &settings.api_key_env else { return Ok(None) };
    match std::env::var(name) {
        Ok(key) if !key.trim().is_empty() => Ok(Some(key.trim().into())),
        Ok(_) => Err(format!("the environment variable {name} is empty; put the server's key into it")),
        Err(std::env::VarError::NotPresent) => {
            Err(format!("the environment variable {name} is not set; put the server's key into it"))
        }
        Err(std::env::VarError::NotUnicode(_)) => {
            Err(format!("the environment variable {name} holds no text that could be a key"))
        }
    }
}

/// Finds the servers of a profile, and asks them for the model. Blocks.
///
/// # Errors
/// Which server is not there, is none, or lacks the model, and what to do.
pub fn load(
    profile: &Profile,
    clock: Clock,
    progress: &Arc<dyn Progress>,
) -> Result<OpenaiBackend, BackendError> {
    let began_ns = clock.now_ns();
    let settings = &profile.backend;
    check(settings).map_err(|(_, error)| error)?;
    let key = key(settings).map_err(BackendError::Unavailable)?;
    let mut servers = Vec::with_capacity(settings.urls.len());
    for url in &settings.urls {
        let target = Target::parse(url).map_err(BackendError::Unavailable)?;
        let headers =
            headers(&target, &settings.headers, key.as_deref()).map_err(BackendError::Unavailable)?;
        let server = Server::find(target, headers, clock);
        servers.push(Arc::new(server.map_err(|fault| BackendError::Unavailable(fault.message))?));
    }
    let served = ask_all(&servers, settings.model.as_deref(), &**progress, key.as_deref())?;
    let habits = dialect::habits(settings.dialect, served.owned_by.as_deref());
    let mut notes = habits.notes(settings, profile.workload.ignore_eos);
    notes.extend(servers.iter().map(|server| server.target.shown()));
    let info = BackendInfo {
        kind: "openai".into(),
        version: habits.name.into(),
        device: "server".into(),
        model: fault::harmless(&served.id),
        quantization: "unknown".into(),
        context_tokens: served.max_model_len,
        replicas: servers.len() as u32,
        notes,
        load_s: clock.now_ns().saturating_sub(began_ns) as f64 / 1e9,
        ..BackendInfo::default()
    };
    let here = servers.iter().all(|server| server.is_here());
    Ok(OpenaiBackend {
        info,
        place: if here { Place::Machine } else { Place::Elsewhere },
        metrics: Metrics::start(settings, key.as_deref(), clock),
        vocabulary: settings.vocabulary.or(served.vocab_size).unwrap_or(VOCABULARY),
        fleet: Fleet::new(servers),
        ask: Ask::new(&habits, settings, &served.id),
        clock,
        key,
        ended: AtomicBool::new(false),
    })
}

/// The model at all servers: the first one's, which the others must have too.
fn ask_all(
    servers: &[Arc<Server>],
    wanted: Option<&str>,
    progress: &dyn Progress,
    key: Option<&str>,
) -> Result<Served, BackendError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| BackendError::Unavailable(format!("no runtime to ask the servers: {error}")))?;
    let asked = runtime.block_on(async {
        let mut first: Option<Served> = None;
        for server in servers {
            let wanted = wanted.or(first.as_ref().map(|served| served.id.as_str()));
            let served = probe::model(server, wanted, progress).await?;
            first.get_or_insert(served);
        }
        first.ok_or_else(|| BackendError::Unavailable("backend.urls names no server".into()))
    });
    asked.map_err(|error| match (error, key) {
        (BackendError::Unavailable(why), Some(key)) => BackendError::Unavailable(why.replace(key, "***")),
        (error, _) => error,
    })
}

impl Backend for OpenaiBackend {
    fn info(&self) -> &BackendInfo {
        &self.info
    }

    fn vocabulary(&self) -> u32 {
        self.vocabulary
    }

    fn reserved_tokens(&self) -> &[u32] {
        &RESERVED
    }

    fn generate(&self, request: GenerateRequest) -> Box<dyn Generation> {
        if self.ended.load(Ordering::Acquire) {
            return Box::new(Refused("the client of the servers was ended"));
        }
        let Some(ticket) = self.fleet.pick() else { return Box::new(Refused("there is no server")) };
        let path = format!("{}{}", ticket.0.target.prefix, self.ask.path());
        Box::new(HttpGeneration::begin(Order {
            ticket,
            path,
            body: self.ask.body(&request),
            max_tokens: request.max_tokens,
            clock: self.clock,
            key: self.key.clone(),
        }))
    }

    fn gauges(&self) -> Gauges {
        self.metrics.as_ref().map_or_else(Gauges::default, Metrics::gauges)
    }

    fn place(&self) -> Place {
        self.place
    }

    fn shutdown(&self) {
        self.ended.store(true, Ordering::Release);
        if let Some(metrics) = &self.metrics {
            metrics.end();
        }
        self.fleet.close();
    }
}
