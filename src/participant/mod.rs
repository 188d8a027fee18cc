//! Endpoints: how one joins, how it leaves, and how the dead are told from the slow.
//!
//! An endpoint is a row of the segment's table and a write lock on that row's first byte in the segment's file. The lock
//! is an open-file-description lock (`F_OFD_SETLK`, fcntl(2)): the kernel drops it when the last descriptor of the
//! description is closed, so when the process dies, at whatever instruction, and not before. Who gets the lock of a row
//! that is joined has therefore the proof that its owner is dead and the exclusive right to repair what that held,
//! both at once. If the repairer dies too, its lock goes with it and the next one starts over. While it repairs, it has the
//! second byte as well, so that it does not pass for an owner: see `row`.
//!
//! Process numbers are kept for people to read. No decision rests on them.

#[cfg(not(loom))]
mod endpoint;
#[cfg(not(loom))]
mod file_lock;
#[cfg(not(loom))]
mod memory;
#[cfg(not(loom))]
mod owning;
#[cfg(not(loom))]
mod recovery;
pub mod row;

#[cfg(not(loom))]
pub use endpoint::Endpoint;
#[cfg(not(loom))]
pub use memory::SharedRing;
#[cfg(not(loom))]
pub use recovery::{
    Liveness, Sweep, any_alive, any_dead, any_under_way, liveness, recover_in_the_way, repair_all, visible_pid,
};
