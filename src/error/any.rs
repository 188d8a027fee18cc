//! One error for all operations.

use core::fmt;

use super::{CreateError, DescriptorError, JoinError, OpenError, RecvError, RemoveError, SendBatchError, SendError};

/// A queue that exists is not the one that was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mismatch {
    /// What differs.
    pub what: &'static str,
    /// What was asked for.
    pub expected: String,
    /// What the queue has.
    pub found: String,
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { what, expected, found } = self;
        write!(
            f,
            "the queue exists with another {what}: asked for {expected}, found {found}; ask for that, or remove the queue"
        )
    }
}

impl std::error::Error for Mismatch {}

/// Any of the library's errors, for programs that handle them all in one place. Each converts into it with `?`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// Making a queue.
    Create(CreateError),
    /// Opening one.
    Open(OpenError),
    /// A queue of other options or another type was found.
    Mismatch(Mismatch),
    /// Joining as an endpoint.
    Join(JoinError),
    /// Sending.
    Send(SendError),
    /// Sending many.
    SendBatch(SendBatchError),
    /// Receiving.
    Recv(RecvError),
    /// Removing a queue.
    Remove(RemoveError),
    /// Watching an endpoint from an event loop.
    Descriptor(DescriptorError),
}

impl Error {
    fn inner(&self) -> &(dyn std::error::Error + 'static) {
        match self {
            Self::Create(e) => e,
            Self::Open(e) => e,
            Self::Mismatch(e) => e,
            Self::Join(e) => e,
            Self::Send(e) => e,
            Self::SendBatch(e) => e,
            Self::Recv(e) => e,
            Self::Remove(e) => e,
            Self::Descriptor(e) => e,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self.inner(), f)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.inner().source()
    }
}

macro_rules! from {
    ($($variant:ident($error:ty)),* $(,)?) => {
        $(impl From<$error> for Error {
            fn from(error: $error) -> Self {
                Self::$variant(error)
            }
        })*
    };
}

from! {
    Create(CreateError),
    Open(OpenError),
    Mismatch(Mismatch),
    Join(JoinError),
    Send(SendError),
    SendBatch(SendBatchError),
    Recv(RecvError),
    Remove(RemoveError),
    Descriptor(DescriptorError),
}
