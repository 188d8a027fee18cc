//! The ring: who may write which slot, and who may read it. It decides over words and hands out positions; it never
//! touches a payload, knows nothing of processes and makes no system call.
//!
//! A position is a message's number since creation; its slot is `position % capacity` and its lap `position /
//! capacity`. The slot's word alone is the truth. With multi ends, `head` and `tail` are hints that anyone may advance,
//! for which this holds at every instant:
//!
//! * *claimed below tail*: every position below `tail` has been claimed. Whoever reads a tail (Acquire) sees those words;
//! * *taken below head*: every position below `head` has been taken or passed over. The same for a head.
//!
//! Each end knows by itself how far it has come, and tells such a cursor of it once for some messages: an exchange for each would cost more than
//! all else. So cursors lag. Whoever begins at one walks over what it does not tell yet; the words say what that is.
//!
//! With a single sender, `tail` is that sender's alone. With a single receiver, `head` is that receiver's alone, every
//! position below it is free again, and words are not freed one by one: a sender compares its position with `head`.
//!
//! # Why it is correct
//!
//! Every message is in exactly one slot, and every change of hands is one instruction on that slot's word: a
//! compare-and-swap where two could want it, a store where only its owner may write. A word names its lap, so a stalled
//! process that comes back finds a word that it does not expect and fails its exchange. One word may hold as many as 32 slots
//! (`runs.rs` says why nobody else touches those behind it). Payload bytes are written
//! between `Claim` and `Ready` and read between `Take` and the release, and each of these steps is a Release that the
//! next one's Acquire meets. What a death leaves is a `Claim`, a `Take` or a `TakeRun` that names the dead: `recover` turns the
//! first into `Skip` and the others into `Retry`. `loom-tests/` checks all of this under every interleaving it can reach.
#![forbid(unsafe_code)]

mod ahead;
mod ends;
mod fronts;
mod holds;
mod lookout;
mod multi_receiver;
mod multi_sender;
mod notes;
mod packed;
mod recover;
mod runs;
mod sight;
mod single_receiver;
mod single_sender;
mod window;

pub use ends::{ReceiveEnd, SendEnd};
pub use holds::{Holds, Next, Settled};
pub use lookout::{Lookout, Outlook};
pub use multi_receiver::MultiReceiver;
pub use multi_sender::MultiSender;
pub use packed::meaning;
pub use recover::{count_in, recover, recover_word};
pub use runs::held_word;
use sight::Sight;
pub use single_receiver::SingleReceiver;
pub use single_sender::SingleSender;

use single_sender::is_committed;

use crate::error::Fault;
use crate::layout::word::{LapOrder, State, Word};
use crate::sync::{AtomicU64, Ordering};

/// The shared words of one ring: of a mapped segment, or of a model.
pub trait Memory {
    /// A slot that has been found, so that its word and its payload need not be looked for twice.
    type Slot<'m>: Slot<'m>
    where
        Self: 'm;

    /// The slot that `position` falls on.
    fn slot(&self, position: u64) -> Self::Slot<'_>;
    /// The state word of the slot that `position` falls on.
    #[inline]
    fn word(&self, position: u64) -> &AtomicU64 {
        self.slot(position).word()
    }
    /// The position that is delivered next.
    fn head(&self) -> &AtomicU64;
    /// The position that the next message gets.
    fn tail(&self) -> &AtomicU64;
    /// All positions below it may have been seen by a single receiver.
    fn delivered_to(&self) -> &AtomicU64;
    /// Moves when a message has come back.
    fn retry_epoch(&self) -> &AtomicU64;
    /// The retry epoch up to which all that came back has been taken again.
    fn retry_settled(&self) -> &AtomicU64;
    /// The capacity as a power of two.
    fn shift(&self) -> u32;

    /// Between single ends tail is told once for so many slots, the last of them a multiple of it: those of a line, a power of two. What it
    /// does not tell yet the words say. 1: it is told of each.
    #[inline]
    fn tail_step(&self) -> u64 {
        1
    }

    /// Whether one sender sends all messages, so that who sees one committed sees all before it.
    #[inline]
    fn in_order(&self) -> bool {
        false
    }

    /// Whether tail alone commits messages, between an only sender and an only receiver; see [`meaning`].
    #[inline]
    fn is_packed(&self) -> bool {
        false
    }

