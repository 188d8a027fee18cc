//! `bench`: it measures what it is asked for, says so, and leaves nothing behind, however it ends.
//!
//! What it measures is no concern of a test: processors that are shared with others may give it no steady round at all.

use std::fs;
use std::process::Stdio;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use nix::sys::signal::Signal;
use serde_json::Value;

use crate::run::{Done, Running, ok, run, wait_for};

/// Its processes poll on the same two processors: more than one at a time would only hold each other up.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Queues and folders that the tool with that process number has made.
fn left_over(pid: u32) -> Vec<String> {
    let names =
        fs::read_dir("/dev/shm").expect("shared memory").filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let ours = [format!("ringpost.q.compare-{pid}-"), format!("ringpost-compare.{pid}.")];
    names.filter(|name| ours.iter().any(|begin| name.starts_with(begin))).collect()
}

fn bench(args: &str) -> (Done, Vec<String>) {
    let running = Running::start(format!("bench {args}").split(' '), Stdio::null());
    let pid = running.pid();
    (running.finish().succeeded(), left_over(pid))
}

#[test]
fn all_that_is_asked_for_is_measured() {
    let _alone = alone();
    let (done, left) = bench("--json --duration 20ms --sizes 8,24,4KiB --senders single --receivers multi");
    assert_eq!(left, Vec::<String>::new());
    let document: Value = serde_json::from_slice(&done.out).expect("one JSON document");
    assert!(document["rounds_made"].as_u64() >= Some(4 * 9), "{document:#}");
    assert_eq!(document["failed"], Value::Array(vec![]));
    let rows = |key: &str| document[key].as_array().expect("a list").clone();
    for row in rows("round_trips") {
        let (p50, p99, max) = (row["p50_ns"].as_f64(), row["p99_ns"].as_f64(), row["max_ns"].as_f64());
        assert!(p50 > Some(0.0) && p50 <= p99 && p99 <= max, "{row:#}");
        assert_eq!(row["queue"] == false, row["senders"].is_null(), "{row:#}");
        assert!(row["queue"] == false || row["senders"] == "single", "{row:#}");
    }
    for row in rows("streams") {
        let (messages, bytes) = (row["messages_per_s"].as_f64(), row["bytes_per_s"].as_f64());
        let len = row["message_bytes"].as_f64().expect("a number");
        assert_eq!(messages.map(|messages| messages * len), bytes, "{row:#}");
        let manner = row["manner"].as_str().expect("text");
        assert_eq!(len >= 4096.0, manner == "in place", "{row:#}");
    }
}

#[test]
fn the_table_says_what_it_shows() {
    let _alone = alone();
    let (done, left) = bench("--duration 20ms --sizes 48 --senders multi --receivers multi");
    assert_eq!(left, Vec::<String>::new());
    for words in ["ringpost ", "between two processes", "arrived once, in order and whole", "rounds were dropped"] {
        assert!(done.text().contains(words), "{words}: {done:?}");
    }
}

#[test]
fn its_options_are_listed() {
    let help = ok(["bench", "--help"]);
    for option in ["--quick", "--json", "--duration", "--sizes", "--senders", "--receivers"] {
        assert!(help.text().contains(option), "{option}");
    }
}

#[test]
fn what_cannot_be_measured_is_a_usage_error() {
    for sizes in ["12", "0", "2MiB", "8,9"] {
        run(["bench", "--sizes", sizes]).failed(2, &["a size must be a multiple of 8 bytes"]);
    }
    run(["bench", "--sizes", "many"]).failed(2, &["not a size"]);
    run(["bench", "--quick", "--duration", "1s"]).failed(2, &["cannot be used with"]);
}

#[test]
fn an_interrupt_ends_it_and_removes_what_it_made() {
    let _alone = alone();
    for signal in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP] {
        let running = Running::start(["bench", "--duration", "1h", "--sizes", "8"], Stdio::null());
        let pid = running.pid();
        wait_for("its queues", || !left_over(pid).is_empty());
        running.signal(signal);
        let done = running.finish();
        done.failed(1, &["interrupted before the measurement was done"]);
        assert_eq!(left_over(pid), Vec::<String>::new());
    }
}

#[test]
fn when_it_is_killed_its_workers_clean_up() {
    let _alone = alone();
    let joined = |name: &String| {
        let Some(name) = name.strip_prefix("ringpost.q.") else { return false };
        let stat = run(["stat", name, "--json"]);
        serde_json::from_slice(&stat.out)
            .is_ok_and(|stat: Value| stat["endpoints"].as_array().is_some_and(|e| !e.is_empty()))
    };
    for wait in [0, 50, 200] {
        let running = Running::start(["bench", "--duration", "2s", "--sizes", "8"], Stdio::null());
        let pid = running.pid();
        wait_for("a worker at a queue", || left_over(pid).iter().any(joined));
        std::thread::sleep(Duration::from_millis(wait));
        running.signal(Signal::SIGKILL);
        running.finish();
        wait_for("the workers to clean up", || left_over(pid).is_empty());
    }
}
