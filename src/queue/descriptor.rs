//! Pollable descriptors, for programs that sleep in an event loop.

use std::os::fd::BorrowedFd;

use super::{Receiver, Sender, watch};
use crate::error::DescriptorError;
use crate::payload::Payload;

impl<T: ?Sized + Payload> Receiver<T> {
    /// A descriptor for `poll`, `epoll` and event loops: readable when a message may be there, or the queue may be at
    /// its end, after [`arm`](Self::arm) was asked to watch for that. Only poll it; it is closed with this receiver, and closed
    /// on exec.
    ///
    /// The first call of this or of `arm` starts a helper thread, which sleeps on the queue while armed, takes none of the
    /// program's signals, and ends when this receiver is dropped. Who never asks pays nothing.
    ///
    /// The way to use it: take what is there, arm, poll, and again.
    ///
    /// # Errors
    /// [`DescriptorError`].
    ///
    /// ```
    /// # use ringpost::{Options, Queue};
    /// # fn poll_for_reading(_: std::os::fd::BorrowedFd<'_>) {}
    /// let queue = Queue::in_memory(Options::new(64).max_len(16))?;
    /// let (mut tx, mut rx) = (queue.sender()?, queue.receiver()?);
    /// tx.send(b"hello")?;
    /// queue.close();
    /// 'over: loop {
    ///     loop {
    ///         match rx.try_recv() {
    ///             Ok(Some(message)) => println!("{} bytes", message.len()),
    ///             Ok(None) => break,
    ///             Err(end) => break 'over println!("{end}"),
    ///         }
    ///     }
    ///     // `true`: something has come meanwhile.
    ///     if !rx.arm()? {
    ///         poll_for_reading(rx.descriptor()?); // together with all else that the program waits for
    ///     }
    /// }
    /// # Ok::<(), ringpost::Error>(())
    /// ```
    pub fn descriptor(&mut self) -> Result<BorrowedFd<'_>, DescriptorError> {
        watch::descriptor(self)
    }

    /// Has the descriptor become readable, once, when a message may be there. `true`: there may be one now, so try first; the
    /// descriptor is not armed. What the dead have left in the way is repaired here.
    ///
    /// It may become readable for nothing: another receiver was faster, or it was on its way from an earlier arming. It does
    /// not fail to. Armed once more, it watches anew. Taking messages does not disarm it.
    ///
    /// # Errors
    /// [`DescriptorError`].
    pub fn arm(&mut self) -> Result<bool, DescriptorError> {
        watch::arm(self)
    }

    /// Has the helper rest, and makes the descriptor unreadable, but for what is on its way at this moment.
    pub fn disarm(&mut self) {
        watch::disarm(self);
    }
}

impl<T: ?Sized + Payload> Sender<T> {
    /// A descriptor for `poll`, `epoll` and event loops: readable when there may be room, or the queue is closed, after
    /// [`arm`](Self::arm). All else is as [`Receiver::descriptor`] says.
    ///
    /// # Errors
    /// [`DescriptorError`].
    pub fn descriptor(&mut self) -> Result<BorrowedFd<'_>, DescriptorError> {
        watch::descriptor(self)
    }

    /// Has the descriptor become readable, once, when there may be room. `true`: there may be room now, so try first.
    /// All else is as [`Receiver::arm`] says.
    ///
    /// # Errors
    /// [`DescriptorError`].
    pub fn arm(&mut self) -> Result<bool, DescriptorError> {
        watch::arm(self)
    }

    /// As [`Receiver::disarm`].
    pub fn disarm(&mut self) {
        watch::disarm(self);
    }
}
