//! Signals that interrupt a wait, and processes that fork.

use std::sync::mpsc;
use std::time::{Duration, Instant};

use ringpost::{Ends, JoinError, Options, Queue, Receiver, RecvError, SendError, Sender};

use crate::common::{ALL_ENDS, LONG, UniqueName, drain, named, number, options, send_numbers};

extern "C" fn ignore(_: libc::c_int) {}

/// Makes SIGUSR1 interrupt system calls and do nothing else.
fn interrupt_on_usr1() {
    // SAFETY: all zeroes is a valid `sigaction`: no flags (so that calls are not restarted), nothing blocked.
    let mut action: libc::sigaction = unsafe { core::mem::zeroed() };
    action.sa_sigaction = ignore as *const () as libc::sighandler_t;
    // SAFETY: the handler touches nothing at all, so it may run at any moment in any thread.
    let result = unsafe { libc::sigaction(libc::SIGUSR1, &raw const action, core::ptr::null_mut()) };
    assert_eq!(result, 0);
}

/// Runs `wait` in a thread that is interrupted every millisecond meanwhile.
fn while_interrupted<R: Send>(wait: impl FnOnce() -> R + Send, meanwhile: impl Fn(usize)) -> R {
    interrupt_on_usr1();
    let (say, hear) = mpsc::channel();
    std::thread::scope(|scope| {
        let thread = scope.spawn(move || {
            // SAFETY: asks for the number of the calling thread, no more.
            say.send(unsafe { libc::pthread_self() }).unwrap();
            wait()
        });
        let target = hear.recv().unwrap();
        for round in 0.. {
            if thread.is_finished() {
                break;
            }
            // SAFETY: the thread has not been joined yet, so its number is still valid, even if it has ended.
            unsafe { libc::pthread_kill(target, libc::SIGUSR1) };
            meanwhile(round);
            std::thread::sleep(Duration::from_millis(1));
        }
        thread.join().unwrap()
    })
}

#[test]
fn signals_neither_break_nor_shorten_a_pull() {
    const TIMEOUT: Duration = Duration::from_millis(400);
    for ends in ALL_ENDS {
        let (queue, _name) = named("signals", options(ends));
        let mut rx = queue.receiver().unwrap();
        let pull = || {
            let since = Instant::now();
            let count = rx.pull(3, TIMEOUT).unwrap().len();
            (count, since.elapsed())
        };
        let (count, took) = while_interrupted(pull, |_| {});
        assert_eq!(count, 0);
        assert!(took >= TIMEOUT && took < LONG, "{took:?}");
    }
}

#[test]
fn messages_arrive_between_signals() {
    for ends in ALL_ENDS {
        let (queue, _name) = named("between", options(ends));
        let (tx, mut rx) = (std::sync::Mutex::new(queue.sender().unwrap()), queue.receiver().unwrap());
        let pull = || rx.pull(3, LONG).unwrap().iter().map(number).collect::<Vec<_>>();
        let send = |round| {
            if round % 20 == 10 && round < 70 {
                send_numbers(&mut tx.lock().unwrap(), [round as u64 / 20]);
            }
        };
        assert_eq!(while_interrupted(pull, send), [0, 1, 2]);
    }
}

#[test]
fn signals_neither_break_nor_shorten_a_send() {
    const TIMEOUT: Duration = Duration::from_millis(200);
    for ends in ALL_ENDS {
        let (queue, _name) = named("full", options(ends));
        let mut tx = queue.sender().unwrap();
        send_numbers(&mut tx, 0..64);
        let send = || {
            let since = Instant::now();
            (tx.send_timeout(b"late", TIMEOUT), since.elapsed())
        };
        let (result, took) = while_interrupted(send, |_| {});
        assert_eq!(result, Err(SendError::TimedOut));
        assert!(took >= TIMEOUT && took < LONG, "{took:?}");
    }
}

/// Runs `child` in a fork of this process, and returns the status with which it leaves. `child` must not panic.
fn in_a_fork(child: impl FnOnce() -> i32) -> i32 {
    // SAFETY: the child runs only `child` and leaves. What that calls takes no lock that another thread of ours may hold,
    // but for the allocator's, which the C library keeps usable across a fork.
    let pid = unsafe { libc::fork() };
    assert!(pid >= 0, "fork: {}", std::io::Error::last_os_error());
    if pid == 0 {
        let status = child();
        // SAFETY: ends the process at once, without any of the parent's handlers.
        unsafe { libc::_exit(status) }
    }
    let mut status = 0;
    // SAFETY: `status` is ours to write, and `pid` our own child, which nobody else collects.
    let collected = unsafe { libc::waitpid(pid, &raw mut status, 0) };
    assert_eq!(collected, pid);
    assert!(libc::WIFEXITED(status), "the child crashed: status {status:#x}");
    libc::WEXITSTATUS(status)
}

