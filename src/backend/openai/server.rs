//! A server behind one base URL: its addresses, its idle connections, how busy it is.

use std::net::{SocketAddr, ToSocketAddrs as _};
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use http_body_util::Full;
use hyper::body::Bytes;
use hyper::header::{self, HeaderMap, HeaderName, HeaderValue};
use hyper::{Method, Request};
use tokio::net::TcpStream;

use super::fault::Fault;
use super::shared::{Pool, Shared, Slot};
use super::socket::{Socket, Stamped};
use super::target::Target;
use super::tls::{Tls, Wrong};
use super::wire::Wire;
use crate::backend::lane::Lanes;
use crate::clock::Clock;
use crate::event::{ClientId, Outcome};
use crate::profile::{Backend, ConnectionUse, Dispatch, HttpVersion, StampedBy};

/// Most time for a connection, where the profile does not say.
const CONNECT: Duration = Duration::from_secs(10);

/// How servers are connected to.
#[derive(Clone)]
pub struct Ways {
    http: HttpVersion,
    connection: ConnectionUse,
    connections: Option<u32>,
    connect_timeout: Duration,
    stamp: StampedBy,
    tls: Option<Tls>,
}

impl Ways {
    /// As the profile says; `tls`: there is an `https://` server, so its certificates are read.
    ///
    /// # Errors
    /// The profile's key to blame, and what is wrong with the certificates to trust.
    pub fn new(settings: &Backend, connect_timeout: Option<Duration>, tls: bool) -> Result<Self, Wrong> {
        Ok(Self {
            http: settings.http,
            connection: settings.connection,
            connections: settings.connections,
            connect_timeout: connect_timeout.unwrap_or(CONNECT),
            stamp: settings.stamp,
            tls: if tls { Some(Tls::new(settings)?) } else { None },
        })
    }
}

/// One server.
pub struct Server {
    pub target: Target,
    ways: Ways,
    clock: Clock,
    addresses: Vec<SocketAddr>,
    /// The address that answered last.
    good: AtomicUsize,
    /// Idle connections of each of the client's threads: a connection belongs to the event loop it was made in.
    idle: Lanes<Mutex<Vec<Wire>>>,
    shared: Lanes<Pool>,
    in_flight: AtomicU32,
    headers: HeaderMap,
}

impl Server {
    /// Looks the host up; blocks.
    ///
    /// # Errors
    /// If the name has no address.
    pub fn find(target: Target, headers: HeaderMap, ways: Ways, clock: Clock) -> Result<Self, Fault> {
        let found = (target.host.as_str(), target.port).to_socket_addrs();
        let addresses: Vec<SocketAddr> = found.map_err(|error| Fault::name(&target, &error))?.collect();
        Ok(Self {
            target,
            ways,
            clock,
            addresses,
            good: AtomicUsize::new(0),
            idle: Lanes::default(),
            shared: Lanes::default(),
            in_flight: AtomicU32::new(0),
            headers,
        })
    }

    /// Whether it is on this machine, as far as its addresses tell.
    pub fn is_here(&self) -> bool {
        !self.addresses.is_empty() && self.addresses.iter().all(|address| address.ip().is_loopback())
    }

    /// The HTTP that is spoken with it.
    pub fn http(&self) -> HttpVersion {
        self.ways.http
    }

