//! How long a death holds others up, seen from outside: from the kill until another process has the message.
//!
//! * *in the way*: the dead one had claimed the slot of the next message. The other saw that all along, and looks again
//!   every millisecond. So this is more than the time from the first sight of a dead one's word to its repair: it counts the
//!   sleep and the death itself, too.
//! * *held*: the dead one had taken the only message. The other sleeps at an empty queue, knows of nothing, and is woken by
//!   nobody.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use ringpost::{Options, Queue};

use crate::message::Random;
use crate::process::{Nursery, Process};
use crate::round::Named;
use crate::shared::{self, now_us};

/// Longer than any of this takes.
const LONG: Duration = Duration::from_secs(20);

/// Microseconds, for both cases.
pub struct Latency {
    /// The dead one's claim was in the way.
    pub in_the_way_us: Histogram<u64>,
    /// The dead one had taken the message, and all others slept.
    pub held_us: Histogram<u64>,
}

/// What the processes tell each other.
#[derive(Clone, Copy)]
struct Board {
    /// The victim is where it shall die.
    ready: &'static AtomicU64,
    /// The other may begin to wait: which time.
    go: &'static AtomicU64,
    /// When the other got it.
    got_us: &'static AtomicU64,
}

/// Measures so many deaths of each kind.
pub fn measure(nursery: &Nursery, prefix: &str, capacity: usize, deaths: u32, seed: u64) -> Result<Latency, String> {
    let name = format!("{prefix}.latency");
    let series = |part: Part| {
        let options = Options::new(capacity).max_len(96);
        let _queue = Queue::create(&name, options).map_err(|error| format!("create: {error}"))?;
        let _named = Named(&name);
        deaths_of(nursery, &name, deaths, seed, part)
    };
    let in_the_way_us = series(stand_in_the_way)?;
    let held_us = series(hold)?;
    Ok(Latency { in_the_way_us, held_us })
}

/// What a victim does before it is ready to die.
type Part = fn(&Queue, &dyn Fn());

fn deaths_of(nursery: &Nursery, name: &str, deaths: u32, seed: u64, part: Part) -> Result<Histogram<u64>, String> {
    let words = shared::words(3).map_err(|errno| format!("mmap: {errno}"))?;
    let board = Board { ready: &words[0], go: &words[1], got_us: &words[2] };
    let other = nursery.start(|| wait_for_the_message(name, board))?;
    let mut random = Random::new(seed);
    let mut measured = Histogram::new(3).expect("three digits are possible");
    for death in 1..=u64::from(deaths) {
        set(board.ready, 0);
        set(board.got_us, 0);
        let victim = nursery.start(|| {
            let queue = Queue::open(name).expect("the queue is there");
            part(&queue, &|| set(board.ready, 1));
            true
        })?;
        until_set(board.ready, &victim)?;
        set(board.go, death);
        // The other falls asleep, and is killed at any point of its sleep.
        std::thread::sleep(Duration::from_micros(5_000 + random.below(50_000)));
        let killed_us = now_us();
        victim.kill();
        let got_us = until_set(board.got_us, &other)?;
        measured += got_us.saturating_sub(killed_us);
    }
    Ok(measured)
}

/// Claims a slot, and sends a message behind it.
fn stand_in_the_way(queue: &Queue, ready: &dyn Fn()) {
    let mut claiming = queue.sender().expect("a place");
    let mut sending = queue.sender().expect("a place");
    let loan = claiming.loan(16).expect("room");
    sending.send(b"behind it").expect("room");
    ready();
    std::thread::sleep(LONG);
    drop(loan);
}

/// Takes the only message.
fn hold(queue: &Queue, ready: &dyn Fn()) {
    queue.sender().expect("a place").send(b"the only one").expect("room");
    let mut rx = queue.receiver().expect("a place");
    let message = rx.recv().expect("the message");
    ready();
    std::thread::sleep(LONG);
    drop(message);
}

/// The other: gets a message each time that it is told to.
fn wait_for_the_message(name: &str, board: Board) -> bool {
    let queue = Queue::open(name).expect("the queue is there");
    let mut rx = queue.receiver().expect("a place");
    for death in 1.. {
        while get(board.go) < death {
            std::thread::sleep(Duration::from_micros(200));
        }
        match rx.recv() {
            Ok(message) => message.release(),
            Err(_) => return false,
        }
        set(board.got_us, now_us());
    }
    true
}

fn until_set(word: &AtomicU64, by: &Process) -> Result<u64, String> {
    let started = Instant::now();
    while get(word) == 0 {
        if by.ended().is_some() || started.elapsed() > LONG {
            return Err("a process that measures has failed, or takes too long".to_owned());
        }
        std::thread::sleep(Duration::from_micros(100));
    }
    Ok(get(word))
}

fn set(word: &AtomicU64, value: u64) {
    // Release: note, pairs with read.
    word.store(value, Ordering::Release);
}

fn get(word: &AtomicU64) -> u64 {
    // Acquire: read, pairs with note.
    word.load(Ordering::Acquire)
}
