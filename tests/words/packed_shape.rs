//! What packed queues are made of, and how they look from outside.

use std::fs::OpenOptions;
use std::os::unix::fs::FileExt;
use std::time::Duration;

use ringpost::{CreateError, Ends, Error, Holder, Options, PeekState, Queue, Role, SendError, WhenFull};

use crate::common::{UniqueName, drain, named, number, send_numbers};

const SINGLE: (Ends, Ends) = (Ends::Single, Ends::Single);

/// Options of a packed queue of numbers.
fn packed(capacity: usize) -> Options<u64> {
    Options::of(capacity).senders(SINGLE.0).receivers(SINGLE.1).packed(true)
}

fn raw(capacity: usize, max_len: usize) -> Options {
    Options::new(capacity).max_len(max_len).senders(SINGLE.0).receivers(SINGLE.1).packed(true)
}

#[test]
fn packed_bytes_have_one_length() {
    for len in [0, 1, 8, 24, 100] {
        let (queue, _name) = named("packed", raw(4, len));
        let (mut tx, mut rx) = (queue.sender().unwrap(), queue.receiver().unwrap());
        let good: Vec<u8> = (0..len as u8).collect();
        let mut refused = vec![len + 1];
        refused.extend(len.checked_sub(1));
        for wrong in refused {
            let (bad, error) = (vec![9; wrong], SendError::WrongLen { len: wrong, expected: len });
            assert_eq!(tx.send(&bad), Err(error.clone()));
            assert_eq!(tx.try_send(&bad), Err(error.clone()));
            assert_eq!(tx.loan(wrong).map(drop), Err(error.clone()));
            // More than was lent is refused for that.
            let more = SendError::TooLong { len: wrong, max_len: len };
            let expected = if wrong > len { more } else { error.clone() };
            assert_eq!(tx.loan(len).unwrap().commit_len(wrong), Err(expected));
            let failed = tx.send_batch([&good[..], &bad, &good]).unwrap_err();
            assert_eq!((failed.sent, failed.error), (1, error));
            assert_eq!(*rx.recv().unwrap(), good[..]);
        }
        assert!(rx.try_recv().unwrap().is_none());
        for _ in 0..9 {
            tx.send(&good).unwrap();
            let mut loan = tx.loan(len).unwrap();
            loan.copy_from_slice(&good);
            loan.commit();
            assert_eq!(queue.peek().map(|message| message.bytes).collect::<Vec<_>>(), [&good[..], &good]);
            assert_eq!(rx.try_pull(3).unwrap().into_iter().filter(|message| **message == good[..]).count(), 2);
        }
    }
}

#[test]
fn packed_is_part_of_what_a_queue_is() {
    let same = |name: &UniqueName, yes| {
        Queue::open_or_create(name, Options::of::<u64>(4).senders(SINGLE.0).receivers(SINGLE.1).packed(yes))
    };
    for first in [false, true] {
        let name = UniqueName::new("packed");
        same(&name, first).unwrap();
        assert!(same(&name, first).is_ok());
        match same(&name, !first).unwrap_err() {
            Error::Mismatch(mismatch) => {
                assert_eq!((mismatch.what, &*mismatch.expected), ("packed", if first { "false" } else { "true" }));
            }
            other => panic!("{other}"),
        }
    }
    let (_queue, name) = named("packed", raw(4, 8));
    let lengths = Queue::open_or_create(&name, raw(4, 8).packed(false)).unwrap_err();
    assert!(matches!(&lengths, Error::Mismatch(m) if m.what == "fixed length of messages"), "{lengths}");
}

#[test]
fn what_cannot_be_packed_is_refused() {
    for (options, what) in [
        (
            packed(4).senders(Ends::Multi),
            "the senders of a packed queue (1: one, 2: many) should be 1, found 2; say `senders(",
        ),
        (
            packed(4).receivers(Ends::Multi),
            "the receivers of a packed queue (1: one, 2: many) should be 1, found 2; say `receivers(",
        ),
        (
            packed(4).when_full(WhenFull::Overwrite),
            "overwriting in a packed queue (0: no, 1: yes) should be 0, found 1; have",
        ),
    ] {
        let error = Queue::create(&UniqueName::new("packed"), options).unwrap_err();
        assert!(matches!(&error, CreateError::InvalidOptions(_)) && error.to_string().starts_with(what), "{error}");
    }
}

