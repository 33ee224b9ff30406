//! One connection over HTTP/1.1. Nobody but the stream that uses it works on it: there is no task and no channel between
//! the socket and the stream.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::{Context, Poll};

use http_body_util::Full;
use hyper::body::{Body, Bytes, Frame, Incoming};
use hyper::client::conn::http1::{Builder, Connection, SendRequest};
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;

use super::fault::Fault;
use super::socket::{ReadTime, Socket};

/// The most that is buffered of a connection; also the longest head of an answer.
const BUFFER: usize = 64 * 1024;

/// How long a connection may rest where its server does not say: less than the five seconds after which common servers
/// close one, so that no request meets that moment.
const KEEP_NS: u64 = 4_000_000_000;

/// A connection, open or ending.
pub struct Wire {
    sender: SendRequest<Full<Bytes>>,
    /// `None` once it has ended.
    connection: Option<Connection<TokioIo<Socket>, Full<Bytes>>>,
    read: ReadTime,
    /// A request was answered over it already.
    pub used: bool,
    /// How long it may rest between two requests, in nanoseconds.
    pub keep_ns: u64,
}

/// A request that got no answer.
pub struct Unanswered {
    pub fault: Fault,
    /// The request itself, if not a byte of it was sent.
    pub unsent: Option<Request<Full<Bytes>>>,
}

impl Wire {
    /// Speaks HTTP/1.1 over a connected socket.
    ///
    /// # Errors
    /// If the socket can't be set up.
    pub async fn over(socket: Socket) -> Result<Self, Fault> {
        let read = socket.read_time();
        let made = Builder::new().max_buf_size(BUFFER).handshake(TokioIo::new(socket)).await;
        let (sender, connection) = made.map_err(|error| Fault::broken(&error, "a request was sent"))?;
        Ok(Self { sender, connection: Some(connection), read, used: false, keep_ns: KEEP_NS })
    }

    /// When the last bytes were read, on the run's clock.
    pub fn read_ns(&self) -> u64 {
        self.read.ns()
    }

    /// Works on the connection: writes what is due, reads what is wanted.
    fn work(&mut self, cx: &mut Context<'_>) {
        if let Some(connection) = &mut self.connection
            && Pin::new(connection).poll(cx).is_ready()
        {
            // Its error, if there is one, is told to whoever waits for an answer or a body.
            self.connection = None;
        }
    }

    async fn working<F: Future>(&mut self, future: F) -> F::Output {
        let mut future = std::pin::pin!(future);
        poll_fn(|cx| {
            if let Poll::Ready(output) = future.as_mut().poll(cx) {
                return Poll::Ready(output);
            }
            self.work(cx);
            future.as_mut().poll(cx)
        })
        .await
    }

    /// Whether another request can be sent over it now.
    pub async fn is_free(&mut self) -> bool {
        poll_fn(|cx| {
            self.work(cx);
            let free = matches!(self.sender.poll_ready(cx), Poll::Ready(Ok(())));
            Poll::Ready(free && self.connection.is_some())
        })
        .await
    }

    /// Sends a request and waits for the head of its answer.
    ///
    /// # Errors
    /// If the connection breaks or what comes is no HTTP.
    pub async fn send(&mut self, request: Request<Full<Bytes>>) -> Result<Response<Incoming>, Unanswered> {
        // `poll_ready` must have been seen ready by `is_free`, or the connection be new.
        let answer = self.sender.try_send_request(request);
        self.working(answer).await.map_err(|mut error| {
            let unsent = error.take_message();
            Unanswered { fault: Fault::broken(error.error(), "it answered"), unsent }
        })
    }

    /// The next frame of an answer's body.
    #[inline]
    pub fn poll_body(
        &mut self,
        cx: &mut Context<'_>,
        body: &mut Incoming,
    ) -> Poll<Option<hyper::Result<Frame<Bytes>>>> {
        if let Poll::Ready(frame) = Pin::new(&mut *body).poll_frame(cx) {
            return Poll::Ready(frame);
        }
        self.work(cx);
        Pin::new(body).poll_frame(cx)
    }

    /// A whole body, as far as `limit` bytes; what lies beyond is left.
    ///
    /// # Errors
    /// If the connection breaks before.
    pub async fn body(&mut self, body: &mut Incoming, limit: usize) -> Result<Vec<u8>, Fault> {
        let mut whole = Vec::new();
        while whole.len() < limit {
            match poll_fn(|cx| self.poll_body(cx, body)).await {
                None => break,
                Some(Ok(frame)) => {
                    let data = frame.into_data().unwrap_or_default();
                    whole.extend_from_slice(&data[..data.len().min(limit - whole.len())]);
                }
                Some(Err(error)) => return Err(Fault::broken(&error, "its answer was whole")),
            }
        }
        Ok(whole)
    }
}
