//! Processes that are killed or stopped while they hold something.

use std::collections::BTreeMap;
use std::os::fd::AsRawFd;
use std::time::{Duration, Instant};

use ringpost::{Ends, JoinError, Liveness, Options, Queue, Role, WhenFull};

use crate::common::{ALL_ENDS, LONG, UniqueName, drain, named, number, options, send_numbers};
use crate::content::Random;
use crate::run::{Process, say};

fn sleep_forever() -> ! {
    loop {
        std::thread::sleep(LONG);
    }
}

/// A receiver that takes so many messages and keeps them: name, count.
pub fn hold(role: &[String]) {
    let queue = Queue::open(&role[0]).expect("the queue");
    let mut rx = queue.receiver().expect("a place for a receiver");
    let batch = rx.pull(role[1].parse().expect("a number"), LONG).expect("messages");
    let seen: Vec<String> = batch.iter().map(|bytes| number(bytes).to_string()).collect();
    say(&seen.join(" "));
    sleep_forever();
}

/// A sender of values that sends so many, one by one: name, count.
pub fn tell(role: &[String]) {
    let queue = Queue::open(&role[0]).expect("the queue").typed::<u64>().expect("of numbers");
    let mut tx = queue.sender().expect("a place for a sender");
    (0..role[1].parse().expect("a number")).for_each(|value| tx.send(&value).expect("room"));
    say("sent");
    sleep_forever();
}

/// A sender that sends 1000 and then writes half a message: name.
pub fn loan(role: &[String]) {
    let queue = Queue::open(&role[0]).expect("the queue");
    let mut tx = queue.sender().expect("a place for a sender");
    send_numbers(&mut tx, [1000]);
    let mut loan = tx.loan(8).expect("room");
    loan[..4].fill(0xee);
    say("loaned");
    sleep_forever();
}

/// An endpoint that does nothing: name, which.
pub fn idle(role: &[String]) {
    let queue = Queue::open(&role[0]).expect("the queue");
    let _ends = match &*role[1] {
        "sender" => (queue.sender().ok(), None),
        _ => (None, queue.receiver().ok()),
    };
    say("joined");
    sleep_forever();
}

/// One who repairs, as far as an instruction before it marks the row: name, row. It is written to docs/FORMAT.md.
pub fn half_repair(role: &[String]) {
    let path = format!("/dev/shm/ringpost.q.{}", role[0]);
    let file = std::fs::OpenOptions::new().read(true).write(true).open(path).expect("the queue's file");
    let row: libc::off_t = role[1].parse().expect("a number");
    let both = libc::flock {
        l_type: libc::F_WRLCK as libc::c_short,
        l_whence: libc::SEEK_SET as libc::c_short,
        l_start: 4608 + 128 * row,
        l_len: 2,
        l_pid: 0,
    };
    // SAFETY: a plain system call; the lock is described by a whole `flock`, which outlives it.
    let locked = unsafe { libc::fcntl(file.as_raw_fd(), libc::F_OFD_SETLK, &raw const both) };
    assert_eq!(locked, 0, "{}", std::io::Error::last_os_error());
    say("locked");
    sleep_forever();
}

/// A receiver that says what it gets before it releases it, until the queue is closed: name.
pub fn churn(role: &[String]) {
    let queue = Queue::open(&role[0]).expect("the queue");
    let mut rx = queue.receiver().expect("a place for a receiver");
    let mut random = Random::new(u64::from(std::process::id()));
    while let Ok(batch) = rx.pull(1 + random.below(8) as usize, Duration::from_millis(1)) {
        let got: Vec<String> = batch.into_iter().map(say_and_release).collect();
        drop(got);
    }
}

fn say_and_release(message: ringpost::Message<'_>) -> String {
    let text = format!("{} {}", number(&message), message.deliveries());
    say(&text);
    text
}

#[test]
fn what_a_killed_sender_has_sent_counts_whether_tail_tells_or_not() {
    for ends in ALL_ENDS {
        for count in 1..=9 {
            let name = UniqueName::new("tell");
            let options = Options::of::<u64>(16).senders(ends.0).receivers(ends.1);
            let queue = Queue::<u64>::create(&name, options).unwrap();
            let mut child = Process::start(&format!("tell {} {count}", &*name));
            child.expect("sent");
            drop(child.kill());
            assert_eq!((queue.size(), queue.stat().totals.sent), (count, count as u64), "{ends:?}");
            queue.sender().unwrap().send(&100).unwrap();
            assert_eq!(queue.size(), count + 1, "{ends:?}");
            let mut rx = queue.receiver().unwrap();
            let mut got = Vec::new();
            while got.len() <= count {
                assert!(rx.pull_some_with(16, LONG, |value| got.push(*value)).unwrap() > 0);
            }
            assert!(got.iter().copied().eq((0..count as u64).chain([100])), "{ends:?}: {got:?}");
            assert_eq!((queue.size(), queue.stat().totals.pulled), (0, count as u64 + 1), "{ends:?}");
        }
    }
}

