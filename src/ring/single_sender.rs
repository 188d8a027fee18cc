//! The only sender: nobody contends for tail, so nothing is claimed in shared memory. What it has not committed does not
//! show, and a successor goes on where it stopped.

use super::window::Window;
use super::{Blocked, InTheWay, Memory, Run, Slot, check_full, contradiction, has_room, make_all_ready, meaning};
use crate::error::Fault;
use crate::layout::word::{LapOrder, State, Word};
use crate::sync::{AtomicU64, Ordering, likely};

/// The slots that are asked for ahead, at most.
const MOST_AHEAD: u64 = 32;
/// With no more messages than these before it a receiver waits for each.
const FEW: u64 = 2;

/// The private state of the only sender.
#[derive(Debug)]
pub struct SingleSender {
    pub(super) tail: u64,
    /// The slots of all positions below are known to be free, by what head said when it was last looked at. With many receivers no
    /// position from `tail` on.
    limit: u64,
    /// Slots below it are asked for ahead by single messages: those below the limit while these are sent faster than they are read, and otherwise
    /// none. In a round trip, where each is waited for, the lines of later ones would come at the expense of this one's.
    ahead_to: u64,
    /// Free space is known from a single receiver's `head`, not from the words.
    pub(super) free_by_head: bool,
    /// Free slots, from tail on, to be written at once.
    window: Window,
}

impl SingleSender {
    /// Takes over where the last one stopped: behind everything that it committed, counted in tail or not.
    pub fn join<M: Memory>(memory: &M, free_by_head: bool) -> Result<Self, Fault> {
        let counted = super::read_cursor(memory.tail());
        let tail = committed_to(memory, counted);
        if tail.wrapping_sub(counted) > memory.capacity() {
            return Err(Fault::corrupt("tail", tail, counted));
        }
        // Release: advance, pairs with read cursor.
        memory.tail().store(tail, Ordering::Release);
        // Acquire: claim, pairs with release.
        let head = memory.head().load(Ordering::Acquire);
        if free_by_head && tail.wrapping_sub(head) > memory.capacity() {
            return Err(Fault::corrupt("head", tail, head));
        }
        let limit = if free_by_head { known_free(memory, tail, head) } else { tail };
        Ok(Self { tail, limit, ahead_to: 0, free_by_head, window: Window::CLOSED })
    }

    /// Sends one message, if a free slot is in the window and `write` writes it there: the shortest way. Returns whether
    /// it was sent.
    #[inline(always)]
    pub fn put_at_once<'m, M: Memory>(
        &mut self,
        memory: &'m M,
        may: impl FnOnce() -> bool,
        write: impl FnOnce(M::Slot<'m>),
    ) -> bool {
        let position = self.tail;
        let Some(ready) = self.window.ready_at(position) else { return false };
        if !likely(may()) {
            return false;
        }
        let slot = memory.slot(position);
        write(slot);
        self.commit_one(memory, position, slot, ready);
        true
    }

    /// The position of a free slot in the window, to be written and then committed with [`commit_lent`](Self::commit_lent), if `may`
    /// agrees.
    #[inline(always)]
    pub fn lend_at_once(&mut self, may: impl FnOnce() -> bool) -> Option<u64> {
        (self.window.ready_at(self.tail).is_some() && may()).then_some(self.tail)
    }

    /// `count` slots in the window, if `may` agrees, to be written and then committed with [`commit`](Self::commit).
    #[inline(always)]
    pub fn slice_at_once(&self, count: u64, may: impl FnOnce() -> bool) -> Option<Run> {
        (likely(self.window.left(self.tail) >= count) && may()).then_some(Run { first: self.tail, count })
    }

    /// Makes the message at `position` visible, the slot of which was lent.
    #[inline]
    pub fn commit_lent<M: Memory>(&mut self, memory: &M, position: u64) {
        self.commit_one(memory, position, memory.slot(position), Word::ready(memory.lap(position)));
    }

    /// Sends messages in the window, each as soon as `write` has written it and said its length, for as long as it does. Returns how
    /// many they are, and their lengths in all. Tail tells of them after [`publish_tail`](Self::publish_tail).
    ///
    /// Nothing but slots is written meanwhile: stores to other lines in between would keep the processor from asking for
    /// the next slots' lines while it waits for this one. Should `write` panic, [`find_sent`](Self::find_sent) finds what was sent.
    /// Not in a packed ring, which has no words for that.
    #[inline]
    pub fn put_many<'m, M: Memory>(
        &mut self,
        memory: &'m M,
        mut write: impl FnMut(M::Slot<'m>) -> Option<u64>,
    ) -> (u64, u64) {
        debug_assert!(!memory.is_packed());
        let Some((run, ready)) = self.window.rest(self.tail) else { return (0, 0) };
        let (mut count, mut lens) = (0, 0);
        for slot in memory.slots(run) {
            let Some(len) = write(slot) else { break };
            // Release: commit, pairs with take.
            slot.word().store(ready.bits(), Ordering::Release);
            count += 1;
            lens += len;
        }
        self.tail = run.first.wrapping_add(count);
        (count, lens)
    }

