//! Messages that are held beyond their call and settled on other threads, while their receiver takes, leaves or gives up:
//! each is delivered once, and once more for each time that it came back.
//!
//! [`Keeper`] does what the library's receiver does around its ring and around `Holds`, which are the library's own.
#![cfg(loom)]

use std::cell::{Cell, RefCell};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use loom::sync::atomic::AtomicU32;
use loom::thread;
use ringpost::ring::{
    Blocked, Holds, Memory, MultiReceiver, Next, Outlook, ReceiveEnd, Run, Settled, SingleReceiver, recover,
};
use ringpost::wait::{Attempt, Before, Deadline, Wait, notify, until};
use ringpost_loom::{Bench, Ends, Kernel, explore};

/// The number of the receiver; its successor has the same.
const NUMBER: u16 = 5;
/// The messages of the only sender, whose number is 1.
const A: u64 = 100;
const B: u64 = 101;
const C: u64 = 102;
const D: u64 = 103;

/// What a receiver and its held messages share.
struct Shared {
    bench: Arc<Bench>,
    list: Holds<Keeper>,
    kernel: Kernel,
    not_empty: AtomicU32,
}

/// A receiver whose messages can be held.
struct Keeper {
    bench: Arc<Bench>,
    end: RefCell<ReceiveEnd>,
    held: Cell<u64>,
    /// Gone when its user has dropped it.
    shared: Option<Arc<Shared>>,
    left: Arc<AtomicBool>,
}

/// A message that is held.
struct Held {
    shared: Arc<Shared>,
    position: u64,
}

impl Keeper {
    fn join(bench: &Arc<Bench>) -> Self {
        let (kernel, not_empty) = (Kernel::default(), AtomicU32::new(0));
        let shared = Shared { bench: Arc::clone(bench), list: Holds::default(), kernel, not_empty };
        let end = RefCell::new(end(bench));
        Self { bench: Arc::clone(bench), end, held: Cell::new(0), shared: Some(Arc::new(shared)), left: Arc::default() }
    }

    fn is_single(&self) -> bool {
        matches!(*self.end.borrow(), ReceiveEnd::Single(_))
    }

    fn shared(&self) -> &Arc<Shared> {
        self.shared.as_ref().expect("it is still in use")
    }

    /// Takes one message if there is one: its position.
    fn take(&self) -> Option<u64> {
        let taken = loop {
            match self.shared().list.next() {
                Next::Note(settled) => self.note(&settled),
                Next::Again(position) => break Ok(Run { first: position, count: 1 }),
                Next::Take { beside_held: true } => break self.end.borrow_mut().take_beside_held(&*self.bench, 1),
                Next::Take { beside_held: false } => break self.end.borrow_mut().take(&*self.bench, 1),
            }
        };
        match taken {
            Ok(run) => {
                self.held.set(self.held.get() + 1);
                Some(run.first)
            }
            Err(Blocked::Wait(_)) => None,
            Err(Blocked::Fault(fault)) => panic!("{fault}"),
        }
    }

    /// Whether a look from afar says that it should try.
    fn is_worthwhile(&self) -> bool {
        let lookout = self.shared().list.lookout(&self.end.borrow());
        lookout.look(&*self.bench) == Outlook::Worthwhile
    }

    /// What one that was taken is, and how often it has been delivered.
    fn look(&self, position: u64) -> (u64, u8) {
        (self.bench.read(position), self.end.borrow().deliveries(&*self.bench, position))
    }

    /// Takes, looks and releases.
    fn pull(&self) -> Option<(u64, u8)> {
        let position = self.take()?;
        let seen = self.look(position);
        self.release(position);
        Some(seen)
    }

    fn hold(&self, position: u64) -> Held {
        self.end.borrow().part(&*self.bench, position);
        self.shared().list.hold();
        Held { shared: Arc::clone(self.shared()), position }
    }

    fn release(&self, position: u64) {
        self.end.borrow_mut().release(&*self.bench, one(position));
        self.let_go();
    }

    fn give_back(&self, position: u64) {
        match &self.shared {
            Some(shared) if self.is_single() => {
                self.end.borrow_mut().note_seen(&*self.bench, one(position));
                shared.list.keep_for_again(one(position));
            }
            _ => self.end.borrow_mut().give_back(&*self.bench, one(position), true),
        }
        self.let_go();
    }

    fn let_go(&self) {
        self.held.set(self.held.get() - 1);
        if self.held.get() == 0 {
            if self.shared.as_ref().is_some_and(|shared| shared.list.forget_again()) {
                self.end.borrow_mut().again_from_head();
            }
            self.end.borrow_mut().rewind(&*self.bench);
        }
    }

