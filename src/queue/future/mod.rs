//! Ends of queues for asynchronous programs, under tokio.
//!
//! Each is an endpoint with its pollable descriptor registered with the runtime: try, arm, await the descriptor, again.

mod receiver;
mod sender;

pub use receiver::AsyncReceiver;
pub use sender::AsyncSender;

use std::os::fd::OwnedFd;

use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use super::waitable::End;
use super::watch;
use crate::error::DescriptorError;
use crate::os::failed_io;

/// An endpoint's descriptor, registered with the runtime.
#[derive(Debug)]
struct Registered(AsyncFd<OwnedFd>);

/// Why a wait did not go on.
enum Stopped {
    /// The process was forked.
    Forked,
    /// The runtime has been shut down.
    Shutdown,
}

impl Registered {
    /// A registration of its own, of a duplicate of the descriptor.
    fn new<E: End>(end: &mut E) -> Result<Self, DescriptorError> {
        let descriptor = watch::descriptor(end)?;
        let own = descriptor.try_clone_to_owned().map_err(|error| failed_io("dup", &error))?;
        // SAFETY: an `OwnedFd` is open as long as it lives, and always is the same descriptor.
        let registered = unsafe { AsyncFd::register_with_interest(own, Interest::READABLE) };
        registered.map(Self).map_err(|error| failed_io("epoll_ctl", &error.into()).into())
    }

    /// Waits until a try is worthwhile.
    async fn wait<E: End>(&self, end: &mut E) -> Result<(), Stopped> {
        match watch::arm(end) {
            Ok(true) => return Ok(()),
            Ok(false) => {}
            // All else can go wrong only when the helper is started, and it was.
            Err(_) => return Err(Stopped::Forked),
        }
        let armed = Armed(end);
        let mut ready = self.0.readable().await.map_err(|_| Stopped::Shutdown)?;
        ready.clear_ready();
        core::mem::forget(armed);
        Ok(())
    }
}

/// An end whose helper is armed. Dropped when its wait is given up: then nobody will come for what the helper is woken
/// for, and others who sleep on the queue must have it.
struct Armed<'a, E: End>(&'a mut E);

impl<E: End> Drop for Armed<'_, E> {
    fn drop(&mut self) {
        watch::disarm(self.0);
    }
}
