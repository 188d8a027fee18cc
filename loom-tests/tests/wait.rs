//! No wake-up is lost: in these models nobody ever wakes by the clock, so one lost would be a deadlock.
#![cfg(loom)]

use std::sync::Arc;

use loom::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use loom::thread;
use ringpost::wait::{Attempt, Before, Deadline, Wait, notify, notify_all, until};
use ringpost_loom::{Kernel, explore};

/// A counter to take from, with a place to sleep: the smallest thing that can be waited for.
struct Shelf {
    kernel: Kernel,
    event: AtomicU32,
    items: AtomicU64,
}

impl Shelf {
    fn new() -> Arc<Self> {
        Arc::new(Self { kernel: Kernel::default(), event: AtomicU32::new(0), items: AtomicU64::new(0) })
    }

    /// For wakers that leave nothing to others: then a settled mark needs no fence.
    fn without_calls() -> Arc<Self> {
        let kernel = Kernel::settled_is_enough();
        Arc::new(Self { kernel, event: AtomicU32::new(0), items: AtomicU64::new(0) })
    }

    /// Puts one, and wakes two if there are.
    fn put_aloud(&self) {
        self.items.fetch_add(1, Ordering::Relaxed);
        notify(&self.kernel, &self.event, 2, Before::Nothing);
    }

    fn put(&self, count: u64) {
        self.items.fetch_add(count, Ordering::Relaxed);
        notify(&self.kernel, &self.event, count as u32, Before::Nothing);
    }

    /// Takes one, or learns that there are none and will be none.
    fn try_take(&self) -> bool {
        let mut now = self.items.load(Ordering::Relaxed);
        while now > 0 {
            match self.items.compare_exchange(now, now - 1, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => return true,
                Err(other) => now = other,
            }
        }
        false
    }

    fn take(&self) {
        let taken = until(&self.kernel, &self.event, Wait::Sleep, Deadline::NEVER, |phase| {
            if !self.try_take() {
                return Attempt::Blocked { soon: false };
            }
            // The baton: what wakers have left to us is for others, too.
            if phase.has_slept() && self.items.load(Ordering::Relaxed) > 0 {
                notify(&self.kernel, &self.event, 1, Before::Nothing);
            }
            Attempt::Done(())
        });
        assert_eq!(taken, Some(()));
    }
}

#[test]
fn one_waits_for_two() {
    explore(Some(4), || {
        let shelf = Shelf::new();
        let other = Arc::clone(&shelf);
        let putting = thread::spawn(move || {
            other.put(1);
            other.put(1);
        });
        shelf.take();
        shelf.take();
        putting.join().expect("the waker panicked");
    });
}

#[test]
fn two_wait_for_one_each_from_two() {
    explore(Some(2), || {
        let shelf = Shelf::new();
        let threads: Vec<_> = (0..3)
            .map(|i| {
                let shelf = Arc::clone(&shelf);
                thread::spawn(move || if i == 0 { shelf.take() } else { shelf.put(1) })
            })
            .collect();
        shelf.take();
        threads.into_iter().for_each(|thread| thread.join().expect("a thread panicked"));
    });
}

/// The second of two single messages may be left to whoever was called for the first.
#[test]
fn two_wait_for_one_each_from_one() {
    explore(Some(2), || {
        let shelf = Shelf::new();
        let (one, two) = (Arc::clone(&shelf), Arc::clone(&shelf));
        let taking = thread::spawn(move || one.take());
        let putting = thread::spawn(move || {
            two.put(1);
            two.put(1);
        });
        shelf.take();
        taking.join().expect("the waiter panicked");
        putting.join().expect("the waker panicked");
    });
}

#[test]
fn a_mark_that_goes_is_not_settled_any_more() {
    explore(Some(4), || {
        let shelf = Shelf::without_calls();
        let other = Arc::clone(&shelf);
        let putting = thread::spawn(move || {
            other.put_aloud();
            other.put_aloud();
        });
        shelf.take();
        shelf.take();
        putting.join().expect("the waker panicked");
    });
}

#[test]
fn who_finds_the_mark_settled_needs_no_barrier() {
    explore(Some(2), || {
        let shelf = Shelf::without_calls();
        let (one, two) = (Arc::clone(&shelf), Arc::clone(&shelf));
        let taking = thread::spawn(move || one.take());
        let putting = thread::spawn(move || {
            two.put_aloud();
            two.put_aloud();
        });
        shelf.take();
        taking.join().expect("the waiter panicked");
        putting.join().expect("the waker panicked");
    });
}

/// A sleeper was killed: its mark stands, nobody sleeps, and a call finds nobody.
#[test]
fn a_call_that_nobody_hears_does_not_stand() {
    explore(Some(3), || {
        let shelf = Shelf::new();
        shelf.event.store(1, Ordering::Relaxed);
        let other = Arc::clone(&shelf);
        let taking = thread::spawn(move || {
            other.take();
            other.take();
        });
        shelf.put(1);
        shelf.put(1);
        taking.join().expect("the waiter panicked");
    });
}

#[test]
fn two_wait_for_two_at_once() {
    explore(Some(3), || {
        let shelf = Shelf::new();
        let (one, two) = (Arc::clone(&shelf), Arc::clone(&shelf));
        let taking = thread::spawn(move || one.take());
        let putting = thread::spawn(move || two.put(2));
        shelf.take();
        taking.join().expect("the waiter panicked");
        putting.join().expect("the waker panicked");
    });
}

#[test]
fn everyone_learns_of_the_end() {
    explore(Some(3), || {
        let shelf = Shelf::new();
        let wait = |shelf: &Shelf| {
            let ended = until(&shelf.kernel, &shelf.event, Wait::Sleep, Deadline::NEVER, |_| {
                match shelf.items.load(Ordering::Relaxed) {
                    0 => Attempt::Blocked { soon: false },
                    _ => Attempt::Done(()),
                }
            });
            assert_eq!(ended, Some(()));
        };
        let threads: Vec<_> = (0..2)
            .map(|_| {
                let shelf = Arc::clone(&shelf);
                thread::spawn(move || wait(&shelf))
            })
            .collect();
        shelf.items.store(1, Ordering::Relaxed);
        notify_all(&shelf.kernel, &shelf.event);
        threads.into_iter().for_each(|thread| thread.join().expect("a waiter panicked"));
    });
}
