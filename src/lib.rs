//! Messages between processes on one host through named shared memory.

#[doc(hidden)]
pub mod error;
#[doc(hidden)]
pub mod layout;
#[doc(hidden)]
pub mod ring;
#[doc(hidden)]
pub mod sync;
#[doc(hidden)]
pub mod wait;

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
