//! What a receiver holds: released, given back, leaked, or held while something panics.

use std::panic::{AssertUnwindSafe, catch_unwind};

use ringpost::{Batch, Message, Queue, Receiver, Sender, WhenFull};

use crate::common::{ALL_ENDS, drain, in_memory, number, options, send_numbers};

/// A queue with the numbers below `count` in it.
fn with_numbers(ends: (ringpost::Ends, ringpost::Ends), count: u64) -> (Queue, Sender, Receiver) {
    let queue = in_memory(options(ends).when_full(WhenFull::Fail));
    let (mut tx, rx) = (queue.sender().unwrap(), queue.receiver().unwrap());
    send_numbers(&mut tx, 0..count);
    (queue, tx, rx)
}

/// Everything that is there now, with how often it was delivered.
fn deliveries(rx: &mut Receiver) -> Vec<(u64, u32)> {
    rx.try_pull(usize::MAX).unwrap().into_iter().map(|m| (number(&m), m.deliveries())).collect()
}

#[test]
fn breaking_out_of_a_loop_gives_back_the_rest_in_order() {
    for ends in ALL_ENDS {
        let (_queue, mut tx, mut rx) = with_numbers(ends, 6);
        for message in rx.try_pull(5).unwrap() {
            if number(&message) == 1 {
                break;
            }
        }
        send_numbers(&mut tx, [6]);
        assert_eq!(deliveries(&mut rx), [(2, 1), (3, 1), (4, 1), (5, 1), (6, 1)], "{ends:?}");
    }
}

#[test]
fn a_batch_that_nobody_looked_at_goes_back() {
    for ends in ALL_ENDS {
        let (_queue, _tx, mut rx) = with_numbers(ends, 4);
        drop(rx.try_pull(3).unwrap());
        assert_eq!(deliveries(&mut rx), [(0, 1), (1, 1), (2, 1), (3, 1)]);
    }
}

#[test]
fn what_was_seen_is_released_and_the_rest_goes_back() {
    for ends in ALL_ENDS {
        let (_queue, _tx, mut rx) = with_numbers(ends, 5);
        let batch = rx.try_pull(4).unwrap();
        assert_eq!(batch.iter().take(2).map(number).collect::<Vec<_>>(), [0, 1]);
        assert_eq!(batch.iter().take(1).map(number).collect::<Vec<_>>(), [0], "looking again changes nothing");
        drop(batch);
        assert_eq!(drain(&mut rx), [2, 3, 4]);
        let batch = rx.try_pull(4).unwrap();
        for _ in &batch {}
        drop(batch);
        assert_eq!(drain(&mut rx), [0; 0]);
    }
}

#[test]
fn releasing_says_how_many() {
    for ends in ALL_ENDS {
        let (queue, _tx, mut rx) = with_numbers(ends, 6);
        let mut batch = rx.try_pull(5).unwrap();
        batch.release_first(2);
        assert_eq!((batch.len(), batch.iter().len()), (3, 3));
        drop(batch);
        assert_eq!(queue.stat().totals.pulled, 2);
        rx.try_pull(2).unwrap().release();
        assert_eq!(drain(&mut rx), [4, 5]);
        assert_eq!((queue.stat().totals.pulled, queue.stat().totals.pulled_bytes), (6, 48));
    }
}

#[test]
fn a_message_given_back_is_delivered_again_and_says_so() {
    for ends in ALL_ENDS {
        let (_queue, mut tx, mut rx) = with_numbers(ends, 3);
        let message = rx.recv().unwrap();
        assert_eq!((message.deliveries(), message.is_redelivered()), (1, false));
        message.nack();
        send_numbers(&mut tx, [3]);
        for times in 2..5 {
            let message = rx.recv().unwrap();
            assert_eq!((number(&message), message.deliveries()), (0, times), "{ends:?}");
            assert!(message.is_redelivered());
            message.nack();
        }
        assert_eq!(deliveries(&mut rx), [(0, 5), (1, 1), (2, 1), (3, 1)], "{ends:?}");
    }
}

#[test]
fn what_came_back_is_delivered_oldest_first() {
    for ends in ALL_ENDS {
        let (_queue, _tx, mut rx) = with_numbers(ends, 5);
        rx.try_pull(3).unwrap().nack();
        for _ in 0..3 {
            let message = rx.recv().unwrap();
            assert_eq!(number(&message), 0, "{ends:?}");
            message.nack();
        }
        assert_eq!(drain(&mut rx), [0, 1, 2, 3, 4], "{ends:?}");
    }
}

#[test]
fn a_batch_given_back_marks_what_was_seen() {
    for ends in ALL_ENDS {
        let (_queue, _tx, mut rx) = with_numbers(ends, 5);
        let batch = rx.try_pull(4).unwrap();
        assert_eq!(batch.iter().take(2).count(), 2);
        batch.nack();
        assert_eq!(deliveries(&mut rx), [(0, 2), (1, 2), (2, 1), (3, 1), (4, 1)], "{ends:?}");
    }
}

#[test]
fn messages_can_be_dealt_with_in_any_order() {
    for ends in ALL_ENDS {
        let (_queue, mut tx, mut rx) = with_numbers(ends, 6);
        let mut held: Vec<Message<'_>> = rx.try_pull(6).unwrap().into_iter().collect();
        held.remove(4).release();
        held.remove(2).nack();
        held.remove(0).nack();
        held.reverse();
        drop(held);
        send_numbers(&mut tx, 6..8);
        assert_eq!(deliveries(&mut rx), [(0, 2), (2, 2), (6, 1), (7, 1)], "{ends:?}");
        send_numbers(&mut tx, 0..64);
        assert_eq!(drain(&mut rx), (0..64).collect::<Vec<_>>(), "every slot is free again: {ends:?}");
    }
}

