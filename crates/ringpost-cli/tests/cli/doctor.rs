//! `doctor` and `peek`: what they tell of the living, the stopped, the dead and the damaged, and that they change nothing.

use std::fs::{self, OpenOptions};
use std::os::unix::fs::FileExt;
use std::process::Stdio;

use nix::sys::signal::Signal;
use serde_json::Value;

use crate::run::{ALL_ENDS, Name, Running, create, create_with, json, ok, run, stat, wait_for};

/// What a claim by endpoint 3 in the first lap looks like.
const CLAIM: u64 = 1 | 3 << 3;

fn doctor(name: &str, more: &[&str]) -> (Option<i32>, Value) {
    let done = run(["doctor", name, "--json"].iter().chain(more));
    (done.code(), serde_json::from_slice(&done.out).expect("one JSON document"))
}

/// What `peek` tells with `more`, a message a line.
fn peek(name: &str, more: &[&str]) -> Vec<Value> {
    let done = ok(["peek", name, "--format", "json"].iter().chain(more));
    done.lines().into_iter().map(|line| serde_json::from_str(line).expect("an object")).collect()
}

/// A queue with a message that does not fit into a pipe.
fn with_large(ends: (&str, &str)) -> Name {
    let name = create_with(ends, "held", "--max-len 256KiB");
    let large = "x".repeat(200_000);
    crate::run::ok_with(["send", &*name], format!("{large}\n").as_bytes());
    name
}

/// A receiver has taken such a message and cannot write it out, because nobody reads. Then a second one comes.
fn held(ends: (&str, &str)) -> (Name, Running) {
    let name = with_large(ends);
    let running = Running::start(["pull", &*name, "--follow"], Stdio::null());
    wait_for("the message to be taken", || stat(&name)["size"] == 0);
    ok(["send", &*name, "second"]);
    (name, running)
}

/// Where the slots of `name` begin.
fn slots(shape: &str) -> u64 {
    json(format!("plan {shape} --json").split(' '))["slots_offset_bytes"].as_u64().expect("a number")
}

fn write(name: &Name, offset: u64, word: u64) {
    let file = OpenOptions::new().write(true).open(name.path()).expect("the queue's file");
    file.write_all_at(&word.to_ne_bytes(), offset).expect("room in the file");
}

#[test]
fn a_healthy_queue() {
    for ends in ALL_ENDS {
        let name = create_with(ends, "healthy", "--max-len 16");
        ok(["send", &*name, "one", "two"]);
        let (code, document) = doctor(&name, &[]);
        assert_eq!((code, &document["healthy"], &document["waiting"]), (Some(0), &true.into(), &2.into()));
        assert_eq!(document["endpoints"].as_array().map(Vec::len), Some(0));
        let text = ok(["doctor", &*name, "--watch", "0s"]);
        assert!(text.text().contains("2 of 64 messages wait") && text.text().contains("healthy"), "{text:?}");
        let fixed = json(["doctor", &*name, "--fix", "--json"]);
        assert_eq!(fixed["repaired"], Value::Null, "there was nothing to repair");
    }
    run(["doctor", "no.such.queue"]).failed(3, &["no.such.queue"]);
}

#[test]
fn a_killed_holder_is_dead_until_it_is_repaired() {
    for ends in ALL_ENDS {
        let (name, running) = held(ends);
        let pid = running.pid();
        let (_, document) = doctor(&name, &[]);
        let endpoint = &document["endpoints"][0];
        assert_eq!((&endpoint["state"], &endpoint["pid"]), (&"alive".into(), &pid.into()), "{document:#}");
        assert_eq!(endpoint["reading"]["positions"], serde_json::json!([0]));
        assert_eq!(endpoint["reading"]["held_for_ns"], 100_000_000);
        let states = |name: &str| -> Vec<_> { peek(name, &["--held"]).iter().map(|m| m["state"].clone()).collect() };
        assert_eq!(states(&name), ["held", "ready"], "{ends:?}");
        assert_eq!(peek(&name, &["--held"])[0]["pid"], pid);
        assert_eq!(ok(["peek", &*name]).text(), "second\n", "what is held is not shown unasked");
        running.signal(Signal::SIGKILL);
        drop(running);
        let (code, document) = doctor(&name, &[]);
        assert_eq!((code, &document["healthy"]), (Some(1), &false.into()), "{document:#}");
        assert_eq!(document["endpoints"][0]["state"], "dead");
        let text = run(["doctor", &*name]);
        assert!(text.text().contains("dead") && text.err.contains("--fix"), "{text:?}");
        let (code, document) = doctor(&name, &["--fix"]);
        assert_eq!(
            (code, &document["repaired"], &document["waiting"]),
            (Some(0), &1.into(), &2.into()),
            "{document:#}"
        );
        assert_eq!(states(&name), ["came back", "ready"], "{ends:?}");
        assert_eq!(ok(["pull", &*name, "--size", "2"]).lines()[1], "second");
        assert_eq!(doctor(&name, &[]).0, Some(0));
    }
}

#[test]
fn a_stopped_holder_is_not_robbed() {
    for ends in ALL_ENDS {
        let (name, running) = held(ends);
        running.signal(Signal::SIGSTOP);
        wait_for("it to be stopped", || doctor(&name, &[]).1["endpoints"][0]["state"] == "stopped");
        let (code, document) = doctor(&name, &["--fix"]);
        assert_eq!((code, &document["repaired"]), (Some(1), &0.into()), "{ends:?}: {document:#}");
        assert_eq!(document["endpoints"][0]["reading"]["count"], 1);
        let text = run(["doctor", &*name]);
        assert!(text.text().contains("stopped") && text.err.contains("continue it"), "{text:?}");
        running.signal(Signal::SIGCONT);
        wait_for("it to go on", || doctor(&name, &[]).0 == Some(0));
    }
}

