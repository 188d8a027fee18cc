//! The lock of a row in the segment's file.

use std::fs::File;

use super::row::{Locked, RowLock};
use crate::error::JoinError;
use crate::os::lock;
use crate::segment::Segment;

/// The bytes of one row, through one description.
pub(super) struct FileLock<'a> {
    file: &'a File,
    offset: u64,
}

impl<'a> FileLock<'a> {
    /// That of row `index`.
    pub(super) fn new(segment: &Segment, file: &'a File, index: usize) -> Self {
        Self { file, offset: segment.row_lock_offset(index) }
    }
}

impl RowLock for FileLock<'_> {
    type Error = JoinError;

    fn try_both(&self) -> Result<bool, JoinError> {
        lock::try_write_all(self.file, self.offset, 2).map_err(JoinError::Os)
    }

    fn keep_first(&self) -> Result<(), JoinError> {
        lock::unlock(self.file, self.offset + 1).map_err(JoinError::Os)
    }

    fn give_back(&self) -> Result<(), JoinError> {
        lock::unlock_all(self.file, self.offset, 2).map_err(JoinError::Os)
    }

    fn locked(&self) -> Result<Locked, JoinError> {
        Ok(match lock::other_lock(self.file, self.offset, 2).map_err(JoinError::Os)? {
            None => Locked::Nothing,
            Some(first) if first == (self.offset, 1) => Locked::First,
            Some(_) => Locked::Both,
        })
    }
}
