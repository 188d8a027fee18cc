//! Many slots that one word holds: used by a crowd that does with them whatever it can, beside those who look at them and repair.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::mpsc::{Sender as Post, channel};
use std::thread;
use std::time::Duration;

use ringpost::{Ends, Held, Message, Options, Queue, Receiver, RecvError, Sender};

use crate::common::{ALL_ENDS, LONG, in_memory, named, number};

const SENDERS: u64 = 3;
const RECEIVERS: u64 = 3;
/// Messages that a sender has, at most; its number times this is its first.
const MOST: u64 = 1 << 16;
const SHORT: Duration = Duration::from_millis(2);

/// Numbers that are random enough, and the same for the same seed.
struct Random(u64);

impl Random {
    /// One below `below`.
    fn below(&mut self, below: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % below
    }
}

/// What became of each message, by its number.
struct Books {
    sent: Vec<AtomicBool>,
    /// How often it was released.
    released: Vec<AtomicU32>,
    /// How often it went back after somebody had looked at it.
    back: Vec<AtomicU32>,
    /// Nobody gives back anything, so each receiver gets each sender's messages in order.
    orderly: bool,
    /// The senders are done.
    done: AtomicBool,
}

impl Books {
    fn new(orderly: bool) -> Self {
        let counts = || (0..SENDERS * MOST).map(|_| AtomicU32::new(0)).collect();
        let sent = (0..SENDERS * MOST).map(|_| AtomicBool::new(false)).collect();
        Self { sent, released: counts(), back: counts(), orderly, done: AtomicBool::new(false) }
    }

    fn send(&self, numbers: std::ops::Range<u64>) {
        numbers.for_each(|number| self.sent[number as usize].store(true, Ordering::Relaxed));
    }

