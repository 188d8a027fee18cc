//! The ring as one sees it who only looks: no endpoint, no lock, no write.
//!
//! Whatever is seen may have changed by the time it is told. So nothing here decides anything; those who report add what
//! makes it hold: `peek` looks at the word again, a diagnosis looks twice.

use std::sync::Arc;

use crate::layout::control::Row;
use crate::layout::geometry::Ends;
use crate::layout::row_state::RowState;
use crate::layout::word::{LapOrder, State, Word};
use crate::participant::SharedRing;
use crate::ring::{Memory, held_word, meaning, sent_to};
use crate::segment::Segment;
use crate::sync::Ordering;

/// The owner number of the only receiver.
pub(super) const ONLY_RECEIVER: u16 = 2;

/// The ring of a segment, to be looked at.
pub(super) struct Walk {
    pub(super) ring: SharedRing,
    /// A single receiver's head says what is free; it writes no words.
    pub(super) free_by_head: bool,
    /// A word may hold the slots behind its own.
    has_runs: bool,
}

/// What the slot of a position says about that position.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// It has not been claimed in this lap.
    Untouched,
    /// It has, and there is nothing to read: released, given up, or claimed again in a later lap.
    Past,
    /// Somebody writes it.
    Claimed(Word),
    /// A message that waits.
    Ready(Word),
    /// A message that one of many receivers has.
    Taken(Word),
    /// A message that the only receiver may have seen and has not released.
    Seen(Word),
    /// A message that came back.
    Returned(Word),
}

/// The cursors, read at about the same time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Cursors {
    pub(super) tail: u64,
    pub(super) head: u64,
    pub(super) delivered_to: u64,
}

impl Walk {
    pub(super) fn new(segment: &Arc<Segment>) -> Self {
        let geometry = &segment.header().geometry;
        let free_by_head = geometry.receive_protocol() == Ends::Single;
        Self { ring: SharedRing::new(segment), free_by_head, has_runs: geometry.has_runs() }
    }

    pub(super) fn segment(&self) -> &Arc<Segment> {
        self.ring.segment()
    }

    /// Tail first: whatever is read later is not older than what it vouches for.
    pub(super) fn cursors(&self) -> Cursors {
        let tail = sent_to(&self.ring);
        // Relaxed: a snapshot. The mark before head, so that their distance is at most the capacity.
        let delivered_to = self.ring.delivered_to().load(Ordering::Relaxed);
        // Acquire: read cursor, pairs with advance.
        let head = self.ring.head().load(Ordering::Acquire);
        Cursors { tail, head, delivered_to }
    }

    /// The oldest position that may have a message.
    pub(super) fn oldest(&self, cursors: &Cursors) -> u64 {
        let lap_behind = cursors.tail.saturating_sub(self.ring.capacity());
        if self.free_by_head { cursors.head.max(lap_behind) } else { lap_behind }
    }

    /// What is to be known of a slot by its word, or by the word that holds it.
    pub(super) fn word(&self, position: u64) -> Word {
        // Acquire: take, pairs with commit and abort and give back: what the word stands for can be read.
        let word = Word::from_bits(self.ring.word(position).load(Ordering::Acquire));
        if self.has_runs { held_word(&self.ring, position, word) } else { meaning(&self.ring, position, word) }
    }

    /// What is at `position` now.
    pub(super) fn look(&self, position: u64) -> Place {
        let word = self.word(position);
        match (word.lap_order(self.ring.lap(position)), word.state()) {
            (LapOrder::Newer, _) | (LapOrder::Same, Some(State::Skip) | None) => Place::Past,
            (LapOrder::Previous | LapOrder::Ancient, _) | (LapOrder::Same, Some(State::Free)) => Place::Untouched,
            (LapOrder::Same, Some(State::Claim)) => Place::Claimed(word),
            (LapOrder::Same, Some(State::Take | State::TakeRun)) => Place::Taken(word),
            (LapOrder::Same, Some(State::Retry)) => Place::Returned(word),
            (LapOrder::Same, Some(State::Ready)) if !self.free_by_head => Place::Ready(word),
            (LapOrder::Same, Some(State::Ready)) => self.look_by_head(position, word),
        }
    }

    /// Whether the only receiver has released the message at `position`. From then on the only sender may write there
    /// without a word about it.
    pub(super) fn is_released(&self, position: u64) -> bool {
        // Relaxed: the caller's fence orders it behind what was read before. (A head below is no older than the word.)
        self.free_by_head && self.ring.head().load(Ordering::Relaxed) > position
    }

    fn look_by_head(&self, position: u64, word: Word) -> Place {
        if self.is_released(position) {
            return Place::Past;
        }
        // Relaxed: part of a snapshot.
        let seen = self.ring.delivered_to().load(Ordering::Relaxed) > position;
        if seen { Place::Seen(word) } else { Place::Ready(word) }
    }

    /// The row of an endpoint, if it has that number.
    pub(super) fn row(&self, owner: u16) -> Option<&Row> {
        self.segment().row(usize::from(owner).checked_sub(1)?)
    }

    /// Whether an endpoint is joined, or dead and not repaired.
    pub(super) fn is_joined(&self, owner: u16) -> bool {
        // Relaxed: part of a snapshot.
        let state = self.row(owner).map(|row| row.state.load(Ordering::Relaxed));
        state.is_some_and(|bits| RowState::of(bits) != Some(RowState::Free))
    }
}