    /// A hint that slots from `position` up to `end`, where nobody reads any more, will be written, one after another.
    #[inline]
    fn fetch_ahead(&self, _position: u64, _end: u64) {}
    /// The same for slots that will be read.
    #[inline]
    fn look_ahead(&self, _position: u64, _end: u64) {}
    /// A hint that the message in a slot will be read as soon as it has been taken.
    #[inline]
    fn look_at(&self, _slot: Self::Slot<'_>) {}
    /// A hint that a slot will be claimed at once, and written.
    #[inline]
    fn fetch_to_claim(&self, _slot: Self::Slot<'_>) {}
    /// A hint that the words some way behind `position` will be exchanged, one after another.
    #[inline]
    fn fetch_words_ahead(&self, _position: u64) {}
    /// Whether a payload's line is to come before that of the word that commits it: who watches the word asks for both, and an only sender of single
    /// messages asks for the word's when it has the payload's.
    #[inline]
    fn payload_first(&self) -> bool {
        false
    }
    /// The same word, which commits the message in `slot`, that has been written; its address may be known only when the payload's line has come.
    #[inline]
    fn once_written<'m>(&'m self, _slot: Self::Slot<'m>, word: &'m AtomicU64) -> &'m AtomicU64 {
        word
    }
    /// A hint that all slots of `run` will be read soon, and are not being written.
    #[inline]
    fn fetch_to_read(&self, _run: Run) {}
    /// How many messages an only receiver goes on with before it looks for more. As many again are on their way meanwhile.
    #[inline]
    fn at_once(&self) -> u64 {
        2
    }
    /// An only sender knows of no more free slots than these, so that it looks at head again after so many messages, to see how far behind the
    /// receiver is.
    #[inline]
    fn between_looks(&self) -> u64 {
        6
    }
    /// A hint that the messages of `run` will be read, one by one, before long.
    #[inline]
    fn fetch_to_take(&self, _run: Run) {}
    /// A hint that all slots of `run`, where nobody reads any more, will be written soon.
    #[inline]
    fn fetch_to_write(&self, _run: Run) {}
    /// The slots of a run that lies within one lap, in order.
    #[inline]
    fn slots(&self, piece: Run) -> impl Iterator<Item = Self::Slot<'_>> {
        piece.positions().map(|position| self.slot(position))
    }
    /// Their words.
    #[inline]
    fn words(&self, piece: Run) -> impl Iterator<Item = &AtomicU64> {
        self.slots(piece).map(Slot::word)
    }

    /// Slots.
    #[inline]
    fn capacity(&self) -> u64 {
        1 << self.shift()
    }

    /// The lap of `position`.
    #[inline]
    fn lap(&self, position: u64) -> u64 {
        position >> self.shift()
    }
}

/// One slot of a ring.
pub trait Slot<'m>: Copy {
    /// Its state word.
    fn word(self) -> &'m AtomicU64;
}

/// Positions that follow one another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Run {
    /// The lowest position.
    pub first: u64,
    /// How many positions, at least 1.
    pub count: u64,
}

impl Run {
    /// Each position, ascending.
    #[inline]
    pub fn positions(self) -> impl DoubleEndedIterator<Item = u64> {
        (0..self.count).map(move |i| self.first.wrapping_add(i))
    }

    /// The position behind the last.
    #[inline]
    pub fn end(self) -> u64 {
        self.first.wrapping_add(self.count)
    }

    /// The same in pieces that each lie within one lap of a ring of `capacity` slots, so that the slots of a piece follow one
    /// another and their words have one lap. `count` is at most `capacity`.
    #[inline]
    pub fn pieces(self, capacity: u64) -> impl Iterator<Item = Run> {
        let to_the_end = capacity - (self.first & (capacity - 1));
        let count = self.count.min(to_the_end);
        let rest = Run { first: self.first.wrapping_add(count), count: self.count - count };
        [Run { first: self.first, count }, rest].into_iter().filter(|piece| piece.count > 0)
    }
}

/// Why nothing could be claimed or taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Blocked {
    /// Full or empty at this instant. If one endpoint stands in the way, it is named with the position that it holds.
    Wait(Option<InTheWay>),
    /// The words contradict each other.
    Fault(Fault),
}

/// An endpoint that holds the slot which must come free, or be committed, next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InTheWay {
    /// The endpoint's number.
    pub owner: u16,
    /// The position whose slot it holds.
    pub position: u64,
    /// The word as it was seen, for a repair of exactly that.
    pub word: Word,
}

/// What one look at one slot came to.
enum Step {
    /// It is ours now, with so many slots from it on.
    Mine(u64),
    /// So many slots are past this stage: help the cursor over them.
    Passed(u64),
    /// The ring has gone on by a lap: help the cursor over all of that.
    LeftBehind,
    /// Somebody was faster: look again.
    Again,
    /// Nothing to be had, unless the cursor has moved meanwhile.
    Stop(Option<InTheWay>),
}

/// How many messages wait to be taken, at most the capacity: a snapshot.
pub fn size<M: Memory>(memory: &M) -> u64 {
    size_to(memory, sent_to)
}

