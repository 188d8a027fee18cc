//! The operating system: the only place that knows which one it is.
//!
//! Thin, typed calls and no policy. What they are used for, and in which order, is decided above.

#[cfg(not(target_os = "linux"))]
compile_error!(
    "ringpost runs on Linux only: it needs open-file-description locks, shared futexes and linkat on shared memory, \
     which this system does not have"
);

pub(crate) mod draft;
pub(crate) mod eventfd;
pub(crate) mod fork;
pub(crate) mod futex;
pub(crate) mod identity;
pub(crate) mod leftover;
pub(crate) mod lock;
pub(crate) mod membarrier;
pub(crate) mod process;
pub(crate) mod processor;
pub(crate) mod shm;
pub(crate) mod thread;
pub(crate) mod waitv;

use nix::errno::Errno;

use crate::error::OsError;

/// Names the call that failed with `errno`.
pub(crate) fn failed(call: &'static str, errno: Errno) -> OsError {
    OsError { call, errno: errno as i32 }
}

/// Names the call of the standard library that failed.
pub(crate) fn failed_io(call: &'static str, error: &std::io::Error) -> OsError {
    // The standard library's own errors (a file that ends too early) have no number: EIO says as much.
    OsError { call, errno: error.raw_os_error().unwrap_or(libc::EIO) }
}
