//! Sleeping on several words at once: `futex_waitv` (Linux 5.16), and what goes in its place where that is missing.

use core::ptr;
use core::time::Duration;

use super::futex::{self, Waited};
use crate::sync::{AtomicU32, AtomicU64, Ordering};

/// Words that one call takes (`FUTEX_WAITV_MAX` of `linux/futex.h`).
const MOST_WORDS: usize = 128;
/// The longest sleep where not every word can be slept on.
const STEP: Duration = Duration::from_millis(1);
/// `FUTEX_32` of `linux/futex.h`: words of 32 bits, shared between processes.
const FUTEX_32: u32 = 2;

/// `struct futex_waitv` of `linux/futex.h`.
#[repr(C)]
struct Waiter {
    value: u64,
    address: u64,
    flags: u32,
    reserved: u32,
}

/// `struct __kernel_timespec`, which has 64 bits on every machine.
#[repr(C)]
struct Time {
    seconds: i64,
    nanoseconds: i64,
}

/// Nonzero: the kernel has no such call, or we may not make it.
static MISSING: AtomicU64 = AtomicU64::new(0);

/// Sleeps while every word is what stands beside it, for at most `limit` by the monotonic clock. Where the kernel cannot
/// watch all of the words, it sleeps for a millisecond at most. Without words it just sleeps.
pub(crate) fn wait_any(words: &[(&AtomicU32, u32)], limit: Duration) -> Waited {
    match *words {
        [] => {
            std::thread::sleep(limit);
            Waited::TimedOut
        }
        [(word, expected)] => futex::wait(word, expected, Some(limit)),
        // Relaxed: the word is the whole message, and asking the kernel twice does no harm.
        _ if cfg!(miri) || MISSING.load(Ordering::Relaxed) != 0 => wait_first(words, limit),
        _ => {
            let limit = if words.len() > MOST_WORDS { limit.min(STEP) } else { limit };
            wait_all(&words[..words.len().min(MOST_WORDS)], limit)
        }
    }
}

fn wait_all(words: &[(&AtomicU32, u32)], limit: Duration) -> Waited {
    let waiter = |&(word, value): &(&AtomicU32, u32)| Waiter {
        value: value.into(),
        address: ptr::from_ref(word).addr() as u64,
        flags: FUTEX_32,
        reserved: 0,
    };
    let waiters: Vec<Waiter> = words.iter().map(waiter).collect();
    let until = after(limit);
    // SAFETY: the kernel reads the array and the time, both of which live for the whole call, and the words, which are
    // borrowed for it; it writes nothing.
    let rc = unsafe {
        libc::syscall(
            libc::SYS_futex_waitv,
            waiters.as_ptr(),
            waiters.len() as libc::c_uint,
            0 as libc::c_uint,
            ptr::from_ref(&until),
            libc::CLOCK_MONOTONIC,
        )
    };
    if rc >= 0 {
        return Waited::Woken;
    }
    match std::io::Error::last_os_error().raw_os_error() {
        Some(libc::EAGAIN) => Waited::Changed,
        Some(libc::ETIMEDOUT) => Waited::TimedOut,
        Some(libc::EINTR) => Waited::Interrupted,
        // No memory, at this moment.
        Some(libc::ENOMEM) => wait_first(words, limit),
        // An older kernel, or a filter of system calls.
        _ => {
            // Relaxed: see above.
            MISSING.store(1, Ordering::Relaxed);
            wait_first(words, limit)
        }
    }
}

/// The others are looked at after a step.
fn wait_first(words: &[(&AtomicU32, u32)], limit: Duration) -> Waited {
    futex::wait(words[0].0, words[0].1, Some(limit.min(STEP)))
}

/// That long from now, on the monotonic clock.
#[allow(clippy::unnecessary_cast, reason = "the fields have 32 bits on some machines")]
fn after(limit: Duration) -> Time {
    let mut now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `now` is a valid place for the time. The monotonic clock exists everywhere, so there is no error.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &raw mut now) };
    let nanoseconds = now.tv_nsec as i64 + i64::from(limit.subsec_nanos());
    let seconds = i64::try_from(limit.as_secs()).unwrap_or(i64::MAX);
    Time {
        seconds: (now.tv_sec as i64).saturating_add(seconds).saturating_add(nanoseconds / 1_000_000_000),
        nanoseconds: nanoseconds % 1_000_000_000,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_secs(20);

    fn sleeper_is_woken(wait: impl Fn(&[(&AtomicU32, u32)]) -> Waited + Sync, count: usize, changed: usize) {
        let words: Vec<AtomicU32> = (0..count).map(|_| AtomicU32::new(0)).collect();
        std::thread::scope(|scope| {
            let sleeper = scope.spawn(|| {
                while words[changed].load(Ordering::Relaxed) == 0 {
                    wait(&words.iter().map(|word| (word, 0)).collect::<Vec<_>>());
                }
            });
            std::thread::sleep(Duration::from_millis(5));
            words[changed].store(1, Ordering::Relaxed);
            futex::wake(&words[changed], 1);
            sleeper.join().unwrap();
        });
    }

    #[test]
    fn any_of_the_words_wakes() {
        for (count, changed) in [(1, 0), (2, 0), (2, 1), (128, 127), (129, 128), (300, 200)] {
            sleeper_is_woken(|words| wait_any(words, LONG), count, changed);
        }
    }

    #[test]
    fn without_the_call_it_looks_every_millisecond() {
        sleeper_is_woken(|words| wait_first(words, LONG), 3, 2);
    }

    #[test]
    fn a_changed_word_is_not_slept_on() {
        let words = [AtomicU32::new(1), AtomicU32::new(2), AtomicU32::new(3)];
        let expected = [(&words[0], 1), (&words[1], 2), (&words[2], 4)];
        let waited = wait_any(&expected, LONG);
        assert!(waited == Waited::Changed || MISSING.load(Ordering::Relaxed) != 0 || cfg!(miri), "{waited:?}");
    }

    #[test]
    fn time_passes() {
        let words = [AtomicU32::new(0), AtomicU32::new(0)];
        for count in 0..=2 {
            let expected: Vec<_> = words[..count].iter().map(|word| (word, 0)).collect();
            assert_eq!(wait_any(&expected, Duration::from_millis(2)), Waited::TimedOut);
        }
    }
}