#[test]
fn what_a_killed_receiver_held_is_delivered_again() {
    for ends in ALL_ENDS {
        let (queue, name) = named("held", options(ends));
        send_numbers(&mut queue.sender().unwrap(), 0..20);
        // With many receivers one is there all along; a single one can only come afterwards.
        let early = (ends.1 == Ends::Multi).then(|| queue.receiver().unwrap());
        let mut child = Process::start(&format!("hold {} 8", &*name));
        child.expect("0 1 2 3 4 5 6 7");
        assert_eq!(queue.size(), 12);
        drop(child.kill());
        let mut rx = early.unwrap_or_else(|| queue.receiver().unwrap());
        let mut got = BTreeMap::new();
        for message in rx.pull(20, LONG).unwrap() {
            assert!(got.insert(number(&message), message.is_redelivered()).is_none(), "doubled: {ends:?}");
        }
        let expected: BTreeMap<u64, bool> = (0..20).map(|i| (i, i < 8)).collect();
        assert_eq!(got, expected, "{ends:?}");
        assert!(rx.try_recv().unwrap().is_none());
        drop(rx);
        assert_eq!(queue.stat().totals.recovered, 1);
        assert!(queue.stat().endpoints.is_empty());
    }
}

#[test]
fn what_a_killed_receiver_held_comes_before_the_rest() {
    for ends in ALL_ENDS {
        let (queue, name) = named("first", options(ends));
        send_numbers(&mut queue.sender().unwrap(), 0..10);
        let mut child = Process::start(&format!("hold {} 4", &*name));
        child.expect("0 1 2 3");
        drop(child.kill());
        assert_eq!(drain(&mut queue.receiver().unwrap()), (0..10).collect::<Vec<_>>(), "{ends:?}");
    }
}

#[test]
fn a_receiver_that_waits_gets_what_another_died_with() {
    let (queue, name) = named("waits", options(ALL_ENDS[3]));
    send_numbers(&mut queue.sender().unwrap(), 0..5);
    let mut child = Process::start(&format!("hold {} 5", &*name));
    child.expect("0 1 2 3 4");
    let mut rx = queue.receiver().unwrap();
    std::thread::scope(|scope| {
        let waiting = scope.spawn(move || rx.pull(5, LONG).unwrap().iter().map(number).collect::<Vec<_>>());
        std::thread::sleep(Duration::from_millis(100));
        assert!(!waiting.is_finished());
        drop(child.kill());
        assert_eq!(waiting.join().unwrap(), [0, 1, 2, 3, 4]);
    });
}

/// A dead receiver's messages stand in nobody's way, and yet the end must not come before them.
#[test]
fn what_a_killed_receiver_held_comes_before_the_end() {
    for patience in [Duration::ZERO, LONG] {
        let (queue, name) = named("end", options(ALL_ENDS[3]));
        let mut tx = queue.sender().unwrap();
        send_numbers(&mut tx, 0..5);
        let mut rx = queue.receiver().unwrap();
        let mut child = Process::start(&format!("hold {} 5", &*name));
        child.expect("0 1 2 3 4");
        // So that it is not time to look for the dead anyway.
        assert!(rx.pull(1, Duration::from_millis(60)).unwrap().is_empty());
        queue.close();
        drop(child.kill());
        let batch = if patience.is_zero() { rx.try_pull(5) } else { rx.pull(5, patience) };
        assert_eq!(batch.map(|batch| batch.iter().map(number).collect::<Vec<_>>()), Ok(vec![0, 1, 2, 3, 4]));
        assert_eq!(rx.try_pull(1).unwrap_err(), ringpost::RecvError::Closed);
    }
}

