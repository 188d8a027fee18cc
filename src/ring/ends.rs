//! Either kind of sender, either kind of receiver: which it is was fixed when the queue was made.

use super::{Blocked, Memory, MultiReceiver, MultiSender, Run, SingleReceiver, SingleSender};

/// So many messages behind the next one make a stream.
const STREAM: u64 = 16;

/// A sender's side of the ring.
#[derive(Debug)]
pub enum SendEnd {
    /// The only one.
    Single(SingleSender),
    /// One of many.
    Multi(MultiSender),
}

impl SendEnd {
    /// Whether others may send, too.
    #[inline]
    pub fn is_one_of_many(&self) -> bool {
        matches!(self, Self::Multi(_))
    }

    /// Claims between one and `want` slots in a row. Each must be committed or aborted before the next claim; an only sender may just leave them.
    #[inline]
    pub fn claim<M: Memory>(&mut self, memory: &M, want: u64) -> Result<Run, Blocked> {
        match self {
            Self::Single(end) => end.claim(memory, want),
            Self::Multi(end) => end.claim(memory, want),
        }
    }

    /// Sends one message at first sight. `write` writes it at the position that it is given, and does not
    /// panic. Returns whether there was a free slot.
    #[inline]
    pub fn put_one<'m, M: Memory>(&mut self, memory: &'m M, write: impl FnOnce(u64, M::Slot<'m>)) -> bool {
        match self {
            Self::Single(end) => end.put_one(memory, write),
            Self::Multi(end) => end.put_one(memory, write),
        }
    }

    /// The same where [`open_window`](Self::open_window) has said that it need not ask much, if `may` agrees: the shortest way.
    #[inline(always)]
    pub fn put_at_once<'m, M: Memory>(
        &mut self,
        memory: &'m M,
        may: impl FnOnce() -> bool,
        write: impl FnOnce(M::Slot<'m>),
    ) -> bool {
        match self {
            Self::Single(end) => end.put_at_once(memory, may, write),
            Self::Multi(end) => end.put_at_once(memory, may, write),
        }
    }

    /// A slot to be written so, and then committed with [`commit_lent`](Self::commit_lent): its position.
    #[inline(always)]
    pub fn lend_at_once<M: Memory>(&mut self, memory: &M, may: impl FnOnce() -> bool) -> Option<u64> {
        match self {
            Self::Single(end) => end.lend_at_once(may),
            Self::Multi(end) => end.lend_at_once(memory, may),
        }
    }

    /// `count` slots that are known to be an only sender's, one after another in one lap, if `may` agrees: to be written, and then committed with
    /// [`commit`](Self::commit).
    #[inline(always)]
    pub fn slice_at_once(&self, count: u64, may: impl FnOnce() -> bool) -> Option<Run> {
        match self {
            Self::Single(end) => end.slice_at_once(count, may),
            Self::Multi(_) => None,
        }
    }

    /// Makes the message at `position` visible, the slot of which was lent or claimed alone.
    #[inline]
    pub fn commit_lent<M: Memory>(&mut self, memory: &M, position: u64) {
        match self {
            Self::Single(end) => end.commit_lent(memory, position),
            Self::Multi(end) => end.commit_lent(memory, position),
        }
    }

    /// Sends messages in an only sender's window, for as long as `write` writes one and says its length. Returns how many, and their lengths
    /// in all. Tail tells of them after [`publish_tail`](Self::publish_tail).
    #[inline]
    pub fn put_many<'m, M: Memory>(
        &mut self,
        memory: &'m M,
        write: impl FnMut(M::Slot<'m>) -> Option<u64>,
    ) -> (u64, u64) {
        match self {
            Self::Single(end) => end.put_many(memory, write),
            Self::Multi(_) => (0, 0),
        }
    }

    /// Has tail tell of everything that was sent, so `count` messages.
    #[inline]
    pub fn publish_tail<M: Memory>(&mut self, memory: &M, count: u64) {
        if let Self::Single(end) = self {
            end.publish_tail(memory, count);
        }
    }

    /// Finds what was sent there before `write` panicked.
    pub fn find_sent<M: Memory>(&mut self, memory: &M) -> Option<Run> {
        match self {
            Self::Single(end) => end.find_sent(memory),
            Self::Multi(_) => None,
        }
    }

