//! The receiving end, for asynchronous programs.

use core::time::Duration;

use tokio::time::{Instant, timeout_at};

use super::{Registered, Stopped};
use crate::error::{DescriptorError, RecvError};
use crate::payload::Payload;
use crate::queue::Receiver;
use crate::queue::batch::{Batch, Message, Runs};

/// A [`Receiver`] whose waits are futures. Made by [`Receiver::into_async`].
///
/// All futures are cancel-safe: a message is taken only by the call that returns it. Those that a [`pull`](Self::pull) has
/// collected when it is dropped go back into the queue, in order, and do not count as delivered.
///
/// A [`Message`] or [`Batch`] is read in place and stays with its thread: drop it, or copy what is needed, before the
/// next `await` of a task that may move between threads.
///
/// ```
/// # use {ringpost::{Options, Queue}, std::time::Duration};
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), ringpost::Error> {
/// let queue = Queue::in_memory(Options::new(64).max_len(16))?;
/// let (mut tx, mut rx) = (queue.sender()?.into_async()?, queue.receiver()?.into_async()?);
/// tx.send(b"hello").await?;
/// assert_eq!(&*rx.recv().await?, b"hello");
/// assert!(rx.pull(8, Duration::from_millis(10)).await?.is_empty());
/// # Ok(()) }
/// ```
#[derive(Debug)]
pub struct AsyncReceiver<T: ?Sized + Payload = [u8]> {
    registered: Registered,
    receiver: Receiver<T>,
}

impl<T: ?Sized + Payload> Receiver<T> {
    /// This receiver, for use in asynchronous tasks. Starts its helper thread; see [`descriptor`](Self::descriptor).
    ///
    /// # Errors
    /// [`DescriptorError`]; the receiver has left then.
    ///
    /// # Panics
    /// Outside of a tokio runtime, or in one whose IO is not enabled.
    pub fn into_async(mut self) -> Result<AsyncReceiver<T>, DescriptorError> {
        let registered = Registered::new(&mut self)?;
        Ok(AsyncReceiver { registered, receiver: self })
    }
}

impl<T: ?Sized + Payload> AsyncReceiver<T> {
    /// Takes one message, waiting for as long as it takes.
    ///
    /// # Errors
    /// As [`Receiver::recv`]; [`RecvError::Interrupted`] if the runtime is shut down meanwhile.
    pub async fn recv(&mut self) -> Result<Message<'_, T>, RecvError> {
        let position = loop {
            if let Some(position) = self.receiver.try_take()? {
                break position;
            }
            self.registered.wait(&mut self.receiver).await?;
        };
        Ok(Message::new(&self.receiver, position))
    }

    /// Takes up to `size` messages: ready as soon as `size` are there, or with what is there when `timeout` has passed in
    /// all. An empty batch after the timeout is not an error. `size` is cut off at the capacity.
    ///
    /// # Errors
    /// As [`Receiver::pull`].
    ///
    /// # Panics
    /// In a runtime whose time is not enabled.
    pub async fn pull(&mut self, size: usize, timeout: Duration) -> Result<Batch<'_, T>, RecvError> {
        let size = size.min(self.receiver.capacity()) as u64;
        // Later than any clock reads: never.
        let deadline = Instant::now().checked_add(timeout);
        let mut collected = Collected { receiver: Some(&mut self.receiver), runs: Runs::default() };
        let ended = loop {
            let missing = size - collected.runs.total();
            let ended = collected.take(missing).err();
            if ended.is_some() || collected.runs.total() == size {
                break ended;
            }
            let wait = self.registered.wait(collected.receiver());
            match deadline {
                None => wait.await?,
                Some(deadline) => match timeout_at(deadline, wait).await {
                    Ok(waited) => waited?,
                    Err(_) => break collected.take(missing).err(),
                },
            }
        };
        match ended {
            Some(error) if collected.runs.is_empty() => Err(error),
            _ => Ok(collected.into_batch()),
        }
    }

    /// Takes one message if there is one now. As [`Receiver::try_recv`].
    ///
    /// # Errors
    /// As [`recv`](Self::recv).
    pub fn try_recv(&mut self) -> Result<Option<Message<'_, T>>, RecvError> {
        self.receiver.try_recv()
    }

    /// The receiver itself, for everything else.
    pub fn get_ref(&self) -> &Receiver<T> {
        &self.receiver
    }

    /// The receiver itself, for everything else.
    pub fn get_mut(&mut self) -> &mut Receiver<T> {
        &mut self.receiver
    }

    /// The receiver itself, to be waited for as before.
    pub fn into_inner(mut self) -> Receiver<T> {
        self.receiver.disarm();
        self.receiver
    }
}

/// What a pull has so far. Dropping it puts that back, not looked at.
struct Collected<'a, T: ?Sized + Payload> {
    /// `None` once it has become a batch.
    receiver: Option<&'a mut Receiver<T>>,
    runs: Runs,
}

impl<'a, T: ?Sized + Payload> Collected<'a, T> {
    fn receiver(&mut self) -> &mut Receiver<T> {
        self.receiver.as_mut().expect("it is given away last")
    }

    fn take(&mut self, most: u64) -> Result<(), RecvError> {
        let more = self.receiver().try_take_many(most)?;
        self.runs.append(more);
        Ok(())
    }

    fn into_batch(mut self) -> Batch<'a, T> {
        let receiver = self.receiver.take().expect("it is given away last");
        Batch::new(receiver, core::mem::take(&mut self.runs))
    }
}

impl<T: ?Sized + Payload> Drop for Collected<'_, T> {
    fn drop(&mut self) {
        if let Some(receiver) = self.receiver.take() {
            Batch::new(receiver, core::mem::take(&mut self.runs)).nack();
        }
    }
}

impl From<Stopped> for RecvError {
    fn from(stopped: Stopped) -> Self {
        match stopped {
            Stopped::Forked => Self::Forked,
            Stopped::Shutdown => Self::Interrupted,
        }
    }
}
