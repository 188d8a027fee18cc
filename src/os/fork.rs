//! Which side of a fork we are on.
//!
//! A child inherits the mapping, the descriptors and, with them, the locks of its parent, but it is nobody's
//! endpoint. So whoever joins remembers [`generation`], and whoever acts compares it first.
//!
//! Not noticed: children made by a raw `clone` or `vfork`, which run no fork handlers.

#[cfg(not(miri))]
use crate::sync::{AtomicU64, Ordering};

/// Zero until the handler is registered, so that reading it is also the check for that.
#[cfg(not(miri))]
static GENERATION: AtomicU64 = AtomicU64::new(0);

/// A number that differs between a process and its forked children. Never zero.
#[inline]
pub(crate) fn generation() -> u64 {
    #[cfg(miri)]
    return 1;
    #[cfg(not(miri))]
    // Relaxed: it changes only in a child that has one thread yet; there is nothing to be ordered with.
    match GENERATION.load(Ordering::Relaxed) {
        0 => register(),
        now => now,
    }
}

/// Whether `generation`, which [`generation`] once said, is still ours: one load.
#[inline]
pub(crate) fn is_ours(generation: u64) -> bool {
    #[cfg(miri)]
    return generation == 1;
    #[cfg(not(miri))]
    // Relaxed: see above. Whoever has a number has registered the handler.
    {
        GENERATION.load(Ordering::Relaxed) == generation
    }
}

#[cfg(not(miri))]
#[cold]
fn register() -> u64 {
    // Two threads may both get here; the handler then counts by two, which tells a child apart as well. A lock would
    // be worse: a child forked while it is held would wait for it for ever.
    //
    // SAFETY: `in_child` is a function of this program that does nothing but one atomic addition, which is allowed
    // between fork and exec. A failure (no memory) is ignored: a child is then not told apart, as without us.
    let _ = unsafe { libc::pthread_atfork(None, None, Some(in_child)) };
    // Relaxed: see `generation`.
    GENERATION.fetch_max(1, Ordering::Relaxed).max(1)
}

#[cfg(not(miri))]
extern "C" fn in_child() {
    // Relaxed: see `generation`.
    GENERATION.fetch_add(1, Ordering::Relaxed);
}

#[cfg(all(test, not(miri)))]
mod tests {
    use super::*;

    #[test]
    fn a_child_is_of_another_generation() {
        let before = generation();
        // SAFETY: the child calls nothing but an atomic load and `_exit`.
        let pid = unsafe { libc::fork() };
        if pid == 0 {
            let differs = generation() != before;
            // SAFETY: ends the child at once, without running the parent's destructors.
            unsafe { libc::_exit(i32::from(!differs)) };
        }
        let mut status = 0;
        // SAFETY: `status` is a valid place for the exit status of our own child.
        let waited = unsafe { libc::waitpid(pid, &raw mut status, 0) };
        assert_eq!((waited, status), (pid, 0));
        assert_eq!(generation(), before);
    }
}