/// Nor may it come while somebody repairs, or is killed at that.
#[test]
fn the_end_waits_for_one_who_repairs() {
    let (queue, name) = named("repair", options(ALL_ENDS[3]));
    let mut tx = queue.sender().unwrap();
    send_numbers(&mut tx, 0..5);
    let mut rx = queue.receiver().unwrap();
    let mut child = Process::start(&format!("hold {} 5", &*name));
    child.expect("0 1 2 3 4");
    queue.close();
    let pid = child.pid();
    let number = queue.stat().endpoints.iter().find(|end| end.pid == Some(pid)).unwrap().number;
    child.kill();
    let mut repairer = Process::start(&format!("half-repair {} {}", &*name, number - 1));
    repairer.expect("locked");
    assert_eq!(rx.try_recv().map(|message| message.is_none()), Ok(true));
    assert_eq!(rx.recv_timeout(Duration::from_millis(60)).map(|message| message.is_none()), Ok(true));
    assert_eq!(ringpost::wait_any(&mut [&mut rx], Duration::from_millis(60)), None);
    assert!(!rx.arm().unwrap(), "there is nothing to try for");
    repairer.kill();
    assert_eq!(drain(&mut rx), [0, 1, 2, 3, 4]);
    assert_eq!(rx.try_recv().unwrap_err(), ringpost::RecvError::Closed);
    assert_eq!(ringpost::wait_any(&mut [&mut rx], Duration::ZERO), Some(0));
}

#[test]
fn a_sender_that_waits_gets_the_room_of_a_dead_one() {
    let (queue, name) = named("room", options(ALL_ENDS[3]));
    let mut child = Process::start(&format!("loan {}", &*name));
    child.expect("loaned");
    let mut tx = queue.sender().unwrap();
    send_numbers(&mut tx, 0..62);
    let mut rx = queue.receiver().unwrap();
    rx.recv().unwrap().release();
    send_numbers(&mut tx, [62]);
    std::thread::scope(|scope| {
        let waiting = scope.spawn(move || send_numbers(&mut tx, [63]));
        std::thread::sleep(Duration::from_millis(100));
        assert!(!waiting.is_finished(), "the loan's slot is next, and its owner lives");
        drop(child.kill());
        waiting.join().unwrap();
    });
    assert_eq!(drain(&mut rx), (0..64).collect::<Vec<_>>());
}

#[test]
fn what_a_killed_sender_had_not_committed_vanishes() {
    for ends in ALL_ENDS {
        let (queue, name) = named("loaned", options(ends));
        let mut rx = queue.receiver().unwrap();
        let mut child = Process::start(&format!("loan {}", &*name));
        child.expect("loaned");
        let others = (ends.0 == Ends::Multi).then(|| queue.sender().unwrap()).map(|mut tx| {
            send_numbers(&mut tx, 0..3);
            tx
        });
        drop(child.kill());
        let mut tx = others.unwrap_or_else(|| {
            let mut tx = queue.sender().unwrap();
            send_numbers(&mut tx, 0..3);
            tx
        });
        let got: Vec<u64> = rx.pull(4, LONG).unwrap().iter().map(number).collect();
        assert_eq!(got, [1000, 0, 1, 2], "{ends:?}");
        for lap in 0..5 {
            send_numbers(&mut tx, lap * 50..lap * 50 + 50);
            assert_eq!(drain(&mut rx), (lap * 50..lap * 50 + 50).collect::<Vec<_>>(), "{ends:?}");
        }
    }
}

#[test]
fn a_dead_sender_is_no_reason_to_overwrite_or_to_refuse() {
    for policy in [WhenFull::Fail, WhenFull::Overwrite] {
        let (queue, name) = named("policy", options(ALL_ENDS[3]).when_full(policy));
        let mut child = Process::start(&format!("loan {}", &*name));
        child.expect("loaned");
        drop(child.kill());
        let mut tx = queue.sender().unwrap();
        send_numbers(&mut tx, 0..62);
        let mut rx = queue.receiver().unwrap();
        let mut expected = vec![1000];
        expected.extend(0..62);
        assert_eq!(drain(&mut rx), expected, "{policy:?}");
        assert_eq!(queue.stat().totals.overwritten, 0);
    }
}

#[test]
fn the_place_of_a_killed_single_end_is_free_for_a_successor() {
    for (which, role) in [("sender", Role::Sender), ("receiver", Role::Receiver)] {
        let (queue, name) = named("place", options(ALL_ENDS[0]));
        let mut child = Process::start(&format!("idle {} {which}", &*name));
        child.expect("joined");
        let join = || match role {
            Role::Sender => queue.sender().map(drop),
            Role::Receiver => queue.receiver().map(drop),
        };
        assert_eq!(join(), Err(JoinError::Taken { role, pid: child.pid() }));
        drop(child.kill());
        join().expect("the place of the dead");
        let (mut tx, mut rx) = (queue.sender().unwrap(), queue.receiver().unwrap());
        send_numbers(&mut tx, 0..3);
        assert_eq!(drain(&mut rx), [0, 1, 2]);
    }
}