/// The same, and those that are being written.
pub fn to_come<M: Memory>(memory: &M) -> u64 {
    size_to(memory, claimed_to)
}

fn size_to<M: Memory>(memory: &M, end: impl FnOnce(&M) -> u64) -> u64 {
    // Relaxed: a snapshot promises nothing about the messages. Head and mark are read first, so that the
    // difference errs towards more, and is cut off at the capacity.
    let mark = memory.delivered_to().load(Ordering::Relaxed);
    let head = taken_to(memory).max(mark);
    let tail = end(memory);
    tail.saturating_sub(head).saturating_add(returned(memory)).min(memory.capacity())
}

/// The position behind the last message that was sent: what tail tells, and what the words say that it does not tell yet.
pub fn sent_to<M: Memory>(memory: &M) -> u64 {
    let tail = read_cursor(memory.tail());
    // One of many that dies before it tells leaves that to the next one who does.
    let most = if memory.in_order() { memory.tail_step() } else { 2 * UNTOLD };
    let untold = (1..most).take_while(|ahead| is_committed(memory, tail.wrapping_add(ahead - 1)));
    tail.saturating_add(untold.count() as u64)
}

/// The position of the first message that nobody has taken: what head tells, and what the words say that it does not tell yet.
fn taken_to<M: Memory>(memory: &M) -> u64 {
    taken_from(memory, read_cursor(memory.head()), memory.capacity())
}

/// The same from a position on, before which all has been taken, and no further than `most` behind it.
fn taken_from<M: Memory>(memory: &M, from: u64, most: u64) -> u64 {
    walk(memory, from, most, |word, lap| match (lap, word.state()) {
        (LapOrder::Same, Some(State::Take | State::TakeRun | State::Retry)) => true,
        (lap, _) => lap == LapOrder::Newer,
    })
}

/// The first position that nobody has claimed, in the same way.
fn claimed_to<M: Memory>(memory: &M) -> u64 {
    walk(memory, read_cursor(memory.tail()), memory.capacity(), |word, lap| match lap {
        LapOrder::Same => word.state() != Some(State::Free),
        lap => lap == LapOrder::Newer,
    })
}

/// The first position from `from` on, within `most`, the word of which is not `passed`.
fn walk<M: Memory>(memory: &M, from: u64, most: u64, passed: impl Fn(Word, LapOrder) -> bool) -> u64 {
    // Positions do not wrap: a scribbled cursor may be the last one.
    let (mut place, end) = (from, from.saturating_add(most));
    while place < end {
        let word = look(memory, place);
        if !passed(word, word.lap_order(memory.lap(place))) {
            break;
        }
        place = place.saturating_add(word.run());
    }
    place
}

/// How many messages have come back and not been taken again. Scans only if some may have.
fn returned<M: Memory>(memory: &M) -> u64 {
    // Acquire: scan, pairs with epoch.
    let epoch = memory.retry_epoch().load(Ordering::Acquire);
    // Relaxed: a hint; an old value costs a scan.
    if epoch == memory.retry_settled().load(Ordering::Relaxed) {
        return 0;
    }
    let is_retry = |position: &u64| {
        // Relaxed: only counted, not read.
        let word = Word::from_bits(memory.word(*position).load(Ordering::Relaxed));
        meaning(memory, *position, word).state() == Some(State::Retry)
    };
    let count = (0..memory.capacity()).filter(is_retry).count() as u64;
    if count == 0 {
        // Relaxed: as above. Whatever comes back from now on moves the epoch on.
        memory.retry_settled().store(epoch, Ordering::Relaxed);
    }
    count
}

/// Makes the messages of a claimed run visible: their payloads have been written.
#[inline(never)]
fn make_all_ready<M: Memory>(memory: &M, run: Run) {
    for piece in run.pieces(memory.capacity()) {
        let ready = Word::ready(memory.lap(piece.first)).bits();
        for word in memory.words(piece) {
            // Release: commit, pairs with take.
            word.store(ready, Ordering::Release);
        }
    }
}

/// Moves a cursor from `from` to `to` unless somebody has moved it already.
#[inline]
fn help(cursor: &AtomicU64, from: u64, to: u64) {
    // Release: advance, pairs with read cursor. Relaxed on failure: somebody else has advanced it, nothing is read.
    let _ = cursor.compare_exchange(from, to, Ordering::Release, Ordering::Relaxed);
}

/// How many messages that go one by one may pass before one of many ends tells its cursor.
const UNTOLD: u64 = 8;

/// Tells a cursor that all before `next` is done with, if it is time for that. `next` is one more than what was done last.
#[inline]
fn tell<M: Memory>(memory: &M, cursor: &AtomicU64, next: u64) {
    let step = UNTOLD.min(memory.capacity());
    if next & (step - 1) == 0 {
        advance(cursor, next.wrapping_sub(step), next);
    }
}

