//! When bytes arrived at this machine, as the kernel tells it.
//!
//! A client that wakes for one stream while others wait reads late, and the more so the more streams there are. What it
//! would call a long gap is its own. The kernel stamps each segment as it comes in, whoever is busy; Linux hands that
//! stamp out with the bytes (`SO_TIMESTAMPNS`), at no further system call. Of several segments in one read it tells the
//! last one's. Elsewhere, and where it is not wanted, the time of the read has to do.

use std::io;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::ReadBuf;
use tokio::net::TcpStream;

use crate::profile::StampedBy;

#[cfg(target_os = "linux")]
pub use self::linux::Arrivals;
#[cfg(not(target_os = "linux"))]
pub use self::other::Arrivals;

#[cfg(target_os = "linux")]
mod linux {
    use std::cell::RefCell;
    use std::io::IoSliceMut;
    use std::os::fd::AsRawFd as _;

    use nix::sys::socket::{ControlMessageOwned, MsgFlags, recvmsg, setsockopt, sockopt};
    use nix::sys::time::TimeSpec;
    use tokio::io::{AsyncRead as _, Interest};

    use super::{Context, Duration, Poll, ReadBuf, StampedBy, TcpStream, io};

    /// The most that is read at once.
    const MOST: usize = 64 * 1024;

    thread_local! {
        /// What is read into first: memory that is handed to the kernel must be cleared, and this is, once.
        static SCRATCH: RefCell<Box<[u8]>> = RefCell::new(vec![0; MOST].into());
        /// Room for what the kernel tells beside the bytes.
        static TOLD: RefCell<Vec<u8>> = RefCell::new(nix::cmsg_space!(TimeSpec));
    }

    /// How a socket is read.
    pub struct Arrivals {
        /// The kernel was asked for stamps.
        asked: bool,
    }

    impl Arrivals {
        /// Asks the kernel for stamps, if it is to.
        pub fn of(socket: &TcpStream, stamp: StampedBy) -> Self {
            let wanted = stamp == StampedBy::Arrival;
            Self { asked: wanted && setsockopt(socket, sockopt::ReceiveTimestampns, &true).is_ok() }
        }

        /// The kernel tells them.
        pub fn are_known(&self) -> bool {
            self.asked
        }

        /// Reads into memory that holds something already, and tells when the last of it arrived, as time since 1970, if
        /// the kernel does.
        #[inline]
        pub fn poll_recv(
            &mut self,
            socket: &mut TcpStream,
            cx: &mut Context<'_>,
            room: &mut [u8],
        ) -> Poll<io::Result<(usize, Option<Duration>)>> {
            if !self.asked {
                let mut buffer = ReadBuf::new(room);
                let read = std::pin::Pin::new(socket).poll_read(cx, &mut buffer);
                return read.map_ok(|()| (buffer.filled().len(), None));
            }
            loop {
                std::task::ready!(socket.poll_read_ready(cx))?;
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

        /// The same into memory that may hold nothing yet.
        pub fn poll_read(
            &mut self,
            socket: &mut TcpStream,
            cx: &mut Context<'_>,
            buffer: &mut ReadBuf<'_>,
        ) -> Poll<io::Result<Option<Duration>>> {
            if !self.asked {
                return std::pin::Pin::new(socket).poll_read(cx, buffer).map_ok(|()| None);
            }
            SCRATCH.with_borrow_mut(|scratch| {
                let most = buffer.remaining().min(scratch.len());
                let (bytes, at) = std::task::ready!(self.poll_recv(socket, cx, &mut scratch[..most]))?;
                buffer.put_slice(&scratch[..bytes]);
                Poll::Ready(Ok(at))
            })
        }
    }

    /// Reads what there is; gives the time of its arrival.
    fn receive(socket: &TcpStream, room: &mut [u8]) -> io::Result<(usize, Option<Duration>)> {
        TOLD.with_borrow_mut(|told| {
            let mut parts = [IoSliceMut::new(room)];
            let got = recvmsg::<()>(socket.as_raw_fd(), &mut parts, Some(told), MsgFlags::empty())?;
            let at = got.cmsgs()?.find_map(|told| match told {
                ControlMessageOwned::ScmTimestampns(at) => Some(Duration::from(at)),
                _ => None,
            });
            Ok((got.bytes, at))
        })
    }
}

#[cfg(not(target_os = "linux"))]
mod other {
    use tokio::io::AsyncRead as _;

    use super::{Context, Duration, Poll, ReadBuf, StampedBy, TcpStream, io};

    /// How a socket is read.
    pub struct Arrivals;

    impl Arrivals {
        pub fn of(_: &TcpStream, _: StampedBy) -> Self {
            Self
        }

        /// They are not.
        pub fn are_known(&self) -> bool {
            false
        }

        /// Reads; nobody tells when it arrived.
        pub fn poll_recv(
            &mut self,
            socket: &mut TcpStream,
            cx: &mut Context<'_>,
            room: &mut [u8],
        ) -> Poll<io::Result<(usize, Option<Duration>)>> {
            let mut buffer = ReadBuf::new(room);
            let read = std::pin::Pin::new(socket).poll_read(cx, &mut buffer);
            read.map_ok(|()| (buffer.filled().len(), None))
        }

        /// Reads; nobody tells when it arrived.
        pub fn poll_read(
            &mut self,
            socket: &mut TcpStream,
            cx: &mut Context<'_>,
            buffer: &mut ReadBuf<'_>,
        ) -> Poll<io::Result<Option<Duration>>> {
            std::pin::Pin::new(socket).poll_read(cx, buffer).map_ok(|()| None)
        }
    }
}
