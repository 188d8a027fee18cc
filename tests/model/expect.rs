//! The model: messages in the order of their positions, some waiting and some held.
//!
//! A ring is full when the slot that comes next is still in use, however few the messages in it. So the model keeps each
//! message's position. A slot with nothing to read in it (an aborted loan, a message released before an older one)
//! comes free at latest when a receiver has passed it; until then the model accepts either.
//!
//! What comes back to a single receiver while others are kept beyond their call is on a list of its own, which the next take
//! looks at first; what came back before any was kept has to wait until none is. When the receiver goes with messages kept, all
//! of that counts as delivered once more, since shared memory does not tell it from what is kept.

use std::ops::RangeInclusive;

use ringpost::{Ends, RecvError, SendError, WhenFull};

use crate::operation::{Fate, Kind};

#[derive(Clone, Copy, Debug)]
struct Entry {
    position: u64,
    number: u64,
    /// How often it has been delivered and seen.
    delivered: u32,
    back: Back,
}

/// How a message waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Back {
    /// In the ring, for whoever takes next.
    InRing,
    /// On the only receiver's list, to come again first.
    Listed,
    /// Until the only receiver keeps nothing and starts again from head.
    PutOff,
}

/// What the queue should be.
#[derive(Debug)]
pub struct Model {
    kind: Kind,
    capacity: u64,
    tail: u64,
    /// Ascending positions: what came back is before anything newer.
    waiting: Vec<Entry>,
    held: Vec<Entry>,
    /// Held beyond their call, and by which receiver.
    kept: Vec<(u64, Entry)>,
    /// The only receiver has kept something once, and so has a list.
    has_list: bool,
    /// Positions with nothing to read that may not be free yet.
    empty: Vec<u64>,
    pub closed: bool,
    pub sent: u64,
    pub dropped: u64,
    pub overwritten: u64,
}

impl Model {
    pub fn new(kind: Kind, capacity: usize) -> Self {
        Self {
            kind,
            capacity: capacity as u64,
            tail: 0,
            waiting: Vec::new(),
            held: Vec::new(),
            kept: Vec::new(),
            has_list: false,
            empty: Vec::new(),
            closed: false,
            sent: 0,
            dropped: 0,
            overwritten: 0,
        }
    }

    fn overwrites(&self) -> bool {
        self.kind.when_full == WhenFull::Overwrite
    }

    /// Whether the only receiver's head says what is free, and not each slot for itself.
    fn free_by_head(&self) -> bool {
        self.kind.receivers == Ends::Single && !self.overwrites()
    }

    fn in_the_way(&self, mut positions: impl Iterator<Item = u64>) -> bool {
        positions.any(|position| position + self.capacity <= self.tail)
    }

    fn must_be_full(&self) -> bool {
        let kept = self.kept.iter().map(|(_, entry)| entry);
        let held = self.in_the_way(self.held.iter().chain(kept).map(|entry| entry.position));
        held || (!self.overwrites() && self.in_the_way(self.waiting.iter().map(|entry| entry.position)))
    }

    fn may_be_full(&self) -> bool {
        self.must_be_full() || self.in_the_way(self.empty.iter().copied())
    }

    /// Whether `send` might wait for ever.
    pub fn would_wait(&self) -> bool {
        self.kind.when_full == WhenFull::Block && self.may_be_full() && !self.closed
    }

    /// What `size` may say.
    pub fn sizes(&self) -> RangeInclusive<usize> {
        let in_ring = self.waiting.iter().filter(|entry| entry.back == Back::InRing).count();
        in_ring..=(self.waiting.len() + self.empty.len()).min(self.capacity as usize)
    }

    /// `number` was sent, or refused.
    pub fn sent(&mut self, number: u64, result: Result<(), SendError>) {
        match result {
            Err(SendError::Closed) => assert!(self.closed),
            Err(SendError::Full { capacity }) => {
                assert!(!self.closed && self.may_be_full(), "it is not full");
                assert_eq!(capacity, self.capacity);
                self.dropped += 1;
            }
            Err(SendError::TimedOut) => {
                assert!(!self.closed && self.may_be_full(), "it is not full");
                self.dropped += 1;
            }
            Err(other) => panic!("{other}"),
            Ok(()) => {
                assert!(!self.closed && !self.must_be_full(), "it is full or closed");
                self.claim();
                self.waiting.push(Entry { position: self.tail - 1, number, delivered: 0, back: Back::InRing });
                self.sent += 1;
            }
        }
    }

    /// A loan was given up.
    pub fn aborted(&mut self) {
        assert!(!self.closed && !self.must_be_full(), "it is full or closed");
        if self.kind.senders == Ends::Multi || self.overwrites() {
            self.claim();
            self.empty.push(self.tail - 1);
        }
    }

    /// The next position is claimed, and with it the slot of an older one.
    fn claim(&mut self) {
        let over = self.tail.checked_sub(self.capacity);
        let before = self.waiting.len();
        self.waiting.retain(|entry| Some(entry.position) != over);
        self.overwritten += (before - self.waiting.len()) as u64;
        self.empty.retain(|position| Some(*position) > over);
        self.tail += 1;
    }