    /// A request to a path, e.g. `/v1/completions`; a GET without a body.
    pub fn request(&self, path: &str, body: Option<Vec<u8>>) -> Result<Request<Full<Bytes>>, Fault> {
        let method = if body.is_some() { Method::POST } else { Method::GET };
        let mut request = Request::new(Full::new(Bytes::from(body.unwrap_or_default())));
        *request.uri_mut() = path.parse().map_err(|_| no_path(path))?;
        *request.method_mut() = method;
        *request.headers_mut() = self.headers.clone();
        if self.ways.connection == ConnectionUse::PerRequest {
            request.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        Ok(request)
    }

    /// The same for HTTP/2, where the body is sent apart.
    pub fn stream_request(&self, path: &str, body: Option<&Bytes>) -> Result<Request<()>, Fault> {
        let url = format!("{}://{}{path}", self.target.scheme(), self.target.authority);
        let mut request = Request::new(());
        *request.uri_mut() = url.parse().map_err(|_| no_path(path))?;
        *request.method_mut() = if body.is_some() { Method::POST } else { Method::GET };
        *request.headers_mut() = self.headers.clone();
        // `:authority` stands in its place.
        request.headers_mut().remove(header::HOST);
        if let Some(body) = body {
            request.headers_mut().insert(header::CONTENT_LENGTH, HeaderValue::from(body.len()));
        }
        Ok(request)
    }

    /// An idle connection over HTTP/1.1, or a new one.
    ///
    /// # Errors
    /// If no address takes a connection in time.
    pub async fn wire(&self) -> Result<Wire, Fault> {
        while let Some(mut wire) = self.take_idle() {
            let rested_ns = self.clock.now_ns().saturating_sub(wire.read_ns());
            if rested_ns < wire.keep_ns && wire.is_free().await {
                return Ok(wire);
            }
        }
        self.connect().await
    }

    fn take_idle(&self) -> Option<Wire> {
        self.idle.here().lock().ok()?.pop()
    }

    /// A new connection over HTTP/1.1.
    ///
    /// # Errors
    /// If no address takes one in time.
    pub async fn connect(&self) -> Result<Wire, Fault> {
        let reached = AtomicBool::new(false);
        Wire::over(self.in_time(&reached, self.dial(&reached)).await?).await
    }

    /// A place on a connection over HTTP/2.
    ///
    /// # Errors
    /// If a connection is needed, and no address takes one in time.
    pub async fn slot(&self) -> Result<Slot, Fault> {
        let (shown, reached) = (self.target.shown(), AtomicBool::new(false));
        let open = self.in_time(&reached, async { Shared::over(self.dial(&reached).await?, &shown).await });
        match self.ways.connection {
            ConnectionUse::Reuse => self.shared.here().slot(self.ways.connections, open).await,
            ConnectionUse::PerRequest => Ok(Slot::on(&Arc::new(open.await?))),
        }
    }

    /// `reached`: somebody took the connection, and is now to answer the handshake or the greeting.
    async fn in_time<T>(
        &self,
        reached: &AtomicBool,
        connecting: impl Future<Output = Result<T, Fault>>,
    ) -> Result<T, Fault> {
        let limit = self.ways.connect_timeout;
        let late = || {
            let shown = self.target.shown();
            Err(if !reached.load(Ordering::Relaxed) {
                Fault::connect_timeout(&shown, limit)
            } else if self.target.tls {
                Fault::mute(&shown, limit, "the TLS handshake; if it speaks plain HTTP there, write http://")
            } else {
                Fault::mute(&shown, limit, "in HTTP/2; leave backend.http out to speak HTTP/1.1")
            })
        };
        tokio::time::timeout(limit, connecting).await.unwrap_or_else(|_| late())
    }

    /// A connected socket, TLS agreed on. Each address gets its share of the time.
    async fn dial(&self, reached: &AtomicBool) -> Result<Socket, Fault> {
        let shown = || self.target.shown();
        let mut last = Fault::new(Outcome::FailedConnect, format!("{} has no address", shown()));
        let good = self.good.load(Ordering::Relaxed);
        let count = self.addresses.len();
        for i in 0..count {
            let at = (good + i) % count;
            let share = self.ways.connect_timeout / (count as u32);
            match tokio::time::timeout(share, TcpStream::connect(self.addresses[at])).await {
                Ok(Ok(socket)) => {
                    self.good.store(at, Ordering::Relaxed);
                    reached.store(true, Ordering::Relaxed);
                    socket.set_nodelay(true).map_err(|error| Fault::connect(&shown(), &error))?;
                    let socket = Stamped::new(socket, self.clock, self.ways.stamp);
                    return match &self.ways.tls {
                        // Boxed, so that connections without it need no room for it.
                        Some(tls) if self.target.tls => Box::pin(tls.over(socket, &self.target)).await,
                        _ => Ok(Socket::Plain(socket)),
                    };
                }
                Ok(Err(error)) => last = Fault::connect(&shown(), &error),
                Err(_) => last = Fault::connect_timeout(&shown(), share),
            }
        }
        Err(last)
    }

    /// Keeps a connection whose answer is read to its end.
    pub fn put_back(&self, mut wire: Wire) {
        if self.ways.connection == ConnectionUse::PerRequest {
            return;
        }
        wire.used = true;
        if let Ok(mut idle) = self.idle.here().lock() {
            idle.push(wire);
        }
    }

    /// Closes idle connections.
    pub fn close(&self) {
        for idle in self.idle.all() {
            if let Ok(mut idle) = idle.lock() {
                idle.clear();
            }
        }
        self.shared.all().iter().for_each(Pool::close);
    }

    fn busy(&self) -> u32 {
        self.in_flight.load(Ordering::Relaxed)
    }
}

/// The servers of a run.
pub struct Fleet {
    servers: Vec<Arc<Server>>,
    dispatch: Dispatch,
    next: AtomicUsize,
}

impl Fleet {
    pub fn new(servers: Vec<Arc<Server>>, dispatch: Dispatch) -> Self {
        Self { servers, dispatch, next: AtomicUsize::new(0) }
    }

    /// The server for a client's next request. `None` where there is none at all.
    pub fn pick(&self, client: ClientId) -> Option<Ticket> {
        let count = self.servers.len();
        let turn = || self.next.fetch_add(1, Ordering::Relaxed);
        let server = match self.dispatch {
            // Of equals the next in turn.
            Dispatch::LeastLoaded => {
                let turn = turn();
                (0..count).map(|i| &self.servers[(turn + i) % count]).min_by_key(|server| server.busy())?
            }
            Dispatch::RoundRobin => self.servers.get(turn().checked_rem(count)?)?,
            Dispatch::PerClient => self.servers.get((client as usize).checked_rem(count)?)?,
        };
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

fn no_path(path: &str) -> Fault {
    Fault::protocol(format!("{path} is no path of a URL"))
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