    /// May go on at once with slots before `end`: opens an only sender's window over those that are free. Returns whether there is
    /// one.
    #[inline]
    pub fn open_window<M: Memory>(&mut self, memory: &M, end: u64) -> bool {
        match self {
            Self::Single(single) => single.open_window(memory, end),
            Self::Multi(multi) => {
                multi.set_limit(end);
                false
            }
        }
    }

    /// Makes the messages of `run` visible: it begins at the first claimed position that is not yet committed.
    #[inline]
    pub fn commit<M: Memory>(&mut self, memory: &M, run: Run) {
        match self {
            Self::Single(end) => end.commit(memory, run),
            Self::Multi(end) => end.commit(memory, run),
        }
    }

    /// Gives up claimed slots. Returns whether others can see a difference.
    pub fn abort<M: Memory>(&mut self, memory: &M, run: Run) -> bool {
        match self {
            Self::Single(_) => false,
            Self::Multi(end) => {
                end.abort(memory, run);
                run.count > 0
            }
        }
    }

    /// Whether there is room for so many messages more behind the next, at a glance.
    pub fn has_room<M: Memory>(&self, memory: &M, ahead: u64) -> bool {
        match self {
            Self::Single(end) => end.has_room(memory, ahead),
            Self::Multi(end) => end.has_room(memory, ahead),
        }
    }

    /// Whether a full ring is one, and not scribbled upon. For the slow path.
    pub fn audit<M: Memory>(&self, memory: &M) -> Result<(), Blocked> {
        match self {
            Self::Single(end) => end.audit(memory),
            Self::Multi(end) => end.audit(memory),
        }
    }

    /// How many messages were overwritten since the last call.
    #[inline]
    pub fn take_overwritten(&mut self) -> u64 {
        match self {
            Self::Single(_) => 0,
            Self::Multi(end) => end.take_overwritten(),
        }
    }
}

/// A receiver's side of the ring.
#[derive(Debug)]
pub enum ReceiveEnd {
    /// The only one.
    Single(SingleReceiver),
    /// One of many.
    Multi(MultiReceiver),
}

impl ReceiveEnd {
    /// Takes between one and `want` messages in a row. Each must be released or given back.
    #[inline]
    pub fn take<M: Memory>(&mut self, memory: &M, want: u64) -> Result<Run, Blocked> {
        match self {
            Self::Single(end) => end.take(memory, want),
            Self::Multi(end) => end.take(memory, want),
        }
    }

    /// Takes one message, not delivered before, at first sight: the short way, and a cheap look for polling.
    #[inline]
    pub fn take_one<M: Memory>(&mut self, memory: &M) -> Option<u64> {
        match self {
            Self::Single(end) => end.take_one(memory),
            Self::Multi(end) => end.take_one(memory),
        }
    }

