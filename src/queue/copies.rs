//! Receiving copies.

use super::Receiver;
use crate::error::RecvError;
use crate::payload::Payload;

impl Receiver {
    /// Waits for the next message and copies it out, for bytes that the sending side might change while they are read.
    /// The buffer is cleared first, and keeps its room.
    ///
    /// # Errors
    /// As [`recv`](Self::recv).
    pub fn recv_copy(&mut self, buffer: &mut Vec<u8>) -> Result<(), RecvError> {
        let message = self.recv()?;
        buffer.clear();
        buffer.extend_from_slice(&message);
        Ok(())
    }

    /// Copies of the messages, one after another, until the queue is closed and drained.
    pub fn iter(&mut self) -> impl Iterator<Item = Vec<u8>> + '_ {
        core::iter::from_fn(|| self.recv().ok().map(|message| message.to_vec()))
    }
}

impl<T: Payload> Receiver<T> {
    /// Copies of the messages, one after another, until the queue is closed and drained.
    pub fn iter(&mut self) -> impl Iterator<Item = T> + '_ {
        core::iter::from_fn(|| {
            let message = self.recv().ok()?;
            Some(T::read_from_bytes(message.as_bytes()).expect("a message has the size of its type"))
        })
    }
}
