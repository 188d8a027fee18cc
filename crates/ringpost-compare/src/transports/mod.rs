//! What carries messages from one process to another, one file for each.
//!
//! # How to write an adapter
//!
//! Implement [`Transport`] for an empty type in a file of its own, and add a line to the table in `registry.rs`.
//!
//! * [`create`](Transport::create) runs in the first process, before the two that are measured start. What it returns is
//!   dropped when they have ended: it removes whatever was made. Keep to names that begin with [`Place::name`], or files in
//!   [`Place::dir`], which the harness removes itself.
//! * [`sender`](Transport::sender) and [`receiver`](Transport::receiver) run in the two processes, at the same time. Either
//!   may wait for the other, with [`Place::until`].
//! * All of it by the fastest documented interface, written in place where there is one ([`Able::in_place`]). Where there is
//!   not, `fill` writes to a buffer of the adapter's own, and that is sent.
//! * A call returns when it has done what it is for. Between two polls it calls [`Idle::pause`], and after a sleep that
//!   ended by the clock [`Idle::look`]: both give up when the other process has been silent for too long.
//! * Nothing is done in a quiet way: a wrong length, a full queue that drops, an error of the library are errors here.
//! * What the library cannot do is said in [`Transport::ABLE`] or [`Transport::refuses`] with a reason, and never imitated. A loop
//!   over single messages is not a batch.
//! * A type that the library must know at compile time is a parameter of the adapter: `Typed<const WORDS: usize>`
//!   with `[u64; WORDS]`, put in the table by `by_size!(processes, Typed)`.
//! * The queue holds [`Place::depth`] messages, and where the library must round, the nearest that it allows.

pub mod broken;
pub mod cycle;
#[cfg(feature = "in-process")]
pub mod in_process;
pub mod packet;
#[cfg(feature = "peers")]
pub mod peers;
pub mod ringpost;
pub mod stream;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Result;
use serde::{Deserialize, Serialize};

use crate::idle::Idle;

/// Where a transport is to be made, and what it is to carry.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Place {
    /// A name that nothing else has: lowercase letters, digits and `-`, at most 40 bytes.
    pub name: String,
    /// An empty folder in memory, removed by the harness.
    pub dir: PathBuf,
    /// Bytes of each message: a multiple of 8.
    pub len: usize,
    /// Messages that the queue is to hold: a power of two.
    pub depth: usize,
    /// Endpoints that are to be joined on each side: one works, the others are idle.
    pub joined: usize,
    /// Queues that are used in turn: one, but where that number is varied.
    pub queues: usize,
    /// How an end waits.
    pub wait: Waiting,
    /// Whether messages go there and back, one at a time, and which side this is. Adapters seldom need it.
    pub trip: Option<Side>,
}

/// Which part one of the two processes plays.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Side {
    /// Leads, and sends what goes one way.
    First,
    /// Follows.
    Second,
}

/// How an end waits for messages and for room.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Waiting {
    /// It polls without pause. `send`, `send_batch`, `recv` and `recv_batch` are called.
    Spin,
    /// The same where there is one processor only: it polls, but gives that away soon, where it can. The same calls.
    Share,
    /// It sleeps in the kernel. `send_asleep` and `recv_asleep` are called.
    Sleep,
}

impl Place {
    /// The same with another name, for the second of two queues.
    #[must_use]
    pub fn called(&self, suffix: &str) -> Self {
        Self { name: format!("{}-{suffix}", self.name), ..self.clone() }
    }

    /// The place of the queue that leads from the first side to the second.
    #[must_use]
    pub fn there(&self, side: Side) -> Self {
        Self { trip: self.trip.map(|_| side), ..self.called("there") }
    }

    /// The place of the queue that leads back.
    #[must_use]
    pub fn back(&self, side: Side) -> Self {
        Self { trip: self.trip.map(|_| side), ..self.called("back") }
    }

    /// The one place for what needs no second.
    pub(crate) fn both_ways(&self) -> Self {
        let name = self.name.rsplit_once('-').map_or(&*self.name, |(name, _)| name);
        Self { name: format!("{name}-there"), ..self.clone() }
    }

    /// A file of this place.
    #[must_use]
    pub fn file(&self, suffix: &str) -> PathBuf {
        self.dir.join(format!("{}.{suffix}", self.name))
    }

    /// Tries until it works, for ten seconds at most: for an end that can only be joined once the other side stands.
    ///
    /// # Errors
    /// The last error of `attempt`.
    pub fn until<T>(&self, mut attempt: impl FnMut() -> Result<T>) -> Result<T> {
        let start = std::time::Instant::now();
        loop {
            match attempt() {
                Ok(done) => return Ok(done),
                Err(error) if start.elapsed() > Duration::from_secs(10) => return Err(error),
                Err(_) => std::thread::sleep(Duration::from_millis(1)),
            }
        }
    }
}

