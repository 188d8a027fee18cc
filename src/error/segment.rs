//! What can go wrong with a segment as a whole: making, opening and removing it.

use core::fmt;

use super::{Fault, OutOfRange};

/// A system call that failed, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OsError {
    /// The call.
    pub call: &'static str,
    /// The system's number for what went wrong.
    pub errno: i32,
}

impl fmt::Display for OsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} failed: {}", self.call, std::io::Error::from_raw_os_error(self.errno))
    }
}

impl std::error::Error for OsError {}

/// A name that no segment can have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidName {
    /// What was given.
    pub name: String,
    /// What is wrong with it.
    pub why: &'static str,
}

impl fmt::Display for InvalidName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, why } = self;
        write!(f, "{name:?} is not a name: {why}; use 1 to 200 of A-Z a-z 0-9 . _ - and begin with a letter or a digit")
    }
}

impl std::error::Error for InvalidName {}

/// Why a segment could not be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CreateError {
    /// No segment can have this name.
    InvalidName(InvalidName),
    /// An option is outside its range.
    InvalidOptions(OutOfRange),
    /// The permissions would let somebody read who may not write, or keep the owner out.
    InvalidMode {
        /// The permission bits.
        mode: u32,
    },
    /// Something has the name already.
    AlreadyExists {
        /// The name.
        name: String,
    },
    /// The shared-memory file system, or a limit of this process, has no room for it.
    NoSpace {
        /// Bytes asked for.
        needed: u64,
        /// Bytes to be had.
        available: u64,
    },
    /// This user may not make shared memory here.
    NotPermitted {
        /// The name.
        name: String,
    },
    /// The system failed otherwise.
    Os(OsError),
}

impl fmt::Display for CreateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InvalidName(error) => error.fmt(f),
            Self::InvalidOptions(OutOfRange { what, found, least, most, remedy }) if least == most => {
                write!(f, "{what} should be {least}, found {found}; {remedy}")
            }
            Self::InvalidOptions(OutOfRange { what, found, least, most, remedy }) => {
                write!(f, "{what} should be from {least} to {most}, found {found}; {remedy}")
            }
            Self::InvalidMode { mode } => mode_text(f, *mode),
            Self::AlreadyExists { name } => {
                write!(f, "the name {name:?} should be free and is taken; open what is there, or remove it first")
            }
            Self::NoSpace { needed, available } => write!(
                f,
                "the segment needs {needed} bytes of shared memory, found {available}; ask for less, remove what is not used, or raise the limit"
            ),
            Self::NotPermitted { name } => write!(
                f,
                "no permission to make {name:?} in shared memory; run as a user who may write there, or change its permissions"
            ),
            Self::Os(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for CreateError {}

/// Why a segment could not be opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OpenError {
    /// No segment can have this name.
    InvalidName(InvalidName),
    /// Nothing has the name.
    NotFound {
        /// The name.
        name: String,
    },
    /// Something has the name that is not a segment, or is not made by anybody whom we accept.
    NameTaken {
        /// The name.
        name: String,
        /// The user who owns it.
        uid: u32,
        /// What it is.
        why: &'static str,
    },
    /// This user may not read and write it.
    NotPermitted {
        /// The name.
        name: String,
    },
    /// Its permissions let somebody read who may not write, who could then hold locks.
    InvalidMode {
        /// The permission bits.
        mode: u32,
    },
    /// Its bytes, or its size, are not those of a segment of this version.
    Fault(Fault),
    /// It is being removed, and its name is not free yet.
    Removed {
        /// The name.
        name: String,
    },
    /// The system failed otherwise.
    Os(OsError),
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InvalidName(error) => error.fmt(f),
            Self::NotFound { name } => not_found_text(f, name),
            Self::NameTaken { name, uid, why } => taken_text(f, name, *uid, why),
            Self::NotPermitted { name } => write!(
                f,
                "no permission to read and write {name:?}; run as its owner, or have it made for a group or for everyone"
            ),
            Self::InvalidMode { mode } => mode_text(f, *mode),
            Self::Fault(fault) => fault.fmt(f),
            Self::Removed { name } => {
                write!(f, "{name:?} should be open to members and is being removed; try again, or remove it")
            }
            Self::Os(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for OpenError {}

/// Why a segment could not be removed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RemoveError {
    /// No segment can have this name.
    InvalidName(InvalidName),
    /// Nothing has the name.
    NotFound {
        /// The name.
        name: String,
    },
    /// Something has the name that is not a segment, or is not made by anybody whom we accept. It is left alone.
    NameTaken {
        /// The name.
        name: String,
        /// The user who owns it.
        uid: u32,
        /// What it is.
        why: &'static str,
    },
    /// Only its owner and the superuser may remove it.
    NotPermitted {
        /// The name.
        name: String,
    },
    /// The system failed otherwise.
    Os(OsError),
}

impl fmt::Display for RemoveError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InvalidName(error) => error.fmt(f),
            Self::NotFound { name } => not_found_text(f, name),
            Self::NameTaken { name, uid, why } => taken_text(f, name, *uid, why),
            Self::NotPermitted { name } => {
                write!(f, "no permission to remove {name:?}; run as its owner or as the superuser")
            }
            Self::Os(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for RemoveError {}

fn not_found_text(f: &mut fmt::Formatter<'_>, name: &str) -> fmt::Result {
    write!(f, "there should be a segment {name:?} and there is none; create it, or wait for it")
}

fn taken_text(f: &mut fmt::Formatter<'_>, name: &str, uid: u32, why: &str) -> fmt::Result {
    write!(
        f,
        "the name {name:?} should be a segment of an accepted user and is {why}, owned by user {uid}; accept that user, use another name, or delete it by hand"
    )
}

fn mode_text(f: &mut fmt::Formatter<'_>, mode: u32) -> fmt::Result {
    write!(
        f,
        "permissions should let the owner, and each other class that may read, also write (0600, 0660, 0666), found {mode:04o}; change them"
    )
}

impl From<InvalidName> for CreateError {
    fn from(error: InvalidName) -> Self {
        Self::InvalidName(error)
    }
}

impl From<InvalidName> for OpenError {
    fn from(error: InvalidName) -> Self {
        Self::InvalidName(error)
    }
}

impl From<InvalidName> for RemoveError {
    fn from(error: InvalidName) -> Self {
        Self::InvalidName(error)
    }
}

impl From<OutOfRange> for CreateError {
    fn from(error: OutOfRange) -> Self {
        Self::InvalidOptions(error)
    }
}

impl From<Fault> for OpenError {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

impl From<OsError> for CreateError {
    fn from(error: OsError) -> Self {
        Self::Os(error)
    }
}

impl From<OsError> for OpenError {
    fn from(error: OsError) -> Self {
        Self::Os(error)
    }
}

impl From<OsError> for RemoveError {
    fn from(error: OsError) -> Self {
        Self::Os(error)
    }
}
