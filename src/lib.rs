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
#[cfg(loom)]
pub mod participant;
#[cfg(not(loom))]
mod payload;
#[cfg(not(loom))]
mod queue;
#[cfg(not(loom))]
mod segment;

pub use error::Fault;
#[cfg(all(not(loom), feature = "tokio"))]
pub use queue::{AsyncReceiver, AsyncSender};
#[cfg(not(loom))]
pub use zerocopy;
#[cfg(not(loom))]
pub use {
    error::{
        CreateError, DescriptorError, Error, InvalidName, JoinError, Mismatch, OpenError, OsError, OutOfRange,
        RecvError, RemoveError, Role, SendBatchError, SendError,
    },
    inspect::{
        Counters, Diagnosis, EndpointReport, EndpointStat, Holder, Holding, Inspector, Listed, Peek, PeekState, Peeked,
        Reason, Stale, StaleRules, Stat, Stuck, Summary, Swept, Temporary, list, remove, remove_stale, remove_with,
        temporaries,
    },
    layout::geometry::{Ends, WhenFull},
    participant::Liveness,
    payload::Payload,
    queue::{Batch, Held, IntoIter, Iter, Loan, Message, Options, Plan, Queue, Receiver, Sender, Waitable, wait_any},
    segment::Accept,
    wait::Wait,
};
