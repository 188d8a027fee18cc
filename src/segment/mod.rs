//! A segment: a piece of memory that several processes share under one name, laid out as `layout/` says.
//!
//! What holds for every [`Segment`]:
//! * its memory has at least `header().geometry.total` bytes and stays mapped while the `Segment` lives;
//! * `header()` is a private copy that was checked once; what peers write later cannot change it;
//! * a shared lock on the file's members byte says that we have it open, so that an ephemeral segment lives while
//!   anybody uses it. The kernel drops the lock when we die. One that was only [observed](Segment::observe) has no lock.
//!
//! What does not hold: that other processes are well-behaved. Whoever may write the file may write anything into it,
//! and may cut it short, which kills those who touch the missing part.

mod access;
mod create;
mod fetch;
mod heap;
mod list;
mod mapping;
mod members;
mod name;
mod open;
mod remove;
mod slots;
#[cfg(all(test, not(miri)))]
mod tests;
mod unused;

use core::fmt;
use core::mem::size_of;
use core::ptr::NonNull;
use std::fs::File;
use std::os::unix::fs::MetadataExt;
use std::sync::Arc;

pub use access::Accept;
pub(crate) use {
    create::Spec,
    list::list,
    name::Name,
    remove::remove,
    slots::{Slot, Slots},
    unused::Removal,
};

use crate::error::OsError;
use crate::layout::control::{CONTROL_OFFSET, Control, Row, TABLE_OFFSET};
use crate::layout::header::Header;
use crate::os::{fork, shm};
use crate::sync::Ordering;
use mapping::Region;
use members::Membership;

/// A segment that this process has open, or its heap twin.
pub(crate) struct Segment {
    header: Header,
    region: Region,
    /// `None`: the heap twin, which no other process sees.
    member: Option<Membership>,
    /// The process that has it open: its forked children do not.
    generation: u64,
}

impl Segment {
    /// What it is: a private, checked copy.
    #[inline]
    pub(crate) fn header(&self) -> &Header {
        &self.header
    }

    /// The shared cursors and signals.
    #[inline]
    pub(crate) fn control(&self) -> &Control {
        // SAFETY: every planned segment has room for the control block at this page-aligned place, and the block
        // consists of atomics and of bytes that nobody reads.
        unsafe { self.region.at(CONTROL_OFFSET) }
    }

    /// The endpoint row with this index; `None` past the end of the table.
    #[inline]
    pub(crate) fn row(&self, index: usize) -> Option<&Row> {
        if index as u64 >= self.header.geometry.rows {
            return None;
        }
        // SAFETY: the geometry has room for `rows` rows from here, which is a multiple of their alignment, and a row
        // consists of atomics and of bytes that nobody reads.
        Some(unsafe { self.region.at(self.row_lock_offset(index)) })
    }

    /// Where the endpoint row with this index is, for as long as that lives; `None` past the end of the table.
    pub(crate) fn place_of_row(self: &Arc<Self>, index: usize) -> Option<RowPlace> {
        let row = NonNull::from(self.row(index)?);
        Some(RowPlace { row, segment: Arc::clone(self) })
    }

    /// The byte of the file that the endpoint with this row locks: the row's first. Who joins or repairs locks the next, too.
    #[inline]
    pub(crate) fn row_lock_offset(&self, index: usize) -> u64 {
        TABLE_OFFSET + (index * size_of::<Row>()) as u64
    }

    /// Access to the slots, for as long as the view lives.
    pub(crate) fn slots(self: &Arc<Self>) -> Slots {
        Slots::new(Arc::clone(self))
    }

    /// The file; `None` for a heap twin. Its description may hold the members lock: take other locks on a [`Self::reopen`]ed one.
    pub(crate) fn file(&self) -> Option<&File> {
        self.member.as_ref().map(Membership::file)
    }

    /// The permission bits of its file and the user who owns it; `None` for a heap twin, or if they cannot be had.
    pub(crate) fn mode_and_owner(&self) -> Option<(u32, u32)> {
        let meta = shm::status(self.file()?).ok()?;
        Some((meta.mode() & 0o777, meta.uid()))
    }

    /// The name; `None` for a heap twin.
    pub(crate) fn name(&self) -> Option<&Name> {
        self.member.as_ref().map(Membership::name)
    }

    /// A new open file description of the segment's file, for locks of its own. Works after the name is gone.
    ///
    /// # Errors
    /// No descriptors left (`EMFILE`), no right to the file any more, or a heap twin, which has no file (`EBADF`).
    pub(crate) fn reopen(&self) -> Result<File, OsError> {
        match &self.member {
            Some(member) => shm::reopen(member.file(), Some(member.name().as_str())),
            None => Err(OsError { call: "open", errno: libc::EBADF }),
        }
    }

    /// Whether this is still the process that opened it, and not a forked child.
    pub(crate) fn is_here(&self) -> bool {
        self.generation == fork::generation()
    }

    /// Whether the name has been removed. Those who still hold the segment may go on using what is in it.
    #[inline]
    pub(crate) fn is_removed(&self) -> bool {
        // Relaxed: a flag by itself; whoever must not miss it sleeps on an event that is moved after it.
        self.control().signals.removed.load(Ordering::Relaxed) != 0
    }
}

/// One row of the table, as the hot path sees it. Keeps the segment mapped.
pub(crate) struct RowPlace {
    row: NonNull<Row>,
    segment: Arc<Segment>,
}

// SAFETY: a row consists of atomics, and the segment that it lies in is `Send` and `Sync` and kept by the `Arc`.
unsafe impl Send for RowPlace {}
// SAFETY: as for `Send`.
unsafe impl Sync for RowPlace {}

impl RowPlace {
    #[inline]
    pub(crate) fn row(&self) -> &Row {
        // SAFETY: it was a reference into the segment, which we keep.
        unsafe { self.row.as_ref() }
    }

    /// The segment that it lies in.
    pub(crate) fn segment(&self) -> &Arc<Segment> {
        &self.segment
    }
}

impl fmt::Debug for Segment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Segment").field("name", &self.name()).field("header", &self.header).finish_non_exhaustive()
    }
}
