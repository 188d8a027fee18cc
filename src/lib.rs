//! Messages between processes on one host through named shared memory.

pub mod error;
pub mod layout;
#[cfg(not(loom))]
#[allow(dead_code)] // Until the queue uses all of it.
mod os;
#[cfg(not(loom))]
#[allow(dead_code)] // Until the queue uses all of it.
mod segment;
#[doc(hidden)]
pub mod sync;
