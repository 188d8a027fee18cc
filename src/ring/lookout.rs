//! Looking from afar: whether an end could go on, without taking or claiming anything, and without its private state. For
//! those who wait for several ends, and for helpers that wait in an end's place.

use super::{
    Blocked, InTheWay, Memory, ReceiveEnd, SendEnd, check_empty, check_full, claimed_to, meaning, read_cursor, taken_to,
};
use crate::error::Fault;
use crate::layout::word::{LapOrder, State, Word};
use crate::sync::Ordering;

/// What one look came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outlook {
    /// A try may succeed, or else gets the ring one step on: it is not in vain twice for the same reason.
    Worthwhile,
    /// There is nothing, or no room. If one endpoint stands in the way, it is named.
    InVain(Option<InTheWay>),
}

/// What to look at, for one end: a copy of what it knows. It grows old when the end goes on; then it errs towards
/// [`Outlook::Worthwhile`].
#[derive(Clone, Copy, Debug)]
pub enum Lookout {
    /// The message at this position, for the only receiver.
    MessageAt(u64),
    /// The message at head, or one that came back since this epoch, for one of many receivers.
    Message {
        /// Everything that came back up to it has been looked at.
        seen_epoch: Option<u64>,
    },
    /// The receiver has something to settle first: try.
    Unsettled,
    /// The slot at this position, for the only sender.
    RoomAt {
        /// Its next position.
        tail: u64,
        /// Free space is known from `head`.
        free_by_head: bool,
    },
    /// The slot at tail, for one of many senders.
    Room {
        /// A full ring gives up its oldest message.
        overwrite: bool,
        /// Free space is known from `head`.
        free_by_head: bool,
    },
}

impl ReceiveEnd {
    /// What to look at in its place.
    pub fn lookout(&self) -> Lookout {
        match self {
            Self::Single(end) if end.rewind => Lookout::Unsettled,
            _ => self.lookout_ahead(),
        }
    }

    /// The same, while starting again from head is put off.
    pub fn lookout_ahead(&self) -> Lookout {
        match self {
            Self::Single(end) => Lookout::MessageAt(end.next),
            Self::Multi(end) => Lookout::Message { seen_epoch: end.seen_epoch },
        }
    }
}

impl SendEnd {
    /// What to look at in its place.
    pub fn lookout(&self) -> Lookout {
        match self {
            Self::Single(end) => Lookout::RoomAt { tail: end.tail, free_by_head: end.free_by_head },
            Self::Multi(end) => Lookout::Room { overwrite: end.overwrite, free_by_head: end.free_by_head },
        }
    }
}

impl Lookout {
    /// Looks once. After the heavy barrier of one who waits, what was committed or released before the waker's barrier is
    /// not missed: every word and cursor that says so is read here.
    pub fn look<M: Memory>(self, memory: &M) -> Outlook {
        match self {
            Self::MessageAt(position) => message_at(memory, position, false),
            Self::Message { seen_epoch } => {
                // Relaxed: only whether it has moved; a take looks again. If others have dealt with all that came back, there
                // is nothing to look for, though this receiver does not know it.
                let epoch = memory.retry_epoch().load(Ordering::Relaxed);
                if seen_epoch != Some(epoch) && memory.retry_settled().load(Ordering::Relaxed) != epoch {
                    return Outlook::Worthwhile;
                }
                message_at(memory, taken_to(memory), true)
            }
            Self::Unsettled => Outlook::Worthwhile,
            Self::RoomAt { tail, free_by_head: true } => room_behind_head(memory, tail),
            Self::RoomAt { tail, free_by_head: false } => free_word_at(memory, tail),
            Self::Room { overwrite, free_by_head } => {
                let tail = claimed_to(memory);
                if free_by_head {
                    room_of_many_behind_head(memory, tail)
                } else {
                    room_of_many(memory, tail, overwrite)
                }
            }
        }
    }

