//! What the fuzzer and its review have found, each as a test of its own.

use std::fs::OpenOptions;
use std::os::unix::fs::FileExt;
use std::time::{Duration, Instant};

use ringpost::{Ends, Options, Queue, RecvError, SendError, WhenFull};

use crate::bodies::input::OwnName;

const TAIL: u64 = 4096;
const HEAD: u64 = 4096 + 128;

/// A queue, and its file as a scribbler has it.
fn queue(ends: Ends, capacity: usize) -> (Queue, std::fs::File, OwnName) {
    let name = OwnName::new("found");
    let options = Options::new(capacity).max_len(8).senders(ends).receivers(ends).when_full(WhenFull::Fail);
    let queue = Queue::create(&name, options).unwrap();
    let file = OpenOptions::new().read(true).write(true).open(name.path()).unwrap();
    (queue, file, name)
}

fn read(file: &std::fs::File, at: u64) -> u64 {
    let mut bytes = [0; 8];
    file.read_exact_at(&mut bytes, at).unwrap();
    u64::from_le_bytes(bytes)
}

#[test]
fn a_head_that_was_refused_is_not_taken_for_room_later() {
    let (queue, file, _name) = queue(Ends::Single, 4);
    let mut tx = queue.sender().unwrap();
    for _ in 0..4 {
        tx.send(b"x").unwrap();
    }
    let faulty = u64::MAX - 100;
    file.write_all_at(&faulty.to_le_bytes(), HEAD).unwrap();
    for _ in 0..3 {
        assert!(matches!(tx.try_send(b"y"), Err(SendError::Fault(_))));
    }
    // Behind by far: this is the one that passed for room.
    let mut tx = {
        drop(tx);
        file.write_all_at(&0_u64.to_le_bytes(), HEAD).unwrap();
        let mut rx = queue.receiver().unwrap();
        for _ in 0..4 {
            rx.recv().unwrap().release();
        }
        drop(rx);
        queue.sender().unwrap()
    };
    for _ in 0..4 {
        tx.send(b"z").unwrap();
    }
    file.write_all_at(&1_u64.to_le_bytes(), HEAD).unwrap();
    for _ in 0..3 {
        assert!(matches!(tx.try_send(b"y"), Err(SendError::Fault(_))));
    }
    assert_eq!(read(&file, TAIL), 8, "a message that nobody had taken was replaced");
}

#[test]
fn a_cursor_that_only_we_move_is_not_followed_for_long() {
    let (queue, file, _name) = queue(Ends::Multi, 64);
    let (mut tx, mut rx) = (queue.sender().unwrap(), queue.receiver().unwrap());
    // Every slot says that the ring has gone on by many laps.
    let slots_at = read(&file, 96);
    let stride = read(&file, 72);
    for slot in 0..64 {
        file.write_all_at(&(1_u64 << 50).to_le_bytes(), slots_at + stride * slot).unwrap();
    }
    assert!(matches!(tx.try_send(b"x"), Err(SendError::Fault(_))));
    assert!(matches!(rx.try_recv(), Err(RecvError::Fault(_))));
    for cursor in [TAIL, HEAD] {
        // The call tries more than once.
        assert!(read(&file, cursor) <= 4 * (2 * 64 + (1 << 12)), "{}", read(&file, cursor));
    }
}

#[test]
fn a_head_that_cannot_go_on_ends_the_search() {
    let (queue, file, _name) = queue(Ends::Multi, 64);
    let mut rx = queue.receiver().unwrap();
    let slots_at = read(&file, 96);
    let stride = read(&file, 72);
    // The slot of the very last position has been used long since.
    file.write_all_at(&u64::MAX.to_le_bytes(), HEAD).unwrap();
    file.write_all_at(&(1_u64 << 50).to_le_bytes(), slots_at + stride * 63).unwrap();
    let mut calls = 0;
    let started = Instant::now();
    // Each took 2^20 looks; these would take a minute.
    while calls < 2000 {
        assert!(matches!(rx.try_recv(), Err(RecvError::Fault(_))));
        calls += 1;
    }
    assert!(started.elapsed() < Duration::from_secs(20), "{:?}", started.elapsed());
}

#[test]
fn a_wrong_tail_holds_no_message_back_and_shows_none_that_is_not_there() {
    for tail in [0, 1, 2, 4, 64, u64::MAX] {
        let name = OwnName::new("found");
        let single = Options::of::<u64>(64).senders(Ends::Single).receivers(Ends::Single);
        let queue = Queue::<u64>::create(&name, single).unwrap();
        let file = OpenOptions::new().write(true).open(name.path()).unwrap();
        let (mut tx, mut rx) = (queue.sender().unwrap(), queue.receiver().unwrap());
        tx.send_batch(1..=3).unwrap();
        file.write_all_at(&tail.to_le_bytes(), TAIL).unwrap();
        let mut read = Vec::new();
        while read.len() < 3 {
            let count = rx.pull_some_with(8, Duration::from_secs(10), |number| read.push(*number)).unwrap();
            assert!(count > 0, "tail {tail}: a message that is there was not read");
        }
        assert_eq!(read, [1, 2, 3], "tail {tail}");
        let more = rx.pull_some_with(8, Duration::ZERO, |number| read.push(*number));
        // One that speaks of messages which nobody has sent is found out then.
        assert!(
            if tail > 3 { matches!(more, Err(RecvError::Fault(_))) } else { more == Ok(0) },
            "tail {tail}: {more:?}"
        );
        assert_eq!(read, [1, 2, 3], "tail {tail}");
    }
}

/// There, tail alone says what was sent.
#[test]
fn a_wrong_tail_of_a_packed_queue_is_believed_for_a_ring_at_most() {
    for tail in [0, 1, 2, 4, 64, 65, 1 << 20, u64::MAX] {
        let name = OwnName::new("found");
        let packed = Options::of::<u64>(64).senders(Ends::Single).receivers(Ends::Single).packed(true);
        let queue = Queue::<u64>::create(&name, packed).unwrap();
        let file = OpenOptions::new().write(true).open(name.path()).unwrap();
        let (mut tx, mut rx) = (queue.sender().unwrap(), queue.receiver().unwrap());
        tx.send_batch(1..=3).unwrap();
        file.write_all_at(&tail.to_le_bytes(), TAIL).unwrap();
        let mut read = Vec::new();
        let end = loop {
            match rx.pull_slices_with(8, Duration::ZERO, |some| read.extend_from_slice(some)) {
                Ok(count) if count > 0 => {}
                end => break end,
            }
        };
        assert!(read.len() as u64 == if tail > 64 { 0 } else { tail }, "tail {tail}: {read:?}");
        assert!(read.iter().zip(1..=3).all(|(found, sent)| *found == sent), "tail {tail}: {read:?}");
        assert!(if tail > 64 { matches!(end, Err(RecvError::Fault(_))) } else { end == Ok(0) }, "tail {tail}: {end:?}");
        if tail <= 3 || tail > 64 {
            // The sender knows better, and says so with its next message.
            tx.send(&4).unwrap();
            while read.len() < 4 {
                let count = rx.pull_slices_with(8, Duration::from_secs(10), |some| read.extend_from_slice(some));
                assert!(count.is_ok_and(|count| count > 0), "tail {tail}: {read:?}");
            }
            assert_eq!(read, [1, 2, 3, 4], "tail {tail}");
        }
    }
}
