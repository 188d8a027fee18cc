//! Looking without taking: copies of messages, and who holds what.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use ringpost::{Ends, Holder, Inspector, Liveness, Options, PeekState, Queue, Role, StaleRules, WhenFull};

use crate::common::{ALL_ENDS, UniqueName, drain, in_memory, named, number, options, send_numbers};

fn peeked(queue: &Queue) -> Vec<(u64, u64, PeekState)> {
    queue.peek().map(|message| (message.position, number(&message.bytes), message.state)).collect()
}

fn ready(positions: std::ops::Range<u64>) -> Vec<(u64, u64, PeekState)> {
    positions.map(|position| (position, position, PeekState::Ready)).collect()
}

#[test]
fn peeking_takes_nothing() {
    for ends in ALL_ENDS {
        let queue = in_memory(options(ends));
        assert_eq!(peeked(&queue), []);
        send_numbers(&mut queue.sender().unwrap(), 0..5);
        assert_eq!(peeked(&queue), ready(0..5), "{ends:?}");
        assert_eq!(peeked(&queue), ready(0..5), "{ends:?}: twice the same");
        assert_eq!((queue.size(), queue.stat().totals.pulled), (5, 0));
        assert_eq!(queue.peek().from(3).map(|message| message.position).collect::<Vec<_>>(), [3, 4]);
        assert_eq!(queue.peek().from(u64::MAX).count(), 0);
        assert_eq!(queue.peek().take(2).map(|message| message.position).collect::<Vec<_>>(), [0, 1]);
        assert_eq!(drain(&mut queue.receiver().unwrap()), [0, 1, 2, 3, 4]);
        assert_eq!(peeked(&queue), []);
    }
}

/// Every length, in every slot, over some laps, and always just what a receiver would get.
#[test]
fn what_is_seen_is_what_would_be_pulled() {
    let overwriting = ALL_ENDS.map(|ends| (ends, WhenFull::Overwrite));
    for (ends, when_full) in ALL_ENDS.map(|ends| (ends, WhenFull::Fail)).into_iter().chain(overwriting) {
        let single = ends == (Ends::Single, Ends::Single) && when_full == WhenFull::Fail;
        let capacity = if single { 4 } else { 64 };
        let options = Options::new(capacity).max_len(70).senders(ends.0).receivers(ends.1).when_full(when_full);
        let queue = in_memory(options);
        let (mut tx, mut rx) = (queue.sender().unwrap(), queue.receiver().unwrap());
        let mut expected: VecDeque<Vec<u8>> = VecDeque::new();
        for round in 0..12 * capacity {
            // Now and then more go in than come out, until it is full.
            for step in 0..round * 7 % 5 {
                let message = vec![(round + step) as u8; (round * 13 + step) % 71];
                let is_full = expected.len() == queue.capacity();
                if tx.try_send(&message).is_ok() {
                    if is_full {
                        expected.pop_front();
                    }
                    expected.push_back(message);
                }
            }
            let seen: VecDeque<Vec<u8>> = queue.peek().map(|message| message.bytes).collect();
            assert_eq!(seen, expected, "{ends:?}, {when_full:?}, round {round}");
            for message in rx.try_pull(round % 4).unwrap() {
                assert_eq!(Some(message.to_vec()), expected.pop_front());
            }
        }
    }
}

/// The only sender writes the next message under the word of the last one, once that is released. A message is long, so
/// that the copying takes time, and what is written stays uncommitted for longer than that.
#[test]
fn what_is_written_under_an_unchanged_word_is_never_seen_torn() {
    const ROUNDS: u8 = 150;
    const LEN: usize = 1 << 20;
    let options = Options::new(1).max_len(LEN).senders(Ends::Single).receivers(Ends::Single);
    let queue = in_memory(options);
    let (mut tx, mut rx) = (queue.sender().unwrap(), queue.receiver().unwrap());
    std::thread::scope(|scope| {
        let sender = scope.spawn(move || {
            for round in 0..ROUNDS {
                let mut loan = tx.loan(LEN).unwrap();
                loan.fill(round);
                std::thread::sleep(Duration::from_millis(4));
                loan.commit();
            }
        });
        scope.spawn(move || {
            rx.until_senders_leave(true);
            while let Ok(message) = rx.recv() {
                std::thread::sleep(Duration::from_millis(1));
                message.release();
            }
        });
        while !sender.is_finished() {
            for message in queue.peek() {
                let first = message.bytes[0];
                assert!(message.bytes.iter().all(|byte| *byte == first), "torn: message {}", message.position);
                assert_eq!(u64::from(first), message.position);
            }
        }
    });
}

