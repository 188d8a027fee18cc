//! The whole library over the heap twin of a segment: between threads, in ways that Miri can follow
//! (`cargo +nightly miri test --test heap`).

use std::thread;
use std::time::Duration;

use ringpost::zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};
use ringpost::{Ends, Options, Queue, RecvError, WhenFull};

const COMBINATIONS: [(Ends, Ends); 4] = [
    (Ends::Single, Ends::Single),
    (Ends::Single, Ends::Multi),
    (Ends::Multi, Ends::Single),
    (Ends::Multi, Ends::Multi),
];

/// Enough for a few laps of 64 slots; fewer where every step is interpreted.
const COUNT: u64 = if cfg!(miri) { 150 } else { 20_000 };

#[derive(Clone, Copy, Debug, PartialEq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
struct Tick {
    sequence: u64,
    check: u64,
}

impl Tick {
    fn new(sequence: u64) -> Self {
        Self { sequence, check: !sequence }
    }
}

#[test]
fn typed_values_arrive_whole_and_in_order() {
    for (senders, receivers) in COMBINATIONS {
        let queue = Queue::in_memory(Options::of::<Tick>(64).senders(senders).receivers(receivers)).unwrap();
        let (mut tx, mut rx) = (queue.sender().unwrap(), queue.receiver().unwrap());
        thread::scope(|scope| {
            scope.spawn(move || {
                for sequence in 0..COUNT {
                    tx.send(&Tick::new(sequence)).unwrap();
                }
                tx.close();
            });
            let all: Vec<Tick> = rx.iter().collect();
            assert!(all.iter().zip(0..).all(|(tick, sequence)| *tick == Tick::new(sequence)));
            assert_eq!(all.len() as u64, COUNT, "{senders:?} {receivers:?}");
        });
    }
}

#[test]
fn many_to_many_lose_and_double_nothing() {
    let queue = Queue::in_memory(Options::new(64).max_len(8)).unwrap();
    let each = COUNT / 2;
    let mut got: Vec<u64> = thread::scope(|scope| {
        for sender in 0..2 {
            let mut tx = queue.sender().unwrap();
            scope.spawn(move || {
                for sequence in 0..each {
                    tx.send(&(sender * each + sequence).to_le_bytes()).unwrap();
                }
            });
        }
        let receivers: Vec<_> = (0..2)
            .map(|_| {
                let mut rx = queue.receiver().unwrap();
                scope.spawn(move || {
                    let mut got = Vec::new();
                    while let Ok(message) = rx.recv() {
                        got.push(u64::from_le_bytes(message[..].try_into().unwrap()));
                    }
                    got
                })
            })
            .collect();
        while queue.stat().totals.pulled < 2 * each {
            thread::sleep(Duration::from_millis(1));
        }
        queue.close();
        receivers.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    got.sort_unstable();
    assert!(got.iter().copied().eq(0..2 * each));
}

#[test]
fn batches_and_loans_share_the_ring() {
    for (senders, receivers) in COMBINATIONS {
        let options = Options::new(64).max_len(40).senders(senders).receivers(receivers);
        let queue = Queue::in_memory(options).unwrap();
        let (mut tx, mut rx) = (queue.sender().unwrap(), queue.receiver().unwrap());
        for lap in 0..5_u8 {
            let words: Vec<Vec<u8>> = (0..40_u8).map(|len| vec![lap; usize::from(len)]).collect();
            assert_eq!(tx.send_batch(words.iter().map(|word| &word[..])).unwrap(), 40);
            drop(tx.loan(3).unwrap());
            let mut loan = tx.loan(40).unwrap();
            loan.fill(lap);
            loan.commit_len(7).unwrap();
            let batch = rx.pull(41, Duration::from_secs(10)).unwrap();
            let lengths: Vec<usize> = batch.iter().map(<[u8]>::len).collect();
            assert!(batch.iter().flatten().all(|byte| *byte == lap));
            assert!(lengths.into_iter().eq((0..40).chain([7])), "{senders:?} {receivers:?}");
        }
    }
}

#[test]
fn messages_may_be_released_in_any_order() {
    for (senders, receivers) in COMBINATIONS {
        let options = Options::new(64).max_len(8).senders(senders).receivers(receivers).when_full(WhenFull::Fail);
        let queue = Queue::in_memory(options).unwrap();
        let (mut tx, mut rx) = (queue.sender().unwrap(), queue.receiver().unwrap());
        for _ in 0..4 {
            for _ in 0..64 {
                tx.send(b"x").unwrap();
            }
            assert!(tx.send(b"x").is_err());
            let mut messages: Vec<_> = rx.pull(64, Duration::ZERO).unwrap().into_iter().collect();
            while messages.len() > 1 {
                drop(messages.swap_remove(messages.len() / 2));
            }
        }
        assert_eq!(queue.size(), 0);
    }
}

#[test]
fn sleepers_are_woken() {
    let queue = Queue::in_memory(Options::new(64).max_len(8)).unwrap();
    let mut rx = queue.receiver().unwrap();
    rx.set_wait(ringpost::Wait::Sleep);
    let waiting = thread::spawn(move || {
        let first = rx.recv().map(|message| message.to_vec());
        (first, rx.recv().map(drop))
    });
    thread::sleep(Duration::from_millis(20));
    queue.sender().unwrap().send(b"wake").unwrap();
    thread::sleep(Duration::from_millis(20));
    queue.close();
    assert_eq!(waiting.join().unwrap(), (Ok(b"wake".to_vec()), Err(RecvError::Closed)));
}