#[test]
fn killed_senders_are_gone_senders() {
    for ends in ALL_ENDS {
        let (queue, name) = named("gone", options(ends));
        let mut rx = queue.receiver().unwrap();
        rx.until_senders_leave(true);
        let mut child = Process::start(&format!("loan {}", &*name));
        child.expect("loaned");
        rx.recv().unwrap().release();
        assert!(rx.pull(1, Duration::from_millis(100)).unwrap().is_empty(), "it lives: {ends:?}");
        drop(child.kill());
        assert_eq!(rx.pull(1, LONG).unwrap_err(), ringpost::RecvError::SendersGone, "{ends:?}");
    }
}

#[test]
fn a_stopped_process_is_not_a_dead_one() {
    for ends in ALL_ENDS {
        let (queue, name) = named("stopped", options(ends));
        send_numbers(&mut queue.sender().unwrap(), 0..4);
        let mut child = Process::start(&format!("hold {} 4", &*name));
        child.expect("0 1 2 3");
        child.signal(libc::SIGSTOP);
        if ends.1 == Ends::Multi {
            let mut rx = queue.receiver().unwrap();
            assert!(rx.pull(1, Duration::from_millis(300)).unwrap().is_empty(), "nobody robs the living");
        } else {
            assert!(matches!(queue.receiver(), Err(JoinError::Taken { .. })));
        }
        let stat = queue.stat();
        assert_eq!(stat.totals.recovered, 0);
        assert!(stat.endpoints.iter().all(|endpoint| endpoint.liveness == Liveness::Alive));
        assert_eq!(stat.endpoints.len(), 1);
        child.signal(libc::SIGCONT);
        drop(child.kill());
        assert!(queue.stat().endpoints.iter().all(|endpoint| endpoint.liveness == Liveness::Dead));
        assert_eq!(drain(&mut queue.receiver().unwrap()), [0, 1, 2, 3], "{ends:?}");
    }
}

#[test]
fn an_ephemeral_queue_outlives_a_killed_member() {
    let name = crate::common::UniqueName::new("ephemeral");
    let queue = Queue::create(&name, Options::new(64).max_len(8).ephemeral(true)).unwrap();
    let mut child = Process::start(&format!("idle {} sender", &*name));
    child.expect("joined");
    drop(child.kill());
    Queue::open(&name).expect("we have it open");
    drop(queue);
    assert!(Queue::open(&name).is_err(), "the last living one has closed it");
}

/// Receivers are killed again and again in the middle of their work: everything is delivered, and whatever is delivered
/// twice says so.
#[test]
fn receivers_killed_at_any_moment_lose_nothing() {
    const COUNT: u64 = 4000;
    for ends in ALL_ENDS {
        let (queue, name) = named("churn", options(ends).when_full(WhenFull::Deadline(LONG)));
        let start = || Process::start(&format!("churn {}", &*name));
        let mut said = Vec::new();
        std::thread::scope(|scope| {
            let mut tx = queue.sender().unwrap();
            let sending = scope.spawn(move || send_numbers(&mut tx, 0..COUNT));
            let mut random = Random::new(ends.0 as u64 * 2 + ends.1 as u64);
            let mut children: Vec<Process> = (0..if ends.1 == Ends::Single { 1 } else { 3 }).map(|_| start()).collect();
            let give_up = Instant::now() + LONG;
            while !sending.is_finished() && Instant::now() < give_up {
                std::thread::sleep(Duration::from_millis(20 + random.below(30)));
                said.extend(children.swap_remove(0).kill());
                children.push(start());
            }
            sending.join().unwrap();
            queue.close();
            said.extend(children.into_iter().flat_map(Process::finish));
        });
        check_churn(&said, COUNT, ends);
    }
}

fn check_churn(said: &[String], count: u64, ends: (Ends, Ends)) {
    let mut got: BTreeMap<u64, Vec<u32>> = BTreeMap::new();
    for line in said {
        // A line that was being written when its process was killed is cut off.
        let Some((number, deliveries)) = line.split_once(' ') else { continue };
        let (Ok(number), Ok(deliveries)) = (number.parse(), deliveries.parse()) else { continue };
        got.entry(number).or_default().push(deliveries);
    }
    assert!(got.keys().copied().eq(0..count), "{} of {count} arrived: {ends:?}", got.len());
    for (number, mut deliveries) in got {
        deliveries.sort_unstable();
        let firsts = deliveries.iter().filter(|times| **times == 1).count();
        assert!(firsts <= 1 && deliveries.is_sorted_by(|a, b| a < b), "{number}: {deliveries:?}, {ends:?}");
    }
}