#[test]
fn what_a_receiver_holds_is_held() {
    for ends in ALL_ENDS {
        let queue = in_memory(options(ends));
        let (mut tx, mut rx) = (queue.sender().unwrap(), queue.receiver().unwrap());
        send_numbers(&mut tx, 0..4);
        let batch = rx.try_pull(2).unwrap();
        let states: Vec<_> = queue.peek().map(|message| (message.state, message.deliveries)).collect();
        let PeekState::Held { endpoint, pid } = states[0].0 else { panic!("{ends:?}: {states:?}") };
        assert_eq!(pid, Some(std::process::id()));
        let held = (PeekState::Held { endpoint, pid }, 1);
        assert_eq!(states, [held, held, (PeekState::Ready, 0), (PeekState::Ready, 0)], "{ends:?}");
        let diagnosis = queue.diagnose(Duration::ZERO);
        let receiver = diagnosis.endpoints.iter().find(|report| report.endpoint.role == Role::Receiver).unwrap();
        assert_eq!((receiver.endpoint.number, receiver.held()), (endpoint, 2));
        assert_eq!(receiver.reading.positions, [0, 1]);
        assert_eq!((receiver.endpoint.liveness, receiver.stopped), (Liveness::Alive, false));
        assert!(diagnosis.is_healthy() && diagnosis.waiting == 2, "{ends:?}: {diagnosis:?}");
        for _ in &batch {}
        batch.nack();
        let states: Vec<_> = queue.peek().map(|message| message.state).collect();
        // A single receiver's come back as if they had never gone, but counted.
        let back = if ends.1 == Ends::Single { PeekState::Ready } else { PeekState::CameBack };
        assert_eq!(states, [back, back, PeekState::Ready, PeekState::Ready], "{ends:?}");
        assert!(queue.peek().take(2).all(|message| message.deliveries == 1), "{ends:?}");
        assert_eq!(queue.diagnose(Duration::ZERO).waiting, 4);
    }
}

#[test]
fn what_was_released_out_of_order_is_gone() {
    for ends in ALL_ENDS {
        let queue = in_memory(options(ends));
        send_numbers(&mut queue.sender().unwrap(), 0..4);
        let mut rx = queue.receiver().unwrap();
        let mut messages: Vec<_> = rx.try_pull(3).unwrap().into_iter().collect();
        messages.remove(1).release();
        let seen: Vec<_> = queue.peek().map(|message| message.position).collect();
        assert_eq!(seen, [0, 2, 3], "{ends:?}");
        assert_eq!(queue.diagnose(Duration::ZERO).endpoints[0].reading.positions, [0, 2]);
    }
}

#[test]
fn a_claim_is_shown_without_bytes_and_holds_up_receivers() {
    for ends in ALL_ENDS.into_iter().filter(|(senders, _)| *senders == Ends::Multi) {
        let queue = in_memory(options(ends));
        let (mut first, mut second) = (queue.sender().unwrap(), queue.sender().unwrap());
        let loan = first.loan(8).unwrap();
        send_numbers(&mut second, [7]);
        let seen: Vec<_> = queue.peek().collect();
        assert!(matches!(seen[0].state, PeekState::BeingWritten { .. }) && seen[0].bytes.is_empty(), "{seen:?}");
        assert_eq!((seen.len(), seen[1].state, number(&seen[1].bytes)), (2, PeekState::Ready, 7));
        let once = queue.diagnose(Duration::ZERO);
        assert!(once.is_healthy(), "one look tells nothing about how long: {once:?}");
        assert_eq!((once.stuck[0].waiting, once.stuck[0].position), (Role::Receiver, 0));
        let watched = queue.diagnose(Duration::from_millis(2));
        assert!(!watched.is_healthy());
        let [stuck] = &watched.stuck[..] else { panic!("{watched:?}") };
        assert_eq!((stuck.holder, stuck.held_for), (Holder::Alive, Duration::from_millis(2)));
        let writer = watched.endpoints.iter().find(|report| report.endpoint.number == stuck.endpoint).unwrap();
        assert_eq!((writer.writing.count, writer.writing.held_for), (1, Duration::from_millis(2)));
        drop(loan);
        assert_eq!(queue.peek().map(|message| message.position).collect::<Vec<_>>(), [1], "an aborted one is nothing");
        assert!(queue.diagnose(Duration::from_millis(1)).is_healthy());
    }
}

#[test]
fn who_holds_the_oldest_of_a_full_queue_holds_up_senders() {
    for ends in ALL_ENDS {
        let queue = in_memory(options(ends).when_full(WhenFull::Fail));
        let (mut tx, mut rx) = (queue.sender().unwrap(), queue.receiver().unwrap());
        send_numbers(&mut tx, 0..64);
        assert!(queue.diagnose(Duration::from_millis(1)).is_healthy(), "full, and nobody is in the way");
        let message = rx.try_recv().unwrap().unwrap();
        let diagnosis = queue.diagnose(Duration::from_millis(1));
        let [stuck] = &diagnosis.stuck[..] else { panic!("{ends:?}: {diagnosis:?}") };
        assert_eq!((stuck.waiting, stuck.position, stuck.holder), (Role::Sender, 0, Holder::Alive), "{ends:?}");
        assert!(!diagnosis.is_healthy());
        message.release();
        assert_eq!(queue.diagnose(Duration::from_millis(1)).stuck, []);
    }
}

