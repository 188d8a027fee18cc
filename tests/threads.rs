//! Many threads on one mapping of one named queue, every combination of ends: nothing lost, doubled or torn. Here for
//! ThreadSanitizer above all (the command is in CONTRIBUTING); so there are few messages.
#![cfg(target_os = "linux")]

mod common;
#[path = "processes/content.rs"]
#[allow(dead_code, reason = "not all of it is used")]
mod content;

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::Duration;

use common::{ALL_ENDS, LONG, UniqueName, named};
use content::Random;
use ringpost::{Ends, Options, Payload, Queue, Receiver, Sender, WhenFull};

const MAX_LEN: usize = 100;
const EACH: u32 = 3_000;

fn check(message: &[u8]) {
    let _ = content::read(message, MAX_LEN);
}

fn count(ends: Ends) -> u32 {
    if ends == Ends::Single { 1 } else { 4 }
}

/// Sends messages in every way there is.
fn send_all(mut tx: Sender, sender: u32) {
    let mut random = Random::new(sender.into());
    let mut sequence = 0;
    let write = |bytes: &mut [u8], sequence| content::write(bytes, sender, sequence);
    while sequence < EACH {
        let len = content::length(sender, sequence, MAX_LEN);
        match random.below(4) {
            0 => {
                let mut loan = tx.loan_timeout(len, LONG).expect("room");
                write(&mut loan, sequence);
                loan.commit();
            }
            1 => {
                let count = (EACH - sequence).min(1 + random.below(9) as u32);
                let batch: Vec<Vec<u8>> = (sequence..sequence + count)
                    .map(|sequence| {
                        let mut bytes = vec![0; content::length(sender, sequence, MAX_LEN)];
                        write(&mut bytes, sequence);
                        bytes
                    })
                    .collect();
                tx.send_batch_timeout(batch.iter().map(|bytes| &bytes[..]), LONG).expect("room");
                sequence += count - 1;
            }
            2 => {
                // Given up half written.
                drop(tx.loan_timeout(len, LONG).expect("room"));
                continue;
            }
            _ => {
                let mut bytes = vec![0; len];
                write(&mut bytes, sequence);
                tx.send_timeout(&bytes, LONG).expect("room");
            }
        }
        sequence += 1;
    }
}

/// Receives until the queue is closed, gives some back, and returns what was released: senders, numbers, and how many
/// messages were too short to have either.
fn receive_all(mut rx: Receiver, seed: u64, left: &AtomicU32, queue: &Queue) -> (BTreeSet<(u32, u32)>, u32) {
    let mut random = Random::new(seed);
    let (mut got, mut anonymous) = (BTreeSet::new(), 0);
    loop {
        let Ok(batch) = rx.pull_some(1 + random.below(16) as usize, Duration::from_millis(50)) else { break };
        if random.below(8) == 0 {
            batch.iter().for_each(check);
            batch.nack();
            continue;
        }
        let mut released = 0;
        for message in &batch {
            released += 1;
            match content::read(message, MAX_LEN) {
                Some(number) => assert!(got.insert(number), "doubled: {number:?}"),
                None => anonymous += 1,
            }
        }
        drop(batch);
        if released > 0 && left.fetch_sub(released, Ordering::Relaxed) == released {
            queue.close();
        }
    }
    (got, anonymous)
}

#[test]
fn threads_share_one_mapping() {
    for (senders, receivers) in ALL_ENDS {
        let (queue, _name) = named("threads", Options::new(64).max_len(MAX_LEN).senders(senders).receivers(receivers));
        let left = AtomicU32::new(EACH * count(senders));
        let (mut all, mut anonymous) = (BTreeSet::new(), 0);
        thread::scope(|scope| {
            for sender in 0..count(senders) {
                let tx = queue.sender().unwrap();
                scope.spawn(move || send_all(tx, sender));
            }
            let receiving: Vec<_> = (0..count(receivers))
                .map(|seed| {
                    let (rx, left, queue) = (queue.receiver().unwrap(), &left, &queue);
                    scope.spawn(move || receive_all(rx, seed.into(), left, queue))
                })
                .collect();
            for thread in receiving {
                let (got, short) = thread.join().unwrap();
                for number in got {
                    assert!(all.insert(number), "doubled: {number:?}");
                }
                anonymous += short;
            }
        });
        assert_eq!(all.len() as u32 + anonymous, EACH * count(senders), "{senders:?} {receivers:?}");
    }
}

#[test]
fn overwriting_threads_share_one_mapping() {
    let (queue, _name) = named("threads", Options::new(64).max_len(MAX_LEN).when_full(WhenFull::Overwrite));
    thread::scope(|scope| {
        let sending: Vec<_> = (0..4)
            .map(|sender| {
                let tx = queue.sender().unwrap();
                scope.spawn(move || send_what_fits(tx, sender))
            })
            .collect();
        for _ in 0..4 {
            let mut rx = queue.receiver().unwrap();
            scope.spawn(move || {
                while let Ok(batch) = rx.pull_some(8, Duration::from_millis(50)) {
                    batch.iter().for_each(check);
                }
            });
        }
        sending.into_iter().for_each(|thread| thread.join().unwrap());
        queue.close();
    });
    let totals = queue.stat().totals;
    assert_eq!(totals.sent, totals.pulled + totals.overwritten);
}

