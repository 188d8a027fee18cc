//! Being one of those who have a segment open, and leaving: the last one out removes an ephemeral segment.
//!
//! A member holds a shared lock on the file's members byte. To leave, it first gives that lock back and then tries the
//! exclusive one. Of several that leave at once, whoever tries last finds nobody else, so at least one succeeds; that
//! one marks the file as removed, then unlinks it. Who joins takes its lock first and looks at the mark second: either
//! its lock keeps the leaver from succeeding, or it sees the mark. (Turning the shared lock into the exclusive one
//! without giving it back would be wrong: two leavers would each see the other and both walk away.)

use std::fs::File;
use std::os::unix::fs::{FileExt, MetadataExt};

use core::mem::offset_of;

use super::access::may_unlink;
use super::name::Name;
use crate::error::OsError;
use crate::layout::control::{CONTROL_OFFSET, Control, Signals};
use crate::os::shm::{self, MEMBERS_BYTE};
use crate::os::{failed_io, fork, lock};

const REMOVED_OFFSET: u64 = CONTROL_OFFSET + (offset_of!(Control, signals) + offset_of!(Signals, removed)) as u64;

/// One opening of a segment's file; leaves on drop, except in a forked child, where it is the parent's.
#[derive(Debug)]
pub(super) struct Membership {
    file: File,
    name: Name,
    ephemeral: bool,
    generation: u64,
}

impl Membership {
    /// Joins. `None`: the segment is being removed by its last member.
    pub(super) fn join(file: File, name: &Name, ephemeral: bool) -> Result<Option<Self>, OsError> {
        // The exclusive lock is held for a moment only, unless its holder is stopped.
        if !shm::patiently(|| lock::try_read(&file, MEMBERS_BYTE))? {
            return Ok(None);
        }
        Ok(Some(Self::locked(file, name, ephemeral)))
    }

    /// Joins with a file that has the shared lock already.
    pub(super) fn locked(file: File, name: &Name, ephemeral: bool) -> Self {
        Self { file, name: name.clone(), ephemeral, generation: fork::generation() }
    }

    /// One who only looks: no lock, and nothing to do when it goes.
    pub(super) fn observer(file: File, name: &Name) -> Self {
        Self { file, name: name.clone(), ephemeral: false, generation: fork::generation() }
    }

    pub(super) fn file(&self) -> &File {
        &self.file
    }

    pub(super) fn name(&self) -> &Name {
        &self.name
    }

    /// Whether the file is marked as removed.
    pub(super) fn is_removed(&self) -> Result<bool, OsError> {
        let mut word = [0; 8];
        self.file.read_exact_at(&mut word, REMOVED_OFFSET).map_err(|e| failed_io("pread", &e))?;
        Ok(u64::from_ne_bytes(word) != 0)
    }

    /// Marks the file as removed, for those who join later.
    pub(super) fn mark_removed(&self) -> Result<(), OsError> {
        self.file.write_all_at(&1u64.to_ne_bytes(), REMOVED_OFFSET).map_err(|e| failed_io("pwrite", &e))
    }

    fn leave(&self) -> Result<(), OsError> {
        lock::unlock(&self.file, MEMBERS_BYTE)?;
        if !lock::try_write(&self.file, MEMBERS_BYTE)? {
            return Ok(());
        }
        if !may_unlink(shm::status(&self.file)?.uid()) {
            // It stays, without members, for its owner or for whoever comes next.
            return Ok(());
        }
        self.mark_removed()?;
        shm::unlink_if_same(self.name.as_str(), &self.file).map(drop)
    }
}

impl Drop for Membership {
    fn drop(&mut self) {
        if self.ephemeral && self.generation == fork::generation() {
            // There is nobody to tell. What fails here is finished by the next who opens or leaves.
            let _ = self.leave();
        }
    }
}
