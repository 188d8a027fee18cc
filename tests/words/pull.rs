//! `pull`, `recv`, `size` and `capacity`.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use ringpost::{Ends, Held, Options, Queue, Wait};

use crate::common::{ALL_ENDS, LONG, drain, in_memory, number, options, send_numbers};

const HALF_A_SECOND: Duration = Duration::from_millis(500);
const AT_MOST: Duration = Duration::from_secs(5);

#[test]
fn pull_returns_what_is_there_when_the_time_is_up() {
    for ends in ALL_ENDS {
        let queue = in_memory(options(ends));
        let (mut tx, mut rx) = (queue.sender().unwrap(), queue.receiver().unwrap());
        send_numbers(&mut tx, 0..3);
        let since = Instant::now();
        let batch = rx.pull(5, HALF_A_SECOND).unwrap();
        let took = since.elapsed();
        assert_eq!(batch.iter().map(number).collect::<Vec<_>>(), [0, 1, 2]);
        assert!(took >= HALF_A_SECOND && took < AT_MOST, "{took:?}");
    }
}

#[test]
fn the_timeout_is_for_all_messages_together() {
    for ends in ALL_ENDS {
        let queue = in_memory(options(ends));
        let (mut tx, mut rx) = (queue.sender().unwrap(), queue.receiver().unwrap());
        let over = AtomicBool::new(false);
        thread::scope(|scope| {
            scope.spawn(|| {
                for i in (0..20).take_while(|_| !over.load(Ordering::Relaxed)) {
                    send_numbers(&mut tx, [i]);
                    thread::sleep(Duration::from_millis(150));
                }
            });
            let since = Instant::now();
            let batch = rx.pull(20, HALF_A_SECOND).unwrap();
            let took = since.elapsed();
            over.store(true, Ordering::Relaxed);
            // A timeout per message would have waited for all twenty: three seconds.
            assert!(took >= HALF_A_SECOND && took < Duration::from_millis(2900), "{took:?}");
            assert!((1..20).contains(&batch.len()), "{}", batch.len());
            assert_eq!(batch.iter().map(number).collect::<Vec<_>>(), (0..batch.len() as u64).collect::<Vec<_>>());
        });
    }
}

#[test]
fn pull_returns_at_once_when_enough_is_there() {
    for ends in ALL_ENDS {
        for wait in [Wait::Spin, Wait::Balanced, Wait::Sleep] {
            let queue = in_memory(options(ends));
            let (mut tx, mut rx) = (queue.sender().unwrap(), queue.receiver().unwrap());
            rx.set_wait(wait);
            send_numbers(&mut tx, 0..3);
            let since = Instant::now();
            assert_eq!(rx.pull(2, LONG).unwrap().into_iter().map(|m| number(&m)).collect::<Vec<_>>(), [0, 1]);
            assert!(since.elapsed() < AT_MOST);
            assert_eq!(queue.size(), 1);
        }
    }
}

#[test]
fn pull_returns_as_soon_as_enough_has_come() {
    for ends in ALL_ENDS {
        for wait in [Wait::Spin, Wait::Balanced, Wait::Sleep] {
            let queue = in_memory(options(ends));
            let (mut tx, mut rx) = (queue.sender().unwrap(), queue.receiver().unwrap());
            rx.set_wait(wait);
            thread::scope(|scope| {
                scope.spawn(move || {
                    for i in 0..4 {
                        thread::sleep(Duration::from_millis(5));
                        send_numbers(&mut tx, [i]);
                    }
                });
                let since = Instant::now();
                assert_eq!(rx.pull(3, LONG).unwrap().iter().map(number).collect::<Vec<_>>(), [0, 1, 2]);
                assert!(since.elapsed() < AT_MOST);
            });
        }
    }
}

#[test]
fn nothing_is_not_an_error() {
    for ends in ALL_ENDS {
        let queue = in_memory(options(ends));
        let mut rx = queue.receiver().unwrap();
        assert!(rx.try_pull(5).unwrap().is_empty());
        assert!(rx.try_recv().unwrap().is_none());
        assert!(rx.pull(5, Duration::ZERO).unwrap().is_empty());
        assert!(rx.recv_timeout(Duration::from_millis(1)).unwrap().is_none());
        let mut tx = queue.sender().unwrap();
        send_numbers(&mut tx, [1]);
        assert!(rx.pull(0, LONG).unwrap().is_empty());
        assert!(rx.try_pull(0).unwrap().is_empty());
        assert_eq!(queue.size(), 1);
    }
}

#[test]
fn a_pull_of_more_than_the_queue_holds_is_a_pull_of_all() {
    for ends in ALL_ENDS {
        let queue = in_memory(options(ends));
        let (mut tx, mut rx) = (queue.sender().unwrap(), queue.receiver().unwrap());
        send_numbers(&mut tx, 0..64);
        let since = Instant::now();
        let batch = rx.pull(usize::MAX, LONG).unwrap();
        assert_eq!(batch.iter().map(number).collect::<Vec<_>>(), (0..64).collect::<Vec<_>>());
        assert!(since.elapsed() < AT_MOST);
    }
}

