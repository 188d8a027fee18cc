//! What an only receiver knows of messages whose words it has not looked at. Ends join before the threads begin, or loom tries one
//! order only.
#![cfg(loom)]

use std::cell::Cell;
use std::sync::Arc;

use loom::sync::atomic::Ordering::Relaxed;
use loom::thread;
use ringpost::ring::{Memory, ReceiveEnd, Run, SingleReceiver, sent_to};
use ringpost_loom::{At, Bench, Ends, Mortal, Receiver, Sender, at_every_step, explore};

const SINGLE: Ends = Ends { single_sender: true, single_receiver: true, overwrite: false };

/// What is shown of up to `most` messages, as far as tail tells.
fn show(bench: &Bench, receiver: &mut Receiver, most: u64) -> Vec<u64> {
    let most = match receiver.end.told(bench).expect("it is the only one") {
        0 => most,
        told => most.min(told),
    };
    receiver.end.open_window(bench, u64::MAX);
    let mut shown = Vec::new();
    receiver.end.show_many(bench, most, |_, slot| {
        shown.push(bench.read(slot.position));
        true
    });
    shown
}

/// Receives what is there, by a look as far as tail tells or by a pull.
fn receive(bench: &Bench, receiver: &mut Receiver, shown: bool) {
    if shown {
        let shown = show(bench, receiver, 4);
        receiver.end.pass_fronts(bench, shown.len() as u64);
        receiver.got.extend(shown);
    } else {
        receiver.pull(2);
    }
}

#[test]
fn whoever_sees_the_last_message_sees_all() {
    for shown in [false, true] {
        explore(None, move || {
            let bench = Bench::in_both_orders(SINGLE, 2);
            let (mut sender, mut receiver) = (bench.sender(1), bench.receiver(11));
            let sending = thread::spawn(move || sender.send(2));
            receive(&bench, &mut receiver, shown);
            assert_eq!(sending.join().expect("the sender panicked"), 2);
            receiver.drain();
            assert_eq!(receiver.got, [100, 101]);
        });
    }
}

#[test]
fn many_senders_do_not_commit_in_order() {
    for shown in [false, true] {
        explore(Some(3), move || {
            let bench = Bench::in_both_orders(Ends { single_sender: false, ..SINGLE }, 2);
            let (mut first, mut second, mut receiver) = (bench.sender(1), bench.sender(2), bench.receiver(11));
            let sending = thread::spawn(move || first.send(1));
            assert_eq!(second.send(1), 1);
            receive(&bench, &mut receiver, shown);
            assert_eq!(sending.join().expect("the sender panicked"), 1);
            receiver.drain();
            receiver.got.sort_unstable();
            assert_eq!(receiver.got, [100, 200]);
        });
    }
}

/// Three messages of four were taken, and the second was released before the others.
fn with_a_gap() -> (Arc<Bench>, Receiver, Run) {
    let bench = Bench::new(SINGLE, 2);
    let mut receiver = bench.receiver(11);
    assert_eq!(bench.sender(1).send(4), 4);
    let run = receiver.take(3).expect("they are there");
    assert_eq!(run.count, 3);
    receiver.end.release(&*bench, Run { first: run.first + 1, count: 1 });
    (bench, receiver, run)
}

/// All that comes next, and how many of it had been delivered before.
fn rest(bench: &Bench, receiver: &mut Receiver) -> (Vec<u64>, u64) {
    receiver.end.told_by_words(bench);
    receive(bench, receiver, true);
    while receiver.pull(4) > 0 {}
    (std::mem::take(&mut receiver.got), receiver.end.take_redelivered())
}

#[test]
fn what_was_released_before_older_ones_does_not_come_again() {
    explore(None, || {
        let (bench, mut receiver, run) = with_a_gap();
        // Before and after it starts again, tail tells of all three.
        for position in [run.first, run.first + 2] {
            receiver.end.give_back(&*bench, Run { first: position, count: 1 }, true);
            receiver.end.told_by_words(&*bench);
        }
        receiver.end.rewind(&*bench);
        assert_eq!(rest(&bench, &mut receiver), (vec![100, 102, 103], 2));
    });
}

