//! Queues of values: any type whose every bit pattern is a valid value.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use ringpost::{Error, Options, Queue, RecvError, SendError};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use crate::common::{ALL_ENDS, LONG, UniqueName};

#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
struct Tick {
    price: i64,
    size: u32,
    symbol: [u8; 4],
}

/// Of the same size and alignment, and yet another type.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
struct Other {
    a: u64,
    b: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C, align(64))]
struct Aligned {
    bytes: [u8; 64],
}

fn tick(i: u32) -> Tick {
    Tick { price: -i64::from(i), size: i, symbol: *b"RING" }
}

/// What is counted of a queue of numbers: sent, released, waiting.
fn counts(queue: &Queue<u64>) -> (u64, u64, usize) {
    let totals = queue.stat().totals;
    assert_eq!((totals.sent_bytes, totals.pulled_bytes), (totals.sent * 8, totals.pulled * 8));
    assert_eq!(queue.peek().count(), queue.size());
    (totals.sent, totals.pulled, queue.size())
}

#[test]
fn every_value_is_counted_at_once() {
    // With one sender and one receiver the cursors count, and tail does not tell of each.
    for ends in ALL_ENDS {
        let queue = Queue::in_memory(Options::of::<u64>(16).senders(ends.0).receivers(ends.1)).unwrap();
        let (mut tx, mut rx) = (queue.sender().unwrap(), queue.receiver().unwrap());
        for number in 0..50_u64 {
            // Each way more often in a row than a line has slots.
            match number / 7 % 3 {
                0 => tx.send(&number).unwrap(),
                1 => assert_eq!(tx.send_batch([number]), Ok(1)),
                _ => {
                    let mut loan = tx.loan().unwrap();
                    *loan = number;
                    loan.commit();
                }
            }
            assert_eq!(counts(&queue), (number + 1, number.saturating_sub(3), 4.min(number as usize + 1)), "{ends:?}");
            if number < 3 {
                continue;
            }
            let oldest = match number % 4 {
                0 => rx.recv_value().unwrap(),
                1 => rx.recv_with(|value| *value).unwrap(),
                2 => *rx.recv().unwrap(),
                _ => {
                    let mut got = 0;
                    assert_eq!(rx.pull_some_with(1, LONG, |value| got = *value), Ok(1));
                    got
                }
            };
            assert_eq!(oldest, number - 3);
        }
        assert_eq!(counts(&queue), (50, 47, 3), "{ends:?}");
    }
}

#[test]
fn values_that_were_put_away_do_not_count_as_pulled() {
    for ends in ALL_ENDS {
        let options = Options::of::<u64>(16).senders(ends.0).receivers(ends.1).max_deliveries(1);
        let queue = Queue::in_memory(options).unwrap();
        let (mut tx, mut rx) = (queue.sender().unwrap(), queue.receiver().unwrap());
        assert_eq!(tx.send_batch(0..5_u64), Ok(5));
        rx.recv().unwrap().nack();
        assert_eq!(rx.recv_value(), Ok(1), "{ends:?}");
        let totals = queue.stat().totals;
        assert_eq!((totals.sent, totals.pulled, totals.expired), (5, 1, 1), "{ends:?}");
    }
}

#[test]
fn values_come_out_as_they_went_in() {
    for ends in ALL_ENDS {
        let queue = Queue::in_memory(Options::of::<Tick>(64).senders(ends.0).receivers(ends.1)).unwrap();
        let (mut tx, mut rx) = (queue.sender().unwrap(), queue.receiver().unwrap());
        tx.send(&tick(1)).unwrap();
        let mut loan = tx.loan().unwrap();
        *loan = tick(2);
        loan.size = 22;
        loan.commit();
        assert_eq!(tx.send_batch([&tick(3), &tick(4)]), Ok(2));
        drop(tx.loan().unwrap());
        assert_eq!(*rx.recv().unwrap(), tick(1));
        assert_eq!(rx.recv().unwrap().size, 22);
        let batch = rx.pull(2, LONG).unwrap();
        assert_eq!(batch.iter().copied().collect::<Vec<_>>(), [tick(3), tick(4)]);
        batch.release();
        tx.send(&tick(5)).unwrap();
        queue.close();
        assert_eq!(rx.iter().collect::<Vec<_>>(), [tick(5)]);
        assert_eq!(queue.max_len(), size_of::<Tick>());
    }
}

