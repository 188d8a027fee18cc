//! Messages that are held beyond their call, while their receiver waits in another way than by taking.

use std::time::Duration;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use ringpost::{Held, Receiver, wait_any};

use crate::common::{ALL_ENDS, LONG, in_memory, number, options, send_numbers};

/// Has something happen while the receiver waits.
fn meanwhile(act: impl FnOnce() + Send, wait: impl FnOnce()) {
    std::thread::scope(|scope| {
        scope.spawn(move || {
            std::thread::sleep(Duration::from_millis(20));
            act();
        });
        wait();
    });
}

fn by_descriptor(rx: &mut Receiver) {
    if !rx.arm().unwrap() {
        let limit = PollTimeout::try_from(LONG).unwrap();
        assert_eq!(poll(&mut [PollFd::new(rx.descriptor().unwrap(), PollFlags::POLLIN)], limit), Ok(1), "not woken");
    }
}

fn by_wait_any(rx: &mut Receiver) {
    assert_eq!(wait_any(&mut [rx], LONG), Some(0), "not woken");
}

const WAYS: [fn(&mut Receiver); 2] = [by_descriptor, by_wait_any];

#[test]
fn one_that_comes_back_wakes() {
    for (ends, wait) in ALL_ENDS.into_iter().flat_map(|ends| WAYS.map(|way| (ends, way))) {
        let queue = in_memory(options(ends));
        let (mut tx, mut rx) = (queue.sender().unwrap(), queue.receiver().unwrap());
        send_numbers(&mut tx, [1, 2]);
        let held = [rx.recv().unwrap().hold(), rx.recv().unwrap().hold()];
        let [first, second] = held;
        meanwhile(move || second.nack(), || wait(&mut rx));
        assert_eq!(rx.try_recv().unwrap().map(|message| number(&message)), Some(2), "{ends:?}");
        drop(first);
    }
}

/// The only receiver frees slots itself. If it did not wake for that, senders would wait for it and it for them.
#[test]
fn a_full_ring_of_held_ones_comes_free() {
    for (ends, wait) in ALL_ENDS.into_iter().flat_map(|ends| WAYS.map(|way| (ends, way))) {
        let queue = in_memory(options(ends));
        let (mut tx, mut rx) = (queue.sender().unwrap(), queue.receiver().unwrap());
        send_numbers(&mut tx, 0..64);
        let held: Vec<Held> = rx.pull(64, LONG).unwrap().hold();
        std::thread::scope(|scope| {
            scope.spawn(move || send_numbers(&mut tx, [64]));
            meanwhile(
                move || drop(held),
                || {
                    let got = (0..100).find_map(|_| {
                        wait(&mut rx);
                        rx.try_recv().unwrap().map(|message| number(&message))
                    });
                    assert_eq!(got, Some(64), "{ends:?}");
                },
            );
        });
    }
}
