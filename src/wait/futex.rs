//! Waiting with the kernel's help.

use core::time::Duration;

use super::Parking;
use crate::os::{futex, membarrier, waitv};
use crate::sync::{AtomicU32, Ordering, compiler_fence, fence};

/// The kernel's futex, with `membarrier` as the waiter's barrier where that can be had.
#[derive(Clone, Copy, Debug)]
pub struct Futex {
    /// This process answers to the waiters' barrier.
    registered: bool,
}

impl Futex {
    /// Registers this process for the barrier of waiters in any process.
    pub fn register() -> Self {
        Self { registered: membarrier::register() }
    }
}

impl Parking for Futex {
    fn park(&self, word: &AtomicU32, expected: u32, limit: Duration) {
        futex::wait(word, expected, Some(limit));
    }

    fn park_any(&self, words: &[(&AtomicU32, u32)], limit: Duration) {
        waitv::wait_any(words, limit);
    }

    fn unpark(&self, word: &AtomicU32, count: u32) -> u32 {
        futex::wake(word, count) as u32
    }

    fn heavy_barrier(&self) -> bool {
        fence(Ordering::SeqCst);
        membarrier::barrier()
    }

    fn settled_barrier(&self) {
        fence(Ordering::SeqCst);
    }

    /// A waker in a process that could not register pays for a fence itself, so that waiters need not know.
    #[inline]
    fn light_barrier(&self) {
        if !self.registered {
            fence_instead();
        }
        compiler_fence(Ordering::SeqCst);
    }
}

/// Not a part of the short ways.
#[cold]
#[inline(never)]
fn fence_instead() {
    fence(Ordering::SeqCst);
}
