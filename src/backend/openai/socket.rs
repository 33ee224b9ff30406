//! A connected socket that notes when something was read from it, with TLS over it or without.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

use super::line::Line;
use crate::clock::Clock;
use crate::profile::StampedBy;

/// When what was last read from a socket arrived, or, if that is later, something was last written to it: on the run's
/// clock. For those who do not hold the socket.
#[derive(Debug, Clone)]
pub struct ReadTime(Arc<AtomicU64>);

impl ReadTime {
    #[inline]
    pub fn ns(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// A TCP socket that notes when what is read from it arrived. TLS lies above it, so that the time of an encrypted
/// chunk, too, is the time at which its last byte came, and deciphering is not in it.
pub struct Stamped {
    line: Line,
    clock: Clock,
    /// As [`ReadTime`] has it.
    read_ns: u64,
    told: Option<ReadTime>,
}

impl Stamped {
    pub fn new(socket: TcpStream, clock: Clock, stamp: StampedBy) -> Self {
        Self { line: Line::new(socket, stamp), clock, read_ns: 0, told: None }
    }

    fn arrived(&mut self, at: Option<u64>) {
        let at_ns = at.map_or_else(|| self.clock.now_ns(), |at| self.clock.recent_ns(at));
        // Nothing comes before what came before it, nor before it was asked for.
        self.note(at_ns.max(self.read_ns));
    }

    fn note(&mut self, at_ns: u64) {
        self.read_ns = at_ns;
        if let Some(told) = &self.told {
            told.0.store(at_ns, Ordering::Relaxed);
        }
    }

    /// Reads into memory that holds something already; 0 is the end.
    fn poll_recv(&mut self, cx: &mut Context<'_>, room: &mut [u8]) -> Poll<io::Result<usize>> {
        let (read, at) = ready!(self.line.poll_recv(cx, room))?;
        self.arrived(at);
        Poll::Ready(Ok(read))
    }
}

impl AsyncRead for Stamped {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let at = ready!(this.line.poll_read(cx, buffer))?;
        this.arrived(at);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Stamped {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let now_ns = self.clock.now_ns();
        self.note(now_ns);
        Pin::new(&mut self.line).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.line).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.line).poll_shutdown(cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.line.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let now_ns = self.clock.now_ns();
        self.note(now_ns);
        Pin::new(&mut self.line).poll_write_vectored(cx, parts)
    }
}

/// What HTTP is spoken over.
pub enum Socket {
    Plain(Stamped),
    Tls(Box<TlsStream<Stamped>>),
}

impl Socket {
    /// Where the times of its reads are.
    pub fn read_time(&mut self) -> ReadTime {
        let stamped = match self {
            Self::Plain(stamped) => stamped,
            Self::Tls(tls) => tls.get_mut().0,
        };
        let now_ns = stamped.read_ns;
        stamped.told.get_or_insert_with(|| ReadTime(Arc::new(AtomicU64::new(now_ns)))).clone()
    }

    /// Whether the kernel tells when bytes arrived.
    pub fn is_stamped_by_kernel(&self) -> bool {
        let stamped = match self {
            Self::Plain(stamped) => stamped,
            Self::Tls(tls) => tls.get_ref().0,
        };
        stamped.line.is_stamped()
    }

    /// Has the next read ask the system.
    pub fn ask_anew(&mut self) {
        match self {
            Self::Plain(stamped) => stamped.line.ask_anew(),
            Self::Tls(tls) => tls.get_mut().0.line.ask_anew(),
        }
    }

    /// When it was last read.
    #[inline]
    pub fn read_ns(&self) -> u64 {
        match self {
            Self::Plain(stamped) => stamped.read_ns,
            Self::Tls(tls) => tls.get_ref().0.read_ns,
        }
    }

    /// Reads into memory that holds something already; 0 is the end.
    #[inline]
    pub fn poll_recv(&mut self, cx: &mut Context<'_>, room: &mut [u8]) -> Poll<io::Result<usize>> {
        match self {
            Self::Plain(socket) => socket.poll_recv(cx, room),
            Self::Tls(tls) => {
                let mut buffer = ReadBuf::new(room);
                Pin::new(tls).poll_read(cx, &mut buffer).map_ok(|()| buffer.filled().len())
            }
        }
    }
}

impl AsyncRead for Socket {
    #[inline]
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(socket) => Pin::new(socket).poll_read(cx, buffer),
            Self::Tls(tls) => Pin::new(tls).poll_read(cx, buffer),
        }
    }
}

impl AsyncWrite for Socket {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(socket) => Pin::new(socket).poll_write(cx, bytes),
            Self::Tls(tls) => Pin::new(tls).poll_write(cx, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(socket) => Pin::new(socket).poll_flush(cx),
            Self::Tls(tls) => Pin::new(tls).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(socket) => Pin::new(socket).poll_shutdown(cx),
            Self::Tls(tls) => Pin::new(tls).poll_shutdown(cx),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Self::Plain(socket) => socket.is_write_vectored(),
            Self::Tls(tls) => tls.is_write_vectored(),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(socket) => Pin::new(socket).poll_write_vectored(cx, parts),
            Self::Tls(tls) => Pin::new(tls).poll_write_vectored(cx, parts),
        }
    }
}
