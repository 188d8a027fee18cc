//! One row of the table: who may join it, repair it and leave it, and what that looks like from outside.
//!
//! # The lock
//!
//! A row has two bytes to lock. Who joins or repairs takes both, in one step. An endpoint that has joined gives the second
//! back and keeps the first for as long as it lives. So no two of them have any of it at once, and one look tells, of one
//! instant:
//!
//! | locked | the row is |
//! |---|---|
//! | nothing | free, or its endpoint is dead |
//! | the first byte | a living endpoint's |
//! | both | being joined or repaired: what a dead one held may not have come back yet |
//!
//! The second byte is given back only when all that a dead one held has come back and the row is marked as joined. Who dies
//! before loses both bytes at once, and what it was about to do is done by the next one.
//!
//! # Why the end of a queue is not told too early
//!
//! Who has found nothing and then looks at all rows that are not free, repairing the dead, has one of these for each:
//!
//! * *free*: whoever was there has left in order or was repaired before that mark, and the look sees the mark, so the next
//!   take sees what came back;
//! * *repaired* by the one who looks: the same;
//! * *alive*: what it holds is its own. If it joined in a dead one's place, all of that came back before it gave the second
//!   byte back, and the kernel orders that before the look;
//! * *under way*: somebody has both bytes, or nobody has any when it is asked after the try failed. Then nothing is known,
//!   and the end is not told.
//!
//! It is not enough to try the lock and then to read the row's state: a repairer has the lock before it writes that mark.

use crate::error::Fault;
use crate::layout::row_state::RowState;
use crate::sync::{AtomicU64, Ordering};

/// What is locked of a row, by others than the one who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Locked {
    /// Nothing.
    Nothing,
    /// The first byte.
    First,
    /// Both, or what no correct process locks.
    Both,
}

/// The lock of one row, through one file description; or a model of it.
pub trait RowLock {
    /// Why a call failed, or a row is not sound.
    type Error: From<Fault>;
    /// Takes both bytes. `false`: somebody else has at least one.
    fn try_both(&self) -> Result<bool, Self::Error>;
    /// Gives the second byte back.
    fn keep_first(&self) -> Result<(), Self::Error>;
    /// Gives all of it back.
    fn give_back(&self) -> Result<(), Self::Error>;
    /// What others have.
    fn locked(&self) -> Result<Locked, Self::Error>;
}

/// What became of a try to join.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Claimed {
    /// It is ours.
    Yes,
    /// Somebody lives there.
    Taken,
    /// Somebody is just joining or repairing it.
    Busy,
}

/// What a row was found to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// Nobody's.
    Free,
    /// A living endpoint's.
    Alive,
    /// A dead one's, all of whose things have come back now.
    Repaired,
    /// A dead one's, which nobody repairs.
    Dead,
    /// Being joined or repaired; or it could not be found out.
    UnderWay,
}

/// Takes the row for a new endpoint. `recover` brings back what a dead one held there.
pub fn join<L: RowLock>(state: &AtomicU64, lock: &L, recover: impl FnOnce()) -> Result<Claimed, L::Error> {
    if !lock.try_both()? {
        let lives = lock.locked()? == Locked::First;
        return Ok(if lives { Claimed::Taken } else { Claimed::Busy });
    }
    if read(state)? != RowState::Free {
        mark(state, RowState::Recovering);
        recover();
    }
    mark(state, RowState::Joined);
    if let Err(error) = lock.keep_first() {
        // It would look as if the join went on for ever.
        mark(state, RowState::Free);
        return Err(error);
    }
    Ok(Claimed::Yes)
}

/// Gives the row up; all that the endpoint held is settled.
pub fn leave(state: &AtomicU64, lock: &impl RowLock) {
    mark(state, RowState::Free);
    // Explicitly: a forked child may still hold the description. An error leaves a free row locked until that is closed.
    let _ = lock.give_back();
}

/// Repairs the row if its endpoint is dead. An error must neither pass for a death nor for a life.
pub fn sweep(state: &AtomicU64, lock: &impl RowLock, recover: impl FnOnce()) -> Found {
    match look(state, lock) {
        // Trying the lock of everyone who lives would take the kernel twice as long.
        Found::Dead => repair(state, lock, || {}, recover),
        found => found,
    }
}

/// The same, whatever the row says: a word that names it may have been left by an endpoint that did not settle it. Does
/// `first` once nobody alive can have this row.
pub fn repair(state: &AtomicU64, lock: &impl RowLock, first: impl FnOnce(), recover: impl FnOnce()) -> Found {
    if !lock.try_both().unwrap_or(false) {
        return if matches!(lock.locked(), Ok(Locked::First)) { Found::Alive } else { Found::UnderWay };
    }
    first();
    let dead = is_in_use(state);
    if dead {
        mark(state, RowState::Recovering);
        recover();
        mark(state, RowState::Free);
    }
    // An error leaves the row locked until our endpoint closes.
    let _ = lock.give_back();
    if dead { Found::Repaired } else { Found::Free }
}

/// What the row is, without taking anything.
pub fn look(state: &AtomicU64, lock: &impl RowLock) -> Found {
    if !is_in_use(state) {
        return Found::Free;
    }
    match lock.locked() {
        Ok(Locked::Nothing) => Found::Dead,
        Ok(Locked::First) => Found::Alive,
        Ok(Locked::Both) | Err(_) => Found::UnderWay,
    }
}

/// What the row's state word says.
pub fn read(state: &AtomicU64) -> Result<RowState, Fault> {
    // Acquire: join, pairs with leave and join.
    let bits = state.load(Ordering::Acquire);
    RowState::of(bits).ok_or(Fault::corrupt("state of an endpoint's row", RowState::Free as u64, bits & 0xff))
}

fn is_in_use(state: &AtomicU64) -> bool {
    matches!(read(state), Ok(RowState::Joined | RowState::Recovering))
}

/// Under the row's lock. Each joining is a new generation.
fn mark(state: &AtomicU64, to: RowState) {
    // Relaxed: only the holder of the lock writes it.
    let now = state.load(Ordering::Relaxed);
    let generation = if to == RowState::Joined { next_generation(now) } else { now & !0xff };
    // Release: leave, pairs with join.
    state.store(generation | to as u64, Ordering::Release);
}

/// The generation after the one in `bits`, in its place in the word.
pub fn next_generation(bits: u64) -> u64 {
    (bits & !0xff).wrapping_add(0x100)
}
