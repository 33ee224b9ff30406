//! One connection over HTTP/1.1. Nobody but the stream that uses it works on it: there is no task, no channel and no
//! buffer between the socket and the stream. What is read lies in one room of the thread's, is cut and looked into there,
//! and only what can't be understood yet is kept.

use std::cell::RefCell;
use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::AsyncWrite as _;

use super::fault::Fault;
use super::framing::Framing;
use super::head::{BadHead, Head, Lines};
use super::socket::Socket;
use crate::backend::rounds::note_read;

/// The most that is read at once.
const ROOM: usize = 64 * 1024;
/// The longest head of an answer.
const HEAD: usize = 64 * 1024;
/// Up to this size a body is sent with its head as one piece, which the system takes faster than two.
const ONE_PIECE: usize = 4 * 1024;
/// As much room for what comes early stays with a connection, for its next answer.
const KEPT: usize = 1024;
/// How long a connection may rest where its server does not say: less than the five seconds after which common servers
/// close one, so that no request meets that moment.
const KEEP_NS: u64 = 4_000_000_000;

thread_local! {
    static READ: RefCell<Box<[u8]>> = RefCell::new(vec![0; ROOM].into());
}

/// A connection.
pub struct Wire {
    socket: Socket,
    /// A request that is not wholly sent.
    out: Option<Out>,
    /// What was read and not understood: a part of a head, or what came behind one.
    early: Vec<u8>,
    /// Of the answer under way.
    framing: Framing,
    /// It carries another request after this one.
    keep: bool,
    /// The kernel stamps what comes, so that it need not be read at once.
    may_wait: bool,
    /// How long it may rest between two requests, in nanoseconds.
    pub keep_ns: u64,
}

struct Out {
    /// With the body behind it, if that is small.
    head: Vec<u8>,
    body: Vec<u8>,
    /// Bytes of both that are gone.
    sent: usize,
}

/// How much of a body of so many bytes is sent as one piece with its head.
pub fn beside_head(body: usize) -> usize {
    if body <= ONE_PIECE { body } else { 0 }
}

impl Out {
    fn new(mut head: Vec<u8>, body: Vec<u8>) -> Self {
        head.extend_from_slice(&body[..beside_head(body.len())]);
        Self { head, body, sent: 0 }
    }

    /// What is not sent yet, in one piece or two.
    fn rest(&self) -> (&[u8], &[u8]) {
        let head = self.head.get(self.sent..).unwrap_or_default();
        if self.body.len() <= ONE_PIECE {
            return (head, &[]);
        }
        (head, &self.body[self.sent.saturating_sub(self.head.len())..])
    }
}

/// A request that got no answer.
pub struct Unanswered {
    pub fault: Fault,
    /// Its body, if not a byte of it was sent.
    pub unsent: Option<Vec<u8>>,
}

impl Wire {
    /// Speaks HTTP/1.1 over a connected socket.
    pub fn over(socket: Socket) -> Self {
        let may_wait = socket.is_stamped_by_kernel();
        Self {
            socket,
            may_wait,
            out: None,
            early: Vec::new(),
            framing: Framing::Over,
            keep: true,
            keep_ns: KEEP_NS,
        }
    }

    /// When the last bytes were read, on the run's clock.
    #[inline]
    pub fn read_ns(&self) -> u64 {
        self.socket.read_ns()
    }

    /// Whether another request can be sent over it now. Bytes that nobody asked for, or its end, say no.
    pub fn is_free(&mut self, cx: &mut Context<'_>) -> bool {
        let at_rest = self.keep && self.out.is_none() && self.early.is_empty() && self.framing.is_over();
        // Asked in turn, its answer's last bytes may have been read in this round, and its end have come since.
        self.socket.ask_anew();
        at_rest && self.socket.poll_recv(cx, &mut [0]).is_pending()
    }

    /// Begins to send a request; [`Wire::poll_head`] goes on with it. The connection must be free.
    pub fn begin(&mut self, head: Vec<u8>, body: Vec<u8>) {
        self.out = Some(Out::new(head, body));
        self.keep = true;
    }

