//! The table of all that is compared.

use std::any::Any;

use anyhow::Result;

use crate::cell::{Lane, Round, Task};
use crate::control::Control;
use crate::session;
use crate::transports::{Able, Place, Threads, Transport, ringpost, unix};

/// What something is in the comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// What the machine could do without any queue.
    Limit,
    /// ringpost, in one of its forms.
    Ringpost,
    /// Another library between processes.
    Peer,
    /// What the operating system offers.
    System,
    /// Between threads of one process: no peer, but a mark to aim at.
    InProcess,
    /// A transport that does wrong, to show that the checks see it. Never part of a comparison.
    Broken,
}

/// One line of the table.
pub struct Entry {
    /// Its name on the command line and in reports.
    pub name: &'static str,
    /// What it is.
    pub kind: Kind,
    /// The package whose version is reported.
    pub package: Option<&'static str>,
    /// How it is used.
    pub about: &'static str,
    /// How messages of that length are carried; `None`: not at all.
    pub work: fn(usize) -> Option<Work>,
}

/// The code of a transport.
pub struct Work {
    /// What it can do.
    pub able: Able,
    /// Why it cannot carry what a place asks for.
    pub refuses: fn(&Place) -> Option<String>,
    /// How it runs.
    pub run: Run,
}

/// How a transport runs.
pub enum Run {
    /// In two processes.
    Processes {
        /// Makes what both open.
        create: fn(&Place, Lane) -> Result<Box<dyn Any>>,
        /// The first side.
        first: fn(&Task, &Control) -> Result<Vec<Round>>,
        /// The second side.
        second: fn(&Task, &Control) -> Result<()>,
    },
    /// In two threads of one process.
    Threads(fn(&Task, &Control) -> Result<Vec<Round>>),
}

/// The code of a transport between processes.
#[must_use]
pub fn processes<T: Transport>() -> Work {
    let (create, first, second) = (session::create::<T>, session::first::<T>, session::second::<T>);
    Work { able: T::ABLE, refuses: T::refuses, run: Run::Processes { create, first, second } }
}

/// The code of a transport between threads.
#[must_use]
pub fn threads<T: Threads>() -> Work {
    Work { able: T::ABLE, refuses: |_| None, run: Run::Threads(session::threads::<T>) }
}

#[allow(unused_macros)]
/// For transports whose type has the number of 8-byte words as a parameter: one for each of the sizes.
macro_rules! by_size {
    ($type:ident) => {
        |len| match len {
            8 => Some(processes::<$type<1>>()),
            48 => Some(processes::<$type<6>>()),
            64 => Some(processes::<$type<8>>()),
            1024 => Some(processes::<$type<128>>()),
            0x1_0000 => Some(processes::<$type<0x2000>>()),
            0x10_0000 => Some(processes::<$type<0x2_0000>>()),
            _ => None,
        }
    };
}
#[allow(unused_imports)]
pub(crate) use by_size;

/// Everything, in the order of reports.
pub const ENTRIES: &[Entry] = &[
    Entry {
        name: "ringpost-single",
        kind: Kind::Ringpost,
        package: Some("ringpost"),
        about: "single ends, bytes; loan and commit, recv in place",
        work: |_| Some(processes::<ringpost::Raw<false>>()),
    },
    Entry {
        name: "unix-stream",
        kind: Kind::System,
        package: None,
        about: "Unix stream socket, read and write",
        work: |_| Some(processes::<unix::Stream>()),
    },
];

/// The line of that name.
#[must_use]
pub fn find(name: &str) -> Option<&'static Entry> {
    ENTRIES.iter().find(|entry| entry.name == name)
}
