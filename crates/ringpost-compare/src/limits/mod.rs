//! What the machine could do with no queue at all.

pub mod buffers;
pub mod copy;
pub mod futex;
pub mod line;
pub(crate) mod map;