    /// It is about to be released.
    fn release(&self, number: u64) {
        self.released[number as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// It is about to go back, having been looked at.
    fn give_back(&self, number: u64) {
        self.back[number as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// It was delivered, for the time that its slot says.
    fn check(&self, number: u64, deliveries: u32) {
        let back = self.back[number as usize].load(Ordering::Relaxed);
        assert_eq!(deliveries, (back + 1).min(31), "deliveries of {number}");
    }

    fn balance(&self) {
        for (number, sent) in self.sent.iter().enumerate() {
            let released = self.released[number].load(Ordering::Relaxed);
            assert_eq!(released, u32::from(sent.load(Ordering::Relaxed)), "message {number} was released so often");
        }
    }
}

/// Sends by batches that end early, have no room, panic or bring a message that is too long, and by single messages and loans.
fn send(mut tx: Sender, first: u64, count: u64, max_len: usize, books: &Books) {
    let (mut random, mut next) = (Random(first ^ 0x5eed), first);
    while next < first + count {
        let (size, stop, how) = (1 + random.below(80), random.below(90), random.below(8));
        if how < 2 {
            let sent = if how == 0 {
                tx.send_timeout(&next.to_le_bytes(), SHORT)
            } else {
                tx.loan_timeout(8, SHORT).map(|mut loan| {
                    loan.copy_from_slice(&next.to_le_bytes());
                    loan.commit();
                })
            };
            books.send(next..next + u64::from(sent.is_ok()));
            next += 1;
            continue;
        }
        let mut given = 0;
        let messages = (0..size).map(|at| {
            if at == stop && how == 2 {
                resume_unwind(Box::new("no more"));
            }
            given = at + 1;
            let mut message = (next + at).to_le_bytes().to_vec();
            if at == stop && how == 3 {
                message.resize(max_len + 1, 0);
            }
            message
        });
        // It says that it has more than it gives, or may have none.
        let result = catch_unwind(AssertUnwindSafe(|| match how {
            4 => tx.send_batch_timeout(messages.filter(|message| message[0] % 64 != 63), SHORT),
            5 => tx.send_batch_timeout(messages.take_while(|_| random.below(40) > 0), SHORT),
            _ => tx.send_batch_timeout(messages, SHORT),
        }));
        let sent = match result {
            Ok(Ok(sent)) => sent as u64,
            Ok(Err(error)) => error.sent as u64,
            // What came before the panic was sent.
            Err(_) => given,
        };
        let all: Vec<u64> = (next..next + size).filter(|number| how != 4 || number % 64 != 63).collect();
        all.into_iter().take(sent as usize).for_each(|number| books.send(number..number + 1));
        next += size;
    }
}

/// What one receiver was given last of each sender's.
struct Order([Option<u64>; SENDERS as usize]);

impl Order {
    fn check(&mut self, number: u64, books: &Books) {
        let last = &mut self.0[(number / MOST) as usize];
        assert!(!books.orderly || *last < Some(number), "{number} comes after {last:?}");
        *last = Some(number);
    }
}

/// Deals with batches in every way, until nothing comes any more.
fn receive(mut rx: Receiver, seed: u64, books: &Books, keep: &Post<Held>) {
    let (mut random, mut order) = (Random(seed), Order([None; SENDERS as usize]));
    loop {
        let done = books.done.load(Ordering::Acquire);
        let size = 1 + random.below(70) as usize;
        let batch = match random.below(3) {
            0 => rx.try_pull(size),
            1 => rx.pull(size, Duration::from_micros(50)),
            _ => rx.pull_some(size, SHORT),
        };
        let mut batch = match batch {
            Ok(batch) => batch,
            Err(RecvError::Closed) => return,
            Err(error) => panic!("{error}"),
        };
        if batch.is_empty() && done && books.orderly {
            return;
        }
        let numbers: Vec<u64> = batch.iter().map(number).collect();
        for (at, number) in numbers.iter().copied().enumerate() {
            books.check(number, batch.deliveries(at));
            order.check(number, books);
        }
        let (some, how) = (random.below(1 + numbers.len() as u64) as usize, random.below(7));
        let (first, rest) = numbers.split_at(some);
        match if books.orderly { how % 4 } else { how } {
            0 => {
                numbers.iter().for_each(|number| books.release(*number));
                batch.release();
            }
            1 => {
                first.iter().chain(rest).for_each(|number| books.release(*number));
                batch.release_first(some);
                batch.release();
            }
            2 => {
                numbers.iter().for_each(|number| books.release(*number));
                batch.hold().into_iter().for_each(|held| keep.send(held).unwrap());
            }
            3 | 4 => each(batch.into_iter().collect(), &mut random, books, keep),
            5 => {
                first.iter().for_each(|number| books.release(*number));
                rest.iter().for_each(|number| books.give_back(*number));
                batch.release_first(some);
                batch.nack();
            }
            _ => {
                // All of them were looked at above, and those that nobody takes out go back as such.
                rest.iter().for_each(|number| books.give_back(*number));
                let mut messages = batch.into_iter();
                each(messages.by_ref().take(some).collect(), &mut random, books, keep);
                rest.iter().for_each(|_| messages.next().unwrap().nack());
            }
        }
    }
}

/// Each message on its own, in any order.
fn each(mut messages: Vec<Message<'_>>, random: &mut Random, books: &Books, keep: &Post<Held>) {
    while !messages.is_empty() {
        let message = messages.swap_remove(random.below(messages.len() as u64) as usize);
        let number = number(&message);
        let how = random.below(4);
        if how == 3 && !books.orderly {
            books.give_back(number);
            message.nack();
            continue;
        }
        books.release(number);
        if how == 2 {
            keep.send(message.hold()).unwrap();
        }
    }
}

/// Senders, receivers, one who settles what they hold, and one who looks.
fn crowd(ends: (Ends, Ends), capacity: usize, max_len: usize, orderly: bool, each: u64) {
    let queue = in_memory(Options::new(capacity).max_len(max_len).senders(ends.0).receivers(ends.1));
    let count = |ends, many| if ends == Ends::Single { 1 } else { many };
    let (senders, receivers) = (count(ends.0, SENDERS), count(ends.1, RECEIVERS));
    let books = &Books::new(orderly);
    let (post, kept) = channel::<Held>();
    thread::scope(|scope| {
        let sending: Vec<_> = (0..senders)
            .map(|sender| {
                let tx = queue.sender().unwrap();
                scope.spawn(move || send(tx, sender * MOST, each, max_len, books))
            })
            .collect();
        for receiver in 0..receivers {
            let (rx, post) = (queue.receiver().unwrap(), post.clone());
            scope.spawn(move || receive(rx, receiver, books, &post));
        }
        drop(post);
        scope.spawn(move || {
            // The last of a few, so that they are settled in another order than they were taken in.
            let mut few = Vec::new();
            while let Ok(held) = kept.recv() {
                few.push(held);
                few.extend(kept.try_iter().take(3));
                while let Some(held) = few.pop() {
                    drop(held);
                }
            }
        });
        scope.spawn(|| {
            while !books.done.load(Ordering::Relaxed) {
                assert_eq!(queue.diagnose(Duration::ZERO).faults, [], "{ends:?}");
                queue.peek().filter(|message| !message.bytes.is_empty()).for_each(|message| {
                    assert!(number(&message.bytes) < SENDERS * MOST);
                });
            }
        });
        // Each of them, before one that panicked ends the test.
        let joined: Vec<_> = sending.into_iter().map(|sending| sending.join()).collect();
        queue.close();
        books.done.store(true, Ordering::Release);
        assert!(joined.iter().all(Result::is_ok), "a sender panicked");
    });
    books.balance();
    assert_eq!(queue.size(), 0);
    // Every slot is free again.
    let mut rx = queue.receiver().unwrap();
    assert!(matches!(rx.try_pull(1), Err(RecvError::Closed)));
}

#[test]
fn a_crowd_loses_and_doubles_nothing() {
    let most = std::env::var("CROWD").map_or(1000, |most| most.parse().unwrap());
    for ends in ALL_ENDS {
        for (capacity, max_len) in [(4, 16), (8, 100), (32, 100), (64, 16)] {
            for orderly in [true, false] {
                crowd(ends, capacity, max_len, orderly, most);
            }
        }
    }
}

/// Whoever waits for a batch that is being written looks whether its sender has died, and meanwhile that may have sent it and left.
#[test]
fn who_leaves_behind_a_batch_has_sent_it() {
    let rounds: u64 = std::env::var("CROWD").map_or(1000, |most| most.parse().unwrap());
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
