//! What an end is asked for besides messages, and how it is told to wait.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use super::{Receiver, Sender};
use crate::payload::Payload;
use crate::ring::Memory;
use crate::wait::Wait;

impl<T: ?Sized + Payload> Receiver<T> {
    /// Whether to report [`RecvError::SendersGone`](crate::RecvError::SendersGone) when the queue is empty, senders had
    /// joined, and none is left. By default a receiver waits for the next one.
    pub fn until_senders_leave(&mut self, yes: bool) {
        self.until_senders_leave = yes;
    }

    /// Ends every wait early while `flag` is set, as a signal handler might set it: [`pull`](Self::pull) returns what is
    /// there, [`recv`](Self::recv) is [`RecvError::Interrupted`](crate::RecvError::Interrupted). Signals alone do not end
    /// a wait.
    pub fn set_interrupt(&mut self, flag: Arc<AtomicBool>) {
        self.link.interrupt = Some(flag);
    }

    /// How it waits when the queue is empty. By default [`Wait::Balanced`].
    pub fn set_wait(&mut self, wait: Wait) {
        self.link.wait = wait;
    }

    /// Whether it takes the cache lines of messages over from the processor that wrote them, before it releases them, by writing
    /// one word of each line as it stands. A line that several messages share, or a message and its state word, is taken over with the
    /// last message on it, if there is one receiver only; many write those words anyway. (What lies where: [`Plan`](crate::Plan).)
    ///
    /// By default it does so, on AMD's processors, with the lines of messages that have lines of their own, apart from a [packed](crate::Options::packed)
    /// queue's; on Zen 4 with those and with shared ones, too, where all messages take no more than 1 MiB; and on other makers' with single messages of one
    /// line of their own (64 bytes) only. `true` is for all lines on any processor. Shared lines are taken over in a stream only: one by one
    /// while 16 more messages are known to be there, in batches unless the sender is the faster one.
    ///
    /// A sender gets lines back faster so: on AMD's up to eight times as fast (`docs/PERFORMANCE.md`). Not worth it where messages are so
    /// large that few of their lines are still in the sender's own cache when they are read, and both processors share the next one: with
    /// messages of 1 MiB up to a third is lost there.
    pub fn set_owning(&mut self, yes: bool) {
        self.link.ring.set_owning(yes);
    }

    /// Messages that wait to be taken, at most the capacity: a snapshot.
    pub fn size(&self) -> usize {
        self.link.size() as usize
    }

    /// The most messages that the queue holds.
    pub fn capacity(&self) -> usize {
        self.link.ring.capacity() as usize
    }

    /// Bytes of the longest message.
    pub fn max_len(&self) -> usize {
        self.link.ring.max_len()
    }
}

impl<T: ?Sized + Payload> Sender<T> {
    /// Marks the queue closed: nothing more can be sent by anyone; receivers drain what is there and then learn it.
    pub fn close(&self) {
        super::close(self.link.ring.segment());
    }

    /// Messages that wait to be taken, at most the capacity: a snapshot.
    pub fn size(&self) -> usize {
        self.link.size() as usize
    }

    /// The most messages that the queue holds.
    pub fn capacity(&self) -> usize {
        self.link.ring.capacity() as usize
    }

    /// Bytes of the longest message.
    pub fn max_len(&self) -> usize {
        self.link.ring.max_len()
    }

    /// Ends every wait early with [`SendError::Interrupted`](crate::SendError::Interrupted) while `flag` is set, as a
    /// signal handler might set it. Signals alone do not end a wait.
    pub fn set_interrupt(&mut self, flag: Arc<AtomicBool>) {
        self.link.interrupt = Some(flag);
    }

    /// How it waits when the queue is full. By default [`Wait::Balanced`].
    pub fn set_wait(&mut self, wait: Wait) {
        self.link.wait = wait;
    }
}