#[test]
fn values_of_any_size_are_received_whole() {
    values_of::<1>();
    values_of::<2>();
    values_of::<3>();
    values_of::<8>();
    values_of::<40>();
}

/// Values of so many words, some of them waited for and some known to be there.
fn values_of<const WORDS: usize>() {
    for ends in ALL_ENDS {
        let options = Options::of::<[u64; WORDS]>(16).senders(ends.0).receivers(ends.1);
        let queue = Queue::in_memory(options).unwrap();
        let (mut tx, mut rx) = (queue.sender().unwrap(), queue.receiver().unwrap());
        let value = |n: u64| core::array::from_fn(|word| n * 1000 + word as u64);
        for first in (0..50).step_by(10) {
            (first..first + 10).for_each(|n| tx.send(&value(n)).unwrap());
            for n in first..first + 10 {
                assert_eq!(rx.recv_value(), Ok(value(n)), "{WORDS} words, {ends:?}");
            }
            assert_eq!(rx.try_recv_value(), Ok(None));
        }
    }
}

#[test]
fn a_value_is_received_and_its_slot_is_free() {
    for ends in ALL_ENDS {
        let queue = Queue::in_memory(Options::of::<Tick>(64).senders(ends.0).receivers(ends.1)).unwrap();
        let (mut tx, mut rx) = (queue.sender().unwrap(), queue.receiver().unwrap());
        assert_eq!(rx.try_recv_value(), Ok(None));
        assert_eq!(rx.recv_value_timeout(core::time::Duration::from_millis(1)), Ok(None));
        for i in 0..200 {
            tx.try_send(&tick(i)).unwrap();
            tx.try_send(&tick(i + 1000)).unwrap();
            assert_eq!(rx.recv_value_timeout(LONG), Ok(Some(tick(i))));
            assert_eq!(rx.try_recv_value(), Ok(Some(tick(i + 1000))));
            assert_eq!(queue.size(), 0);
        }
        let totals = queue.stat().totals;
        assert_eq!((totals.pulled, totals.pulled_bytes), (400, 400 * size_of::<Tick>() as u64));
        // What came back is delivered before what is new, and what is held is not delivered again.
        tx.send_batch([tick(1), tick(2), tick(3)]).unwrap();
        rx.recv().unwrap().nack();
        assert_eq!(rx.recv_value(), Ok(tick(1)));
        let held = rx.recv().unwrap().hold();
        assert_eq!(rx.recv_value(), Ok(tick(3)));
        drop(held);
        queue.close();
        assert_eq!(rx.recv_value(), Err(RecvError::Closed));
        assert_eq!(rx.try_recv_value(), Err(RecvError::Closed));
    }
}

#[test]
fn a_value_is_read_in_place_and_its_slot_is_free() {
    for ends in ALL_ENDS {
        let queue = Queue::in_memory(Options::of::<Tick>(64).senders(ends.0).receivers(ends.1)).unwrap();
        let (mut tx, mut rx) = (queue.sender().unwrap(), queue.receiver().unwrap());
        let nothing = |_: &Tick| unreachable!("there is no message");
        assert_eq!(rx.try_recv_with(nothing), Ok(None));
        assert_eq!(rx.recv_with_timeout(core::time::Duration::from_millis(1), nothing), Ok(None));
        for i in 0..200 {
            tx.send_batch([tick(i), tick(i + 1000), tick(i + 2000)]).unwrap();
            assert_eq!(rx.recv_with(|value| *value), Ok(tick(i)));
            assert_eq!(rx.try_recv_with(|value| *value), Ok(Some(tick(i + 1000))));
            assert_eq!(rx.recv_with_timeout(LONG, |value| (queue.size(), *value)), Ok(Some((0, tick(i + 2000)))));
        }
        let totals = queue.stat().totals;
        assert_eq!((totals.pulled, totals.pulled_bytes), (600, 600 * size_of::<Tick>() as u64));
        // What came back is read before what is new, and what is held is not read again.
        tx.send_batch([tick(1), tick(2), tick(3)]).unwrap();
        rx.recv().unwrap().nack();
        assert_eq!(rx.recv_with(|value| *value), Ok(tick(1)));
        let held = rx.recv().unwrap().hold();
        assert_eq!(rx.recv_with(|value| *value), Ok(tick(3)));
        drop(held);
        queue.close();
        assert_eq!(rx.recv_with(nothing), Err(RecvError::Closed));
        assert_eq!(rx.try_recv_with(nothing), Err(RecvError::Closed));
    }
}

