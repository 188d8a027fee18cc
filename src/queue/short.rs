//! The short way of one message: for the least latency, with nothing on it that can be elsewhere.

use super::Receiver;
use super::receiver::Want;
use crate::error::RecvError;
use crate::layout::word::Word;
use crate::payload::Payload;
use crate::ring::Run;
use crate::sync::{AtomicU64, Ordering, spin_loop};
use crate::wait::{Deadline, Wait};

/// How often a receiver of one message looks before it reads the clock.
const FIRST_POLLS: u32 = 8;
/// How often it looks at one word before it asks which is next.
const LOOKS_AT_ONCE: u32 = 8;

impl<T: ?Sized + Payload> Receiver<T> {
    /// Takes one message: the short way, for the least latency. The clock is not read before a first, short time of polling
    /// is over.
    #[inline]
    pub(super) fn take_one(&mut self, deadline: impl FnOnce() -> Option<Deadline>) -> Result<Option<u64>, RecvError> {
        if !self.link.is_here() {
            return Err(RecvError::Forked);
        }
        let polls = if self.link.wait == Wait::Sleep { 1 } else { FIRST_POLLS };
        // With messages that outlive their calls, each take has to look after those first.
        let polls = if self.holds.get().is_some() { 0 } else { polls };
        for _ in 0..polls {
            let end = self.end.get_mut();
            if let Some(position) = end.take_one(&self.link.ring) {
                return self.accept_one(position).map(Some);
            }
            watch(end.next(&self.link.ring));
        }
        Ok(self.take(Want::all(1), deadline())?.first())
    }

    /// Takes one message if there is one now: its position.
    #[inline]
    pub(super) fn try_take(&mut self) -> Result<Option<u64>, RecvError> {
        if !self.link.is_here() {
            return Err(RecvError::Forked);
        }
        if self.holds.get().is_none()
            && let Some(position) = self.end.get_mut().take_one(&self.link.ring)
        {
            return self.accept_one(position).map(Some);
        }
        Ok(self.take(Want::all(1), None)?.first())
    }

    /// Notes that one message was taken the short way: not delivered before, and nothing else came free.
    #[inline]
    fn accept_one(&mut self, position: u64) -> Result<u64, RecvError> {
        let run = Run { first: position, count: 1 };
        if let Err(fault) = self.link.ring.check_len(position) {
            self.refuse(run);
            return Err(RecvError::Fault(fault));
        }
        self.link.map_ahead(run);
        self.held.set(self.held.get() + 1);
        Ok(position)
    }

    /// Frees the slot of one message that has been read: the short way.
    #[inline]
    pub(super) fn release_one(&self, position: u64) {
        if !self.link.is_here() {
            return;
        }
        let bytes = self.link.ring.len(position) as u64;
        if self.holds.get().is_none() {
            let mut end = self.end.borrow_mut();
            end.release_one(&self.link.ring, position);
            self.held.set(self.held.get() - 1);
            if self.held.get() == 0 {
                end.rewind(&self.link.ring);
            }
        } else {
            self.end.borrow_mut().release_one(&self.link.ring, position);
            self.let_go(1);
        }
        self.note_pulled(1, bytes);
        self.link.wake_senders(1);
    }
}

/// Waits a moment for the word to become what it will be. Nothing is computed between two looks.
#[inline]
fn watch((word, ready): (&AtomicU64, Word)) {
    for _ in 0..LOOKS_AT_ONCE {
        // Relaxed: the take looks again.
        if word.load(Ordering::Relaxed) == ready.bits() {
            return;
        }
        spin_loop();
    }
}