    /// Has tail tell of everything that was sent, by [`put_many`](Self::put_many) `count` messages.
    #[inline]
    pub fn publish_tail<M: Memory>(&mut self, memory: &M, count: u64) {
        self.move_tail(memory, self.tail);
        self.fetch_next(memory, count);
    }

    /// Finds what [`put_many`](Self::put_many) has sent before `write` panicked, if anything.
    #[cold]
    pub fn find_sent<M: Memory>(&mut self, memory: &M) -> Option<Run> {
        let first = self.tail;
        let mut position = first;
        while self.window.ready_at(position).is_some() && is_committed(memory, position) {
            position = position.wrapping_add(1);
        }
        self.tail = position;
        let count = position.wrapping_sub(first);
        (count > 0).then_some(Run { first, count })
    }

    /// Sends one message, which `write` writes, if there is a free slot.
    #[inline]
    pub fn put_one<'m, M: Memory>(&mut self, memory: &'m M, write: impl FnOnce(u64, M::Slot<'m>)) -> bool {
        let Ok(Run { first, .. }) = self.claim(memory, 1) else { return false };
        let slot = memory.slot(first);
        write(first, slot);
        self.commit_one(memory, first, slot, Word::ready(memory.lap(first)));
        true
    }

    /// Opens the window over what is known to be free, as far as `end`. Where each word must be asked nothing is known, and there
    /// is none. Returns whether there is one.
    #[inline]
    pub fn open_window<M: Memory>(&mut self, memory: &M, end: u64) -> bool {
        self.window = Window::open(memory, self.tail, self.limit.min(end));
        self.window.ready_at(self.tail).is_some()
    }

    /// Makes the message in `slot`, the one at tail, visible. Tail is told of whole lines only, so it never lags by as many messages as
    /// a line has; but in a packed ring, where nothing else tells of a message.
    #[inline(always)]
    fn commit_one<'m, M: Memory>(&mut self, memory: &'m M, position: u64, slot: M::Slot<'m>, ready: Word) {
        let tail = position.wrapping_add(1);
        if memory.is_packed() {
            // Release: commit, pairs with take.
            self.to_commit(memory, slot, memory.tail()).store(tail, Ordering::Release);
            self.tail = tail;
            return memory.fetch_ahead(tail, self.ahead_to);
        }
        // Release: commit, pairs with take.
        self.to_commit(memory, slot, slot.word()).store(ready.bits(), Ordering::Release);
        self.tail = tail;
        if tail & (memory.tail_step() - 1) == 0 {
            self.move_tail(memory, tail);
            memory.fetch_ahead(tail, self.ahead_to);
        }
    }

    /// The word that commits the message in `slot`, the one at tail. Where the payload's line is to come before the word's, so it does; in a
    /// stream it has been asked for ahead.
    #[inline(always)]
    fn to_commit<'m, M: Memory>(&self, memory: &'m M, slot: M::Slot<'m>, word: &'m AtomicU64) -> &'m AtomicU64 {
        let waits = memory.payload_first() && self.tail >= self.ahead_to;
        if waits { memory.once_written(slot, word) } else { word }
    }

    /// Looks at head. Returns how many messages lie behind it.
    #[inline]
    fn look_at_head<M: Memory>(&mut self, memory: &M) -> Result<u64, Blocked> {
        // Acquire: claim, pairs with release: the receiver's reads come before our writes.
        let head = memory.head().load(Ordering::Acquire);
        let used = self.tail.wrapping_sub(head);
        if used > memory.capacity() {
            // Not to be remembered: it would be taken for room.
            return Err(Blocked::Fault(Fault::corrupt("head", self.tail, head)));
        }
        self.limit = known_free(memory, self.tail, head);
        self.ahead_to = if used > FEW { self.limit } else { 0 };
        Ok(used)
    }

    /// Finds between one and `want` free slots in a row. They are written and committed, or just left.
    #[inline]
    pub fn claim<M: Memory>(&mut self, memory: &M, want: u64) -> Result<Run, Blocked> {
        let count = if self.free_by_head { self.room(memory, want)? } else { self.free_words(memory, want)? };
        Ok(Run { first: self.tail, count })
    }

    /// Makes the message at each position of `run` visible. The payloads have been written.
    #[inline]
    pub fn commit<M: Memory>(&mut self, memory: &M, run: Run) {
        if !memory.is_packed() {
            make_all_ready(memory, run);
        }
        self.move_tail(memory, run.end());
        self.fetch_next(memory, run.count);
    }

    /// Whether there is room for so many messages more behind the next.
    pub fn has_room<M: Memory>(&self, memory: &M, ahead: u64) -> bool {
        has_room(memory, self.tail.wrapping_add(ahead), self.free_by_head)
    }

    /// Whether a full ring is one, and not scribbled upon.
    pub fn audit<M: Memory>(&self, memory: &M) -> Result<(), Blocked> {
        if self.free_by_head { self.check_tail(memory) } else { check_full(memory, self.tail) }
    }

    /// In a packed ring nothing but tail shows the messages that a full one waits to be rid of.
    fn check_tail<M: Memory>(&self, memory: &M) -> Result<(), Blocked> {
        // Relaxed: it is this sender's own.
        let tail = memory.tail().load(Ordering::Relaxed);
        if memory.is_packed() && tail != self.tail {
            return Err(Blocked::Fault(Fault::corrupt("tail", self.tail, tail)));
        }
        Ok(())
    }

    /// Has as many slots fetched as were just sent, for another batch, unless a receiver may be reading there still. Behind a single
    /// message it may be looking for the next one. In a packed ring the next batch is written too soon for that: the one after the one
    /// after it, if there is room.
    #[inline]
    fn fetch_next<M: Memory>(&self, memory: &M, count: u64) {
        if count > 1 {
            let left = self.limit.saturating_sub(self.tail);
            let skip = if memory.is_packed() && left >= 3 * count { 2 * count } else { 0 };
            let first = self.tail.wrapping_add(skip);
            memory.fetch_to_write(Run { first, count: count.min(left - skip).min(MOST_AHEAD) });
        }
    }

    #[inline]
    fn move_tail<M: Memory>(&mut self, memory: &M, tail: u64) {
        self.tail = tail;
        // Release: advance, pairs with read cursor. In a packed ring, Release: commit, pairs with take.
        memory.tail().store(self.tail, Ordering::Release);
    }

    #[inline]
    fn room<M: Memory>(&mut self, memory: &M, want: u64) -> Result<u64, Blocked> {
        let capacity = memory.capacity();
        let want = want.min(capacity);
        if self.limit.saturating_sub(self.tail) >= want {
            return Ok(want);
        }
        let used = self.look_at_head(memory)?;
        if used == capacity { Err(Blocked::Wait(None)) } else { Ok(want.min(capacity - used)) }
    }

    #[inline]
    fn free_words<M: Memory>(&mut self, memory: &M, want: u64) -> Result<u64, Blocked> {
        let mut count = 0;
        while count < want.min(memory.capacity()) {
            let position = self.tail.wrapping_add(count);
            let word = free_word(memory, position);
            if word != Word::free(memory.lap(position)) {
                return if count > 0 { Ok(count) } else { Err(why_full(memory, position, word)) };
            }
            count += 1;
        }
        Ok(count)
    }
}

