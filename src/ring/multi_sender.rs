//! One of many senders: claims the slot at tail with a compare-and-swap that names it.

use super::runs::{alike, held_from, room, settle};
use super::{
    Blocked, InTheWay, Memory, Patience, Run, Slot as _, Step, advance, check_full, contradiction, has_room, help,
    make_all_ready, read_cursor, tell,
};
use crate::error::Fault;
use crate::layout::word::{LapOrder, State, Word};
use crate::sync::{AtomicU64, Ordering};

/// The private state of one of many senders.
#[derive(Debug)]
pub struct MultiSender {
    owner: u16,
    /// A full ring gives up its oldest message.
    pub(super) overwrite: bool,
    /// Free space is known from a single receiver's `head`, not from the words.
    pub(super) free_by_head: bool,
    /// Positions below it are free: a ring behind a single receiver's head, as that was when it was last looked at.
    free_to: u64,
    /// With positions below it, it may go on at once.
    limit: u64,
    /// Every position below it has been claimed, whether tail says so yet or not.
    next: u64,
    /// Its last message went where the one before it ended: others hardly send meanwhile.
    alone: bool,
    overwritten: u64,
}

impl MultiSender {
    /// A sender that signs its claims with `owner` (1 to 1023).
    pub fn new(owner: u16, overwrite: bool, free_by_head: bool) -> Self {
        Self { owner, overwrite, free_by_head, free_to: 0, limit: 0, next: 0, alone: false, overwritten: 0 }
    }

    /// Claims the slot at tail at first sight: the short way. It is committed with [`commit_one`](Self::commit_one), which
    /// also tells tail: between the claim and the commit there is nothing but the writing of the payload, so that the
    /// receiver's looks seldom take the line away in between. Whoever meets the claim meanwhile goes on behind it.
    #[inline]
    pub fn claim_one<M: Memory>(&mut self, memory: &M) -> Option<u64> {
        let place = self.place(memory);
        matches!(self.claim_at(memory, place, 1), Ok(Step::Mine(_))).then_some(place)
    }

    /// Where the next message may go: behind all that is known to be claimed.
    #[inline]
    fn place<M: Memory>(&self, memory: &M) -> u64 {
        read_cursor(memory.tail()).max(self.next)
    }

    /// The same at a guess: one that is alone does without tail, which may be as old as it likes anyway. The word there says if it is wrong.
    #[inline(always)]
    fn place_at_once<M: Memory>(&self, memory: &M) -> u64 {
        if self.alone { self.next } else { self.place(memory) }
    }

    /// All before `next` has been claimed, the one before it by us. Tail is told of it once for some messages.
    #[inline(always)]
    fn go_on<M: Memory>(&mut self, memory: &M, next: u64) {
        self.alone = next == self.next.wrapping_add(1);
        self.next = next;
        tell(memory, memory.tail(), next);
    }

    /// Makes the message at `position`, the one that was claimed, visible.
    #[inline]
    pub fn commit_one<M: Memory>(&mut self, memory: &M, position: u64) {
        make_ready(memory.word(position), memory.lap(position));
        self.go_on(memory, position.wrapping_add(1));
    }

    /// Claims and commits one message, which `write` writes.
    #[inline]
    pub fn put_one<'m, M: Memory>(&mut self, memory: &'m M, write: impl FnOnce(u64, M::Slot<'m>)) -> bool {
        let Some(position) = self.claim_one(memory) else { return false };
        write(position, memory.slot(position));
        self.commit_one(memory, position);
        true
    }

    /// Does what [`put_one`](Self::put_one) does with a slot below the limit, if `may` agrees: the shortest way.
    #[inline(always)]
    pub fn put_at_once<'m, M: Memory>(
        &mut self,
        memory: &'m M,
        may: impl FnOnce() -> bool,
        write: impl FnOnce(M::Slot<'m>),
    ) -> bool {
        let Some((position, slot)) = self.claim_at_once(memory, self.place_at_once(memory), may) else { return false };
        write(slot);
        make_ready(slot.word(), memory.lap(position));
        self.go_on(memory, position.wrapping_add(1));
        true
    }

    /// Claims a slot so, to be committed later with [`commit_lent`](Self::commit_lent); not at a guess, by which loans did not gain.
    #[inline(always)]
    pub fn lend_at_once<M: Memory>(&mut self, memory: &M, may: impl FnOnce() -> bool) -> Option<u64> {
        let (position, _) = self.claim_at_once(memory, self.place(memory), may)?;
        self.go_on(memory, position.wrapping_add(1));
        Some(position)
    }

    /// Makes the message at `position` visible, the slot of which was lent.
    #[inline]
    pub fn commit_lent<M: Memory>(&mut self, memory: &M, position: u64) {
        make_ready(memory.word(position), memory.lap(position));
    }