/// Uses and drops everything in the child. Returns one bit for each thing that is not as it should be.
fn use_after_fork(queue: Queue, mut tx: Sender, mut rx: Receiver) -> i32 {
    let mut wrong = 0;
    let mut check = |bit: i32, right: bool| wrong |= if right { 0 } else { 1 << bit };
    check(0, tx.send(b"child") == Err(SendError::Forked));
    check(1, tx.try_send(b"child") == Err(SendError::Forked));
    check(2, matches!(tx.loan(1), Err(SendError::Forked)));
    check(3, matches!(rx.try_recv(), Err(RecvError::Forked)));
    check(4, matches!(rx.pull(1, LONG), Err(RecvError::Forked)));
    check(5, matches!(queue.sender(), Err(JoinError::Forked)));
    check(6, matches!(queue.receiver(), Err(JoinError::Forked)));
    drop((tx, rx, queue));
    wrong
}

#[test]
fn a_forked_child_cannot_use_what_its_parent_joined() {
    for ends in ALL_ENDS {
        let (queue, name) = named("fork", options(ends));
        let (mut tx, mut rx) = (queue.sender().unwrap(), queue.receiver().unwrap());
        send_numbers(&mut tx, 0..2);
        let child = {
            // The child's copies, made without a copy: it owns all of its memory.
            let (queue, tx, rx) = (&raw const queue, &raw const tx, &raw const rx);
            // SAFETY: runs only in the child, whose memory is its own: each original is read once and never used or
            // dropped there again, since the child leaves without unwinding.
            move || use_after_fork(unsafe { queue.read() }, unsafe { tx.read() }, unsafe { rx.read() })
        };
        assert_eq!(in_a_fork(child), 0, "a bit for each that was not refused");
        assert_eq!(queue.stat().endpoints.len(), 2, "the parent's places are still its own");
        assert_eq!(queue.sender().is_err(), ends.0 == Ends::Single);
        assert_eq!(queue.receiver().is_err(), ends.1 == Ends::Single);
        assert!(Queue::open(&name).unwrap().stat().totals.recovered == 0);
        send_numbers(&mut tx, 2..4);
        assert_eq!(drain(&mut rx), [0, 1, 2, 3]);
        drop((tx, rx));
        drop((queue.sender().unwrap(), queue.receiver().unwrap()));
    }
}

#[test]
fn a_forked_child_leaves_what_its_parent_holds() {
    for ends in ALL_ENDS {
        let (queue, _name) = named("holds", options(ends));
        let (mut tx, mut rx) = (queue.sender().unwrap(), queue.receiver().unwrap());
        send_numbers(&mut tx, 0..3);
        let batch = rx.try_pull(3).unwrap();
        assert_eq!(batch.iter().count(), 3);
        let held = &raw const batch;
        // SAFETY: as above: the child's copy of the batch is read once, dropped once, and is in memory of its own.
        assert_eq!(in_a_fork(move || i32::from(unsafe { held.read() }.len() != 3)), 0);
        assert_eq!((queue.size(), queue.stat().totals.pulled), (0, 0), "the child released nothing");
        assert_eq!(batch.iter().map(number).collect::<Vec<_>>(), [0, 1, 2]);
        batch.release();
        assert_eq!(queue.stat().totals.pulled, 3);
        assert_eq!(drain(&mut rx), [0; 0], "{ends:?}");
    }
}

#[test]
fn a_forked_child_does_not_keep_its_parents_place() {
    for ends in ALL_ENDS {
        let (queue, _name) = named("keeps", options(ends));
        let ends_of_parent = (queue.sender().unwrap(), queue.receiver().unwrap());
        let (mut wait, hold) = std::io::pipe().unwrap();
        // SAFETY: the child reads from a pipe until it is closed, and leaves.
        let pid = unsafe { libc::fork() };
        if pid == 0 {
            drop(hold);
            let _ = std::io::Read::read(&mut wait, &mut [0]);
            // SAFETY: ends the process at once.
            unsafe { libc::_exit(0) };
        }
        drop(ends_of_parent);
        let free = (queue.sender().is_ok(), queue.receiver().is_ok());
        drop(hold);
        // SAFETY: `pid` is our own child; nobody wants its status.
        unsafe { libc::waitpid(pid, core::ptr::null_mut(), 0) };
        assert_eq!(free, (true, true), "the parent left, though its child has copies: {ends:?}");
    }
}

