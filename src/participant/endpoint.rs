//! Joining and leaving.

use std::fs::File;
use std::sync::Arc;
use std::thread;

use super::file_lock::FileLock;
use super::row::{self, Claimed};
use super::{SharedRing, recovery};
use crate::error::{Fault, JoinError, OsError, Role};
use crate::layout::control::Row;
use crate::layout::geometry::{Ends, FIXED_ROWS};
use crate::layout::row_state::RowState;
use crate::os::{fork, identity};
use crate::segment::{RowPlace, Segment};
use crate::sync::Ordering;
use crate::wait::SHORT_SLEEP;

/// How often a lock is tried that somebody holds for an instant only, or for a repair, a millisecond apart.
const TRIES: u32 = 100;
/// How often a lock is tried whose holder lives: it may be just about to leave.
const TRIES_IF_TAKEN: u32 = 5;

/// One joined sender or receiver. Dropping it leaves.
pub struct Endpoint {
    row: usize,
    place: RowPlace,
    /// A file description of its own, for a lock of its own. `None` on the heap.
    file: Option<File>,
    fork_generation: u64,
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
        let endpoint = Self { row, place, file, fork_generation: fork::generation() };
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
            self.place.segment().control().signals.senders_joined.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl Drop for Endpoint {
    fn drop(&mut self) {
        if !self.is_here() {
            // Our copy of the descriptor closes; the parent's keeps the lock.
            return;
        }
        match &self.file {
            Some(file) => row::leave(&self.row().state, &FileLock::new(self.place.segment(), file, self.row)),
            None => leave_on_heap(self.row()),
        }
    }
}

/// The row of a fixed place: the one or the other.
fn claim_fixed(segment: &Arc<Segment>, index: usize, role: Role) -> Result<Option<File>, JoinError> {
    let mut taken = 0;
    for _ in 0..TRIES {
        match claim(segment, index)? {
            (Claimed::Yes, file) => return Ok(file),
            (Claimed::Taken, _) => taken += 1,
            (Claimed::Busy, _) => {}
        }
        if taken == TRIES_IF_TAKEN {
            break;
        }
        thread::sleep(SHORT_SLEEP);
    }
    Err(JoinError::Taken { role, pid: recovery::visible_pid(row_at(segment, index)) })
}

/// Any row behind the fixed ones: free ones first, then those of the dead.
fn claim_any(segment: &Arc<Segment>) -> Result<(usize, Option<File>), JoinError> {
    let rows = segment.header().geometry.rows as usize;
    for _ in 0..TRIES {
        let mut busy = false;
        for wanted in [RowState::Free, RowState::Joined, RowState::Recovering] {
            for index in FIXED_ROWS as usize..rows {
                if row::read(&row_at(segment, index).state)? != wanted {
                    continue;
                }
                match claim(segment, index)? {
                    (Claimed::Yes, file) => return Ok((index, file)),
                    (Claimed::Taken, _) => {}
                    (Claimed::Busy, _) => busy = true,
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

/// One try for one row, and the file description that carries its lock if it came off.
fn claim(segment: &Arc<Segment>, index: usize) -> Result<(Claimed, Option<File>), JoinError> {
    let row = row_at(segment, index);
    if segment.file().is_none() {
        return Ok((claim_on_heap(row), None));
    }
    let file = segment.reopen().map_err(os_error)?;
    let lock = FileLock::new(segment, &file, index);
    let claimed = row::join(&row.state, &lock, || recovery::recover_locked(&SharedRing::new(segment), index))?;
    Ok((claimed, Some(file)))
}

/// On the heap nobody dies alone, so the row's own word is lock enough.
fn claim_on_heap(row: &Row) -> Claimed {
    // Relaxed: only looked at, then exchanged.
    let now = row.state.load(Ordering::Relaxed);
    if RowState::of(now) != Some(RowState::Free) {
        return Claimed::Taken;
    }
    let joined = row::next_generation(now) | RowState::Joined as u64;
    // AcqRel: join, pairs with leave and join. Relaxed on failure: nothing is read.
    match row.state.compare_exchange(now, joined, Ordering::AcqRel, Ordering::Relaxed) {
        Ok(_) => Claimed::Yes,
        Err(_) => Claimed::Busy,
    }
}

fn leave_on_heap(row: &Row) {
    // Relaxed: it is ours.
    let generation = row.state.load(Ordering::Relaxed) & !0xff;
    // Release: leave, pairs with join.
    row.state.store(generation | RowState::Free as u64, Ordering::Release);
}

/// The row of that index, which comes from the checked geometry.
#[inline]
pub(super) fn row_at(segment: &Segment, index: usize) -> &Row {
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
