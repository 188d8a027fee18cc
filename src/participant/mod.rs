//! Endpoints: how one joins, how it leaves, and how the dead are told from the slow.
//!
//! An endpoint is a row of the segment's table and a write lock on that row's first byte in the segment's file. The lock
//! is an open-file-description lock (`F_OFD_SETLK`, fcntl(2)): the kernel drops it when the last descriptor of the
//! description is closed, so when the process dies, at whatever instruction, and not before. Who gets the lock of a row
//! that is joined has therefore the proof that its owner is dead and the exclusive right to repair what that held,
//! both at once. If the repairer dies too, its lock goes with it and the next one starts over.
//!
//! Process numbers are kept for people to read. No decision rests on them.

mod endpoint;
mod memory;
mod recovery;

pub use endpoint::Endpoint;
pub use memory::SharedRing;
pub use recovery::{
    Liveness, any_alive, any_dead, any_recovering, liveness, recover_in_the_way, repair_all, sweep, visible_pid,
};
