//! Instructions for each message, counted by callgrind: the same on a busy machine as on a quiet one, for what clocks are
//! too coarse to show. A queue on the heap, one thread that sends and receives, as in `queue.rs`.
//!
//! Each operation runs twice under `valgrind`, with different numbers of messages; what both have in common cancels out. Words
//! after `--` choose operations; with `--test` each runs once, without `valgrind`. Where that is missing, nothing is counted.

use std::collections::BTreeMap;
use std::fs;
use std::hint::black_box;
use std::path::Path;
use std::process::{Command, ExitCode};
use std::time::Duration;

use ringpost::{Ends, Options, Queue, Receiver, Sender};

const CAPACITY: usize = 1024;
const BATCH: usize = 32;
/// Messages of the two runs: some laps each, and whole batches.
const MESSAGES: [usize; 2] = [8 * CAPACITY, 40 * CAPACITY];
/// The hidden argument before an operation's name and a number of messages.
const WORKER: &str = "--worker";
/// What was counted last, to be compared with.
const LAST: &str = concat!(env!("CARGO_TARGET_TMPDIR"), "/instructions");

/// What is done with so many messages.
type Operation = fn(Kind, usize);
/// A queue's ends, whether it is packed, and its name.
type Kind = (Ends, bool, &'static str);

const OPERATIONS: [(&str, Operation); 10] = [
    ("send, recv: 8 B", |kind, count| one_by_one::<8>(kind, count)),
    ("send, recv: 64 B", |kind, count| one_by_one::<64>(kind, count)),
    ("send, recv: u64", values_in_place),
    ("send, recv_value: u64", values),
    ("send, recv_with: u64", values_by_function),
    ("loan, recv_with: u64", values_lent),
    ("batches of 32: 8 B", |kind, count| batches::<8>(kind, count)),
    ("batches of 32: 64 B", |kind, count| batches::<64>(kind, count)),
    ("batches of 32, by function: u64", batches_by_function),
    ("slices of 32: u64", slices),
];
const KINDS: [Kind; 3] =
    [(Ends::Single, false, "single"), (Ends::Single, true, "packed"), (Ends::Multi, false, "multi")];

fn ends_of((ends, packed, _): Kind, len: usize) -> (Sender, Receiver) {
    let options = Options::new(CAPACITY).max_len(len).senders(ends).receivers(ends).packed(packed);
    let queue = Queue::in_memory(options).expect("valid options");
    (queue.sender().expect("no sender yet"), queue.receiver().expect("no receiver yet"))
}

fn values_of((ends, packed, _): Kind) -> (Sender<u64>, Receiver<u64>) {
    let options = Options::of::<u64>(CAPACITY).senders(ends).receivers(ends).packed(packed);
    let queue = Queue::in_memory(options).expect("valid options");
    (queue.sender().expect("no sender yet"), queue.receiver().expect("no receiver yet"))
}

#[inline(never)]
fn one_by_one<const LEN: usize>(kind: Kind, count: usize) {
    let (mut tx, mut rx) = ends_of(kind, LEN);
    for _ in 0..count {
        tx.send(black_box(&[7; LEN])).expect("there is room");
        black_box(&*rx.recv().expect("one was sent"));
    }
}

#[inline(never)]
fn values_in_place(kind: Kind, count: usize) {
    let (mut tx, mut rx) = values_of(kind);
    for _ in 0..count {
        tx.send(black_box(&7)).expect("there is room");
        black_box(*rx.recv().expect("one was sent"));
    }
}

#[inline(never)]
fn values(kind: Kind, count: usize) {
    let (mut tx, mut rx) = values_of(kind);
    for _ in 0..count {
        tx.send(black_box(&7)).expect("there is room");
        black_box(rx.recv_value().expect("one was sent"));
    }
}

#[inline(never)]
fn values_lent(kind: Kind, count: usize) {
    let (mut tx, mut rx) = values_of(kind);
    for _ in 0..count {
        let mut loan = tx.loan().expect("there is room");
        *loan = black_box(7);
        loan.commit();
        black_box(rx.recv_with(|value| *value).expect("one was sent"));
    }
}

#[inline(never)]
fn values_by_function(kind: Kind, count: usize) {
    let (mut tx, mut rx) = values_of(kind);
    for _ in 0..count {
        tx.send(black_box(&7)).expect("there is room");
        black_box(rx.recv_with(|value| *value).expect("one was sent"));
    }
}

#[inline(never)]
fn batches<const LEN: usize>(kind: Kind, count: usize) {
    let (mut tx, mut rx) = ends_of(kind, LEN);
    let messages = [&[7; LEN][..]; BATCH];
    for _ in 0..count.div_ceil(BATCH) {
        tx.send_batch(black_box(&messages).iter().copied()).expect("there is room");
        for message in &rx.pull(BATCH, Duration::ZERO).expect("they were sent") {
            black_box(message);
        }
    }
}

#[inline(never)]
fn batches_by_function(kind: Kind, count: usize) {
    let (mut tx, mut rx) = values_of(kind);
    for _ in 0..count.div_ceil(BATCH) {
        tx.send_batch(black_box(&[7; BATCH])).expect("there is room");
        let mut left = BATCH;
        while left > 0 {
            let read = rx.pull_some_with(left, Duration::ZERO, |value| _ = black_box(*value));
            left -= read.expect("they were sent");
        }
    }
}

#[inline(never)]
fn slices(kind: Kind, count: usize) {
    let (mut tx, mut rx) = values_of(kind);
    for _ in 0..count.div_ceil(BATCH) {
        tx.send_slices_with(BATCH, |some| some.fill(black_box(7))).expect("there is room");
        let mut left = BATCH;
        while left > 0 {
            let read = rx.pull_slices_with(left, Duration::ZERO, |some| _ = black_box(some));
            left -= read.expect("they were sent");
        }
    }
}

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    if let [worker, name, count] = &args[..]
        && worker == WORKER
    {
        let count = count.parse().expect("a number of messages");
        all().filter(|(known, ..)| known == name).for_each(|(_, operation, kind)| operation(kind, count));
        return ExitCode::SUCCESS;
    }
    let words: Vec<&String> = args.iter().filter(|arg| !arg.starts_with('-')).collect();
    let wanted = all().filter(|(name, ..)| words.is_empty() || words.iter().any(|word| name.contains(*word)));
    if args.iter().any(|arg| arg == "--test") {
        for (name, operation, kind) in wanted {
            operation(kind, BATCH);
            println!("{name}: ran once");
        }
        return ExitCode::SUCCESS;
    }
    if Command::new("valgrind").arg("--version").output().is_err() {
        println!("instructions: skipped, valgrind is not installed");
        return ExitCode::SUCCESS;
    }
    match count(wanted.map(|(name, ..)| name)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("instructions: {error}");
            ExitCode::FAILURE
        }
    }
}

