//! The dead: finding them, and freeing what they held.

use std::fs::File;

use super::SharedRing;
use super::endpoint::{row, set_state, state};
use crate::error::Role;
use crate::layout::control::{Row, RowState};
use crate::os::{identity, lock};
use crate::ring::{self, InTheWay};
use crate::segment::Segment;
use crate::sync::Ordering;

/// Frees what the owner of row `index` held. The caller holds that row's lock and marks the row afterwards.
pub(super) fn recover_locked(ring: &SharedRing, index: usize) {
    let row = row(ring.segment(), index);
    set_state(row, RowState::Recovering);
    ring::recover(ring, (index + 1) as u16);
    // Relaxed: a counter that only the holder of the lock writes.
    row.recovered.fetch_add(1, Ordering::Relaxed);
}

/// Repairs the endpoint that stands in the way, if it is dead: its slot there first, then all the rest. Returns whether
/// it was.
pub fn recover_in_the_way(ring: &SharedRing, file: &File, in_the_way: InTheWay) -> bool {
    let Some(index) = usize::from(in_the_way.owner).checked_sub(1) else { return false };
    let mut repaired = false;
    with_dead(ring, file, index, || {
        ring::recover_word(ring, in_the_way.position, in_the_way.word);
        repaired = true;
    });
    repaired
}

/// Looks at every joined endpoint but `own` and repairs the dead. Returns whether there were any.
pub fn sweep(ring: &SharedRing, file: &File, own: u16) -> bool {
    repair_all(ring, file, own) > 0
}

/// The same, and how many there were.
pub fn repair_all(ring: &SharedRing, file: &File, own: u16) -> u64 {
    let rows = ring.segment().header().geometry.rows as usize;
    let mut found = 0;
    for index in (0..rows).filter(|index| index + 1 != usize::from(own)) {
        if matches!(state(row(ring.segment(), index)), Ok(RowState::Joined | RowState::Recovering)) {
            found += u64::from(with_dead(ring, file, index, || {}));
        }
    }
    found
}

/// Whether an endpoint's process lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Liveness {
    /// Its lock is held.
    Alive,
    /// Its lock is free: the next one who meets something that it held repairs it.
    Dead,
    /// It could not be found out.
    Unknown,
}

/// Whether the endpoint of row `index`, which is joined, lives. Looks without taking anything; an endpoint of this very
/// process counts like any other, since each locks through a description of its own.
pub fn liveness(segment: &Segment, index: usize) -> Liveness {
    let Some(file) = segment.file() else { return Liveness::Alive };
    match lock::is_locked_by_other(file, segment.row_lock_offset(index)) {
        Ok(true) => Liveness::Alive,
        Ok(false) => Liveness::Dead,
        Err(_) => Liveness::Unknown,
    }
}

/// Whether any endpoint of `role` lives, as far as can be known: what cannot be found out must not pass for a death.
pub fn any_alive(segment: &Segment, role: Role) -> bool {
    let rows = segment.header().geometry.rows as usize;
    (0..rows).any(|index| {
        let row = row(segment, index);
        // Relaxed: written under the lock that is asked for next.
        row.role.load(Ordering::Relaxed) == role as u32
            && matches!(state(row), Ok(RowState::Joined))
            && liveness(segment, index) != Liveness::Dead
    })
}

/// Whether any endpoint but `own` has died without leaving. Looks without taking anything.
pub fn any_dead(segment: &Segment, own: u16) -> bool {
    let rows = segment.header().geometry.rows as usize;
    (0..rows).filter(|index| index + 1 != usize::from(own)).any(|index| {
        matches!(state(row(segment, index)), Ok(RowState::Joined | RowState::Recovering))
            && liveness(segment, index) == Liveness::Dead
    })
}

/// Whether a dead endpoint's repair has begun and not ended. Looks without taking anything.
pub fn any_recovering(segment: &Segment) -> bool {
    let rows = segment.header().geometry.rows as usize;
    (0..rows).any(|index| matches!(state(row(segment, index)), Ok(RowState::Recovering)))
}

/// The process of a row's endpoint, or 0 if it is of another pid namespace, where the number means nothing to us.
pub fn visible_pid(row: &Row) -> u32 {
    // Relaxed: for people to read.
    let namespace = row.pid_namespace.load(Ordering::Relaxed);
    if namespace == identity::pid_namespace() { row.pid.load(Ordering::Relaxed) } else { 0 }
}

/// If nobody alive has row `index`: does `first`, then, if somebody died with it, the whole recovery, and frees the row.
fn with_dead(ring: &SharedRing, file: &File, index: usize, first: impl FnOnce()) -> bool {
    let segment = ring.segment();
    if index as u64 >= segment.header().geometry.rows {
        return false;
    }
    let offset = segment.row_lock_offset(index);
    // An error here must not pass for a death.
    if !lock::try_write(file, offset).unwrap_or(false) {
        return false;
    }
    // With the lock in our hands nobody alive has this number, whatever the row says. A word that names it all the same
    // is to be repaired even if the row is free: its owner has left without settling it.
    first();
    let dead = matches!(state(row(segment, index)), Ok(RowState::Joined | RowState::Recovering));
    if dead {
        recover_locked(ring, index);
        set_state(row(segment, index), RowState::Free);
    }
    // An error leaves the row locked until our endpoint closes.
    let _ = lock::unlock(file, offset);
    dead
}
