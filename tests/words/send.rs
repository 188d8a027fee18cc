//! `send` and its kin: a full queue, wrong lengths, loans, batches.

use std::thread;
use std::time::{Duration, Instant};

use ringpost::{Ends, Options, Payload, Queue, SendError, WhenFull};

use crate::common::{ALL_ENDS, LONG, drain, in_memory, options, send_numbers};

const SHORT: Duration = Duration::from_millis(30);

fn full(queue: &Queue) -> ringpost::Sender {
    let mut tx = queue.sender().unwrap();
    send_numbers(&mut tx, 0..queue.capacity() as u64);
    tx
}

#[test]
fn a_full_queue_that_fails_says_so_and_counts_it() {
    for ends in ALL_ENDS {
        let queue = in_memory(options(ends).when_full(WhenFull::Fail));
        let mut tx = full(&queue);
        assert_eq!(tx.send(b"lost?"), Err(SendError::Full { capacity: 64 }));
        assert_eq!(tx.try_send(b"lost?"), Err(SendError::Full { capacity: 64 }));
        assert_eq!(tx.send_timeout(b"lost?", SHORT), Err(SendError::TimedOut));
        assert!(matches!(tx.loan(1), Err(SendError::Full { capacity: 64 })));
        let totals = queue.stat().totals;
        assert_eq!((totals.sent, totals.dropped, totals.overwritten), (64, 4, 0));
        assert_eq!(queue.size(), 64);
        let mut rx = queue.receiver().unwrap();
        assert_eq!(drain(&mut rx), (0..64).collect::<Vec<_>>());
        tx.send(b"room").unwrap();
        assert_eq!(queue.stat().totals.pulled, 64);
    }
}

#[test]
fn a_full_queue_that_blocks_waits_for_room() {
    for ends in ALL_ENDS {
        let queue = in_memory(options(ends));
        let mut tx = full(&queue);
        let mut rx = queue.receiver().unwrap();
        assert_eq!(tx.try_send(b"now?"), Err(SendError::Full { capacity: 64 }));
        thread::scope(|scope| {
            let sender = scope.spawn(move || tx.send(&64u64.to_le_bytes()));
            thread::sleep(SHORT);
            assert!(!sender.is_finished(), "there is no room yet");
            rx.recv().unwrap().release();
            sender.join().unwrap().unwrap();
        });
        assert_eq!(drain(&mut rx), (1..=64).collect::<Vec<_>>());
        assert_eq!(queue.stat().totals.dropped, 1, "only the one that did not wait");
    }
}

#[test]
fn a_full_queue_with_a_deadline_refuses_after_it() {
    for ends in ALL_ENDS {
        let queue = in_memory(options(ends).when_full(WhenFull::Deadline(SHORT)));
        let mut tx = full(&queue);
        let since = Instant::now();
        assert_eq!(tx.send(b"late"), Err(SendError::TimedOut));
        assert!(since.elapsed() >= SHORT && since.elapsed() < LONG);
        assert_eq!(tx.try_send(b"now"), Err(SendError::Full { capacity: 64 }));
        assert!(matches!(tx.loan(3), Err(SendError::TimedOut)));
        assert_eq!(queue.stat().totals.dropped, 3);
        assert_eq!(queue.size(), 64);
    }
}

#[test]
fn a_full_queue_that_overwrites_keeps_the_newest_and_counts() {
    for ends in ALL_ENDS {
        let queue = in_memory(options(ends).when_full(WhenFull::Overwrite));
        let mut tx = full(&queue);
        send_numbers(&mut tx, 64..74);
        assert_eq!(queue.size(), 64);
        let totals = queue.stat().totals;
        assert_eq!((totals.sent, totals.dropped, totals.overwritten), (74, 0, 10));
        let mut rx = queue.receiver().unwrap();
        assert_eq!(drain(&mut rx), (10..74).collect::<Vec<_>>());
    }
}

