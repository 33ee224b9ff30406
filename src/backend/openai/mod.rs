//! OpenAI-compatible servers over HTTP, as fast and as true as this machine allows.
//!
//! A request's whole life is one poll function in its client's task ([`generation`]): no task, no channel and no
//! lock between the socket and the client. [`open`] sends it where there is no connection yet; [`wire`] is a connection
//! over HTTP/1.1, with [`head`] and [`framing`] of what comes over it, [`shared`] one over HTTP/2, [`socket`] and
//! [`tls`] are below both, [`line`] is the connection itself, and [`arrival`] knows when bytes came; [`server`] keeps
//! connections; [`limits`] counts them. [`sse`] cuts the stream, [`peek`] looks into an event, [`reading`] knows what it means.
//! [`ask`] and [`dialect`] write requests, [`counting`] knows how the server is asked to count, [`speech`] knows the APIs that
//! are not OpenAI's. [`probe`] and [`detect`] ask the server what it is before any load, [`fault`] says what went wrong,
//! [`watch`] that prompts are not as long as they were meant to be. [`metrics`]
//! asks for the engine's own figures meanwhile.

mod arrival;
mod ask;
mod counting;
mod detect;
mod dialect;
mod fault;
mod framing;
mod generation;
mod head;
mod key;
mod launch;
mod limits;
mod line;
mod marks;
mod metrics;
mod open;
mod peek;
mod probe;
mod reading;
mod server;
mod shape;
mod shared;
mod socket;
mod speech;
mod sse;
mod target;
mod tls;
mod watch;
mod wire;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use self::ask::Ask;
use self::counting::Counting;
use self::detect::Found;
use self::generation::{HttpGeneration, Order, Refused};
use self::key::key;
use self::launch::Launched;
pub use self::launch::{check as check_launch, supervise};
use self::metrics::Metrics;
use self::server::{Fleet, Server, Ways, headers};
use self::target::Target;
use self::watch::PromptWatch;
use super::{Backend, BackendError, Gauges, GenerateRequest, Generation, Place, Progress};
use crate::clock::Clock;
use crate::event::BackendInfo;
use crate::model::TextTokenizer;
use crate::profile::{
    Backend as Settings, ConnectionUse, Dialect, Dispatch, Endpoint, HttpVersion, Profile, PromptAs,
    StampedBy,
};

/// Prompts are drawn from so many token ids where the profile does not say.
const VOCABULARY: u32 = 32_000;
/// The first ids are control tokens in nearly every vocabulary (`<s>`, `</s>`, `<pad>`, …).
const RESERVED: [u32; 10] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9];
/// Fewer words would make all prompts alike.
const LEAST_WORDS: usize = 16;

