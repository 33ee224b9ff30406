//! A TCP connection: watched by the runtime, which is told when something comes, or asked by its loop in each round
//! ([`crate::backend::rounds`]).

use std::cell::RefCell;
use std::io::{self, IoSlice, Write as _};
use std::net::Shutdown;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead as _, AsyncWrite, Interest, ReadBuf};
use tokio::net::TcpStream;

use super::arrival::{ask, receive};
use crate::backend::rounds;
use crate::profile::StampedBy;

/// The most that is read at once into memory that holds nothing yet.
const MOST: usize = 64 * 1024;

thread_local! {
    /// What is read into first: memory that is handed to the kernel must be cleared, and this is, once.
    static SCRATCH: RefCell<Box<[u8]>> = RefCell::new(vec![0; MOST].into());
}

/// A connected socket.
pub struct Line {
    held: Held,
    /// The kernel was asked to stamp what comes. Only then it may be read later than it came, so only then it is asked in
    /// turn.
    stamped: bool,
    /// The round in which all that had come was read.
    emptied: Option<u64>,
    /// The runtime is to tell when more can be written.
    writing: bool,
}

enum Held {
    /// The runtime watches it.
    Watched(TcpStream),
    /// Nobody does.
    Free(std::net::TcpStream),
    /// The runtime could not take it back.
    Lost,
}

/// What was read, and when it arrived, in nanoseconds since 1970, if the kernel tells.
type Read = (usize, Option<u64>);

impl Line {
    pub fn new(socket: TcpStream, stamp: StampedBy) -> Self {
        let stamped = stamp == StampedBy::Arrival && ask(&socket);
        Self { held: Held::Watched(socket), stamped, emptied: None, writing: false }
    }

    /// The kernel tells when bytes arrived.
    pub fn is_stamped(&self) -> bool {
        self.stamped
    }

    /// Reads into memory that holds something already; 0 is the end.
    #[inline]
    pub fn poll_recv(&mut self, cx: &mut Context<'_>, room: &mut [u8]) -> Poll<io::Result<Read>> {
        loop {
            match &mut self.held {
                Held::Watched(socket) if !self.stamped => {
                    let mut buffer = ReadBuf::new(room);
                    let read = Pin::new(socket).poll_read(cx, &mut buffer);
                    return read.map_ok(|()| (buffer.filled().len(), None));
                }
                Held::Watched(socket) => match watched(socket, cx, room) {
                    Poll::Pending if rounds::in_turn() && !self.writing => self.set_free()?,
                    other => return other,
                },
                Held::Free(socket) if rounds::in_turn() => {
                    return in_turn(socket, &mut self.emptied, cx, room);
                }
                // The runtime tells of what comes, and later than now of what has come: that somebody closed a connection
                // at rest must be seen before a request is written to it.
                Held::Free(socket) => match receive(socket, room) {
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                        self.watch()?;
                    }
                    other => return Poll::Ready(other),
                },
                Held::Lost => return Poll::Ready(Err(io::ErrorKind::NotConnected.into())),
            }
        }
    }

    /// The same into memory that may hold nothing yet.
    pub fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<Option<u64>>> {
        if let (false, Held::Watched(socket)) = (self.stamped, &mut self.held) {
            return Pin::new(socket).poll_read(cx, buffer).map_ok(|()| None);
        }
        SCRATCH.with_borrow_mut(|scratch| {
            let most = buffer.remaining().min(scratch.len());
            let (bytes, at) = ready!(self.poll_recv(cx, &mut scratch[..most]))?;
            buffer.put_slice(&scratch[..bytes]);
            Poll::Ready(Ok(at))
        })
    }

    /// Has the next read ask the system, even if there was nothing in this round.
    pub fn ask_anew(&mut self) {
        self.emptied = None;
    }

    /// Takes it out of the runtime's watch.
    fn set_free(&mut self) -> io::Result<()> {
        self.held = match std::mem::replace(&mut self.held, Held::Lost) {
            Held::Watched(socket) => Held::Free(socket.into_std()?),
            other => other,
        };
        // The runtime may not have been told yet of what has come.
        self.emptied = None;
        Ok(())
    }

    /// Writes at once where nobody watches it; where there is no room, and else, the runtime's way.
    fn poll_put(
        &mut self,
        at_once: impl FnOnce(&mut std::net::TcpStream) -> io::Result<usize>,
        watched: impl FnOnce(&mut TcpStream) -> Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        if let Held::Free(socket) = &mut self.held {
            match at_once(socket) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                other => return Poll::Ready(other),
            }
        }
        let written = watched(self.watch()?);
        self.writing = written.is_pending();
        written
    }

    /// Has the runtime watch it, again if it must be.
    fn watch(&mut self) -> io::Result<&mut TcpStream> {
        if let Held::Free(_) = self.held
            && let Held::Free(socket) = std::mem::replace(&mut self.held, Held::Lost)
        {
            self.held = Held::Watched(TcpStream::from_std(socket)?);
        }
        match &mut self.held {
            Held::Watched(socket) => Ok(socket),
            _ => Err(io::ErrorKind::NotConnected.into()),
        }
    }
}

/// Reads from a socket that is watched.
#[inline]
fn watched(socket: &mut TcpStream, cx: &mut Context<'_>, room: &mut [u8]) -> Poll<io::Result<Read>> {
    loop {
        ready!(socket.poll_read_ready(cx))?;
        match socket.try_io(Interest::READABLE, || receive(socket, room)) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Ok((bytes, at)) => {
                if bytes > 0 && bytes < room.len() {
                    // That was all: no need to ask again before the system says that there is more.
                    let _ = socket.try_io(Interest::READABLE, || -> io::Result<()> {
                        Err(io::ErrorKind::WouldBlock.into())
                    });
                }
                return Poll::Ready(Ok((bytes, at)));
            }
            Err(error) => return Poll::Ready(Err(error)),
        }
    }
}

/// Reads from one that is asked in turn: once a round, unless there was more than the room took.
#[inline]
fn in_turn(
    socket: &std::net::TcpStream,
    emptied: &mut Option<u64>,
    cx: &mut Context<'_>,
    room: &mut [u8],
) -> Poll<io::Result<Read>> {
    let round = Some(rounds::number());
    if *emptied != round {
        match receive(socket, room) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => *emptied = round,
            Err(error) => return Poll::Ready(Err(error)),
            Ok((bytes, at)) => {
                if bytes > 0 && bytes < room.len() {
                    *emptied = round;
                }
                return Poll::Ready(Ok((bytes, at)));
            }
        }
    }
    rounds::wake_next(cx.waker());
    Poll::Pending
}

impl AsyncWrite for Line {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let at_once = |socket: &mut std::net::TcpStream| socket.write(bytes);
        self.get_mut().poll_put(at_once, |socket| Pin::new(socket).poll_write(cx, bytes))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        // What is written is the system's.
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().held {
            Held::Watched(socket) => Pin::new(socket).poll_shutdown(cx),
            Held::Free(socket) => Poll::Ready(socket.shutdown(Shutdown::Write)),
            Held::Lost => Poll::Ready(Ok(())),
        }
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let at_once = |socket: &mut std::net::TcpStream| socket.write_vectored(parts);
        self.get_mut().poll_put(at_once, |socket| Pin::new(socket).poll_write_vectored(cx, parts))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that fails may panic")]
mod tests;
