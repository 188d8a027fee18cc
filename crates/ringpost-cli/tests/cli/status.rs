//! Every exit status that `--help` lists, and what stands on standard error with it.

use std::time::Duration;

use crate::run::{Name, Running, create, ok, ok_with, run, run_with};

#[test]
fn help_lists_every_status() {
    let help = ok(["--help"]);
    for (status, meaning) in [
        (0, "done"),
        (1, "another failure"),
        (2, "usage"),
        (3, "no such queue"),
        (4, "it exists already"),
        (5, "full or timed out"),
        (6, "corrupt or incompatible segment"),
        (7, "not permitted"),
    ] {
        let line = format!("  {status}  {meaning}");
        assert!(help.text().lines().any(|listed| listed.starts_with(&line)), "{line:?} is not in {}", help.text());
    }
}

#[test]
fn all_is_well() {
    let name = Name::new("well");
    ok(["create", &*name, "--capacity", "64", "--max-len", "16"]);
    ok(["send", &*name, "one", "two"]);
    assert_eq!(ok(["pull", &*name]).lines(), ["one", "two"]);
    ok(["rm", &*name]);
    assert!(!name.path().exists());
}

#[test]
fn one_message_too_long() {
    let name = create("long", "--capacity 64 --max-len 4");
    run(["send", &*name, "12345"]).failed(1, &["5 bytes", "at most 4"]);
    ok(["send", &*name, "1234"]);
    let input = run_with(["send", &*name], b"a\nb\n12345\nc\n");
    input.failed(1, &["message 3", "5 bytes", "at most 4", "the 2 before it were sent"]);
    assert_eq!(ok(["pull", &*name]).lines(), ["1234", "a", "b"]);
    let endless = run_with(["send", &*name, "--framing", "whole"], &[7; 1 << 20]);
    endless.failed(1, &["message 1", "at most 4"]);
    run_with(["send", &*name, "--framing", "length"], b"\x04\0\0\0abcd\x09\0\0\0").failed(1, &["9 bytes", "at most 4"]);
    run_with(["send", &*name, "--framing", "length"], b"\x04\0\0\0ab").failed(1, &["ends in the middle of message 1"]);
    run_with(["send", &*name, "--framing", "chunk", "--chunk", "5"], b"abc").failed(1, &["5 bytes", "at most 4"]);
    assert_eq!(ok(["pull", &*name]).lines(), ["abcd"]);
}

#[test]
fn one_arguments_say_how_many_were_sent() {
    let name = create("some", "--capacity 64 --max-len 4");
    run(["send", &*name, "a", "b", "12345", "c"]).failed(1, &["5 bytes", "at most 4", "2 messages were sent"]);
    assert_eq!(ok(["pull", &*name]).lines(), ["a", "b"]);
}

#[test]
fn one_closed() {
    let name = create("closed", "--capacity 64 --max-len 16");
    ok(["send", &*name, "--close", "last"]);
    run(["send", &*name, "more"]).failed(1, &["closed", "no more messages"]);
    run_with(["send", &*name], b"more\n").failed(1, &["closed"]);
    assert_eq!(ok(["pull", &*name]).lines(), ["last"]);
}

#[test]
fn one_end_taken() {
    let name = create("taken", "--capacity 64 --max-len 16 --receivers single");
    let follower = Running::start(["pull", &*name, "--follow"], std::process::Stdio::null());
    crate::run::wait_for("the follower", || {
        crate::run::stat(&name)["endpoints"].as_array().is_some_and(|ends| !ends.is_empty())
    });
    let pid = follower.pid().to_string();
    run(["pull", &*name]).failed(1, &["single receiver", &pid, "multi receivers"]);
    ok(["send", &*name, "--close"]);
    follower.finish().succeeded();
}

#[test]
fn one_no_room_for_it() {
    let name = Name::new("huge");
    let done = run(["create", &*name, "--capacity", "1073741824", "--max-len", "8KiB"]);
    done.failed(1, &["bytes of shared memory", "found"]);
    assert!(!name.path().exists());
}

