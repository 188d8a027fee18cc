//! Ends of queues in asynchronous programs, with real processes on the other side. Each child is this very program, run
//! again for the test [`child`] with a role.
#![cfg(target_os = "linux")]

#[path = "../common/mod.rs"]
mod common;
#[path = "../waiting/roles.rs"]
mod roles;
#[path = "../processes/run.rs"]
#[allow(dead_code, reason = "a part of it is used here")]
mod run;

use std::time::{Duration, Instant};

use ringpost::{AsyncReceiver, Ends, Options, Queue, RecvError, SendError, WhenFull};
use tokio::time::{sleep, timeout};

use common::{ALL_ENDS, LONG, in_memory, named, number, options, send_numbers};
use run::Process;

/// Not a test of its own: what a child process runs. Without a role there is nothing to do.
#[test]
fn child() {
    if let Some(role) = run::role() {
        roles::play(&role);
    }
}

async fn next(rx: &mut AsyncReceiver) -> Result<u64, RecvError> {
    let message = timeout(LONG, rx.recv()).await.expect("woken")?;
    Ok(number(&message))
}

#[tokio::test]
async fn messages_of_another_process_arrive() {
    for ends in ALL_ENDS {
        let (queue, name) = named("async", options(ends));
        let mut rx = queue.receiver().unwrap().into_async().unwrap();
        let child = Process::start(&format!("send {} 1 2 3", &*name));
        for expected in 1..=3 {
            assert_eq!(next(&mut rx).await, Ok(expected));
        }
        child.finish();
        queue.close();
        assert_eq!(next(&mut rx).await, Err(RecvError::Closed));
    }
}

#[tokio::test]
async fn the_end_of_a_queue_arrives_too() {
    for (how, end) in [("close", RecvError::Closed), ("remove", RecvError::Removed)] {
        let (queue, name) = named("end", options(ALL_ENDS[3]));
        let mut rx = queue.receiver().unwrap().into_async().unwrap();
        let child = Process::start(&format!("close {} {how}", &*name));
        assert_eq!(next(&mut rx).await, Err(end));
        child.finish();
    }
}

#[tokio::test]
async fn two_queues_in_one_runtime() {
    let ((one, one_name), (two, two_name)) = (named("one", options(ALL_ENDS[0])), named("two", options(ALL_ENDS[3])));
    let mut one = one.receiver().unwrap().into_async().unwrap();
    let mut two = two.receiver().unwrap().into_async().unwrap();
    let children =
        [format!("send {} 10 11", &*one_name), format!("send {} 20 21", &*two_name)].map(|role| Process::start(&role));
    let mut got = Vec::new();
    while got.len() < 4 {
        // Whichever loses is dropped, and has taken nothing.
        tokio::select! {
            message = one.recv() => got.push(number(&message.unwrap())),
            message = two.recv() => got.push(number(&message.unwrap())),
            () = sleep(LONG) => panic!("not woken: {got:?}"),
        }
    }
    got.sort_unstable();
    assert_eq!(got, [10, 11, 20, 21]);
    children.into_iter().for_each(|child| drop(child.finish()));
}

/// Sends `count` numbers from a thread, with pauses.
fn send_slowly(queue: &Queue, count: u64) -> std::thread::JoinHandle<()> {
    let mut tx = queue.sender().unwrap();
    std::thread::spawn(move || {
        for number in 0..count {
            send_numbers(&mut tx, [number]);
            if number % 8 == 0 {
                std::thread::sleep(Duration::from_micros(300));
            }
        }
    })
}

#[tokio::test]
async fn nothing_is_lost_when_receiving_is_cancelled() {
    const COUNT: u64 = 2_000;
    for ends in ALL_ENDS {
        let queue = in_memory(options(ends));
        let mut rx = queue.receiver().unwrap().into_async().unwrap();
        let sending = send_slowly(&queue, COUNT);
        let (mut got, mut cancelled) = (Vec::new(), 0);
        let since = Instant::now();
        for round in 0.. {
            if got.len() == COUNT as usize {
                break;
            }
            tokio::select! {
                biased;
                () = sleep(Duration::from_millis(round % 3)) => cancelled += 1,
                message = rx.recv() => got.push(number(&message.unwrap())),
            }
            assert!(since.elapsed() < LONG, "{} of {COUNT}", got.len());
        }
        sending.join().unwrap();
        assert!(cancelled > 0);
        assert_eq!(got, (0..COUNT).collect::<Vec<_>>(), "{ends:?}");
    }
}

