//! Processes that are stopped while others wait for what they hold.

use std::time::Duration;

use ringpost::{Ends, Queue, RecvError, SendError};

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
