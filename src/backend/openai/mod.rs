//! OpenAI-compatible servers over HTTP, as fast and as true as this machine allows.
//!
//! A request's whole life is one poll function in its client's task ([`generation`]): no task, no channel and no
//! lock between the socket and the client. [`open`] sends it; [`wire`] is a connection over HTTP/1.1, [`shared`] one
//! over HTTP/2, [`socket`] and [`tls`] are below both; [`server`] keeps connections; [`limits`] counts them. [`sse`]
//! cuts the stream, [`peek`] looks into an event, [`reading`] knows what it means. [`ask`] and [`dialect`] write
//! requests, [`probe`] asks the server what it is before any load, [`fault`] says what went wrong.

mod ask;
mod dialect;
mod fault;
mod generation;
mod key;
mod limits;
mod marks;
mod open;
mod peek;
mod probe;
mod reading;
mod server;
mod shape;
mod shared;
mod socket;
mod sse;
mod target;
mod tls;
mod wire;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use self::ask::Ask;
use self::generation::{HttpGeneration, Order, Refused};
use self::key::key;
use self::probe::Served;
use self::server::{Fleet, Server, Ways, headers};
use self::target::Target;
use super::{Backend, BackendError, GenerateRequest, Generation, Progress};
use crate::clock::Clock;
use crate::event::BackendInfo;
use crate::profile::{Backend as Settings, ConnectionUse, Dispatch, HttpVersion, Profile};

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
    ended: AtomicBool,
}

/// Looks at what can be seen to be wrong without a server.
///
/// # Errors
/// The profile's key that is to blame, and what is wrong.
pub fn check(profile: &Profile) -> Result<(), (&'static str, BackendError)> {
    let settings = &profile.backend;
    let unavailable = |key, why: String| (key, BackendError::Unavailable(why));
    key(settings).map_err(|(key, why)| unavailable(key, why))?;
    for url in &settings.urls {
        let target = Target::parse(url).map_err(|why| unavailable("backend.urls", why))?;
        headers(&target, &settings.headers, None).map_err(|why| unavailable("backend.headers", why))?;
    }
    ways(profile).map_err(|(key, why)| unavailable(key, why))?;
    limits::make_room(profile).map_err(|why| unavailable("load.clients", why))
}

/// How the profile's servers are connected to.
fn ways(profile: &Profile) -> Result<Ways, tls::Wrong> {
    let settings = &profile.backend;
    let tls = settings.urls.iter().any(|url| Target::parse(url).is_ok_and(|target| target.tls));
    Ways::new(settings, profile.load.connect_timeout, tls)
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
    check(profile).map_err(|(_, error)| error)?;
    let unavailable = |(_, why)| BackendError::Unavailable(why);
    let key = key(settings).map_err(unavailable)?;
    let ways = ways(profile).map_err(unavailable)?;
    let mut servers = Vec::with_capacity(settings.urls.len());
    for url in &settings.urls {
        let target = Target::parse(url).map_err(BackendError::Unavailable)?;
        let headers =
            headers(&target, &settings.headers, key.as_deref()).map_err(BackendError::Unavailable)?;
        let server = Server::find(target, headers, ways.clone(), clock);
        servers.push(Arc::new(server.map_err(|fault| BackendError::Unavailable(fault.message))?));
    }
    let served = ask_all(&servers, settings.model.as_deref(), &**progress, key.as_deref())?;
    let habits = dialect::habits(settings.dialect, served.owned_by.as_deref());
    let mut notes = habits.notes(settings, profile.workload.ignore_eos);
    notes.extend(connection_notes(settings, &servers));
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
    Ok(OpenaiBackend {
        info,
        vocabulary: settings.vocabulary.or(served.vocab_size).unwrap_or(VOCABULARY),
        fleet: Fleet::new(servers, settings.dispatch),
        ask: Ask::new(&habits, settings, &served.id),
        clock,
        key,
        ended: AtomicBool::new(false),
    })
}

/// What a reader of the figures must know of the connections, where it is not as usual.
fn connection_notes(settings: &Settings, servers: &[Arc<Server>]) -> Vec<String> {
    let mut notes = Vec::new();
    if settings.http == HttpVersion::Two {
        notes.push(match settings.connections {
            Some(n) => format!("HTTP/2, {n} connections a server"),
            None => "HTTP/2".into(),
        });
    }
    if settings.connection == ConnectionUse::PerRequest {
        notes.push("a new connection for every request: connecting is a part of TTFT".into());
    }
    match settings.dispatch {
        Dispatch::LeastLoaded => {}
        Dispatch::RoundRobin => notes.push("requests to the servers in turn".into()),
        Dispatch::PerClient => notes.push("each client to its own server".into()),
    }
    let mut warnings: Vec<String> = key::warning(settings).into_iter().collect();
    if !settings.tls_verify && servers.iter().any(|server| server.target.tls) {
        warnings.push(
            "CERTIFICATES NOT CHECKED (tls_verify = false): anybody could answer in the server's place"
                .into(),
        );
    }
    for warning in &warnings {
        tracing::warn!("{warning}");
    }
    notes.extend(warnings);
    notes
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
        let Some(ticket) = self.fleet.pick(request.client) else {
            return Box::new(Refused("there is no server"));
        };
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

    fn shutdown(&self) {
        self.ended.store(true, Ordering::Release);
        self.fleet.close();
    }
}
