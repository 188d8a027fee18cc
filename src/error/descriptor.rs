//! What can go wrong with a pollable descriptor.

use core::fmt;
use std::error::Error;

use super::OsError;

/// Why an endpoint has no pollable descriptor.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DescriptorError {
    /// The endpoint joined in the parent of this process; so its helper thread is there, too.
    Forked,
    /// This process, or the system, has no file descriptor left.
    TooManyFiles,
    /// A system call failed: most likely the one that starts a thread.
    Os(OsError),
}

impl fmt::Display for DescriptorError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Forked => f.write_str("the endpoint joined before this process was forked; join again here"),
            Self::TooManyFiles => f.write_str(
                "no file descriptor is left, and a pollable endpoint needs one more; raise the limit (ulimit -n) or close some",
            ),
            Self::Os(error) => error.fmt(f),
        }
    }
}

impl Error for DescriptorError {}

impl From<OsError> for DescriptorError {
    fn from(error: OsError) -> Self {
        match error.errno {
            libc::EMFILE | libc::ENFILE => Self::TooManyFiles,
            _ => Self::Os(error),
        }
    }
}
