//! Messages that the only receiver shows to the program where they lie. They stay its next ones until they are passed, or are kept; nothing
//! is held meanwhile.

use super::notes::{mark_delivered, note_delivered};
use super::{Memory, Run, Sight, SingleReceiver, Slot, meaning};
use crate::layout::word::Word;
use crate::sync::{Ordering, likely};

impl SingleReceiver {
    /// Shows the program the next message, if [`look`](Self::look) has made sure of it and `may` agrees: the shortest way to read in place.
    /// It stays the next one until [`pass_front`](Self::pass_front).
    #[inline(always)]
    pub fn front_at_once<'m, M: Memory>(
        &mut self,
        memory: &'m M,
        may: impl FnOnce(M::Slot<'m>) -> bool,
    ) -> Option<u64> {
        let position = self.next;
        if !likely(position < self.sure) || !likely(may(memory.slot(position))) {
            return None;
        }
        note_delivered(memory, position.wrapping_add(1));
        Some(position)
    }

    /// Has `read` copy such a message, and frees its slot. Nobody has seen it before that, so `delivered_to` need not say so: should we be
    /// killed in between, it is as if it had not been taken.
    #[inline(always)]
    pub fn pass_at_once<'m, M: Memory>(
        &mut self,
        memory: &'m M,
        may: impl FnOnce(M::Slot<'m>) -> bool,
        read: impl FnOnce(M::Slot<'m>),
    ) -> bool {
        let position = self.next;
        if !likely(position < self.sure) {
            return false;
        }
        let slot = memory.slot(position);
        if !likely(may(slot)) {
            return false;
        }
        read(slot);
        self.pass_front(memory, position);
        true
    }

    /// Frees the slot of the message at `position`, the next one, which was shown.
    #[inline]
    pub fn pass_front<M: Memory>(&mut self, memory: &M, position: u64) {
        self.pass_up_to(memory, position.wrapping_add(1));
    }

    /// Frees the slots of all messages below `next`, which were shown.
    #[inline(always)]
    fn pass_up_to<M: Memory>(&mut self, memory: &M, next: u64) {
        if !likely(next <= self.sure) {
            self.next = next;
            return self.move_head(memory, next);
        }
        (self.next, self.head) = (next, next);
        // Release: release, pairs with claim. Release: advance, pairs with read cursor.
        memory.head().store(next, Ordering::Release);
    }

    /// Looks how many messages there are, from the next one on, for the shortest ways, in a window as far as `end`. Those of a packed ring come in parts
    /// of `chunk`, if that is given, for one who takes them one by one. `None`: something is held or comes again, or there is no window.
    #[inline]
    pub fn look<M: Memory>(&mut self, memory: &M, end: u64, chunk: Option<u64>) -> Option<u64> {
        let position = self.next;
        if position != self.head || !self.open_window(memory, end) {
            return None;
        }
        let ready = self.window.ready_at(position)?;
        if !self.is_there(memory, position, ready) {
            return Some(0);
        }
        self.ahead.came(position);
        let count = self.ahead.on_hand(memory, &self.window, position, ready, chunk);
        // Where there may be notes, tail alone makes nothing known.
        debug_assert_eq!(self.ahead.noted(Run { first: position, count }), None);
        self.sure = position.saturating_add(count);
        Some(count)
    }

    /// Whether it holds nothing, and has come to where its last look found nothing more: to the heels of its sender.
    #[inline]
    pub fn has_caught_up(&self) -> bool {
        self.next == self.head && !self.rewind && self.ahead.has_ended(self.next)
    }

    /// Looks so many times whether the next message has come. One that has is known to be there.
    #[inline]
    pub fn watch<M: Memory>(&mut self, memory: &M, looks: u32) -> bool {
        let next = self.next;
        if memory.is_packed() {
            return Sight::tail(memory.tail(), next).watch(memory, next, looks)
                && self.told(memory) > 0
                && self.ahead.knows(self.next);
        }
        let came = Sight::word(memory.word(next), Word::ready(memory.lap(next))).watch(memory, next, looks);
        if came {
            self.ahead.came(self.next);
        }
        came
    }

    /// Does what [`front_at_once`](Self::front_at_once) does with a message that comes while it is looked for so many times, once a window
    /// has been opened.
    #[inline]
    pub fn front_at_polls<'m, M: Memory>(
        &mut self,
        memory: &'m M,
        looks: u32,
        may: impl FnOnce(M::Slot<'m>) -> bool,
    ) -> Option<u64> {
        let position = self.next;
        if position != self.head || !self.watch(memory, looks) || !may(memory.slot(position)) {
            return None;
        }
        note_delivered(memory, position.wrapping_add(1));
        Some(position)
    }

    /// The same for messages that lie there one after another, up to `most`, for as long as `show` goes on, which is told how many
    /// were shown before. They stay the next ones until [`pass_fronts`](Self::pass_fronts); if fewer are passed than were shown,
    /// [`settle`](Self::settle) says so. Returns how many `show` has agreed to.
    ///
    /// Where they are all known to be there no word is looked at: that would be a second load for each.
    #[inline(always)]
    pub fn show_many<'m, M: Memory>(
        &mut self,
        memory: &'m M,
        most: u64,
        mut show: impl FnMut(u64, M::Slot<'m>) -> bool,
    ) -> u64 {
        let Some((Run { first, count }, ready)) = self.window.rest(self.next) else { return 0 };
        if self.next != self.head {
            return 0;
        }
        let run = Run { first, count: count.min(most) };
        self.ahead.fetch(memory, run);
        let known = self.ahead.knows_all(run);
        let (mark, mut shown) = (memory.delivered_to(), 0);
        for slot in memory.slots(run) {
            let position = first.wrapping_add(shown);
            // Acquire: take, pairs with commit and abort: the payload is whole.
            if !known && meaning(memory, position, Word::from_bits(slot.word().load(Ordering::Acquire))) != ready {
                break;
            }
            mark_delivered(mark, position.wrapping_add(1));
            if !show(shown, slot) {
                break;
            }
            shown += 1;
        }
        shown
    }

    /// The same for up to `most` messages that [`look`](Self::look) has made sure of, all at once.
    #[inline(always)]
    pub fn fronts_at_once<M: Memory>(&mut self, memory: &M, most: u64) -> Option<Run> {
        let run = Run { first: self.next, count: self.sure.saturating_sub(self.next).min(most) };
        if !likely(run.count > 0) {
            return None;
        }
        self.ahead.fetch_behind(memory, run);
        note_delivered(memory, run.end());
        Some(run)
    }

    /// How many messages, from the next one on, tail tells of. While none of them is being written, to look at them takes no line away
    /// from a sender. Tail is looked at only when all that it told of has been passed.
    #[inline]
    pub fn told<M: Memory>(&mut self, memory: &M) -> u64 {
        self.ahead.told(memory, self.next)
    }

    /// The same, and what tail does not tell yet.
    pub fn told_by_words<M: Memory>(&mut self, memory: &M) -> u64 {
        self.ahead.told_by_words(memory, self.next)
    }

    /// Frees the slots of the first `count` messages that were shown.
    #[inline]
    pub fn pass_fronts<M: Memory>(&mut self, memory: &M, count: u64) {
        self.pass_up_to(memory, self.next.wrapping_add(count));
    }

    /// The messages of `run`, which were shown and come next, stay, to be delivered once more.
    #[cold]
    pub fn keep_fronts<M: Memory>(&mut self, memory: &M, run: Run) {
        self.give_back(memory, run, true);
        // They were shown because nothing is held.
        self.settle(memory);
    }
}
