//! The dead: finding them, and freeing what they held.

use std::fs::File;

use super::SharedRing;
use super::endpoint::row_at;
use super::file_lock::FileLock;
use super::row::{self, Found, Locked, RowLock};
use crate::error::Role;
use crate::layout::control::Row;
use crate::layout::row_state::RowState;
use crate::os::identity;
use crate::ring::{self, InTheWay};
use crate::segment::Segment;
use crate::sync::Ordering;

/// Frees what the owner of row `index` held. The caller holds that row's lock.
pub(super) fn recover_locked(ring: &SharedRing, index: usize) {
    ring::recover(ring, (index + 1) as u16);
    ring::count_in(ring);
    // Relaxed: a counter that only the holder of the lock writes.
    row_at(ring.segment(), index).recovered.fetch_add(1, Ordering::Relaxed);
}

/// What a look at every endpoint came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sweep {
    /// Dead ones that were repaired.
    pub repaired: u64,
    /// Somebody else is joining in a row or repairing it, so that more may come back.
    pub under_way: bool,
}

/// Repairs the endpoint that stands in the way, if it is dead: its slot there first, then all the rest. Returns whether
/// it was.
pub fn recover_in_the_way(ring: &SharedRing, file: &File, in_the_way: InTheWay) -> bool {
    let segment = ring.segment();
    let index = usize::from(in_the_way.owner).checked_sub(1);
    let Some(index) = index.filter(|index| (*index as u64) < segment.header().geometry.rows) else { return false };
    let mut repaired = false;
    let first = || {
        ring::recover_word(ring, in_the_way.position, in_the_way.word);
        repaired = true;
    };
    let lock = FileLock::new(segment, file, index);
    row::repair(&row_at(segment, index).state, &lock, first, || recover_locked(ring, index));
    repaired
}

/// Looks at every joined endpoint but `own` and repairs the dead.
pub fn repair_all(ring: &SharedRing, file: &File, own: u16) -> Sweep {
    let segment = ring.segment();
    let rows = segment.header().geometry.rows as usize;
    let mut sweep = Sweep::default();
    for index in (0..rows).filter(|index| index + 1 != usize::from(own)) {
        let lock = FileLock::new(segment, file, index);
        match row::sweep(&row_at(segment, index).state, &lock, || recover_locked(ring, index)) {
            Found::Repaired => sweep.repaired += 1,
            Found::UnderWay | Found::Dead => sweep.under_way = true,
            Found::Free | Found::Alive => {}
        }
    }
    sweep
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
    match FileLock::new(segment, file, index).locked() {
        Ok(Locked::First | Locked::Both) => Liveness::Alive,
        Ok(Locked::Nothing) => Liveness::Dead,
        Err(_) => Liveness::Unknown,
    }
}

/// Whether any endpoint of `role` lives, as far as can be known: what cannot be found out must not pass for a death.
pub fn any_alive(segment: &Segment, role: Role) -> bool {
    let rows = segment.header().geometry.rows as usize;
    (0..rows).any(|index| {
        let row = row_at(segment, index);
        // Relaxed: written under the lock that is asked for next.
        row.role.load(Ordering::Relaxed) == role as u32
            && matches!(row::read(&row.state), Ok(RowState::Joined))
            && liveness(segment, index) != Liveness::Dead
    })
}

/// Whether any endpoint but `own` has died without leaving. Looks without taking anything.
pub fn any_dead(segment: &Segment, own: u16) -> bool {
    let rows = segment.header().geometry.rows as usize;
    (0..rows).filter(|index| index + 1 != usize::from(own)).any(|index| {
        matches!(row::read(&row_at(segment, index).state), Ok(RowState::Joined | RowState::Recovering))
            && liveness(segment, index) == Liveness::Dead
    })
}

/// Whether somebody is joining or repairing in a place where one has died, so that what that held may still come back. Looks
/// without taking anything.
pub fn any_under_way(segment: &Segment) -> bool {
    let Some(file) = segment.file() else { return false };
    let rows = segment.header().geometry.rows as usize;
    (0..rows)
        .any(|index| row::look(&row_at(segment, index).state, &FileLock::new(segment, file, index)) == Found::UnderWay)
}

/// The process of a row's endpoint, or 0 if it is of another pid namespace, where the number means nothing to us.
pub fn visible_pid(row: &Row) -> u32 {
    // Relaxed: for people to read.
    let namespace = row.pid_namespace.load(Ordering::Relaxed);
    if namespace == identity::pid_namespace() { row.pid.load(Ordering::Relaxed) } else { 0 }
}
