//! One look at every slot: who holds what, who stands in whose way, and which words contradict each other.
//!
//! The ring may move on while it is looked at, so a word counts as wrong only if no order of events explains it: words
//! and cursors only ever go forward, and what is read later is not older.

use std::collections::BTreeMap;

use super::walk::{Cursors, ONLY_RECEIVER, Place, Walk};
use crate::error::{Fault, Role};
use crate::layout::row_state::RowState;
use crate::layout::word::{LapOrder, State, Word};
use crate::ring::Memory;
use crate::sync::Ordering;

/// How many slots of one endpoint are remembered, to be looked for again later.
const REMEMBERED: usize = 64;
/// How many contradictions are kept; one says it all.
const FAULTS: usize = 16;

/// What an endpoint held at one look.
#[derive(Clone, Debug, Default)]
pub(super) struct Held {
    /// How many slots.
    pub(super) count: u64,
    /// The oldest of them, and their words.
    pub(super) slots: Vec<(u64, Word)>,
}

/// An endpoint that somebody waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Block {
    /// The side that waits.
    pub(super) waiting: Role,
    pub(super) position: u64,
    pub(super) owner: u16,
    pub(super) word: Word,
}

/// What one look has found.
#[derive(Debug, Default)]
pub(super) struct Scan {
    /// Messages that nobody has.
    pub(super) waiting: u64,
    /// By owner: slots that are written, and messages that are read.
    pub(super) writing: BTreeMap<u16, Held>,
    pub(super) reading: BTreeMap<u16, Held>,
    pub(super) blocks: Vec<Block>,
    pub(super) faults: Vec<Fault>,
}

impl Held {
    fn add(&mut self, position: u64, word: Word) {
        self.count += 1;
        if self.slots.len() < REMEMBERED {
            self.slots.push((position, word));
        }
    }

    /// Whether one of its slots is held in `later`, too, without having come free in between.
    pub(super) fn lasts_in(&self, later: &Self) -> bool {
        self.slots.iter().any(|slot| later.slots.contains(slot))
    }
}

impl Scan {
    pub(super) fn new(walk: &Walk) -> Self {
        let mut scan = Self::default();
        let cursors = walk.cursors();
        // From the oldest, so that the oldest are remembered.
        for step in 0..walk.ring.capacity() {
            scan.slot(walk, &cursors, cursors.tail.wrapping_add(step));
        }
        scan.check_cursors(walk, &cursors);
        scan.check_rows(walk);
        scan.blocks.extend(receivers_blocked(walk, &cursors));
        scan.blocks.extend(senders_blocked(walk, &cursors));
        scan
    }

    /// Messages that wait or that somebody has; not those that are only being written.
    pub(super) fn messages(&self) -> u64 {
        self.waiting + self.reading.values().map(|held| held.count).sum::<u64>()
    }

    fn slot(&mut self, walk: &Walk, cursors: &Cursors, slot: u64) {
        let word = walk.word(slot);
        let Some(state) = word.state() else {
            return self.fault("state of a slot", State::Free as u64, word.bits());
        };
        let position = word.lap() << walk.ring.shift() | slot & (walk.ring.capacity() - 1);
        self.check_lap(walk, cursors, slot, word);
        match state {
            State::Claim => self.hold(walk, Role::Sender, position, word),
            State::Take | State::TakeRun => self.hold(walk, Role::Receiver, position, word),
            State::Retry => self.waiting += 1,
            State::Ready if !walk.free_by_head => self.waiting += 1,
            State::Ready => match walk.look(position) {
                Place::Seen(word) if walk.is_joined(ONLY_RECEIVER) => {
                    self.reading.entry(ONLY_RECEIVER).or_default().add(position, word);
                }
                Place::Seen(_) | Place::Ready(_) => self.waiting += 1,
                _ => {}
            },
            State::Free | State::Skip => {}
        }
        if matches!(state, State::Ready | State::Take | State::TakeRun | State::Retry) {
            // Whoever writes there meanwhile writes a length that is right.
            self.keep(walk.ring.check_len(walk.ring.slot(position)).err());
        }
    }

    fn hold(&mut self, walk: &Walk, role: Role, position: u64, word: Word) {
        let owner = word.owner();
        if walk.row(owner).is_none() {
            return self.fault("owner of a slot", 1, owner.into());
        }
        let side = if role == Role::Sender { &mut self.writing } else { &mut self.reading };
        side.entry(owner).or_default().add(position, word);
    }