/// The end of the slots, from `tail` on, that `head` tells are free, as far as they are to be known.
#[inline]
fn known_free<M: Memory>(memory: &M, tail: u64, head: u64) -> u64 {
    head.saturating_add(memory.capacity()).min(tail.saturating_add(memory.between_looks()))
}

#[inline]
fn free_word<M: Memory>(memory: &M, position: u64) -> Word {
    // Acquire: claim, pairs with release: the receiver's reads come before our writes.
    Word::from_bits(memory.word(position).load(Ordering::Acquire))
}

/// The position behind the last message that an only sender has committed, if tail tells `from` or more. A ring further than that if the
/// words are scribbled upon, and one.
pub(super) fn committed_to<M: Memory>(memory: &M, from: u64) -> u64 {
    let committed = (0..=memory.capacity()).take_while(|ahead| is_committed(memory, from.wrapping_add(*ahead)));
    from.wrapping_add(committed.count() as u64)
}

/// Whether a message at `position` was committed, read or not.
pub(super) fn is_committed<M: Memory>(memory: &M, position: u64) -> bool {
    let lap = memory.lap(position);
    // Acquire: take, pairs with commit.
    let word = meaning(memory, position, Word::from_bits(memory.word(position).load(Ordering::Acquire)));
    match word.lap_order(lap) {
        LapOrder::Same => !matches!(word.state(), Some(State::Free | State::Claim) | None),
        LapOrder::Newer => true,
        LapOrder::Previous | LapOrder::Ancient => false,
    }
}

fn why_full<M: Memory>(memory: &M, position: u64, word: Word) -> Blocked {
    let lap = memory.lap(position);
    match (word.lap_order(lap), word.state()) {
        (LapOrder::Previous, Some(State::Take | State::TakeRun)) => {
            let position = position.wrapping_sub(memory.capacity());
            Blocked::Wait(Some(InTheWay { owner: word.owner(), position, word }))
        }
        (LapOrder::Previous, Some(State::Ready | State::Retry)) => Blocked::Wait(None),
        _ => contradiction("state word at tail", Word::free(lap), word),
    }
}