/// A lap has 46 bits in a word, and a position 64.
#[test]
fn laps_wrap() {
    // Tail, head and what was delivered.
    const CURSORS: [u64; 3] = [4096, 4096 + 128, 4096 + 256];
    for capacity in [1, 4] {
        let name = UniqueName::new("packed");
        let queue = Queue::create(&name, packed(capacity)).unwrap();
        let file = OpenOptions::new().write(true).open(format!("/dev/shm/ringpost.q.{}", &*name)).unwrap();
        let last = ((1_u64 << 46) - 3) * capacity as u64 + 1;
        CURSORS.iter().for_each(|cursor| file.write_all_at(&last.to_le_bytes(), *cursor).unwrap());
        let (mut tx, mut rx) = (queue.sender().unwrap(), queue.receiver().unwrap());
        for _ in 0..6 {
            tx.send_batch(0..capacity as u64).unwrap();
            rx.recv().unwrap().nack();
            let got: Vec<_> = rx.try_pull(8).unwrap().into_iter().map(|m| (*m, m.deliveries())).collect();
            assert_eq!(got, (0..capacity as u64).map(|n| (n, if n == 0 { 2 } else { 1 })).collect::<Vec<_>>());
            assert_eq!((queue.size(), queue.peek().count()), (0, 0));
        }
    }
}

fn peeked(queue: &Queue) -> Vec<(u64, u64, PeekState, u32)> {
    queue.peek().map(|seen| (seen.position, number(&seen.bytes), seen.state, seen.deliveries)).collect()
}

#[test]
fn what_waits_and_what_is_held_is_seen() {
    let (queue, _name) = named("packed", raw(4, 8));
    let (mut tx, mut rx) = (queue.sender().unwrap(), queue.receiver().unwrap());
    for round in 0..5 {
        let at = 4 * round;
        assert_eq!(peeked(&queue), []);
        send_numbers(&mut tx, 0..4);
        let ready = |n| (at + n, n, PeekState::Ready, 0);
        assert_eq!(peeked(&queue), [0, 1, 2, 3].map(ready));
        assert_eq!(queue.peek().from(at + 3).count(), 1);
        let batch = rx.try_pull(2).unwrap();
        let state = queue.peek().next().unwrap().state;
        let PeekState::Held { endpoint, pid } = state else { panic!("{state:?}") };
        assert_eq!(pid, Some(std::process::id()));
        assert_eq!(peeked(&queue), [(at, 0, state, 1), (at + 1, 1, state, 1), ready(2), ready(3)]);
        assert_eq!((queue.size(), queue.stat().size), (2, 2));
        let diagnosis = queue.diagnose(Duration::from_millis(1));
        let receiver = diagnosis.endpoints.iter().find(|report| report.endpoint.role == Role::Receiver).unwrap();
        assert_eq!((receiver.endpoint.number, &*receiver.reading.positions), (endpoint, &[at, at + 1][..]));
        // It is full, and the oldest is held.
        let [stuck] = &diagnosis.stuck[..] else { panic!("{diagnosis:?}") };
        assert_eq!((stuck.waiting, stuck.position, stuck.holder), (Role::Sender, at, Holder::Alive));
        assert_eq!(diagnosis.waiting, 2);
        assert_eq!(batch.iter().take(1).count(), 1);
        batch.nack();
        assert_eq!(peeked(&queue), [(at, 0, PeekState::Ready, 1), ready(1), ready(2), ready(3)]);
        let diagnosis = queue.diagnose(Duration::from_millis(1));
        assert!(diagnosis.is_healthy() && diagnosis.waiting == 4, "{diagnosis:?}");
        assert_eq!(queue.repair(), Ok(0));
        let mut messages: Vec<_> = rx.try_pull(3).unwrap().into_iter().collect();
        messages.remove(1).release();
        assert_eq!(queue.peek().map(|seen| seen.position).collect::<Vec<_>>(), [at, at + 2, at + 3]);
        drop(messages);
        assert_eq!(drain(&mut rx), [3]);
    }
    let totals = queue.stat().totals;
    assert_eq!((totals.sent, totals.pulled, totals.redelivered), (20, 20, 5));
}

