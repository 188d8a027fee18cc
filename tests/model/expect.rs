//! The model: messages in the order of their positions, some waiting and some held.
//!
//! A ring is full when the slot that comes next is still in use, however few the messages in it. So the model keeps each
//! message's position. A slot with nothing to read in it (an aborted loan, a message released before an older one)
//! comes free at latest when a receiver has passed it; until then the model accepts either.

use std::ops::RangeInclusive;

use ringpost::{Ends, RecvError, SendError, WhenFull};

use crate::operation::Kind;

#[derive(Clone, Copy, Debug)]
struct Entry {
    position: u64,
    number: u64,
    /// How often it has been delivered and seen.
    delivered: u32,
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
        let held = self.in_the_way(self.held.iter().map(|entry| entry.position));
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
        self.waiting.len()..=(self.waiting.len() + self.empty.len()).min(self.capacity as usize)
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
                self.waiting.push(Entry { position: self.tail - 1, number, delivered: 0 });
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
        let count = size.min(self.waiting.len());
        assert!(self.held.is_empty());
        self.held = self.waiting.drain(..count).collect();
        if count < size && (self.held.is_empty() || !self.free_by_head()) {
            // It has looked at every slot, so the empty ones are passed.
            self.empty.clear();
        }
        self.held.iter().map(|entry| (entry.number, entry.delivered + 1)).collect()
    }

    /// A receiver got an error when it asked for `size`.
    pub fn refused(&mut self, size: usize, error: &RecvError) {
        assert_eq!(*error, RecvError::Closed);
        assert!(self.closed && self.waiting.is_empty() && size > 0);
        self.empty.clear();
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
        self.held.drain(..count.min(self.held.len()));
    }

    /// All that are held go back, the first `seen` of them marked.
    pub fn give_back_all(&mut self, seen: usize) {
        for (index, mut entry) in std::mem::take(&mut self.held).into_iter().enumerate() {
            entry.delivered += u32::from(index < seen);
            self.waiting.push(entry);
        }
        self.waiting.sort_by_key(|entry| entry.position);
    }

    /// One message that is held is released, or given back after it was seen.
    pub fn deal_with_one(&mut self, number: u64, release: bool) {
        let index = self.held.iter().position(|entry| entry.number == number).expect("it is held");
        let mut entry = self.held.remove(index);
        if !release {
            entry.delivered += 1;
            self.waiting.push(entry);
            self.waiting.sort_by_key(|entry| entry.position);
        } else if self.free_by_head() {
            self.empty.push(entry.position);
        }
    }
}
