//! Segments that nobody has open: telling, and removing them without a race against those who come.

use std::os::unix::fs::MetadataExt;

use super::Segment;
use super::access::may_unlink;
use crate::error::OsError;
use crate::os::lock;
use crate::os::shm::{self, MEMBERS_BYTE};

/// What came of the try to remove a segment that nobody uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Removal {
    /// It is gone.
    Removed,
    /// Somebody has it open.
    InUse,
    /// It is not as it was when it was judged, or another has its name.
    Changed,
    /// Only its owner may.
    NotPermitted,
}

impl Segment {
    /// Whether anybody but us has it open. Takes no lock. (Asked about the heap: nobody else can.)
    pub(crate) fn is_open_elsewhere(&self) -> Result<bool, OsError> {
        self.file().map_or(Ok(false), |file| lock::is_locked_by_other(file, MEMBERS_BYTE))
    }

    /// Removes it if nobody has it open and `is_still_unused` says so once nobody can come any more. For one that is
    /// only observed. As the last member of an ephemeral segment does: the exclusive lock first, then the mark, then
    /// the name; so whoever opens it is seen here, or sees the mark.
    ///
    /// # Errors
    /// The system refuses.
    pub(crate) fn remove_if_unused(&self, is_still_unused: impl FnOnce() -> bool) -> Result<Removal, OsError> {
        let Some(member) = &self.member else { return Ok(Removal::InUse) };
        let file = member.file();
        if !may_unlink(shm::status(file)?.uid()) {
            return Ok(Removal::NotPermitted);
        }
        if !lock::try_write(file, MEMBERS_BYTE)? {
            return Ok(Removal::InUse);
        }
        let removed = if is_still_unused() {
            member.mark_removed().and_then(|()| shm::unlink_if_same(member.name().as_str(), file))
        } else {
            Ok(false)
        };
        lock::unlock(file, MEMBERS_BYTE)?;
        Ok(if removed? { Removal::Removed } else { Removal::Changed })
    }
}
