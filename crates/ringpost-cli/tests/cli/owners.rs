//! Exit status 7: queues and other things that are not ours. Most of it needs to be root, to act as somebody else.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
use std::process::{Command, Stdio};

use crate::run::{Done, Name, RINGPOST, Running, create, ok, run};

const STRANGER: u32 = 12345;
const NOBODY: &str = "65534";

/// Whether this process may give files away. Says so if not.
fn is_root(test: &str) -> bool {
    let uid = fs::metadata("/proc/self").map(|meta| meta.uid());
    let root = uid.is_ok_and(|uid| uid == 0);
    if !root {
        println!("skipped: {test} needs to be root");
    }
    root
}

fn as_nobody<S: AsRef<OsStr>>(args: impl IntoIterator<Item = S>) -> Done {
    let mut command = Command::new("setpriv");
    command.arg(format!("--reuid={NOBODY}")).args(["--clear-groups", RINGPOST]).args(args);
    Running::command(command, Stdio::null()).finish()
}

/// Whether the tool can be run as another user. Says so if not.
fn is_runnable_as_nobody(test: &str) -> bool {
    let there = Command::new("setpriv").arg("--version").output().is_ok();
    let runnable = is_root(test) && there && as_nobody(["--version"]).code() == Some(0);
    if !runnable {
        println!("skipped: {test} needs setpriv, and a folder of the tool that every user may enter");
    }
    runnable
}

/// All commands that open or remove `name` refuse.
#[track_caller]
fn assert_refused(name: &str, words: &[&str]) {
    run(["send", name, "x"]).failed(7, words);
    run(["pull", name]).failed(7, words);
    run(["pull", name, "--follow"]).failed(7, words);
    run(["pull", name, "--wait", "1m"]).failed(7, words);
    run(["stat", name]).failed(7, words);
    run(["stat", name, "--json"]).failed(7, words);
    run(["rm", name]).failed(7, words);
}

#[test]
fn a_queue_of_another_user() {
    if !is_root("a_queue_of_another_user") {
        return;
    }
    let name = create("stranger", "--capacity 64 --max-len 16");
    ok(["send", &*name, "one", "two"]);
    chown(name.path(), Some(STRANGER), None).expect("root may");
    assert_refused(&name, &[&name, "a file of a user who is not accepted", "12345", "accept that user"]);
    let other = ["--accept-owner", "12346"];
    run(["pull", &*name].into_iter().chain(other)).failed(7, &["12345"]);
    assert!(name.path().exists());
    let accept = ["--accept-owner", "12345"];
    assert_eq!(ok(["pull", &*name, "--size", "1"].into_iter().chain(accept)).lines(), ["one"]);
    ok(["send", &*name, "three"].into_iter().chain(accept));
    ok(["stat", &*name].into_iter().chain(accept));
    assert_eq!(ok(["pull", &*name].into_iter().chain(other).chain(accept)).lines(), ["two", "three"]);
    ok(["rm", &*name].into_iter().chain(accept));
    assert!(!name.path().exists());
}

#[test]
fn a_symbolic_link() {
    let (name, target) = (Name::new("link"), create("target", "--capacity 64 --max-len 16"));
    symlink(target.path(), name.path()).expect("room in shared memory");
    assert_refused(&name, &[&name, "a symbolic link", "by hand"]);
    run(["create", &*name, "--capacity", "64", "--max-len", "16"]).failed(4, &["is taken"]);
    assert!(fs::symlink_metadata(name.path()).is_ok(), "it was left alone");
    ok(["stat", &*target]);
}

#[test]
fn a_directory() {
    let name = Name::new("directory");
    fs::create_dir(name.path()).expect("room in shared memory");
    assert_refused(&name, &[&name, "a directory", "by hand"]);
    run(["create", &*name, "--capacity", "64", "--max-len", "16"]).failed(4, &["is taken"]);
    assert!(name.path().is_dir(), "it was left alone");
}

#[test]
fn permissions_that_let_readers_in() {
    for mode in [0o640, 0o644, 0o606 | 0o001] {
        let name = create("mode", "--capacity 64 --max-len 16");
        fs::set_permissions(name.path(), PermissionsExt::from_mode(mode)).expect("our own file");
        let found = format!("found {mode:04o}");
        for command in ["pull", "stat"] {
            run([command, &*name]).failed(7, &["0600, 0660, 0666", &found, "change them"]);
        }
        ok(["rm", &*name]);
    }
}

#[test]
fn the_mode_that_was_asked_for() {
    for mode in [0o600, 0o606, 0o660, 0o666] {
        let name = create("mode", &format!("--capacity 64 --max-len 16 --mode {mode:04o}"));
        assert_eq!(fs::metadata(name.path()).expect("the queue's file").mode() & 0o7777, mode);
    }
    let name = create("mode", "--capacity 64 --max-len 16");
    assert_eq!(fs::metadata(name.path()).expect("the queue's file").mode() & 0o7777, 0o600);
}

#[test]
fn somebody_else_may_not_use_a_private_queue() {
    if !is_runnable_as_nobody("somebody_else_may_not_use_a_private_queue") {
        return;
    }
    let name = create("private", "--capacity 64 --max-len 16 --mode 0600");
    let words = [&*name, "no permission", "run as its owner"];
    as_nobody(["send", &*name, "x"]).failed(7, &words);
    as_nobody(["pull", &*name]).failed(7, &words);
    as_nobody(["stat", &*name]).failed(7, &words);
    as_nobody(["rm", &*name]).failed(7, &["no permission"]);
    assert!(name.path().exists());
}

#[test]
fn somebody_else_may_use_a_public_queue_but_not_remove_it() {
    if !is_runnable_as_nobody("somebody_else_may_use_a_public_queue_but_not_remove_it") {
        return;
    }
    let name = create("public", "--capacity 64 --max-len 16 --mode 0666");
    as_nobody(["send", &*name, "from nobody"]).succeeded();
    assert_eq!(ok(["pull", &*name]).lines(), ["from nobody"]);
    as_nobody(["rm", &*name]).failed(7, &[&name, "no permission to remove", "run as its owner"]);
    ok(["send", &*name, "still here"]);
    assert_eq!(as_nobody(["pull", &*name]).succeeded().lines(), ["still here"]);
}

#[test]
fn root_is_careful_with_the_queues_of_others() {
    if !is_runnable_as_nobody("root_is_careful_with_the_queues_of_others") {
        return;
    }
    let name = Name::new("theirs");
    as_nobody(["create", &*name, "--capacity", "64", "--max-len", "16"]).succeeded();
    assert_refused(&name, &[&name, NOBODY, "accept that user"]);
    ok(["send", &*name, "--accept-owner", NOBODY, "x"]);
    assert_eq!(as_nobody(["pull", &*name]).succeeded().lines(), ["x"]);
    ok(["rm", "--accept-owner", NOBODY, &*name]);
}
