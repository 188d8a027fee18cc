//! Copies of messages, for those who do not read in place.

use super::Receiver;
use crate::payload::Payload;

impl Receiver {
    /// Copies of the messages, one after another, until the queue is closed and drained.
    pub fn iter(&mut self) -> impl Iterator<Item = Vec<u8>> + '_ {
        core::iter::from_fn(|| self.recv().ok().map(|message| message.to_vec()))
    }
}

impl<T: Payload> Receiver<T> {
    /// Copies of the messages, one after another, until the queue is closed and drained.
    pub fn iter(&mut self) -> impl Iterator<Item = T> + '_ {
        core::iter::from_fn(|| self.recv_value().ok())
    }
}
