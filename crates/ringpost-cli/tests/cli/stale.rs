//! What `ls` tells of queues that nobody uses, and what `rm --stale` does with them. Only ever with names: other tests
//! have queues, too.

use std::fs::{self, File};
use std::process::Stdio;
use std::time::{Duration, SystemTime};

use nix::sys::signal::Signal;
use serde_json::{Value, json};

use crate::run::{Name, Running, create, json as document, ok, run, stat, wait_for};

const SHAPE: &str = "--capacity 64 --max-len 16";

fn listed(name: &str) -> Value {
    let all = document(["ls", "--json"]);
    all.as_array().expect("a list").iter().find(|entry| entry["name"] == name).cloned().unwrap_or_default()
}

fn row(name: &str) -> String {
    let text = ok(["ls"]);
    text.lines().into_iter().find(|line| line.starts_with(&format!("{name} "))).unwrap_or_default().to_owned()
}

/// What `rm --stale` does with `name`.
fn sweep(name: &str, more: &[&str]) -> (String, String) {
    let all = document(["rm", "--stale", name, "--json"].iter().chain(more));
    let text = |key: &str| all[0][key].as_str().unwrap_or_default().to_owned();
    assert_eq!(all.as_array().map(Vec::len), Some(1), "{all:#}");
    (text("done"), text("why"))
}

#[test]
fn ls_tells_who_uses_a_queue() {
    let name = create("use", SHAPE);
    assert_eq!(listed(&name)["stale"]["messages"], 0);
    ok(["send", &*name, "a", "b"]);
    let entry = listed(&name);
    assert_eq!((&entry["open"], &entry["endpoints"], &entry["kind"]), (&json!(false), &json!(0), &json!("queue")));
    assert_eq!(entry["stale"]["messages"], 2);
    assert!(entry["stale"]["unused_for_ns"].as_u64() < Some(1 << 40), "{entry}");
    assert!(row(&name).contains("stale: 2 messages, unused for"), "{}", row(&name));
    let follower = Running::start(["pull", &*name, "--follow"], Stdio::null());
    wait_for("it to join", || listed(&name)["endpoints"] == 1);
    assert_eq!((&listed(&name)["open"], &listed(&name)["stale"]), (&json!(true), &Value::Null));
    assert!(row(&name).ends_with("1 endpoint"), "{}", row(&name));
    follower.signal(Signal::SIGKILL);
    drop(follower);
    let entry = listed(&name);
    assert_eq!((&entry["open"], &entry["endpoints"], &entry["dead"]), (&json!(false), &json!(0), &json!(1)));
    assert!(row(&name).contains("stale: ") && row(&name).ends_with("1 dead"), "{}", row(&name));
}

#[test]
fn a_name_that_nothing_has_is_an_error() {
    let name = create("there", SHAPE);
    for more in [&[][..], &["--json"], &["--dry-run"]] {
        let missing = format!("{}.missing", &*name);
        let done = run(["rm", "--stale", &*name, &*missing].iter().chain(more));
        assert_eq!(done.code(), Some(3), "{done:?}");
        assert!(
            done.err.contains(&missing) && done.text().contains("left"),
            "what is there is told all the same: {done:?}"
        );
    }
    assert!(name.path().exists());
}

#[test]
fn only_empty_queues_that_nobody_uses_go() {
    let name = create("rm", SHAPE);
    assert_eq!(sweep(&name, &[]).0, "left", "it was made a moment ago");
    ok(["send", &*name, "a"]);
    let (done, why) = sweep(&name, &["--older-than", "0s"]);
    assert!(done == "left" && why.starts_with("1 messages in it"), "{done}: {why}");
    assert_eq!(sweep(&name, &["--with-messages"]).0, "left", "it was used a moment ago");
    let follower = Running::start(["pull", &*name, "--follow"], Stdio::null());
    wait_for("it to be empty", || stat(&name)["size"] == 0);
    let (done, why) = sweep(&name, &["--older-than", "0s", "--with-messages"]);
    assert_eq!((&*done, &*why), ("left", "somebody has it open"));
    follower.signal(Signal::SIGTERM);
    follower.finish();
    assert_eq!(sweep(&name, &["--older-than", "0s", "--dry-run"]).0, "would remove");
    assert!(name.path().exists());
    let done = ok(["rm", "--stale", "--older-than", "0s", &*name]);
    assert!(
        done.text().contains(&*name) && done.text().contains("removed") && done.text().contains("empty"),
        "{done:?}"
    );
    assert!(!name.path().exists());
    run(["rm", "--stale", &*name]).failed(3, &["there is none"]);
}

