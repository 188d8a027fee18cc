//! The end of a queue: a receiver has died with a message, somebody repairs its row or joins in it and may die at any step,
//! and another receiver finds the queue empty. It must not tell the end while that message may come back.
#![cfg(loom)]

use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool as Note, Ordering::Relaxed};

use loom::sync::Mutex;
use loom::sync::atomic::AtomicU64;
use loom::thread;
use ringpost::Fault;
use ringpost::participant::row::{self, Claimed, Found, Locked, RowLock};
use ringpost::ring::{MultiReceiver, recover};
use ringpost_loom::{Bench, Ends, Mortal, Receiver, at_every_step, explore_with_more};

const SENDER: u16 = 1;
const DEAD: u16 = 9;
const RECEIVER: u16 = 11;
const MANY: Ends = Ends { single_sender: false, single_receiver: false, overwrite: false };
/// Generation 1, joined.
const JOINED: u64 = 0x101;

/// A row: its state, and what is locked of its two bytes.
struct Row {
    state: AtomicU64,
    locked: Mutex<Locked>,
}

impl Row {
    fn locked(&self) -> Locked {
        *self.locked.lock().expect("no thread panics with the lock")
    }
}

/// A file description, and what is done before each call on it: the owner may die there.
struct Description<'a, F: Fn()> {
    row: &'a Row,
    has: &'a Cell<Locked>,
    before: F,
}

impl<F: Fn()> Description<'_, F> {
    fn change(&self, from: Locked, to: Locked) -> bool {
        (self.before)();
        let mut locked = self.row.locked.lock().expect("no thread panics with the lock");
        let can = self.has.get() == from && *locked == from;
        if can {
            *locked = to;
            self.has.set(to);
        }
        can
    }
}

impl<F: Fn()> RowLock for Description<'_, F> {
    type Error = Fault;

    fn try_both(&self) -> Result<bool, Fault> {
        Ok(self.change(Locked::Nothing, Locked::Both))
    }
    fn keep_first(&self) -> Result<(), Fault> {
        self.change(Locked::Both, Locked::First);
        Ok(())
    }
    fn give_back(&self) -> Result<(), Fault> {
        assert!(self.change(self.has.get(), Locked::Nothing));
        Ok(())
    }
    fn locked(&self) -> Result<Locked, Fault> {
        (self.before)();
        Ok(self.row.locked())
    }
}

/// What somebody does with the dead one's row.
#[derive(Clone, Copy)]
enum Deed {
    Repair,
    /// It takes nothing.
    JoinAndLeave,
}

/// Does it and dies at `step`; then the kernel gives back what it had locked.
fn act(bench: &Bench, row: &Row, deed: Deed, step: u32, died: &Note) {
    let has = Cell::new(Locked::Nothing);
    let done = Mortal::live(bench, step, |memory| {
        let lock = Description { row, has: &has, before: || memory.step() };
        let bring_back = || {
            memory.step();
            recover(memory, DEAD);
            memory.step();
        };
        match deed {
            Deed::Repair => drop(row::sweep(&row.state, &lock, bring_back)),
            Deed::JoinAndLeave => {
                if row::join(&row.state, &lock, bring_back) == Ok(Claimed::Yes) {
                    row::leave(&row.state, &lock);
                }
            }
        }
    });
    if has.get() != Locked::Nothing {
        *row.locked.lock().expect("no thread panics with the lock") = Locked::Nothing;
    }
    died.fetch_or(done.is_none(), Relaxed);
}

/// Repairs the dead.
fn sweep(bench: &Bench, row: &Row) -> Found {
    let has = Cell::new(Locked::Nothing);
    row::sweep(&row.state, &Description { row, has: &has, before: || {} }, || {
        recover(bench, DEAD);
    })
}

/// Looks without touching anything.
fn look(_: &Bench, row: &Row) -> Found {
    let has = Cell::new(Locked::Nothing);
    row::look(&row.state, &Description { row, has: &has, before: || {} })
}

/// One who finds the queue empty asks whether all has come back, and if so looks once more before it tells the end.
fn ask_and_tell(bench: &Arc<Bench>, row: &Row, ask: fn(&Bench, &Row) -> Found) -> Receiver {
    let mut receiver: Receiver = bench.receiver(RECEIVER);
    if receiver.pull(1) == 0 {
        let found = ask(bench, row);
        receiver.drain();
        let told = matches!(found, Found::Free | Found::Alive | Found::Repaired);
        assert!(!told || receiver.got == [100], "the end is told too early: {found:?}");
    }
    receiver
}

/// Each in turn is the thread that loom starts with, because it gets the furthest with that one.
fn end_comes_last(deed: Deed, ask: fn(&Bench, &Row) -> Found) {
    for ask_first in [false, true] {
        at_every_step(|step, died| {
            // One who looks, tries in vain and looks again is interrupted three times.
            explore_with_more(1, Some(3), move || {
                let bench = Bench::new(MANY, 0);
                bench.sender(SENDER).send(1);
                MultiReceiver::new(DEAD, false).take(&*bench, 1).expect("a message is there");
                let row = Arc::new(Row { state: AtomicU64::new(JOINED), locked: Mutex::new(Locked::Nothing) });
                let (b, r) = (Arc::clone(&bench), Arc::clone(&row));
                let mut receiver = if ask_first {
                    let acting = thread::spawn(move || act(&b, &r, deed, step, died));
                    let receiver = ask_and_tell(&bench, &row, ask);
                    acting.join().expect("what dies is caught");
                    receiver
                } else {
                    let asking = thread::spawn(move || ask_and_tell(&b, &r, ask));
                    act(&bench, &row, deed, step, died);
                    asking.join().expect("the receiver panicked")
                };
                assert_ne!(sweep(&bench, &row), Found::UnderWay, "nobody is there any more");
                receiver.drain();
                assert_eq!(receiver.got, [100]);
            });
        });
    }
}

#[test]
fn the_end_waits_for_one_who_repairs() {
    end_comes_last(Deed::Repair, sweep);
}

#[test]
fn the_end_waits_for_one_who_joins() {
    end_comes_last(Deed::JoinAndLeave, sweep);
}

#[test]
fn the_end_is_not_seen_from_afar_before_it_comes() {
    end_comes_last(Deed::Repair, look);
    end_comes_last(Deed::JoinAndLeave, look);
}
