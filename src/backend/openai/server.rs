//! A server behind one base URL: its addresses, its idle connections, how busy it is.

use std::net::{SocketAddr, ToSocketAddrs as _};
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::task::Context;
use std::time::Duration;

use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Method, Request};
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
    #[allow(clippy::vec_box, reason = "they go to and fro, and are large")]
    idle: Lanes<Mutex<Vec<Box<Wire>>>>,
    shared: Lanes<Pool>,
    in_flight: AtomicU32,
    headers: HeaderMap,
    /// The same, as they are written over HTTP/1.1.
    lines: Vec<u8>,
    load: OnceLock<Load>,
}

/// Where the load's requests go.
struct Load {
    path: Box<str>,
    /// The head of each over HTTP/1.1, as far as the length of its body.
    head: Box<[u8]>,
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
            clock,
            addresses,
            good: AtomicUsize::new(0),
            idle: Lanes::default(),
            shared: Lanes::default(),
            in_flight: AtomicU32::new(0),
            lines: written(&headers, &ways),
            headers,
            ways,
            load: OnceLock::new(),
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

    /// Says where the load's requests go, e.g. `/v1/completions`.
    ///
    /// # Errors
    /// If it is no path of a URL.
    pub fn load_at(&self, path: &str) -> Result<(), Fault> {
        let mut head = self.begun("POST", path)?;
        head.extend_from_slice(LENGTH);
        let _ = self.load.set(Load { path: path.into(), head: head.into() });
        Ok(())
    }

    /// Where the load's requests go.
    pub fn path(&self) -> &str {
        self.load.get().map_or("/", |load| &load.path)
    }

    /// The head of one of the load's requests over HTTP/1.1, for a body of so many bytes, with room for `more` behind it.
    pub fn post(&self, length: usize, more: usize) -> Vec<u8> {
        let head = self.load.get().map_or(&[][..], |load| &load.head);
        let mut lines = Vec::with_capacity(head.len() + LENGTH_ROOM + more);
        lines.extend_from_slice(head);
        put_length(&mut lines, length);
        lines
    }

    /// The head of any request over HTTP/1.1; a GET without a body.
    pub fn lines(&self, path: &str, body: Option<usize>) -> Result<Vec<u8>, Fault> {
        let mut lines = self.begun(if body.is_some() { "POST" } else { "GET" }, path)?;
        match body {
            Some(length) => {
                lines.extend_from_slice(LENGTH);
                put_length(&mut lines, length);
            }
            None => lines.extend_from_slice(b"\r\n"),
        }
        Ok(lines)
    }

    fn begun(&self, method: &str, path: &str) -> Result<Vec<u8>, Fault> {
        if !path.starts_with('/') || !path.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#') {
            return Err(no_path(path));
        }
        Ok([format!("{method} {path} HTTP/1.1\r\n").as_bytes(), &self.lines].concat())
    }

    /// A request over HTTP/2, where the body is sent apart.
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

    /// An idle connection over HTTP/1.1, if there is one that can be used.
    pub fn idle(&self, cx: &mut Context<'_>) -> Option<Box<Wire>> {
        if self.ways.http != HttpVersion::One {
            return None;
        }
        loop {
            let mut wire = self.idle.here().lock().ok()?.pop()?;
            let rested_ns = self.clock.now_ns().saturating_sub(wire.read_ns());
            if rested_ns < wire.keep_ns && wire.is_free(cx) {
                return Some(wire);
            }
        }
    }

    /// A new connection over HTTP/1.1.
    ///
    /// # Errors
    /// If no address takes one in time.
    pub async fn connect(&self) -> Result<Box<Wire>, Fault> {
        let reached = AtomicBool::new(false);
        Ok(Box::new(Wire::over(self.in_time(&reached, self.dial(&reached)).await?)))
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
                Fault::mute(
                    &shown,
                    limit,
                    "the TLS handshake",
                    "if it speaks plain HTTP there, write http://",
                )
            } else {
                Fault::mute(&shown, limit, "in HTTP/2", "leave backend.http out to speak HTTP/1.1")
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

    /// Keeps a connection, if its answer is read to its end.
    pub fn put_back(&self, wire: Box<Wire>) {
        if self.ways.connection == ConnectionUse::PerRequest || !wire.is_read() {
            return;
        }
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

/// Begins the last line of a head.
const LENGTH: &[u8] = b"content-length: ";
/// Room for a length and the end of a head.
const LENGTH_ROOM: usize = 24;

fn put_length(lines: &mut Vec<u8>, length: usize) {
    lines.extend_from_slice(itoa::Buffer::new().format(length).as_bytes());
    lines.extend_from_slice(b"\r\n\r\n");
}

/// Headers as they are written over HTTP/1.1.
fn written(headers: &HeaderMap, ways: &Ways) -> Vec<u8> {
    let mut lines = Vec::new();
    for (name, value) in headers {
        for part in [name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"] {
            lines.extend_from_slice(part);
        }
    }
    if ways.connection == ConnectionUse::PerRequest {
        lines.extend_from_slice(b"connection: close\r\n");
    }
    lines
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
        if [header::CONTENT_LENGTH, header::TRANSFER_ENCODING, header::CONNECTION].contains(&made) {
            return Err(format!("the header `{name}` is set by what is sent, and how; leave it out"));
        }
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