#[tokio::test]
async fn nothing_is_lost_when_a_pull_is_cancelled() {
    const COUNT: u64 = 2_000;
    for ends in ALL_ENDS {
        let queue = in_memory(options(ends));
        let mut rx = queue.receiver().unwrap().into_async().unwrap();
        let sending = send_slowly(&queue, COUNT);
        let (mut got, mut cancelled) = (Vec::new(), 0);
        let since = Instant::now();
        for round in 0.. {
            if got.len() == COUNT as usize {
                break;
            }
            tokio::select! {
                biased;
                // Often sooner than the pull's own timeout, now and then later.
                () = sleep(Duration::from_millis(round % 5)) => cancelled += 1,
                batch = rx.pull(12, Duration::from_millis(2)) => {
                    for message in batch.unwrap() {
                        assert_eq!(message.deliveries(), 1, "a cancelled pull counts as no delivery");
                        got.push(number(&message));
                    }
                }
            }
            assert!(since.elapsed() < LONG, "{} of {COUNT}", got.len());
        }
        sending.join().unwrap();
        assert!(cancelled > 0);
        assert_eq!(got, (0..COUNT).collect::<Vec<_>>(), "{ends:?}");
    }
}

#[tokio::test]
async fn a_pull_waits_for_as_many_as_it_wants_and_no_longer_than_it_may() {
    for ends in ALL_ENDS {
        let (queue, name) = named("pull", options(ends));
        let mut rx = queue.receiver().unwrap().into_async().unwrap();
        let child = Process::start(&format!("send {} 1 2 3", &*name));
        let batch = rx.pull(3, LONG).await.unwrap();
        assert_eq!(batch.iter().map(number).collect::<Vec<_>>(), [1, 2, 3]);
        batch.release();
        child.finish();
        send_numbers(&mut queue.sender().unwrap(), [4]);
        let since = Instant::now();
        assert_eq!(rx.pull(3, Duration::from_millis(30)).await.unwrap().len(), 1);
        assert!(since.elapsed() >= Duration::from_millis(30));
        assert!(rx.pull(0, LONG).await.unwrap().is_empty());
        queue.close();
        // What was given back, not looked at, is still there.
        assert_eq!(rx.pull(3, LONG).await.unwrap().into_iter().map(|m| number(&m)).collect::<Vec<_>>(), [4]);
        assert_eq!(rx.pull(3, LONG).await.map(|batch| batch.len()).unwrap_err(), RecvError::Closed);
    }
}

#[tokio::test]
async fn a_sender_that_dies_in_the_way_is_noticed() {
    for receivers in [Ends::Single, Ends::Multi] {
        let (queue, name) = named("dead", options((Ends::Multi, receivers)));
        let mut rx = queue.receiver().unwrap().into_async().unwrap();
        let mut child = Process::start(&format!("loan {}", &*name));
        child.expect("loaned");
        send_numbers(&mut queue.sender().unwrap(), [5]);
        assert!(timeout(Duration::from_millis(20), rx.recv()).await.is_err(), "its owner lives");
        drop(child.kill());
        assert_eq!(next(&mut rx).await, Ok(5));
    }
}

#[tokio::test]
async fn what_a_dead_receiver_held_comes_back() {
    let (queue, name) = named("held", options(ALL_ENDS[3]));
    let mut rx = queue.receiver().unwrap().into_async().unwrap();
    send_numbers(&mut queue.sender().unwrap(), [6]);
    let mut child = Process::start(&format!("hold {} 1", &*name));
    child.expect("holds");
    assert!(timeout(Duration::from_millis(5), rx.recv()).await.is_err());
    drop(child.kill());
    assert_eq!(next(&mut rx).await, Ok(6));
}

#[tokio::test]
async fn a_sender_waits_for_room() {
    for ends in ALL_ENDS {
        let (queue, name) = named("room", options(ends));
        let mut tx = queue.sender().unwrap().into_async().unwrap();
        for number in 0..64_u64 {
            tx.send(&number.to_le_bytes()).await.unwrap();
        }
        let since = Instant::now();
        assert_eq!(tx.send_timeout(b"late", Duration::from_millis(20)).await, Err(SendError::TimedOut));
        assert!(since.elapsed() >= Duration::from_millis(20));
        assert!(timeout(Duration::from_millis(5), tx.send(b"never")).await.is_err(), "cancelled, so not sent");
        assert_eq!(queue.stat().totals.dropped, 1, "the one that timed out, and no looks in vain");
        let child = Process::start(&format!("take {} 2", &*name));
        timeout(LONG, tx.send(b"room")).await.unwrap().unwrap();
        let mut loan = timeout(LONG, tx.loan(4)).await.unwrap().unwrap();
        loan.copy_from_slice(b"lent");
        loan.commit();
        child.finish();
        assert_eq!((queue.size(), queue.stat().totals.sent), (64, 66), "{ends:?}");
        queue.close();
        assert_eq!(tx.send(b"closed").await, Err(SendError::Closed));
    }
}

