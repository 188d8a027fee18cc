//! The only sender: nobody contends for tail, so nothing is claimed in shared memory. What it has not committed does not
//! show, and a successor goes on where it stopped.

use super::window::Window;
use super::{Blocked, InTheWay, MOST_UNTOLD, Memory, Run, Slot, check_full, contradiction, make_all_ready};
use crate::error::Fault;
use crate::layout::word::{LapOrder, State, Word};
use crate::sync::Ordering;

/// The private state of the only sender.
#[derive(Debug)]
pub struct SingleSender {
    pub(super) tail: u64,
    /// The slots of all positions below are known to be free: what head said when it was last looked at. With many receivers no
    /// position from `tail` on.
    limit: u64,
    /// Free space is known from a single receiver's `head`, not from the words.
    pub(super) free_by_head: bool,
    /// Free slots, from tail on, to be written at once.
    window: Window,
}

impl SingleSender {
    /// Takes over where the last one stopped: behind everything that it committed, counted in tail or not.
    pub fn join<M: Memory>(memory: &M, free_by_head: bool) -> Result<Self, Fault> {
        let counted = super::read_cursor(memory.tail());
        let mut tail = counted;
        while committed(memory, tail) {
            tail = tail.wrapping_add(1);
            if tail.wrapping_sub(counted) > memory.capacity() {
                return Err(Fault::corrupt("tail", tail, counted));
            }
        }
        // Release: advance, pairs with read cursor.
        memory.tail().store(tail, Ordering::Release);
        // Acquire: claim, pairs with release.
        let head = memory.head().load(Ordering::Acquire);
        if free_by_head && tail.wrapping_sub(head) > memory.capacity() {
            return Err(Fault::corrupt("head", tail, head));
        }
        let limit = if free_by_head { head.saturating_add(memory.capacity()) } else { tail };
        Ok(Self { tail, limit, free_by_head, window: Window::CLOSED })
    }

    /// Sends one message, if a free slot is in the window and `write` writes it there: the shortest way. Returns its position if
    /// it was sent. Tail does not tell of it before [`publish_tail`](Self::publish_tail).
    ///
    /// The slot is all that is written, but for one word a cache line: stores to other lines in between would keep the processor
    /// from asking for the next slots' lines while it waits for this one.
    #[inline(always)]
    pub fn put_at_once<'m, M: Memory>(
        &mut self,
        memory: &'m M,
        write: impl FnOnce(M::Slot<'m>) -> bool,
    ) -> Option<u64> {
        let position = self.next_free(memory, self.tail);
        let ready = self.window.ready_at(position)?;
        let slot = memory.slot(position);
        if !write(slot) {
            return None;
        }
        // Release: commit, pairs with take.
        slot.word().store(ready.bits(), Ordering::Release);
        self.note_put(memory, position);
        Some(position)
    }

    /// Sends messages in the window, each as soon as `write` has written it, for as long as it does. Tail tells of the last ones
    /// after [`publish_tail`](Self::publish_tail): should `write` panic, they are there all the same. Returns how many.
    #[inline]
    pub fn put_many<'m, M: Memory>(&mut self, memory: &'m M, mut write: impl FnMut(M::Slot<'m>) -> bool) -> u64 {
        let first = self.next_free(memory, self.tail);
        let mut position = first;
        while let Some(ready) = self.window.ready_at(position) {
            let slot = memory.slot(position);
            if !write(slot) {
                break;
            }
            // Release: commit, pairs with take.
            slot.word().store(ready.bits(), Ordering::Release);
            self.note_put(memory, position);
            position = position.wrapping_add(1);
            if is_time_to_tell(position) {
                self.move_tail(memory, position);
            }
        }
        position.wrapping_sub(first)
    }

    /// Has tail tell of everything that was sent. Returns what it says.
    #[inline]
    pub fn publish_tail<M: Memory>(&mut self, memory: &M) -> u64 {
        let tail = self.next_free(memory, self.tail);
        self.move_tail(memory, tail);
        tail
    }

    /// The first position from `tail` on at which nothing was sent. What was sent since `tail` was noted lies in its cache line.
    #[inline(always)]
    fn next_free<M: Memory>(&self, memory: &M, tail: u64) -> u64 {
        let mut position = tail;
        while position & memory.line_mask() != 0
            && self.window.ready_at(position).is_some_and(|ready| is_sent(memory, position, ready))
        {
            position = position.wrapping_add(1);
        }
        position
    }

    /// The first message of a cache line was sent: the others will be found from here on.
    #[inline(always)]
    fn note_put<M: Memory>(&mut self, memory: &M, position: u64) {
        if position & memory.line_mask() == 0 {
            self.tail = position.wrapping_add(1);
        }
    }