#[test]
fn a_message_that_is_held_is_never_overwritten() {
    for ends in ALL_ENDS {
        let queue = in_memory(options(ends).when_full(WhenFull::Overwrite));
        let mut tx = full(&queue);
        let mut rx = queue.receiver().unwrap();
        let held = rx.recv().unwrap();
        assert_eq!(tx.send(b"over"), Err(SendError::Full { capacity: 64 }));
        assert_eq!(*held, 0u64.to_le_bytes());
        assert_eq!(queue.stat().totals.dropped, 1);
        held.release();
        tx.send(&64u64.to_le_bytes()).unwrap();
        assert_eq!(drain(&mut rx), (1..=64).collect::<Vec<_>>());
    }
}

#[test]
fn a_batch_says_how_far_it_came() {
    for ends in ALL_ENDS {
        let queue = in_memory(options(ends).when_full(WhenFull::Fail));
        let mut tx = queue.sender().unwrap();
        let bytes: Vec<[u8; 8]> = (0..100u64).map(u64::to_le_bytes).collect();
        let error = tx.send_batch(bytes.iter().map(|b| &b[..])).unwrap_err();
        assert_eq!((error.sent, error.error), (64, SendError::Full { capacity: 64 }));
        let error = tx.send_batch_timeout(bytes.iter().map(|b| &b[..]), SHORT).unwrap_err();
        assert_eq!((error.sent, error.error), (0, SendError::TimedOut));
        let hopeless: [&[u8]; 1] = [&[0; 17]];
        let error = tx.send_batch_timeout(hopeless, LONG).unwrap_err();
        assert_eq!(error.error, SendError::TooLong { len: 17, max_len: 16 }, "it waits for no room");
        let mut rx = queue.receiver().unwrap();
        assert_eq!(drain(&mut rx), (0..64).collect::<Vec<_>>());
        let mixed: [&[u8]; 4] = [b"one", b"two", &[0; 17], b"never"];
        let error = tx.send_batch(mixed).unwrap_err();
        assert_eq!((error.sent, error.error), (2, SendError::TooLong { len: 17, max_len: 16 }));
        assert_eq!(tx.send_batch(Vec::<&[u8]>::new()), Ok(0));
        let texts: Vec<Vec<u8>> = rx.try_pull(9).unwrap().iter().map(<[u8]>::to_vec).collect();
        assert_eq!(texts, [b"one", b"two"]);
    }
}

#[test]
fn a_batch_longer_than_the_queue_passes_through_it() {
    for ends in ALL_ENDS {
        let queue = in_memory(options(ends));
        let (mut tx, mut rx) = (queue.sender().unwrap(), queue.receiver().unwrap());
        let bytes: Vec<[u8; 8]> = (0..1000u64).map(u64::to_le_bytes).collect();
        thread::scope(|scope| {
            scope.spawn(move || assert_eq!(tx.send_batch(bytes.iter().map(|b| &b[..])), Ok(1000)));
            let mut got = Vec::new();
            while got.len() < 1000 {
                got.extend(rx.pull(100.min(1000 - got.len()), LONG).unwrap().iter().map(crate::common::number));
            }
            assert_eq!(got, (0..1000).collect::<Vec<_>>());
        });
    }
}

#[test]
fn a_message_that_is_too_long_is_refused_whole() {
    for ends in ALL_ENDS {
        let queue = in_memory(options(ends));
        let mut tx = queue.sender().unwrap();
        assert_eq!(tx.send(&[0; 17]), Err(SendError::TooLong { len: 17, max_len: 16 }));
        assert!(matches!(tx.loan(17), Err(SendError::TooLong { len: 17, max_len: 16 })));
        assert_eq!(queue.size(), 0);
        tx.send(&[7; 16]).unwrap();
        assert_eq!(*queue.receiver().unwrap().recv().unwrap(), [7; 16]);
    }
}

#[test]
fn a_message_of_no_bytes_is_a_message() {
    for ends in ALL_ENDS {
        for max_len in [0, 16] {
            let queue = in_memory(options(ends).max_len(max_len));
            let (mut tx, mut rx) = (queue.sender().unwrap(), queue.receiver().unwrap());
            tx.send(b"").unwrap();
            tx.loan(0).unwrap().commit();
            tx.send_batch([&b""[..], b""]).unwrap();
            assert_eq!(queue.size(), 4);
            let lens: Vec<usize> = rx.try_pull(9).unwrap().into_iter().map(|message| message.len()).collect();
            assert_eq!(lens, [0; 4]);
        }
    }
}