    fn note(&self, settled: &[Settled]) {
        for Settled { position, released } in settled.iter().copied() {
            match released {
                Some(_) if self.is_single() => self.release(position),
                None if self.is_single() => self.give_back(position),
                // The word was settled at once.
                _ => self.let_go(),
            }
        }
    }

    /// Its user drops it.
    fn part(mut self) {
        let shared = self.shared.take().expect("it parts once");
        shared.list.part(self, Self::note, |keeper| keeper.end.borrow_mut().again_from_head());
    }

    /// Its user gives up what is held.
    fn abandon(mut self) {
        let shared = self.shared.take().expect("it is still in use");
        let settled = shared.list.abandon();
        if shared.list.forget_again() {
            self.end.borrow_mut().again_from_head();
        }
        self.note(&settled);
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        self.left.store(true, Ordering::Relaxed);
        if self.held.get() > 0 {
            recover(&*self.bench, NUMBER);
        } else {
            self.end.get_mut().settle(&*self.bench);
        }
    }
}

impl Held {
    /// Releases it, or puts it back. Returns whether that made a difference.
    fn settle(self, back: bool) -> bool {
        let shared = &*self.shared;
        let (mut end, mut settled) = (MultiReceiver::new(NUMBER, false), false);
        let noted_later = shared.list.settle(|parted| {
            settled = true;
            match parted {
                Some(keeper) if back => keeper.give_back(self.position),
                Some(keeper) => keeper.release(self.position),
                None if shared.bench.ends().single_receiver => {}
                None if back => end.give_back(&*shared.bench, one(self.position), true),
                None => end.release(&*shared.bench, one(self.position)),
            }
            Settled { position: self.position, released: (!back).then_some(0) }
        });
        if noted_later {
            notify(&shared.kernel, &shared.not_empty, 1, Before::Nothing);
        }
        settled
    }
}

fn one(position: u64) -> Run {
    Run { first: position, count: 1 }
}

fn end(bench: &Arc<Bench>) -> ReceiveEnd {
    if bench.ends().single_receiver {
        ReceiveEnd::Single(SingleReceiver::join(&**bench).expect("the words are sound"))
    } else {
        ReceiveEnd::Multi(MultiReceiver::new(NUMBER, false))
    }
}

/// A ring of `1 << shift` slots, filled, and its receiver; once with a single and once with one of many.
fn explore_both(shift: u32, model: impl Fn(Arc<Bench>, Keeper) + Clone + Sync + Send + 'static) {
    for single_receiver in [true, false] {
        let model = model.clone();
        explore(None, move || {
            let bench = Bench::new(Ends { single_sender: true, single_receiver, overwrite: false }, shift);
            bench.sender(1).send(1 << shift);
            let keeper = Keeper::join(&bench);
            model(bench, keeper);
        });
    }
}

/// All that is there now, in the order of their numbers, each released; then nothing is held and every slot is free.
fn rest(bench: &Arc<Bench>, keeper: &Keeper) -> Vec<(u64, u8)> {
    let mut got: Vec<_> = std::iter::from_fn(|| keeper.pull()).collect();
    got.sort_unstable();
    assert_eq!(keeper.held.get(), 0);
    let mut sender = bench.sender(1);
    assert_eq!(sender.send(bench.capacity()), bench.capacity(), "a slot is not free");
    assert_eq!(std::iter::from_fn(|| keeper.pull()).count() as u64, bench.capacity());
    got
}

/// The receiver was about to start again from head when a message was held, and puts that off until it is settled.
#[test]
fn what_is_settled_while_its_receiver_takes_is_not_delivered_again() {
    explore_both(1, |bench, keeper| {
        let (a, b) = (keeper.take().expect("a message"), keeper.take().expect("a message"));
        // As with a message given back before any was held.
        keeper.end.borrow_mut().give_back(&*bench, one(a), true);
        keeper.let_go();
        let held = keeper.hold(b);
        let settling = thread::spawn(move || assert!(held.settle(false)));
        let mut got: Vec<_> = keeper.pull().into_iter().collect();
        settling.join().expect("a holder panicked");
        got.extend(rest(&bench, &keeper));
        assert_eq!(got, [(A, 2)]);
        keeper.part();
    });
}

#[test]
fn what_two_holders_settle_while_their_receiver_takes_is_settled_once() {
    explore_both(1, |bench, keeper| {
        let (a, b) = (keeper.take().expect("a message"), keeper.take().expect("a message"));
        let holders = [(keeper.hold(a), true), (keeper.hold(b), false)].map(|(held, back)| {
            thread::spawn(move || {
                assert_eq!(held.shared.bench.read(held.position), if back { A } else { B });
                assert!(held.settle(back));
            })
        });
        let mut got: Vec<_> = (0..2).filter_map(|_| keeper.pull()).collect();
        holders.into_iter().for_each(|holder| holder.join().expect("a holder panicked"));
        got.extend(rest(&bench, &keeper));
        assert_eq!(got, [(A, 2)]);
        keeper.part();
    });
}

