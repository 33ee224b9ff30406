//! A server behind one base URL: its addresses, its idle connections, how busy it is.

use std::net::{SocketAddr, ToSocketAddrs as _};
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use http_body_util::Full;
use hyper::Request;
use hyper::body::Bytes;
use hyper::header::{self, HeaderMap, HeaderName, HeaderValue};
use tokio::net::TcpStream;

use super::fault::Fault;
use super::target::Target;
use super::wire::Wire;
use crate::clock::Clock;

/// Most time for a connection.
pub const CONNECT: Duration = Duration::from_secs(10);

/// One server.
pub struct Server {
    pub target: Target,
    clock: Clock,
    addresses: Vec<SocketAddr>,
    /// The address that answered last.
    good: AtomicUsize,
    idle: Mutex<Vec<Wire>>,
    in_flight: AtomicU32,
    headers: HeaderMap,
}

impl Server {
    /// Looks the host up; blocks.
    ///
    /// # Errors
    /// If the name has no address.
    pub fn find(target: Target, headers: HeaderMap, clock: Clock) -> Result<Self, Fault> {
        let found = (target.host.as_str(), target.port).to_socket_addrs();
        let addresses: Vec<SocketAddr> =
            found.map_err(|error| Fault::connect(&target.shown(), &error))?.collect();
        Ok(Self {
            target,
            clock,
            addresses,
            good: AtomicUsize::new(0),
            idle: Mutex::new(Vec::new()),
            in_flight: AtomicU32::new(0),
            headers,
        })
    }

    /// Whether it is on this machine, as far as its addresses tell.
    pub fn is_here(&self) -> bool {
        !self.addresses.is_empty() && self.addresses.iter().all(|address| address.ip().is_loopback())
    }

    /// A request to a path, e.g. `/v1/completions`; a GET without a body.
    pub fn request(&self, path: &str, body: Option<Vec<u8>>) -> Result<Request<Full<Bytes>>, Fault> {
        let method = if body.is_some() { hyper::Method::POST } else { hyper::Method::GET };
        let mut request = Request::new(Full::new(Bytes::from(body.unwrap_or_default())));
        *request.uri_mut() =
            path.parse().map_err(|_| Fault::protocol(format!("{path} is no path of a URL")))?;
        *request.method_mut() = method;
        *request.headers_mut() = self.headers.clone();
        Ok(request)
    }

    /// An idle connection, or a new one.
    ///
    /// # Errors
    /// If no address takes a connection in time.
    pub async fn wire(&self) -> Result<Wire, Fault> {
        while let Some(mut wire) = self.take_idle() {
            if wire.is_free().await {
                return Ok(wire);
            }
        }
        self.connect().await
    }

    fn take_idle(&self) -> Option<Wire> {
        self.idle.lock().ok()?.pop()
    }

    /// A new connection.
    ///
    /// # Errors
    /// If no address takes one in time.
    pub async fn connect(&self) -> Result<Wire, Fault> {
        let shown = || self.target.shown();
        let mut last =
            Fault::new(crate::event::Outcome::FailedConnect, format!("{} has no address", shown()));
        let good = self.good.load(Ordering::Relaxed);
        for i in 0..self.addresses.len() {
            let at = (good + i) % self.addresses.len();
            match tokio::time::timeout(CONNECT, TcpStream::connect(self.addresses[at])).await {
                Ok(Ok(socket)) => {
                    self.good.store(at, Ordering::Relaxed);
                    socket.set_nodelay(true).map_err(|error| Fault::connect(&shown(), &error))?;
                    return Wire::over(socket, self.clock).await;
                }
                Ok(Err(error)) => last = Fault::connect(&shown(), &error),
                Err(_) => last = Fault::connect_timeout(&shown(), CONNECT),
            }
        }
        Err(last)
    }

    /// Keeps a connection whose answer is read to its end.
    pub fn put_back(&self, mut wire: Wire) {
        wire.used = true;
        if let Ok(mut idle) = self.idle.lock() {
            idle.push(wire);
        }
    }

    /// Closes idle connections.
    pub fn close(&self) {
        if let Ok(mut idle) = self.idle.lock() {
            idle.clear();
        }
    }

    fn busy(&self) -> u32 {
        self.in_flight.load(Ordering::Relaxed)
    }
}

/// The servers of a run.
pub struct Fleet {
    servers: Vec<Arc<Server>>,
    next: AtomicUsize,
}

impl Fleet {
    pub fn new(servers: Vec<Arc<Server>>) -> Self {
        Self { servers, next: AtomicUsize::new(0) }
    }

    /// The least busy server, and of equals the next in turn. `None` where there is none at all.
    pub fn pick(&self) -> Option<Ticket> {
        let turn = self.next.fetch_add(1, Ordering::Relaxed);
        let count = self.servers.len();
        let server =
            (0..count).map(|i| &self.servers[(turn + i) % count]).min_by_key(|server| server.busy())?;
        server.in_flight.fetch_add(1, Ordering::Relaxed);
        Some(Ticket(server.clone()))
    }

    pub fn close(&self) {
        for server in &self.servers {
            server.close();
        }
    }
}

/// A request's place at a server, given back when it is dropped.
pub struct Ticket(pub Arc<Server>);

impl Drop for Ticket {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Headers of every request; `key` is the server's key.
///
/// # Errors
/// Names a header that can't be sent; never shows the key.
pub fn headers<'a>(
    target: &Target,
    own: impl IntoIterator<Item = (&'a String, &'a String)>,
    key: Option<&str>,
) -> Result<HeaderMap, String> {
    let mut headers = HeaderMap::new();
    let host = HeaderValue::from_str(&target.authority).map_err(|_| "the host can't be sent".to_owned())?;
    headers.insert(header::HOST, host);
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(header::ACCEPT, HeaderValue::from_static("text/event-stream, application/json"));
    let agent = concat!("fastgen-tui/", env!("CARGO_PKG_VERSION"));
    headers.insert(header::USER_AGENT, HeaderValue::from_static(agent));
    for (name, value) in own {
        let wrong = || format!("the header `{name}` or its value can't be sent over HTTP");
        let made = HeaderName::from_bytes(name.as_bytes()).map_err(|_| wrong())?;
        headers.insert(made, HeaderValue::from_str(value).map_err(|_| wrong())?);
    }
    if let Some(key) = key {
        let mut value = HeaderValue::from_str(&format!("Bearer {key}"))
            .map_err(|_| "the key holds characters that can't be sent over HTTP".to_owned())?;
        value.set_sensitive(true);
        headers.insert(header::AUTHORIZATION, value);
    }
    Ok(headers)
}
