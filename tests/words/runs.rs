//! Many slots that one word holds, beside those who repair.

use std::thread;

use ringpost::{Ends, Options, Queue};

use crate::common::{LONG, named, number};

/// Whoever waits for a batch that is being written looks whether its sender has died, and meanwhile that may have sent it and left.
#[test]
fn who_leaves_behind_a_batch_has_sent_it() {
    let rounds: u64 = 1000;
    for receivers in [Ends::Single, Ends::Multi] {
        let (queue, name) = named("leaves", Options::new(64).max_len(100).senders(Ends::Multi).receivers(receivers));
        let sending = thread::spawn({
            let queue = Queue::open(&name).unwrap();
            move || {
                for first in (0..rounds).map(|round| round * 32) {
                    let batch = (first..first + 32).map(u64::to_le_bytes);
                    queue.sender().unwrap().send_batch(batch).unwrap();
                }
            }
        });
        let mut rx = queue.receiver().unwrap();
        for next in 0..rounds * 32 {
            let message = rx.recv_timeout(LONG).unwrap().expect("all were sent");
            assert_eq!(number(&message), next, "{receivers:?}");
        }
        sending.join().unwrap();
    }
}
