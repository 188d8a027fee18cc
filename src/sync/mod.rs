//! The one place that knows which atomics and locks are in use: the machine's, or loom's models of them.
//!
//! Everything above imports its atomics from here, and the locks that a model looks at. No `SeqCst` accesses are used anywhere (loom treats
//! them as `AcqRel`); total order comes from [`fence`] alone.

#[cfg(not(loom))]
pub use core::{
    hint::spin_loop,
    sync::atomic::{AtomicU32, AtomicU64, Ordering, compiler_fence, fence},
};
#[cfg(not(loom))]
pub use std::sync::{Mutex, MutexGuard};

#[cfg(loom)]
pub use loom::{
    hint::spin_loop,
    sync::atomic::{AtomicU32, AtomicU64, Ordering, fence},
    sync::{Mutex, MutexGuard},
};

/// In a model every step stays where it is written.
#[cfg(loom)]
pub fn compiler_fence(_order: Ordering) {}

/// Whether an exchange that has changed something orders all that comes before it before all that comes after it, as a sequentially consistent
/// fence does. Locked instructions do (Intel, *Software Developer's Manual* 3A, 9.2.3.9). Models put that fence behind the exchange.
pub const EXCHANGE_IS_FENCE: bool = cfg!(any(loom, target_arch = "x86_64"));

/// Says to the compiler that a branch is seldom taken, so that the other one is laid out in a row.
#[inline(always)]
pub fn likely(condition: bool) -> bool {
    if !condition {
        seldom();
    }
    condition
}

#[cold]
#[inline]
fn seldom() {}
