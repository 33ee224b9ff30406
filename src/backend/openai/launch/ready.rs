//! When a server is ready: the URL that is asked for it, and the wait with its progress.

use std::net::{TcpStream, ToSocketAddrs as _};
use std::time::Duration;

use super::Launched;
use crate::backend::openai::key::key;
use crate::backend::openai::probe::Asker;
use crate::backend::openai::server::{Server, Ways, headers};
use crate::backend::openai::target::Target;
use crate::backend::{BackendError, Progress};
use crate::clock::Clock;
use crate::profile::{Launch, Profile};

/// Between two questions.
const ASK: Duration = Duration::from_millis(200);
/// Most time for an answer.
const ANSWER: Duration = Duration::from_secs(3);
/// Between looks at the server's life and the user's wish.
const LOOK: Duration = Duration::from_millis(50);
/// Most time for a connection to whoever sits on the port before the server is started.
const KNOCK: Duration = Duration::from_millis(500);
/// Characters of the server's last line in the progress.
const LINE: usize = 90;

/// Where to ask.
pub struct Ready {
    server: Server,
    path: String,
    /// Asked where the path is not known to the server; only if the path is a guess.
    models: Option<String>,
}

/// An answer, or why there is none.
type Answer = Result<u16, String>;

impl Ready {
    /// As the profile says.
    ///
    /// # Errors
    /// `backend.launch.ready` or the first base URL is none, or its host has no address.
    pub fn of(profile: &Profile, launch: &Launch, clock: Clock) -> Result<Self, String> {
        let settings = &profile.backend;
        let base = settings.urls.first().ok_or("backend.urls names no server")?;
        let base = Target::parse(base)?;
        let target = match &launch.ready {
            Some(url) => Target::parse(url).map_err(|why| format!("{why} (backend.launch.ready)"))?,
            None => base.clone(),
        };
        let (path, models) = match &launch.ready {
            // Of a URL without a path, Target makes `/v1`, which nobody means here.
            Some(url) if has_path(url) => (target.prefix.clone(), None),
            _ => ("/health".to_owned(), Some(format!("{}/models", base.prefix))),
        };
        // The key is for the server that is measured, and for nobody else.
        let ours = target.authority == base.authority;
        let key = if ours { key(settings).map_err(|(_, why)| why)? } else { None };
        let headers = headers(&target, &settings.headers, key.as_deref())?;
        let ways = Ways::new(settings, profile.load.connect_timeout, target.tls).map_err(|(_, why)| why)?;
        let server = Server::find(target, headers, ways, clock).map_err(|fault| fault.message)?;
        Ok(Self { server, path, models })
    }

    /// Where it is asked, for messages.
    fn shown(&self) -> String {
        format!("GET {} at {}", self.path, self.server.target.authority)
    }

    async fn ask(&self, path: &str) -> Answer {
        match tokio::time::timeout(ANSWER, Asker::new(&self.server).get(path)).await {
            Ok(Ok((status, _))) => Ok(status),
            Ok(Err(fault)) => Err(fault.message),
            Err(_) => Err(format!("no answer within {} s", ANSWER.as_secs())),
        }
    }

    /// Asks until the server is ready; keeps the last answer.
    async fn asked(&self, last: &std::cell::RefCell<Option<Answer>>) {
        loop {
            let answer = self.ask(&self.path).await;
            let is_ready = match (&answer, &self.models) {
                // A locked door is a door: what is wrong with the key is said when the models are asked for.
                (Ok(200..=299), _) | (Ok(401 | 403), Some(_)) => true,
                (Ok(404 | 405 | 501), Some(models)) => {
                    matches!(self.ask(models).await, Ok(200..=299 | 401 | 403))
                }
                _ => false,
            };
            if is_ready {
                return;
            }
            last.replace(Some(answer));
            tokio::time::sleep(ASK).await;
        }
    }
}

/// Whether a URL has more than a host.
fn has_path(url: &str) -> bool {
    let rest = url.trim().split_once("://").map_or(url, |(_, rest)| rest);
    rest.split_once('/').is_some_and(|(_, path)| !path.is_empty())
}

/// Waits until the server is ready.
///
/// # Errors
/// It ended, or took too long; or the user wants no more.
pub fn wait(
    launched: &Launched,
    ready: &Ready,
    launch: &Launch,
    progress: &dyn Progress,
) -> Result<(), BackendError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| BackendError::Unavailable(format!("no runtime to ask the server: {error}")))?;
    let last = std::cell::RefCell::new(None);
    let waited = runtime.block_on(async {
        tokio::select! {
            () = ready.asked(&last) => None,
            trouble = trouble(launched, launch.timeout, progress) => Some(trouble),
        }
    });
    match waited {
        None => Ok(()),
        Some(Trouble::Interrupted) => Err(BackendError::Interrupted),
        Some(Trouble::Ended(how)) => {
            let told = launched.output.told();
            Err(BackendError::Unavailable(format!("the server {how} while it was loading{told}")))
        }
        Some(Trouble::Late) => {
            let answer = match last.into_inner() {
                Some(Ok(status)) => format!("HTTP {status}"),
                Some(Err(why)) => why,
                None => "no answer".into(),
            };
            Err(BackendError::Unavailable(format!(
                "the server was not ready within {} (backend.launch.timeout): {}: {answer}{}",
                humantime::format_duration(launch.timeout),
                ready.shown(),
                launched.output.told()
            )))
        }
    }
}

enum Trouble {
    Ended(String),
    Late,
    Interrupted,
}

/// Tells how long it has been, until something is wrong.
async fn trouble(launched: &Launched, timeout: Duration, progress: &dyn Progress) -> Trouble {
    let begun_ns = launched.clock.now_ns();
    let mut told = None;
    loop {
        if let Some(why) = launched.ended() {
            return Trouble::Ended(why);
        }
        if progress.cancelled() {
            return Trouble::Interrupted;
        }
        let spent = Duration::from_nanos(launched.clock.now_ns().saturating_sub(begun_ns));
        if spent >= timeout {
            return Trouble::Late;
        }
        if told != Some(spent.as_secs()) {
            told = Some(spent.as_secs());
            let line: String = launched.output.line().chars().take(LINE).collect();
            let said = if line.is_empty() { String::new() } else { format!(": {line}") };
            progress.step(&format!("starting the server, {} s{said}", spent.as_secs()), None);
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// Whether nobody answers yet where the server will: else somebody else's would be measured.
///
/// # Errors
/// Who is there.
pub fn nobody_at(profile: &Profile, launch: &Launch) -> Result<(), (&'static str, String)> {
    let urls = profile.backend.urls.iter().map(|url| ("backend.urls", url));
    for (key, url) in urls.chain(launch.ready.iter().map(|url| ("backend.launch.ready", url))) {
        let target = Target::parse(url).map_err(|why| (key, why))?;
        let Ok(addresses) = (target.host.as_str(), target.port).to_socket_addrs() else { continue };
        for address in addresses {
            let Ok(socket) = TcpStream::connect_timeout(&address, KNOCK) else { continue };
            // On a port of the range for clients, a connection may have met itself.
            if socket.local_addr().ok() == socket.peer_addr().ok() {
                continue;
            }
            let why = format!(
                "something listens on {address} already, and would be measured in place of the server that \
                 [backend.launch] starts; end it, take another port, or leave [backend.launch] out to measure it"
            );
            return Err((key, why));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::has_path;

    #[test]
    fn a_host_alone_has_no_path() {
        assert!(has_path("http://h:1/health") && has_path("http://h/a/b"));
        assert!(!has_path("http://h:1") && !has_path("http://h:1/"));
    }
}
