//! An interrupt loses nothing: what was not written out stays in the queue, in order.

use std::fs::OpenOptions;
use std::io::Read;
use std::process::{ChildStdout, Command, Stdio};

use nix::sys::signal::Signal;

use crate::run::{ALL_ENDS, Name, RINGPOST, Running, create, numbered, ok, ok_with, run, run_with, stat, wait_for};

/// More than a pipe holds, and more than `pull` gathers at a time.
const LINES: usize = 4096;
const WIDTH: usize = 200;
const SIGNALS: [Signal; 3] = [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP];

fn line(number: usize) -> String {
    format!("{number:0>width$}\n", width = WIDTH - 1)
}

fn lines(from: usize) -> String {
    (from..LINES).map(line).collect()
}

/// A queue full of numbered lines.
fn full((senders, receivers): (&str, &str)) -> Name {
    let options = format!("--capacity {LINES} --max-len {WIDTH} --senders {senders} --receivers {receivers}");
    let name = create("interrupt", &options);
    ok_with(["send", &*name], lines(0).as_bytes());
    name
}

/// Follows `name` into a pipe that nobody reads, until it can write no more.
fn stuck(name: &str, format: &str) -> (Running, ChildStdout) {
    let mut follower = Running::start(["pull", name, "--follow", "--format", format], Stdio::null());
    let pipe = follower.stdout();
    follower.until_asleep();
    assert_eq!(stat(name)["pulled"], 0, "the batch is still being written");
    (follower, pipe)
}

fn rest_of(mut pipe: ChildStdout) -> Vec<u8> {
    let mut bytes = Vec::new();
    pipe.read_to_end(&mut bytes).expect("a pipe");
    bytes
}

/// Asserts that `written` and what is still in the queue are the lines, each once, but for a piece of one at the end of
/// `written`, which is in the queue, whole.
#[track_caller]
fn assert_nothing_lost(name: &str, written: &[u8]) {
    let whole = written.len() / WIDTH;
    let again = ok(["pull", name]);
    assert!(again.text() == lines(whole), "{whole} lines were written; the rest begins {:?}", again.lines().first());
    assert!(lines(0).as_bytes().starts_with(written), "{whole} lines");
    assert_eq!(stat(name)["pulled"], LINES);
}

#[test]
fn a_signal_while_nobody_reads() {
    for (round, ends) in ALL_ENDS.into_iter().enumerate() {
        let name = full(ends);
        let (follower, pipe) = stuck(&name, "text");
        follower.signal(SIGNALS[round % SIGNALS.len()]);
        follower.finish().succeeded();
        let written = rest_of(pipe);
        assert!(written.len() < LINES * WIDTH, "{ends:?}: it was stuck");
        assert_nothing_lost(&name, &written);
    }
}

#[test]
fn a_signal_after_somebody_read_some() {
    for ends in ALL_ENDS {
        let name = full(ends);
        let (follower, mut pipe) = stuck(&name, "text");
        let mut some = vec![0; 300_000];
        pipe.read_exact(&mut some).expect("a pipe");
        follower.until_asleep();
        follower.signal(Signal::SIGINT);
        follower.finish().succeeded();
        assert_nothing_lost(&name, &[some, rest_of(pipe)].concat());
    }
}

#[test]
fn a_signal_while_somebody_reads() {
    for ends in ALL_ENDS {
        let name = full(ends);
        let mut follower = Running::start(["pull", &*name, "--follow"], Stdio::null());
        let mut pipe = follower.stdout();
        let mut first = [0; 1];
        pipe.read_exact(&mut first).expect("a pipe");
        let reader = std::thread::spawn(move || rest_of(pipe));
        follower.signal(Signal::SIGINT);
        follower.finish().succeeded();
        let rest = reader.join().expect("a reader");
        let written = [&first[..], &rest].concat();
        let whole = written.len() / WIDTH;
        assert!(lines(0).as_bytes().starts_with(&written), "{ends:?}");
        let left = run(["pull", &*name]);
        assert!(left.text() == lines(whole), "{ends:?}: {whole} lines were written");
    }
}

#[test]
fn messages_that_come_back_are_delivered_again() {
    let name = full(("multi", "multi"));
    let (follower, pipe) = stuck(&name, "json");
    follower.signal(Signal::SIGINT);
    follower.finish().succeeded();
    let written = rest_of(pipe);
    let whole = written.iter().filter(|byte| **byte == b'\n').count();
    let again = ok(["pull", &*name, "--format", "json"]);
    assert_eq!(whole + again.lines().len(), LINES);
    let mut deliveries = Vec::new();
    for (number, document) in (whole..).zip(again.lines()) {
        let document: serde_json::Value = serde_json::from_str(document).expect("a document a line");
        assert_eq!(document["text"], line(number).trim_end());
        deliveries.push(document["deliveries"].as_u64().expect("a number"));
    }
    // Those that the follower had looked at come for the second time; it had not come to the others.
    assert!(deliveries.is_sorted_by(|one, next| one >= next), "{deliveries:?}");
    assert_eq!((deliveries.first(), deliveries.last()), (Some(&2), Some(&1)));
}

