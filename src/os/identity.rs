//! Who we are, what time it is, and random bits.

use std::time::SystemTime;

use crate::error::OsError;
use crate::sync::{AtomicU64, Ordering};

/// The effective user of this process.
pub(crate) fn effective_uid() -> u32 {
    nix::unistd::geteuid().as_raw()
}

/// This process, as its own pid namespace numbers it.
pub(crate) fn pid() -> u32 {
    std::process::id()
}

/// The inode of our pid namespace; zero if it cannot be known. A pid means nothing outside it.
pub(crate) fn pid_namespace() -> u64 {
    // A forked child may live in another namespace than its parent, so the answer is kept per fork generation. The
    // generation is written last and read first; a reader that meets a half-made pair asks the system itself.
    static INODE: AtomicU64 = AtomicU64::new(0);
    static KNOWN_IN: AtomicU64 = AtomicU64::new(0);
    let generation = super::fork::generation();
    // Acquire: namespace known, pairs with namespace found
    if KNOWN_IN.load(Ordering::Acquire) == generation {
        // Relaxed: made visible by the load above.
        return INODE.load(Ordering::Relaxed);
    }
    let inode = pid_namespace_now();
    // Relaxed: published by the store below. All threads of one generation store the same value.
    INODE.store(inode, Ordering::Relaxed);
    // Release: namespace found, pairs with namespace known
    KNOWN_IN.store(generation, Ordering::Release);
    inode
}

#[cfg(not(miri))]
fn pid_namespace_now() -> u64 {
    use std::os::unix::fs::MetadataExt;
    std::fs::metadata("/proc/self/ns/pid").map_or(0, |meta| meta.ino())
}

#[cfg(miri)]
fn pid_namespace_now() -> u64 {
    0
}

/// Random bits from the system.
///
/// # Errors
/// The system has none to give (a very old kernel, or a filter that forbids the call).
pub(crate) fn random_128() -> Result<u128, OsError> {
    let mut bytes = [0u8; 16];
    loop {
        // SAFETY: writes at most the 16 bytes of `bytes`, borrowed mutably for the whole call.
        let rc = unsafe { libc::getrandom(bytes.as_mut_ptr().cast(), bytes.len(), 0) };
        if rc == bytes.len() as isize {
            return Ok(u128::from_ne_bytes(bytes));
        }
        let error = std::io::Error::last_os_error();
        // Up to 256 bytes come whole or not at all; only a signal is worth another try.
        if rc >= 0 || error.raw_os_error() != Some(libc::EINTR) {
            return Err(super::failed_io("getrandom", &error));
        }
    }
}

/// Nanoseconds since 1970; zero if the clock stands before that.
pub(crate) fn realtime_ns() -> u64 {
    if cfg!(miri) {
        return 0;
    }
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    since.map_or(0, |time| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn random_bits_differ() {
        assert_ne!(random_128().unwrap(), random_128().unwrap());
    }

    #[test]
    fn the_pid_namespace_does_not_change() {
        assert_eq!(pid_namespace(), pid_namespace());
        assert_eq!(pid_namespace(), pid_namespace_now());
    }
}