#[tokio::test]
async fn policies_hold() {
    let full = |policy| in_memory(Options::new(64).max_len(8).when_full(policy));
    for (policy, expected) in [
        (WhenFull::Fail, Err(SendError::Full { capacity: 64 })),
        (WhenFull::Overwrite, Ok(())),
        (WhenFull::Deadline(Duration::from_millis(5)), Err(SendError::TimedOut)),
    ] {
        let queue = full(policy);
        let mut tx = queue.sender().unwrap().into_async().unwrap();
        for number in 0..64_u64 {
            tx.send(&number.to_le_bytes()).await.unwrap();
        }
        assert_eq!(tx.send(b"one more").await, expected);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tasks_on_several_threads() {
    const COUNT: u64 = 5_000;
    let queue = in_memory(options(ALL_ENDS[3]));
    let receivers: Vec<_> = (0..2)
        .map(|_| {
            let mut rx = queue.receiver().unwrap().into_async().unwrap();
            tokio::spawn(async move {
                let (mut count, mut sum) = (0, 0);
                while let Ok(number) = rx.recv().await.map(|message| number(&message)) {
                    count += 1;
                    sum += number;
                }
                (count, sum)
            })
        })
        .collect();
    let senders: Vec<_> = (0..2)
        .map(|_| {
            let mut tx = queue.sender().unwrap().into_async().unwrap();
            tokio::spawn(async move {
                for number in 0..COUNT {
                    tx.send(&number.to_le_bytes()).await.unwrap();
                }
            })
        })
        .collect();
    for sender in senders {
        timeout(LONG, sender).await.unwrap().unwrap();
    }
    queue.close();
    let mut total = (0, 0);
    for receiver in receivers {
        let (count, sum) = timeout(LONG, receiver).await.unwrap().unwrap();
        total = (total.0 + count, total.1 + sum);
    }
    assert_eq!(total, (2 * COUNT, COUNT * (COUNT - 1)));
}

#[tokio::test]
async fn it_can_become_a_plain_end_again() {
    let queue = in_memory(options(ALL_ENDS[3]));
    let mut rx = queue.receiver().unwrap().into_async().unwrap();
    assert!(timeout(Duration::from_millis(5), rx.recv()).await.is_err());
    let mut rx = rx.into_inner();
    let mut tx = queue.sender().unwrap().into_async().unwrap().into_inner();
    send_numbers(&mut tx, [1]);
    assert_eq!(number(&rx.recv().unwrap()), 1);
}

#[tokio::test]
async fn a_wait_that_is_given_up_leaves_nothing_armed() {
    let queue = in_memory(options(ALL_ENDS[3]));
    let mut rx = queue.receiver().unwrap().into_async().unwrap();
    assert!(timeout(Duration::from_millis(5), rx.recv()).await.is_err());
    send_numbers(&mut queue.sender().unwrap(), [1]);
    sleep(Duration::from_millis(5)).await;
    let bell = rx.get_mut().descriptor().unwrap();
    let heard = nix::poll::poll(&mut [nix::poll::PollFd::new(bell, nix::poll::PollFlags::POLLIN)], 0_u8);
    assert_eq!(heard, Ok(0), "its helper still used up wake-ups");
    assert_eq!(next(&mut rx).await, Ok(1));
}

#[tokio::test]
async fn a_held_message_comes_back_to_one_who_waits() {
    for ends in ALL_ENDS {
        let queue = in_memory(options(ends));
        let mut rx = queue.receiver().unwrap().into_async().unwrap();
        send_numbers(&mut queue.sender().unwrap(), [1]);
        let held = rx.recv().await.unwrap().hold();
        let returning = tokio::spawn(async move {
            sleep(Duration::from_millis(20)).await;
            held.nack();
        });
        assert_eq!(next(&mut rx).await, Ok(1), "{ends:?}");
        returning.await.unwrap();
    }
}
