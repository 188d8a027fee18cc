//! Messages between processes on one host through named shared memory.

pub mod error;
pub mod layout;
#[doc(hidden)]
pub mod sync;