/// Whether a transport can do something, or why not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Support {
    /// It can.
    Yes,
    /// It cannot, for this reason.
    No(&'static str),
}

/// What a transport can do.
#[derive(Clone, Copy, Debug)]
pub struct Able {
    /// Many messages in one call.
    pub batch: Support,
    /// A receiver that sleeps in the kernel.
    pub sleep: Support,
    /// Several sending and several receiving processes at one queue, each message to one of them.
    pub many: Support,
    /// Whether messages are written and read where they lie, with no copy. Only for the report.
    pub in_place: bool,
}

impl Able {
    /// One sender and one receiver that poll, one by one, with copies.
    pub const LEAST: Self = Self {
        batch: Support::No("no interface for batches"),
        sleep: Support::No("no receive that sleeps"),
        many: Support::No("one sender and one receiver only"),
        in_place: false,
    };
}

/// One way to carry messages between two processes.
pub trait Transport: 'static {
    /// What it can do.
    const ABLE: Able = Able::LEAST;
    /// What `create` made, and removes when it is dropped.
    type Guard: 'static;
    /// The end that sends.
    type Tx: Tx;
    /// The end that receives.
    type Rx: Rx;

    /// Why it cannot carry what the place asks for.
    fn refuses(_place: &Place) -> Option<String> {
        None
    }

    /// Makes what both processes will open.
    ///
    /// # Errors
    /// It cannot be made.
    fn create(place: &Place) -> Result<Self::Guard>;

    /// Joins as the sender.
    ///
    /// # Errors
    /// It cannot be joined.
    fn sender(place: &Place) -> Result<Self::Tx>;

    /// Joins as the receiver.
    ///
    /// # Errors
    /// It cannot be joined.
    fn receiver(place: &Place) -> Result<Self::Rx>;
}

/// The end that sends. Each call returns when the messages are on their way.
pub trait Tx {
    /// Sends one message, which `fill` writes: all of [`Place::len`] bytes. Polls while there is no room.
    ///
    /// # Errors
    /// It could not be sent.
    fn send(&mut self, fill: impl FnOnce(&mut [u8]), idle: &mut Idle) -> Result<()>;

    /// Sends `count` messages in as few calls as the library allows. `fill` is called once for each, in order, with its number
    /// from 0. Polls while there is no room.
    ///
    /// # Errors
    /// They could not be sent, or there are no batches.
    fn send_batch(&mut self, _count: usize, _fill: impl FnMut(usize, &mut [u8]), _idle: &mut Idle) -> Result<()> {
        anyhow::bail!("no interface for batches")
    }

    /// Sends one message to a receiver that may be asleep. Sleeps while there is no room.
    ///
    /// # Errors
    /// It could not be sent.
    fn send_asleep(&mut self, fill: impl FnOnce(&mut [u8]), idle: &mut Idle) -> Result<()> {
        self.send(fill, idle)
    }
}

/// The end that receives.
pub trait Rx {
    /// Takes one message, polling until it comes, and shows it to `read` once.
    ///
    /// # Errors
    /// Nothing can be received.
    fn recv(&mut self, read: impl FnOnce(&[u8]), idle: &mut Idle) -> Result<()>;

    /// Takes at least one and at most `most` messages in as few calls as the library allows, polling until the first comes,
    /// and shows them to `read` in order. Says how many.
    ///
    /// # Errors
    /// Nothing can be received, or there are no batches.
    fn recv_batch(&mut self, _most: usize, _read: impl FnMut(&[u8]), _idle: &mut Idle) -> Result<usize> {
        anyhow::bail!("no interface for batches")
    }

    /// Takes one message, sleeping in the kernel until it comes, for some 50 ms at most where that can be told: `false` if
    /// none has come by then.
    ///
    /// # Errors
    /// Nothing can be received, or there is no sleep.
    fn recv_asleep(&mut self, _read: impl FnOnce(&[u8])) -> Result<bool> {
        anyhow::bail!("no receive that sleeps")
    }
}

/// A way to carry messages between two threads, for comparison only.
pub trait Threads: 'static {
    /// What it can do.
    const ABLE: Able = Able::LEAST;
    /// The end that sends.
    type Tx: Tx + Send;
    /// The end that receives.
    type Rx: Rx + Send;

    /// Makes both ends.
    ///
    /// # Errors
    /// They cannot be made.
    fn pair(place: &Place) -> Result<(Self::Tx, Self::Rx)>;
}
