//! When bytes arrived at this machine, as the kernel tells it.
//!
//! A client that wakes for one stream while others wait reads late, and the more so the more streams there are. What it
//! would call a long gap is its own. The kernel stamps each segment as it comes in, whoever is busy; Linux hands that
//! stamp out with the bytes (`SO_TIMESTAMPNS`), at no further system call. Of several segments in one read it tells the
//! last one's. Elsewhere, and where it is not wanted, the time of the read has to do.

#[cfg(target_os = "linux")]
pub use self::linux::{ask, receive};
#[cfg(not(target_os = "linux"))]
pub use self::other::{ask, receive};

#[cfg(target_os = "linux")]
mod linux {
    use std::cell::RefCell;
    use std::io::{self, IoSliceMut};
    use std::os::fd::{AsFd, AsRawFd};

    use nix::sys::socket::{ControlMessageOwned, MsgFlags, recvmsg, setsockopt, sockopt};
    use nix::sys::time::TimeSpec;

    thread_local! {
        /// Room for what the kernel tells beside the bytes.
        static TOLD: RefCell<Vec<u8>> = RefCell::new(nix::cmsg_space!(TimeSpec));
    }

    fn since_1970_ns(at: &TimeSpec) -> u64 {
        at.tv_sec().cast_unsigned() * 1_000_000_000 + at.tv_nsec().cast_unsigned()
    }

    /// Asks the kernel for stamps; tells whether it will give them.
    pub fn ask(socket: &impl AsFd) -> bool {
        setsockopt(socket, sockopt::ReceiveTimestampns, &true).is_ok()
    }

    /// Reads what there is into memory that holds something already, and tells when the last of it arrived, in nanoseconds
    /// since 1970, if the kernel was asked for that.
    ///
    /// # Errors
    /// The system's; `WouldBlock` if there is nothing.
    #[inline]
    pub fn receive(socket: &impl AsRawFd, room: &mut [u8]) -> io::Result<(usize, Option<u64>)> {
        TOLD.with_borrow_mut(|told| {
            let mut parts = [IoSliceMut::new(room)];
            let got = recvmsg::<()>(socket.as_raw_fd(), &mut parts, Some(told), MsgFlags::empty())?;
            let at = got.cmsgs()?.find_map(|told| match told {
                ControlMessageOwned::ScmTimestampns(at) => Some(since_1970_ns(&at)),
                _ => None,
            });
            Ok((got.bytes, at))
        })
    }
}

#[cfg(not(target_os = "linux"))]
mod other {
    use std::io;

    /// Nobody gives them.
    pub fn ask<S>(_: &S) -> bool {
        false
    }

    /// Nothing is read this way, as nobody gives stamps.
    pub fn receive<S>(_: &S, _: &mut [u8]) -> io::Result<(usize, Option<u64>)> {
        Err(io::ErrorKind::Unsupported.into())
    }
}