#[test]
fn nor_when_each_is_looked_for_by_itself() {
    explore(None, || {
        let bench = Bench::new(SINGLE, 3);
        let mut receiver = bench.receiver(11);
        assert_eq!(bench.sender(1).send(8), 8);
        let run = receiver.take(5).expect("they are there");
        receiver.end.release(&*bench, Run { first: run.first + 3, count: 1 });
        // The others come back unseen, so that their words say nothing of it.
        receiver.end.give_back(&*bench, run, false);
        receiver.end.rewind(&*bench);
        while receiver.end.look(&*bench, u64::MAX, Some(2)).is_some_and(|found| found > 0) {
            while receiver.pull_at_once() {}
        }
        receiver.drain();
        assert_eq!(receiver.got, [100, 101, 102, 104, 105, 106, 107]);
    });
}

/// What was handed out and forgotten is counted when the next take starts again.
#[test]
fn what_was_leaked_counts_as_delivered() {
    explore(None, || {
        let bench = Bench::new(SINGLE, 2);
        let mut receiver = bench.receiver(11);
        assert_eq!(bench.sender(1).send(3), 3);
        assert_eq!(receiver.take(2).map(|run| run.count), Some(2));
        let ReceiveEnd::Single(end) = &mut receiver.end else { panic!("there is one receiver") };
        end.again_from_head();
        while receiver.pull(4) > 0 {}
        assert_eq!((&receiver.got[..], receiver.end.take_redelivered()), (&[100, 101, 102][..], 2));
    });
}

#[test]
fn nor_when_only_an_older_one_comes_again() {
    explore(None, || {
        let (bench, mut receiver, run) = with_a_gap();
        receiver.end.release(&*bench, Run { first: run.first + 2, count: 1 });
        receiver.end.give_back(&*bench, Run { first: run.first, count: 1 }, true);
        receiver.end.rewind(&*bench);
        assert_eq!(receiver.pull(1), 1);
        assert_eq!(rest(&bench, &mut receiver), (vec![100, 103], 1));
    });
}

#[test]
fn nor_does_it_come_to_a_successor() {
    for successors in 1..3 {
        explore(None, move || {
            let (bench, receiver, _) = with_a_gap();
            drop(receiver);
            // Those before the last have joined, and died.
            let mut receiver = (0..successors).map(|_| bench.receiver(11)).last().expect("there is one");
            assert_eq!(rest(&bench, &mut receiver), (vec![100, 102, 103], 2));
            // What is sent from now on is known by tail again.
            assert_eq!(bench.sender(2).send(2), 2);
            assert_eq!(rest(&bench, &mut receiver), (vec![200, 201], 0));
        });
    }
}

/// In the middle of a batch tail tells of nothing of it, and receivers come and go.
#[test]
fn nor_does_it_when_tail_did_not_tell_of_it() {
    explore(None, || {
        let bench = Bench::new(SINGLE, 3);
        let mut sender = bench.sender(1);
        assert!(sender.end.open_window(&*bench, u64::MAX));
        let mut messages = 100..106;
        let mut write = |slot: At<'_, Bench>| {
            bench.write(slot.position, messages.next()?);
            Some(1)
        };
        assert_eq!(sender.end.put_many(&*bench, &mut write), (6, 6));
        let mut receiver = bench.receiver(11);
        let run = receiver.take(5).expect("they are there");
        receiver.end.release(&*bench, Run { first: run.first + 3, count: 1 });
        receiver.end.give_back(&*bench, run, true);
        receiver.end.rewind(&*bench);
        drop(receiver);
        let mut receiver = bench.receiver(11);
        for _ in 0..2 {
            let run = receiver.take(1).expect("they come again");
            receiver.finish(run);
        }
        sender.end.publish_tail(&*bench, 6);
        assert_eq!(rest(&bench, &mut receiver), (vec![100, 101, 102, 104, 105], 4));
    });
}

