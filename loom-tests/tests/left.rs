//! Single messages, and slots, that are left to whoever was called: it finds them, or finds them claimed and watches.
//!
//! Wakers pass no barrier in these models, as with `membarrier`, and an exchange is the fence that it is on x86. Nobody wakes by the clock, so
//! what is overlooked is a deadlock.
#![cfg(loom)]

use std::sync::Arc;

use loom::sync::atomic::{AtomicU32, Ordering, fence};
use loom::thread;
use ringpost::ring::{Blocked, MultiReceiver, MultiSender, Run, SingleReceiver, SingleSender, to_come};
use ringpost::wait::{Attempt, Before, Deadline, Wait, notify, until};
use ringpost_loom::{Bench, Ends, Kernel, explore, explore_with_fewer};

const MANY: Ends = Ends { single_sender: false, single_receiver: false, overwrite: false };
const ONE_TO_MANY: Ends = Ends { single_sender: true, ..MANY };

/// A queue of two slots with both of its event words.
struct Desk {
    bench: Arc<Bench>,
    kernel: Kernel,
    not_empty: AtomicU32,
    not_full: AtomicU32,
}

impl Desk {
    fn new(ends: Ends) -> Arc<Self> {
        let (not_empty, not_full) = (AtomicU32::new(0), AtomicU32::new(0));
        Arc::new(Self { bench: Bench::new(ends, 1), kernel: Kernel::wakers_pass_nothing(), not_empty, not_full })
    }

    /// Sends what fits.
    fn send(&self, end: &mut MultiSender, value: u64) {
        let position = end.claim_one(&*self.bench).expect("there is room");
        self.commit(end, position, value);
    }

    fn commit(&self, end: &mut MultiSender, position: u64, value: u64) {
        // The exchange of the claim.
        fence(Ordering::SeqCst);
        self.bench.write(position, value);
        end.commit_one(&*self.bench, position);
        notify(&self.kernel, &self.not_empty, 1, Before::Claim);
    }

    /// Sends as soon as there is room.
    fn send_later(&self, end: &mut MultiSender, value: u64) {
        let claimed = until(&self.kernel, &self.not_full, Wait::Sleep, Deadline::NEVER, |phase| {
            let claimed = end.claim(&*self.bench, 1);
            if claimed.is_ok() && phase.has_slept() {
                notify(&self.kernel, &self.not_full, 1, Before::Nothing);
            }
            came(claimed.map(|run| run.first))
        });
        self.commit(end, claimed.expect("it waits for ever"), value);
    }

    /// Takes what is there.
    fn take(&self, end: &mut MultiReceiver) -> u64 {
        let run = end.take(&*self.bench, 1).expect("a message");
        self.release(end, run.first)
    }

    fn release(&self, end: &mut MultiReceiver, position: u64) -> u64 {
        // The exchange that took it.
        fence(Ordering::SeqCst);
        let value = self.bench.read(position);
        end.free_one(&*self.bench, position);
        notify(&self.kernel, &self.not_full, 1, Before::Claim);
        value
    }

    /// Is interrupted in its sleep, and leaves.
    fn leave_once_woken(&self) {
        let left = until(&self.kernel, &self.not_empty, Wait::Sleep, Deadline::NEVER, |phase| {
            if !phase.has_slept() {
                return Attempt::Blocked { soon: false };
            }
            if to_come(&*self.bench) > 0 {
                notify(&self.kernel, &self.not_empty, 1, Before::Nothing);
            }
            Attempt::Done(())
        });
        assert_eq!(left, Some(()));
    }

    /// Takes one as soon as there is one.
    fn take_later(&self, end: &mut MultiReceiver) -> u64 {
        let taken = until(&self.kernel, &self.not_empty, Wait::Sleep, Deadline::NEVER, |phase| {
            let taken = end.take(&*self.bench, 1);
            if taken.is_ok() && phase.has_slept() && to_come(&*self.bench) > 0 {
                notify(&self.kernel, &self.not_empty, 1, Before::Nothing);
            }
            came(taken.map(|run| run.first))
        });
        self.release(end, taken.expect("it waits for ever"))
    }
}

/// Has one of many send two messages once so many sleep.
fn send_two(desk: Arc<Desk>, sleepers: usize, free_by_head: bool) -> thread::JoinHandle<()> {
    thread::spawn(move || {
        desk.kernel.wait_for_sleepers(sleepers);
        let mut end = MultiSender::new(1, false, free_by_head);
        desk.send(&mut end, 10);
        desk.send(&mut end, 11);
    })
}

/// Has one of many take both messages once somebody sleeps.
fn take_two(desk: Arc<Desk>) -> thread::JoinHandle<()> {
    thread::spawn(move || {
        desk.kernel.wait_for_sleepers(1);
        let mut end = MultiReceiver::new(3, false);
        assert_eq!(desk.take(&mut end), 10);
        assert_eq!(desk.take(&mut end), 11);
    })
}

fn came(found: Result<u64, Blocked>) -> Attempt<u64> {
    match found {
        Ok(position) => Attempt::Done(position),
        Err(Blocked::Wait(in_the_way)) => Attempt::Blocked { soon: in_the_way.is_some() },
        Err(Blocked::Fault(fault)) => panic!("{fault}"),
    }
}