    #[inline(always)]
    fn claim_at_once<'m, M: Memory>(
        &mut self,
        memory: &'m M,
        place: u64,
        may: impl FnOnce() -> bool,
    ) -> Option<(u64, M::Slot<'m>)> {
        if place >= self.limit {
            return None;
        }
        let (slot, lap) = (memory.slot(place), memory.lap(place));
        if self.alone {
            memory.fetch_to_claim(slot);
        }
        let word = look_to_claim(slot.word());
        let is_free = word == Word::free(lap) || place < self.free_to && word.is_ready(lap.wrapping_sub(1));
        let claimed = is_free && may() && self.exchange(slot.word(), lap, word, 1);
        self.alone &= claimed;
        claimed.then_some((place, slot))
    }

    /// With positions below `end`, it may go on at once from now on.
    #[inline]
    pub fn set_limit(&mut self, end: u64) {
        self.limit = end;
    }

    /// Claims between one and `want` slots in a row. Each must be committed or aborted, those at the end of the run first.
    pub fn claim<M: Memory>(&mut self, memory: &M, want: u64) -> Result<Run, Blocked> {
        let mut patience = Patience::new(memory);
        loop {
            patience.spend()?;
            let tail = read_cursor(memory.tail());
            let place = tail.max(self.next);
            match self.claim_at(memory, place, want) {
                Ok(Step::Mine(count)) => {
                    let want = if self.overwrite { want.min(memory.capacity()) } else { count };
                    let run = self.claim_more(memory, Run { first: place, count }, want);
                    self.next = run.end();
                    advance(memory.tail(), tail, self.next);
                    return Ok(run);
                }
                Ok(Step::Passed(count)) => {
                    self.next = place.wrapping_add(count);
                    patience.step(place, self.next)?;
                }
                Ok(Step::Again | Step::LeftBehind) => {}
                // A tail that has moved made us look at a slot that was no longer next.
                _ if read_cursor(memory.tail()) > place => {}
                Ok(Step::Stop(in_the_way)) => {
                    advance(memory.tail(), tail, place);
                    return Err(Blocked::Wait(in_the_way));
                }
                Err(fault) => return Err(fault),
            }
        }
    }

    /// Makes the message at each position of `run` visible. The payloads have been written.
    #[inline(never)]
    pub fn commit<M: Memory>(&mut self, memory: &M, run: Run) {
        if self.overwrite {
            // Each was claimed by itself, and those of a sender that dies here are to be the first ones.
            return make_all_ready(memory, run);
        }
        settle(memory, run, Word::ready(memory.lap(run.first)).bits());
    }

    /// Gives up claimed slots: there will be no messages at the positions of `run`.
    pub fn abort<M: Memory>(&mut self, memory: &M, run: Run) {
        for piece in run.pieces(memory.capacity()) {
            settle(memory, piece, Word::skip(memory.lap(piece.first)).bits());
        }
    }

    /// Whether not only the next slot is free, but `ahead` more behind it. Another sender may be faster.
    pub fn has_room<M: Memory>(&self, memory: &M, ahead: u64) -> bool {
        // Relaxed: only a look; a claim looks again.
        let position = memory.tail().load(Ordering::Relaxed).max(self.next).wrapping_add(ahead);
        has_room(memory, position, self.free_by_head)
    }

    /// Whether a full ring is one, and not scribbled upon.
    pub fn audit<M: Memory>(&self, memory: &M) -> Result<(), Blocked> {
        if self.free_by_head { Ok(()) } else { check_full(memory, self.place(memory)) }
    }

    /// How many messages were overwritten since the last call.
    pub fn take_overwritten(&mut self) -> u64 {
        core::mem::take(&mut self.overwritten)
    }

    /// Claims on behind `run`, which is ours, where each slot is claimed by itself.
    fn claim_more<M: Memory>(&mut self, memory: &M, run: Run, want: u64) -> Run {
        let Run { first, mut count } = run;
        while count < want {
            memory.fetch_ahead(first.wrapping_add(count), first.wrapping_add(want));
            if !matches!(self.claim_at(memory, first.wrapping_add(count), 1), Ok(Step::Mine(_))) {
                break;
            }
            count += 1;
        }
        Run { first, count }
    }

    #[inline]
    fn claim_at<M: Memory>(&mut self, memory: &M, position: u64, want: u64) -> Result<Step, Blocked> {
        let lap = memory.lap(position);
        let word = look_to_claim(memory.word(position));
        if word == Word::free(lap) {
            return Ok(self.claim_free(memory, position, word, want));
        }
        self.claim_other(memory, position, word, want)
    }

    /// The slot is free, and perhaps those behind it are, too.
    #[inline]
    fn claim_free<M: Memory>(&self, memory: &M, position: u64, word: Word, want: u64) -> Step {
        let run = if want == 1 || self.overwrite { 1 } else { alike(memory, position, want, word) };
        self.step(memory, position, word, run)
    }

    /// The slot is not simply free.
    #[inline(never)]
    fn claim_other<M: Memory>(&mut self, memory: &M, position: u64, word: Word, want: u64) -> Result<Step, Blocked> {
        let lap = memory.lap(position);
        let Some(state) = word.state() else {
            return Err(contradiction("state word at tail", Word::free(lap), word));
        };
        match (word.lap_order(lap), state) {
            (LapOrder::Same, State::Free) => Ok(self.step(memory, position, word, 1)),
            (LapOrder::Same, State::Claim) => Ok(Step::Passed(held_from(memory, position, word))),
            (LapOrder::Same | LapOrder::Newer, _) => Ok(Step::Passed(1)),
            (LapOrder::Ancient, _) | (LapOrder::Previous, State::Free) => {
                Err(contradiction("lap at tail", Word::free(lap), word))
            }
            (LapOrder::Previous, _) if self.free_by_head => self.claim_behind_head(memory, position, word, want),
            (LapOrder::Previous, State::Ready | State::Retry) if self.overwrite => {
                let step = self.step(memory, position, word, 1);
                self.overwritten += u64::from(matches!(step, Step::Mine(_)));
                Ok(step)
            }
            (LapOrder::Previous, State::Skip) => Ok(free_skipped(memory, position, word)),
            (LapOrder::Previous, State::Ready | State::Retry) => Ok(Step::Stop(None)),
            (LapOrder::Previous, State::Claim | State::Take | State::TakeRun) => Ok(stop_at(memory, position, word)),
        }
    }

    /// The slot is of the last lap: it is free if a single receiver's head has passed it.
    fn claim_behind_head<M: Memory>(
        &mut self,
        memory: &M,
        position: u64,
        word: Word,
        want: u64,
    ) -> Result<Step, Blocked> {
        let uncommitted = matches!(word.state(), Some(State::Claim | State::Take | State::TakeRun));
        if position < self.free_to && !uncommitted {
            return Ok(self.claim_passed(memory, position, word, want));
        }
        // Acquire: claim, pairs with release.
        let head = memory.head().load(Ordering::Acquire);
        let ahead = position.wrapping_sub(head);
        if ahead < memory.capacity() && !uncommitted {
            self.free_to = head.saturating_add(memory.capacity());
            return Ok(self.claim_passed(memory, position, word, want));
        }
        if ahead == memory.capacity() {
            return Ok(if uncommitted { stop_at(memory, position, word) } else { Step::Stop(None) });
        }
        // Relaxed: only whether it is still the same word. If so, head has no business where it is.
        if memory.word(position).load(Ordering::Relaxed) != word.bits() {
            return Ok(Step::Again);
        }
        Err(Blocked::Fault(Fault::corrupt("head", position.wrapping_sub(memory.capacity()), head)))
    }

    /// A single receiver's head has passed the slot, and those behind it that are below `free_to`.
    fn claim_passed<M: Memory>(&self, memory: &M, position: u64, word: Word, want: u64) -> Step {
        self.step(memory, position, word, room(memory, position, want.min(self.free_to - position)))
    }

    #[inline]
    fn step<M: Memory>(&self, memory: &M, position: u64, from: Word, run: u64) -> Step {
        let ours = self.exchange(memory.word(position), memory.lap(position), from, run);
        if ours { Step::Mine(run) } else { Step::Again }
    }

    #[inline]
    fn exchange(&self, word: &AtomicU64, lap: u64, from: Word, run: u64) -> bool {
        let mine = Word::claim(lap, self.owner, run);
        // AcqRel: claim, pairs with release and abort and claim: whoever had the slot has read or written it before us, and
        // whoever helps tail over our claim sees the head that we saw. Relaxed on failure: we look again.
        word.compare_exchange(from.bits(), mine.bits(), Ordering::AcqRel, Ordering::Relaxed).is_ok()
    }
}

