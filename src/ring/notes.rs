//! What the only receiver writes: the mark of what may have been seen, and notes in the words of messages.

use super::{Memory, Run, meaning};
use crate::layout::word::{State, Word};
use crate::sync::{AtomicU64, Ordering, compiler_fence};

/// The word of the message at `position`, with the right to read that if it is there.
#[inline]
pub(super) fn take_word<M: Memory>(memory: &M, position: u64) -> Word {
    // Acquire: take, pairs with commit and abort: the payload is whole.
    meaning(memory, position, Word::from_bits(memory.word(position).load(Ordering::Acquire)))
}

/// Released before something older: head will pass it.
#[cold]
pub(super) fn mark_skipped<M: Memory>(memory: &M, run: Run) {
    for position in run.positions() {
        let skip = Word::skip(memory.lap(position));
        // Relaxed: a sender takes it only behind head, whose Release comes later.
        memory.word(position).store(skip.bits(), Ordering::Relaxed);
    }
}

/// Says to a successor, and to `size`, what may have been seen: before the program sees anything of it.
#[inline]
pub(super) fn note_delivered<M: Memory>(memory: &M, position: u64) {
    mark_delivered(memory.delivered_to(), position);
}

/// The same where the mark has been found before.
#[inline]
pub(super) fn mark_delivered(mark: &AtomicU64, position: u64) {
    // Relaxed, with a fence for the compiler: what matters is only which instruction comes first, should we be killed
    // between this and the reading.
    mark.store(position, Ordering::Relaxed);
    compiler_fence(Ordering::SeqCst);
}

/// One more delivery, noted in the word of a message that nobody but the only receiver may touch.
pub(super) fn count_delivery<M: Memory>(memory: &M, position: u64) {
    let lap = memory.lap(position);
    let word = take_word(memory, position);
    if word.is_ready(lap) {
        let counted = word.taken_by(0).into_state(State::Ready);
        // Relaxed: only this receiver reads it, or a successor, and the endpoint's lock orders us before that.
        memory.word(position).store(counted.bits(), Ordering::Relaxed);
    }
}

/// Head has passed them: so that none is taken for one of the lap that has the same number, 2^46 laps on. Nobody else writes there.
#[cold]
pub(super) fn clear_notes<M: Memory>(memory: &M, run: Run) {
    for position in run.positions() {
        // Relaxed: only a receiver reads it.
        memory.word(position).store(Word::free(0).bits(), Ordering::Relaxed);
    }
}