/// A ring that moves under our eyes is neither corrupt nor full of the dead.
#[test]
fn a_busy_queue_is_healthy() {
    for (ends, when_full) in
        ALL_ENDS.into_iter().flat_map(|ends| [(ends, WhenFull::Block), (ends, WhenFull::Overwrite)])
    {
        let (queue, _name) = named("busy", options(ends).when_full(when_full));
        let done = std::sync::atomic::AtomicBool::new(false);
        let order = std::sync::atomic::Ordering::Relaxed;
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !done.load(order) {
                    let mut tx = queue.sender().unwrap();
                    for count in 1..200 {
                        let messages = (0..count % 40).map(|_| &b"message"[..]);
                        // A receiver that has ended takes nothing.
                        let _ = tx.send_batch_timeout(messages, Duration::from_millis(20));
                    }
                }
            });
            scope.spawn(|| {
                while !done.load(order) {
                    let mut rx = queue.receiver().unwrap();
                    for count in 1..20 {
                        rx.pull_some(count % 50, Duration::from_millis(1)).unwrap().release();
                    }
                }
            });
            let looked = std::panic::catch_unwind(|| {
                for round in 0..300 {
                    if round % 10 == 0 {
                        assert_eq!(queue.repair(), Ok(0), "{ends:?}, {when_full:?}: the living were robbed");
                    }
                    let diagnosis = queue.diagnose(Duration::ZERO);
                    assert!(diagnosis.is_healthy(), "{ends:?}, {when_full:?}: {diagnosis:?}");
                }
            });
            done.store(true, order);
            looked.unwrap();
        });
    }
}

#[test]
fn an_inspector_is_no_member() {
    let name = UniqueName::new("inspected");
    let queue = Queue::create(&name, options(ALL_ENDS[3]).ephemeral(true)).unwrap();
    send_numbers(&mut queue.sender().unwrap(), 0..3);
    let inspector = Inspector::open(&name).unwrap();
    assert_eq!((inspector.peek().count(), inspector.is_open()), (3, Ok(true)));
    drop(queue);
    // The last member has removed it, and what we look at is still there.
    assert!(Inspector::open(&name).is_err());
    assert_eq!((inspector.peek().count(), inspector.is_open()), (3, Ok(false)));
    assert!(inspector.diagnose(Duration::ZERO).removed);
}

#[test]
fn only_what_nobody_has_open_is_stale() {
    for ends in ALL_ENDS {
        let (queue, name) = named("stale", options(ends));
        let rules = StaleRules::default().older_than(Duration::ZERO).only(&name);
        let sweep = |rules: &StaleRules| ringpost::remove_stale(rules).unwrap().remove(0);
        assert!(!sweep(&rules).removed, "it is open");
        send_numbers(&mut queue.sender().unwrap(), 0..3);
        drop(queue);
        assert!(!sweep(&rules).removed, "{ends:?}: it has messages in it");
        assert_eq!(Queue::open(&name).unwrap().size(), 3);
        let queue = Queue::open(&name).unwrap();
        assert_eq!(drain(&mut queue.receiver().unwrap()), [0, 1, 2]);
        drop(queue);
        assert!(!sweep(&StaleRules::default().only(&name)).removed, "it was used a moment ago");
        assert!(sweep(&rules.clone().dry_run()).removed);
        assert!(sweep(&rules).removed, "{ends:?}: a dry run removes nothing");
        assert!(Queue::open(&name).is_err());
    }
}

/// Whoever opens a queue while it is swept away either keeps it or finds none.
#[test]
fn a_queue_that_is_open_is_never_swept_away() {
    let name = UniqueName::new("swept");
    let done = std::sync::atomic::AtomicBool::new(false);
    let order = std::sync::atomic::Ordering::Relaxed;
    let swept = std::thread::scope(|scope| {
        let sweeper = scope.spawn(|| {
            let rules = StaleRules::default().older_than(Duration::ZERO).only(&name);
            let mut swept = 0;
            while !done.load(order) {
                swept += ringpost::remove_stale(&rules).unwrap().iter().filter(|swept| swept.removed).count();
            }
            swept
        });
        let user = scope.spawn(|| {
            for round in 0..300 {
                let queue = Queue::open_or_create(&name, options(ALL_ENDS[round % 4]));
                // One with other ends is still there: nobody has swept it.
                let Ok(queue) = queue.or_else(|_| Queue::open(&name)) else { continue };
                send_numbers(&mut queue.sender().unwrap(), [round as u64]);
                assert!(!queue.is_removed(), "it was removed under our hands");
                drop(queue);
                // It has a message in it now.
                let queue = Queue::open(&name).expect("what has messages is not swept");
                assert_eq!(drain(&mut queue.receiver().unwrap()), [round as u64]);
                assert!(!queue.is_removed(), "it was removed under our hands");
                drop(queue);
                // Where there is much else to do, the sweeper may need some time to come here at all.
                let patience = Instant::now() + Duration::from_secs(20);
                while round % 100 == 99 && Queue::open(&name).is_ok() && Instant::now() < patience {
                    std::thread::yield_now();
                }
            }
        });
        let user = user.join();
        done.store(true, order);
        user.unwrap();
        sweeper.join().unwrap()
    });
    assert!(swept > 0);
}