    /// What is below tail has been claimed, and nothing is two laps ahead of it. (In 128 bits, where nothing wraps.)
    fn check_lap(&mut self, walk: &Walk, cursors: &Cursors, slot: u64, word: Word) {
        let capacity = u128::from(walk.ring.capacity());
        let number = u128::from(slot & (walk.ring.capacity() - 1));
        let found = u128::from(word.lap()) * capacity + number;
        if let Some(claimed) = slot.checked_sub(walk.ring.capacity()).filter(|claimed| *claimed < cursors.tail) {
            let is_unclaimed = found == u128::from(claimed) && word.state() == Some(State::Free);
            if found < u128::from(claimed) || is_unclaimed {
                return self.fault("state word below tail", Word::ready(walk.ring.lap(claimed)).bits(), word.bits());
            }
        }
        if found >= u128::from(cursors.tail) + 2 * capacity {
            // Or tail has moved on.
            let tail = walk.cursors().tail;
            if found >= u128::from(tail) + 2 * capacity {
                self.fault("state word above tail", Word::free(walk.ring.lap(tail)).bits(), word.bits());
            }
        }
    }

    fn check_cursors(&mut self, walk: &Walk, cursors: &Cursors) {
        let capacity = walk.ring.capacity();
        let Cursors { tail, head, delivered_to } = *cursors;
        // Read after head: it was no further then.
        let tail_now = walk.cursors().tail;
        if head > tail_now.saturating_add(capacity) || walk.free_by_head && tail.saturating_sub(head) > capacity {
            self.fault("head", tail, head);
        }
        if walk.free_by_head && delivered_to.saturating_sub(head) > capacity {
            self.fault("delivered_to", head, delivered_to);
        }
    }

    fn check_rows(&mut self, walk: &Walk) {
        let rows = walk.segment().header().geometry.rows as usize;
        for row in (0..rows).filter_map(|index| walk.segment().row(index)) {
            // Relaxed: no value of it is right at any time.
            let (state, role) = (row.state.load(Ordering::Relaxed), row.role.load(Ordering::Relaxed));
            if RowState::of(state).is_none() {
                self.fault("state of an endpoint's row", RowState::Free as u64, state & 0xff);
            }
            if role > Role::Receiver as u32 {
                self.fault("role of an endpoint", Role::Sender as u64, role.into());
            }
        }
    }

    fn fault(&mut self, what: &'static str, expected: u64, found: u64) {
        self.keep(Some(Fault::corrupt(what, expected, found)));
    }

    fn keep(&mut self, fault: Option<Fault>) {
        if self.faults.len() < FAULTS {
            self.faults.extend(fault);
        }
    }
}

/// Whose claim the next message has to wait for.
fn receivers_blocked(walk: &Walk, cursors: &Cursors) -> Option<Block> {
    let first = if walk.free_by_head { cursors.head.max(cursors.delivered_to) } else { cursors.head };
    let first = first.max(walk.oldest(cursors));
    for position in (0..=2 * walk.ring.capacity()).map(|step| first.wrapping_add(step)) {
        let word = walk.word(position);
        match (word.lap_order(walk.ring.lap(position)), word.state()) {
            (LapOrder::Same, Some(State::Claim)) => {
                return Some(Block { waiting: Role::Receiver, position, owner: word.owner(), word });
            }
            (LapOrder::Same, Some(State::Take | State::TakeRun | State::Retry | State::Skip))
            | (LapOrder::Newer, _) => {}
            _ => return None,
        }
    }
    None
}

/// Who holds the slot that must come free next, if the queue is full.
fn senders_blocked(walk: &Walk, cursors: &Cursors) -> Option<Block> {
    let block = |position, owner, word| Some(Block { waiting: Role::Sender, position, owner, word });
    let capacity = walk.ring.capacity();
    if walk.free_by_head {
        let oldest = cursors.head;
        return match walk.look(oldest) {
            _ if cursors.tail.saturating_sub(oldest) < capacity => None,
            Place::Seen(word) if walk.is_joined(ONLY_RECEIVER) => block(oldest, ONLY_RECEIVER, word),
            Place::Claimed(word) => block(oldest, word.owner(), word),
            _ => None,
        };
    }
    for position in (0..=2 * capacity).map(|step| cursors.tail.wrapping_add(step)) {
        let word = walk.word(position);
        match (word.lap_order(walk.ring.lap(position)), word.state()) {
            (LapOrder::Same, Some(State::Free)) => return None,
            (LapOrder::Same | LapOrder::Newer, _) => {}
            (LapOrder::Previous, Some(State::Claim | State::Take | State::TakeRun)) => {
                return block(position.wrapping_sub(capacity), word.owner(), word);
            }
            _ => return None,
        }
    }
    None
}
