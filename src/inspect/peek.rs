//! Copies of messages that stay where they are.
//!
//! # Why a copy is whole
//!
//! A copy is made like a reader's of a sequence lock: the word, the bytes, a fence, the word again. The bytes of a message
//! are overwritten only after its slot has left it, and that shows before:
//!
//! * one of many senders exchanges the word for its Claim first, or that of an earlier slot which holds this one then, and writes afterwards. To
//!   many receivers the slot's own word was changed by the release; to a single one it is not, and the last case holds;
//! * the only sender to many receivers writes where the word is Free of the next lap: it was changed by the release;
//! * the only sender to the only receiver writes under an unchanged word, but only after it has read a `head` above the
//!   position. So `head` is looked at again as well.
//!
//! If we read any byte of the later message, then its sender had done that first step before, and so we see it in the
//! second look: on x86-64 because neither stores nor loads overtake their like. On other machines a sender has no fence
//! between the step and the bytes; there we have the system pass a barrier on every running sender (`membarrier`), between
//! our copy and our second look. The senders pay nothing.
//!
//! The bytes are read as atomics, a word at a time, because they may be written meanwhile. They are the program's only
//! after the second look.

use core::fmt;

use super::walk::{ONLY_RECEIVER, Place, Walk};
use crate::layout::word::Word;
use crate::os::membarrier;
use crate::participant::{SharedRing, visible_pid};
use crate::ring::Memory;
use crate::sync::{AtomicU64, Ordering, fence};

/// How often one position is tried that changes while it is copied.
const TRIES: u32 = 16;

/// A copy of a message that is still in the queue.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Peeked {
    /// Its number since the queue was made, from 0.
    pub position: u64,
    /// How often it has been delivered, counting to 31. A delivery that lasts counts.
    pub deliveries: u32,
    /// Whose it is.
    pub state: PeekState,
    /// Its bytes; none while it is being written.
    pub bytes: Vec<u8>,
}

/// Whose a message in a queue is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PeekState {
    /// It waits for a receiver.
    Ready,
    /// It was delivered and came back; it waits, too.
    CameBack,
    /// A receiver has it, alive or dead.
    Held {
        /// The receiver's number.
        endpoint: u16,
        /// Its process; `None` if that is of another pid namespace.
        pid: Option<u32>,
    },
    /// A sender, alive or dead, has claimed the slot and not committed. (A queue's only sender claims nothing.)
    BeingWritten {
        /// The sender's number.
        endpoint: u16,
        /// Its process; `None` if that is of another pid namespace.
        pid: Option<u32>,
    },
}

/// An iterator over copies of the messages in a queue, oldest first, made by [`Queue::peek`](crate::Queue::peek).
///
/// Each message is copied when it is asked for. What has gone by then is left out; what comes meanwhile is seen, up to
/// one more filling of the queue.
pub struct Peek {
    walk: Walk,
    next: u64,
    /// Positions that are left to be looked at.
    left: u64,
    /// All positions below have been claimed.
    tail: u64,
}

impl Peek {
    pub(super) fn new(walk: Walk) -> Self {
        let cursors = walk.cursors();
        let (next, left) = (walk.oldest(&cursors), 2 * walk.ring.capacity());
        Self { walk, next, left, tail: cursors.tail }
    }

    /// Leaves out the messages below `position`.
    #[must_use]
    pub fn from(mut self, position: u64) -> Self {
        let skipped = position.saturating_sub(self.next);
        self.next = self.next.max(position);
        self.left = self.left.saturating_sub(skipped);
        self
    }

    fn at(&self, position: u64) -> Step {
        for _ in 0..TRIES {
            let (word, state, deliveries) = match self.walk.look(position) {
                Place::Untouched if position >= self.tail => return Step::End,
                Place::Untouched | Place::Past => return Step::Nothing,
                Place::Claimed(word) => return Step::Found(self.being_written(position, word)),
                Place::Ready(word) => (word, PeekState::Ready, word.deliveries()),
                Place::Returned(word) => (word, PeekState::CameBack, word.deliveries()),
                Place::Taken(word) => (word, self.held_by(word.owner()), word.deliveries()),
                Place::Seen(word) => (word, self.seen(), word.deliveries_after_take()),
            };
            let bytes = copy(&self.walk.ring, position);
            if self.is_still(position, word) {
                return Step::Found(Peeked { position, deliveries: deliveries.into(), state, bytes });
            }
        }
        // It changes faster than it can be copied. Nobody is told half of it.
        Step::Nothing
    }

    fn is_still(&self, position: u64, word: Word) -> bool {
        // The copy comes before the second look: see the top.
        fence(Ordering::SeqCst);
        if cfg!(not(target_arch = "x86_64")) {
            membarrier::barrier();
        }
        self.walk.word(position) == word && !self.walk.is_released(position)
    }

    fn being_written(&self, position: u64, word: Word) -> Peeked {
        let endpoint = word.owner();
        let state = PeekState::BeingWritten { endpoint, pid: self.pid(endpoint) };
        Peeked { position, deliveries: 0, state, bytes: Vec::new() }
    }

    fn held_by(&self, endpoint: u16) -> PeekState {
        PeekState::Held { endpoint, pid: self.pid(endpoint) }
    }

    /// If the only receiver has left, its successor begins with what that had seen.
    fn seen(&self) -> PeekState {
        if self.walk.is_joined(ONLY_RECEIVER) { self.held_by(ONLY_RECEIVER) } else { PeekState::CameBack }
    }

    fn pid(&self, endpoint: u16) -> Option<u32> {
        self.walk.row(endpoint).map(visible_pid).filter(|pid| *pid != 0)
    }
}

/// What was found at one position.
enum Step {
    Found(Peeked),
    Nothing,
    End,
}

impl Iterator for Peek {
    type Item = Peeked;

    fn next(&mut self) -> Option<Peeked> {
        while self.left > 0 {
            let position = self.next;
            match self.at(position) {
                Step::End => self.left = 0,
                Step::Nothing => self.advance(),
                Step::Found(message) => {
                    self.advance();
                    return Some(message);
                }
            }
        }
        None
    }
}

impl Peek {
    fn advance(&mut self) {
        self.next = self.next.wrapping_add(1);
        self.left -= 1;
    }
}

impl fmt::Debug for Peek {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Peek").field("next", &self.next).finish_non_exhaustive()
    }
}

/// Copies what is in the slot of `position`, which may be written at the same time.
fn copy(ring: &SharedRing, position: u64) -> Vec<u8> {
    let slot = ring.slot(position);
    let (from, len) = (slot.payload().cast::<AtomicU64>(), ring.len(slot));
    let words = len.div_ceil(size_of::<u64>());
    let mut bytes = Vec::with_capacity(words * size_of::<u64>());
    for index in 0..words {
        // SAFETY: within the slot, which has room for the longest message. Payload and stride are multiples of 8, so there
        // is room for the rest of its last word, too.
        let place = unsafe { from.add(index) };
        // SAFETY: as above, and mapped while the ring lives.
        let word = unsafe { &*place };
        // Relaxed: the caller looks at the state word again behind a fence.
        bytes.extend_from_slice(&word.load(Ordering::Relaxed).to_ne_bytes());
    }
    bytes.truncate(len);
    bytes
}