#[test]
fn two_bad_arguments() {
    let name = create("usage", "--capacity 64 --max-len 16");
    let cases: &[&[&str]] = &[
        &[],
        &["nonsense"],
        &["create"],
        &["create", "x"],
        &["create", "x", "--capacity", "many", "--max-len", "16"],
        &["create", "x", "--capacity", "-1", "--max-len", "16"],
        &["create", "x", "--capacity", "64", "--max-len", "long"],
        &["create", "x", "--capacity", "64", "--max-len", "16", "--when-full", "perhaps"],
        &["create", "x", "--capacity", "64", "--max-len", "16", "--senders", "two"],
        &["create", "x", "--capacity", "64", "--max-len", "16", "--mode", "rw"],
        &["send", &name, "--timeout", "soon", "x"],
        &["send", &name, "--framing", "words"],
        &["send", &name, "--chunk", "4"],
        &["pull", &name, "--until-senders-leave"],
        &["pull", &name, "--format", "xml"],
        &["pull", &name, "--size", "some"],
        &["pull", &name, "extra"],
        &["rm"],
        &["stat"],
        &["completions", "cmd.exe"],
    ];
    for args in cases {
        let done = run(*args);
        done.failed(2, &[]);
        assert!(!done.err.is_empty(), "{args:?}");
    }
}

#[test]
fn two_bad_names() {
    let long = "x".repeat(201);
    for bad in ["a/b", "", &long, ".", "..", "a b", ".hidden", "../a", "ä"] {
        let quoted = format!("{bad:?} is not a name");
        let words = [&*quoted, "use 1 to 200 of"];
        run(["create", bad, "--capacity", "64", "--max-len", "16"]).failed(2, &words);
        run(["send", bad, "x"]).failed(2, &words);
        run(["pull", bad]).failed(2, &words);
        run(["pull", bad, "--wait", "1m"]).failed(2, &words);
        run(["stat", bad]).failed(2, &words);
        run(["rm", bad]).failed(2, &words);
    }
    run(["rm", "-a"]).failed(2, &[]);
}

#[test]
fn two_bad_options() {
    let name = Name::new("options");
    for (options, words) in [
        ("--capacity 0 --max-len 16", ["capacity should be from 1", "found 0"]),
        ("--capacity 4294967296 --max-len 16", ["capacity should be from 1", "found 4294967296"]),
        ("--capacity 64 --max-len 3GiB", ["max_len should be from 0", "found 3221225472"]),
        ("--capacity 64 --max-len 16 --align 24", ["align (a power of two)", "found 24"]),
        ("--capacity 64 --max-len 16 --endpoints 1", ["endpoints should be from 2", "found 1"]),
        ("--capacity 1073741824 --max-len 2GiB", ["segment in bytes", "found"]),
    ] {
        let args =
            |command: &'static str| options.split(' ').fold(vec![command], |args, word| [args, vec![word]].concat());
        run(args("plan")).failed(2, &words);
        let mut create = args("create");
        create.insert(1, &name);
        run(create).failed(2, &words);
    }
    for mode in ["0640", "0400", "0", "7777", "0644"] {
        let done = run(["create", &*name, "--capacity", "64", "--max-len", "16", "--mode", mode]);
        done.failed(2, &["0600, 0660, 0666", "found"]);
    }
    assert!(!name.path().exists());
}

#[test]
fn two_chunks_of_nothing() {
    for ends in ["single", "multi"] {
        let name = create("chunks", &format!("--capacity 64 --max-len 16 --senders {ends}"));
        run_with(["send", &*name, "--framing", "chunk", "--chunk", "0"], b"abc").failed(2, &["at least 1", "found 0"]);
        let empty = create("chunks", &format!("--capacity 64 --max-len 0 --senders {ends}"));
        run_with(["send", &*empty, "--framing", "chunk"], b"abc").failed(2, &["at least 1", "found 0"]);
    }
}