    /// Takes one message, if `may` agrees, has `read` copy it, and frees its slot: the shortest way. An only receiver does so
    /// with messages that [`look`](Self::look) has found, and one of many in its window. `read` does not panic.
    #[inline(always)]
    pub fn pass_at_once<'m, M: Memory>(
        &mut self,
        memory: &'m M,
        may: impl FnOnce(M::Slot<'m>) -> bool,
        read: impl FnOnce(M::Slot<'m>),
    ) -> bool {
        match self {
            Self::Single(end) => end.pass_at_once(memory, may, read),
            Self::Multi(end) => end.pass_at_once(memory, may, read),
        }
    }

    /// Shows the program the next message so, with its position: it is the only receiver's next one still, or taken by one of many. Then
    /// it is passed with [`pass_front`](Self::pass_front), or kept with [`keep_fronts`](Self::keep_fronts).
    #[inline(always)]
    pub fn front_at_once<'m, M: Memory>(
        &mut self,
        memory: &'m M,
        may: impl FnOnce(M::Slot<'m>) -> bool,
    ) -> Option<u64> {
        match self {
            Self::Single(end) => end.front_at_once(memory, may),
            Self::Multi(end) => end.take_at_once(memory, may),
        }
    }

    /// Looks how many messages an only receiver may go on with so, before `end`, as [`SingleReceiver::look`]. `None`: it may not, or is one of
    /// many; those look for themselves.
    #[inline]
    pub fn look<M: Memory>(&mut self, memory: &M, end: u64, chunk: Option<u64>) -> Option<u64> {
        match self {
            Self::Single(single) => single.look(memory, end, chunk),
            Self::Multi(multi) => {
                multi.set_limit(end);
                None
            }
        }
    }

    /// Whether this is an only receiver that knows of many a message behind its next one: it reads a stream, and not at its sender's heels.
    #[inline(always)]
    pub fn knows_of_more(&self) -> bool {
        matches!(self, Self::Single(single) if single.ahead.knows(single.next.wrapping_add(STREAM)))
    }

    /// Whether this is an only receiver that takes many at once and is slower than its sender.
    #[inline]
    pub fn is_behind(&self) -> bool {
        matches!(self, Self::Single(single) if single.ahead.is_behind())
    }

    /// Whether this is an only receiver that has come to the heels of its sender; see [`SingleReceiver::has_caught_up`].
    #[inline]
    pub fn has_caught_up(&self) -> bool {
        match self {
            Self::Single(end) => end.has_caught_up(),
            Self::Multi(_) => false,
        }
    }

    /// The same for a message that comes while it is looked for so many times.
    #[inline]
    pub fn front_at_polls<'m, M: Memory>(
        &mut self,
        memory: &'m M,
        looks: u32,
        may: impl FnOnce(M::Slot<'m>) -> bool,
    ) -> Option<u64> {
        match self {
            Self::Single(end) => end.front_at_polls(memory, looks, may),
            Self::Multi(end) => end.take_at_polls(memory, looks, may),
        }
    }

    /// The same for up to `most` messages in an only receiver's window, one after another, for as long as `show` goes on; see
    /// [`SingleReceiver::show_many`].
    #[inline(always)]
    pub fn show_many<'m, M: Memory>(
        &mut self,
        memory: &'m M,
        most: u64,
        show: impl FnMut(u64, M::Slot<'m>) -> bool,
    ) -> u64 {
        match self {
            Self::Single(end) => end.show_many(memory, most, show),
            Self::Multi(_) => 0,
        }
    }

    /// The same for up to `most` messages at once that [`look`](Self::look) has found, which lie side by side in a packed ring.
    #[inline(always)]
    pub fn fronts_at_once<M: Memory>(&mut self, memory: &M, most: u64) -> Option<Run> {
        match self {
            Self::Single(end) => end.fronts_at_once(memory, most),
            Self::Multi(_) => None,
        }
    }

    /// The position of the next message. `None`: one of many receivers, each of which may get it.
    #[inline]
    pub fn position(&self) -> Option<u64> {
        match self {
            Self::Single(end) => Some(end.next),
            Self::Multi(_) => None,
        }
    }

    /// How many messages, from the next one on, tail tells of. `None`: one of many receivers, which others may be faster than.
    #[inline]
    pub fn told<M: Memory>(&mut self, memory: &M) -> Option<u64> {
        match self {
            Self::Single(end) => Some(end.told(memory)),
            Self::Multi(_) => None,
        }
    }

    /// The same, and what tail does not tell yet.
    pub fn told_by_words<M: Memory>(&mut self, memory: &M) -> Option<u64> {
        match self {
            Self::Single(end) => Some(end.told_by_words(memory)),
            Self::Multi(_) => None,
        }
    }

    /// Frees the slots of the first `count` messages that were shown.
    #[inline]
    pub fn pass_fronts<M: Memory>(&mut self, memory: &M, count: u64) {
        if let Self::Single(end) = self {
            end.pass_fronts(memory, count);
        }
    }

    /// Frees the slot of the message at `position`, the one that was shown.
    #[inline]
    pub fn pass_front<M: Memory>(&mut self, memory: &M, position: u64) {
        match self {
            Self::Single(end) => end.pass_front(memory, position),
            Self::Multi(end) => end.free_one(memory, position),
        }
    }

    /// The messages of `run`, which were shown, stay, to be delivered once more.
    #[cold]
    pub fn keep_fronts<M: Memory>(&mut self, memory: &M, run: Run) {
        match self {
            Self::Single(end) => end.keep_fronts(memory, run),
            Self::Multi(end) => end.give_back(memory, run, true),
        }
    }

    /// Takes one message as [`take_one`](Self::take_one) does, but so.
    #[inline(always)]
    pub fn take_at_once<'m, M: Memory>(&mut self, memory: &'m M, may: impl FnOnce(M::Slot<'m>) -> bool) -> Option<u64> {
        match self {
            Self::Single(end) => end.take_at_once(memory, may),
            Self::Multi(end) => end.take_at_once(memory, may),
        }
    }

    /// May go on at once with slots before `end`, unless something is to come again. Returns whether it may.
    #[inline]
    pub fn open_window<M: Memory>(&mut self, memory: &M, end: u64) -> bool {
        match self {
            Self::Single(single) => single.open_window(memory, end),
            Self::Multi(multi) => {
                multi.set_limit(end);
                true
            }
        }
    }

    /// Looks so many times whether the next message has come, and knows it then.
    #[inline]
    pub fn watch<M: Memory>(&mut self, memory: &M, looks: u32) -> bool {
        match self {
            Self::Single(end) => end.watch(memory, looks),
            Self::Multi(end) => end.watch(memory, looks),
        }
    }

    /// Frees the slot of one message that has been read: the short way. `false`: it is not the oldest that is held, or others
    /// came back; then nothing was done.
    #[inline]
    pub fn release_one<M: Memory>(&mut self, memory: &M, position: u64) -> bool {
        match self {
            Self::Single(end) => end.release_one(memory, position),
            Self::Multi(end) => {
                end.release_one(memory, position);
                true
            }
        }
    }

    /// Frees the slots of messages that have been read.
    #[inline]
    pub fn release<M: Memory>(&mut self, memory: &M, run: Run) {
        match self {
            Self::Single(end) => end.release(memory, run),
            Self::Multi(end) => end.release(memory, run),
        }
    }

    /// Puts messages back, to be delivered again. `seen`: whether the program may have looked at them.
    pub fn give_back<M: Memory>(&mut self, memory: &M, run: Run, seen: bool) {
        match self {
            Self::Single(end) => end.give_back(memory, run, seen),
            Self::Multi(end) => end.give_back(memory, run, seen),
        }
    }

    /// One of many receivers has the message at `position` held by its own word alone, so that any thread may settle it.
    pub fn part<M: Memory>(&self, memory: &M, position: u64) {
        if let Self::Multi(end) = self {
            end.part(memory, position);
        }
    }

    /// The only receiver notes that the program has seen messages which come back, without starting again from head.
    pub fn note_seen<M: Memory>(&mut self, memory: &M, run: Run) {
        if let Self::Single(end) = self {
            end.note_seen(memory, run);
        }
    }

    /// Takes while messages are held beyond their calls: the only receiver puts off what would deliver those, too.
    pub fn take_beside_held<M: Memory>(&mut self, memory: &M, want: u64) -> Result<Run, Blocked> {
        let put_off = match self {
            Self::Single(end) => end.put_off_rewind(),
            Self::Multi(_) => false,
        };
        let taken = self.take(memory, want);
        if put_off {
            self.again_from_head();
        }
        taken
    }

    /// The only receiver starts again from head, once nothing is held.
    pub fn again_from_head(&mut self) {
        if let Self::Single(end) = self {
            end.again_from_head();
        }
    }

    /// Whether an empty ring is one, and not scribbled upon. For the slow path.
    pub fn audit<M: Memory>(&self, memory: &M) -> Result<(), Blocked> {
        match self {
            Self::Single(end) => end.audit(memory),
            Self::Multi(end) => end.audit(memory),
        }
    }

    /// How often the message at `position`, which was taken, has been taken.
    pub fn deliveries<M: Memory>(&self, memory: &M, position: u64) -> u8 {
        match self {
            Self::Single(end) => end.deliveries(memory, position),
            Self::Multi(end) => end.deliveries(memory, position),
        }
    }

    /// Whether slots have come free without a release since the last call.
    #[inline]
    pub fn take_freed(&mut self) -> bool {
        match self {
            Self::Single(end) => end.take_freed(),
            Self::Multi(end) => end.take_freed(),
        }
    }

    /// How many of the messages taken since the last call had been delivered before.
    #[inline]
    pub fn take_redelivered(&mut self) -> u64 {
        match self {
            Self::Single(end) => end.take_redelivered(),
            Self::Multi(end) => end.take_redelivered(),
        }
    }

    /// Nothing is held any more: what came back is next again.
    #[inline]
    pub fn rewind<M: Memory>(&mut self, memory: &M) {
        if let Self::Single(end) = self {
            end.rewind(memory);
        }
    }

    /// The last step before leaving, with nothing held.
    pub fn settle<M: Memory>(&mut self, memory: &M) {
        if let Self::Single(end) = self {
            end.settle(memory);
        }
    }
}
