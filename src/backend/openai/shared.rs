//! HTTP/2: a connection that carries many streams, and one such stream.
//!
//! Several requests share a connection, so it is a task of its own. What arrived when is not left to the moment at
//! which a stream's task runs: see [`super::marks`].

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use bytes::Bytes;
use h2::client::{Builder, Connection, ResponseFuture, SendRequest};
use h2::{Reason, RecvStream};
use http::Request;
use http::response::Parts;
use tokio::sync::Notify;

use super::fault::Fault;
use super::marks::{Greeting, Marked, Marks};
use super::socket::{ReadTime, Socket};

/// What the server may send before it must wait for us: so much that it never has to.
const STREAM_WINDOW: u32 = 1 << 20;
const CONNECTION_WINDOW: u32 = 64 << 20;
/// What `h2` lets wait of small DATA frames before it takes them for an attack: tokens are nothing but small frames.
const SMALL_FRAMES: usize = 1 << 30;
/// The longest head of an answer.
const HEAD: u32 = 64 * 1024;

/// A connection that carries streams.
pub struct Shared {
    sender: SendRequest<Bytes>,
    marks: Arc<Marks>,
    read: ReadTime,
    over: Arc<Over>,
    streams: AtomicU32,
}

/// That a connection is over, and why.
#[derive(Default)]
struct Over {
    is: AtomicBool,
    why: Mutex<Option<String>>,
    told: Notify,
}

impl Over {
    fn tell(&self, why: Option<String>) {
        if let (Ok(mut slot), Some(why)) = (self.why.lock(), why) {
            slot.get_or_insert(why);
        }
        self.is.store(true, Ordering::Release);
        self.told.notify_one();
    }
}

/// Tells when the connection's task ends, even if it is dropped with its runtime.
struct Task(Arc<Over>);

impl Drop for Task {
    fn drop(&mut self) {
        self.0.tell(None);
    }
}

async fn work(connection: Connection<Marked, Bytes>, task: Task) {
    if let Err(error) = connection.await {
        task.0.tell(Some(error.to_string()));
    }
}

impl Shared {
    /// Greets the server, and waits for its greeting. Must be called inside a runtime.
    ///
    /// # Errors
    /// It closes the connection, or speaks no HTTP/2.
    pub async fn over(mut socket: Socket, shown: &str) -> Result<Self, Fault> {
        let (marks, over, read) = (Arc::new(Marks::default()), Arc::new(Over::default()), socket.read_time());
        let made = Builder::new()
            .initial_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .max_header_list_size(HEAD)
            .data_frame_budget(SMALL_FRAMES)
            .enable_push(false)
            .handshake(Marked::new(socket, marks.clone()))
            .await;
        let (sender, connection) = made.map_err(|error| broken(&error, "a request was sent"))?;
        tokio::spawn(work(connection, Task(over.clone())));
        tokio::select! {
            () = marks.greeted.notified() => {}
            () = over.told.notified() => {}
        }
        if marks.greeting() != Greeting::Settings {
            let why = over.why.lock().ok().and_then(|why| why.clone()).unwrap_or_default();
            return Err(Fault::protocol(match marks.greeting() {
                Greeting::Other => format!(
                    "{shown} does not speak HTTP/2 without TLS; leave backend.http out to speak HTTP/1.1"
                ),
                _ => format!(
                    "{shown} closed the connection when it was greeted in HTTP/2; leave backend.http out to speak \
                     HTTP/1.1 {why}"
                ),
            }));
        }
        Ok(Self { sender, marks, read, over, streams: AtomicU32::new(0) })
    }

    /// Streams under way.
    pub fn streams(&self) -> u32 {
        self.streams.load(Ordering::Relaxed)
    }

    /// The server takes another stream now.
    pub fn has_room(&self) -> bool {
        (self.streams() as usize) < self.sender.current_max_send_streams()
    }

    /// It carries nothing any more.
    pub fn is_over(&self) -> bool {
        self.over.is.load(Ordering::Acquire)
    }
}

/// A place on a connection, given back when it is dropped.
pub struct Slot(Arc<Shared>);