#[test]
fn a_loan_is_sent_by_commit_alone() {
    for ends in ALL_ENDS {
        let queue = in_memory(options(ends));
        let (mut tx, mut rx) = (queue.sender().unwrap(), queue.receiver().unwrap());
        let mut loan = tx.loan(5).unwrap();
        loan.copy_from_slice(b"hello");
        assert_eq!(*loan, *b"hello");
        assert!(rx.try_recv().unwrap().is_none(), "it is not sent yet");
        loan.commit();
        assert_eq!(*rx.recv().unwrap(), *b"hello");
        tx.loan(5).unwrap().copy_from_slice(b"never");
        assert!(rx.try_recv().unwrap().is_none(), "it was given up");
        tx.send(b"after").unwrap();
        assert_eq!(*rx.recv().unwrap(), *b"after");
        assert_eq!(queue.stat().totals.sent, 2);
    }
}

#[test]
fn a_loan_may_turn_out_shorter() {
    for ends in ALL_ENDS {
        let queue = in_memory(options(ends));
        let (mut tx, mut rx) = (queue.sender().unwrap(), queue.receiver().unwrap());
        let mut loan = tx.loan(16).unwrap();
        loan[..5].copy_from_slice(b"short");
        loan.commit_len(5).unwrap();
        assert_eq!(*rx.recv().unwrap(), *b"short");
        let refused = tx.loan(4).unwrap().commit_len(5);
        assert_eq!(refused, Err(SendError::TooLong { len: 5, max_len: 4 }));
        assert!(rx.try_recv().unwrap().is_none());
    }
}

#[test]
fn a_leaked_loan_blocks_nobody_for_longer_than_its_sender() {
    for (ends, before) in ALL_ENDS.into_iter().flat_map(|ends| [(ends, 0), (ends, 3)]) {
        let queue = in_memory(options(ends));
        let mut rx = queue.receiver().unwrap();
        let mut tx = queue.sender().unwrap();
        // Once a message has gone the long way, loans go the shortest.
        for _ in 0..before {
            tx.send(b"some").unwrap();
            assert_eq!(*rx.recv().unwrap(), *b"some");
        }
        core::mem::forget(tx.loan(3).unwrap());
        tx.send(b"next").unwrap();
        assert_eq!(*rx.recv().unwrap(), *b"next", "the next call gives the leaked slot up");
        core::mem::forget(tx.loan(3).unwrap());
        drop(tx);
        queue.sender().unwrap().send(b"other").unwrap();
        assert_eq!(rx.recv_timeout(LONG).unwrap().as_deref(), Some(&b"other"[..]));
        assert!(rx.try_recv().unwrap().is_none());
    }
}

#[test]
fn a_leaked_loan_of_one_sender_leaves_the_room_to_others() {
    let queue = in_memory(Options::new(64).max_len(16));
    let (mut leaky, mut other) = (queue.sender().unwrap(), queue.sender().unwrap());
    core::mem::forget(leaky.loan(3).unwrap());
    send_numbers(&mut other, 1..64);
    assert_eq!(other.try_send(b"full"), Err(SendError::Full { capacity: 64 }));
    drop(leaky);
    let mut rx = queue.receiver().unwrap();
    assert_eq!(drain(&mut rx), (1..64).collect::<Vec<_>>());
}

#[test]
fn many_aborted_loans_do_not_fill_the_queue() {
    for ends in ALL_ENDS {
        let queue = in_memory(options(ends).when_full(WhenFull::Fail));
        let (mut tx, mut rx) = (queue.sender().unwrap(), queue.receiver().unwrap());
        for round in 0..300u64 {
            drop(tx.loan(8).unwrap());
            send_numbers(&mut tx, [round]);
            assert_eq!(drain(&mut rx), [round]);
        }
    }
}

