#![cfg_attr(not(loom), doc = include_str!("../README.md"))]
#![cfg_attr(loom, doc = "Messages between processes on one host through named shared memory.")]

#[doc(hidden)]
pub mod layout;
#[doc(hidden)]
pub mod ring;
#[doc(hidden)]
pub mod sync;
#[doc(hidden)]
pub mod wait;

mod error;
#[cfg(not(loom))]
mod inspect;
#[cfg(not(loom))]
mod os;
#[cfg(not(loom))]
mod participant;
#[cfg(not(loom))]
mod payload;
#[cfg(not(loom))]
mod queue;
#[cfg(not(loom))]
mod segment;

pub use error::Fault;
#[cfg(not(loom))]
pub use zerocopy;
#[cfg(not(loom))]
pub use {
    error::{
        CreateError, Error, InvalidName, JoinError, Mismatch, OpenError, OsError, OutOfRange, RecvError, RemoveError,
        Role, SendBatchError, SendError,
    },
    inspect::{Counters, EndpointStat, Listed, Stat, Summary, list, remove, remove_with},
    layout::geometry::{Ends, WhenFull},
    participant::Liveness,
    payload::Payload,
    queue::{Batch, Held, IntoIter, Iter, Loan, Message, Options, Plan, Queue, Receiver, Sender},
    segment::Accept,
    wait::Wait,
};
