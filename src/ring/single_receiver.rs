//! The only receiver: nobody contends for head, so nothing is marked as taken. Words stay `Ready` until a sender reuses
//! the slot behind head; `delivered_to` tells a successor what may have been seen.
//!
//! A message that is released before an older one leaves `Skip` in its slot, which head passes later. So what is free
//! and what is not stands in shared memory alone, and a successor needs nothing else.

use super::ahead::Ahead;
use super::notes::{clear_notes, count_delivery, mark_skipped, note_delivered, take_word};
use super::window::Window;
use super::{Blocked, InTheWay, Memory, Run, check_empty, contradiction, meaning, read_cursor};
use crate::error::Fault;
use crate::layout::word::{LapOrder, State, Word};
use crate::sync::Ordering;

/// The private state of the only receiver.
#[derive(Debug)]
pub struct SingleReceiver {
    /// Everything below it is free. The shared head is its copy.
    pub(super) head: u64,
    /// The position to deliver next; at least `head`.
    pub(super) next: u64,
    /// Messages came back: deliver again from head, once nothing is held.
    pub(super) rewind: bool,
    /// Slots, from next on, that may be read as soon as their word says so, if nothing is held.
    pub(super) window: Window,
    pub(super) ahead: Ahead,
    /// Messages below it are there, in the window, and nobody has touched their words; while there are any, nothing is held. The shortest
    /// ways ask for nothing else.
    pub(super) sure: u64,
    /// Between head and next there may be slots that were released before older ones.
    out_of_turn: bool,
    freed: bool,
    redelivered: u64,
}

impl SingleReceiver {
    /// Takes over where the last one stopped: what that may have seen is marked as delivered once more.
    pub fn join<M: Memory>(memory: &M) -> Result<Self, Fault> {
        let head = read_cursor(memory.head());
        // Relaxed: whoever wrote it is dead or has left, and the endpoint's lock orders that before us.
        let delivered_to = memory.delivered_to().load(Ordering::Relaxed);
        if delivered_to.wrapping_sub(head) > memory.capacity() && delivered_to > head {
            return Err(Fault::corrupt("delivered_to", head, delivered_to));
        }
        let marked = delivered_to.saturating_sub(head);
        for position in (Run { first: head, count: marked }).positions().rev() {
            // From the top down, so that a death here counts one message twice at most, and none not at all.
            count_delivery(memory, position);
            note_delivered(memory, position);
        }
        Ok(Self {
            head,
            next: head,
            rewind: false,
            window: Window::CLOSED,
            ahead: Ahead::at_join(memory),
            sure: 0,
            out_of_turn: false,
            freed: false,
            redelivered: 0,
        })
    }

    /// Takes between one and `want` messages in a row. Each must be released or given back.
    #[inline]
    pub fn take<M: Memory>(&mut self, memory: &M, want: u64) -> Result<Run, Blocked> {
        if self.rewind {
            // Something else was leaked, or this would have been done when it was let go. It comes again with the rest.
            let again = self.next.wrapping_sub(self.head);
            (Run { first: self.head, count: again }).positions().for_each(|position| count_delivery(memory, position));
            self.settle(memory);
        }
        for _ in 0..=memory.capacity() {
            let lap = memory.lap(self.next);
            let word = take_word(memory, self.next);
            if word.is_ready(lap) {
                return Ok(self.deliver(memory, want, word));
            }
            if word != Word::skip(lap) {
                return Err(self.why_empty(memory, word));
            }
            self.pass_skipped(memory);
        }
        // A whole ring of nothing: there is time for the caller to look at its deadline.
        Err(Blocked::Wait(None))
    }

    /// Takes one message that has not been delivered before, at first sight: the short way, and a cheap look for polling.
    #[inline]
    pub fn take_one<M: Memory>(&mut self, memory: &M) -> Option<u64> {
        let position = self.next;
        if self.rewind || !self.is_fresh(memory) {
            return None;
        }
        self.deliver_to(memory, position.wrapping_add(1));
        Some(position)
    }

    /// Does what [`take_one`](Self::take_one) does with a message in the window that `may` agrees to: the shortest way.
    #[inline(always)]
    pub fn take_at_once<'m, M: Memory>(&mut self, memory: &'m M, may: impl FnOnce(M::Slot<'m>) -> bool) -> Option<u64> {
        let position = self.next;
        let ready = self.window.ready_at(position)?;
        let slot = memory.slot(position);
        if !self.is_there(memory, position, ready) || !may(slot) {
            return None;
        }
        self.deliver_to(memory, position.wrapping_add(1));
        Some(position)
    }

