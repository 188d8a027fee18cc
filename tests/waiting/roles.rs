//! What the other processes do.

use ringpost::Queue;

use crate::common::{LONG, send_numbers};
use crate::run::say;

/// Plays a role: its name, then what that needs.
pub fn play(role: &[String]) {
    match &*role[0] {
        "send" => send(&role[1..]),
        "loan" => loan(&role[1..]),
        "hold" => hold(&role[1..]),
        "take" => take(&role[1..]),
        "close" => close(&role[1..]),
        other => panic!("no such role: {other}"),
    }
}

fn sleep_forever() -> ! {
    loop {
        std::thread::sleep(LONG);
    }
}

/// Joins, says so, waits a moment, and sends these numbers: name, numbers.
fn send(role: &[String]) {
    let mut tx = Queue::open(&role[0]).expect("the queue").sender().expect("a place for a sender");
    say("joined");
    std::thread::sleep(std::time::Duration::from_millis(20));
    send_numbers(&mut tx, role[1..].iter().map(|number| number.parse().expect("a number")));
}

/// Claims a slot and never commits: name.
fn loan(role: &[String]) {
    let mut tx = Queue::open(&role[0]).expect("the queue").sender().expect("a place for a sender");
    let mut loan = tx.loan(8).expect("room");
    loan[..4].fill(0xee);
    say("loaned");
    sleep_forever();
}

/// Takes so many and never releases: name, count.
fn hold(role: &[String]) {
    let mut rx = Queue::open(&role[0]).expect("the queue").receiver().expect("a place for a receiver");
    let batch = rx.pull(role[1].parse().expect("a number"), LONG).expect("messages");
    assert!(batch.iter().count() > 0);
    say("holds");
    sleep_forever();
}

/// Takes and releases so many, after a moment: name, count.
fn take(role: &[String]) {
    let mut rx = Queue::open(&role[0]).expect("the queue").receiver().expect("a place for a receiver");
    say("joined");
    std::thread::sleep(std::time::Duration::from_millis(20));
    rx.pull(role[1].parse().expect("a number"), LONG).expect("messages").release();
}

/// Closes or removes it, after a moment: name, which.
fn close(role: &[String]) {
    let queue = Queue::open(&role[0]).expect("the queue");
    say("opened");
    std::thread::sleep(std::time::Duration::from_millis(20));
    match &*role[1] {
        "close" => queue.close(),
        _ => ringpost::remove(&role[0]).expect("a queue to remove"),
    }
}
