//! Sleeping on a word of shared memory, and waking who sleeps on it.
//!
//! The futexes are shared (no `FUTEX_PRIVATE_FLAG`): the sleeper and the waker may be different processes that have
//! the word at different addresses.

use core::ptr;
use core::time::Duration;

use crate::sync::AtomicU32;

/// Why [`wait`] came back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Waited {
    /// Somebody woke us, or it was spurious: look again.
    Woken,
    /// The word was not what we expected to sleep on.
    Changed,
    /// The time is over.
    TimedOut,
    /// A signal was handled.
    Interrupted,
}

/// Sleeps while `word` is `expected`, for at most `timeout` (by the monotonic clock; `None`: for ever).
pub(crate) fn wait(word: &AtomicU32, expected: u32, timeout: Option<Duration>) -> Waited {
    let limit = timeout.map(timespec);
    let limit = limit.as_ref().map_or(ptr::null(), ptr::from_ref);
    let address = ptr::from_ref(word);
    // SAFETY: the kernel reads the word and the time, both borrowed for the whole call; it writes nothing.
    let rc =
        unsafe { libc::syscall(libc::SYS_futex, address, libc::FUTEX_WAIT, expected, limit, ptr::null::<u32>(), 0u32) };
    if rc == 0 {
        return Waited::Woken;
    }
    match std::io::Error::last_os_error().raw_os_error() {
        Some(libc::EAGAIN) => Waited::Changed,
        Some(libc::ETIMEDOUT) => Waited::TimedOut,
        Some(libc::EINTR) => Waited::Interrupted,
        // Nothing else can happen with a valid address and time; looking again is always allowed.
        _ => Waited::Changed,
    }
}

/// Wakes at most `count` of those who sleep on `word`; says how many it woke.
pub(crate) fn wake(word: &AtomicU32, count: u32) -> usize {
    let count = i32::try_from(count).unwrap_or(i32::MAX);
    // SAFETY: the kernel uses the address as a key only; it neither reads nor writes the word.
    let rc = unsafe { libc::syscall(libc::SYS_futex, ptr::from_ref(word), libc::FUTEX_WAKE, count) };
    usize::try_from(rc).unwrap_or(0)
}

fn timespec(time: Duration) -> libc::timespec {
    libc::timespec {
        tv_sec: libc::time_t::try_from(time.as_secs()).unwrap_or(libc::time_t::MAX),
        // Below 1e9, which every `c_long` holds.
        tv_nsec: time.subsec_nanos() as libc::c_long,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sync::Ordering;

    #[test]
    fn a_changed_word_is_not_slept_on() {
        assert_eq!(wait(&AtomicU32::new(2), 1, None), Waited::Changed);
    }

    #[test]
    fn time_passes() {
        let word = AtomicU32::new(0);
        assert_eq!(wait(&word, 0, Some(Duration::from_millis(5))), Waited::TimedOut);
        assert_eq!(wake(&word, u32::MAX), 0);
    }

    #[test]
    fn a_sleeper_is_woken() {
        let word = AtomicU32::new(0);
        std::thread::scope(|scope| {
            let sleeper = scope.spawn(|| {
                while word.load(Ordering::Relaxed) == 0 {
                    wait(&word, 0, None);
                }
            });
            std::thread::sleep(Duration::from_millis(5));
            word.store(1, Ordering::Relaxed);
            wake(&word, 1);
            sleeper.join().unwrap();
        });
    }

    #[test]
    fn the_longest_time_is_accepted() {
        let word = AtomicU32::new(1);
        assert_eq!(wait(&word, 0, Some(Duration::MAX)), Waited::Changed);
    }
}
