//! What an end need not ask again for each message.

use super::{Memory, Run};
use crate::layout::word::Word;
use crate::sync::likely;

/// Positions up to `end`, all of one lap, with which an end may go on at once: what it must know about their slots it knows.
/// To open one costs a look around; afterwards a message costs one comparison.
#[derive(Debug)]
pub struct Window {
    end: u64,
    /// The word of a message in any of its slots.
    ready: Word,
}

impl Window {
    /// None at all.
    pub const CLOSED: Self = Self { end: 0, ready: Word::ready(0) };

    /// From `first` on, up to `end` or the end of the lap.
    #[inline]
    pub fn open<M: Memory>(memory: &M, first: u64, end: u64) -> Self {
        let lap = memory.lap(first);
        let last_of_lap = first | (memory.capacity() - 1);
        Self { end: end.min(last_of_lap.saturating_add(1)), ready: Word::ready(lap) }
    }

    /// How many positions there are from `position` on.
    #[inline]
    pub fn left(&self, position: u64) -> u64 {
        self.end.saturating_sub(position)
    }

    /// The word of a message at `position`, which is not below where the window was opened; `None`: look around first.
    #[inline]
    pub fn ready_at(&self, position: u64) -> Option<Word> {
        likely(position < self.end).then_some(self.ready)
    }
    /// What there is from `position` on, and the word of a message in it.
    #[inline]
    pub fn rest(&self, position: u64) -> Option<(Run, Word)> {
        let ready = self.ready_at(position)?;
        Some((Run { first: position, count: self.end - position }, ready))
    }
}
