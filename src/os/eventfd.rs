//! A descriptor that is readable once it has been written, for event loops.

use std::os::fd::{AsFd, BorrowedFd};

use nix::errno::Errno;
use nix::sys::eventfd::{EfdFlags, EventFd};

use super::failed;
use crate::error::OsError;

/// A bell: rung by one thread, heard by another in `poll` and its like.
pub(crate) struct Bell(EventFd);

impl Bell {
    /// A new one, closed on exec.
    pub(crate) fn new() -> Result<Self, OsError> {
        let flags = EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK;
        EventFd::from_flags(flags).map(Self).map_err(|errno| failed("eventfd", errno))
    }

    /// Makes it readable.
    pub(crate) fn ring(&self) {
        // Nothing can fail but a counter near 2^64, which is readable as it is.
        let _ = self.0.write(1);
    }

    /// Makes it unreadable.
    pub(crate) fn silence(&self) {
        // An error says that it was silent (EAGAIN), or that a signal came first.
        while self.0.read() == Err(Errno::EINTR) {}
    }
}

impl AsFd for Bell {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

#[cfg(all(test, not(miri)))]
mod tests {
    use super::*;
    use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

    #[test]
    fn it_is_heard_until_it_is_silenced() {
        let bell = Bell::new().unwrap();
        let heard = || poll(&mut [PollFd::new(bell.as_fd(), PollFlags::POLLIN)], PollTimeout::ZERO).unwrap() == 1;
        assert!(!heard());
        bell.ring();
        bell.ring();
        assert!(heard() && heard());
        bell.silence();
        assert!(!heard());
        bell.silence();
    }
}
