//! Looking at a queue that one has open.

use core::time::Duration;

use super::Queue;
use crate::error::OsError;
use crate::inspect::{Diagnosis, Inspector, Peek};

impl<T: ?Sized> Queue<T> {
    /// Copies of the messages that are in the queue, oldest first: those that wait, and those that somebody holds. Nobody
    /// is disturbed: it joins nothing, locks nothing and writes nothing. Each copy is whole: one that is overwritten
    /// meanwhile is made again, or left out if the message has gone.
    ///
    /// ```
    /// # use ringpost::{Options, Queue};
    /// let queue = Queue::in_memory(Options::new(64).max_len(16))?;
    /// queue.sender()?.send(b"hello")?;
    /// let waiting: Vec<_> = queue.peek().map(|message| message.bytes).collect();
    /// assert_eq!((waiting, queue.size()), (vec![b"hello".to_vec()], 1));
    /// # Ok::<(), ringpost::Error>(())
    /// ```
    ///
    /// Takes time in proportion to the capacity, or, with a single receiver, to what is in it.
    pub fn peek(&self) -> Peek {
        Inspector::of(&self.segment).peek()
    }

    /// Who holds what, for how long, dead or alive, what is stuck and why. Looks twice, `watch` apart, because a slot does
    /// not say since when it is held; with zero it looks once. Writes nothing. Takes time in proportion to the capacity.
    ///
    /// ```
    /// # use {ringpost::{Options, Queue}, std::time::Duration};
    /// let queue = Queue::in_memory(Options::new(64).max_len(16))?;
    /// let mut sender = queue.sender()?;
    /// let loan = sender.loan(5)?;
    /// let diagnosis = queue.diagnose(Duration::from_millis(1));
    /// assert_eq!(diagnosis.endpoints[0].writing.positions, [0]);
    /// assert!(!diagnosis.is_healthy(), "receivers have to wait for the loan");
    /// # Ok::<(), ringpost::Error>(())
    /// ```
    pub fn diagnose(&self, watch: Duration) -> Diagnosis {
        Inspector::of(&self.segment).diagnose(watch)
    }

    /// Repairs every dead endpoint now: what it was writing vanishes, what it was reading is delivered again. Those who use
    /// the queue do the same as soon as they meet it. Never touches what a living one holds, stopped or not. Returns how
    /// many were repaired.
    ///
    /// # Errors
    /// No descriptors left, or the system refuses otherwise.
    pub fn repair(&self) -> Result<u64, OsError> {
        Inspector::of(&self.segment).repair()
    }
}
