//! Errors. Each operation has a small one of its own; each says what was expected, what was found and what to do.

#[cfg(not(loom))]
mod any;
#[cfg(not(loom))]
mod descriptor;
#[cfg(not(loom))]
mod endpoint;
#[cfg(not(loom))]
mod segment;

#[cfg(not(loom))]
pub use any::{Error, Mismatch};
#[cfg(not(loom))]
pub use descriptor::DescriptorError;
#[cfg(not(loom))]
pub use endpoint::{JoinError, RecvError, Role, SendBatchError, SendError};
#[cfg(not(loom))]
pub use segment::{CreateError, InvalidName, OpenError, OsError, RemoveError};

use core::fmt;

/// A value that cannot be used, and the range of those that can.
#[cfg(not(loom))]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutOfRange {
    /// Which value.
    pub what: &'static str,
    /// What it was.
    pub found: u64,
    /// The least that it may be.
    pub least: u64,
    /// The most that it may be.
    pub most: u64,
    /// What to do.
    pub remedy: &'static str,
}

#[cfg(not(loom))]
impl OutOfRange {
    /// What to do about an option that is outside its range.
    pub(crate) const CHANGE: &'static str = "change that option";
}

/// Bytes that no correct process writes, or that this version does not understand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault {
    /// `true`: the bytes are wrong. `false`: they are of another version, byte order or kind.
    pub corrupt: bool,
    /// Which value.
    pub what: &'static str,
    /// What it had to be, or the nearest value that would do.
    pub expected: u64,
    /// What it was.
    pub found: u64,
}

impl Fault {
    /// Bytes that no correct process writes.
    pub const fn corrupt(what: &'static str, expected: u64, found: u64) -> Self {
        Self { corrupt: true, what, expected, found }
    }

    /// Bytes of another version, byte order or kind.
    pub const fn incompatible(what: &'static str, expected: u64, found: u64) -> Self {
        Self { corrupt: false, what, expected, found }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { what, expected, found, .. } = self;
        if self.corrupt {
            write!(
                f,
                "the segment is corrupt: {what} should be {expected:#x}, found {found:#x}; remove the queue and create it again"
            )
        } else {
            write!(
                f,
                "the segment is incompatible: {what} should be {expected:#x}, found {found:#x}; use the version of ringpost that made it, or remove the queue"
            )
        }
    }
}

impl std::error::Error for Fault {}