    /// Sends one message, which `write` writes, if there is a free slot.
    #[inline]
    pub fn put_one<'m, M: Memory>(&mut self, memory: &'m M, write: impl FnOnce(u64, M::Slot<'m>)) -> bool {
        let Ok(Run { first, .. }) = self.claim(memory, 1) else { return false };
        let slot = memory.slot(first);
        write(first, slot);
        self.commit_one(memory, slot, Word::ready(memory.lap(first)));
        true
    }

    /// Opens the window over what is known to be free, as far as `end`. Where each word must be asked nothing is known, and there
    /// is none. Returns whether there is one. All that was sent in the last one has been published.
    #[inline]
    pub fn open_window<M: Memory>(&mut self, memory: &M, end: u64) -> bool {
        self.tail = self.next_free(memory, self.tail);
        self.window = Window::open(memory, self.tail, self.limit.min(end));
        self.window.ready_at(self.tail).is_some()
    }

    #[inline]
    fn commit_one<'m, M: Memory>(&mut self, memory: &'m M, slot: M::Slot<'m>, ready: Word) {
        // Release: commit, pairs with take.
        slot.word().store(ready.bits(), Ordering::Release);
        self.move_tail(memory, self.tail.wrapping_add(1));
    }

    /// Finds between one and `want` free slots in a row. They are written and committed, or just left.
    #[inline]
    pub fn claim<M: Memory>(&mut self, memory: &M, want: u64) -> Result<Run, Blocked> {
        self.tail = self.next_free(memory, self.tail);
        let count = if self.free_by_head { self.room(memory, want)? } else { self.free_words(memory, want)? };
        Ok(Run { first: self.tail, count })
    }

    /// Makes the message at each position of `run` visible. The payloads have been written.
    #[inline]
    pub fn commit<M: Memory>(&mut self, memory: &M, run: Run) {
        make_all_ready(memory, run);
        self.move_tail(memory, run.end());
    }

    /// Whether a full ring is one, and not scribbled upon.
    pub fn audit<M: Memory>(&self, memory: &M) -> Result<(), Blocked> {
        if self.free_by_head { Ok(()) } else { check_full(memory, self.tail) }
    }

    #[inline]
    fn move_tail<M: Memory>(&mut self, memory: &M, tail: u64) {
        self.tail = tail;
        // Release: advance, pairs with read cursor.
        memory.tail().store(self.tail, Ordering::Release);
    }

    #[inline]
    fn room<M: Memory>(&mut self, memory: &M, want: u64) -> Result<u64, Blocked> {
        let capacity = memory.capacity();
        let want = want.min(capacity);
        if self.limit.saturating_sub(self.tail) >= want {
            return Ok(want);
        }
        // Acquire: claim, pairs with release: the receiver's reads come before our writes.
        let head = memory.head().load(Ordering::Acquire);
        let used = self.tail.wrapping_sub(head);
        if used > capacity {
            // Not to be remembered: the short way above would take it for room.
            return Err(Blocked::Fault(Fault::corrupt("head", self.tail, head)));
        }
        self.limit = head.saturating_add(capacity);
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

/// Whether tail is to tell of everything below `position`, which was sent in a window.
#[inline]
pub fn is_time_to_tell(position: u64) -> bool {
    position.is_multiple_of(MOST_UNTOLD)
}

#[inline]
fn is_sent<M: Memory>(memory: &M, position: u64, ready: Word) -> bool {
    // Relaxed: only the only sender commits, so it is its own store that it may find.
    Word::from_bits(memory.word(position).load(Ordering::Relaxed)).is_behind_commit(ready)
}

#[inline]
fn free_word<M: Memory>(memory: &M, position: u64) -> Word {
    // Acquire: claim, pairs with release: the receiver's reads come before our writes.
    Word::from_bits(memory.word(position).load(Ordering::Acquire))
}

/// Whether a message at `position` was committed, read or not.
fn committed<M: Memory>(memory: &M, position: u64) -> bool {
    let lap = memory.lap(position);
    // Acquire: take, pairs with commit.
    let word = Word::from_bits(memory.word(position).load(Ordering::Acquire));
    match word.lap_order(lap) {
        LapOrder::Same => !matches!(word.state(), Some(State::Free | State::Claim) | None),
        LapOrder::Newer => true,
        LapOrder::Previous | LapOrder::Ancient => false,
    }
}

fn why_full<M: Memory>(memory: &M, position: u64, word: Word) -> Blocked {
    let lap = memory.lap(position);
    match (word.lap_order(lap), word.state()) {
        (LapOrder::Previous, Some(State::Take)) => {
            let position = position.wrapping_sub(memory.capacity());
            Blocked::Wait(Some(InTheWay { owner: word.owner(), position, word }))
        }
        (LapOrder::Previous, Some(State::Ready | State::Retry)) => Blocked::Wait(None),
        _ => contradiction("state word at tail", Word::free(lap), word),
    }
}
