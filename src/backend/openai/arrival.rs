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
    use std::io::IoSliceMut;
    use std::os::fd::AsRawFd as _;

    use nix::sys::socket::{ControlMessageOwned, MsgFlags, recvmsg, setsockopt, sockopt};
    use nix::sys::time::TimeSpec;
    use tokio::io::{AsyncRead as _, Interest};

    use super::{Context, Duration, Poll, ReadBuf, StampedBy, TcpStream, io};

    /// Bytes asked for at first. They have to be cleared before, so more are only asked for where more comes.
    const LEAST: usize = 2 * 1024;

    /// How a socket is read.
    pub struct Arrivals {
        /// Room for what the kernel tells beside the bytes; `None`: it is not asked.
        told: Option<Vec<u8>>,
        most: usize,
    }

    impl Arrivals {
        /// Asks the kernel for stamps, if it is to.
        pub fn of(socket: &TcpStream, stamp: StampedBy) -> Self {
            let told = (stamp == StampedBy::Arrival
                && setsockopt(socket, sockopt::ReceiveTimestampns, &true).is_ok())
            .then(|| nix::cmsg_space!(TimeSpec));
            Self { told, most: LEAST }
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
                let room = buffer.initialize_unfilled_to(buffer.remaining().min(self.most));
                let mut read = None;
                let tried = socket.try_io(Interest::READABLE, || {
                    let got = receive(socket, room, told)?;
                    read = Some(got);
                    // The socket is empty, so there is no need to ask it again before the system says there is more.
                    if got.0 > 0 && got.0 < room.len() {
                        Err(io::ErrorKind::WouldBlock.into())
                    } else {
                        Ok(())
                    }
                });
                if let Some((bytes, at)) = read {
                    self.most = if bytes == room.len() {
                        self.most.saturating_mul(2)
                    } else {
                        LEAST.max(self.most / 2)
                    };
                    buffer.advance(bytes);
                    return Poll::Ready(Ok(at));
                }
                match tried {
                    Err(error) if error.kind() != io::ErrorKind::WouldBlock => {
                        return Poll::Ready(Err(error));
                    }
                    _ => {}
                }
            }
        }
    }

    fn receive(
        socket: &TcpStream,
        room: &mut [u8],
        told: &mut Vec<u8>,
    ) -> io::Result<(usize, Option<Duration>)> {
        let mut parts = [IoSliceMut::new(room)];
        let got = recvmsg::<()>(socket.as_raw_fd(), &mut parts, Some(told), MsgFlags::empty())?;
        let at = got.cmsgs()?.find_map(|told| match told {
            ControlMessageOwned::ScmTimestampns(at) => Some(Duration::from(at)),
            _ => None,
        });
        Ok((got.bytes, at))
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
