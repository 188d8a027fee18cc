//! No wake-up is lost by those who wait for several things, nor by helpers that wait in an endpoint's place. Nobody ever
//! wakes by the clock here, so one lost would be a deadlock.
#![cfg(loom)]

use std::sync::Arc;

use loom::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use loom::thread;
use ringpost::wait::{
    Attempt, Before, Deadline, Order, Parking, Phase, Wait, notify, notify_all, order, serve, until, until_any,
};
use ringpost_loom::{Kernel, explore};

/// Several counters to take from, each with a place to sleep.
struct Shelves<const N: usize> {
    kernel: Kernel,
    events: [AtomicU32; N],
    items: [AtomicU64; N],
}

impl<const N: usize> Shelves<N> {
    fn new() -> Arc<Self> {
        let events = core::array::from_fn(|_| AtomicU32::new(0));
        let items = core::array::from_fn(|_| AtomicU64::new(0));
        Arc::new(Self { kernel: Kernel::default(), events, items })
    }

    fn put(&self, shelf: usize, count: u64) {
        self.items[shelf].fetch_add(count, Ordering::Relaxed);
        notify(&self.kernel, &self.events[shelf], count as u32, Before::Nothing);
    }

    fn has(&self, shelf: usize) -> bool {
        self.items[shelf].load(Ordering::Relaxed) > 0
    }

    fn try_take(&self, shelf: usize) -> bool {
        let mut now = self.items[shelf].load(Ordering::Relaxed);
        while now > 0 {
            match self.items[shelf].compare_exchange(now, now - 1, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => return true,
                Err(other) => now = other,
            }
        }
        false
    }

    /// Takes from one shelf.
    fn take(&self, shelf: usize) {
        let taken = until(&self.kernel, &self.events[shelf], Wait::Sleep, Deadline::NEVER, |phase| {
            if !self.try_take(shelf) {
                return Attempt::Blocked { soon: false };
            }
            if phase.has_slept() && self.has(shelf) {
                notify(&self.kernel, &self.events[shelf], 1, Before::Nothing);
            }
            Attempt::Done(())
        });
        assert_eq!(taken, Some(()));
    }

    /// Takes from whichever has something, and passes on what it may have been woken for besides.
    fn take_any(&self) -> usize {
        let events: Vec<&AtomicU32> = self.events.iter().collect();
        let taken = until_any(&self.kernel, &events, Wait::Sleep, Deadline::NEVER, |phase| {
            let Some(shelf) = (0..N).find(|shelf| self.try_take(*shelf)) else {
                return Attempt::Blocked { soon: false };
            };
            if phase == Phase::Woken {
                let left = (0..N).filter(|other| self.has(*other));
                left.for_each(|other| notify(&self.kernel, &self.events[other], 1, Before::Nothing));
            }
            Attempt::Done(shelf)
        });
        taken.expect("it waits for ever")
    }
}

#[test]
fn one_waits_on_two_words() {
    explore(Some(3), || {
        let shelves = Shelves::<2>::new();
        let puts: Vec<_> = (0..2)
            .map(|shelf| {
                let shelves = Arc::clone(&shelves);
                thread::spawn(move || shelves.put(shelf, 1))
            })
            .collect();
        assert_ne!(shelves.take_any(), shelves.take_any(), "one from each");
        puts.into_iter().for_each(|thread| thread.join().expect("a waker panicked"));
    });
}

#[test]
fn one_waits_on_two_words_for_two_from_either() {
    explore(Some(3), || {
        let shelves = Shelves::<2>::new();
        let other = Arc::clone(&shelves);
        let putting = thread::spawn(move || {
            other.put(1, 1);
            other.put(0, 1);
        });
        shelves.take_any();
        shelves.take_any();
        putting.join().expect("the waker panicked");
    });
}

/// Whoever waits on both words may be woken for both and takes from one: the wake-up for the other must go on.
#[test]
fn a_wake_up_for_what_is_left_goes_on_to_others() {
    explore(Some(3), || {
        let shelves = Shelves::<2>::new();
        let (one, two) = (Arc::clone(&shelves), Arc::clone(&shelves));
        let any = thread::spawn(move || {
            // If it took the one that the other waits for, it puts it back.
            if one.take_any() == 1 {
                one.put(1, 1);
            }
        });
        let putting = thread::spawn(move || {
            two.put(1, 1);
            two.put(0, 1);
        });
        shelves.take(1);
        any.join().expect("a waiter panicked");
        putting.join().expect("the waker panicked");
    });
}

#[test]
fn everyone_learns_of_the_end_of_one_of_two() {
    explore(Some(3), || {
        let shelves = Shelves::<2>::new();
        let other = Arc::clone(&shelves);
        let ending = thread::spawn(move || {
            other.items[1].store(1, Ordering::Relaxed);
            notify_all(&other.kernel, &other.events[1]);
        });
        let events: Vec<&AtomicU32> = shelves.events.iter().collect();
        let ended = until_any(&shelves.kernel, &events, Wait::Sleep, Deadline::NEVER, |_| {
            if shelves.has(1) { Attempt::Done(()) } else { Attempt::Blocked { soon: false } }
        });
        assert_eq!(ended, Some(()));
        ending.join().expect("the waker panicked");
    });
}

