//! The sending end, for asynchronous programs.

use core::time::Duration;

use tokio::time::{Instant, timeout_at};

use super::{Registered, Stopped};
use crate::error::{DescriptorError, SendError};
use crate::layout::geometry::WhenFull;
use crate::payload::Payload;
use crate::queue::link::count;
use crate::queue::sender::Limit;
use crate::queue::{Loan, Sender};

/// A [`Sender`] whose waits are futures. Made by [`Sender::into_async`].
///
/// All futures are cancel-safe: a message is either sent and the future ready, or it is not sent. See [`AsyncReceiver`]
/// for an example.
///
/// [`AsyncReceiver`]: super::AsyncReceiver
#[derive(Debug)]
pub struct AsyncSender<T: ?Sized + Payload = [u8]> {
    registered: Registered,
    sender: Sender<T>,
}

impl<T: ?Sized + Payload> Sender<T> {
    /// This sender, for use in asynchronous tasks. Starts its helper thread; see [`descriptor`](Self::descriptor).
    ///
    /// # Errors
    /// [`DescriptorError`]; the sender has left then.
    ///
    /// # Panics
    /// Outside of a tokio runtime, or in one whose IO is not enabled.
    pub fn into_async(mut self) -> Result<AsyncSender<T>, DescriptorError> {
        let registered = Registered::new(&mut self)?;
        Ok(AsyncSender { registered, sender: self })
    }
}

impl<T: ?Sized + Payload> AsyncSender<T> {
    /// Puts a copy of `message` into the queue. When it is full, does what the queue's policy says, as [`Sender::send`]
    /// does.
    ///
    /// # Errors
    /// As [`Sender::send`]; [`SendError::Interrupted`] if the runtime is shut down meanwhile.
    ///
    /// # Panics
    /// In a runtime whose time is not enabled, if the policy is a deadline.
    pub async fn send(&mut self, message: &T) -> Result<(), SendError> {
        match self.sender.when_full() {
            WhenFull::Fail | WhenFull::Overwrite => self.sender.try_send(message),
            WhenFull::Block => self.send_by(message, None).await,
            WhenFull::Deadline(timeout) => self.send_by(message, Instant::now().checked_add(timeout)).await,
        }
    }

    /// Like [`send`](Self::send), but waits for at most `timeout` in all, whatever the policy.
    ///
    /// # Errors
    /// As [`Sender::send_timeout`].
    ///
    /// # Panics
    /// In a runtime whose time is not enabled.
    pub async fn send_timeout(&mut self, message: &T, timeout: Duration) -> Result<(), SendError> {
        self.send_by(message, Instant::now().checked_add(timeout)).await
    }

    /// The sender itself, for everything else.
    pub fn get_ref(&self) -> &Sender<T> {
        &self.sender
    }

    /// The sender itself, for everything else.
    pub fn get_mut(&mut self) -> &mut Sender<T> {
        &mut self.sender
    }

    /// The sender itself, to be waited for as before.
    pub fn into_inner(mut self) -> Sender<T> {
        self.sender.disarm();
        self.sender
    }

    async fn send_by(&mut self, message: &T, deadline: Option<Instant>) -> Result<(), SendError> {
        loop {
            match self.sender.send_within(message, |_| Limit::NowAndAgain) {
                Err(SendError::Full { .. }) => self.wait(deadline).await?,
                sent => return sent,
            }
        }
    }

    /// Waits for room. Too late is counted as a message that was not sent.
    async fn wait(&mut self, deadline: Option<Instant>) -> Result<(), SendError> {
        let wait = self.registered.wait(&mut self.sender);
        let Some(deadline) = deadline else { return Ok(wait.await?) };
        match timeout_at(deadline, wait).await {
            Ok(waited) => Ok(waited?),
            Err(_) => {
                count(&self.sender.link.row().dropped, 1);
                Err(SendError::TimedOut)
            }
        }
    }
}

impl AsyncSender {
    /// Lends a slot for a message of `len` bytes, to be written in place, as [`Sender::loan`] does. Waits for room as
    /// [`send`](Self::send) does.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    ///
    /// # Panics
    /// As [`send`](Self::send).
    pub async fn loan(&mut self, len: usize) -> Result<Loan<'_>, SendError> {
        let deadline = match self.sender.when_full() {
            WhenFull::Fail | WhenFull::Overwrite => return self.sender.loan(len),
            WhenFull::Block => None,
            WhenFull::Deadline(timeout) => Instant::now().checked_add(timeout),
        };
        let slot = loop {
            match self.sender.loan_slot(len, |_| Limit::NowAndAgain) {
                Err(SendError::Full { .. }) => self.wait(deadline).await?,
                lent => break lent?,
            }
        };
        Ok(Loan::new(&mut self.sender, slot))
    }
}

impl From<Stopped> for SendError {
    fn from(stopped: Stopped) -> Self {
        match stopped {
            Stopped::Forked => Self::Forked,
            Stopped::Shutdown => Self::Interrupted,
        }
    }
}