    /// A receiver takes up to `size`: those, with how often each will then have been delivered.
    pub fn take(&mut self, size: usize) -> Vec<(u64, u32)> {
        let size = size.min(self.capacity as usize);
        assert!(self.held.is_empty());
        if size > 0 {
            self.start_again();
        }
        let ready = |entry: &Entry| entry.back != Back::PutOff;
        while self.held.len() < size
            && let Some(index) = self.waiting.iter().position(ready)
        {
            self.held.push(Entry { back: Back::InRing, ..self.waiting.remove(index) });
        }
        let passes = if self.free_by_head() { self.held.is_empty() && self.kept.is_empty() } else { true };
        if self.held.len() < size && passes {
            // It has looked at every slot, so the empty ones are passed.
            self.empty.clear();
        }
        self.held.iter().map(|entry| (entry.number, entry.delivered + 1)).collect()
    }

    /// A receiver got an error when it asked for `size`.
    pub fn refused(&mut self, size: usize, error: &RecvError) {
        assert_eq!(*error, RecvError::Closed);
        self.start_again();
        assert!(self.closed && self.waiting.iter().all(|entry| entry.back == Back::PutOff) && size > 0);
        if self.kept.is_empty() {
            self.empty.clear();
        }
    }

    /// The only receiver starts again from head if it holds nothing at all.
    fn start_again(&mut self) {
        if self.held.is_empty() && self.kept.is_empty() {
            self.waiting.iter_mut().for_each(|entry| entry.back = Back::InRing);
        }
    }

    fn comes_back(&mut self, mut entry: Entry, seen: bool) {
        entry.delivered += u32::from(seen);
        if self.free_by_head() {
            entry.back = if self.has_list { Back::Listed } else { Back::PutOff };
        }
        self.waiting.push(entry);
        self.waiting.sort_by_key(|entry| entry.position);
    }

    /// The first messages held are these.
    pub fn check_first(&self, seen: &[u64]) {
        assert!(self.held.iter().map(|entry| entry.number).take(seen.len()).eq(seen.iter().copied()));
    }

    /// The first messages held are these, delivered so often.
    pub fn check_deliveries(&self, seen: &[(u64, u32)]) {
        let expected: Vec<_> = self.held.iter().map(|e| (e.number, e.delivered + 1)).take(seen.len()).collect();
        assert_eq!(seen, expected);
    }

    /// The first `count` of those held are released, or all if there are fewer.
    pub fn release_first(&mut self, count: usize) {
        if count.min(self.held.len()) == 0 {
            return;
        }
        let released = self.held.drain(..count.min(self.held.len())).map(|entry| entry.position);
        if self.kept.is_empty() {
            drop(released);
        } else {
            // Head may still be in front of one that is kept.
            self.empty.extend(released);
        }
        self.start_again();
    }

    /// All that are held go back, the first `seen` of them marked.
    pub fn give_back_all(&mut self, seen: usize) {
        if self.held.is_empty() {
            return;
        }
        for (index, entry) in std::mem::take(&mut self.held).into_iter().enumerate() {
            self.comes_back(entry, index < seen);
        }
        self.start_again();
    }

    /// One message that is held is released, given back after it was seen, or kept by `receiver`.
    pub fn deal_with_one(&mut self, number: u64, fate: Fate, receiver: u64) {
        let index = self.held.iter().position(|entry| entry.number == number).expect("it is held");
        let entry = self.held.remove(index);
        match fate {
            Fate::Release if self.free_by_head() => self.empty.push(entry.position),
            Fate::Release => {}
            Fate::GiveBack => self.comes_back(entry, true),
            Fate::Keep => {
                self.kept.push((receiver, entry));
                self.has_list = true;
            }
        }
        self.start_again();
    }

    /// A message that was kept is released, or put back. The only receiver notices at its next call.
    pub fn settle(&mut self, number: u64, back: bool) {
        let index = self.kept.iter().position(|(_, entry)| entry.number == number).expect("it is kept");
        let (_, entry) = self.kept.remove(index);
        if back {
            self.comes_back(entry, true);
        } else if self.free_by_head() {
            self.empty.push(entry.position);
        }
    }

    /// A receiver has gone, with all that it kept settled where it is the only one.
    pub fn left(&mut self) {
        self.start_again();
        self.has_list = false;
    }

    /// A receiver has given up what it kept.
    pub fn abandoned(&mut self, receiver: u64) {
        let (given_up, kept) = self.kept.drain(..).partition(|(owner, _)| *owner == receiver);
        self.kept = kept;
        let given_up: Vec<(u64, Entry)> = given_up;
        if !given_up.is_empty() {
            let as_kept = self.waiting.iter_mut().filter(|entry| entry.back != Back::InRing);
            as_kept.for_each(|entry| entry.delivered += 1);
        }
        given_up.into_iter().for_each(|(_, entry)| self.comes_back(entry, true));
        self.left();
    }
}