/// Servers that are there and have the model.
pub struct OpenaiBackend {
    info: BackendInfo,
    vocabulary: u32,
    fleet: Fleet,
    ask: Ask,
    /// Where the server can be asked to count in each event.
    counting: Option<Arc<Counting>>,
    clock: Clock,
    key: Option<Arc<str>>,
    /// The server that was started for the run.
    launched: Option<Launched>,
    tokenizer: Option<Arc<TextTokenizer>>,
    reserved: Vec<u32>,
    /// Told if prompts are not as long as they should be, where that can be expected.
    watch: Option<Arc<PromptWatch>>,
    place: Place,
    metrics: Option<Metrics>,
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
    if let Some(path) = &settings.tokenizer {
        TextTokenizer::shared(path).map_err(|error| unavailable("backend.tokenizer", error.to_string()))?;
    }
    for url in &settings.urls {
        let target = Target::parse(url).map_err(|why| unavailable("backend.urls", why))?;
        headers(&target, &settings.headers, None).map_err(|why| unavailable("backend.headers", why))?;
    }
    let url = settings.metrics_url.as_deref().unwrap_or_default();
    metrics::check(url).map_err(|why| unavailable("backend.metrics_url", why))?;
    ways(profile).map_err(|(key, why)| unavailable(key, why))?;
    let key = if profile.load.open().is_some() { "load.max_in_flight" } else { "load.clients" };
    limits::make_room(profile).map_err(|why| unavailable(key, why))
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
    let launched = Launched::start(profile, key.as_deref(), clock, &**progress)?;
    let servers = servers(settings, key.as_deref(), &ways, clock)?;
    let found = ask_all(&servers, settings, &**progress, key.as_deref())?;
    let prefix = servers.first().map_or("", |server| server.target.prefix.as_str());
    let habits = dialect::habits(found.dialect, settings.endpoint, prefix, found.served.owned_by.as_deref());
    let as_text = dialect::sent_as(settings, &habits) == PromptAs::Text;
    let tokenizer = tokenizer(settings, as_text, &**progress)?;
    let ask = Ask::new(&habits, settings, &found.served.id, tokenizer.clone().filter(|_| as_text));
    for server in &servers {
        let at = server.load_at(&ask.path(&server.target.prefix));
        at.map_err(|fault| BackendError::Unavailable(fault.message))?;
    }
    let mut notes = habits.notes(profile, &ask.path(prefix));
    notes.extend(connection_notes(settings, &servers));
    notes.extend(servers.iter().map(|server| server.target.shown()));
    notes.extend(launched.is_some().then(|| "started for the run".to_owned()));
    let version = found.version.map(|version| format!(" {}", fault::harmless(&version)));
    let info = BackendInfo {
        kind: "openai".into(),
        version: format!("{}{}", habits.name, version.unwrap_or_default()),
        device: "server".into(),
        model: fault::harmless(&found.served.id),
        quantization: "unknown".into(),
        context_tokens: found.served.max_model_len,
        replicas: servers.len() as u32,
        notes,
        load_s: clock.now_ns().saturating_sub(began_ns) as f64 / 1e9,
        ..BackendInfo::default()
    };
    let known = tokenizer.as_ref().map(|tokenizer| tokenizer.vocabulary());
    let chat = settings.endpoint == Endpoint::Chat;
    let here = servers.iter().all(|server| server.is_here());
    Ok(OpenaiBackend {
        info,
        place: if here { Place::Machine } else { Place::Elsewhere },
        metrics: Metrics::start(settings, key.as_deref(), clock),
        vocabulary: settings.vocabulary.or(known).or(found.served.vocab_size).unwrap_or(VOCABULARY),
        fleet: Fleet::new(servers, settings.dispatch),
        counting: ask.can_count().then(|| Arc::new(Counting::new(settings.usage))),
        watch: ask.is_exact().then(|| Arc::new(PromptWatch::new(chat))),
        ask,
        clock,
        key,
        launched,
        reserved: tokenizer.as_ref().map_or_else(|| RESERVED.to_vec(), |tokenizer| tokenizer.special_ids()),
        tokenizer,
        ended: AtomicBool::new(false),
    })
}

fn servers(
    settings: &Settings,
    key: Option<&str>,
    ways: &Ways,
    clock: Clock,
) -> Result<Vec<Arc<Server>>, BackendError> {
    let mut own = settings.headers.clone();
    if let (Dialect::AzureMl, Some(name)) = (settings.dialect, &settings.model) {
        own.entry(speech::DEPLOYMENT.to_owned()).or_insert_with(|| name.clone());
    }
    let server = |url: &String| {
        let target = Target::parse(url).map_err(BackendError::Unavailable)?;
        let headers = headers(&target, &own, key).map_err(BackendError::Unavailable)?;
        let server = Server::find(target, headers, ways.clone(), clock);
        Ok(Arc::new(server.map_err(|fault| BackendError::Unavailable(fault.message))?))
    };
    settings.urls.iter().map(server).collect()
}