    /// Opens the window, as far as `end`, unless something is to come again. Returns whether there is one.
    #[inline]
    pub fn open_window<M: Memory>(&mut self, memory: &M, end: u64) -> bool {
        if !self.rewind {
            self.window = Window::open(memory, self.next, end);
        }
        self.window.ready_at(self.next).is_some()
    }

    /// Gives the slot of a message that has been read back to the senders, if it is the oldest that was taken, and nothing behind it was
    /// released before or came back.
    #[inline]
    pub fn release_one<M: Memory>(&mut self, memory: &M, position: u64) -> bool {
        let in_turn = position == self.head && position < self.next && !self.out_of_turn && !self.rewind;
        if in_turn {
            self.move_head(memory, position.wrapping_add(1));
        }
        in_turn
    }

    /// Gives the slots of messages that have been read back to the senders.
    #[inline]
    pub fn release<M: Memory>(&mut self, memory: &M, run: Run) {
        if run.first != self.head {
            self.out_of_turn = true;
            self.ahead.touched(run.end());
            return mark_skipped(memory, run);
        }
        let mut head = run.end();
        if self.out_of_turn {
            while head < self.next && self.is_skipped(memory, head) {
                head += 1;
            }
            self.out_of_turn = head < self.next;
        }
        self.move_head(memory, head);
    }

    /// Puts messages back: they are delivered again, in order, before anything newer. `seen` says whether the program
    /// may have looked at them.
    pub fn give_back<M: Memory>(&mut self, memory: &M, run: Run, seen: bool) {
        if seen {
            run.positions().for_each(|position| count_delivery(memory, position));
            // One that was shown is still the next.
            self.ahead.touched(run.end());
        }
        self.again_from_head();
    }

    /// Starts again from head, once nothing is held.
    pub fn again_from_head(&mut self) {
        self.rewind = true;
        (self.window, self.sure) = (Window::CLOSED, 0);
    }

    /// Notes that the program has seen messages which come back, without starting again from head.
    pub fn note_seen<M: Memory>(&mut self, memory: &M, run: Run) {
        self.ahead.touched(run.end());
        run.positions().for_each(|position| count_delivery(memory, position));
    }

    /// Does not start again from head, for now. Returns whether it was about to.
    pub fn put_off_rewind(&mut self) -> bool {
        core::mem::take(&mut self.rewind)
    }

    /// Whether an empty ring is one, and not scribbled upon.
    pub fn audit<M: Memory>(&self, memory: &M) -> Result<(), Blocked> {
        // Relaxed: it is this receiver's own. A sender goes by it, and would wait for ever.
        let head = memory.head().load(Ordering::Relaxed);
        if head != self.head {
            return Err(Blocked::Fault(Fault::corrupt("head", self.head, head)));
        }
        check_empty(memory, self.next)
    }

    /// How often the message at `position`, which was taken, has been taken.
    pub fn deliveries<M: Memory>(&self, memory: &M, position: u64) -> u8 {
        // Relaxed: only this receiver writes the word of a message.
        let word = Word::from_bits(memory.word(position).load(Ordering::Relaxed));
        meaning(memory, position, word).deliveries_after_take()
    }

    /// How many of the messages taken since the last call had been delivered before.
    #[inline]
    pub fn take_redelivered(&mut self) -> u64 {
        core::mem::take(&mut self.redelivered)
    }

    /// Whether slots have come free without a release since the last call.
    pub fn take_freed(&mut self) -> bool {
        core::mem::take(&mut self.freed)
    }

    /// Nothing is held any more: what came back is next again.
    #[inline]
    pub fn rewind<M: Memory>(&mut self, memory: &M) {
        if self.rewind {
            self.settle(memory);
        }
    }

    /// Starts again from head after messages came back. Nothing may be held.
    pub fn settle<M: Memory>(&mut self, memory: &M) {
        if self.rewind {
            self.ahead.start_again(self.next);
            self.next = self.head;
            self.rewind = false;
        }
        if self.next == self.head {
            // Nothing above head has been seen, or its word counts it already.
            note_delivered(memory, self.head);
        }
    }