    /// Whether what looks empty, or full, is so, and not scribbled upon. For the slow path.
    pub fn audit<M: Memory>(self, memory: &M) -> Result<(), Blocked> {
        match self {
            Self::MessageAt(position) => check_empty(memory, position),
            Self::Message { .. } => check_empty(memory, taken_to(memory)),
            Self::RoomAt { tail, free_by_head: false } => check_full(memory, tail),
            Self::RoomAt { tail, free_by_head: true } => check_told(memory, tail),
            Self::Room { free_by_head: false, .. } => check_full(memory, claimed_to(memory)),
            Self::Unsettled | Self::Room { .. } => Ok(()),
        }
    }
}

/// In a packed ring tail has told of everything before a sender's next position, which may be further on by now.
fn check_told<M: Memory>(memory: &M, next: u64) -> Result<(), Blocked> {
    let tail = read_cursor(memory.tail());
    if memory.is_packed() && tail < next {
        return Err(Blocked::Fault(Fault::corrupt("tail", next, tail)));
    }
    Ok(())
}

fn word_at<M: Memory>(memory: &M, position: u64) -> (Word, LapOrder, Option<State>) {
    // Relaxed: only a look; whoever goes on looks again.
    let word = meaning(memory, position, Word::from_bits(memory.word(position).load(Ordering::Relaxed)));
    (word, word.lap_order(memory.lap(position)), word.state())
}

fn message_at<M: Memory>(memory: &M, position: u64, many: bool) -> Outlook {
    let (word, lap, state) = word_at(memory, position);
    match (lap, state) {
        (LapOrder::Same, Some(State::Claim)) => in_the_way(position, word),
        (LapOrder::Same, Some(State::Free)) => Outlook::InVain(None),
        (LapOrder::Previous, Some(State::Take | State::TakeRun | State::Retry)) => Outlook::InVain(None),
        (LapOrder::Previous, Some(_)) if !many => Outlook::InVain(None),
        // A message, something to pass over, or words that contradict each other.
        _ => Outlook::Worthwhile,
    }
}

/// Room for the only sender, where each slot's word says whether it is free.
fn free_word_at<M: Memory>(memory: &M, position: u64) -> Outlook {
    let (word, lap, state) = word_at(memory, position);
    match (lap, state) {
        (LapOrder::Previous, Some(State::Ready | State::Retry)) => Outlook::InVain(None),
        (LapOrder::Previous, Some(State::Take | State::TakeRun)) => in_the_way(last_lap(memory, position), word),
        _ => Outlook::Worthwhile,
    }
}

/// Room for one of many senders, where each slot's word says whether it is free.
fn room_of_many<M: Memory>(memory: &M, position: u64, overwrite: bool) -> Outlook {
    let (word, lap, state) = word_at(memory, position);
    match (lap, state) {
        (LapOrder::Previous, Some(State::Ready | State::Retry)) if !overwrite => Outlook::InVain(None),
        (LapOrder::Previous, Some(State::Claim | State::Take | State::TakeRun)) => {
            in_the_way(last_lap(memory, position), word)
        }
        _ => Outlook::Worthwhile,
    }
}

/// Room for the only sender, where `head` says what is free.
fn room_behind_head<M: Memory>(memory: &M, tail: u64) -> Outlook {
    let used = tail.wrapping_sub(read_cursor(memory.head()));
    if used == memory.capacity() { Outlook::InVain(None) } else { Outlook::Worthwhile }
}

/// Room for one of many senders, where `head` says what is free.
fn room_of_many_behind_head<M: Memory>(memory: &M, tail: u64) -> Outlook {
    let (word, lap, state) = word_at(memory, tail);
    let ahead = tail.wrapping_sub(read_cursor(memory.head()));
    match (lap, state) {
        (LapOrder::Previous, Some(State::Claim | State::Take | State::TakeRun)) if ahead == memory.capacity() => {
            in_the_way(last_lap(memory, tail), word)
        }
        (LapOrder::Previous, Some(_)) if ahead == memory.capacity() => Outlook::InVain(None),
        _ => Outlook::Worthwhile,
    }
}

fn last_lap<M: Memory>(memory: &M, position: u64) -> u64 {
    position.wrapping_sub(memory.capacity())
}

fn in_the_way(position: u64, word: Word) -> Outlook {
    Outlook::InVain(Some(InTheWay { owner: word.owner(), position, word }))
}
