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
    }

    /// How a socket is read.
    pub struct Arrivals {
        /// Room for what the kernel tells beside the bytes; `None`: it is not asked.
        told: Option<Vec<u8>>,
    }

    impl Arrivals {
        /// Asks the kernel for stamps, if it is to.
        pub fn of(socket: &TcpStream, stamp: StampedBy) -> Self {
            let told = (stamp == StampedBy::Arrival
                && setsockopt(socket, sockopt::ReceiveTimestampns, &true).is_ok())
            .then(|| nix::cmsg_space!(TimeSpec));
            Self { told }
        }

        /// Reads, and tells when the last of it arrived, as time since 1970, if the kernel does.
        pub fn poll_read(
            &mut self,
            socket: &mut TcpStream,
            cx: &mut Context<'_>,
            buffer: &mut ReadBuf<'_>,
        ) -> Poll<io::Result<Option<Duration>>> {
            let Some(told) = &mut self.told else {
                return std::pin::Pin::new(socket).poll_read(cx, buffer).map_ok(|()| None);
            };
            loop {
                std::task::ready!(socket.poll_read_ready(cx))?;
                match socket.try_io(Interest::READABLE, || receive(socket, buffer, told)) {
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                    Ok((at, emptied)) => {
                        if emptied {
                            // No need to ask it again before the system says that there is more.
                            let _ = socket.try_io(Interest::READABLE, || -> io::Result<()> {
                                Err(io::ErrorKind::WouldBlock.into())
                            });
                        }
                        return Poll::Ready(Ok(at));
                    }
                    Err(error) => return Poll::Ready(Err(error)),
                }
            }
        }
    }

    /// Reads into the buffer; gives the time of its arrival, and whether that was all there was.
    fn receive(
        socket: &TcpStream,
        buffer: &mut ReadBuf<'_>,
        told: &mut [u8],
    ) -> io::Result<(Option<Duration>, bool)> {
        SCRATCH.with_borrow_mut(|scratch| {
            let room = buffer.remaining().min(scratch.len());
            let mut parts = [IoSliceMut::new(&mut scratch[..room])];
            let got = recvmsg::<()>(socket.as_raw_fd(), &mut parts, Some(told), MsgFlags::empty())?;
            let at = got.cmsgs()?.find_map(|told| match told {
                ControlMessageOwned::ScmTimestampns(at) => Some(Duration::from(at)),
                _ => None,
            });
            let bytes = got.bytes;
            buffer.put_slice(&scratch[..bytes]);
            Ok((at, bytes > 0 && bytes < room))
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
