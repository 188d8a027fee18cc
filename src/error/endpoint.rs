//! What can go wrong for a sender or a receiver.

use core::fmt;
use std::error::Error;

use super::{Fault, OsError};

/// Which end of a queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// It puts messages in.
    Sender = 1,
    /// It takes messages out.
    Receiver = 2,
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Sender => "sender",
            Self::Receiver => "receiver",
        })
    }
}

/// Why an endpoint could not join.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum JoinError {
    /// The queue allows one such end, and that lives.
    Taken {
        /// Which end.
        role: Role,
        /// Its process, if it is in our pid namespace; else 0.
        pid: u32,
    },
    /// As many endpoints as the queue allows have joined, and all live.
    TableFull {
        /// The most endpoints of this queue.
        endpoints: u64,
    },
    /// The queue's name has been removed: nobody else will come.
    Removed,
    /// The queue was opened in the parent of this process.
    Forked,
    /// This process, or the system, has no file descriptor left.
    TooManyFiles,
    /// The table of endpoints holds bytes that no correct process writes.
    Fault(Fault),
    /// A system call failed.
    Os(OsError),
}

impl fmt::Display for JoinError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Taken { role, pid: 0 } => {
                write!(
                    f,
                    "the queue allows a single {role}, and one lives in another pid namespace; end it first, or create the queue with multi {role}s"
                )
            }
            Self::Taken { role, pid } => {
                write!(
                    f,
                    "the queue allows a single {role}, and process {pid} is it; end it first, or create the queue with multi {role}s"
                )
            }
            Self::TableFull { endpoints } => {
                write!(f, "all {endpoints} endpoints of the queue are in use; end one, or create the queue with more")
            }
            Self::Removed => f.write_str("the queue has been removed; open or create it again"),
            Self::Forked => f.write_str("the queue was opened before this process was forked; open it again here"),
            Self::TooManyFiles => f.write_str(
                "no file descriptor is left, and each endpoint needs one; raise the limit (ulimit -n) or close some",
            ),
            Self::Fault(fault) => fault.fmt(f),
            Self::Os(error) => error.fmt(f),
        }
    }
}

impl Error for JoinError {}

/// Why a message was not sent. It is still the caller's.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SendError {
    /// The queue is full, and its policy or the call says not to wait.
    Full {
        /// Messages that it holds when full.
        capacity: u64,
    },
    /// The queue stayed full until the deadline.
    TimedOut,
    /// The queue is marked closed.
    Closed,
    /// The queue's name has been removed: nobody will come to receive.
    Removed,
    /// The message is longer than the queue's longest.
    TooLong {
        /// Bytes of the message.
        len: usize,
        /// Bytes of the longest message that fits.
        max_len: usize,
    },
    /// Every message of this queue has one length, and this is another.
    WrongLen {
        /// Bytes of the message.
        len: usize,
        /// Bytes of every message.
        expected: usize,
    },
    /// One live receiver has held the slot that must come free next for longer than the limit of
    /// [`set_stall_limit`](crate::Sender::set_stall_limit).
    Stalled {
        /// Its number.
        endpoint: u16,
        /// Its process, if it is in our pid namespace; else 0.
        pid: u32,
    },
    /// The wait was ended by the flag of [`set_interrupt`](crate::Sender::set_interrupt).
    Interrupted,
    /// The sender joined in the parent of this process.
    Forked,
    /// The segment holds bytes that no correct process writes.
    Fault(Fault),
}

impl fmt::Display for SendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Full { capacity } => {
                write!(f, "the queue is full: it holds {capacity} messages; receive some, or send with a timeout")
            }
            Self::TimedOut => f.write_str("the queue stayed full until the deadline; receive faster, or wait longer"),
            Self::Closed => {
                f.write_str("the queue is closed and takes no more messages; remove it and create it again")
            }
            Self::Removed => f.write_str("the queue has been removed; open or create it again"),
            Self::TooLong { len, max_len } => {
                write!(
                    f,
                    "the message has {len} bytes, and the queue takes at most {max_len}; create it with a larger max_len"
                )
            }
            Self::WrongLen { len, expected } => {
                write!(f, "the message has {len} bytes, and every message of this queue has {expected}")
            }
            Self::Stalled { endpoint, pid } => stalled_text(f, Role::Receiver, *endpoint, *pid),
            Self::Interrupted => f.write_str("interrupted while the queue was full"),
            Self::Forked => f.write_str("the sender joined before this process was forked; join again here"),
            Self::Fault(fault) => fault.fmt(f),
        }
    }
}

impl Error for SendError {}

/// Why a batch was not sent to its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SendBatchError {
    /// Messages that were sent, from the start of the batch.
    pub sent: usize,
    /// What happened to the next one.
    pub error: SendError,
}

impl fmt::Display for SendBatchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} messages of the batch were sent; then: {}", self.sent, self.error)
    }
}

impl Error for SendBatchError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.error)
    }
}

/// Why nothing was received, and nothing will be.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RecvError {
    /// The queue is marked closed, and empty.
    Closed,
    /// The queue is empty, senders had joined, and none is left; reported to receivers that asked for it.
    SendersGone,
    /// The queue's name has been removed, and it is empty.
    Removed,
    /// One live sender has held the next message unfinished for longer than the limit of
    /// [`set_stall_limit`](crate::Receiver::set_stall_limit).
    Stalled {
        /// Its number.
        endpoint: u16,
        /// Its process, if it is in our pid namespace; else 0.
        pid: u32,
    },
    /// The wait was ended by the flag of [`set_interrupt`](crate::Receiver::set_interrupt).
    Interrupted,
    /// The receiver joined in the parent of this process.
    Forked,
    /// The segment holds bytes that no correct process writes.
    Fault(Fault),
}

impl fmt::Display for RecvError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed => f.write_str("the queue is closed, and everything in it has been received"),
            Self::SendersGone => f.write_str("every sender has left, and everything in the queue has been received"),
            Self::Removed => f.write_str("the queue has been removed, and everything in it has been received"),
            Self::Stalled { endpoint, pid } => stalled_text(f, Role::Sender, *endpoint, *pid),
            Self::Interrupted => f.write_str("interrupted while the queue was empty"),
            Self::Forked => f.write_str("the receiver joined before this process was forked; join again here"),
            Self::Fault(fault) => fault.fmt(f),
        }
    }
}

impl Error for RecvError {}

fn stalled_text(f: &mut fmt::Formatter<'_>, role: Role, endpoint: u16, pid: u32) -> fmt::Result {
    match pid {
        0 => write!(f, "{role} {endpoint}, of another pid namespace, is in the way; continue it or end it")?,
        _ => write!(f, "{role} {endpoint}, process {pid}, is in the way; continue it or end it")?,
    }
    f.write_str(", or wait on")
}