#[test]
fn extremes_do_not_panic() {
    let name = create("extremes", "--capacity 64 --max-len 16");
    for timeout in ["0s", "1ns", "584y", "500000000000y"] {
        assert_eq!(ok(["send", &*name, "--timeout", timeout, "x"]).code(), Some(0));
        assert_eq!(ok(["pull", &*name, "--size", "1", "--timeout", timeout]).lines(), ["x"]);
        ok(["stat", &*name, "--wait", timeout]);
        let policy = Name::new("policy");
        let done = run(["create", &*policy, "--capacity", "64", "--max-len", "16", "--when-full", timeout]);
        assert!(matches!(done.code(), Some(0 | 2)), "{done:?}");
    }
    ok(["pull", &*name, "--size", "0"]);
    run(["pull", &*name, "--size", "18446744073709551615"]).failed(5, &["nothing to pull"]);
    ok(["send", &*name, "--batch", "0", "x"]);
    ok_with(["send", &*name, "--batch", "0"], b"x\n");
    ok_with(["send", &*name, "--batch", "18446744073709551615"], b"x\n");
    assert_eq!(ok(["pull", &*name, "--size", "18446744073709551615"]).lines(), ["x", "x", "x"]);
}

#[test]
fn three_no_such_queue() {
    let name = Name::new("none");
    let words = [&*name, "there is none", "create it, or wait for it"];
    run(["send", &*name, "x"]).failed(3, &words);
    run_with(["send", &*name], b"x\n").failed(3, &words);
    run(["pull", &*name]).failed(3, &words);
    run(["pull", &*name, "--follow"]).failed(3, &words);
    run(["stat", &*name]).failed(3, &words);
    run(["stat", &*name, "--json"]).failed(3, &words);
    run(["rm", &*name]).failed(3, &words);
}

#[test]
fn three_after_a_wait() {
    let name = Name::new("wait");
    for command in ["pull", "send", "stat"] {
        let done = run([command, &*name, "--wait", "100ms"]);
        done.failed(3, &[&name, "there is none"]);
        assert!(done.took >= Duration::from_millis(100), "{done:?}");
    }
}

#[test]
fn three_removes_the_others() {
    let (first, second) = (create("rm", "--capacity 64 --max-len 16"), create("rm", "--capacity 64 --max-len 16"));
    let none = Name::new("rm");
    run(["rm", &*first, &*none, &*second]).failed(3, &[&none]);
    assert!(!first.path().exists() && !second.path().exists());
}

#[test]
fn four_it_exists() {
    let name = create("twice", "--capacity 64 --max-len 16");
    let again = ["create", &*name, "--capacity", "64", "--max-len", "16"];
    run(again).failed(4, &[&name, "should be free and is taken", "remove it first"]);
    ok(again.into_iter().chain(["--exist-ok"]));
    let other = ["create", &*name, "--capacity", "128", "--max-len", "16", "--exist-ok"];
    run(other).failed(6, &["another capacity", "asked for 128", "found 64"]);
}

#[test]
fn five_full() {
    let fail = create("fail", "--capacity 64 --max-len 16 --when-full fail");
    let numbers = crate::run::numbered(0, 100);
    run_with(["send", &*fail], numbers.as_bytes()).failed(5, &["full", "64 messages were sent"]);
    run(["send", &*fail, "x"]).failed(5, &["full", "0 messages were sent"]);
    let block = create("block", "--capacity 64 --max-len 16");
    let done = run_with(["send", &*block, "--timeout", "50ms"], numbers.as_bytes());
    done.failed(5, &["full", "64 messages were sent"]);
    assert!(done.took >= Duration::from_millis(50), "{done:?}");
    run(["send", &*block, "--timeout", "50ms", "x"]).failed(5, &["full", "0 messages were sent"]);
    for name in [fail, block] {
        assert_eq!(ok(["pull", &*name]).text(), crate::run::numbered(0, 64));
    }
}

#[test]
fn five_nothing_there() {
    let name = create("empty", "--capacity 64 --max-len 16");
    run(["pull", &*name]).failed(5, &["nothing to pull"]);
    run(["pull", &*name, "--size", "1", "--timeout", "50ms"]).failed(5, &["nothing to pull"]);
    ok(["send", &*name, "--close"]);
    run(["pull", &*name]).failed(5, &["nothing to pull", "closed"]);
    run(["pull", &*name, "--size", "3", "--timeout", "1m"]).failed(5, &["closed"]);
}