#[test]
fn who_is_in_the_way_is_named() {
    let name = create("way", "--capacity 64 --max-len 256KiB --when-full fail");
    crate::run::ok_with(["send", &*name], format!("{}\n", "x".repeat(200_000)).as_bytes());
    let running = Running::start(["pull", &*name, "--follow"], Stdio::null());
    wait_for("the message to be taken", || stat(&name)["size"] == 0);
    ok(["send", &*name].into_iter().chain(std::iter::repeat_n("more", 63)));
    let (code, document) = doctor(&name, &["--watch", "20ms"]);
    assert_eq!(code, Some(1), "{document:#}");
    let stuck = &document["stuck"][0];
    assert_eq!(
        (&stuck["waiting"], &stuck["holder"], &stuck["position"]),
        (&"sender".into(), &"alive".into(), &0.into())
    );
    let why = stuck["why"].as_str().expect("a sentence");
    assert!(why.contains(&format!("pid {}", running.pid())) && why.contains("nobody robs it"), "{why}");
    assert!(run(["doctor", &*name]).text().contains("senders wait for room"));
    running.signal(Signal::SIGKILL);
    drop(running);
    assert_eq!(doctor(&name, &["--fix"]).0, Some(0));
}

#[test]
fn a_claim_that_was_left_behind() {
    let shape = "--capacity 64 --max-len 16";
    let name = create("claim", shape);
    write(&name, slots(shape), CLAIM);
    let shown = peek(&name, &["--held"]);
    assert_eq!(
        (&shown[0]["state"], &shown[0]["endpoint"], &shown[0]["len"]),
        (&"being written".into(), &3.into(), &0.into())
    );
    assert!(peek(&name, &[]).is_empty());
    // Its row was never signed: all that is known is that nobody has it.
    let (code, document) = doctor(&name, &["--watch", "0s"]);
    let stuck = &document["stuck"][0];
    assert_eq!((code, &stuck["position"], &stuck["holder"]), (Some(1), &0.into(), &"dead".into()), "{document:#}");
    let (code, document) = doctor(&name, &["--fix"]);
    assert_eq!((code, &document["repaired"]), (Some(0), &1.into()), "{document:#}");
    ok(["send", &*name, "x"]);
    assert_eq!(ok(["pull", &*name]).lines(), ["x"]);
}

#[test]
fn a_corrupt_queue() {
    let shape = "--capacity 64 --max-len 16";
    for (offset, word) in [
        (slots(shape), 6_u64),
        (slots(shape), 1 | 1000 << 3),
        (slots(shape), !7),
        (slots(shape), 0),
        (slots(shape) + 8, u64::MAX),
        (4096 + 128, 1 << 40),
        (4608, 9),
    ] {
        let name = create("corrupt", shape);
        ok(["send", &*name, "one", "two"]);
        write(&name, offset, word);
        let done = run(["doctor", &*name]);
        assert_eq!(done.code(), Some(6), "{offset} {word:#x}: {done:?}");
        assert!(done.text().contains("corrupt: ") && done.err.contains("should be"), "{done:?}");
        let (code, document) = doctor(&name, &["--fix"]);
        assert_eq!((code, document["faults"].as_array().map(Vec::is_empty)), (Some(6), Some(false)));
        ok(["peek", &*name, "--held"]);
    }
    let name = create("corrupt", shape);
    write(&name, 0, 0);
    run(["doctor", &*name]).failed(6, &["corrupt"]);
    run(["peek", &*name]).failed(6, &["corrupt"]);
}

#[test]
fn nothing_is_changed_by_looking() {
    for ends in ALL_ENDS {
        let (name, running) = held(ends);
        ok(["send", &*name, "third"]);
        running.signal(Signal::SIGKILL);
        drop(running);
        let before = fs::read(name.path()).expect("the queue's file");
        for format in ["text", "json", "hex", "length", "raw"] {
            ok(["peek", &*name, "--held", "--format", format]);
        }
        run(["doctor", &*name]);
        run(["doctor", &*name, "--json"]);
        ok(["ls"]);
        ok(["rm", "--stale", "--dry-run", &*name]);
        assert!(before == fs::read(name.path()).expect("the queue's file"), "{ends:?}: bytes have changed");
    }
}

#[test]
fn peek_in_every_format() {
    let name = create("formats", "--capacity 64 --max-len 16");
    ok(["send", &*name, "one", "two", "three"]);
    let shown = |more: &[&str]| ok(["peek", &*name].iter().chain(more)).text().to_owned();
    assert_eq!(shown(&[]), "one\ntwo\nthree\n");
    assert_eq!(shown(&["--size", "1"]), "one\n");
    assert_eq!(shown(&["--from", "1", "--size", "1"]), "two\n");
    assert_eq!(shown(&["--from", "9"]), "");
    assert_eq!(shown(&["--format", "hex", "--size", "1"]), "6f6e65\n");
    assert_eq!(shown(&["--format", "raw"]), "onetwothree");
    assert_eq!(shown(&["--format", "length", "--size", "1"]), "\x03\0\0\0one");
    let messages = peek(&name, &[]);
    assert_eq!(
        messages[2],
        serde_json::json!({
            "position": 2, "state": "ready", "deliveries": 0, "len": 5, "text": "three",
        })
    );
    assert_eq!(ok(["pull", &*name]).text(), "one\ntwo\nthree\n");
    run(["peek", "no.such.queue"]).failed(3, &["no.such.queue"]);
}
