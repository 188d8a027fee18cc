//! Failures, and the exit status of each kind.

use std::fmt::Display;
use std::io;

use ringpost::{CreateError, Error, JoinError, OpenError, RecvError, RemoveError, SendError};

/// Why a command ended early.
#[derive(Debug)]
pub enum Failure {
    /// The library refused.
    Library(Error),
    /// The library refused to send more than these.
    Partly(u64, SendError),
    /// Reading input or writing output failed.
    Io(&'static str, io::Error),
    /// The arguments or the input do not fit.
    Usage(String),
    /// The input has a message that cannot be sent.
    Input(String),
    /// Nothing, or not everything, was done before the time was over.
    TimedOut(String),
    /// Whoever read our output has gone: that is theirs to decide, and nothing is said about it.
    OutputClosed,
    /// A report was written, and it is not a good one.
    Unhealthy(String),
    /// A signal ended a command before it was done.
    Interrupted(String),
}

impl Failure {
    /// The exit status, as `ringpost --help` lists them.
    pub fn status(&self) -> u8 {
        match self {
            Self::Library(error) => status(error),
            Self::Partly(_, error) => send_status(error),
            Self::Usage(_) => 2,
            Self::TimedOut(_) => 5,
            Self::Io(..) | Self::Input(_) | Self::OutputClosed | Self::Interrupted(_) | Self::Unhealthy(_) => 1,
        }
    }

    /// Says on standard error what went wrong.
    pub fn report(&self) {
        let say = |message: &dyn Display| eprintln!("ringpost: {message}");
        match self {
            Self::Library(error) => say(error),
            Self::Partly(sent, error) => eprintln!("ringpost: {sent} messages were sent, then: {error}"),
            Self::Io(what, error) => eprintln!("ringpost: {what}: {error}"),
            Self::Usage(text)
            | Self::Input(text)
            | Self::TimedOut(text)
            | Self::Interrupted(text)
            | Self::Unhealthy(text) => say(text),
            Self::OutputClosed => {}
        }
    }

    /// An error of standard output.
    pub fn output(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Self::OutputClosed,
            _ => Self::Io("writing standard output", error),
        }
    }
}

fn status(error: &Error) -> u8 {
    match error {
        Error::Create(e) => match e {
            CreateError::InvalidName { .. } | CreateError::InvalidOptions { .. } | CreateError::InvalidMode { .. } => 2,
            CreateError::AlreadyExists { .. } => 4,
            CreateError::NotPermitted { .. } => 7,
            _ => 1,
        },
        Error::Open(e) => match e {
            OpenError::InvalidName { .. } => 2,
            OpenError::NotFound { .. } | OpenError::Removed { .. } => 3,
            OpenError::Fault(_) => 6,
            OpenError::NameTaken { .. } | OpenError::NotPermitted { .. } | OpenError::InvalidMode { .. } => 7,
            _ => 1,
        },
        Error::Remove(e) => match e {
            RemoveError::InvalidName { .. } => 2,
            RemoveError::NotFound { .. } => 3,
            RemoveError::NameTaken { .. } | RemoveError::NotPermitted { .. } => 7,
            _ => 1,
        },
        Error::Mismatch(_) => 6,
        Error::Join(JoinError::Removed) => 3,
        Error::Join(JoinError::Fault(_)) | Error::Recv(RecvError::Fault(_)) => 6,
        Error::Send(e) => send_status(e),
        Error::SendBatch(e) => send_status(&e.error),
        Error::Recv(RecvError::Removed) => 3,
        _ => 1,
    }
}

fn send_status(error: &SendError) -> u8 {
    match error {
        SendError::Full { .. } | SendError::TimedOut => 5,
        SendError::Fault(_) => 6,
        SendError::Removed => 3,
        _ => 1,
    }
}

impl<E: Into<Error>> From<E> for Failure {
    fn from(error: E) -> Self {
        Self::Library(error.into())
    }
}
