//! Each peer's adapter, as the comparison uses it: two processes, every message checked, and nothing left behind.
#![cfg(feature = "peers")]

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use ringpost_compare::cell::{LEFT_OUT, Lane, Task, depth};
use ringpost_compare::control::Control;
use ringpost_compare::machine::Machine;
use ringpost_compare::registry::{ENTRIES, Entry, Kind, Run};
use ringpost_compare::transports::{Place, Side, Support};
use ringpost_compare::{measure, worker};

const PROGRAM: &str = env!("CARGO_BIN_EXE_ringpost-compare");

fn peers() -> impl Iterator<Item = &'static Entry> {
    ENTRIES.iter().filter(|entry| entry.kind == Kind::Peer)
}

fn task(entry: &Entry, lane: Lane, len: usize, count: u64, dir: &Path) -> Task {
    let name = format!("test-{}-{}-{lane}-{len}", std::process::id(), entry.name);
    let trip = lane.is_trip().then_some(Side::First);
    let dir = dir.to_owned();
    Task {
        transport: entry.name.to_owned(),
        lane,
        rate: None,
        place: Place { name, dir, len, depth: depth(lane, len), joined: 2, queues: 1, wait: lane.waiting(), trip },
        cores: Machine::look().pinned,
        round: Duration::from_millis(1),
        rounds: 2,
        most_rounds: 2,
        patience: Duration::from_secs(20),
        count: Some(count),
    }
}

/// Whether the transport can do this at all.
fn is_able(entry: &Entry, task: &Task) -> bool {
    let Some(work) = (entry.work)(task.place.len) else { return false };
    let support = match task.lane {
        Lane::Asleep => work.able.sleep,
        Lane::Batch => work.able.batch,
        _ => Support::Yes,
    };
    support == Support::Yes && (work.refuses)(&task.place).is_none()
}

/// What is left in memory under the name of `place`.
fn left(place: &Place) -> Vec<String> {
    let names = fs::read_dir("/dev/shm").unwrap().map(|entry| entry.unwrap().file_name());
    names.map(|name| name.to_string_lossy().into_owned()).filter(|name| name.contains(&place.name)).collect()
}

/// Runs each peer in `lane`; enough messages that each queue is filled and goes round several times.
fn carries(lane: Lane, sizes: &[(usize, u64)]) {
    for entry in peers() {
        let mut done = 0;
        for (len, count) in sizes {
            let dir = measure::folder().unwrap();
            let task = task(entry, lane, *len, *count, dir.path());
            if !is_able(entry, &task) {
                continue;
            }
            let rounds = measure::run(Path::new(PROGRAM), &task);
            if rounds.as_ref().is_err_and(|error| error.to_string().starts_with(LEFT_OUT)) {
                continue;
            }
            let rounds = rounds.unwrap_or_else(|error| panic!("{} in {lane} with {len} bytes: {error:#}", entry.name));
            assert!(rounds.iter().all(|round| round.count >= *count), "{} in {lane}: {rounds:?}", entry.name);
            assert_eq!(left(&task.place), Vec::<String>::new(), "left by {} in {lane} with {len} bytes", entry.name);
            done += 1;
        }
        println!("{}: {done} sizes", entry.name);
    }
}

#[test]
fn each_carries_messages_one_by_one() {
    carries(Lane::One, &[(8, 20_000), (48, 5_000), (64, 20_000), (1024, 5_000), (64 << 10, 200), (1 << 20, 40)]);
}

#[test]
fn each_carries_batches() {
    carries(Lane::Batch, &[(8, 20_000), (64, 20_000), (1024, 5_000)]);
}

#[test]
fn each_carries_messages_there_and_back() {
    carries(Lane::Short, &[(8, 500), (48, 500), (64, 500)]);
    carries(Lane::Trip, &[(8, 5_000), (48, 500), (64, 500), (1024, 500), (64 << 10, 100), (1 << 20, 20)]);
}

#[test]
fn each_that_can_wakes_who_sleeps() {
    carries(Lane::Asleep, &[(8, 500), (64, 200)]);
}

struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Both processes are killed at work, or while they join: what stays is removed by what made it.
#[test]
fn nothing_is_left_by_the_killed() {
    for entry in peers() {
        for (lane, after_ms) in [(Lane::One, 20), (Lane::Trip, 150), (Lane::One, 400)] {
            let dir = measure::folder().unwrap();
            let task = task(entry, lane, 64, 1 << 40, dir.path());
            let Some(Run::Processes { create, .. }) = (entry.work)(64).map(|work| work.run) else { continue };
            let guard = create(&task.place, lane).unwrap();
            let control = Control::create().unwrap();
            let text = serde_json::to_string(&task).unwrap();
            let workers = [Side::First, Side::Second].map(|side| {
                let mut command = Command::new(PROGRAM);
                command.arg(worker::WORKER).arg(&text).arg(serde_json::to_string(&side).unwrap());
                command.stdin(Stdio::from(control.try_clone().unwrap())).stdout(Stdio::null()).stderr(Stdio::null());
                Killed(command.spawn().unwrap())
            });
            thread::sleep(Duration::from_millis(after_ms));
            drop(workers);
            drop(guard);
            assert_eq!(left(&task.place), Vec::<String>::new(), "left by {} in {lane} after {after_ms} ms", entry.name);
        }
    }
}
