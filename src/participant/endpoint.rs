//! Joining and leaving.

use std::fs::File;
use std::sync::Arc;
use std::thread;

use super::{SharedRing, recovery};
use crate::error::{Fault, JoinError, OsError, Role};
use crate::layout::control::{Row, RowState};
use crate::layout::geometry::{Ends, FIXED_ROWS};
use crate::os::{fork, identity, lock};
use crate::segment::{RowPlace, Segment};
use crate::sync::Ordering;
use crate::wait::SHORT_SLEEP;

/// How often a lock is tried that somebody holds for an instant only, or for a repair, a millisecond apart.
const TRIES: u32 = 100;
/// How often a lock is tried whose holder looks alive. A repairer looks so before it has said what it does.
const TRIES_IF_TAKEN: u32 = 5;

/// One joined sender or receiver. Dropping it leaves.
pub struct Endpoint {
    segment: Arc<Segment>,
    row: usize,
    place: RowPlace,
    /// A file description of its own, for a lock of its own. `None` on the heap.
    file: Option<File>,
    fork_generation: u64,
}

/// What came of one try for one row.
enum Claimed {
    Yes(Option<File>),
    /// Somebody lives there.
    Taken,
    /// Somebody holds the lock for an instant.
    Busy,
}

impl Endpoint {
    /// Joins `segment` in `role`.
    pub fn join(segment: &Arc<Segment>, role: Role) -> Result<Self, JoinError> {
        if !segment.is_here() {
            return Err(JoinError::Forked);
        }
        if segment.is_removed() {
            return Err(JoinError::Removed);
        }
        let request = &segment.header().geometry.request;
        let (ends, fixed_row) = match role {
            Role::Sender => (request.senders, 0),
            Role::Receiver => (request.receivers, 1),
        };
        let (row, file) = match ends {
            Ends::Single => (fixed_row, claim_fixed(segment, fixed_row, role)?),
            Ends::Multi => claim_any(segment)?,
        };
        let place = segment.place_of_row(row).expect("row indexes come from the geometry");
        let endpoint = Self { segment: Arc::clone(segment), row, place, file, fork_generation: fork::generation() };
        endpoint.sign(role);
        Ok(endpoint)
    }

    /// The number that signs claims: 1 to 1023.
    pub fn number(&self) -> u16 {
        (self.row + 1) as u16
    }

    /// Its row in the table.
    #[inline]
    pub fn row(&self) -> &Row {
        self.place.row()
    }

    /// The file description that carries its lock; other rows can be probed through it.
    pub fn file(&self) -> Option<&File> {
        self.file.as_ref()
    }

    /// Whether this is still the process that joined, and not a forked child.
    #[inline]
    pub fn is_here(&self) -> bool {
        fork::is_ours(self.fork_generation)
    }

    /// The process that joined.
    pub fn fork_generation(&self) -> u64 {
        self.fork_generation
    }