/// The profile's tokenizer, with its words looked for if prompts are made of them.
fn tokenizer(
    settings: &Settings,
    as_text: bool,
    progress: &dyn Progress,
) -> Result<Option<Arc<TextTokenizer>>, BackendError> {
    let Some(path) = &settings.tokenizer else { return Ok(None) };
    progress.step(&format!("reading {}", path.display()), None);
    let tokenizer = TextTokenizer::shared(path).map_err(|e| BackendError::Unavailable(e.to_string()))?;
    if as_text {
        progress.step("looking for words of one token each", None);
        if tokenizer.words().len() < LEAST_WORDS {
            return Err(BackendError::Unavailable(format!(
                "the tokenizer {} has no words that are one token each wherever they stand, so no text of a known \
                 count can be made; set prompt_as = \"tokens\" if the server takes token ids",
                path.display()
            )));
        }
    }
    Ok(Some(tokenizer))
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
    notes.push(match settings.stamp {
        StampedBy::Arrival if cfg!(target_os = "linux") => "tokens have the kernel's times of arrival".into(),
        _ => "tokens have the times they were read at".into(),
    });
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

/// What all servers are, and the model at all of them: the first one's, which the others must have too.
fn ask_all(
    servers: &[Arc<Server>],
    settings: &Settings,
    progress: &dyn Progress,
    key: Option<&str>,
) -> Result<Found, BackendError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| BackendError::Unavailable(format!("no runtime to ask the servers: {error}")))?;
    let asked = runtime.block_on(async {
        let mut first: Option<Found> = None;
        for server in servers {
            let id = first.as_ref().map(|found| found.served.id.as_str()).filter(|id| *id != "unknown");
            let wanted = settings.model.as_deref().or(id);
            let found = detect::find(server, settings.dialect, wanted, progress).await?;
            let kin = first.get_or_insert_with(|| found.clone());
            if kin.dialect != found.dialect {
                return Err(BackendError::Unavailable(format!(
                    "the servers speak different dialects, {} and, {}, {}; measure each kind by itself, or set \
                     backend.dialect to what all speak",
                    kin.dialect.name(),
                    server.target.shown(),
                    found.dialect.name()
                )));
            }
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
        &self.reserved
    }

    /// With a tokenizer, a text's ids. Without one, as many stand-ins as it has words: the text itself is sent, and the
    /// server counts it.
    fn encode(&self, text: &str) -> Result<Vec<u32>, BackendError> {
        let Some(tokenizer) = &self.tokenizer else {
            return Ok(vec![0; text.split_whitespace().count().max(1)]);
        };
        tokenizer.ids(text).ok_or_else(|| {
            BackendError::Unavailable("the tokenizer can't take the text of workload.prompt_text".into())
        })
    }

    fn generate(&self, request: GenerateRequest) -> Box<dyn Generation> {
        if self.ended.load(Ordering::Acquire) {
            return Box::new(Refused("the client of the servers was ended"));
        }
        let Some(ticket) = self.fleet.pick(request.client) else {
            return Box::new(Refused("there is no server"));
        };
        // A text without a tokenizer has no count that could differ.
        let watched = request.text.is_none() || self.tokenizer.is_some();
        // A single token needs no count of its own.
        let counts =
            request.max_tokens > 1 && self.counting.as_ref().is_some_and(|counting| counting.in_each());
        Box::new(HttpGeneration::begin(Order {
            ticket,
            body: self.ask.body(&request, counts),
            max_tokens: request.max_tokens,
            clock: self.clock,
            key: self.key.clone(),
            speech: self.ask.speech(&request),
            whole: !self.ask.streams(),
            prompt: (request.prompt.len() as u32, self.watch.clone().filter(|_| watched)),
            counted: self.tokenizer.is_some(),
            counting: self.counting.clone(),
        }))
    }

    fn gauges(&self) -> Gauges {
        self.metrics.as_ref().map_or_else(Gauges::default, Metrics::gauges)
    }

    fn place(&self) -> Place {
        self.place
    }

    fn health(&self) -> Result<(), BackendError> {
        self.launched.as_ref().map_or(Ok(()), Launched::health)
    }

    fn shutdown(&self) {
        self.ended.store(true, Ordering::Release);
        if let Some(metrics) = &self.metrics {
            metrics.end();
        }
        self.fleet.close();
        if let Some(launched) = &self.launched {
            launched.stop();
        }
    }
}
