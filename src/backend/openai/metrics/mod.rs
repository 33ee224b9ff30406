//! What the servers tell of their engines: their Prometheus metrics, fetched once a second on a thread and over
//! connections of their own, so that no client ever waits for it.
//!
//! [`text`] reads the format, [`names`] knows what the figures are called. A server that tells nothing is no fault
//! of the run: that is said once in the log, and asked again now and then.

mod names;
mod text;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use http::header::{self, HeaderMap, HeaderValue};

use super::fault::{Fault, harmless};
use super::server::{Server, Ways, headers};
use super::target::Target;
use crate::backend::Gauges;
use crate::clock::Clock;
use crate::profile::{Backend as Settings, ConnectionUse, HttpVersion};

/// Time between two questions.
const EVERY: Duration = Duration::from_secs(1);
/// Most time for an answer, its connection and its body.
const ANSWER: Duration = Duration::from_millis(800);
/// After so many failures in a row a server is asked less often, this many times as seldom.
const PATIENCE: u32 = 3;
const SELDOM: u32 = 15;
/// The longest text that is read, bytes: a server with many models has some hundred KiB.
const LONGEST: usize = 4 * 1024 * 1024;
/// Figures that are older are no longer shown, nanoseconds.
const STALE_NS: u64 = 3_000_000_000;
/// How often the thread looks whether it is to end.
const STEP: Duration = Duration::from_millis(50);
/// Where servers have their metrics.
const PATH: &str = "/metrics";

/// The thread that asks, and what it was told last.
pub struct Metrics {
    told: Arc<Mutex<Option<(u64, Gauges)>>>,
    over: Arc<AtomicBool>,
    thread: Mutex<Option<JoinHandle<()>>>,
    clock: Clock,
}

impl Metrics {
    /// Starts asking. `None` where nobody is to be asked, or there is no thread to do it.
    pub fn start(settings: &Settings, key: Option<&str>, clock: Clock) -> Option<Self> {
        let asked: Vec<Asked> =
            sources(settings).into_iter().map(|target| Asked::new(target, settings, key, clock)).collect();
        if asked.is_empty() {
            return None;
        }
        let told = Arc::new(Mutex::new(None));
        let over = Arc::new(AtomicBool::new(false));
        let asking = Asking { asked, told: told.clone(), over: over.clone(), clock };
        let spawned = std::thread::Builder::new().name("server-metrics".into()).spawn(move || asking.run());
        let thread =
            spawned.inspect_err(|e| tracing::warn!("no figures of the server's engine: {e}")).ok()?;
        Some(Self { told, over, thread: Mutex::new(Some(thread)), clock })
    }

    /// What was told last, as long as it is fresh.
    pub fn gauges(&self) -> Gauges {
        let told = *self.told.lock().unwrap_or_else(PoisonError::into_inner);
        let fresh = told.filter(|(at_ns, _)| self.clock.now_ns().saturating_sub(*at_ns) <= STALE_NS);
        fresh.map_or_else(Gauges::default, |(_, gauges)| gauges)
    }

    /// Ends the thread, and waits for its last question.
    pub fn end(&self) {
        self.over.store(true, Ordering::Relaxed);
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread {
            let _ = thread.join();
        }
    }
}

impl Drop for Metrics {
    fn drop(&mut self) {
        self.end();
    }
}

/// Whom to ask: `backend.metrics_url`, nobody if it is empty, or each server at its usual place.
fn sources(settings: &Settings) -> Vec<Target> {
    match settings.metrics_url.as_deref() {
        Some(url) => source(url).into_iter().collect(),
        None => settings
            .urls
            .iter()
            .filter_map(|url| Target::parse(url).ok())
            .map(|target| Target { prefix: PATH.into(), ..target })
            .collect(),
    }
}

/// The place that a URL names; without a path, the usual one. `None` for none.
fn source(url: &str) -> Option<Target> {
    let target = (!url.trim().is_empty()).then(|| Target::parse(url).ok()).flatten()?;
    let bare = url.trim().trim_end_matches('/').matches('/').count() <= 2;
    Some(if bare { Target { prefix: PATH.into(), ..target } } else { target })
}

/// What is wrong with `backend.metrics_url`.
///
/// # Errors
/// As [`Target::parse`].
pub fn check(url: &str) -> Result<(), String> {
    if url.trim().is_empty() { Ok(()) } else { Target::parse(url).map(drop) }
}

/// One place that is asked.
struct Asked {
    target: Target,
    headers: HeaderMap,
    /// How it is connected to; or what is wrong with that.
    ways: Result<Ways, String>,
    clock: Clock,
    /// Once its name was looked up.
    server: Option<Server>,
    failures: u32,
    complained: bool,
    /// Turns to wait before the next question.
    wait: u32,
}

impl Asked {
    fn new(target: Target, settings: &Settings, key: Option<&str>, clock: Clock) -> Self {
        // The key is for the servers that are measured, and for nobody else.
        let ours = settings.urls.iter().filter_map(|url| Target::parse(url).ok());
        let known = ours.into_iter().any(|own| own.tls == target.tls && own.authority == target.authority);
        let mut made = if known {
            headers(&target, &settings.headers, key).unwrap_or_default()
        } else {
            headers(&target, std::iter::empty(), None).unwrap_or_default()
        };
        made.insert(header::ACCEPT, HeaderValue::from_static("text/plain; version=0.0.4, */*;q=0.1"));
        // One short question a second, whatever the load's connections are.
        let plain = Settings {
            http: HttpVersion::default(),
            connection: ConnectionUse::default(),
            connections: None,
            ..settings.clone()
        };
        let ways = Ways::new(&plain, Some(ANSWER), target.tls).map_err(|(_, why)| why);
        Self { target, headers: made, ways, clock, server: None, failures: 0, complained: false, wait: 0 }
    }

