//! A process writes random words all over a live segment while others send and receive on it. Those get what they asked for
//! or an error: no panic, no signal, no call that does not come back. After some words it pauses until everyone has finished
//! two calls: one that never came back would otherwise be let out by the next words.
#![cfg(target_os = "linux")]

#[path = "../common/mod.rs"]
mod common;
#[path = "../processes/content.rs"]
#[allow(dead_code, reason = "only the random numbers are used")]
mod content;
#[path = "../processes/run.rs"]
#[allow(dead_code, reason = "what is killed here is killed by the watch")]
mod run;
#[path = "../../fuzz/src/words.rs"]
mod words;
mod worker;

use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::time::{Duration, Instant};

use common::{ALL_ENDS, UniqueName, named};
use content::Random;
use ringpost::{Ends, Options, Queue, Stat, WhenFull};
use run::Process;
use words::{CONTROL_AT, Choice, Shape};
use worker::Value;

/// How long each combination of ends is scribbled upon.
const A_WHILE: Duration = Duration::from_millis(1500);
/// Pauses after which the scribbler puts everything back as it was in the beginning, so that there is something to spoil again.
const PAUSES_PER_HEAL: u64 = 4;
/// The most words between two pauses.
const MOST_WORDS: u64 = 8;
const CAPACITY: usize = 64;
/// The longest message: together with its word on a cache line, or on lines of its own.
const SHORT: usize = 40;
const LONG: usize = 100;

/// Not a test of its own: what a child process runs. Without a role there is nothing to do.
#[test]
fn child() {
    if let Some(role) = run::role() {
        worker::work(&role);
    }
}

#[test]
fn workers_outlive_a_scribbler() {
    for ends in ALL_ENDS {
        scribble_on(ends, WhenFull::Block, SHORT);
    }
}

#[test]
fn workers_with_words_apart_from_messages_outlive_a_scribbler() {
    for ends in ALL_ENDS {
        scribble_on(ends, WhenFull::Block, LONG);
    }
}

#[test]
fn overwriting_workers_outlive_a_scribbler() {
    for ends in [ALL_ENDS[0], ALL_ENDS[3]] {
        scribble_on(ends, WhenFull::Overwrite, SHORT);
    }
}

#[test]
fn workers_on_a_packed_queue_outlive_a_scribbler() {
    let name = UniqueName::new("scribble");
    let options = Options::of::<Value>(CAPACITY).endpoints(8).senders(Ends::Single).receivers(Ends::Single);
    // Slices have no timeout of their own.
    let options = options.packed(true).when_full(WhenFull::Deadline(worker::TIMEOUT));
    let queue = Queue::create(&name, options).expect("a new queue");
    work_on(&name, &queue.stat(), "packed");
}

fn scribble_on((senders, receivers): (Ends, Ends), when_full: WhenFull, max_len: usize) {
    let options = Options::new(CAPACITY).max_len(max_len).endpoints(8).senders(senders).receivers(receivers);
    let (queue, name) = named("scribble", options.when_full(when_full));
    work_on(&name, &queue.stat(), "words");
}

fn work_on(name: &UniqueName, stat: &Stat, kind: &str) {
    let &Stat { senders, receivers, when_full, .. } = stat;
    let file = open(name);
    let (calls, mut workers) = (counters(name), Vec::new());
    for (role, ends) in [("sender", senders), ("receiver", receivers)] {
        for _ in 0..if ends == Ends::Single { 1 } else { 2 } {
            let role = format!("{role} {} {} {}", &**name, A_WHILE.as_millis(), workers.len());
            let calls = calls.try_clone().expect("a descriptor");
            workers.push(Process::start_with(&role, |command| _ = command.stdin(calls)).expect("a child process"));
        }
    }
    workers.iter_mut().for_each(|worker| worker.expect("joined"));
    scribble(&file, stat.total_bytes, || pause(&calls, workers.len()));
    for worker in workers {
        // It ended well, so nothing panicked and no signal came.
        let said = worker.finish();
        let [done] = &said[..] else { panic!("{kind} {senders:?} {receivers:?} {when_full:?}: {said:?}") };
        assert!(done.starts_with("done"));
        println!("{kind} {senders:?} {receivers:?} {when_full:?}: {done}");
    }
}

fn open(name: &UniqueName) -> File {
    let path = format!("/dev/shm/ringpost.q.{}", &**name);
    OpenOptions::new().read(true).write(true).open(path).expect("it was made just now")
}

/// A file without a name, in which each worker counts its calls.
fn counters(name: &UniqueName) -> File {
    let path = std::env::temp_dir().join(format!("{}.calls", &**name));
    let file = OpenOptions::new().read(true).write(true).create_new(true).open(&path).expect("a temporary file");
    std::fs::remove_file(path).expect("it was made just now");
    file.set_len(8 * 8).expect("a small file");
    file
}

/// Waits until each worker has finished the call that it is in, and one that it began after that. One that hangs or has
/// died is given up; its end tells.
fn pause(calls: &File, workers: usize) {
    let count = |worker: usize| {
        let mut bytes = [0; 8];
        calls.read_exact_at(&mut bytes, 8 * worker as u64).expect("a counter for each");
        u64::from_le_bytes(bytes)
    };
    let enough: Vec<u64> = (0..workers).map(|worker| count(worker).saturating_add(2)).collect();
    let started = Instant::now();
    while started.elapsed() < 2 * worker::HANG && (0..workers).any(|worker| count(worker) < enough[worker]) {
        std::thread::sleep(Duration::from_micros(100));
    }
}

/// Writes random words over the control block, the table and the slots; the header has been read by all.
fn scribble(file: &File, total: u64, pause: impl Fn()) {
    let mut random = Random::new(total);
    let mut sound = vec![0; (total - CONTROL_AT) as usize];
    file.read_exact_at(&mut sound, CONTROL_AT).expect("a whole segment");
    let shape = Shape::read(file);
    let started = Instant::now();
    while started.elapsed() < A_WHILE {
        file.write_all_at(&sound, CONTROL_AT).expect("within the file");
        for _ in 0..PAUSES_PER_HEAL {
            for _ in 0..=random.below(MOST_WORDS) {
                shape.scribble(file, CAPACITY, CONTROL_AT, &mut random);
                std::thread::sleep(Duration::from_micros(random.below(100)));
            }
            pause();
        }
    }
}

impl Choice for Random {
    fn below(&mut self, limit: usize) -> usize {
        self.below(limit as u64) as usize
    }

    fn word(&mut self) -> u64 {
        self.next() << 32 ^ self.next()
    }
}
