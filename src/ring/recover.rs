//! What a dead endpoint held comes free: its claims become `Skip`, what it had taken becomes `Retry`. Of a run the first slot is
//! changed last, so that one which is cut off here is still known as a run.
//!
//! The caller holds the proof that `owner` is dead, and the exclusive right to recover it. Every step is an exchange
//! of a word that names the dead, so recovery can be cut off anywhere and started over.

use super::runs::{held_from, is_held_by};
use super::{Memory, help, meaning, read_cursor};
use crate::layout::word::{LapOrder, State, Word};
use crate::sync::Ordering;

/// What a recovery has changed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Recovered {
    /// Claims that will never be committed.
    pub skipped: u64,
    /// Messages that will be delivered again.
    pub returned: u64,
}

/// Repairs every slot that the dead `owner` held.
pub fn recover<M: Memory>(memory: &M, owner: u16) -> Recovered {
    let mut total = Recovered::default();
    for slot in 0..memory.capacity() {
        // Acquire: take, pairs with commit and abort and give back.
        let word = meaning(memory, slot, Word::from_bits(memory.word(slot).load(Ordering::Acquire)));
        repair(memory, slot, word, owner, &mut total);
    }
    // Even with nothing returned: one who died in the middle of this may have returned some and not said so.
    // Release: epoch, pairs with scan.
    memory.retry_epoch().fetch_add(1, Ordering::Release);
    total
}

/// Moves tail over what has been claimed or committed behind it: one who died in between has not, and until somebody sends,
/// nobody else would. For `size`, which counts up to tail.
pub fn count_in<M: Memory>(memory: &M) {
    for _ in 0..memory.capacity() {
        let tail = read_cursor(memory.tail());
        // Acquire: claim, pairs with release and abort and claim: whoever sees this tail sees the word that it vouches for.
        let word = meaning(memory, tail, Word::from_bits(memory.word(tail).load(Ordering::Acquire)));
        let claimed = match (word.lap_order(memory.lap(tail)), word.state()) {
            (_, None) | (LapOrder::Same, Some(State::Free)) => false,
            (order, _) => matches!(order, LapOrder::Same | LapOrder::Newer),
        };
        match tail.checked_add(held_from(memory, tail, word)) {
            // The only sender stores the same or a higher one when it gets to it.
            Some(next) if claimed => help(memory.tail(), tail, next),
            _ => return,
        }
    }
}

/// Repairs the one slot that stands in the way, as it was seen in `word`, so that others go on before the whole is done.
pub fn recover_word<M: Memory>(memory: &M, position: u64, word: Word) {
    // Acquire: take, pairs with commit and abort and give back.
    if memory.word(position).load(Ordering::Acquire) != word.bits() {
        // Its owner has settled it since, and then died or left. Behind a claim that was committed whole, each message looks like
        // one of a claim that is being committed.
        return;
    }
    let mut total = Recovered::default();
    repair(memory, position, word, word.owner(), &mut total);
    if total.returned > 0 {
        // Release: epoch, pairs with scan.
        memory.retry_epoch().fetch_add(1, Ordering::Release);
    }
}

fn repair<M: Memory>(memory: &M, position: u64, word: Word, owner: u16, total: &mut Recovered) {
    if word.owner() != owner {
        return;
    }
    let (repaired, count) = match word.state() {
        Some(State::Claim) => (Word::skip(word.lap()), &mut total.skipped),
        Some(State::Take | State::TakeRun) => (word.into_state(State::Retry), &mut total.returned),
        _ => return,
    };
    for behind in (1..held_from(memory, position, word)).map(|step| position.wrapping_add(step)) {
        // Acquire: take, pairs with commit and abort and give back.
        let found = Word::from_bits(memory.word(behind).load(Ordering::Acquire));
        if is_held_by(found, word) {
            *count += u64::from(exchange(memory, behind, found, repaired));
        }
    }
    *count += u64::from(exchange(memory, position, word, repaired));
}

fn exchange<M: Memory>(memory: &M, position: u64, from: Word, to: Word) -> bool {
    // AcqRel: give back, pairs with take. AcqRel: abort, pairs with take and claim. Relaxed on failure: it is not the dead
    // owner's any more.
    memory.word(position).compare_exchange(from.bits(), to.bits(), Ordering::AcqRel, Ordering::Relaxed).is_ok()
}
