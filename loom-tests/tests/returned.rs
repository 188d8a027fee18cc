//! What comes back to many receivers is found by one of them, once, wherever the others' passes over the slots are.
#![cfg(loom)]

use std::sync::Arc;

use loom::thread;
use ringpost::ring::Run;
use ringpost_loom::{Bench, Ends, Tally, explore};

const MANY: Ends = Ends { single_sender: false, single_receiver: false, overwrite: false };

#[test]
fn what_comes_back_behind_a_scan_is_found() {
    explore(Some(3), || {
        let bench = Bench::new(MANY, 1);
        let (mut sender, mut one, mut two) = (bench.sender(1), bench.receiver(11), bench.receiver(12));
        sender.send(1);
        let held = one.take(1).expect("a message is there");
        let returning = thread::spawn(move || one.end.give_back(&*one.bench(), held, true));
        two.pull(1);
        returning.join().expect("the receiver panicked");
        two.drain();
        assert_eq!(two.got, [100]);
    });
}

#[test]
fn what_comes_back_is_delivered_once_more_and_once_only() {
    explore(Some(2), || {
        let bench = Bench::new(MANY, 0);
        let mut sender = bench.sender(1);
        let (mut one, mut two) = (bench.receiver(11), bench.receiver(12));
        let sending = thread::spawn(move || {
            sender.send(1);
            sender.send(1);
            sender.done()
        });
        let returning = thread::spawn(move || {
            one.give_back(1, true);
            one
        });
        two.pull(1);
        let mut tally = Tally::default();
        tally.sender(sending.join().expect("the sender panicked"));
        let mut one = returning.join().expect("the receiver panicked");
        one.drain();
        two.drain();
        tally.unordered(one.got);
        tally.unordered(two.got);
        tally.balance();
    });
}

#[test]
fn a_scan_meets_what_comes_back_behind_it() {
    explore(Some(3), || {
        let bench = Bench::new(MANY, 1);
        let mut sender = bench.sender(1);
        let (mut one, mut two) = (bench.receiver(11), bench.receiver(12));
        let sending = thread::spawn(move || {
            sender.send(2);
            sender.done()
        });
        let returning = thread::spawn(move || {
            if let Some(run) = one.take(2) {
                for first in run.positions() {
                    one.end.give_back(&*one.bench(), Run { first, count: 1 }, true);
                }
            }
        });
        two.pull(1);
        two.pull(1);
        let mut tally = Tally::default();
        tally.sender(sending.join().expect("the sender panicked"));
        returning.join().expect("the receiver panicked");
        two.drain();
        tally.unordered(two.got);
        tally.balance();
    });
}

#[test]
fn a_newcomer_finds_what_the_pass_of_another_has_not_reached() {
    explore(Some(3), || {
        let bench = Bench::new(MANY, 1);
        let mut sender = bench.sender(1);
        let (mut one, mut two) = (bench.receiver(11), bench.receiver(12));
        sender.send(2);
        let returned = one.take(2).expect("two messages are there");
        one.end.give_back(&*one.bench(), returned, true);
        let passing = thread::spawn(move || {
            one.pull(1);
            one.got
        });
        two.pull(1);
        let mut newcomer = bench.receiver(13);
        newcomer.drain();
        let mut tally = Tally::default();
        tally.sender(sender.done());
        tally.unordered(passing.join().expect("the receiver panicked"));
        newcomer.drain();
        tally.unordered(two.got);
        tally.unordered(newcomer.got);
        tally.balance();
    });
}

#[test]
fn what_comes_back_after_all_was_settled_is_found() {
    explore(Some(3), || {
        let bench = Bench::new(MANY, 1);
        let mut sender = bench.sender(1);
        let (mut one, mut two) = (bench.receiver(11), bench.receiver(12));
        sender.send(2);
        let held = one.take(2).expect("two messages are there");
        one.end.give_back(&*one.bench(), Run { first: held.first, count: 1 }, true);
        two.drain();
        let second = Run { first: held.first.wrapping_add(1), count: 1 };
        let returning = thread::spawn(move || one.end.give_back(&*one.bench(), second, true));
        let mut newcomer = bench.receiver(13);
        newcomer.pull(1);
        returning.join().expect("the receiver panicked");
        newcomer.drain();
        assert_eq!((two.got, newcomer.got), (vec![100], vec![101]));
    });
}

#[test]
fn what_one_of_many_is_shown_and_keeps_comes_again_first() {
    explore(Some(3), || {
        let bench = Bench::new(MANY, 1);
        let (mut sender, mut one, mut two) = (bench.sender(1), bench.receiver(11), bench.receiver(12));
        for receiver in [&mut one, &mut two] {
            assert_eq!(receiver.pull(1), 0, "it has looked for what came back");
            assert!(receiver.end.open_window(&*bench, u64::MAX));
        }
        sender.send(2);
        let b = Arc::clone(&bench);
        let keeping = thread::spawn(move || {
            let position = one.end.front_at_once(&*b, |_| true)?;
            b.read(position);
            one.end.keep_fronts(&*b, Run { first: position, count: 1 });
            Some(position)
        });
        two.pull_at_once();
        if let Some(kept) = keeping.join().expect("the receiver panicked") {
            assert!(!two.pull_at_once(), "what came back is next");
            let again = two.take(1).expect("it comes again");
            assert_eq!((again.first, two.end.deliveries(&*bench, kept)), (kept, 2));
            two.finish(again);
        }
        two.drain();
        let mut tally = Tally::default();
        tally.sender(sender.done());
        tally.unordered(two.got);
        tally.balance();
    });
}

#[test]
fn the_short_ways_do_not_pass_over_what_came_back() {
    explore(None, || {
        let bench = Bench::new(MANY, 2);
        let (mut sender, mut one, mut two) = (bench.sender(1), bench.receiver(11), bench.receiver(12));
        for receiver in [&mut one, &mut two] {
            assert_eq!(receiver.pull(1), 0, "it has looked for what came back");
            assert!(receiver.end.open_window(&*bench, u64::MAX));
        }
        assert_eq!(sender.send(2), 2);
        let kept = one.end.front_at_polls(&*bench, 1, |_| true).expect("a message is there");
        assert_eq!(two.pull(1), 1, "so is another");
        one.end.keep_fronts(&*bench, Run { first: kept, count: 1 });
        assert_eq!(sender.send(1), 1);
        assert!(!two.pull_at_once(), "what came back is next");
        assert_eq!(two.end.front_at_polls(&*bench, 1, |_| true), None, "what came back is next");
        two.drain();
        assert_eq!(two.got, [101, 100, 102]);
    });
}