/// One shelf, an endpoint that sleeps in an event loop, and its helper.
struct Desk {
    shelf: Arc<Shelves<1>>,
    control: AtomicU32,
    /// The bell: readable while it is not zero.
    bell: AtomicU32,
    /// How many items are enough: noted before the helper is armed.
    enough: AtomicU64,
}

impl Desk {
    fn new() -> Arc<Self> {
        let (control, bell) = (AtomicU32::new(0), AtomicU32::new(0));
        Arc::new(Self { shelf: Shelves::new(), control, bell, enough: AtomicU64::new(1) })
    }

    fn help(&self) {
        let Shelves { kernel, events, .. } = &*self.shelf;
        let look = |phase| {
            if self.shelf.items[0].load(Ordering::Relaxed) < self.enough.load(Ordering::Relaxed) {
                return Attempt::Blocked { soon: false };
            }
            if phase == Phase::Woken && self.shelf.items[0].load(Ordering::Relaxed) > 1 {
                notify(kernel, &events[0], 1, Before::Nothing);
            }
            Attempt::Done(())
        };
        let report = || {
            self.bell.fetch_add(1, Ordering::Relaxed);
            kernel.unpark(&self.bell, 1);
        };
        let pass_on = || {
            if self.shelf.items[0].load(Ordering::Relaxed) > 0 {
                notify(kernel, &events[0], 1, Before::Nothing);
            }
        };
        serve(kernel, &self.control, &events[0], look, report, pass_on);
    }

    fn order(&self, what: Order) {
        order(&self.shelf.kernel, &self.control, what);
    }

    fn arm(&self) {
        self.bell.swap(0, Ordering::Relaxed);
        self.order(Order::Watch);
    }

    fn poll(&self) {
        while self.bell.load(Ordering::Relaxed) == 0 {
            self.shelf.kernel.park(&self.bell, 0, core::time::Duration::MAX);
        }
    }

    /// Takes one as an endpoint in an event loop does: try, arm, poll, try.
    fn take(&self) {
        while !self.shelf.try_take(0) {
            self.arm();
            self.poll();
        }
    }

    /// What an endpoint does that will not come to take.
    fn leave(&self) {
        self.order(Order::Stop);
    }
}

#[test]
fn a_helper_rings_for_what_its_endpoint_waits_for() {
    explore(Some(3), || {
        let desk = Desk::new();
        let (one, two) = (Arc::clone(&desk), Arc::clone(&desk));
        let helping = thread::spawn(move || one.help());
        let putting = thread::spawn(move || two.shelf.put(0, 1));
        desk.take();
        desk.leave();
        helping.join().expect("the helper panicked");
        putting.join().expect("the waker panicked");
    });
}

#[test]
fn an_order_that_meets_a_report_stands() {
    explore(Some(2), || {
        let desk = Desk::new();
        let (one, two) = (Arc::clone(&desk), Arc::clone(&desk));
        let helping = thread::spawn(move || one.help());
        let putting = thread::spawn(move || two.shelf.put(0, 1));
        // Armed, given up and armed again, as a future that is dropped and made anew.
        desk.arm();
        desk.order(Order::Rest);
        desk.take();
        desk.leave();
        helping.join().expect("the helper panicked");
        putting.join().expect("the waker panicked");
    });
}

/// What it looks for changes with the order, and is there already: nobody will move the event for it.
#[test]
fn a_new_order_is_looked_at() {
    explore(Some(3), || {
        let desk = Desk::new();
        let other = Arc::clone(&desk);
        desk.shelf.items[0].store(1, Ordering::Relaxed);
        desk.enough.store(2, Ordering::Relaxed);
        let helping = thread::spawn(move || other.help());
        desk.arm();
        desk.order(Order::Rest);
        desk.enough.store(1, Ordering::Relaxed);
        desk.arm();
        desk.poll();
        desk.leave();
        helping.join().expect("the helper panicked");
    });
}

/// A helper may use up the wake-up of a receiver that sleeps: its endpoint, which leaves instead of taking, passes it on.
#[test]
fn who_leaves_passes_on_what_its_helper_was_woken_for() {
    explore(Some(2), || {
        let desk = Desk::new();
        let (one, two) = (Arc::clone(&desk), Arc::clone(&desk));
        let helping = thread::spawn(move || one.help());
        let taking = thread::spawn(move || two.shelf.take(0));
        desk.arm();
        desk.shelf.put(0, 1);
        desk.leave();
        helping.join().expect("the helper panicked");
        if desk.shelf.has(0) {
            notify(&desk.shelf.kernel, &desk.shelf.events[0], 1, Before::Nothing);
        }
        taking.join().expect("the waiter panicked");
    });
}