#[test]
fn a_function_that_panics_leaves_its_message() {
    for ends in ALL_ENDS {
        for sent_before in [0, 1] {
            let queue = Queue::in_memory(Options::of::<Tick>(64).senders(ends.0).receivers(ends.1)).unwrap();
            let (mut tx, mut rx) = (queue.sender().unwrap(), queue.receiver().unwrap());
            // With a message before it, a single receiver knows where it comes.
            for i in 0..sent_before {
                tx.send(&tick(i)).unwrap();
                rx.recv_with(|_| ()).unwrap();
            }
            tx.send_batch([tick(7), tick(8)]).unwrap();
            let panics = |value: &Tick| -> Tick { resume_unwind(Box::new(*value)) };
            let payload = catch_unwind(AssertUnwindSafe(|| rx.recv_with(panics))).unwrap_err();
            assert_eq!(payload.downcast_ref(), Some(&tick(7)));
            assert_eq!(queue.size(), 2);
            let again = rx.recv().unwrap();
            assert_eq!((*again, again.deliveries()), (tick(7), 2));
            again.release();
            assert_eq!(rx.recv_with(|value| *value), Ok(tick(8)));
            assert_eq!(queue.stat().totals.pulled, sent_before as u64 + 2);
        }
    }
}

#[test]
fn many_values_are_read_in_place_as_far_as_they_are_there() {
    for ends in ALL_ENDS {
        let queue = Queue::in_memory(Options::of::<u64>(64).senders(ends.0).receivers(ends.1)).unwrap();
        let (mut tx, mut rx) = (queue.sender().unwrap(), queue.receiver().unwrap());
        let nothing = |_: &u64| unreachable!("there is no message");
        let short = core::time::Duration::from_millis(1);
        assert_eq!(rx.pull_some_with(8, short, nothing), Ok(0));
        let mut next = 0;
        for round in 0..100 {
            let end = next + round % 40;
            assert_eq!(tx.send_batch(next..end), Ok((end - next) as usize));
            assert_eq!(rx.pull_some_with(0, LONG, nothing), Ok(0));
            while next < end {
                let before = next;
                let check = |value: &u64| {
                    assert_eq!(*value, next);
                    next += 1;
                };
                let read = rx.pull_some_with(16, LONG, check).unwrap() as u64;
                assert!((1..=16).contains(&read) && next == before + read);
            }
            assert_eq!(queue.size(), 0);
        }
        let totals = queue.stat().totals;
        assert_eq!((totals.sent, totals.pulled, totals.pulled_bytes), (next, next, next * 8));
        queue.close();
        assert_eq!(rx.pull_some_with(8, LONG, nothing), Err(RecvError::Closed));
    }
}