    /// Whether the next message is there, not delivered before.
    #[inline]
    fn is_fresh<M: Memory>(&self, memory: &M) -> bool {
        take_word(memory, self.next) == Word::ready(memory.lap(self.next))
    }

    /// Whether the message at `position`, in the window, is there.
    #[inline(always)]
    pub(super) fn is_there<M: Memory>(&mut self, memory: &M, position: u64, ready: Word) -> bool {
        self.ahead.knows(position) || self.ahead.look_at(memory, &self.window, position, ready)
    }

    /// Everything below `next` is the program's now.
    #[inline]
    fn deliver_to<M: Memory>(&mut self, memory: &M, next: u64) {
        (self.next, self.sure) = (next, 0);
        note_delivered(memory, next);
    }

    #[inline]
    pub(super) fn move_head<M: Memory>(&mut self, memory: &M, head: u64) {
        let passed = Run { first: self.head, count: head.wrapping_sub(self.head) };
        self.head = head;
        // Release: release, pairs with claim. Release: advance, pairs with read cursor.
        memory.head().store(self.head, Ordering::Release);
        if let Some(noted) = self.ahead.noted(passed) {
            clear_notes(memory, noted);
        }
    }

    /// Delivers what is known to be there. Nothing of it has been delivered before.
    #[inline]
    fn deliver_known<M: Memory>(&mut self, memory: &M, want: u64) -> Run {
        let run = self.ahead.known(self.next, want);
        self.ahead.fetch(memory, run);
        self.deliver_to(memory, run.end());
        run
    }

    #[inline]
    fn deliver<M: Memory>(&mut self, memory: &M, want: u64, word: Word) -> Run {
        // Not before there is a message: whoever polls tail takes it from the sender.
        if want > 1 && self.told(memory) > 0 && self.ahead.knows(self.next) {
            return self.deliver_known(memory, want);
        }
        let first = self.next;
        let want = Run { first, count: want.clamp(1, memory.capacity()) };
        self.redelivered += u64::from(word.deliveries() > 0);
        let rest = Run { first: first.wrapping_add(1), count: want.count - 1 };
        let run = Run { first, count: 1 + self.count_ready(memory, rest) };
        self.deliver_to(memory, run.end());
        run
    }

    /// How many messages are there in a row, from the first position of `run` on.
    #[inline]
    fn count_ready<M: Memory>(&mut self, memory: &M, run: Run) -> u64 {
        let mut count = 0;
        for piece in run.pieces(memory.capacity()) {
            let lap = memory.lap(piece.first);
            for word in memory.words(piece) {
                let position = run.first.wrapping_add(count);
                // Beyond this batch, too: nobody else reads there, and the next one will.
                memory.look_ahead(position, u64::MAX);
                // Acquire: take, pairs with commit and abort: the payload is whole.
                let word = meaning(memory, position, Word::from_bits(word.load(Ordering::Acquire)));
                if !word.is_ready(lap) {
                    return count;
                }
                self.redelivered += u64::from(word.deliveries() > 0);
                count += 1;
            }
        }
        count
    }

    /// There is nothing to read at `next`. Head moves along unless something older is still held.
    #[cold]
    fn pass_skipped<M: Memory>(&mut self, memory: &M) {
        let nothing_held = self.next == self.head;
        (self.next, self.sure) = (self.next.wrapping_add(1), 0);
        if nothing_held {
            self.move_head(memory, self.next);
            self.freed = true;
        } else {
            self.out_of_turn = true;
        }
    }

    fn why_empty<M: Memory>(&self, memory: &M, word: Word) -> Blocked {
        let lap = memory.lap(self.next);
        match (word.lap_order(lap), word.state()) {
            (LapOrder::Same, Some(State::Claim)) => {
                Blocked::Wait(Some(InTheWay { owner: word.owner(), position: self.next, word }))
            }
            (LapOrder::Same, Some(State::Free)) | (LapOrder::Previous, Some(_)) => Blocked::Wait(None),
            _ => contradiction("state word at head", Word::ready(lap), word),
        }
    }

    fn is_skipped<M: Memory>(&self, memory: &M, position: u64) -> bool {
        take_word(memory, position) == Word::skip(memory.lap(position))
    }
}
