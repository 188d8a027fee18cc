//! A memory barrier on every running thread of every process that registered: the sleeper pays, not the waker.

/// `MEMBARRIER_CMD_GLOBAL_EXPEDITED` of `linux/membarrier.h`; `libc` has it for some systems only.
#[cfg(not(miri))]
const GLOBAL_EXPEDITED: libc::c_int = 1 << 1;
/// `MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED` of `linux/membarrier.h`.
#[cfg(not(miri))]
const REGISTER_GLOBAL_EXPEDITED: libc::c_int = 1 << 2;

/// Lets the barriers of others reach this process. `false`: the system cannot, so this process must fence itself.
/// Done once per process, and again in a forked child.
#[cfg(not(miri))]
pub(crate) fn register() -> bool {
    use crate::sync::{AtomicU64, Ordering};

    // Twice the fork generation that asked, plus one if it was granted.
    static ANSWER: AtomicU64 = AtomicU64::new(0);
    let generation = super::fork::generation();
    // Relaxed: the word is the whole message, and asking twice does no harm.
    let known = ANSWER.load(Ordering::Relaxed);
    if known >> 1 == generation {
        return known & 1 == 1;
    }
    let granted = call(REGISTER_GLOBAL_EXPEDITED);
    // Relaxed: see above.
    ANSWER.store(generation << 1 | u64::from(granted), Ordering::Relaxed);
    granted
}

/// Makes every thread of every registered process, and this one, pass a full memory barrier. `false`: it did not, and
/// the caller must assume that stores of others may still be on their way.
#[cfg(not(miri))]
pub(crate) fn barrier() -> bool {
    call(GLOBAL_EXPEDITED)
}

/// Miri has no such call.
#[cfg(miri)]
pub(crate) fn register() -> bool {
    false
}

/// Miri has no such call.
#[cfg(miri)]
pub(crate) fn barrier() -> bool {
    false
}

#[cfg(not(miri))]
fn call(command: libc::c_int) -> bool {
    let flags: libc::c_uint = 0;
    let cpu: libc::c_int = 0;
    // SAFETY: takes three numbers and touches no memory of ours.
    unsafe { libc::syscall(libc::SYS_membarrier, command, flags, cpu) == 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn registration_is_remembered_and_a_barrier_follows_it() {
        let registered = register();
        assert_eq!(register(), registered);
        assert_eq!(barrier(), registered);
    }
}
