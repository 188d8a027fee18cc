//! The table of all that is compared.

use std::any::Any;

use anyhow::Result;
use serde::{Deserialize, Serialize};

use crate::cell::{Lane, Round, Task, Times};
use crate::control::Control;
use crate::crowd::{self, Member};
use crate::limits::buffers::Buffers;
use crate::limits::futex::Futex;
use crate::limits::{copy, line};
use crate::session;
use crate::transports::broken::{self, Broken};
use crate::transports::cycle::Cycle;
#[cfg(feature = "in-process")]
use crate::transports::in_process::{Array, Channel, Rtrb};
#[cfg(feature = "peers")]
use crate::transports::peers;
use crate::transports::{Able, Place, Side, Threads, Transport, packet, ringpost, stream};

/// What something is in the comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
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
    /// Something of another kind that only takes part where it is named, or where one thing is varied.
    Swept,
    /// A transport that does wrong, to show that the checks see it. Never part of a comparison.
    Broken,
}

impl Kind {
    /// Its name on the command line and in reports.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Limit => "limits",
            Self::Ringpost => "ringpost",
            Self::Peer => "peers",
            Self::System => "system",
            Self::InProcess => "in-process",
            Self::Swept => "swept",
            Self::Broken => "broken",
        }
    }
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
    /// The lanes that make sense.
    pub lanes: &'static [Lane],
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
        first: fn(&Task, &'static Control) -> Result<Vec<Round>>,
        /// The second side.
        second: fn(&Task, &'static Control) -> Result<Vec<Times>>,
        /// One of many senders or receivers.
        member: fn(&crowd::Task, Side, usize) -> Result<Member>,
    },
    /// In two threads of one process.
    Threads(fn(&Task, &'static Control) -> Result<Vec<Round>>),
}

/// The code of a transport between processes.
#[must_use]
pub fn processes<T: Transport>() -> Work {
    let (create, first, second) = (session::create::<T>, session::first::<T>, session::second::<T>);
    Work {
        able: T::ABLE,
        lanes: &Lane::ALL,
        refuses: T::refuses,
        run: Run::Processes { create, first, second, member: crowd::member::<T> },
    }
}

/// The code of a transport between threads.
#[must_use]
pub fn threads<T: Threads>() -> Work {
    Work { able: T::ABLE, lanes: &Lane::ALL, refuses: |_| None, run: Run::Threads(session::threads::<T>) }
}

/// For transports whose type has the number of 8-byte words as a parameter: one for each of the sizes.
macro_rules! by_size {
    ($run:ident, $type:ident) => {
        |len| match len {
            0x1_0000 => Some($run::<$type<0x2000>>()),
            0x10_0000 => Some($run::<$type<0x2_0000>>()),
            _ => small!($run, $type)(len),
        }
    };
}

/// The same for those that carry values no larger than 1 KiB.
macro_rules! small {
    ($run:ident, $type:ident) => {
        |len| match len {
            8 => Some($run::<$type<1>>()),
            48 => Some($run::<$type<6>>()),
            64 => Some($run::<$type<8>>()),
            1024 => Some($run::<$type<128>>()),
            _ => None,
        }
    };
}

/// For what differs with large messages alone.
macro_rules! large {
    ($type:ident) => {
        |len| match len {
            0x1_0000 => Some(processes::<$type<0x2000>>()),
            0x10_0000 => Some(processes::<$type<0x2_0000>>()),
            _ => None,
        }
    };
}

/// For values that are copied out of their slots: small ones only.
macro_rules! few {
    ($type:ident) => {
        |len| match len {
            8 => Some(processes::<$type<1>>()),
            48 => Some(processes::<$type<6>>()),
            64 => Some(processes::<$type<8>>()),
            _ => None,
        }
    };
}

#[cfg(feature = "peers")]
pub(crate) use {by_size, small};

/// Everything, in the order of reports.
pub const ENTRIES: &[Entry] = &[
    Entry {
        name: "line",
        kind: Kind::Limit,
        package: None,
        about: "a cache line for each direction, which holds a turn and the message",
        work: |len| match len {
            8 => Some(processes::<line::Line<1, false>>()),
            48 => Some(processes::<line::Line<6, false>>()),
            _ => None,
        },
    },
    Entry {
        name: "two-lines",
        kind: Kind::Limit,
        package: None,
        about: "two adjacent cache lines for each direction, since turn and message do not fit into one",
        work: |len| (len == 64).then(processes::<line::Line<8, false>>),
    },
    Entry {
        name: "same-line",
        kind: Kind::Limit,
        package: None,
        about: "one cache line for both directions, written in turn: no two messages could be on their way",
        work: |len| match len {
            8 => Some(processes::<line::Line<1, true>>()),
            48 => Some(processes::<line::Line<6, true>>()),
            _ => None,
        },
    },
    Entry {
        name: "futex",
        kind: Kind::Limit,
        package: None,
        about: "a shared number, futex wait and wake",
        work: |len| match len {
            8 => Some(processes::<Futex<2>>()),
            64 => Some(processes::<Futex<16>>()),
            _ => None,
        },
    },
    Entry {
        name: "buffers",
        kind: Kind::Limit,
        package: None,
        about: "as many bare buffers as the queues hold, and two counters",
        work: by_size!(processes, BareBuffers),
    },
    Entry {
        name: "buffers-owned",
        kind: Kind::Limit,
        package: None,
        about: "the same, whose reader writes a byte of each line as it stands before it hands them back",
        work: by_size!(processes, OwnedBuffers),
    },
    Entry {
        name: "memcpy",
        kind: Kind::Limit,
        package: None,
        about: "copies by one process, nothing is handed over",
        work: |_| {
            let (able, refuses, run) = (Able::LEAST, copy::refuses, Run::Threads(copy::run));
            Some(Work { able, lanes: &[Lane::One], refuses, run })
        },
    },
    ours(
        "ringpost-single",
        "single ends, bytes; loan and commit, recv_with or pull_some_with in place",
        raw::<false, false, true>,
    ),
    ours(
        "ringpost-single-copy",
        "single ends, bytes; send, recv_with or pull_some_with in place",
        raw::<false, false, false>,
    ),
    ours(
        "ringpost-single-typed",
        "single ends, values; send, recv_with or pull_some_with in place",
        by_size!(processes, SingleTyped),
    ),
    ours("ringpost-single-value", "single ends, values; send, recv_value", few!(SingleValue)),
    ours(
        "ringpost-single-typed-loan",
        "single ends, values; loan and commit, recv_with or pull_some_with in place",
        by_size!(processes, SingleTypedLoan),
    ),
    ours(
        "ringpost-single-packed",
        "single ends, values side by side (packed); send or send_slices_with, recv_with or pull_slices_with in place",
        few!(SinglePacked),
    ),
    ours(
        "ringpost-single-unowned",
        "single ends, values; loan and commit, recv_with in place, set_owning(false)",
        large!(SingleUnowned),
    ),
    ours(
        "ringpost-multi",
        "multi ends, 2 + 2 joined; bytes; loan and commit, recv_with or pull_some_with in place",
        raw::<true, true, true>,
    ),
    ours(
        "ringpost-multi-copy",
        "multi ends, 2 + 2 joined; bytes; send, recv_with or pull_some_with in place",
        raw::<true, true, false>,
    ),
    ours(
        "ringpost-multi-typed",
        "multi ends, 2 + 2 joined; values; send, recv_with or pull_some_with in place",
        by_size!(processes, MultiTyped),
    ),
    ours("ringpost-multi-value", "multi ends, 2 + 2 joined; values; send, recv_value", few!(MultiValue)),
    ours(
        "ringpost-multi-typed-loan",
        "multi ends, 2 + 2 joined; values; loan and commit, recv_with or pull_some_with in place",
        by_size!(processes, MultiTypedLoan),
    ),
    ours(
        "ringpost-multi-unowned",
        "multi ends, 2 + 2 joined; values; loan and commit, recv_with in place, set_owning(false)",
        large!(MultiUnowned),
    ),
    #[cfg(feature = "peers")]
    peers::SHAQ,
    #[cfg(feature = "peers")]
    peers::SHAQ_MANY,
    #[cfg(feature = "peers")]
    peers::RINGFIRE,
    #[cfg(feature = "peers")]
    peers::CLOUDTOID,
    #[cfg(feature = "peers")]
    peers::ICEORYX,
    #[cfg(feature = "peers")]
    peers::IPMPSC,
    #[cfg(feature = "peers")]
    peers::IPC_CHANNEL,
    #[cfg(feature = "aeron")]
    peers::AERON,
    Entry {
        name: "pipe",
        kind: Kind::System,
        package: None,
        about: "named pipe; write, read",
        work: |_| Some(processes::<stream::Pipe>()),
    },
    Entry {
        name: "unix-stream",
        kind: Kind::System,
        package: None,
        about: "Unix stream socket; write, read",
        work: |_| Some(processes::<stream::Socket>()),
    },
    Entry {
        name: "unix-seqpacket",
        kind: Kind::System,
        package: None,
        about: "Unix socket that keeps the bounds of messages; send, recv",
        work: |_| Some(processes::<packet::SeqPacket>()),
    },
    Entry {
        name: "posix-mq",
        kind: Kind::System,
        package: None,
        about: "POSIX message queue; mq_send, mq_receive",
        work: |_| Some(processes::<packet::Posix>()),
    },
    #[cfg(feature = "in-process")]
    Entry {
        name: "rtrb",
        kind: Kind::InProcess,
        package: Some("rtrb"),
        about: "one to one; push and pop up to 128 B and chunks above, chunks for batches",
        work: by_size!(threads, Rtrb),
    },
    #[cfg(feature = "in-process")]
    Entry {
        name: "array-queue",
        kind: Kind::InProcess,
        package: Some("crossbeam-queue"),
        about: "crossbeam ArrayQueue, many to many; push, pop",
        work: small!(threads, Array),
    },
    #[cfg(feature = "in-process")]
    Entry {
        name: "crossbeam-channel",
        kind: Kind::InProcess,
        package: Some("crossbeam-channel"),
        about: "bounded channel, many to many; try_send and try_recv, recv for sleepers",
        work: small!(threads, Channel),
    },
    mixed(
        "ringpost-one-to-many",
        "one sender, many receivers, bytes; loan and commit, recv_with or pull_some_with in place",
        raw::<false, true, true>,
    ),
    mixed(
        "ringpost-one-to-many-copy",
        "one sender, many receivers, bytes; send, recv_with or pull_some_with in place",
        raw::<false, true, false>,
    ),
    mixed(
        "ringpost-one-to-many-typed",
        "one sender, many receivers, values; send, recv_with or pull_some_with in place",
        small!(processes, OneToManyTyped),
    ),
    mixed("ringpost-one-to-many-value", "one sender, many receivers, values; send, recv_value", few!(OneToManyValue)),
    mixed(
        "ringpost-many-to-one",
        "many senders, one receiver, bytes; loan and commit, recv_with or pull_some_with in place",
        raw::<true, false, true>,
    ),
    mixed(
        "ringpost-many-to-one-copy",
        "many senders, one receiver, bytes; send, recv_with or pull_some_with in place",
        raw::<true, false, false>,
    ),
    mixed(
        "ringpost-many-to-one-typed",
        "many senders, one receiver, values; send, recv_with or pull_some_with in place",
        small!(processes, ManyToOneTyped),
    ),
    mixed("ringpost-many-to-one-value", "many senders, one receiver, values; send, recv_value", few!(ManyToOneValue)),
    Entry {
        name: "buffers-as-wide",
        kind: Kind::Swept,
        package: None,
        about: "bare buffers that take as much memory as ringpost's slots",
        work: |len| (len == 8).then(processes::<WideBuffers>),
    },
    Entry {
        name: "buffers-in-turn",
        kind: Kind::Swept,
        package: None,
        about: "many rows of such buffers, used in turn",
        work: |len| (len == 8).then(processes::<Cycle<WideBuffers>>),
    },
    Entry {
        name: "ringpost-single-in-turn",
        kind: Kind::Swept,
        package: Some("ringpost"),
        about: "many queues of single ends, values, used in turn",
        work: |len| (len == 8).then(processes::<Cycle<SingleTyped<1>>>),
    },
    Entry {
        name: "ringpost-multi-in-turn",
        kind: Kind::Swept,
        package: Some("ringpost"),
        about: "many queues of multi ends, values, used in turn",
        work: |len| (len == 8).then(processes::<Cycle<MultiTyped<1>>>),
    },
    broken("broken-loses", |_| Some(processes::<Broken<broken::Loses>>())),
    broken("broken-doubles", |_| Some(processes::<Broken<broken::Doubles>>())),
    broken("broken-tears", |_| Some(processes::<Broken<broken::Tears>>())),
    broken("broken-flips", |_| Some(processes::<Broken<broken::Flips>>())),
];

type BareBuffers<const WORDS: usize> = Buffers<WORDS, 0, false>;
type OwnedBuffers<const WORDS: usize> = Buffers<WORDS, 0, true>;
/// In ringpost's queues a word stands before each message.
type WideBuffers = Buffers<1, 1, false>;
type SingleTyped<const WORDS: usize> = ringpost::Typed<WORDS, false, false, false>;
type SingleTypedLoan<const WORDS: usize> = ringpost::Typed<WORDS, false, false, true>;
type SingleValue<const WORDS: usize> = ringpost::Value<WORDS, false, false>;
type SingleUnowned<const WORDS: usize> = ringpost::Unowned<WORDS, false, false>;
type MultiUnowned<const WORDS: usize> = ringpost::Unowned<WORDS, true, true>;
type SinglePacked<const WORDS: usize> = ringpost::Packed<WORDS>;
type MultiTyped<const WORDS: usize> = ringpost::Typed<WORDS, true, true, false>;
type MultiTypedLoan<const WORDS: usize> = ringpost::Typed<WORDS, true, true, true>;
type MultiValue<const WORDS: usize> = ringpost::Value<WORDS, true, true>;
type OneToManyTyped<const WORDS: usize> = ringpost::Typed<WORDS, false, true, false>;
type OneToManyValue<const WORDS: usize> = ringpost::Value<WORDS, false, true>;
type ManyToOneTyped<const WORDS: usize> = ringpost::Typed<WORDS, true, false, false>;
type ManyToOneValue<const WORDS: usize> = ringpost::Value<WORDS, true, false>;

fn raw<const SENDERS: bool, const RECEIVERS: bool, const LEND: bool>(_len: usize) -> Option<Work> {
    Some(processes::<ringpost::Raw<SENDERS, RECEIVERS, LEND>>())
}

const fn ours(name: &'static str, about: &'static str, work: fn(usize) -> Option<Work>) -> Entry {
    Entry { name, kind: Kind::Ringpost, package: Some("ringpost"), about, work }
}

/// Takes part where it is named.
const fn mixed(name: &'static str, about: &'static str, work: fn(usize) -> Option<Work>) -> Entry {
    Entry { kind: Kind::Swept, ..ours(name, about, work) }
}

const fn broken(name: &'static str, work: fn(usize) -> Option<Work>) -> Entry {
    Entry { name, kind: Kind::Broken, package: None, about: "does wrong, to show that the checks see it", work }
}

/// The line of that name.
#[must_use]
pub fn find(name: &str) -> Option<&'static Entry> {
    ENTRIES.iter().find(|entry| entry.name == name)
}

/// The name of a package and the version that this program was built with, where the lock file was there to tell.
#[must_use]
pub fn version(package: &str) -> String {
    let lock = include_str!(concat!(env!("OUT_DIR"), "/Cargo.lock"));
    let versions = lock.split("[[package]]").filter_map(|text| {
        let value = |key: &str| text.lines().find_map(|line| line.strip_prefix(key)?.strip_suffix('"'));
        (value("name = \"")? == package).then(|| value("version = \""))?
    });
    let versions: Vec<_> = versions.collect();
    if versions.is_empty() { package.to_owned() } else { format!("{package} {}", versions.join(" or ")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_versions_known() {
        for (index, entry) in ENTRIES.iter().enumerate() {
            assert!(ENTRIES[..index].iter().all(|other| other.name != entry.name), "{} is there twice", entry.name);
            assert!(entry.package.is_none_or(|package| version(package) != package), "{} is not locked", entry.name);
        }
        assert!(version("ringpost").starts_with("ringpost 0."));
    }
}