/// All operations with all kinds of queues.
fn all() -> impl Iterator<Item = (String, Operation, Kind)> {
    let each = |(name, operation)| KINDS.map(|kind| (format!("{}/{name}", kind.2), operation, kind));
    OPERATIONS.into_iter().flat_map(each)
}

/// Counts, tells, and keeps what was found.
fn count(names: impl Iterator<Item = String>) -> Result<(), String> {
    let mut known = last(Path::new(LAST));
    println!("{:<34} {:>12} {:>12}", "instructions for each message", "now", "last time");
    for name in names {
        let [few, many] = MESSAGES.map(|messages| instructions(&name, messages));
        let each = (many? - few?) / (MESSAGES[1] - MESSAGES[0]) as f64;
        let before = known.insert(name.clone(), each);
        println!("{name:<34} {each:>12.1} {:>12}", before.map_or("-".to_owned(), |before| format!("{before:.1}")));
    }
    let text: String = known.iter().map(|(name, each)| format!("{each}\t{name}\n")).collect();
    fs::write(LAST, text).map_err(|error| format!("writing {LAST}: {error}"))
}

/// What was found last; nothing where there is none, or what cannot be read.
fn last(path: &Path) -> BTreeMap<String, f64> {
    let text = fs::read_to_string(path).unwrap_or_default();
    let entry = |line: &str| {
        let (each, name) = line.split_once('\t')?;
        Some((name.to_owned(), each.parse().ok()?))
    };
    text.lines().filter_map(entry).collect()
}

/// All instructions of a process that does the operation with so many messages.
fn instructions(name: &str, messages: usize) -> Result<f64, String> {
    let program = std::env::current_exe().map_err(|error| error.to_string())?;
    let mut valgrind = Command::new("valgrind");
    valgrind.args(["--tool=callgrind", "--callgrind-out-file=/dev/null"]).arg(program);
    let done = valgrind.args([WORKER, name, &messages.to_string()]).output().map_err(|error| error.to_string())?;
    let told = String::from_utf8_lossy(&done.stderr);
    let found = told.lines().find_map(|line| line.split_once("Collected :")?.1.trim().parse().ok());
    found.filter(|_| done.status.success()).ok_or_else(|| format!("callgrind failed with {name}:\n{told}"))
}
