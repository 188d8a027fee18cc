//! What the kernel's futex does, for loom: the words are compared and the sleeper queued in one step.

use core::time::Duration;

use loom::sync::atomic::{AtomicU32, Ordering, fence};
use loom::sync::{Condvar, Mutex};
use ringpost::wait::Parking;

/// All futex queues of a model. Sleeps have no limit here, so a lost wake-up is a deadlock, which loom reports.
///
/// A sleeper on several words stands in the queue of each. A wake-up takes it out of one; out of the others it takes
/// itself, once it runs again, so that until then another waker counts it once more. The kernel does the same.
#[derive(Default)]
pub struct Kernel {
    state: Mutex<State>,
    wake: Condvar,
    /// Somebody has gone to sleep.
    asleep: Condvar,
    /// Who finds the mark settled passes no fence.
    settled_is_enough: bool,
    /// The barrier of wakers is the compiler's only.
    wakers_pass_nothing: bool,
}

#[derive(Default)]
struct State {
    /// Who sleeps on which word, in order of coming.
    queued: Vec<(u64, *const AtomicU32)>,
    /// Those that have been woken and do not run yet.
    woken: Vec<u64>,
    next: u64,
}

// SAFETY: the addresses are compared and never followed.
unsafe impl Send for State {}

impl Kernel {
    /// In which who finds the mark settled passes no fence: the barrier of the one who settled it must do.
    pub fn settled_is_enough() -> Self {
        Self { settled_is_enough: true, ..Self::default() }
    }

    /// In which wakers pass no barrier, as with `membarrier`: for wakers that wait for those whom they wake to be asleep, so that the mark stands.
    pub fn wakers_pass_nothing() -> Self {
        Self { wakers_pass_nothing: true, ..Self::default() }
    }

    /// Waits until so many sleep.
    pub fn wait_for_sleepers(&self, count: usize) {
        let mut state = self.state.lock().expect("no thread panics with the lock");
        while state.queued.len() < count {
            state = self.asleep.wait(state).expect("no thread panics with the lock");
        }
    }

    fn sleep(&self, words: &[(&AtomicU32, u32)]) {
        let mut state = self.state.lock().expect("no thread panics with the lock");
        if words.iter().any(|(word, expected)| word.load(Ordering::Relaxed) != *expected) {
            return;
        }
        let sleeper = state.next;
        state.next += 1;
        state.queued.extend(words.iter().map(|(word, _)| (sleeper, core::ptr::from_ref(*word))));
        if self.wakers_pass_nothing {
            self.asleep.notify_all();
        }
        while !state.woken.contains(&sleeper) {
            state = self.wake.wait(state).expect("no thread panics with the lock");
        }
        state.woken.retain(|woken| *woken != sleeper);
        state.queued.retain(|(queued, _)| *queued != sleeper);
    }
}

impl Parking for Kernel {
    fn park(&self, word: &AtomicU32, expected: u32, _limit: Duration) {
        self.sleep(&[(word, expected)]);
    }

    fn park_any(&self, words: &[(&AtomicU32, u32)], _limit: Duration) {
        self.sleep(words);
    }

    fn unpark(&self, word: &AtomicU32, count: u32) -> u32 {
        let mut state = self.state.lock().expect("no thread panics with the lock");
        let mut woken = 0;
        while woken < count
            && let Some(at) = state.queued.iter().position(|(_, queued)| core::ptr::eq(*queued, word))
        {
            let (sleeper, _) = state.queued.remove(at);
            state.woken.push(sleeper);
            woken += 1;
        }
        if woken > 0 {
            self.wake.notify_all();
        }
        woken
    }

    fn heavy_barrier(&self) -> bool {
        fence(Ordering::SeqCst);
        true
    }

    fn settled_barrier(&self) {
        if !self.settled_is_enough {
            fence(Ordering::SeqCst);
        }
    }

    fn light_barrier(&self) {
        if !self.wakers_pass_nothing {
            fence(Ordering::SeqCst);
        }
    }
}