    fn sign(&self, role: Role) {
        let row = self.row();
        // Relaxed: for people to read; the lock is what counts.
        row.role.store(role as u32, Ordering::Relaxed);
        row.pid.store(identity::pid(), Ordering::Relaxed);
        row.pid_namespace.store(identity::pid_namespace(), Ordering::Relaxed);
        row.joined_ns.store(identity::realtime_ns(), Ordering::Relaxed);
        if role == Role::Sender {
            // Relaxed: a receiver that asks looks again and again.
            self.segment.control().signals.senders_joined.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl Drop for Endpoint {
    fn drop(&mut self) {
        if !self.is_here() {
            // Our copy of the descriptor closes; the parent's keeps the lock.
            return;
        }
        set_state(self.row(), RowState::Free);
        if let Some(file) = &self.file {
            // Explicitly: a forked child may still hold the description. An error leaves a free row locked until then.
            let _ = lock::unlock(file, self.segment.row_lock_offset(self.row));
        }
    }
}

/// The row of a fixed place: the one or the other.
fn claim_fixed(segment: &Arc<Segment>, index: usize, role: Role) -> Result<Option<File>, JoinError> {
    let mut taken = 0;
    for _ in 0..TRIES {
        match claim(segment, index)? {
            Claimed::Yes(file) => return Ok(file),
            Claimed::Taken => taken += 1,
            Claimed::Busy => {}
        }
        if taken == TRIES_IF_TAKEN {
            break;
        }
        thread::sleep(SHORT_SLEEP);
    }
    Err(JoinError::Taken { role, pid: recovery::visible_pid(row(segment, index)) })
}

/// Any row behind the fixed ones: free ones first, then those of the dead.
fn claim_any(segment: &Arc<Segment>) -> Result<(usize, Option<File>), JoinError> {
    let rows = segment.header().geometry.rows as usize;
    for _ in 0..TRIES {
        let mut busy = false;
        for wanted in [RowState::Free, RowState::Joined, RowState::Recovering] {
            for index in FIXED_ROWS as usize..rows {
                if state(row(segment, index))? != wanted {
                    continue;
                }
                match claim(segment, index)? {
                    Claimed::Yes(file) => return Ok((index, file)),
                    Claimed::Taken => {}
                    Claimed::Busy => busy = true,
                }
            }
        }
        if !busy {
            break;
        }
        thread::sleep(SHORT_SLEEP);
    }
    Err(JoinError::TableFull { endpoints: segment.header().geometry.request.endpoints })
}

fn claim(segment: &Arc<Segment>, index: usize) -> Result<Claimed, JoinError> {
    match segment.file() {
        Some(_) => claim_by_lock(segment, index),
        None => Ok(claim_on_heap(row(segment, index))),
    }
}

fn claim_by_lock(segment: &Arc<Segment>, index: usize) -> Result<Claimed, JoinError> {
    let file = segment.reopen().map_err(os_error)?;
    let row = row(segment, index);
    if !lock::try_write(&file, segment.row_lock_offset(index)).map_err(os_error)? {
        return Ok(if state(row)? == RowState::Joined { Claimed::Taken } else { Claimed::Busy });
    }
    if state(row)? != RowState::Free {
        let ring = SharedRing::new(segment);
        recovery::recover_locked(&ring, index);
    }
    set_state(row, RowState::Joined);
    Ok(Claimed::Yes(Some(file)))
}

/// On the heap nobody dies alone, so the row's own word is lock enough.
fn claim_on_heap(row: &Row) -> Claimed {
    // Relaxed: only looked at, then exchanged.
    let now = row.state.load(Ordering::Relaxed);
    if RowState::of(now) != Some(RowState::Free) {
        return Claimed::Taken;
    }
    let joined = next_generation(now) | RowState::Joined as u64;
    // AcqRel: join, pairs with leave and join. Relaxed on failure: nothing is read.
    match row.state.compare_exchange(now, joined, Ordering::AcqRel, Ordering::Relaxed) {
        Ok(_) => Claimed::Yes(None),
        Err(_) => Claimed::Busy,
    }
}

/// Moves a row to `state`, under its lock. Each joining is a new generation.
pub(super) fn set_state(row: &Row, state: RowState) {
    // Relaxed: only the holder of the lock writes it.
    let now = row.state.load(Ordering::Relaxed);
    let generation = if state == RowState::Joined { next_generation(now) } else { now & !0xff };
    // Release: leave, pairs with join.
    row.state.store(generation | state as u64, Ordering::Release);
}

fn next_generation(bits: u64) -> u64 {
    (bits & !0xff).wrapping_add(0x100)
}

/// What a row is used for.
pub(super) fn state(row: &Row) -> Result<RowState, Fault> {
    // Acquire: join, pairs with leave and join.
    let bits = row.state.load(Ordering::Acquire);
    RowState::of(bits).ok_or(Fault::corrupt("state of an endpoint's row", RowState::Free as u64, bits & 0xff))
}

/// The row of that index, which comes from the checked geometry.
#[inline]
pub(super) fn row(segment: &Segment, index: usize) -> &Row {
    segment.row(index).expect("row indexes come from the geometry")
}

fn os_error(error: OsError) -> JoinError {
    match error.errno {
        libc::EMFILE | libc::ENFILE => JoinError::TooManyFiles,
        _ => JoinError::Os(error),
    }
}

impl From<Fault> for JoinError {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}
