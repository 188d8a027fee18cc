//! Messages that are kept beyond the pull that took them.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread;
use std::time::Duration;

use ringpost::{Ends, Held, Queue, Receiver, Sender, WhenFull};

use crate::common::{ALL_ENDS, LONG, drain, in_memory, number, options, send_numbers};

/// A queue with the numbers below `count` in it.
fn with_numbers(ends: (Ends, Ends), count: u64) -> (Queue, Sender, Receiver) {
    let queue = in_memory(options(ends).when_full(WhenFull::Fail));
    let (mut tx, rx) = (queue.sender().unwrap(), queue.receiver().unwrap());
    send_numbers(&mut tx, 0..count);
    (queue, tx, rx)
}

fn deliveries(rx: &mut Receiver) -> Vec<(u64, u32)> {
    rx.try_pull(usize::MAX).unwrap().into_iter().map(|m| (number(&m), m.deliveries())).collect()
}

/// Every slot can be used, so nothing is held.
fn assert_whole(tx: &mut Sender, rx: &mut Receiver) {
    assert_eq!(drain(rx), [0; 0]);
    for _ in 0..3 {
        send_numbers(tx, 0..64);
        assert_eq!(drain(rx), (0..64).collect::<Vec<_>>());
    }
}

#[test]
fn a_held_message_is_read_and_released_on_another_thread() {
    for ends in ALL_ENDS {
        let (queue, mut tx, mut rx) = with_numbers(ends, 4);
        let held = rx.recv().unwrap().hold();
        assert_eq!(drain(&mut rx), [1, 2, 3]);
        thread::spawn(move || assert_eq!((number(&held), held.deliveries()), (0, 1))).join().unwrap();
        assert_whole(&mut tx, &mut rx);
        assert_eq!((queue.stat().totals.pulled, queue.stat().totals.pulled_bytes), (196, 1568), "{ends:?}");
    }
}

#[test]
fn a_held_message_comes_again_after_a_nack() {
    for ends in ALL_ENDS {
        let (queue, mut tx, mut rx) = with_numbers(ends, 4);
        let held = rx.try_pull(3).unwrap().hold();
        let [zero, one, two] = <[Held; 3]>::try_from(held).unwrap();
        thread::spawn(move || one.nack()).join().unwrap();
        assert_eq!(deliveries(&mut rx), [(1, 2), (3, 1)], "others are still held: {ends:?}");
        assert_eq!((number(&zero), number(&two)), (0, 2));
        two.release();
        zero.nack();
        assert_eq!(deliveries(&mut rx), [(0, 2)], "{ends:?}");
        assert_whole(&mut tx, &mut rx);
        assert_eq!(queue.stat().totals.redelivered, 2, "{ends:?}");
    }
}

#[test]
fn what_comes_back_beside_a_held_message_does_not_bring_that_too() {
    for ends in ALL_ENDS {
        let (_queue, mut tx, mut rx) = with_numbers(ends, 6);
        let mut batch = rx.try_pull(4).unwrap().into_iter();
        // Given back before anything was held, while something is held.
        batch.next().unwrap().nack();
        let one = batch.next().unwrap().hold();
        batch.next().unwrap().nack();
        drop(batch);
        let again = deliveries(&mut rx);
        assert!(again.iter().all(|(n, _)| *n != 1), "{ends:?}: {again:?}");
        assert_eq!(number(&one), 1);
        drop(one);
        let mut all: Vec<u64> = again.into_iter().chain(deliveries(&mut rx)).map(|(n, _)| n).collect();
        all.sort_unstable();
        assert_eq!(all, [0, 2, 3, 4, 5], "{ends:?}");
        assert_whole(&mut tx, &mut rx);
    }
}

#[test]
fn the_endpoint_stays_until_the_last_held_message_is_gone() {
    for ends in ALL_ENDS {
        let (queue, mut tx, mut rx) = with_numbers(ends, 4);
        let [zero, one, two] = <[Held; 3]>::try_from(rx.try_pull(3).unwrap().hold()).unwrap();
        one.release();
        drop(rx);
        assert_eq!(queue.receiver().is_err(), ends.1 == Ends::Single, "a single place is taken");
        assert_eq!(number(&zero), 0);
        thread::spawn(move || zero.nack()).join().unwrap();
        assert_eq!(queue.stat().endpoints.len(), 2);
        drop(two);
        assert_eq!(queue.stat().endpoints.len(), 1, "{ends:?}");
        let mut rx = queue.receiver().unwrap();
        assert_eq!(deliveries(&mut rx), [(0, 2), (3, 1)], "{ends:?}");
        assert_whole(&mut tx, &mut rx);
    }
}