#[test]
fn what_the_last_receiver_leaked_is_seen_to_come_back() {
    let (queue, _name) = named("packed", raw(4, 8));
    let mut tx = queue.sender().unwrap();
    for round in 1..5 {
        send_numbers(&mut tx, 0..3);
        let mut rx = queue.receiver().unwrap();
        rx.try_pull(2).unwrap().into_iter().for_each(std::mem::forget);
        drop(rx);
        let states: Vec<_> = queue.peek().map(|seen| (seen.state, seen.deliveries)).collect();
        assert!(states[..2].iter().all(|(_, deliveries)| *deliveries == 1), "{states:?}");
        assert_eq!((states.len(), states[2]), (3, (PeekState::Ready, 0)), "{states:?}");
        let mut rx = queue.receiver().unwrap();
        let got: Vec<_> = rx.try_pull(4).unwrap().into_iter().map(|m| (number(&m), m.deliveries())).collect();
        assert_eq!(got, [(0, 2), (1, 2), (2, 1)]);
        assert_eq!(queue.stat().totals.redelivered, 2 * round);
    }
}

/// A ring that moves under our eyes is neither corrupt nor torn.
#[test]
fn a_busy_packed_queue_is_healthy_and_never_seen_torn() {
    let (queue, _name) = named("packed", raw(4, 64));
    let (mut tx, mut rx) = (queue.sender().unwrap(), queue.receiver().unwrap());
    rx.until_senders_leave(true);
    std::thread::scope(|scope| {
        let looked = scope.spawn(|| {
            for _ in 0..200 {
                let diagnosis = queue.diagnose(Duration::ZERO);
                assert!(diagnosis.is_healthy(), "{diagnosis:?}");
                for seen in queue.peek() {
                    assert!(seen.bytes.iter().all(|byte| *byte == seen.position as u8), "torn: {seen:?}");
                }
                assert!(queue.size() <= 4);
            }
        });
        scope.spawn(move || {
            let mut next = 0;
            while !looked.is_finished() {
                tx.send(&[next; 64]).unwrap();
                next = next.wrapping_add(1);
            }
            looked.join().unwrap();
        });
        let mut next = 0_u8;
        while let Ok(batch) = rx.pull_some(3, Duration::from_secs(20)) {
            for message in batch {
                assert_eq!(*message, [next; 64]);
                next = next.wrapping_add(1);
            }
        }
    });
}

#[test]
fn overdue_messages_of_a_packed_queue_go_to_a_dead_letter_queue_that_is_there() {
    let dead = UniqueName::new("dead");
    let (queue, _name) = named("packed", raw(4, 8).max_deliveries(1).dead_letter(&dead));
    let (mut tx, mut rx) = (queue.sender().unwrap(), queue.receiver().unwrap());
    let letters = Queue::create(&dead, Options::new(64).max_len(8)).unwrap();
    for round in 1..8 {
        send_numbers(&mut tx, round..round + 3);
        rx.recv().unwrap().nack();
        assert_eq!(drain(&mut rx), [round + 1, round + 2]);
        let totals = queue.stat().totals;
        assert_eq!((totals.dead_lettered, totals.not_dead_lettered, totals.expired), (round, 0, 0));
        assert_eq!(drain(&mut letters.receiver().unwrap()), [round]);
    }
}

#[test]
fn overdue_messages_of_a_packed_queue_go_to_the_dead_letters() {
    let dead = UniqueName::new("dead");
    let (queue, _name) = named("packed", raw(4, 8).max_deliveries(1).dead_letter(&dead));
    let (mut tx, mut rx) = (queue.sender().unwrap(), queue.receiver().unwrap());
    // It is there the first time, and made by the receiver the second time.
    let mut there = Some(Queue::create(&dead, Options::new(64).max_len(8)).unwrap());
    for round in 1..3 {
        send_numbers(&mut tx, 0..3);
        rx.recv().unwrap().nack();
        assert_eq!(drain(&mut rx), [1, 2], "round {round}");
        let totals = queue.stat().totals;
        assert_eq!((totals.dead_lettered, totals.not_dead_lettered, totals.expired), (round, 0, 0));
        let letters = there.take().unwrap_or_else(|| Queue::open(&dead).unwrap());
        assert_eq!(drain(&mut letters.receiver().unwrap()), [0]);
        ringpost::remove(&dead).unwrap();
    }
}
