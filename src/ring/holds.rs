//! Messages that are held beyond the call that took them: what their receiver and their holders tell each other.
//!
//! A holder settles its message from any thread. One of many receivers owns the word, so the holder's thread frees it at
//! once; the only receiver keeps `head` and what is next for itself, so there it finds on a list what has been settled, and
//! does it at its next look. If the receiver goes first, it lives on in here, and goes with the last holder.
//!
//! # Why nothing that is held, or was settled, is delivered
//!
//! Only starting again from head could deliver such a message, and a take does that only if nothing is held. A message
//! that its holder has settled is held still until the receiver has done its part. So [`Holds::next`] says that nothing is
//! held only if nothing was settled either, both under one lock: settled between two locks, a message would be neither.
//! `loom-tests/tests/held.rs` runs this against every ring.

use std::collections::BTreeSet;
use std::mem::take;
use std::sync::PoisonError;

use super::{Lookout, ReceiveEnd, Run};
use crate::sync::{Mutex, MutexGuard};

/// What a receiver and those who hold its messages share. `R` is the receiver.
pub struct Holds<R> {
    state: Mutex<State<R>>,
}

struct State<R> {
    /// Held messages that have not been settled.
    outstanding: u64,
    /// Settled ones, which the receiver has still to note.
    settled: Vec<Settled>,
    /// Positions that came back to the only receiver while it held others.
    again: BTreeSet<u64>,
    /// The receiver, if its user has dropped it. It goes with this, and so with the last of its held messages.
    parted: Option<R>,
    /// Nothing that is held belongs to anybody here any more.
    abandoned: bool,
}

/// A message that its holder has settled.
#[derive(Clone, Copy, Debug)]
pub struct Settled {
    /// Where it is.
    pub position: u64,
    /// Its length if it is released, `None` if it goes back.
    pub released: Option<u64>,
}

/// What the receiver does next.
#[derive(Debug)]
pub enum Next {
    /// It notes these, and asks again.
    Note(Vec<Settled>),
    /// It delivers this one once more.
    Again(u64),
    /// It takes from the ring; `beside_held`: without starting again from head, since something is held.
    Take {
        /// Something is held.
        beside_held: bool,
    },
}

impl<R> Default for Holds<R> {
    fn default() -> Self {
        let (settled, again) = (Vec::new(), BTreeSet::new());
        Self { state: Mutex::new(State { outstanding: 0, settled, again, parted: None, abandoned: false }) }
    }
}

impl<R> Holds<R> {
    fn lock(&self) -> MutexGuard<'_, State<R>> {
        // Nothing panics under it half-way through a change.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One more is held.
    pub fn hold(&self) {
        self.lock().outstanding += 1;
    }

    /// One that was held is not any more, unless the receiver has been abandoned. `at_once` does, under the lock, what its
    /// holder can do: all of it for a receiver that lives on in here. Returns whether the receiver has still to note it.
    pub fn settle(&self, at_once: impl FnOnce(Option<&R>) -> Settled) -> bool {
        let mut state = self.lock();
        if state.abandoned {
            return false;
        }
        state.outstanding -= 1;
        let settled = at_once(state.parted.as_ref());
        let noted_later = state.parted.is_none();
        if noted_later {
            state.settled.push(settled);
        }
        noted_later
    }

    /// What the receiver does next.
    pub fn next(&self) -> Next {
        let mut state = self.lock();
        let settled = take(&mut state.settled);
        if !settled.is_empty() {
            return Next::Note(settled);
        }
        // Under the same lock: one that is settled from now on counts as held still, and is not delivered again.
        let beside_held = state.outstanding > 0;
        state.again.pop_first().map_or(Next::Take { beside_held }, Next::Again)
    }

    /// These came back to the only receiver while it held others.
    pub fn keep_for_again(&self, run: Run) {
        self.lock().again.extend(run.positions());
    }

    /// Drops what is kept to come again. Returns whether there was anything, to be found from head.
    pub fn forget_again(&self) -> bool {
        !take(&mut self.lock().again).is_empty()
    }

    /// Whether something that was settled, or came back, waits for the receiver's next take.
    pub fn is_unsettled(&self) -> bool {
        self.lock().is_unsettled()
    }

    /// What to look for in place of the receiver.
    pub fn lookout(&self, end: &ReceiveEnd) -> Lookout {
        let state = self.lock();
        if state.is_unsettled() {
            return Lookout::Unsettled;
        }
        if state.outstanding > 0 { end.lookout_ahead() } else { end.lookout() }
    }

    /// The receiver's user has dropped it: it lives on in here, unless nothing is held. `note` does its part
    /// of what was settled before, `again` lets it start again from head.
    pub fn part(&self, receiver: R, note: impl Fn(&R, &[Settled]), again: impl FnOnce(&R)) {
        loop {
            let mut state = self.lock();
            let settled = take(&mut state.settled);
            if settled.is_empty() {
                if !take(&mut state.again).is_empty() {
                    again(&receiver);
                }
                if state.outstanding > 0 && !state.abandoned {
                    state.parted = Some(receiver);
                }
                return;
            }
            drop(state);
            note(&receiver, &settled);
        }
    }

    /// The receiver gives up all that is held. Returns what was settled before, to be noted still.
    pub fn abandon(&self) -> Vec<Settled> {
        let mut state = self.lock();
        state.abandoned = true;
        take(&mut state.settled)
    }
}

impl<R> State<R> {
    fn is_unsettled(&self) -> bool {
        !self.settled.is_empty() || !self.again.is_empty()
    }
}