#[test]
fn a_waiting_receiver_makes_room_for_a_waiting_sender() {
    for ends in ALL_ENDS {
        let queue = in_memory(options(ends));
        let (mut tx, mut rx) = (queue.sender().unwrap(), queue.receiver().unwrap());
        send_numbers(&mut tx, 0..64);
        let held = rx.recv().unwrap().hold();
        assert_eq!(drain(&mut rx).len(), 63);
        thread::scope(|scope| {
            let receiving = scope.spawn(move || (0..64).map(|_| number(&rx.recv().unwrap())).collect::<Vec<_>>());
            let sending =
                scope.spawn(move || (100..164).try_for_each(|n: u64| tx.send_timeout(&n.to_le_bytes(), LONG)));
            held.release();
            sending.join().unwrap().unwrap();
            assert_eq!(receiving.join().unwrap(), (100..164).collect::<Vec<_>>(), "{ends:?}");
        });
    }
}

#[test]
fn a_panic_gives_back_what_is_held() {
    for ends in ALL_ENDS {
        let (_queue, mut tx, mut rx) = with_numbers(ends, 2);
        let held = rx.recv().unwrap().hold();
        assert!(catch_unwind(AssertUnwindSafe(move || assert_eq!(number(&held), 9, "a panic on purpose"))).is_err());
        assert_eq!(deliveries(&mut rx), [(0, 2), (1, 1)], "{ends:?}");
        assert_whole(&mut tx, &mut rx);
    }
}

#[test]
fn abandoning_brings_back_what_was_leaked() {
    for ends in ALL_ENDS {
        let (queue, mut tx, mut rx) = with_numbers(ends, 5);
        let [zero, one, two] = <[Held; 3]>::try_from(rx.try_pull(3).unwrap().hold()).unwrap();
        core::mem::forget(zero);
        one.release();
        // SAFETY: `two` is not looked at from now on, and `zero` is gone.
        unsafe { rx.abandon() };
        assert_eq!(queue.stat().endpoints.len(), 1, "{ends:?}");
        let mut rx = queue.receiver().unwrap();
        let again = rx.try_pull(8).unwrap();
        drop(two);
        assert_eq!(again.iter().map(number).collect::<Vec<_>>(), [0, 2, 3, 4], "{ends:?}");
        drop(again);
        assert_whole(&mut tx, &mut rx);
    }
}

#[test]
fn many_threads_settle_what_one_receives() {
    for ends in ALL_ENDS {
        let queue = in_memory(options(ends));
        let (mut tx, mut rx) = (queue.sender().unwrap(), queue.receiver().unwrap());
        let count = if cfg!(miri) { 40 } else { 2000 };
        let done = std::sync::Mutex::new(Vec::new());
        thread::scope(|scope| {
            scope.spawn(move || (0..count).for_each(|n: u64| tx.send_timeout(&n.to_le_bytes(), LONG).unwrap()));
            let (hand_over, work) = std::sync::mpsc::sync_channel::<Held>(8);
            let work = std::sync::Arc::new(std::sync::Mutex::new(work));
            for _ in 0..3 {
                let (work, done) = (std::sync::Arc::clone(&work), &done);
                scope.spawn(move || {
                    loop {
                        let Ok(held) = ({ work.lock().unwrap().recv() }) else { return };
                        if number(&held).is_multiple_of(7) && held.deliveries() == 1 {
                            held.nack();
                        } else {
                            done.lock().unwrap().push(number(&held));
                        }
                    }
                });
            }
            let mut taken = 0;
            while taken < count + count.div_ceil(7) {
                if let Some(message) = rx.recv_timeout(LONG).unwrap() {
                    taken += 1;
                    hand_over.send(message.hold()).unwrap();
                }
            }
        });
        let mut done = done.into_inner().unwrap();
        done.sort_unstable();
        assert_eq!(done, (0..count).collect::<Vec<_>>(), "{ends:?}");
    }
}

/// One went back before anything was held. Then the last that is held is released while a pull that has taken others waits for more.
#[test]
fn what_a_waiting_pull_has_is_not_delivered_again() {
    for ends in ALL_ENDS {
        let (_queue, mut tx, mut rx) = with_numbers(ends, 6);
        let mut first = rx.try_pull(2).unwrap().into_iter();
        first.next().unwrap().nack();
        let held = first.next().unwrap().hold();
        drop(first);
        let settling = thread::spawn(move || {
            thread::sleep(Duration::from_millis(50));
            held.release();
        });
        let mut got: Vec<u64> = rx.pull(16, Duration::from_millis(150)).unwrap().iter().map(number).collect();
        settling.join().unwrap();
        got.extend(drain(&mut rx));
        got.sort_unstable();
        assert_eq!(got, [0, 2, 3, 4, 5], "{ends:?}");
        assert_whole(&mut tx, &mut rx);
    }
}