#[test]
fn what_comes_back_beside_a_held_message_does_not_bring_that_too() {
    explore_both(2, |bench, keeper| {
        let [a, b, c] = [(); 3].map(|()| keeper.take().expect("a message"));
        let (a, b) = (keeper.hold(a), keeper.hold(b));
        keeper.give_back(c);
        let settling = thread::spawn(move || assert!(a.settle(true)));
        let mut got: Vec<_> = (0..2).filter_map(|_| keeper.pull()).collect();
        settling.join().expect("a holder panicked");
        assert!(got.iter().all(|(message, _)| *message != B), "it is held: {got:?}");
        assert!(b.settle(false));
        got.extend(rest(&bench, &keeper));
        got.sort_unstable();
        assert_eq!(got, [(A, 2), (C, 2), (D, 1)]);
        keeper.part();
    });
}

/// `back`: whether its last held messages come back, or only what came back before.
fn explore_parting(back: bool) {
    explore_both(2, move |bench, keeper| {
        let [a, b, c] = [(); 3].map(|()| keeper.take().expect("a message"));
        let holders = [(keeper.hold(a), back), (keeper.hold(b), false)]
            .map(|(held, back)| thread::spawn(move || assert!(held.settle(back))));
        keeper.give_back(c);
        let left = Arc::clone(&keeper.left);
        keeper.part();
        holders.into_iter().for_each(|holder| holder.join().expect("a holder panicked"));
        assert!(left.load(Ordering::Relaxed), "nobody let it go");
        let successor = Keeper::join(&bench);
        let expected = [(A, 2), (C, 2), (D, 1)];
        assert_eq!(rest(&bench, &successor), expected[usize::from(!back)..]);
        successor.part();
    });
}

#[test]
fn a_receiver_that_parts_lives_on_until_the_last_is_released() {
    explore_parting(false);
}

#[test]
fn a_receiver_that_parts_lives_on_until_the_last_has_come_back() {
    explore_parting(true);
}

#[test]
fn what_is_abandoned_was_settled_or_comes_again() {
    explore_both(1, |bench, keeper| {
        let (a, b) = (keeper.take().expect("a message"), keeper.take().expect("a message"));
        let holders = [keeper.hold(a), keeper.hold(b)].map(|held| thread::spawn(move || held.settle(false)));
        keeper.abandon();
        let settled = holders.map(|holder| holder.join().expect("a holder panicked"));
        let successor = Keeper::join(&bench);
        let expected: Vec<_> =
            [(A, 2), (B, 2)].into_iter().zip(settled).filter(|(_, settled)| !settled).map(|(again, _)| again).collect();
        assert_eq!(rest(&bench, &successor), expected);
        successor.part();
    });
}

/// A holder's reading is over before the slot is written again.
#[test]
fn a_slot_is_used_again_after_its_holder_has_settled() {
    explore_both(0, |bench, keeper| {
        let held = keeper.hold(keeper.take().expect("a message"));
        let holding = thread::spawn(move || {
            assert_eq!(held.shared.bench.read(held.position), A);
            assert!(held.settle(false));
        });
        let sending = Arc::clone(&bench);
        let sending = thread::spawn(move || sending.sender(2).send(1));
        let mut got: Vec<_> = keeper.pull().into_iter().collect();
        holding.join().expect("a holder panicked");
        let sent = sending.join().expect("the sender panicked");
        got.extend(rest(&bench, &keeper));
        assert_eq!(got, vec![(200, 1); sent as usize]);
        keeper.part();
    });
}

#[test]
fn a_receiver_that_sleeps_is_woken_for_what_comes_back() {
    explore_both(0, |_bench, keeper| {
        let held = keeper.hold(keeper.take().expect("a message"));
        let settling = thread::spawn(move || assert!(held.settle(true)));
        let shared = keeper.shared();
        let got = until(&shared.kernel, &shared.not_empty, Wait::Sleep, Deadline::NEVER, |_| {
            // As one who waits for several, it tries only if that looks worthwhile from afar.
            let got = keeper.is_worthwhile().then(|| keeper.pull()).flatten();
            got.map_or(Attempt::Blocked { soon: false }, Attempt::Done)
        });
        assert_eq!(got, Some((A, 2)));
        settling.join().expect("a holder panicked");
        keeper.part();
    });
}
