//! Packed rings: what a slot's word would say where no sender writes one.
//!
//! One sender sends to one receiver, and commits by tail alone. So a message costs its sender nothing but its bytes, and as many of them
//! lie on a cache line as fit there. Words lie apart, and only receivers write them: a message that has been delivered before, or was
//! released before older ones, has a note of that in its slot's word. A note names the lap of its message, so one that stays behind says
//! nothing about later ones. For all others the word follows from tail, and whoever looks at a word looks at [`meaning`].

use super::{Memory, read_cursor};
use crate::layout::word::Word;

/// What `word`, which was found in the slot of `position`, means.
#[inline(always)]
pub fn meaning<M: Memory>(memory: &M, position: u64, word: Word) -> Word {
    if memory.is_packed() { by_tail(memory, position, word) } else { word }
}

/// The word of the last message that was committed in that slot, if there was one.
#[inline]
fn by_tail<M: Memory>(memory: &M, position: u64, note: Word) -> Word {
    let tail = read_cursor(memory.tail());
    let last =
        tail.checked_sub(1).and_then(|last| last.checked_sub(last.wrapping_sub(position) & (memory.capacity() - 1)));
    let Some(last) = last else { return Word::free(0) };
    let lap = memory.lap(last);
    if note.is_ready(lap) || note == Word::skip(lap) { note } else { Word::ready(lap) }
}
