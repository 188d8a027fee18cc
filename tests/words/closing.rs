//! The end of a queue: closed, removed, or left by its senders.

use std::thread;
use std::time::Duration;

use ringpost::{JoinError, OpenError, Queue, RecvError, RemoveError, SendError};

use crate::common::{ALL_ENDS, LONG, drain, in_memory, named, options, send_numbers};

const SHORT: Duration = Duration::from_millis(30);

#[test]
fn a_closed_queue_is_drained_and_then_says_so() {
    for ends in ALL_ENDS {
        let queue = in_memory(options(ends));
        let (mut tx, mut rx) = (queue.sender().unwrap(), queue.receiver().unwrap());
        send_numbers(&mut tx, 0..3);
        tx.close();
        assert!(queue.is_closed() && queue.stat().closed);
        assert_eq!(tx.send(b"late"), Err(SendError::Closed));
        assert_eq!(tx.try_send(b"late"), Err(SendError::Closed));
        assert_eq!(tx.send_timeout(b"late", LONG), Err(SendError::Closed));
        assert_eq!(tx.send_batch([&b"late"[..]]).unwrap_err().error, SendError::Closed);
        assert!(matches!(tx.loan(1), Err(SendError::Closed)));
        assert_eq!(rx.pull(5, LONG).unwrap().into_iter().count(), 3, "at once, though it wanted five");
        assert_eq!(rx.pull(5, LONG).unwrap_err(), RecvError::Closed);
        assert_eq!(rx.try_pull(5).unwrap_err(), RecvError::Closed);
        assert_eq!(rx.recv().unwrap_err(), RecvError::Closed);
        assert_eq!(rx.try_recv().unwrap_err(), RecvError::Closed);
        assert_eq!(rx.recv_timeout(LONG).unwrap_err(), RecvError::Closed);
    }
}

#[test]
fn a_pull_of_no_length_learns_of_the_end_too() {
    for ends in ALL_ENDS {
        let queue = in_memory(options(ends));
        let mut rx = queue.receiver().unwrap();
        queue.close();
        assert_eq!(rx.pull(5, Duration::ZERO).unwrap_err(), RecvError::Closed);
        assert_eq!(rx.pull_some(5, Duration::ZERO).unwrap_err(), RecvError::Closed);
        assert_eq!(rx.recv_timeout(Duration::ZERO).unwrap_err(), RecvError::Closed);
    }
}

#[test]
fn what_is_given_back_to_a_closed_queue_is_still_delivered() {
    for ends in ALL_ENDS {
        let queue = in_memory(options(ends));
        let (mut tx, mut rx) = (queue.sender().unwrap(), queue.receiver().unwrap());
        send_numbers(&mut tx, 0..3);
        queue.close();
        rx.try_pull(3).unwrap().nack();
        assert_eq!(drain(&mut rx), [0, 1, 2]);
        assert_eq!(rx.recv().unwrap_err(), RecvError::Closed);
    }
}

#[test]
fn closing_wakes_everyone() {
    for ends in ALL_ENDS {
        let queue = in_memory(options(ends));
        let (mut tx, mut rx) = (queue.sender().unwrap(), queue.receiver().unwrap());
        thread::scope(|scope| {
            let waiting = scope.spawn(move || rx.recv().map(drop));
            thread::sleep(SHORT);
            queue.close();
            assert_eq!(waiting.join().unwrap(), Err(RecvError::Closed));
        });
        let queue = in_memory(options(ends));
        let mut tx2 = queue.sender().unwrap();
        send_numbers(&mut tx2, 0..64);
        thread::scope(|scope| {
            let waiting = scope.spawn(move || tx2.send(b"one more"));
            thread::sleep(SHORT);
            queue.close();
            assert_eq!(waiting.join().unwrap(), Err(SendError::Closed));
        });
        assert_eq!(tx.send(b"the other queue"), Err(SendError::Closed));
    }
}

#[test]
fn a_receiver_may_ask_to_hear_that_the_senders_are_gone() {
    for ends in ALL_ENDS {
        let (queue, _name) = named("gone", options(ends));
        for queue in [queue, in_memory(options(ends))] {
            let mut rx = queue.receiver().unwrap();
            rx.until_senders_leave(true);
            assert!(rx.pull(1, SHORT).unwrap().is_empty(), "none has come yet");
            let mut tx = queue.sender().unwrap();
            send_numbers(&mut tx, 0..2);
            assert_eq!(rx.pull(3, SHORT).unwrap().into_iter().count(), 2, "it lives");
            send_numbers(&mut tx, 2..4);
            drop(tx);
            assert_eq!(rx.pull(3, LONG).unwrap().into_iter().count(), 2);
            assert_eq!(rx.pull(3, LONG).unwrap_err(), RecvError::SendersGone);
            assert_eq!(rx.try_recv().unwrap_err(), RecvError::SendersGone);
            let mut tx = queue.sender().unwrap();
            assert!(rx.try_recv().unwrap().is_none(), "there is one again");
            send_numbers(&mut tx, [4]);
            assert_eq!(drain(&mut rx), [4]);
        }
    }
}

#[test]
fn a_receiver_that_did_not_ask_waits_for_the_next_sender() {
    for ends in ALL_ENDS {
        let queue = in_memory(options(ends));
        let mut rx = queue.receiver().unwrap();
        drop(queue.sender().unwrap());
        assert!(rx.pull(1, SHORT).unwrap().is_empty());
    }
}

#[test]
fn a_removed_queue_can_be_drained_by_those_who_hold_it() {
    for ends in ALL_ENDS {
        let (queue, name) = named("removed", options(ends));
        let (mut tx, mut rx) = (queue.sender().unwrap(), queue.receiver().unwrap());
        send_numbers(&mut tx, 0..3);
        ringpost::remove(&name).unwrap();
        assert!(queue.is_removed());
        assert_eq!(tx.send(b"late"), Err(SendError::Removed), "{ends:?}");
        assert!(matches!(tx.loan(1), Err(SendError::Removed)));
        assert_eq!(drain(&mut rx), [0, 1, 2]);
        assert_eq!(rx.pull(1, LONG).unwrap_err(), RecvError::Removed);
        assert_eq!(rx.try_recv().unwrap_err(), RecvError::Removed);
        drop((tx, rx));
        assert_eq!(queue.sender().unwrap_err(), JoinError::Removed);
        assert_eq!(queue.receiver().unwrap_err(), JoinError::Removed);
        assert!(matches!(Queue::open(&name), Err(OpenError::NotFound { .. })));
        assert!(matches!(ringpost::remove(&name), Err(RemoveError::NotFound { .. })));
        Queue::create(&name, options(ends)).expect("the name is free again");
    }
}

#[test]
fn removing_wakes_everyone() {
    for ends in ALL_ENDS {
        let (queue, name) = named("wakes", options(ends));
        let mut rx = queue.receiver().unwrap();
        thread::scope(|scope| {
            let waiting = scope.spawn(move || rx.recv().map(drop));
            thread::sleep(SHORT);
            ringpost::remove(&name).unwrap();
            assert_eq!(waiting.join().unwrap(), Err(RecvError::Removed), "{ends:?}");
        });
        let (queue, name) = named("wakes", options(ends));
        let mut tx = queue.sender().unwrap();
        send_numbers(&mut tx, 0..64);
        thread::scope(|scope| {
            let waiting = scope.spawn(move || tx.send(b"one more"));
            thread::sleep(SHORT);
            ringpost::remove(&name).unwrap();
            assert_eq!(waiting.join().unwrap(), Err(SendError::Removed), "{ends:?}");
        });
    }
}
