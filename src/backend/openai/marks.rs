//! When each DATA frame of an HTTP/2 connection was read.
//!
//! A connection is worked on by a task of its own, and a stream's task runs some time after. So the frames' heads
//! are looked at where bytes are read, and the time is kept until the stream takes the frame's data: `h2` hands out
//! exactly one piece of data for each DATA frame that holds any, in order.

use std::collections::{HashMap, VecDeque};
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::Notify;

use super::socket::{ReadTime, Socket};

/// A frame's head: three bytes length, type, flags, four bytes stream (RFC 9113, 4.1).
const HEAD: usize = 9;
/// Types of frames.
const DATA: u8 = 0;
const SETTINGS: u8 = 4;
/// A flag of DATA: its first byte tells how many bytes at its end are none of the data (6.1).
const PADDED: u8 = 8;

/// What came first from the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Greeting {
    Nothing,
    /// Its settings, as HTTP/2 has it.
    Settings,
    /// Something else: it speaks no HTTP/2.
    Other,
}

/// A connection's times.
#[derive(Debug, Default)]
pub struct Marks {
    /// By stream, for those that are waited for.
    streams: Mutex<HashMap<u32, VecDeque<u64>>>,
    greeting: AtomicU8,
    pub greeted: Notify,
}

impl Marks {
    /// From now on a stream's times are kept.
    pub fn open(&self, stream: u32) {
        if let Ok(mut streams) = self.streams.lock() {
            streams.insert(stream, VecDeque::new());
        }
    }

    /// When the stream's next DATA frame that holds data was read, whole.
    pub fn take(&self, stream: u32) -> Option<u64> {
        self.streams.lock().ok()?.get_mut(&stream)?.pop_front()
    }

    /// A stream's times are of no more use.
    pub fn close(&self, stream: u32) {
        if let Ok(mut streams) = self.streams.lock() {
            streams.remove(&stream);
        }
    }

    pub fn greeting(&self) -> Greeting {
        match self.greeting.load(Ordering::Acquire) {
            0 => Greeting::Nothing,
            1 => Greeting::Settings,
            _ => Greeting::Other,
        }
    }

    fn frame(&self, kind: u8, stream: u32, at_ns: u64) {
        if self.greeting() == Greeting::Nothing {
            self.greeting.store(if kind == SETTINGS { 1 } else { 2 }, Ordering::Release);
            self.greeted.notify_one();
        }
        if kind == DATA
            && let Ok(mut streams) = self.streams.lock()
            && let Some(times) = streams.get_mut(&stream)
        {
            times.push_back(at_ns);
        }
    }
}

/// Cuts what is read into frames, without keeping it.
#[derive(Debug, Default)]
struct Cutter {
    head: [u8; HEAD],
    /// Bytes of the head that are there.
    have: usize,
    /// Bytes of the payload that are missing.
    missing: usize,
    /// Bytes of DATA that are data.
    data: usize,
    /// The next byte is a padding's length.
    pads: bool,
}

impl Cutter {
    /// Tells each frame's type and stream: DATA once it is whole, if it holds any, and all others as soon as the head
    /// is there.
    fn feed(&mut self, mut bytes: &[u8], mut each: impl FnMut(u8, u32)) {
        while !bytes.is_empty() {
            if self.have < HEAD {
                let taken = bytes.len().min(HEAD - self.have);
                self.head[self.have..self.have + taken].copy_from_slice(&bytes[..taken]);
                self.have += taken;
                bytes = &bytes[taken..];
                if self.have < HEAD {
                    return;
                }
                self.missing = u32::from_be_bytes([0, self.head[0], self.head[1], self.head[2]]) as usize;
                self.data = self.missing;
                self.pads = self.head[3] == DATA && self.head[4] & PADDED != 0 && self.missing > 0;
                if self.head[3] != DATA {
                    each(self.head[3], self.stream());
                }
            }
            if self.pads
                && let Some(padding) = bytes.first()
            {
                self.pads = false;
                self.data = self.missing.saturating_sub(1 + usize::from(*padding));
            }
            let taken = bytes.len().min(self.missing);
            self.missing -= taken;
            bytes = &bytes[taken..];
            if self.missing == 0 {
                if self.head[3] == DATA && self.data > 0 {
                    each(DATA, self.stream());
                }
                self.have = 0;
            }
        }
    }