#[test]
fn what_was_shown_and_is_kept_is_not_fresh() {
    explore(None, || {
        let bench = Bench::new(SINGLE, 2);
        let mut receiver = bench.receiver(11);
        assert_eq!(bench.sender(1).send(3), 3);
        assert_eq!(show(&bench, &mut receiver, 1), [100]);
        let kept = receiver.end.position().expect("it is the only one");
        receiver.end.keep_fronts(&*bench, Run { first: kept, count: 1 });
        assert_eq!(rest(&bench, &mut receiver), (vec![100, 101, 102], 1));
    });
}

/// Head stands at `last`, which alone is held; once it is released, messages go the short way again.
fn finish(bench: &Arc<Bench>, mut receiver: Receiver, last: u64) {
    assert_eq!(bench.head().load(Relaxed), last);
    receiver.end.release(&**bench, Run { first: last, count: 1 });
    let run = receiver.take(1).expect("it is there");
    receiver.finish(run);
    assert_eq!(bench.sender(2).send(2), 2);
    let run = receiver.take(2).expect("they are there");
    assert!(receiver.end.release_one(&**bench, run.first), "nothing was released before older ones");
    assert!(receiver.end.release_one(&**bench, run.first + 1), "nothing was released before older ones");
}

#[test]
fn head_passes_what_was_released_before_older_ones() {
    explore(None, || {
        let (bench, mut receiver, run) = with_a_gap();
        assert!(!receiver.end.release_one(&*bench, run.first), "head stands still at the second");
        receiver.end.release(&*bench, Run { first: run.first, count: 1 });
        finish(&bench, receiver, run.first + 2);
    });
}

#[test]
fn head_passes_what_a_predecessor_released_before_older_ones() {
    explore(None, || {
        let (bench, receiver, run) = with_a_gap();
        drop(receiver);
        let mut receiver = bench.receiver(11);
        let first = receiver.take(4).expect("the first comes again");
        let third = receiver.take(1).expect("so does the third");
        assert_eq!([first, third], [run.first, run.first + 2].map(|first| Run { first, count: 1 }));
        assert!(!receiver.end.release_one(&*bench, run.first), "head stands still at the second");
        receiver.end.release(&*bench, first);
        finish(&bench, receiver, run.first + 2);
    });
}

/// Joins, has a batch sent that lies in two laps, pulls it and releases its messages one after another.
fn pull_known(memory: &Mortal<'_>, bench: &Bench, sender: &mut Sender, released: &Cell<u64>) {
    let mut end = SingleReceiver::join(memory).expect("the words are sound");
    assert_eq!(sender.send(2), 2);
    let run = end.take(memory, 2).expect("they are there");
    assert_eq!(run.count, 2);
    for (nth, position) in run.positions().enumerate() {
        assert_eq!(bench.read(position), 101 + nth as u64);
        // Before the step that does it.
        released.set(nth as u64 + 1);
        assert!(end.release_one(memory, position), "it is the oldest");
    }
}

#[test]
fn a_receiver_dies_with_a_batch_that_is_known() {
    at_every_step(|step, died| {
        explore(None, move || {
            let bench = Bench::new(SINGLE, 1);
            let (mut sender, mut before) = (bench.sender(1), bench.receiver(11));
            assert_eq!((sender.send(1), before.pull(1)), (1, 1));
            drop(before);
            let (first, released) = (bench.head().load(Relaxed), Cell::new(0));
            let lived = Mortal::live(&bench, step, |memory| pull_known(memory, &bench, &mut sender, &released));
            died.fetch_or(lived.is_none(), std::sync::atomic::Ordering::Relaxed);
            let (head, mark) = (bench.head().load(Relaxed) - first, bench.delivered_to().load(Relaxed));
            let sent = sent_to(&*bench) - first;
            assert!(head == released.get() || head + 1 == released.get(), "released {}, head {head}", released.get());
            let mut next = bench.receiver(11);
            // What the dead has seen of it counts.
            for position in first + head..first + sent {
                let again = next.take(1).expect("it comes again");
                assert_eq!(again.first, position);
                assert_eq!(next.end.deliveries(&*bench, position), if mark > position { 2 } else { 1 });
                assert!(mark > position || released.get() == 0, "it was shown before it was marked");
                next.finish(again);
            }
            assert_eq!(next.take(1), None);
        });
    });
}