#[inline]
fn look_to_claim(word: &AtomicU64) -> Word {
    // Acquire: claim, pairs with release and abort and claim: whoever sees a claim sees a head no older than its owner.
    Word::from_bits(word.load(Ordering::Acquire))
}

#[inline]
fn make_ready(word: &AtomicU64, lap: u64) {
    // Release: commit, pairs with take.
    word.store(Word::ready(lap).bits(), Ordering::Release);
}

/// Frees a slot of the last lap that has nothing to read. Word first: had head been helped first and had we died
/// between the two, no receiver would ever come back for the slot.
fn free_skipped<M: Memory>(memory: &M, position: u64, word: Word) -> Step {
    let free = Word::free(memory.lap(position));
    // Relaxed: an exchange goes on with the Release of the word that it replaces, which is the abort's.
    let _ = memory.word(position).compare_exchange(word.bits(), free.bits(), Ordering::Relaxed, Ordering::Relaxed);
    let skipped = position.wrapping_sub(memory.capacity());
    help(memory.head(), skipped, skipped.wrapping_add(1));
    Step::Again
}

fn stop_at<M: Memory>(memory: &M, position: u64, word: Word) -> Step {
    let position = position.wrapping_sub(memory.capacity());
    Step::Stop(Some(InTheWay { owner: word.owner(), position, word }))
}