#[test]
fn a_forked_child_does_not_remove_its_parents_ephemeral_queue() {
    let name = crate::common::UniqueName::new("ephemeral");
    let queue = Queue::create(&name, Options::new(64).max_len(8).ephemeral(true)).unwrap();
    let original = &raw const queue;
    let child = move || {
        // SAFETY: as above: the child's copy is read once and dropped once, in memory of its own.
        drop(unsafe { original.read() });
        0
    };
    assert_eq!(in_a_fork(child), 0);
    assert!(!queue.is_removed());
    Queue::open(&name).expect("the parent has it open");
    drop(queue);
    assert!(Queue::open(&name).is_err());
}

#[test]
fn a_forked_child_can_not_commit_its_parents_loan() {
    for ends in ALL_ENDS {
        let (queue, _name) = named("loan", options(ends));
        let (mut tx, mut rx) = (queue.sender().unwrap(), queue.receiver().unwrap());
        let mut loan = tx.loan(8).unwrap();
        loan.copy_from_slice(&7_u64.to_le_bytes());
        let lent = &raw const loan;
        let child = move || {
            // SAFETY: as above: the child's copy of the loan is read once and committed once, in memory of its own.
            unsafe { lent.read() }.commit();
            0
        };
        assert_eq!(in_a_fork(child), 0);
        assert!(rx.try_recv().unwrap().is_none(), "the child sent it: {ends:?}");
        loan.commit();
        assert_eq!(drain(&mut rx), [7], "{ends:?}");
    }
}

/// Forks within a function that reads or writes messages in place, and waits for the child to leave. Returns whether this is the child,
/// which goes on from there as its parent does, and the status with which that has left.
fn fork_while_reading() -> (bool, i32) {
    // SAFETY: the child returns from the function, and leaves at once.
    let pid = unsafe { libc::fork() };
    assert!(pid >= 0, "fork: {}", std::io::Error::last_os_error());
    let mut status = 0;
    if pid > 0 {
        // SAFETY: `status` is ours to write, and `pid` our own child, which nobody else collects.
        unsafe { libc::waitpid(pid, &raw mut status, 0) };
    }
    (pid == 0, status)
}

#[test]
fn a_child_forked_by_who_reads_in_place_releases_nothing_and_reads_no_more() {
    for ends in ALL_ENDS {
        for many in [false, true] {
            let (queue, _name) = named("reads", options(ends));
            let (mut tx, mut rx) = (queue.sender().unwrap(), queue.receiver().unwrap());
            // The first message goes the long way, and makes the short ways possible.
            send_numbers(&mut tx, 0..4);
            assert_eq!(number(&rx.recv().unwrap()), 0);
            let (mut read, mut child, mut left) = (Vec::new(), false, None);
            let mut look = |message: &[u8]| {
                read.push(number(message));
                if number(message) == 2 {
                    let (is_child, status) = fork_while_reading();
                    child = is_child;
                    left = Some(status);
                    // The child has left already, with what it did.
                    let pulled = queue.stat().totals.pulled;
                    assert!(child || pulled <= 2, "the child released what its parent reads: {ends:?}");
                }
            };
            if many {
                // Only a message that follows shows whether the child goes on; many receivers take all of them beforehand.
                rx.pull_some_with(3, LONG, &mut look).unwrap();
            } else {
                rx.recv_with(&mut look).unwrap();
                rx.recv_with(&mut look).unwrap();
            }
            if child {
                // SAFETY: ends the process at once.
                unsafe { libc::_exit(i32::from(ends.1 == Ends::Single && read != [1, 2])) };
            }
            assert_eq!(left, Some(0), "the child went on to read what its parent reads: {ends:?}");
            assert_eq!(read, if many { vec![1, 2, 3] } else { vec![1, 2] }, "{ends:?}");
            assert_eq!(queue.stat().totals.pulled, 1 + read.len() as u64);
            assert_eq!(drain(&mut rx), if many { vec![] } else { vec![3] });
        }
    }
}

/// Numbers with each kind of ends, and packed.
fn numbers() -> impl Iterator<Item = Options<u64>> {
    let all = ALL_ENDS.into_iter().map(|(senders, receivers)| Options::of(128).senders(senders).receivers(receivers));
    all.chain([Options::of(128).senders(Ends::Single).receivers(Ends::Single).packed(true)])
}

