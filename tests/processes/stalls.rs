//! Processes that are stopped while others wait for what they hold.

use std::os::fd::BorrowedFd;
use std::time::Duration;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use ringpost::{Ends, Queue, RecvError, SendError, Waitable, wait_any};

use crate::common::{LONG, named, number, options, send_numbers};
use crate::run::{Process, say};

const LIMIT: Duration = Duration::from_millis(20);

/// An endpoint that stops itself in the middle of a message, and finishes that when it is continued: name, which.
pub fn stop(role: &[String]) {
    let queue = Queue::open(&role[0]).expect("the queue");
    let stopped = || {
        say("stopping");
        // SAFETY: a plain system call, on this very process.
        unsafe { libc::raise(libc::SIGSTOP) };
    };
    if role[1] == "sender" {
        let mut tx = queue.sender().expect("a place for a sender");
        let mut loan = tx.loan(8).expect("room");
        loan.copy_from_slice(&7_u64.to_le_bytes());
        stopped();
        loan.commit();
    } else {
        let mut rx = queue.receiver().expect("a place for a receiver");
        let message = rx.recv().expect("a message");
        stopped();
        message.release();
    }
    say("done");
}

#[test]
fn a_receiver_learns_which_sender_it_waits_for() {
    for receivers in [Ends::Single, Ends::Multi] {
        let (queue, name) = named("stalled", options((Ends::Multi, receivers)));
        let mut rx = queue.receiver().unwrap();
        let mut child = Process::start(&format!("stop {} sender", &*name));
        child.expect("stopping");
        // What comes behind it must wait for it, too.
        send_numbers(&mut queue.sender().unwrap(), [8]);
        assert!(rx.recv_timeout(2 * LIMIT).unwrap().is_none(), "without a limit it just waits");
        rx.set_stall_limit(Some(LIMIT));
        for _ in 0..2 {
            match rx.recv_timeout(LONG) {
                Err(error @ RecvError::Stalled { pid, .. }) => {
                    assert_eq!(pid, child.pid());
                    assert!(error.to_string().contains(&pid.to_string()), "{error}");
                }
                other => panic!("{other:?}"),
            }
        }
        child.signal(libc::SIGCONT);
        child.expect("done");
        rx.set_stall_limit(None);
        assert_eq!((0..2).map(|_| number(&rx.recv().unwrap())).collect::<Vec<_>>(), [7, 8], "it was not robbed");
        assert_eq!(queue.stat().totals.recovered, 0);
    }
}

#[test]
fn a_sender_learns_which_receiver_it_waits_for() {
    for senders in [Ends::Single, Ends::Multi] {
        let (queue, name) = named("stalled", options((senders, Ends::Multi)));
        let mut tx = queue.sender().unwrap();
        send_numbers(&mut tx, 0..64);
        let mut child = Process::start(&format!("stop {} receiver", &*name));
        child.expect("stopping");
        tx.set_stall_limit(Some(LIMIT));
        match tx.send_timeout(&[0; 8], LONG) {
            Err(SendError::Stalled { pid, .. }) => assert_eq!(pid, child.pid()),
            other => panic!("{other:?}"),
        }
        child.signal(libc::SIGCONT);
        child.expect("done");
        tx.send_timeout(&[0; 8], LONG).unwrap();
        assert_eq!(queue.stat().totals.redelivered, 0, "it was not robbed");
    }
}

/// Waits until a try is worthwhile, by `wait_any` or by the descriptor.
fn wait<'a, E: Waitable>(end: &'a mut E, armed: impl FnOnce(&'a mut E) -> Option<BorrowedFd<'a>>, way: usize) {
    if way == 0 {
        assert_eq!(wait_any(&mut [end], LONG), Some(0));
    } else if let Some(descriptor) = armed(end) {
        let limit = PollTimeout::try_from(LONG).unwrap();
        assert_eq!(poll(&mut [PollFd::new(descriptor, PollFlags::POLLIN)], limit), Ok(1));
    }
}

#[test]
fn those_who_wait_in_another_way_learn_it_from_a_try() {
    for way in [0, 1] {
        let (queue, name) = named("stalled", options((Ends::Multi, Ends::Multi)));
        let (mut tx, mut rx) = (queue.sender().unwrap(), queue.receiver().unwrap());
        tx.set_stall_limit(Some(LIMIT));
        rx.set_stall_limit(Some(LIMIT));
        let mut sender = Process::start(&format!("stop {} sender", &*name));
        sender.expect("stopping");
        let stalled = (0..100).find_map(|_| {
            wait(&mut rx, |rx| (!rx.arm().unwrap()).then(|| rx.descriptor().unwrap()), way);
            rx.try_recv().map(|message| assert!(message.is_none())).err()
        });
        assert!(matches!(stalled, Some(RecvError::Stalled { pid, .. }) if pid == sender.pid()), "{stalled:?}");
        sender.signal(libc::SIGCONT);
        sender.expect("done");
        let mut receiver = Process::start(&format!("stop {} receiver", &*name));
        receiver.expect("stopping");
        while tx.try_send(&[0; 8]).is_ok() {}
        let stalled = (0..100).find_map(|_| {
            wait(&mut tx, |tx| (!tx.arm().unwrap()).then(|| tx.descriptor().unwrap()), way);
            tx.try_send(&[0; 8]).err().filter(|error| !matches!(error, SendError::Full { .. }))
        });
        assert!(matches!(stalled, Some(SendError::Stalled { pid, .. }) if pid == receiver.pid()), "{stalled:?}");
        receiver.signal(libc::SIGCONT);
        receiver.expect("done");
    }
}
