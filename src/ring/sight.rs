//! What to watch while polling for the next message.

use super::Memory;
use crate::layout::word::Word;
use crate::sync::{AtomicU64, Ordering, spin_loop};

/// A word that tells of the next message: by what it becomes, or by becoming anything else.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sight<'m> {
    word: &'m AtomicU64,
    bits: u64,
    /// Whether it is these bits that tell.
    becomes: bool,
}

impl<'m> Sight<'m> {
    /// The state word of the next message's slot, which will be `ready`.
    #[inline]
    pub(super) fn word(word: &'m AtomicU64, ready: Word) -> Self {
        Self { word, bits: ready.bits(), becomes: true }
    }

    /// Tail, where it alone commits, which is `next` until the next message is there.
    #[inline]
    pub(super) fn tail(tail: &'m AtomicU64, next: u64) -> Self {
        Self { word: tail, bits: next, becomes: false }
    }

    /// Looks so many times whether the message at `position` seems to be there. Nothing is computed between two looks. As soon as it
    /// is, its line is asked for; before that, while the sender writes it, only where the payload's line comes first.
    #[inline]
    pub(super) fn watch<M: Memory>(self, memory: &M, position: u64, looks: u32) -> bool {
        let (slot, early) = (memory.slot(position), memory.payload_first());
        for _ in 0..looks {
            // Acquire: take, pairs with commit: the payload is whole.
            if (self.word.load(Ordering::Acquire) == self.bits) == self.becomes {
                memory.look_at(slot);
                return true;
            }
            if early {
                memory.look_at(slot);
            }
            spin_loop();
        }
        false
    }
}