/// Moves a cursor to `to`, wherever below it stands.
#[inline]
fn advance(cursor: &AtomicU64, from: u64, to: u64) {
    let mut now = from;
    while now < to {
        // Release: advance, pairs with read cursor. Relaxed on failure: only the number itself is used.
        match cursor.compare_exchange(now, to, Ordering::Release, Ordering::Relaxed) {
            Ok(_) => return,
            Err(other) => now = other,
        }
    }
}

/// Reads a cursor together with all words that it vouches for.
#[inline]
fn read_cursor(cursor: &AtomicU64) -> u64 {
    // Acquire: read cursor, pairs with advance.
    cursor.load(Ordering::Acquire)
}

/// A bound on looking again, and on moving a cursor that nobody else moves. Neither contention nor what the dead leave
/// reaches them; a scribbling peer does, and then the search ends with a fault.
struct Patience {
    looks: u64,
    /// Steps of the cursor in a row that are left to us. Every claim and take moves the cursor itself unless its owner has
    /// stopped in between: so that is one for each endpoint, and a ring for those that stopped in a batch.
    steps: u64,
    most_steps: u64,
    /// Where our last step has taken the cursor.
    reached: u64,
}

impl Patience {
    fn new<M: Memory>(memory: &M) -> Self {
        let most_steps = 2 * memory.capacity() + (1 << 12);
        Self { looks: 2 * memory.capacity() + (1 << 20), steps: most_steps, most_steps, reached: 0 }
    }

    fn spend(&mut self) -> Result<(), Blocked> {
        self.looks = self.looks.checked_sub(1).ok_or(OUT_OF_PATIENCE)?;
        Ok(())
    }

    /// We are about to move the cursor. Positions do not wrap.
    fn step(&mut self, from: u64, to: u64) -> Result<(), Blocked> {
        if to <= from {
            return Err(OUT_OF_PATIENCE);
        }
        if from != self.reached {
            // Others move it, too.
            self.steps = self.most_steps;
        }
        self.steps = self.steps.checked_sub(1).ok_or(OUT_OF_PATIENCE)?;
        self.reached = to;
        Ok(())
    }
}

const OUT_OF_PATIENCE: Blocked =
    Blocked::Fault(Fault::corrupt("steps of a cursor to the end of the queue", 0, 1 << 12));

/// A ring that is full at `position` because its slot there holds an untaken message: head cannot have passed that.
/// For the slow path, since it reads what the other side writes.
#[cold]
fn check_full<M: Memory>(memory: &M, position: u64) -> Result<(), Blocked> {
    let word = look(memory, position);
    let untaken = word.lap_order(memory.lap(position)) == LapOrder::Previous && word.state() == Some(State::Ready);
    let oldest = position.wrapping_sub(memory.capacity());
    let head = read_cursor(memory.head());
    if untaken && head > oldest && look(memory, position) == word {
        return Err(Blocked::Fault(Fault::corrupt("head", oldest, head)));
    }
    Ok(())
}

/// A ring that looks empty at `position`: tail cannot have passed a slot that nobody has claimed. For the slow path, as
/// above.
#[cold]
fn check_empty<M: Memory>(memory: &M, position: u64) -> Result<(), Blocked> {
    let word = look(memory, position);
    let unclaimed = match word.lap_order(memory.lap(position)) {
        LapOrder::Same => word.state() == Some(State::Free),
        order => order == LapOrder::Previous,
    };
    let tail = read_cursor(memory.tail());
    if memory.is_packed() && tail < position {
        // It has told of the message before, and nothing but tail would ever show another.
        return Err(Blocked::Fault(Fault::corrupt("tail", position, tail)));
    }
    if unclaimed && tail > position && look(memory, position) == word {
        return Err(Blocked::Fault(Fault::corrupt("tail", position, tail)));
    }
    Ok(())
}

fn look<M: Memory>(memory: &M, position: u64) -> Word {
    // Relaxed: only compared; a cursor that is read between two looks orders the second.
    meaning(memory, position, Word::from_bits(memory.word(position).load(Ordering::Relaxed)))
}

/// Whether `position` may be claimed, or has been, at a glance.
fn has_room<M: Memory>(memory: &M, position: u64, free_by_head: bool) -> bool {
    if free_by_head {
        // Relaxed: only a look; whoever goes on looks again.
        return position.wrapping_sub(memory.head().load(Ordering::Relaxed)) < memory.capacity();
    }
    look(memory, position).lap_order(memory.lap(position)) != LapOrder::Previous
}

fn contradiction(what: &'static str, expected: Word, found: Word) -> Blocked {
    Blocked::Fault(Fault::corrupt(what, expected.bits(), found.bits()))
}