/// Large raw messages are written one by one from where they lie.
#[test]
fn a_signal_within_a_large_message() {
    const LEN: usize = 50_000;
    let input: Vec<u8> = (0..64 * LEN).map(|i| (i / 7) as u8).collect();
    for (senders, receivers) in ALL_ENDS {
        let options = format!("--capacity 64 --max-len {LEN} --senders {senders} --receivers {receivers}");
        let name = create("large", &options);
        ok_with(["send", &*name, "--framing", "chunk"], &input);
        let mut follower = Running::start(["pull", &*name, "--follow", "--format", "raw"], Stdio::null());
        let pipe = follower.stdout();
        follower.until_asleep();
        follower.signal(Signal::SIGINT);
        follower.finish().succeeded();
        let written = rest_of(pipe);
        let whole = written.len() / LEN;
        assert!(input.starts_with(&written));
        assert_eq!(stat(&name)["pulled"], whole);
        assert!(ok(["pull", &*name, "--format", "raw"]).out == input[whole * LEN..], "{whole} were written");
    }
}

#[test]
fn the_reader_goes() {
    for ends in ALL_ENDS {
        let name = full(ends);
        let (follower, mut pipe) = stuck(&name, "text");
        let mut some = vec![0; 1000];
        pipe.read_exact(&mut some).expect("a pipe");
        drop(pipe);
        let done = follower.finish();
        assert_eq!((done.code(), &*done.err), (Some(1), ""), "{done:?}");
        let left = ok(["pull", &*name]);
        let first: usize = left.lines()[0].parse().expect("a number");
        assert!(left.text() == lines(first), "{ends:?}: from {first}");
        assert_eq!(stat(&name)["pulled"], LINES);
        // What the pipe held was written out, and went with its reader.
        assert!((5..LINES / 2).contains(&first), "{ends:?}: from {first}");
    }
}

#[test]
fn nobody_reads_from_the_start() {
    for args in [vec!["pull"], vec!["pull", "--follow"], vec!["pull", "--size", "3", "--timeout", "10s"]] {
        let name = create("nobody", "--capacity 64 --max-len 16");
        ok_with(["send", &*name], numbered(0, 9).as_bytes());
        let (pipe, writer) = std::io::pipe().expect("a pipe");
        drop(pipe);
        let mut command = Command::new(RINGPOST);
        command.args(&args).arg(&*name).stdin(Stdio::null()).stdout(writer).stderr(Stdio::piped());
        let done = command.output().expect("the tool runs");
        assert_eq!((done.status.code(), &done.stderr[..]), (Some(1), &b""[..]), "{args:?}");
        assert_eq!(ok(["pull", &*name]).text(), numbered(0, 9), "{args:?}");
    }
}

#[test]
fn the_disk_is_full() {
    let name = create("disk", "--capacity 64 --max-len 16");
    ok_with(["send", &*name], numbered(0, 9).as_bytes());
    let full = OpenOptions::new().write(true).open("/dev/full").expect("a device that is always full");
    let mut command = Command::new(RINGPOST);
    command.args(["pull", &*name]).stdin(Stdio::null()).stdout(full).stderr(Stdio::piped());
    let done = command.output().expect("the tool runs");
    assert_eq!(done.status.code(), Some(1));
    let err = String::from_utf8_lossy(&done.stderr);
    assert!(err.contains("writing standard output") && err.contains("No space left"), "{err}");
    assert_eq!(ok(["pull", &*name]).text(), numbered(0, 9));
}

#[test]
fn a_signal_before_as_many_are_there() {
    for ends in ALL_ENDS {
        let (senders, receivers) = ends;
        let options = format!("--capacity 64 --max-len 16 --senders {senders} --receivers {receivers}");
        let name = create("before", &options);
        ok(["send", &*name, "a", "b", "c"]);
        let pull = Running::start(["pull", &*name, "--size", "5", "--timeout", "10s"], Stdio::null());
        pull.until_asleep();
        pull.signal(Signal::SIGINT);
        let done = pull.finish();
        done.failed(1, &["interrupted", "nothing was pulled"]);
        assert_eq!((stat(&name)["size"].as_u64(), stat(&name)["pulled"].as_u64()), (Some(3), Some(0)), "{ends:?}");
        assert_eq!(ok(["pull", &*name]).lines(), ["a", "b", "c"], "{ends:?}");
    }
}

#[test]
fn a_signal_while_one_pull_is_being_written() {
    let name = full(("multi", "multi"));
    let mut pull = Running::start(["pull", &*name], Stdio::null());
    let pipe = pull.stdout();
    pull.until_asleep();
    pull.signal(Signal::SIGINT);
    let done = pull.finish();
    let written = rest_of(pipe);
    let pulled = format!("{} messages were written", written.len() / WIDTH);
    done.failed(1, &["interrupted", &pulled]);
    assert_nothing_lost(&name, &written);
}