impl Slot {
    pub fn on(shared: &Arc<Shared>) -> Self {
        shared.streams.fetch_add(1, Ordering::Relaxed);
        Self(shared.clone())
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.0.streams.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A request that got no answer, and whether it is certain that the server did nothing with it.
pub struct Unanswered {
    pub fault: Fault,
    pub untouched: bool,
}

impl Unanswered {
    fn new(error: &h2::Error, untouched: bool) -> Self {
        let untouched = untouched || error.reason() == Some(Reason::REFUSED_STREAM);
        Self { fault: broken(error, "it answered"), untouched }
    }
}

/// An answer under way. Dropping it resets the stream, which cancels the request at the server.
pub struct Stream {
    // Before the slot: the stream ends before its place is given away.
    body: RecvStream,
    times: Times,
    slot: Slot,
    /// When the last data was read.
    read_ns: u64,
}

/// A stream's times, which end with it.
struct Times {
    marks: Arc<Marks>,
    stream: u32,
}

impl Drop for Times {
    fn drop(&mut self) {
        self.marks.close(self.stream);
    }
}

/// Sends a request and waits for the head of its answer.
///
/// # Errors
/// The connection or the stream breaks.
pub async fn send(
    slot: Slot,
    request: Request<()>,
    body: Option<Bytes>,
) -> Result<(Parts, Stream), Unanswered> {
    let ready = slot.0.sender.clone().ready().await;
    let mut sender = ready.map_err(|error| Unanswered::new(&error, true))?;
    let sent = sender.send_request(request, body.is_none());
    let (answer, mut out): (ResponseFuture, _) = sent.map_err(|error| Unanswered::new(&error, true))?;
    let stream = answer.stream_id().into();
    slot.0.marks.open(stream);
    let times = Times { marks: slot.0.marks.clone(), stream };
    if let Some(body) = body {
        out.send_data(body, true).map_err(|error| Unanswered::new(&error, false))?;
    }
    let answer = answer.await.map_err(|error| Unanswered::new(&error, false))?;
    let (head, body) = answer.into_parts();
    let read_ns = slot.0.read.ns();
    Ok((head, Stream { body, times, slot, read_ns }))
}

impl Stream {
    /// The next piece of the body, and when it was read.
    pub fn poll_data(
        &mut self,
        cx: &mut Context<'_>,
        during: &str,
    ) -> Poll<Option<Result<(Bytes, u64), Fault>>> {
        Poll::Ready(match std::task::ready!(self.body.poll_data(cx)) {
            Some(Ok(data)) => {
                if !data.is_empty() {
                    let times = &self.times;
                    self.read_ns = times.marks.take(times.stream).unwrap_or_else(|| self.slot.0.read.ns());
                }
                // It fails only for a stream that is reset, and then the next piece says so.
                let _ = self.body.flow_control().release_capacity(data.len());
                Some(Ok((data, self.read_ns)))
            }
            Some(Err(error)) => Some(Err(broken(&error, during))),
            None => None,
        })
    }

    /// When the last data was read.
    pub fn read_ns(&self) -> u64 {
        self.read_ns
    }
}

/// An exchange that broke off. `during`: what was waited for.
fn broken(error: &h2::Error, during: &str) -> Fault {
    let reason = error.reason().map_or_else(String::new, |reason| reason.description().to_owned());
    Fault::protocol(if error.is_io() {
        format!("the server closed the connection before {during}")
    } else if error.is_reset() && error.is_remote() {
        format!("the server reset the stream before {during}: {reason}")
    } else if error.is_go_away() && error.is_remote() {
        format!("the server ended the connection before {during}: {reason}")
    } else {
        format!("the server breaks the rules of HTTP/2: {}", super::fault::harmless(&error.to_string()))
    })
}

/// The connections to one server.
#[derive(Default)]
pub struct Pool {
    connections: Mutex<Vec<Arc<Shared>>>,
    /// Held by who opens one. What came of the last opening, and how many there were.
    opening: tokio::sync::Mutex<Option<Fault>>,
    openings: AtomicU32,
}

impl Pool {
    /// A place on a connection: of those that there are, or on one that `open` makes.
    /// `most`: how many connections there are to be; `None` is one, and more only where the server wants it.
    ///
    /// # Errors
    /// A connection is needed and can't be made. Those who waited for it fail with it.
    pub async fn slot(
        &self,
        most: Option<u32>,
        open: impl Future<Output = Result<Shared, Fault>>,
    ) -> Result<Slot, Fault> {
        if let Some(slot) = self.room(most) {
            return Ok(slot);
        }
        let before = self.openings.load(Ordering::Acquire);
        let mut last = self.opening.lock().await;
        if let Some(slot) = self.room(most) {
            return Ok(slot);
        }
        if let Some(fault) = &*last
            && self.openings.load(Ordering::Acquire) != before
        {
            return Err(fault.clone());
        }
        let opened = open.await.map(Arc::new);
        self.openings.fetch_add(1, Ordering::AcqRel);
        *last = opened.as_ref().err().cloned();
        let opened = opened?;
        let slot = Slot::on(&opened);
        if let Ok(mut connections) = self.connections.lock() {
            connections.push(opened);
        }
        Ok(slot)
    }

    fn room(&self, most: Option<u32>) -> Option<Slot> {
        let mut connections = self.connections.lock().ok()?;
        connections.retain(|connection| !connection.is_over());
        if connections.len() < most.unwrap_or(1) as usize {
            return None;
        }
        let emptiest = connections.iter().min_by_key(|connection| connection.streams())?;
        (most.is_some() || emptiest.has_room()).then(|| Slot::on(emptiest))
    }

    /// Ends connections once their streams are through.
    pub fn close(&self) {
        if let Ok(mut connections) = self.connections.lock() {
            connections.clear();
        }
    }
}
