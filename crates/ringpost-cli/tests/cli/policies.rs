//! What happens when a queue is full, closed, not made yet, or one of two.

use std::process::Stdio;
use std::thread;
use std::time::Duration;

use crate::run::{ALL_ENDS, LONG, Name, Running, create, create_with, numbered, ok, ok_with, run, run_with, stat};

#[test]
fn overwrite_keeps_the_newest() {
    for ends in ALL_ENDS {
        let name = create_with(ends, "newest", "--max-len 16 --when-full overwrite");
        ok_with(["send", &*name], numbered(0, 1000).as_bytes());
        assert_eq!(ok(["pull", &*name]).text(), numbered(1000 - 64, 1000), "{ends:?}");
        ok_with(["send", &*name, "--timeout", "1s"], numbered(0, 100).as_bytes());
        assert_eq!(ok(["pull", &*name]).text(), numbered(100 - 64, 100), "{ends:?}");
    }
}

#[test]
fn a_deadline() {
    for ends in ALL_ENDS {
        let name = create_with(ends, "deadline", "--max-len 16 --when-full 100ms");
        let done = run_with(["send", &*name], numbered(0, 65).as_bytes());
        done.failed(5, &["full", "64 messages were sent"]);
        assert!(done.took >= Duration::from_millis(100) && done.took < LONG / 4, "{done:?}");
        let patient = ["send", &*name, "--timeout", "300ms", "x"];
        let done = run(patient);
        done.failed(5, &["0 messages were sent"]);
        assert!(done.took >= Duration::from_millis(300) && done.took < LONG / 4, "{done:?}");
        assert_eq!(stat(&name)["dropped"], 2);
    }
}

#[test]
fn a_sender_waits_for_a_receiver() {
    for ends in ALL_ENDS {
        let name = create_with(ends, "waits", "--max-len 16");
        let mut sender = Running::start(["send", &*name, "--close"], Stdio::piped());
        let mut stdin = sender.stdin();
        let input = numbered(0, 1000);
        let feeder = thread::spawn(move || std::io::Write::write_all(&mut stdin, input.as_bytes()));
        crate::run::wait_for("a full queue", || stat(&name)["size"] == 64);
        assert_eq!(ok(["pull", &*name, "--follow"]).text(), numbered(0, 1000), "{ends:?}");
        feeder.join().expect("a feeder").expect("a pipe");
        sender.finish().succeeded();
    }
}

#[test]
fn the_close_ends_a_follower() {
    for ends in ALL_ENDS {
        let name = create_with(ends, "close", "--max-len 16");
        let follower = Running::start(["pull", &*name, "--follow"], Stdio::null());
        follower.until_asleep();
        ok(["send", &*name, "a"]);
        ok(["send", &*name, "--close", "b"]);
        assert_eq!(follower.finish().succeeded().lines(), ["a", "b"], "{ends:?}");
        assert_eq!(ok(["pull", &*name, "--follow"]).text(), "", "{ends:?}: it is closed and empty");
    }
}

#[test]
fn the_removal_ends_a_follower_and_a_sender() {
    let name = create("removal", "--capacity 64 --max-len 16");
    ok_with(["send", &*name], numbered(0, 64).as_bytes());
    let sender = Running::start(["send", &*name, "late"], Stdio::null());
    sender.until_asleep();
    ok(["rm", &*name]);
    sender.finish().failed(3, &["has been removed", "create it again"]);
    let name = create("removal", "--capacity 64 --max-len 16");
    let follower = Running::start(["pull", &*name, "--follow"], Stdio::null());
    follower.until_asleep();
    ok(["send", &*name, "a"]);
    ok(["rm", &*name]);
    assert_eq!(follower.finish().succeeded().lines(), ["a"]);
}

#[test]
fn two_queues_at_once() {
    let queues: Vec<Name> = (0..2).map(|_| create("both", "--capacity 64 --max-len 16")).collect();
    let followers: Vec<Running> =
        queues.iter().map(|name| Running::start(["pull", &**name, "--follow"], Stdio::null())).collect();
    let senders = queues.iter().enumerate().map(|(index, name)| {
        let args: Vec<String> = ["send", &**name, "--close"].map(str::to_owned).to_vec();
        thread::spawn(move || ok_with(args, numbered(index * 5000, index * 5000 + 3000).as_bytes()))
    });
    let followers: Vec<_> = followers.into_iter().map(|follower| thread::spawn(|| follower.finish())).collect();
    for sender in senders.collect::<Vec<_>>() {
        sender.join().expect("a sender");
    }
    for (index, follower) in followers.into_iter().enumerate() {
        let out = follower.join().expect("a follower").succeeded();
        assert!(out.text() == numbered(index * 5000, index * 5000 + 3000), "queue {index}");
    }
}

#[test]
fn many_senders_and_receivers_share_a_queue() {
    let name = create("many", "--capacity 64 --max-len 16");
    let start = |args: &[&str]| Running::start(args.iter().copied().chain([&*name]), Stdio::null());
    let followers: Vec<_> = (0..3).map(|_| start(&["pull", "--follow"])).collect();
    let followers: Vec<_> = followers.into_iter().map(|follower| thread::spawn(|| follower.finish())).collect();
    thread::scope(|scope| {
        for part in 0..3 {
            let name = &*name;
            scope.spawn(move || ok_with(["send", name], numbered(part * 1000, part * 1000 + 1000).as_bytes()));
        }
    });
    ok(["send", &*name, "--close"]);
    let mut all = Vec::new();
    for follower in followers {
        let done = follower.join().expect("a follower").succeeded();
        all.extend(done.lines().iter().map(|line| line.parse::<usize>().expect("a number")));
    }
    all.sort_unstable();
    assert!(all.into_iter().eq(0..3000), "each line once");
}

#[test]
fn either_may_start_first() {
    for waits in ["pull", "send"] {
        let name = Name::new("first");
        let follow = ["pull", &*name, "--follow", "--wait", "15s"];
        let send = ["send", &*name, "--close", "--wait", "15s", "a", "b"];
        let early =
            if waits == "pull" { Running::start(follow, Stdio::null()) } else { Running::start(send, Stdio::null()) };
        early.until_asleep();
        ok(["create", &*name, "--capacity", "64", "--max-len", "16"]);
        let late =
            if waits == "pull" { Running::start(send, Stdio::null()) } else { Running::start(follow, Stdio::null()) };
        let (early, late) = (early.finish().succeeded(), late.finish().succeeded());
        let out = if waits == "pull" { early.lines() } else { late.lines() };
        assert_eq!(out, ["a", "b"], "{waits} waits");
    }
}
