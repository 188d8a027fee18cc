//! `stat`, `ls` and `plan`: documents whose numbers are numbers, and right.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::process::Stdio;
use std::time::{Duration, SystemTime};

use nix::sys::signal::Signal;
use serde_json::{Value, json};

use crate::run::{
    ALL_ENDS, Name, Running, create, create_with, json, numbered, ok, ok_with, run, run_with, stat, wait_for,
};

#[track_caller]
fn assert_has(document: &Value, expected: &Value) {
    for (key, value) in expected.as_object().expect("an object") {
        assert_eq!(&document[key], value, "{key} of {document:#}");
    }
}

fn now_ns() -> u64 {
    let since_1970 = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("a clock that is right");
    u64::try_from(since_1970.as_nanos()).expect("before the year 2554")
}

#[test]
fn stat_of_a_new_queue() {
    let before = now_ns();
    let name = create("new", "--capacity 100 --max-len 1KiB --senders single --when-full 1500ms");
    let stat = stat(&name);
    let expected = json!({
        "name": &*name, "capacity": 128, "size": 0, "max_len_bytes": 1024, "senders": "single", "receivers": "multi",
        "when_full": "1s 500ms", "deadline_ns": 1_500_000_000_u64, "message_type": null, "ephemeral": false,
        "closed": false, "format_version": 9, "sent": 0, "sent_bytes": 0, "pulled": 0, "pulled_bytes": 0, "dropped": 0,
        "overwritten": 0, "recovered": 0, "max_deliveries": null, "dead_letter": null, "dead_lettered": 0, "expired": 0,
        "not_dead_lettered": 0, "endpoints": [],
    });
    assert_has(&stat, &expected);
    assert_eq!(stat["total_bytes"].as_u64(), Some(fs::metadata(name.path()).expect("the queue's file").len()));
    let created = stat["created_ns"].as_u64().expect("a number");
    assert!((before..=now_ns()).contains(&created), "{created}");
}

#[test]
fn stat_tells_of_dead_letters() {
    let name = create("limited", "--capacity 64 --max-len 16 --max-deliveries 3 --dead-letter the.dead");
    assert_has(&stat(&name), &json!({"max_deliveries": 3, "dead_letter": "the.dead"}));
    let text = ok(["stat", &*name]);
    assert!(text.text().contains("at most 3, then to the.dead"), "{}", text.text());
    let again = |limit: &'static str| {
        let like = "--capacity 64 --max-len 16 --dead-letter the.dead --exist-ok --max-deliveries";
        let mut args = vec!["create", &*name];
        args.extend(like.split(' ').chain([limit]));
        run(args)
    };
    again("3").succeeded();
    again("4").failed(6, &["limit of deliveries"]);
    let other = Name::new("limits");
    for (args, why) in [("--max-deliveries 31", "from 1 to 30"), ("--max-deliveries 2 --dead-letter a/b", "not a name")]
    {
        let mut all = vec!["create", &*other, "--capacity", "64", "--max-len", "16"];
        all.extend(args.split(' '));
        run(all).failed(2, &[why]);
    }
}

#[test]
fn stat_counts_what_was_done() {
    for ends in ALL_ENDS {
        let name = create_with(ends, "counts", "--max-len 16");
        ok(["send", &*name, "a", "bb", "ccc"]);
        ok_with(["send", &*name], b"dddd\neeeee\n");
        ok(["pull", &*name, "--size", "2"]);
        assert_has(&stat(&name), &json!({"sent": 5, "sent_bytes": 15, "pulled": 2, "pulled_bytes": 3, "size": 3}));
        ok(["pull", &*name]);
        ok(["send", &*name, "--close"]);
        let expected = json!({"sent": 5, "pulled": 5, "pulled_bytes": 15, "size": 0, "dropped": 0, "closed": true});
        assert_has(&stat(&name), &expected);
    }
}

#[test]
fn stat_counts_refusals_and_overwrites() {
    let fail = create("dropped", "--capacity 64 --max-len 16 --when-full fail");
    run_with(["send", &*fail], numbered(0, 70).as_bytes()).failed(5, &[]);
    run(["send", &*fail, "x"]).failed(5, &[]);
    assert_has(&stat(&fail), &json!({"sent": 64, "dropped": 2, "overwritten": 0, "when_full": "fail"}));
    let overwrite = create("overwritten", "--capacity 64 --max-len 16 --when-full overwrite");
    ok_with(["send", &*overwrite], numbered(0, 100).as_bytes());
    let expected = json!({
        "sent": 100, "dropped": 0, "overwritten": 36, "size": 64, "when_full": "overwrite", "deadline_ns": null,
    });
    assert_has(&stat(&overwrite), &expected);
}

