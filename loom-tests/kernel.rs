//! What the kernel's futex does, for loom: the word is compared and the sleeper queued in one step.

use core::time::Duration;

use loom::sync::atomic::{AtomicU32, Ordering, fence};
use loom::sync::{Condvar, Mutex};
use ringpost::wait::Parking;

/// One futex queue. Sleeps have no limit here, so a lost wake-up is a deadlock, which loom reports.
#[derive(Default)]
pub struct Kernel {
    state: Mutex<State>,
    wake: Condvar,
}

#[derive(Default)]
struct State {
    asleep: u32,
    /// Wake-ups handed out and not yet used.
    woken: u32,
}

impl Parking for Kernel {
    fn park(&self, word: &AtomicU32, expected: u32, _limit: Duration) {
        let mut state = self.state.lock().expect("no thread panics with the lock");
        if word.load(Ordering::Relaxed) != expected {
            return;
        }
        state.asleep += 1;
        while state.woken == 0 {
            state = self.wake.wait(state).expect("no thread panics with the lock");
        }
        state.woken -= 1;
    }

    fn unpark(&self, _word: &AtomicU32, count: u32) -> u32 {
        let mut state = self.state.lock().expect("no thread panics with the lock");
        let woken = count.min(state.asleep);
        state.asleep -= woken;
        state.woken += woken;
        if woken > 0 {
            self.wake.notify_all();
        }
        woken
    }

    fn heavy_barrier(&self) -> bool {
        fence(Ordering::SeqCst);
        true
    }

    fn light_barrier(&self) {
        fence(Ordering::SeqCst);
    }
}