    /// Asks, if it is its turn.
    async fn turn(&mut self) -> Option<Gauges> {
        if self.wait > 0 {
            self.wait -= 1;
            return None;
        }
        let late = || Err(format!("no answer within {} ms", ANSWER.as_millis()));
        let answer = match tokio::time::timeout(ANSWER, self.ask()).await {
            Ok(answer) => answer,
            Err(_) => late(),
        };
        match answer {
            Ok(gauges) => {
                self.failures = 0;
                Some(gauges)
            }
            Err(why) => {
                self.failed(&why);
                None
            }
        }
    }

    async fn ask(&mut self) -> Result<Gauges, String> {
        let server = if let Some(server) = self.server.take() {
            server
        } else {
            let ways = self.ways.clone()?;
            Server::find(self.target.clone(), self.headers.clone(), ways, self.clock)
                .map_err(|fault| fault.message)?
        };
        // Given up in the midst of it, the server goes with its connections.
        let answer = get(&server, &self.target.prefix).await;
        let (status, body) = answer.map_err(|fault| fault.message)?;
        self.server = Some(server);
        if status != 200 {
            return Err(format!("HTTP {status}"));
        }
        names::gauges(&String::from_utf8_lossy(&body))
            .ok_or_else(|| "the answer is not in Prometheus' text format".to_owned())
    }

    fn failed(&mut self, why: &str) {
        self.failures += 1;
        if self.failures >= PATIENCE {
            self.wait = SELDOM - 1;
        }
        if !std::mem::replace(&mut self.complained, true) {
            tracing::info!(
                "no figures of the engine from {}://{}{}: {}; backend.metrics_url names another place, or \"\" for none",
                self.target.scheme(),
                self.target.authority,
                self.target.prefix,
                harmless(why)
            );
        }
    }
}

async fn get(server: &Server, path: &str) -> Result<(u16, Vec<u8>), Fault> {
    let mut wire = server.connect().await?;
    let answer = wire.send(server.lines(path, None)?, Vec::new()).await;
    let head = answer.map_err(|unanswered| unanswered.fault)?;
    Ok((head.status.as_u16(), wire.body(LONGEST).await?))
}

/// The thread's own.
struct Asking {
    asked: Vec<Asked>,
    told: Arc<Mutex<Option<(u64, Gauges)>>>,
    over: Arc<AtomicBool>,
    clock: Clock,
}

impl Asking {
    fn run(mut self) {
        let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else { return };
        let mut due = self.clock.now_ns();
        while !self.over.load(Ordering::Relaxed) {
            if self.clock.now_ns() < due {
                std::thread::sleep(STEP);
                continue;
            }
            // A slow answer makes no two questions follow each other at once.
            due = self.clock.now_ns() + EVERY.as_nanos() as u64;
            let told = runtime.block_on(self.all());
            if let Some(gauges) = told {
                let now = (self.clock.now_ns(), gauges);
                *self.told.lock().unwrap_or_else(PoisonError::into_inner) = Some(now);
            }
        }
    }

    /// The figures of all servers; `None` where one of them did not tell.
    async fn all(&mut self) -> Option<Gauges> {
        let mut told = Vec::with_capacity(self.asked.len());
        for asked in &mut self.asked {
            told.push(asked.turn().await);
        }
        let told: Option<Vec<Gauges>> = told.into_iter().collect();
        told.map(|told| names::together(&told))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(urls: &[&str], metrics_url: Option<&str>) -> Settings {
        Settings {
            urls: urls.iter().map(|url| (*url).to_owned()).collect(),
            metrics_url: metrics_url.map(str::to_owned),
            ..Settings::default()
        }
    }

    #[test]
    fn servers_are_asked_at_their_usual_place_or_where_the_profile_says() {
        let asked = |urls: &[&str], url: Option<&str>| -> Vec<String> {
            sources(&settings(urls, url)).iter().map(|t| format!("{}{}", t.authority, t.prefix)).collect()
        };
        let two = ["http://a:8000/v1", "http://b:8000/x/v1"];
        assert_eq!(asked(&two, None), ["a:8000/metrics", "b:8000/metrics"]);
        assert_eq!(asked(&two, Some("http://c:9/prom")), ["c:9/prom"]);
        assert_eq!(asked(&two, Some("http://c:9/")), ["c:9/metrics"]);
        assert_eq!(asked(&two, Some("")), [""; 0]);
        assert!(check("").is_ok() && check("http://c").is_ok());
        assert!(check("c:9/metrics").is_err_and(|why| why.contains("scheme")));
    }

    #[test]
    fn the_key_goes_to_the_measured_servers_only() {
        let settings = settings(&["http://a:8000/v1"], None);
        let sent = |url: &str| {
            let target = source(url).unwrap();
            let asked = Asked::new(target, &settings, Some("secret"), Clock::start());
            asked.headers.contains_key(header::AUTHORIZATION)
        };
        assert!(sent("http://a:8000/metrics"));
        assert!(!sent("http://b:8000/metrics"));
    }
}