#[test]
fn stat_shows_who_uses_it() {
    let before = now_ns();
    for ends in ALL_ENDS {
        let name = create_with(ends, "who", "--max-len 16");
        let follower = Running::start(["pull", &*name, "--follow"], Stdio::null());
        let mut sender = Running::start(["send", &*name], Stdio::piped());
        let stdin = sender.stdin();
        let endpoints = || stat(&name)["endpoints"].as_array().expect("a list").clone();
        wait_for("both", || endpoints().len() == 2);
        for (role, pid) in [("receiver", follower.pid()), ("sender", sender.pid())] {
            let found = endpoints().into_iter().find(|end| end["role"] == role).expect("both roles");
            assert_has(&found, &json!({"pid": pid, "state": "alive"}));
            assert!(found["number"].as_u64() > Some(0), "{found}");
            assert!((before..=now_ns()).contains(&found["joined_ns"].as_u64().expect("a number")), "{found}");
            let table = ok(["stat", &*name]);
            let row = table.lines().into_iter().find(|line| line.contains(role) && line.contains(&pid.to_string()));
            assert!(row.is_some_and(|row| row.contains("alive")), "{table:?}");
        }
        follower.signal(Signal::SIGKILL);
        follower.finish();
        let dead: Vec<_> = endpoints().into_iter().filter(|end| end["state"] == "dead").collect();
        assert_eq!(dead.len(), 1, "{ends:?}: {dead:?}");
        assert_eq!(dead[0]["role"], "receiver");
        drop(stdin);
        sender.finish().succeeded();
    }
}

#[test]
fn stat_for_people() {
    let name = create("people", "--capacity 64 --max-len 1KiB");
    ok(["send", &*name, "hello"]);
    let done = ok(["stat", &*name]);
    for words in [&*name, "1 of 64 messages", "1.0 KiB", "multi sender, multi receiver", "block", "raw bytes", "5 B"] {
        assert!(done.text().contains(words), "{words}: {done:?}");
    }
}

#[test]
fn ls_lists_them() {
    let (first, second) = (create("ls", "--capacity 64 --max-len 16"), create("ls", "--capacity 4 --max-len 1MiB"));
    let found = json(["ls", "--json"]);
    let entry = |name: &str| found.as_array().expect("a list").iter().find(|entry| entry["name"] == name).cloned();
    let (one, two) = (entry(&first).expect("the first"), entry(&second).expect("the second"));
    assert_has(&one, &json!({"capacity": 64, "max_len_bytes": 16, "senders": "multi", "receivers": "multi"}));
    assert_has(&two, &json!({"capacity": 4, "max_len_bytes": 1 << 20}));
    for (name, entry) in [(&first, &one), (&second, &two)] {
        assert_eq!(entry["total_bytes"], fs::metadata(name.path()).expect("the queue's file").len());
        assert_eq!(entry["created_ns"], stat(name)["created_ns"]);
    }
    let text = ok(["ls"]);
    assert!(text.lines()[0].starts_with("NAME"), "{text:?}");
    let row = text.lines().into_iter().find(|line| line.starts_with(&format!("{} ", &*second))).expect("the second");
    assert!(row.contains("1.0 MiB") && row.contains("multi to multi"), "{row}");
    ok(["rm", &*second]);
    assert!(json(["ls", "--json"]).as_array().expect("a list").iter().all(|entry| entry["name"] != *second));
}

#[test]
fn ls_keeps_its_columns_narrow() {
    let (good, bad) = (create("narrow", "--capacity 64 --max-len 16"), create("narrow", "--capacity 64 --max-len 16"));
    fs::write(bad.path(), b"nonsense").expect("room in shared memory");
    let text = ok(["ls"]);
    let heading = text.lines()[0];
    let after_names = heading.find("CAPACITY").expect("a heading");
    let width = heading.find("MAX LENGTH").expect("a heading") - after_names;
    assert!(width <= "CAPACITY".len() + 4, "an error is not part of the column:\n{}", text.text());
    assert!(text.text().contains(&*good) && text.text().contains("cannot be opened"));
}

#[test]
fn plan_is_what_create_makes() {
    let shapes = [
        "--capacity 64 --max-len 16",
        "--capacity 1 --max-len 0 --senders single --receivers single",
        "--capacity 1000 --max-len 100 --senders single",
        "--capacity 5 --max-len 1MiB --align 4096 --endpoints 2",
        "--capacity 4096 --max-len 4KiB --when-full overwrite --endpoints 500",
        "--capacity 64 --max-len 2MiB --when-full fail",
        "--capacity 4096 --max-len 12 --packed --align 4",
    ];
    for shape in shapes {
        let plan = json(format!("plan {shape} --json").split(' '));
        let name = create("plan", shape);
        let file = fs::metadata(name.path()).expect("the queue's file");
        assert_eq!(plan["total_bytes"], file.len(), "{shape}");
        assert_eq!(file.blocks() * 512, file.len(), "{shape}: all of it is allocated");
        let stat = stat(&name);
        assert_has(&stat, &json!({"total_bytes": plan["total_bytes"], "capacity": plan["capacity"]}));
        let number = |key: &str| plan[key].as_u64().unwrap_or_else(|| panic!("{key} of {plan}"));
        let slots = number("total_bytes") - number("slots_offset_bytes");
        assert!(slots >= number("capacity") * number("payload_stride_bytes"), "{shape}: {plan}");
        assert!(slots >= number("capacity") * number("word_stride_bytes"), "{shape}: {plan}");
        assert!(number("payload_offset_bytes") < slots && number("endpoint_rows") >= 4, "{plan}");
    }
    let text = ok(["plan", "--capacity", "64", "--max-len", "16"]);
    assert!(text.text().contains("64 messages") && text.text().contains("bytes"), "{text:?}");
}

#[test]
fn a_plan_makes_nothing_and_is_quick() {
    let done = ok(["plan", "--capacity", "1073741824", "--max-len", "1KiB", "--json"]);
    assert!(done.took < Duration::from_secs(5), "{done:?}");
    let plan: Value = serde_json::from_slice(&done.out).expect("a document");
    assert!(plan["total_bytes"].as_u64() > Some(1 << 40), "{plan}");
}
