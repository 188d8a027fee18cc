//! `pull --size N --timeout D` is the library's pull.

use std::process::Stdio;
use std::time::{Duration, Instant};

use crate::run::{ALL_ENDS, LONG, Running, create_with, ok, run, stat};

#[test]
fn at_once_when_as_many_are_there() {
    for ends in ALL_ENDS {
        let name = create_with(ends, "at-once", "--max-len 16");
        ok(["send", &*name, "a", "b", "c", "d", "e", "f"]);
        let done = ok(["pull", &*name, "--size", "5", "--timeout", "15s"]);
        assert_eq!(done.lines(), ["a", "b", "c", "d", "e"], "{ends:?}");
        assert!(done.took < LONG / 4, "{done:?}");
        assert_eq!(ok(["pull", &*name, "--size", "1", "--timeout", "15s"]).lines(), ["f"]);
    }
}

#[test]
fn as_soon_as_the_last_one_comes() {
    for ends in ALL_ENDS {
        let name = create_with(ends, "last", "--max-len 16");
        let pull = Running::start(["pull", &*name, "--size", "5", "--timeout", "15s"], Stdio::null());
        ok(["send", &*name, "a", "b", "c"]);
        ok(["send", &*name, "d"]);
        pull.until_asleep();
        assert!(!pull.has_ended(), "{ends:?}");
        assert_eq!(stat(&name)["pulled"], 0);
        let since = Instant::now();
        ok(["send", &*name, "e", "f"]);
        assert_eq!(pull.finish().succeeded().lines(), ["a", "b", "c", "d", "e"], "{ends:?}");
        assert!(since.elapsed() < LONG / 4);
        assert_eq!(ok(["pull", &*name]).lines(), ["f"]);
    }
}

#[test]
fn what_is_there_after_the_timeout() {
    const TIMEOUT: Duration = Duration::from_millis(300);
    for ends in ALL_ENDS {
        let name = create_with(ends, "late", "--max-len 16");
        ok(["send", &*name, "a", "b"]);
        let done = ok(["pull", &*name, "--size", "5", "--timeout", "300ms"]);
        assert_eq!(done.lines(), ["a", "b"], "{ends:?}");
        assert!(done.took >= TIMEOUT && done.took < LONG / 4, "{done:?}");
        let done = run(["pull", &*name, "--size", "5", "--timeout", "300ms"]);
        done.failed(5, &["nothing to pull"]);
        assert!(done.took >= TIMEOUT && done.took < LONG / 4, "{done:?}");
    }
}

#[test]
fn at_once_when_the_queue_closes() {
    let name = create_with(("multi", "multi"), "closes", "--max-len 16");
    let pull = Running::start(["pull", &*name, "--size", "5", "--timeout", "15s"], Stdio::null());
    ok(["send", &*name, "--close", "a", "b"]);
    let done = pull.finish().succeeded();
    assert_eq!(done.lines(), ["a", "b"]);
    assert!(done.took < LONG / 2, "{done:?}");
}

#[test]
fn without_size_and_timeout_all_that_is_there() {
    let name = create_with(("multi", "multi"), "all", "--max-len 16");
    ok(["send", &*name, "a", "b", "c"]);
    assert_eq!(ok(["pull", &*name]).lines(), ["a", "b", "c"]);
}

#[test]
fn following_for_a_time() {
    let name = create_with(("multi", "multi"), "time", "--max-len 16");
    ok(["send", &*name, "a", "b"]);
    let done = ok(["pull", &*name, "--follow", "--timeout", "300ms"]);
    assert_eq!(done.lines(), ["a", "b"]);
    assert!(done.took >= Duration::from_millis(300) && done.took < LONG / 4, "{done:?}");
}

#[test]
fn following_until_senders_leave() {
    let name = create_with(("multi", "multi"), "leave", "--max-len 16");
    let mut sender = Running::start(["send", &*name], Stdio::piped());
    let stdin = sender.stdin();
    crate::run::wait_for("the sender", || stat(&name)["endpoints"].as_array().is_some_and(|ends| ends.len() == 1));
    let follower = Running::start(["pull", &*name, "--follow", "--until-senders-leave"], Stdio::null());
    ok(["send", &*name, "a"]);
    follower.until_asleep();
    assert!(!follower.has_ended());
    drop(stdin);
    sender.finish().succeeded();
    assert_eq!(follower.finish().succeeded().lines(), ["a"]);
}