    fn poll_send(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Some(out) = &mut self.out else { return Poll::Ready(Ok(())) };
        let mut socket = Pin::new(&mut self.socket);
        loop {
            let sent = match out.rest() {
                (&[], &[]) => break,
                (one, &[]) | (&[], one) => socket.as_mut().poll_write(cx, one),
                (head, body) => {
                    socket.as_mut().poll_write_vectored(cx, &[IoSlice::new(head), IoSlice::new(body)])
                }
            };
            match ready!(sent)? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                sent => out.sent += sent,
            }
        }
        ready!(Pin::new(&mut self.socket).poll_flush(cx))?;
        self.out = None;
        Poll::Ready(Ok(()))
    }

    /// Sends what is left of the request and waits for the head of its answer, which may come before all is sent.
    pub fn poll_head(&mut self, cx: &mut Context<'_>) -> Poll<Result<Head, Unanswered>> {
        if let Poll::Ready(Err(error)) = self.poll_send(cx) {
            self.keep = false;
            if let Some(out) = self.out.take_if(|out| out.sent == 0) {
                return self.unanswered(broken(&error, "it answered"), Some(out.body));
            }
            // It may have answered before it closed the connection.
        }
        loop {
            match self.head() {
                Ok(Some(head)) => return Poll::Ready(Ok(head)),
                Ok(None) => {}
                Err(fault) => return self.unanswered(fault, None),
            }
            let early = &mut self.early;
            let socket = &mut self.socket;
            let read = READ.with_borrow_mut(|room| {
                let read = ready!(socket.poll_recv(cx, room))?;
                early.extend_from_slice(&room[..read]);
                Poll::Ready(Ok(read))
            });
            match ready!(read) {
                Ok(0) => return self.unanswered(closed("it answered"), None),
                Ok(_) => {}
                Err(error) => return self.unanswered(broken(&error, "it answered"), None),
            }
        }
    }

    /// The head, if it was read whole.
    fn head(&mut self) -> Result<Option<Head>, Fault> {
        while !self.early.is_empty() {
            let Some(lines) = Lines::read(&self.early).map_err(no_http)? else {
                return if self.early.len() < HEAD {
                    Ok(None)
                } else {
                    Err(Fault::protocol("the answer's head is too long"))
                };
            };
            self.early.drain(..lines.length);
            let status = lines.head.status;
            // "Go on" and the like are no answer.
            if status.is_informational() && status != http::StatusCode::SWITCHING_PROTOCOLS {
                continue;
            }
            self.framing = lines.framing;
            self.keep &= lines.keep && self.out.is_none();
            self.keep_ns = lines.head.keep_ns.unwrap_or(self.keep_ns);
            return Ok(Some(lines.head));
        }
        Ok(None)
    }

    fn unanswered<T>(&mut self, fault: Fault, unsent: Option<Vec<u8>>) -> Poll<Result<T, Unanswered>> {
        self.keep = false;
        Poll::Ready(Err(Unanswered { fault, unsent }))
    }

    /// Reads once, and hands on what of the body was in it, in one piece or several. `false`: the body is over.
    /// `during`: what is waited for, for a message.
    #[inline]
    pub fn poll_data(
        &mut self,
        cx: &mut Context<'_>,
        during: &str,
        mut take: impl FnMut(&[u8], u64),
    ) -> Poll<Result<bool, Fault>> {
        if self.framing.is_over() {
            return Poll::Ready(Ok(false));
        }
        if self.out.is_some() {
            // A server may begin to answer and then read on. What breaks here shows in what is read.
            let _ = self.poll_send(cx);
        }
        if !self.early.is_empty() {
            let mut early = std::mem::take(&mut self.early);
            let at_ns = self.read_ns();
            let fed = self.feed(&early, |data| take(data, at_ns));
            if early.capacity() <= KEPT {
                early.clear();
                self.early = early;
            }
            return Poll::Ready(fed);
        }
        READ.with_borrow_mut(|room| {
            let read = match ready!(self.socket.poll_recv(cx, room)) {
                Ok(0) => {
                    self.keep = false;
                    let well = self.framing.closed();
                    return Poll::Ready(if well { Ok(false) } else { Err(closed(during)) });
                }
                Ok(read) => read,
                Err(error) => {
                    self.keep = false;
                    return Poll::Ready(Err(broken(&error, during)));
                }
            };
            let (at_ns, mut pieces) = (self.read_ns(), 0);
            let fed = self.feed(&room[..read], |data| {
                pieces += 1;
                take(data, at_ns);
            });
            if self.may_wait {
                note_read(pieces);
            }
            Poll::Ready(fed)
        })
    }

    #[inline]
    fn feed(&mut self, bytes: &[u8], mut take: impl FnMut(&[u8])) -> Result<bool, Fault> {
        match self.framing.feed(bytes, &mut take) {
            Ok(used) => {
                // More than was asked for: whose is it?
                self.keep &= used == bytes.len();
                Ok(true)
            }
            Err(malformed) => {
                self.keep = false;
                Err(Fault::protocol(format!("the server breaks the rules of HTTP/1.1: {malformed}")))
            }
        }
    }

    /// The body was read to its end, so that the connection can be kept.
    pub fn is_read(&self) -> bool {
        self.keep && self.framing.is_over()
    }

    /// Sends a request and waits for the head of its answer.
    ///
    /// # Errors
    /// If the connection breaks or what comes is no HTTP.
    pub async fn send(&mut self, head: Vec<u8>, body: Vec<u8>) -> Result<Head, Unanswered> {
        self.begin(head, body);
        poll_fn(|cx| self.poll_head(cx)).await
    }

    /// A whole body, as far as `limit` bytes; what lies beyond is left.
    ///
    /// # Errors
    /// If the connection breaks before.
    pub async fn body(&mut self, limit: usize) -> Result<Vec<u8>, Fault> {
        let mut whole: Vec<u8> = Vec::new();
        let mut more = true;
        while more && whole.len() < limit {
            more = poll_fn(|cx| {
                self.poll_data(cx, "its answer was whole", |data, _| {
                    whole.extend_from_slice(&data[..data.len().min(limit - whole.len())]);
                })
            })
            .await?;
        }
        Ok(whole)
    }
}

fn no_http(bad: BadHead) -> Fault {
    Fault::protocol(match bad {
        BadHead::Http2 => "the server speaks HTTP/2 only; set backend.http = \"2\"".to_owned(),
        _ => format!("the server does not speak HTTP/1.1 ({bad}); does it want https://?"),
    })
}

fn closed(during: &str) -> Fault {
    Fault::protocol(format!("the server closed the connection before {during}"))
}

/// An exchange that broke off. `during`: what was waited for.
fn broken(error: &io::Error, during: &str) -> Fault {
    match error.kind() {
        // Without TLS's goodbye.
        io::ErrorKind::UnexpectedEof => closed(during),
        _ => Fault::protocol(format!(
            "the connection broke before {during}: {}",
            super::fault::harmless(&error.to_string())
        )),
    }
}