#[test]
fn a_panic_amid_many_leaves_what_was_not_read() {
    for ends in ALL_ENDS {
        for sent_before in [0, 1] {
            let queue = Queue::in_memory(Options::of::<u64>(64).senders(ends.0).receivers(ends.1)).unwrap();
            let (mut tx, mut rx) = (queue.sender().unwrap(), queue.receiver().unwrap());
            // With a message before them, a single receiver knows where they come.
            for _ in 0..sent_before {
                tx.send(&9).unwrap();
                rx.recv_with(|_| ()).unwrap();
            }
            tx.send_batch(0..5).unwrap();
            let panics = |value: &u64| {
                if *value == 2 {
                    resume_unwind(Box::new(*value))
                }
            };
            let payload = catch_unwind(AssertUnwindSafe(|| rx.pull_some_with(8, LONG, panics))).unwrap_err();
            assert_eq!(payload.downcast_ref(), Some(&2_u64));
            assert_eq!(queue.size(), 3);
            assert_eq!(queue.stat().totals.pulled, sent_before + 2);
            let left = rx.try_pull(8).unwrap();
            let left: Vec<_> = left.into_iter().map(|message| (*message, message.deliveries())).collect();
            assert_eq!(left, [(2, 2), (3, 1), (4, 1)]);
        }
    }
}

#[test]
fn values_are_aligned() {
    let queue = Queue::in_memory(Options::of::<Aligned>(64)).unwrap();
    let (mut tx, mut rx) = (queue.sender().unwrap(), queue.receiver().unwrap());
    for i in 0..70 {
        tx.send(&Aligned { bytes: [i; 64] }).unwrap();
        let message = rx.recv().unwrap();
        assert_eq!(message.bytes, [i; 64]);
        assert_eq!(core::ptr::from_ref::<Aligned>(&message).addr() % 64, 0);
    }
}

#[test]
fn another_type_is_refused() {
    let name = UniqueName::new("typed");
    Queue::create(&name, Options::of::<Tick>(64)).unwrap();
    assert!(Queue::open(&name).unwrap().typed::<Tick>().is_ok());
    let mismatch = Queue::open(&name).unwrap().typed::<Other>().unwrap_err();
    assert_eq!(mismatch.what, "message type");
    assert!(mismatch.expected.contains("Other") && mismatch.found.contains("Tick"), "{mismatch}");
    assert_eq!(Queue::open(&name).unwrap().typed::<u64>().unwrap_err().what, "message type");
    let error = Queue::open_or_create(&name, Options::of::<Other>(64)).unwrap_err();
    assert!(matches!(&error, Error::Mismatch(m) if m.what == "message type"), "{error}");
    let error = Queue::open_or_create(&name, Options::new(64).max_len(16)).unwrap_err();
    assert!(matches!(error, Error::Mismatch(_)), "{error}");
    assert!(Queue::open_or_create(&name, Options::of::<Tick>(64)).is_ok());
}

#[test]
fn a_raw_queue_is_not_a_typed_one() {
    let queue = Queue::in_memory(Options::new(64).max_len(16)).unwrap();
    let mismatch = queue.typed::<Tick>().unwrap_err();
    assert!(mismatch.found.contains("raw bytes"), "{mismatch}");
}

#[test]
fn a_typed_queue_can_be_used_as_bytes_of_one_length() {
    for ends in ALL_ENDS {
        let name = UniqueName::new("raw");
        let queue = Queue::create(&name, Options::of::<Tick>(64).senders(ends.0).receivers(ends.1)).unwrap();
        let raw = Queue::open(&name).unwrap();
        assert!(raw.stat().message_type.is_some_and(|name| name.ends_with("Tick")));
        let mut tx = raw.sender().unwrap();
        tx.send(tick(9).as_bytes()).unwrap();
        assert_eq!(tx.send(&[0; 15]), Err(SendError::WrongLen { len: 15, expected: 16 }));
        assert_eq!(tx.send(&[0; 17]), Err(SendError::WrongLen { len: 17, expected: 16 }));
        assert!(matches!(tx.loan(3), Err(SendError::WrongLen { len: 3, expected: 16 })));
        assert!(matches!(tx.loan(16).unwrap().commit_len(3), Err(SendError::WrongLen { len: 3, expected: 16 })));
        let mut rx = queue.receiver().unwrap();
        assert_eq!(*rx.recv().unwrap(), tick(9));
        assert!(rx.try_recv().unwrap().is_none());
    }
}