#[test]
fn who_was_called_finds_what_is_claimed() {
    explore(Some(3), || {
        let desk = Desk::new(MANY);
        let sending = send_two(Arc::clone(&desk), 1, false);
        let mut end = MultiReceiver::new(3, false);
        assert_eq!(desk.take_later(&mut end), 10);
        assert_eq!(desk.take_later(&mut end), 11);
        sending.join().expect("the sender panicked");
    });
}

/// Who was called takes one, and goes: the other one is for who still sleeps.
#[test]
fn who_was_called_passes_on_what_is_claimed() {
    explore(Some(2), || {
        let desk = Desk::new(MANY);
        let (one, two) = (Arc::clone(&desk), Arc::clone(&desk));
        let taking = thread::spawn(move || one.take_later(&mut MultiReceiver::new(4, false)));
        let sending = send_two(two, 2, false);
        let here = desk.take_later(&mut MultiReceiver::new(3, false));
        let there = taking.join().expect("the receiver panicked");
        assert_eq!(here + there, 21);
        sending.join().expect("the sender panicked");
    });
}

/// Somebody who did not sleep takes what one was called for, and that one leaves: the other message is for who still sleeps.
#[test]
fn who_was_called_and_leaves_passes_on_what_is_claimed() {
    explore_with_fewer(1, Some(2), || {
        let desk = Desk::new(MANY);
        let (one, two, three) = (Arc::clone(&desk), Arc::clone(&desk), Arc::clone(&desk));
        let leaving = thread::spawn(move || one.leave_once_woken());
        let taking = thread::spawn(move || two.take_later(&mut MultiReceiver::new(5, false)));
        let sending = send_two(three, 2, false);
        let mut end = MultiReceiver::new(3, false);
        if let Ok(run) = end.take(&*desk.bench, 1) {
            desk.release(&mut end, run.first);
        }
        assert!([10, 11].contains(&taking.join().expect("the receiver panicked")));
        leaving.join().expect("the receiver panicked");
        sending.join().expect("the sender panicked");
    });
}

#[test]
fn who_was_called_finds_what_is_taken() {
    explore(Some(3), || {
        let desk = Desk::new(MANY);
        let mut end = MultiSender::new(1, false, false);
        desk.send(&mut end, 10);
        desk.send(&mut end, 11);
        let taking = take_two(Arc::clone(&desk));
        desk.send_later(&mut end, 12);
        desk.send_later(&mut end, 13);
        taking.join().expect("the receiver panicked");
    });
}

/// The only receiver, too.
#[test]
fn who_was_called_alone_finds_what_is_claimed() {
    explore(Some(3), || {
        let desk = Desk::new(Ends { single_receiver: true, ..MANY });
        let sending = send_two(Arc::clone(&desk), 1, true);
        let mut end = SingleReceiver::join(&*desk.bench).expect("the words are sound");
        for value in [10, 11] {
            let taken = until(&desk.kernel, &desk.not_empty, Wait::Sleep, Deadline::NEVER, |_| {
                came(end.take(&*desk.bench, 1).map(|run| run.first))
            });
            assert_eq!(taken.map(|position| desk.bench.read(position)), Some(value));
        }
        sending.join().expect("the sender panicked");
    });
}

/// And the only sender, of what many have taken.
#[test]
fn who_was_called_alone_finds_what_is_taken() {
    explore(Some(3), || {
        let desk = Desk::new(ONE_TO_MANY);
        let mut end = SingleSender::join(&*desk.bench, false).expect("the words are sound");
        let put = |end: &mut SingleSender, value| end.put_one(&*desk.bench, |at, _| desk.bench.write(at, value));
        assert!(put(&mut end, 10) && put(&mut end, 11));
        let taking = take_two(Arc::clone(&desk));
        for value in [12, 13] {
            let claimed = until(&desk.kernel, &desk.not_full, Wait::Sleep, Deadline::NEVER, |_| {
                came(end.claim(&*desk.bench, 1).map(|run| run.first))
            });
            let first = claimed.expect("it waits for ever");
            desk.bench.write(first, value);
            end.commit(&*desk.bench, Run { first, count: 1 });
        }
        taking.join().expect("the receiver panicked");
    });
}

/// An only sender claims nothing, so it passes a fence.
#[test]
fn who_was_called_finds_what_nobody_claimed() {
    explore(Some(3), || {
        let desk = Desk::new(ONE_TO_MANY);
        let other = Arc::clone(&desk);
        let sending = thread::spawn(move || {
            other.kernel.wait_for_sleepers(1);
            let mut end = SingleSender::join(&*other.bench, false).expect("the words are sound");
            for value in [10, 11] {
                let put = end.put_one(&*other.bench, |position, _| other.bench.write(position, value));
                assert!(put);
                notify(&other.kernel, &other.not_empty, 1, Before::Nothing);
            }
        });
        let mut end = MultiReceiver::new(3, false);
        assert_eq!(desk.take_later(&mut end), 10);
        assert_eq!(desk.take_later(&mut end), 11);
        sending.join().expect("the sender panicked");
    });
}