#[test]
fn size_and_capacity_agree_with_what_was_sent() {
    for ends in ALL_ENDS {
        let queue = in_memory(options(ends));
        let (mut tx, mut rx) = (queue.sender().unwrap(), queue.receiver().unwrap());
        assert!(queue.is_empty() && rx.size() == 0 && tx.size() == 0);
        assert_eq!((queue.capacity(), tx.capacity(), rx.capacity()), (64, 64, 64));
        assert_eq!((queue.max_len(), tx.max_len(), rx.max_len()), (16, 16, 16));
        for lap in 0..3 {
            for i in 0..64 {
                assert_eq!(queue.size(), i, "in lap {lap}");
                send_numbers(&mut tx, [i as u64]);
            }
            assert_eq!((queue.len(), tx.size(), rx.size(), queue.stat().size), (64, 64, 64, 64));
            let batch = rx.try_pull(10).unwrap();
            assert_eq!(queue.size(), 54, "what a receiver holds does not wait");
            batch.release();
            assert_eq!(queue.size(), 54);
            assert_eq!(drain(&mut rx).len(), 54);
            assert_eq!(queue.size(), 0);
        }
    }
}

#[test]
fn size_counts_what_was_given_back() {
    for ends in ALL_ENDS {
        let queue = in_memory(options(ends));
        let (mut tx, mut rx) = (queue.sender().unwrap(), queue.receiver().unwrap());
        send_numbers(&mut tx, 0..5);
        rx.try_pull(5).unwrap().nack();
        assert_eq!(queue.size(), 5, "{ends:?}");
        drop(rx.try_pull(5).unwrap().into_iter().next());
        assert_eq!(queue.size(), 4, "{ends:?}");
        assert_eq!(drain(&mut rx), [1, 2, 3, 4]);
        assert_eq!(queue.size(), 0, "{ends:?}");
    }
}

#[test]
fn size_does_not_count_a_loan_that_was_given_up() {
    for ends in ALL_ENDS {
        let queue = in_memory(options(ends));
        let (mut tx, mut rx) = (queue.sender().unwrap(), queue.receiver().unwrap());
        drop(tx.loan(8).unwrap());
        assert!(rx.try_recv().unwrap().is_none());
        assert_eq!(queue.size(), 0, "{ends:?}, after a receiver has looked");
    }
}

#[test]
fn capacity_rounds_up_and_says_so() {
    for ends in ALL_ENDS {
        let single = ends == (Ends::Single, Ends::Single);
        let least = if single { 1 } else { 4 };
        for (asked, rounded) in [(1, 1), (2, 2), (3, 4), (64, 64), (65, 128), (1000, 1024)] {
            let options = Options::new(asked).max_len(8).senders(ends.0).receivers(ends.1);
            assert_eq!(options.plan().unwrap().capacity, rounded.max(least));
            let queue = in_memory(options);
            assert_eq!(queue.capacity() as u64, rounded.max(least));
            let (mut tx, mut rx) = (queue.sender().unwrap(), queue.receiver().unwrap());
            for _ in 0..3 {
                send_numbers(&mut tx, 0..rounded.max(least));
                assert!(tx.try_send(b"more").is_err());
                assert_eq!(drain(&mut rx).len() as u64, rounded.max(least));
            }
        }
    }
    assert!(Options::new(0).plan().is_err());
    assert!(ringpost::Queue::in_memory(Options::new(0)).is_err());
}

#[test]
fn receiving_copies_when_asked() {
    for ends in ALL_ENDS {
        let queue = in_memory(options(ends));
        let (mut tx, mut rx) = (queue.sender().unwrap(), queue.receiver().unwrap());
        send_numbers(&mut tx, 0..4);
        let mut buffer = vec![9; 100];
        rx.recv_copy(&mut buffer).unwrap();
        assert_eq!(number(&buffer), 0);
        queue.close();
        assert_eq!(rx.iter().map(|bytes| number(&bytes)).collect::<Vec<_>>(), [1, 2, 3]);
    }
}

#[test]
fn who_joins_in_the_middle_of_a_batch_gets_what_others_gave_back() {
    let queue = Queue::<u64>::in_memory(Options::of(64).senders(Ends::Single).receivers(Ends::Single)).unwrap();
    let mut tx = queue.sender().unwrap();
    let mut second = None;
    let messages = (0..32).inspect(|number| {
        if *number != 20 {
            return;
        }
        // Twenty messages are there, of which tail tells nothing. One is released before older ones, and the others come back.
        let mut first = queue.receiver().unwrap();
        let mut held = first.try_pull(20).unwrap().hold();
        held.remove(10).release();
        held.into_iter().for_each(Held::nack);
        assert!(first.try_pull(0).unwrap().is_empty());
        drop(first);
        let mut rx = queue.receiver().unwrap();
        for expected in 0..4 {
            assert_eq!(*rx.recv().unwrap(), expected);
        }
        second = Some(rx);
    });
    tx.send_batch(messages).unwrap();
    let mut rx = second.expect("it has joined");
    let mut got = Vec::new();
    for _ in 0..4 {
        got.extend(rx.try_pull(8).unwrap().into_iter().map(|message| (*message, message.deliveries())));
    }
    let expected = (4..32).filter(|number| *number != 10).map(|number| (number, if number < 20 { 2 } else { 1 }));
    assert_eq!(got, expected.collect::<Vec<_>>());
    assert_eq!(queue.stat().totals.redelivered, 19);
}