#[test]
fn a_receiver_far_behind_an_overwriting_sender_finds_what_is_there() {
    let queue = in_memory(options((Ends::Multi, Ends::Multi)).when_full(WhenFull::Overwrite));
    let (mut tx, mut rx) = (queue.sender().unwrap(), queue.receiver().unwrap());
    send_numbers(&mut tx, 0..1_000_000);
    assert_eq!(queue.size(), queue.capacity());
    let newest: Vec<u64> = (1_000_000 - queue.capacity() as u64..1_000_000).collect();
    assert_eq!(drain(&mut rx), newest);
    queue.close();
    assert!(matches!(rx.recv(), Err(ringpost::RecvError::Closed)));
}

#[test]
fn owning_the_lines_of_a_message_leaves_it_as_it_is() {
    for ((senders, receivers), owning) in ALL_ENDS.into_iter().flat_map(|ends| [(ends, true), (ends, false)]) {
        for (max_len, len) in [(0, 0), (8, 0), (3, 1), (8, 8), (40, 24), (48, 48)]
            .into_iter()
            .chain([1, 57, 64, 65, 999, 4096, 9000].map(|len| (9000, len)))
        {
            let queue = in_memory(Options::new(4).max_len(max_len).senders(senders).receivers(receivers));
            let (mut tx, mut rx) = (queue.sender().unwrap(), queue.receiver().unwrap());
            rx.set_owning(owning);
            let message = |number: usize| (0..len).map(|at| (at * 7 + number) as u8).collect::<Vec<u8>>();
            assert_eq!(tx.send_batch((0..4).map(message)), Ok(4));
            // Each way of taking a message. What was given back comes again.
            drop(rx.pull(1, Duration::ZERO).unwrap());
            assert!(*rx.recv().unwrap() == *message(0));
            assert!(rx.recv_with(|bytes| *bytes == *message(1)).unwrap());
            let mut copy = Vec::new();
            rx.recv_copy(&mut copy).unwrap();
            assert!(copy == message(2));
            rx.pull_some_with(4, Duration::ZERO, |bytes| assert!(*bytes == *message(3))).unwrap();
            // A loan still holds what was there.
            for number in 0..4 {
                let loan = tx.loan(len).unwrap();
                assert!(*loan == *message(number));
                loan.commit();
            }
        }
    }
}

#[test]
fn owning_the_line_of_several_values_leaves_them_as_they_are() {
    fn values<const WORDS: usize>(capacity: usize, packed: bool)
    where
        [u64; WORDS]: Payload,
    {
        let options = Options::of(capacity).senders(Ends::Single).receivers(Ends::Single).packed(packed);
        let queue = Queue::<[u64; WORDS]>::in_memory(options).unwrap();
        let (mut tx, mut rx) = (queue.sender().unwrap(), queue.receiver().unwrap());
        rx.set_owning(true);
        let value = |number: u64| [number; WORDS].map(|word| word.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let mut next = 0;
        for round in 0..12 {
            assert_eq!(tx.send_batch((next..next + capacity as u64).map(value)), Ok(capacity));
            let mut check = |found: &[u64; WORDS]| {
                assert_eq!(*found, value(next), "capacity {capacity}, packed: {packed}");
                next += 1;
            };
            // Each way in turn, from another one in each lap.
            for way in (round..).take_while(|_| !queue.is_empty()) {
                match way % 6 {
                    0 => check(&rx.recv_value().unwrap()),
                    1 => check(&rx.recv().unwrap()),
                    2 => rx.recv_with(&mut check).unwrap(),
                    3 => assert!(
                        rx.pull_slices_with(3, Duration::ZERO, |some| some.iter().for_each(&mut check)).unwrap() > 0
                    ),
                    4 => assert!(rx.pull_some_with(3, Duration::ZERO, &mut check).unwrap() > 0),
                    _ => rx.pull(2, Duration::ZERO).unwrap().iter().for_each(&mut check),
                }
            }
        }
        assert_eq!(next, 12 * capacity as u64);
    }
    for (capacity, packed) in [1, 2, 16, 64].into_iter().flat_map(|capacity| [(capacity, false), (capacity, true)]) {
        values::<1>(capacity, packed);
        values::<3>(capacity, packed);
        values::<6>(capacity, packed);
        values::<8>(capacity, packed);
        values::<9>(capacity, packed);
        values::<13>(capacity, packed);
    }
}