    fn stream(&self) -> u32 {
        u32::from_be_bytes([self.head[5] & 0x7f, self.head[6], self.head[7], self.head[8]])
    }
}

/// A socket over which HTTP/2 is spoken.
pub struct Marked {
    socket: Socket,
    read: ReadTime,
    cutter: Cutter,
    marks: Arc<Marks>,
}

impl Marked {
    pub fn new(mut socket: Socket, marks: Arc<Marks>) -> Self {
        let read = socket.read_time();
        Self { socket, read, cutter: Cutter::default(), marks }
    }
}

impl AsyncRead for Marked {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buffer.filled().len();
        let read = Pin::new(&mut this.socket).poll_read(cx, buffer);
        let at_ns = this.read.ns();
        this.cutter.feed(&buffer.filled()[before..], |kind, stream| this.marks.frame(kind, stream, at_ns));
        read
    }
}

impl AsyncWrite for Marked {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().socket).poll_write(cx, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().socket).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().socket).poll_shutdown(cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().socket).poll_write_vectored(cx, parts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(kind: u8, stream: u8, length: u8) -> Vec<u8> {
        let mut bytes = vec![0, 0, length, kind, 0, 0x80, 0, 0, stream];
        bytes.resize(HEAD + usize::from(length), 7);
        bytes
    }

    #[test]
    fn frames_split_at_any_byte_are_the_same_frames() {
        let mut padded = frame(DATA, 7, 30);
        padded[4] = PADDED;
        padded[HEAD] = 10;
        let mut only_padding = padded.clone();
        only_padding[HEAD] = 29;
        let frames = [
            frame(SETTINGS, 0, 6),
            frame(1, 1, 30),
            frame(DATA, 1, 0),
            frame(DATA, 3, 20),
            padded,
            only_padding,
            frame(DATA, 1, 1),
        ];
        let bytes = frames.concat();
        for at in 0..=bytes.len() {
            let (mut cutter, mut seen) = (Cutter::default(), Vec::new());
            for piece in [&bytes[..at], &bytes[at..]] {
                cutter.feed(piece, |kind, stream| seen.push((kind, stream)));
            }
            assert_eq!(seen, [(SETTINGS, 0), (1, 1), (DATA, 3), (DATA, 7), (DATA, 1)], "split at {at}");
        }
    }

    #[test]
    fn data_is_marked_with_the_read_that_made_it_whole() {
        let marks = Marks::default();
        marks.open(1);
        let mut cutter = Cutter::default();
        let bytes =
            [frame(SETTINGS, 0, 0), frame(DATA, 1, 10), frame(DATA, 5, 3), frame(DATA, 1, 2)].concat();
        let cut = HEAD + HEAD + 9;
        cutter.feed(&bytes[..cut], |kind, stream| marks.frame(kind, stream, 100));
        assert_eq!((marks.take(1), marks.greeting()), (None, Greeting::Settings));
        cutter.feed(&bytes[cut..], |kind, stream| marks.frame(kind, stream, 200));
        assert_eq!(
            [marks.take(1), marks.take(1), marks.take(1), marks.take(5)],
            [Some(200), Some(200), None, None]
        );
        marks.close(1);
        assert!(marks.streams.lock().is_ok_and(|streams| streams.is_empty()));
    }

    #[test]
    fn a_server_that_answers_in_http_1_is_known_by_it() {
        let marks = Marks::default();
        Cutter::default().feed(b"HTTP/1.1 400 Bad Request\r\n", |kind, stream| marks.frame(kind, stream, 1));
        assert_eq!(marks.greeting(), Greeting::Other);
    }
}
