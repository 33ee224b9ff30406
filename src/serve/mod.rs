//! The engine alone, behind an OpenAI-compatible API: so that it can be measured over HTTP as it is in process, and
//! stays loaded between runs.
//!
//! [`run`] loads a profile's backend and serves it until it is told to end. [`api`] has the routes, [`completions`] the
//! endpoint whose requests go through the same [`Backend`] as a run's, with exact counts. [`place`] is how a server
//! that runs in the background is found again.

mod api;
mod completions;
pub mod place;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::net::TcpListener;

use crate::backend::{self, Backend, BackendError};
use crate::clock::Clock;
use crate::event::BackendInfo;
use crate::profile::Profile;
use crate::progress::Progress;

/// How often the server looks whether it shall end, or the engine has died.
const LOOK: Duration = Duration::from_millis(100);
/// How long answers under way may take once the server ends.
const GRACE: Duration = Duration::from_secs(5);

/// Where and for whom to serve.
#[derive(Debug, Clone)]
pub struct Options {
    pub address: SocketAddr,
    /// The key that clients must send, if any.
    pub key: Option<Arc<str>>,
    /// Set to end.
    pub stop: Arc<AtomicBool>,
}

/// Why serving failed.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    #[error("can't listen on {address}: {error}{hint}")]
    Listen { address: SocketAddr, error: std::io::Error, hint: &'static str },
    #[error(transparent)]
    Backend(#[from] BackendError),
    #[error("can't start the server: {0}")]
    Start(std::io::Error),
}

impl ServeError {
    fn listen(address: SocketAddr, error: std::io::Error) -> Self {
        let hint = match error.kind() {
            std::io::ErrorKind::AddrInUse => "; something else has this port: choose another by --port",
            std::io::ErrorKind::PermissionDenied => {
                "; ports below 1024 are the system's: choose another by --port"
            }
            _ => "",
        };
        Self::Listen { address, error, hint }
    }
}

/// Whether the address is free to listen on, as far as can be told without keeping it.
///
/// # Errors
/// If it is not.
pub fn is_free(address: SocketAddr) -> Result<(), ServeError> {
    std::net::TcpListener::bind(address).map(drop).map_err(|error| ServeError::listen(address, error))
}

/// Loads the engine and serves it until `options.stop` is set. `ready` is called once, when requests are taken, with
/// the address and what serves.
///
/// # Errors
/// If the port is taken, the engine can't be loaded, or it dies.
pub fn run(
    profile: &Profile,
    options: &Options,
    progress: &Arc<dyn Progress>,
    ready: impl FnOnce(SocketAddr, &BackendInfo),
) -> Result<(), ServeError> {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(ServeError::Start)?;
    // Before the engine, which takes long: a port that is taken is told at once.
    let listener = runtime
        .block_on(TcpListener::bind(options.address))
        .map_err(|error| ServeError::listen(options.address, error))?;
    let address = listener.local_addr().map_err(ServeError::Start)?;
    let backend = backend::load(profile, Clock::start(), progress)?;
    let routes = api::routes(backend.clone(), options.key.clone());
    let served = runtime.block_on(async {
        ready(address, backend.info());
        serve(listener, routes, &*backend, &options.stop).await
    });
    backend.shutdown();
    served
}

async fn serve(
    listener: TcpListener,
    routes: axum::Router,
    backend: &dyn Backend,
    stop: &AtomicBool,
) -> Result<(), ServeError> {
    let (end, ends) = tokio::sync::oneshot::channel::<()>();
    let server = axum::serve(api::NoDelay(listener), routes).with_graceful_shutdown(async move {
        let _ = ends.await;
    });
    let mut server = tokio::spawn(server.into_future());
    let outcome = loop {
        tokio::select! {
            over = &mut server => return match over {
                Ok(end) => end.map_err(ServeError::Start),
                Err(error) => Err(ServeError::Start(error.into())),
            },
            () = tokio::time::sleep(LOOK) => {}
        }
        if stop.load(Ordering::Relaxed) {
            break Ok(());
        }
        if let Err(error) = backend.health() {
            break Err(error.into());
        }
    };
    drop(end);
    if tokio::time::timeout(GRACE, &mut server).await.is_err() {
        server.abort();
    }
    outcome
}