#[test]
fn a_leaked_message_comes_back_when_its_receiver_is_gone() {
    for ends in ALL_ENDS {
        let (queue, _tx, mut rx) = with_numbers(ends, 3);
        core::mem::forget(rx.recv().unwrap());
        assert_eq!(deliveries(&mut rx), [(1, 1), (2, 1)], "{ends:?}");
        drop(rx);
        assert_eq!(deliveries(&mut queue.receiver().unwrap()), [(0, 2)], "{ends:?}");
    }
}

#[test]
fn a_leaked_batch_comes_back_when_its_receiver_is_gone() {
    for ends in ALL_ENDS {
        let (queue, _tx, mut rx) = with_numbers(ends, 6);
        let batch: Batch<'_> = rx.try_pull(4).unwrap();
        assert_eq!(batch.iter().count(), 4);
        core::mem::forget(batch);
        drop(rx);
        let expected = [(0, 2), (1, 2), (2, 2), (3, 2), (4, 1), (5, 1)];
        assert_eq!(deliveries(&mut queue.receiver().unwrap()), expected, "{ends:?}");
    }
}

#[test]
fn a_leaked_message_stays_leaked_when_another_is_given_back() {
    for ends in ALL_ENDS {
        let (queue, _tx, mut rx) = with_numbers(ends, 3);
        core::mem::forget(rx.recv().unwrap());
        rx.recv().unwrap().nack();
        let again = deliveries(&mut rx);
        drop(rx);
        let at_last = deliveries(&mut queue.receiver().unwrap());
        let leaked: Vec<u32> = again.iter().chain(&at_last).filter(|(n, _)| *n == 0).map(|(_, times)| *times).collect();
        assert_eq!(leaked, [2], "once more, and it says so: {ends:?}, {again:?} then {at_last:?}");
    }
}

#[test]
fn a_panic_gives_back_what_was_held() {
    for ends in ALL_ENDS {
        let (_queue, _tx, mut rx) = with_numbers(ends, 5);
        let panicked = catch_unwind(AssertUnwindSafe(|| {
            for message in rx.try_pull(3).unwrap() {
                assert_ne!(number(&message), 1, "a panic on purpose");
            }
        }));
        assert!(panicked.is_err());
        assert_eq!(deliveries(&mut rx), [(1, 2), (2, 1), (3, 1), (4, 1)], "{ends:?}");
    }
}

#[test]
fn a_panic_gives_back_the_whole_batch() {
    for ends in ALL_ENDS {
        let (_queue, _tx, mut rx) = with_numbers(ends, 5);
        let panicked = catch_unwind(AssertUnwindSafe(|| {
            for message in &rx.try_pull(3).unwrap() {
                assert_ne!(number(message), 1, "a panic on purpose");
            }
        }));
        assert!(panicked.is_err());
        assert_eq!(deliveries(&mut rx), [(0, 2), (1, 2), (2, 1), (3, 1), (4, 1)], "{ends:?}");
    }
}

#[test]
fn a_receiver_that_leaves_with_everything_given_back_leaves_no_trace() {
    for ends in ALL_ENDS {
        let (queue, _tx, mut rx) = with_numbers(ends, 4);
        drop(rx.try_pull(3).unwrap());
        drop(rx);
        assert_eq!(queue.size(), 4);
        assert_eq!(deliveries(&mut queue.receiver().unwrap()), [(0, 1), (1, 1), (2, 1), (3, 1)], "{ends:?}");
    }
}

#[test]
fn guards_print_what_they_hold() {
    let (_queue, _tx, mut rx) = with_numbers(ALL_ENDS[3], 2);
    let batch = rx.try_pull(1).unwrap();
    assert_eq!(format!("{batch:?}"), format!("{:?}", [0u64.to_le_bytes()]));
    batch.release();
    assert_eq!(format!("{:?}", rx.recv().unwrap()), format!("{:?}", 1u64.to_le_bytes()));
}

#[test]
fn a_batch_whose_source_panics_leaves_no_slot_behind() {
    for ends in ALL_ENDS {
        let (queue, mut tx, mut rx) = with_numbers(ends, 0);
        let words = [[1; 8], [2; 8], [3; 8]];
        let source = words.iter().map(|word| if word[0] == 2 { panic!("on purpose") } else { &word[..] });
        assert!(catch_unwind(AssertUnwindSafe(|| tx.send_batch(source))).is_err());
        drop(tx);
        let mut next = queue.sender().unwrap();
        send_numbers(&mut next, 7..9);
        let before = u64::from_le_bytes([1; 8]);
        assert_eq!(deliveries(&mut rx), [(before, 1), (7, 1), (8, 1)], "{ends:?}");
        assert_eq!(queue.stat().totals.sent, 3, "{ends:?}");
    }
}

#[test]
fn what_was_looked_at_is_released_however_the_batch_is_taken_apart() {
    for ends in ALL_ENDS {
        let (_queue, _tx, mut rx) = with_numbers(ends, 4);
        let batch = rx.try_pull(4).unwrap();
        assert_eq!(batch.iter().take(3).count(), 3);
        drop(batch.into_iter().next());
        assert_eq!(deliveries(&mut rx), [(3, 1)], "{ends:?}");
    }
}