#[test]
fn a_follower_that_waits() {
    for signal in SIGNALS {
        let name = create("waits", "--capacity 64 --max-len 16");
        let follower = Running::start(["pull", &*name, "--follow"], Stdio::null());
        wait_for("the follower", || stat(&name)["endpoints"].as_array().is_some_and(|ends| !ends.is_empty()));
        follower.until_asleep();
        follower.signal(signal);
        follower.finish().succeeded();
        assert_eq!(stat(&name)["endpoints"].as_array().map(Vec::len), Some(0), "it has left");
    }
}

#[test]
fn a_signal_that_is_ignored_stays_ignored() {
    let name = create("ignored", "--capacity 64 --max-len 16");
    let mut command = Command::new("sh");
    command.args(["-c", "trap '' HUP INT; exec \"$0\" \"$@\"", RINGPOST, "pull", &*name, "--follow"]);
    let follower = Running::command(command, Stdio::null());
    wait_for("the follower", || stat(&name)["endpoints"].as_array().is_some_and(|ends| !ends.is_empty()));
    for signal in [Signal::SIGHUP, Signal::SIGINT] {
        follower.until_asleep();
        follower.signal(signal);
    }
    follower.until_asleep();
    ok(["send", &*name, "still here"]);
    wait_for("the message", || stat(&name)["pulled"] == 1);
    follower.signal(Signal::SIGTERM);
    assert_eq!(follower.finish().succeeded().lines(), ["still here"]);
}

#[test]
fn a_sender_that_waits_for_room() {
    for (senders, receivers) in ALL_ENDS {
        for limit in [&[][..], &["--timeout", "15s"]] {
            let options = format!("--capacity 64 --max-len 16 --senders {senders} --receivers {receivers}");
            let name = create("room", &options);
            let mut sender = Running::start(["send", &*name].iter().chain(limit), Stdio::piped());
            let mut stdin = sender.stdin();
            std::io::Write::write_all(&mut stdin, numbered(0, 100).as_bytes()).expect("a pipe");
            wait_for("a full queue", || stat(&name)["size"] == 64);
            sender.until_asleep();
            sender.signal(Signal::SIGINT);
            sender.finish().failed(1, &["interrupted", "64 messages were sent"]);
            assert_eq!(ok(["pull", &*name]).text(), numbered(0, 64));
        }
    }
}

#[test]
fn a_sender_that_waits_for_input() {
    for framing in ["lines", "chunk"] {
        for senders in ["single", "multi"] {
            let name = create("input", &format!("--capacity 64 --max-len 4 --senders {senders}"));
            let mut sender = Running::start(["send", &*name, "--framing", framing], Stdio::piped());
            let mut stdin = sender.stdin();
            std::io::Write::write_all(&mut stdin, b"one\ntwo\nth").expect("a pipe");
            wait_for("two messages", || stat(&name)["size"] == 2);
            sender.until_asleep();
            sender.signal(Signal::SIGINT);
            sender.finish().failed(1, &["interrupted", "2 messages were sent"]);
            let name: &str = &name;
            ok(["send", name, "--close", "new"]);
            assert_eq!(ok(["pull", name, "--format", "raw"]).text().replace('\n', ""), "onetwonew");
        }
    }
}

/// Input that never ends and room that never ends: there is no wait to interrupt.
#[test]
fn a_sender_that_never_waits() {
    for framing in ["lines", "chunk", "length"] {
        for senders in ["single", "multi"] {
            let options = format!("--capacity 64 --max-len 512KiB --when-full overwrite --senders {senders}");
            let name = create("never", &options);
            let zero = OpenOptions::new().read(true).open("/dev/zero").expect("a device without an end");
            let input = if framing == "lines" { Stdio::piped() } else { zero.into() };
            let mut sender = Running::start(["send", &*name, "--framing", framing], input);
            let feeder = (framing == "lines").then(|| {
                let mut stdin = sender.stdin();
                // Until it has gone.
                std::thread::spawn(move || while std::io::Write::write_all(&mut stdin, b"yes\nyes\n").is_ok() {})
            });
            wait_for("some messages", || stat(&name)["sent"].as_u64() > Some(100));
            sender.signal(Signal::SIGINT);
            sender.finish().failed(1, &["interrupted", "messages were sent"]);
            if let Some(feeder) = feeder {
                feeder.join().expect("a feeder");
            }
        }
    }
}

#[test]
fn a_wait_for_the_queue() {
    for (signal, command) in [(Signal::SIGINT, "pull"), (Signal::SIGTERM, "send"), (Signal::SIGINT, "stat")] {
        let name = Name::new("made");
        let waiting = Running::start([command, &*name, "--wait", "15s"], Stdio::null());
        waiting.until_asleep();
        waiting.signal(signal);
        let done = waiting.finish();
        assert!(done.took < crate::run::LONG / 2, "{command}: {done:?}");
        assert_ne!(done.code(), Some(0));
    }
}

#[test]
fn closing_waits_for_all_to_be_sent() {
    let name = create("closing", "--capacity 64 --max-len 16");
    let done = run_with(["send", &*name, "--timeout", "50ms", "--close"], numbered(0, 100).as_bytes());
    done.failed(5, &["64 messages were sent"]);
    assert_eq!(stat(&name)["closed"], false, "not all was sent");
}