#[test]
fn a_child_forked_by_who_writes_slices_sends_nothing() {
    // In the middle, and where nothing comes after it that could notice.
    let each = numbers().flat_map(|options| [(options.clone(), 100, 2), (options, 1, 1)]);
    for (options, count, fork_at) in each {
        let (what, name) = (format!("{options:?}, {count}"), UniqueName::new("slices"));
        let queue = Queue::create(&name, options).unwrap();
        let (mut tx, mut rx) = (queue.sender().unwrap(), queue.receiver().unwrap());
        let (mut next, mut calls, mut child, mut left) = (0_u64, 0, false, None);
        let sent = tx.send_slices_with(count, |some| {
            for one in some {
                *one = next;
                next += 1;
            }
            calls += 1;
            if calls == fork_at {
                let before = queue.stat().totals.sent;
                let (is_child, status) = fork_while_reading();
                child = is_child;
                left = Some(status);
                // The child has left already, with what it did.
                assert!(child || queue.stat().totals.sent == before, "the child sent what its parent writes: {what}");
            }
        });
        if child {
            let refused = sent.is_err_and(|failed| failed.error == SendError::Forked) && calls == fork_at;
            // SAFETY: ends the process at once.
            unsafe { libc::_exit(i32::from(!refused)) };
        }
        assert_eq!((sent, left), (Ok(count), Some(0)), "the child went on: {what}");
        let got: Vec<u64> = rx.try_pull(128).unwrap().into_iter().map(|message| *message).collect();
        assert_eq!(got, (0..count as u64).collect::<Vec<_>>(), "{what}");
        assert_eq!(queue.stat().totals.sent, count as u64);
    }
}

#[test]
fn a_child_forked_by_who_reads_slices_releases_nothing() {
    for options in numbers() {
        let (what, name) = (format!("{options:?}"), UniqueName::new("slices"));
        let queue = Queue::create(&name, options).unwrap();
        let (mut tx, mut rx) = (queue.sender().unwrap(), queue.receiver().unwrap());
        // It knows its way then.
        tx.send_batch(0..60_u64).unwrap();
        assert_eq!(rx.try_pull(60).unwrap().into_iter().count(), 60);
        tx.send_batch(60..66_u64).unwrap();
        let (mut read, mut child, mut left) = (Vec::new(), false, None);
        let mut look = |some: &[u64]| {
            read.extend_from_slice(some);
            if some.contains(&61) {
                let before = queue.stat().totals.pulled;
                let (is_child, status) = fork_while_reading();
                child = is_child;
                left = Some(status);
                let pulled = queue.stat().totals.pulled;
                assert!(child || pulled == before, "the child released what its parent reads: {what}");
            }
        };
        let result = rx.pull_slices_with(4, LONG, &mut look);
        if child {
            let again = rx.pull_slices_with(4, LONG, |_| ());
            // SAFETY: ends the process at once.
            unsafe { libc::_exit(i32::from(result.is_err() || again != Err(RecvError::Forked))) };
        }
        assert_eq!(left, Some(0), "{what}");
        assert_eq!(result, Ok(read.len()));
        assert_eq!(queue.stat().totals.pulled, 60 + read.len() as u64, "{what}");
        read.extend(rx.try_pull(128).unwrap().into_iter().map(|message| *message));
        assert_eq!(read, (60..66).collect::<Vec<_>>(), "{what}");
    }
}

/// The child goes on with the batch when its parent has sent all of it, with other messages.
#[test]
fn a_child_forked_by_who_sends_a_batch_writes_nothing() {
    for ends in ALL_ENDS {
        // Slots with room for a line are written together, those with less by an only sender one by one.
        for max_len in [16, 100] {
            let (queue, _name) = named("batch", options(ends).max_len(max_len));
            let (mut tx, mut rx) = (queue.sender().unwrap(), queue.receiver().unwrap());
            let (mut wait, go_on) = std::io::pipe().unwrap();
            let (mut go_on, mut child) = (Some(go_on), 0);
            let messages = (0..8_u64).map(|number| {
                if number == 2 {
                    // SAFETY: the child goes on with the batch and leaves.
                    child = unsafe { libc::fork() };
                    if child == 0 {
                        drop(go_on.take());
                        let _ = std::io::Read::read(&mut wait, &mut [0]);
                    }
                }
                (if number >= 2 && child == 0 { 99 } else { number }).to_le_bytes()
            });
            let sent = tx.send_batch(messages);
            if child == 0 {
                // SAFETY: ends the process at once.
                unsafe { libc::_exit(i32::from(sent.is_ok())) };
            }
            assert_eq!(sent, Ok(8));
            drop(go_on);
            let mut status = 0;
            // SAFETY: `status` is ours to write, and `child` our own, which nobody else collects.
            unsafe { libc::waitpid(child, &raw mut status, 0) };
            assert_eq!(drain(&mut rx), (0..8).collect::<Vec<_>>(), "{ends:?}, {max_len}");
            assert_eq!(status, 0, "the child was told that it sent: {ends:?}, {max_len}");
        }
    }
}