/// Overwrites the oldest, unless somebody holds that.
fn send_what_fits(mut tx: Sender, sender: u32) {
    for sequence in 0..EACH {
        let mut bytes = vec![0; content::length(sender, sequence, MAX_LEN)];
        content::write(&mut bytes, sender, sequence);
        while tx.try_send(&bytes).is_err() {
            thread::yield_now();
        }
    }
}

/// Values in slices, in batches and one by one, some of which come back, through a packed queue with a sender's and a receiver's successors.
#[test]
fn threads_share_one_packed_mapping() {
    let options = Options::of::<u64>(64).senders(Ends::Single).receivers(Ends::Single).packed(true);
    let name = UniqueName::new("threads");
    let queue = Queue::create(&name, options).expect("a new queue");
    thread::scope(|scope| {
        scope.spawn(|| {
            let mut numbers = 0..u64::from(EACH);
            while !numbers.is_empty() {
                let mut tx = queue.sender().expect("it is free");
                let count = numbers.clone().count().min(100);
                let fill = |some: &mut [u64]| some.iter_mut().zip(&mut numbers).for_each(|(one, number)| *one = number);
                tx.send_slices_with_timeout(count, LONG, fill).expect("room");
                tx.send_batch_timeout(numbers.by_ref().take(20), LONG).expect("room");
                numbers.by_ref().take(5).for_each(|number| tx.send_timeout(&number, LONG).expect("room"));
            }
        });
        let (mut rx, mut next) = (queue.receiver().expect("it is free"), 0);
        while next < u64::from(EACH) {
            let mut expect = |number: &u64| {
                assert_eq!(*number, next);
                next += 1;
            };
            rx.pull_slices_with(40, LONG, |some| some.iter().for_each(&mut expect)).expect("it is open");
            rx.pull_some_with(10, Duration::ZERO, &mut expect).expect("it is open");
            // It comes again, for the next receiver.
            let comes_again = rx.try_recv().expect("it is open").map(|message| message.nack()).is_some();
            if comes_again {
                drop(rx);
                rx = queue.receiver().expect("it is free");
            }
        }
    });
    assert_eq!(queue.size(), 0);
}

/// Values that share lines with others which are written meanwhile, by one sender or by four: the receiver owns each line with the last one there.
#[test]
fn a_receiver_owns_lines_that_senders_write_to() {
    fn pass<const WORDS: usize>(senders: Ends, packed: bool)
    where
        [u64; WORDS]: Payload,
    {
        let each = 30 * u64::from(EACH) / u64::from(count(senders));
        // More than the messages that make a stream: fewer than these are not owned one by one.
        let options = Options::of(64).senders(senders).receivers(Ends::Single).packed(packed);
        let queue = Queue::<[u64; WORDS]>::in_memory(options).expect("a new queue");
        thread::scope(|scope| {
            let (all, queue) = (u64::from(count(senders)), &queue);
            for sender in 0..all {
                let mut tx = queue.sender().expect("it is free");
                let send = move |next| tx.send_timeout(&[sender << 32 | next; WORDS], LONG).expect("room");
                scope.spawn(move || (0..each).for_each(send));
            }
            let mut rx = queue.receiver().expect("it is free");
            rx.set_owning(true);
            let mut next = vec![0; all as usize];
            while next.iter().sum::<u64>() < all * each {
                let mut expect = |value: &[u64; WORDS]| {
                    let sender = value[0] >> 32;
                    assert_eq!(*value, [sender << 32 | next[sender as usize]; WORDS], "packed: {packed}");
                    next[sender as usize] += 1;
                };
                rx.recv_value_timeout(LONG).expect("it is open").iter().for_each(&mut expect);
                // A stream.
                for _ in 0..40 {
                    rx.try_recv_value().expect("it is open").iter().for_each(&mut expect);
                    rx.try_recv_with(&mut expect).expect("it is open");
                }
                rx.pull_slices_with(3, Duration::ZERO, |some| some.iter().for_each(&mut expect)).expect("it is open");
                rx.pull_some_with(3, Duration::ZERO, &mut expect).expect("it is open");
                rx.try_recv_with(&mut expect).expect("it is open");
                rx.try_recv().expect("it is open").iter().for_each(|value| expect(value));
            }
        });
    }
    for (senders, packed) in [(Ends::Single, true), (Ends::Single, false), (Ends::Multi, false)] {
        pass::<1>(senders, packed);
        pass::<3>(senders, packed);
    }
}
