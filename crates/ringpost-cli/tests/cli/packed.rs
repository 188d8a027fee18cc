//! Packed queues: records of one length, side by side.

use std::process::Stdio;
use std::thread;

use nix::sys::signal::Signal;
use serde_json::{Value, json};

use crate::run::{Name, Running, create, json, ok, ok_with, run, run_with, stat, wait_for};

fn packed(more: &str) -> Name {
    create("packed", &format!("--capacity 64 --packed {more}"))
}

/// Position, state and length of what `peek` shows.
fn peek(name: &str) -> Vec<Value> {
    let done = ok(["peek", name, "--held", "--format", "json"]);
    let short = |line: &str| {
        let message: Value = serde_json::from_str(line).expect("an object");
        json!([message["position"], message["state"], message["len"]])
    };
    done.lines().into_iter().map(short).collect()
}

#[test]
fn records_go_through_many_laps() {
    for (len, more) in [(8, " --align 8"), (12, ""), (16, ""), (100, " --align 4"), (4096, "")] {
        let input: Vec<u8> = (0..len * 5000_usize).map(|i| (i.wrapping_mul(i) >> 3) as u8).collect();
        let name = packed(&format!("--max-len {len}{more}"));
        let follower = Running::start(["pull", &*name, "--follow", "--format", "raw"], Stdio::null());
        let follower = thread::spawn(move || follower.finish());
        ok_with(["send", &*name, "--framing", "chunk", "--close"], &input);
        let out = follower.join().expect("a follower").succeeded().out;
        assert!(out == input, "{len}: {} bytes became {}", input.len(), out.len());
        let stat = stat(&name);
        assert_eq!((&stat["sent"], &stat["pulled"], &stat["size"]), (&json!(5000), &json!(5000), &json!(0)));
    }
}

#[test]
fn other_framings_and_arguments() {
    let name = packed("--max-len 3");
    ok(["send", &*name, "one", "two"]);
    ok_with(["send", &*name], b"abc\ndef\n");
    ok_with(["send", &*name, "--framing", "length"], b"\x03\0\0\0ghi");
    ok_with(["send", &*name, "--framing", "whole"], b"jkl");
    assert_eq!(ok(["pull", &*name]).lines(), ["one", "two", "abc", "def", "ghi", "jkl"]);
}

#[test]
fn another_length_is_an_error_that_says_so() {
    let name = packed("--max-len 4");
    let every = "every message of this queue has 4";
    run(["send", &*name, "12345"]).failed(1, &["5 bytes", every]);
    run(["send", &*name, ""]).failed(1, &["0 bytes", every]);
    run(["send", &*name, "1234", "123"]).failed(1, &["1 messages were sent", "3 bytes", every]);
    run_with(["send", &*name], b"abcd\nab\n").failed(1, &["1 messages were sent", "2 bytes", every]);
    run_with(["send", &*name, "--framing", "chunk"], b"aaaabbbbc").failed(1, &["2 messages were sent", every]);
    run_with(["send", &*name, "--framing", "chunk", "--chunk", "2"], b"aabb").failed(1, &["2 bytes", every]);
    run_with(["send", &*name, "--framing", "length"], b"\x01\0\0\0a").failed(1, &["1 bytes", every]);
    assert_eq!(ok(["pull", &*name]).lines(), ["1234", "abcd", "aaaa", "bbbb"], "and nothing of the others");
}

#[test]
fn it_has_single_ends_and_does_not_overwrite() {
    let shape = ["--capacity", "64", "--max-len", "16", "--packed"];
    let stat = stat(&packed("--max-len 16"));
    assert_eq!(
        (&stat["senders"], &stat["receivers"], &stat["packed"]),
        (&json!("single"), &json!("single"), &json!(true))
    );
    let name = Name::new("packed");
    for (more, word) in [
        (["--senders", "multi"], "senders of a packed queue"),
        (["--receivers", "multi"], "receivers of a packed queue"),
        (["--when-full", "overwrite"], "overwriting in a packed queue"),
    ] {
        run(["create", &*name].into_iter().chain(shape).chain(more)).failed(2, &[word]);
        run(["plan"].into_iter().chain(shape).chain(more)).failed(2, &[word]);
    }
    ok(["create", &*name].into_iter().chain(shape));
    ok(["create", &*name, "--exist-ok"].into_iter().chain(shape));
    let apart = ["--capacity", "64", "--max-len", "16", "--senders", "single", "--receivers", "single"];
    let done = run(["create", &*name, "--exist-ok"].into_iter().chain(apart));
    assert!(done.code() != Some(0) && done.err.contains("fixed length"), "{done:?}");
}

#[test]
fn what_the_dead_held_comes_back() {
    const LEN: usize = 200_000;
    let name = packed(&format!("--max-len {LEN}"));
    ok_with(["send", &*name, "--framing", "chunk"], &[b'x'; LEN]);
    // It cannot write that out, because nobody reads.
    let running = Running::start(["pull", &*name, "--follow"], Stdio::null());
    wait_for("the message to be taken", || stat(&name)["size"] == 0);
    ok_with(["send", &*name, "--framing", "chunk"], &[b'y'; 2 * LEN]);
    assert_eq!(peek(&name), [json!([0, "held", LEN]), json!([1, "ready", LEN]), json!([2, "ready", LEN])]);
    let report = json(["doctor", &*name, "--json"]);
    assert_eq!(report["endpoints"][0]["reading"]["positions"], json!([0]), "{report:#}");
    running.signal(Signal::SIGKILL);
    drop(running);
    let report = json(["doctor", &*name, "--fix", "--json"]);
    assert_eq!((&report["repaired"], &report["waiting"]), (&json!(1), &json!(3)), "{report:#}");
    assert_eq!(peek(&name), [json!([0, "came back", LEN]), json!([1, "ready", LEN]), json!([2, "ready", LEN])]);
    let expected = [vec![b'x'; LEN], vec![b'y'; 2 * LEN]].concat();
    assert!(ok(["pull", &*name, "--format", "raw"]).out == expected);
    assert_eq!((peek(&name), &stat(&name)["redelivered"]), (vec![], &json!(1)));
}
