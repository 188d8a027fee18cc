//! What the tests have in common: names that clean up after themselves, and all combinations of ends.
#![allow(dead_code, reason = "each test program uses a part of it")]

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use ringpost::{Ends, Options, Queue};

/// Far more than anything here takes, and less than anybody's patience.
pub const LONG: Duration = Duration::from_secs(20);

/// Every combination of senders and receivers.
pub const ALL_ENDS: [(Ends, Ends); 4] = [
    (Ends::Single, Ends::Single),
    (Ends::Single, Ends::Multi),
    (Ends::Multi, Ends::Single),
    (Ends::Multi, Ends::Multi),
];

/// A name that no other test has. The queue of that name is removed when this is dropped, by a panic too.
#[derive(Debug)]
pub struct UniqueName(String);

impl UniqueName {
    /// A new name with `tag` in it, for people who look at what is left over.
    pub fn new(tag: &str) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        Self(format!("test.{tag}.{}.{number}", std::process::id()))
    }
}

impl std::ops::Deref for UniqueName {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl Drop for UniqueName {
    fn drop(&mut self) {
        // Most often it has never been made, or a test has removed it already.
        let _ = ringpost::remove(&self.0);
    }
}

/// A queue with its name, which is removed with it.
pub fn named(tag: &str, options: Options) -> (Queue, UniqueName) {
    let name = UniqueName::new(tag);
    let queue = Queue::create(&name, options).expect("a new queue");
    (queue, name)
}

/// A queue on the heap.
pub fn in_memory(options: Options) -> Queue {
    Queue::in_memory(options).expect("a queue in memory")
}

/// Small options with these ends.
pub fn options((senders, receivers): (Ends, Ends)) -> Options {
    Options::new(64).max_len(16).senders(senders).receivers(receivers)
}

/// Takes everything that is there now, as numbers.
pub fn drain(rx: &mut ringpost::Receiver) -> Vec<u64> {
    rx.try_pull(usize::MAX).expect("an open queue").into_iter().map(|message| number(&message)).collect()
}

/// Sends each of `numbers` as a message of eight bytes.
pub fn send_numbers(tx: &mut ringpost::Sender, numbers: impl IntoIterator<Item = u64>) {
    for number in numbers {
        tx.send(&number.to_le_bytes()).expect("room in the queue");
    }
}

/// The number in a message.
pub fn number(message: &[u8]) -> u64 {
    u64::from_le_bytes(message.try_into().expect("eight bytes"))
}
