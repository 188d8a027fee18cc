//! Runs: slots that follow one another in a lap and are held by the word of the first alone, so that one exchange claims or takes
//! all of them.
//!
//! The words behind the first stay as they are: nobody but the holder changes them, since slots are claimed at tail and taken
//! at head in order, and whoever comes to the first is told how many to pass over. So the first is changed last: as long as it holds
//! the run, no end looks at the others, and a recovery knows which they are. Queues that overwrite have no runs: their senders claim what
//! was not taken, wherever that lies.

use super::{Memory, Run};
use crate::layout::word::{LapOrder, MAX_RUN, State, Word};
use crate::sync::{AtomicU64, Ordering};

/// How many slots from `position` on, of at most `want`, a run may have there: it ends with its lap.
#[inline]
pub(super) fn room<M: Memory>(memory: &M, position: u64, want: u64) -> u64 {
    let left = memory.capacity() - (position & (memory.capacity() - 1));
    want.min(left).min(MAX_RUN)
}

/// How many slots in a row have the word `like`, beginning with `position`, which has it: `want` at most, and no more than a run may have.
#[inline]
pub(super) fn alike<M: Memory>(memory: &M, position: u64, want: u64, like: Word) -> u64 {
    let behind = Run { first: position.wrapping_add(1), count: room(memory, position, want) - 1 };
    // Acquire: claim, pairs with release. Acquire: take, pairs with commit. For the first of them it is the exchange.
    let is_alike = |word: &&AtomicU64| word.load(Ordering::Acquire) == like.bits();
    1 + memory.words(behind).take_while(is_alike).count() as u64
}

/// Stores `bits` into all words of a run that lies within one lap, into that of the first last.
#[inline]
pub(super) fn settle<M: Memory>(memory: &M, run: Run, bits: u64) {
    let behind = Run { first: run.first.wrapping_add(1), count: run.count - 1 };
    for word in memory.words(behind) {
        settle_word(word, bits);
    }
    settle_word(memory.word(run.first), bits);
}

#[inline]
fn settle_word(word: &AtomicU64, bits: u64) {
    // Release: commit, pairs with take. Release: abort, pairs with take and claim. Release: release, pairs with claim and pass.
    // Release: give back, pairs with take.
    word.store(bits, Ordering::Release);
}

/// How many slots from `position` on its `word` holds.
#[inline]
pub(super) fn held_from<M: Memory>(memory: &M, position: u64, word: Word) -> u64 {
    room(memory, position, word.run())
}

/// From now on what the caller holds from `position` on is held by the word there, if it was not before: so the slots before may be settled.
/// Their first word goes on to say that it holds the whole, which harms nobody: the rest is settled by itself.
pub(super) fn cut<M: Memory>(memory: &M, position: u64) {
    // Relaxed: it is ours, nobody else writes it, or the next message of others, which no run of ours holds.
    if memory.word(position).load(Ordering::Relaxed) != Word::ready(memory.lap(position)).bits() {
        return;
    }
    let Some((first, word)) = first_of(memory, position, false) else { return };
    if word.state() != Some(State::TakeRun) {
        return;
    }
    let rest = Word::take_run(word.lap(), word.owner(), word.run() - position.wrapping_sub(first));
    // Relaxed: it is of no use before the slots in front of it are settled, which is a Release.
    memory.word(position).store(rest.bits(), Ordering::Relaxed);
}

/// How often a slot is looked at again whose word has changed meanwhile.
const LOOKS: u32 = 16;

/// What the `word` of a slot, which was just seen there, means if another one holds the slot. For those who only look.
pub fn held_word<M: Memory>(memory: &M, slot: u64, mut word: Word) -> Word {
    for _ in 0..LOOKS {
        let first = first_of(memory, slot, true);
        // Both are of one instant only if the slot's word is still the same: the run may have been settled, and what was in it taken as
        // another run, between the two looks.
        // Acquire: take, pairs with commit and abort and give back.
        let now = Word::from_bits(memory.word(slot).load(Ordering::Acquire));
        if now == word {
            return first.map_or(word, |(_, first)| as_held(word, first));
        }
        word = now;
    }
    word
}

fn as_held(word: Word, first: Word) -> Word {
    match first.state() {
        _ if !is_held_by(word, first) => word,
        Some(State::Claim) => Word::claim(first.lap(), first.owner(), 1),
        _ => Word::take_run(first.lap(), first.owner(), 1),
    }
}

/// Whether a slot in the run that `first` holds, which has this word, has not been settled.
pub(super) fn is_held_by(word: Word, first: Word) -> bool {
    match (first.state(), word.lap_order(first.lap()), word.state()) {
        // Those of a run that is being committed, too: all of it shows, or nothing.
        (Some(State::Claim), LapOrder::Same, Some(State::Free | State::Ready)) => true,
        // What a single receiver's head has passed.
        (Some(State::Claim), LapOrder::Previous, Some(State::Ready | State::Skip)) => true,
        (Some(State::TakeRun), _, _) => word == Word::ready(first.lap()),
        _ => false,
    }
}

/// The first slot of a run that has the slot of `position` behind it, and its word. `in_between`: what lies between them may be going
/// back just now, or have been taken again. The holder itself does one thing at a time, and has cut what lies behind such a slot.
fn first_of<M: Memory>(memory: &M, position: u64, in_between: bool) -> Option<(u64, Word)> {
    let most = (MAX_RUN - 1).min(position & (memory.capacity() - 1));
    for back in 1..=most {
        let first = position - back;
        // Acquire: take, pairs with commit and abort and give back: what lies behind it is no older.
        let word = Word::from_bits(memory.word(first).load(Ordering::Acquire));
        match word.state() {
            Some(State::Claim | State::TakeRun) => return (word.run() > back).then_some((first, word)),
            Some(State::Free | State::Ready | State::Skip) => {}
            Some(State::Take | State::Retry) if in_between => {}
            _ => return None,
        }
    }
    None
}
