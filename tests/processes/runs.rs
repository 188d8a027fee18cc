//! Senders that are killed in the middle of a batch, of which each piece of 32 is claimed by one word.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use ringpost::{Ends, Options, Queue, Receiver};

use crate::common::{LONG, named, number};
use crate::content::Random;
use crate::run::Process;

/// Messages of a piece.
const PIECE: u64 = 32;
/// Pieces that the queue has room for. Two senders and what two of the dead have claimed never fill it, as senders wait when there
/// are more than [`FULL`] in it: one who finds less room than for a piece sends as much of it as there is room for.
const ROOM: u64 = 32;
/// Pieces in the queue with which senders wait.
const FULL: u64 = 8;
/// Numbers that a sender has.
const EACH: u64 = 1 << 32;

/// A sender of batches that take some time to write: name, number of the sender.
pub fn batches(role: &[String]) {
    let queue = Queue::open(&role[0]).expect("the queue");
    let mut tx = queue.sender().expect("a place for a sender");
    let mut next = EACH * role[1].parse::<u64>().expect("a number");
    loop {
        while queue.size() as u64 > FULL * PIECE {
            std::thread::yield_now();
        }
        let batch = (next..next + 2 * PIECE).inspect(|_| (0..50).for_each(|_| std::hint::spin_loop()));
        tx.send_batch(batch.map(u64::to_le_bytes)).expect("an open queue");
        next += 2 * PIECE;
    }
}

/// Takes whole pieces, and notes the messages of each sender. Returns whether there was one.
fn take(rx: &mut Receiver, got: &mut BTreeMap<u64, u64>, timeout: Duration) -> bool {
    let batch = rx.pull_some(PIECE as usize, timeout).unwrap();
    for (at, message) in batch.iter().enumerate() {
        let number = number(message);
        let next = got.entry(number / EACH).or_default();
        assert_eq!((number % EACH, batch.deliveries(at)), (*next, 1), "of sender {}", number / EACH);
        *next += 1;
    }
    let some = !batch.is_empty();
    batch.release();
    some
}

#[test]
fn a_killed_sender_has_sent_whole_pieces() {
    for receivers in [Ends::Single, Ends::Multi] {
        let options = Options::new((ROOM * PIECE) as usize).max_len(100).senders(Ends::Multi).receivers(receivers);
        let (queue, name) = named("pieces", options);
        let mut rx = queue.receiver().unwrap();
        let (mut got, mut random) = (BTreeMap::new(), Random::new(7));
        let start = |number: u64| Process::start(&format!("batches {} {number}", &*name));
        let mut living = vec![(0, start(0)), (1, start(1))];
        for killed in 2..30 {
            // Each has begun.
            let begin = Instant::now();
            while living.iter().any(|(number, _)| got.get(number).is_none_or(|got| *got < 3 * PIECE)) {
                take(&mut rx, &mut got, LONG);
                assert!(begin.elapsed() < LONG);
            }
            for _ in 0..random.below(20) {
                take(&mut rx, &mut got, LONG);
            }
            drop(living.remove(0).1.kill());
            living.push((killed, start(killed)));
        }
        living.into_iter().for_each(|(_, sender)| drop(sender.kill()));
        queue.repair().unwrap();
        while take(&mut rx, &mut got, Duration::ZERO) {}
        assert_eq!(queue.size(), 0, "{receivers:?}");
        assert!(got.len() >= 29 && got.values().all(|got| got % PIECE == 0), "{receivers:?}: {got:?}");
        let (sent, pulled) = (queue.stat().totals.sent, queue.stat().totals.pulled);
        // Who is killed between a commit and its counting has counted one piece less.
        assert!(sent <= pulled && pulled <= sent + 30 * PIECE, "{receivers:?}: {sent}, {pulled}");
    }
}