#[test]
fn messages_go_only_when_asked() {
    let name = create("messages", SHAPE);
    ok(["send", &*name, "a", "b", "--close"]);
    assert_eq!(sweep(&name, &["--older-than", "0s"]).0, "left");
    assert_eq!(ok(["peek", &*name]).text(), "a\nb\n");
    assert_eq!(sweep(&name, &["--older-than", "0s", "--with-messages"]).0, "removed");
    assert!(!name.path().exists());
}

/// What a dead receiver held will be delivered again, so the queue is not empty.
#[test]
fn what_the_dead_held_counts() {
    let name = create("held", "--capacity 64 --max-len 256KiB");
    crate::run::ok_with(["send", &*name], "x".repeat(200_000).as_bytes());
    let follower = Running::start(["pull", &*name, "--follow"], Stdio::null());
    wait_for("the message to be taken", || stat(&name)["size"] == 0);
    follower.signal(Signal::SIGKILL);
    drop(follower);
    let (done, why) = sweep(&name, &["--older-than", "0s"]);
    assert!(done == "left" && why.starts_with("1 messages in it"), "{done}: {why}");
    assert_eq!(ok(["pull", &*name]).out.len(), 200_001);
}

#[test]
fn what_is_damaged_or_not_ours_stays() {
    let (damaged, scribbled, folder) = (create("damaged", SHAPE), create("scribbled", SHAPE), Name::new("folder"));
    let write = |name: &Name, offset: u64, bytes: &[u8]| {
        let file = File::options().write(true).open(name.path()).expect("the queue's file");
        std::os::unix::fs::FileExt::write_all_at(&file, bytes, offset).expect("room in the file");
    };
    write(&damaged, 20, b"x");
    write(&scribbled, 4096, &(1_u64 << 50).to_ne_bytes());
    fs::create_dir(folder.path()).expect("room in shared memory");
    for name in [&damaged, &scribbled, &folder] {
        let (done, why) = sweep(name, &["--older-than", "0s", "--with-messages"]);
        assert_eq!(done, "left", "{why}");
        assert!(why.contains("corrupt") || why.contains("a directory"), "{why}");
        assert!(name.path().exists());
    }
}

#[test]
fn temporaries_of_dead_makers_go() {
    /// Gone after the test, however that ends.
    struct Temporary(String);
    impl Drop for Temporary {
        fn drop(&mut self) {
            let _ = fs::remove_file(format!("/dev/shm/{}", self.0));
        }
    }
    let make = |number: u32, age: u64| {
        let name = Temporary(format!(".ringpost.tmp.{}.{number:016x}", std::process::id()));
        let file = File::create(format!("/dev/shm/{}", name.0)).expect("room in shared memory");
        file.set_modified(SystemTime::now() - Duration::from_secs(age)).expect("our own file");
        name
    };
    let (old, young) = (make(1, 3600), make(2, 1));
    for (name, stale) in [(&old, true), (&young, false)] {
        let entry = listed(&name.0);
        assert_eq!((&entry["kind"], &entry["maker_alive"]), (&json!("temporary"), &json!(false)), "{entry}");
        assert_eq!(entry["stale"], stale);
        assert_eq!(row(&name.0).contains("left over"), stale);
    }
    assert_eq!(sweep(&old.0, &["--dry-run"]).0, "would remove");
    assert_eq!(sweep(&old.0, &[]), ("removed".to_owned(), "its maker is dead".to_owned()));
    assert_eq!(sweep(&young.0, &[]).0, "left");
    assert_eq!(listed(&old.0), Value::Null);
}

#[test]
fn words_that_need_each_other() {
    run(["rm"]).failed(2, &["NAMES"]);
    for word in ["--dry-run", "--with-messages", "--json", "--older-than=1s"] {
        // It needs --stale, and would have nothing to do with names alone.
        let name = create("words", SHAPE);
        run(["rm", &*name, word]).failed(2, &["--stale"]);
        run(["rm", word]).failed(2, &["required"]);
        assert!(name.path().exists());
    }
}
