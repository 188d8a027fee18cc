//! Help, completions, and what the tool says when nobody watches: nothing.

use std::process::{Command, Stdio};

use crate::run::{RINGPOST, create, numbered, ok, ok_with, run};

const COMMANDS: [&str; 11] =
    ["create", "send", "pull", "stat", "peek", "doctor", "ls", "rm", "plan", "bench", "completions"];

#[test]
fn each_command_has_help() {
    let all = ok(["--help"]);
    for command in COMMANDS {
        let listed = |line: &str| line.trim_start().starts_with(&format!("{command} "));
        assert!(all.text().lines().any(listed), "{command} is not listed");
        let help = ok([command, "--help"]);
        assert!(help.text().contains("Usage: ringpost") && help.lines().len() > 4, "{help:?}");
        assert_eq!(ok(["help", command]).text(), help.text());
    }
}

#[test]
fn it_has_a_version() {
    assert_eq!(ok(["--version"]).text(), concat!("ringpost ", env!("CARGO_PKG_VERSION"), "\n"));
}

#[test]
fn each_shell_has_completions() {
    for shell in ["bash", "zsh", "fish"] {
        let script = ok(["completions", shell]);
        for command in COMMANDS {
            assert!(script.text().contains(command), "{shell}: {command}");
        }
        assert!(script.text().contains("accept-owner"), "{shell}");
    }
}

#[test]
fn what_cannot_be_written_does_not_panic() {
    let name = create("closed", "--capacity 64 --max-len 16");
    for args in [
        vec!["completions", "bash"],
        vec!["completions", "zsh"],
        vec!["completions", "fish"],
        vec!["stat", &name],
        vec!["stat", &name, "--json"],
        vec!["peek", &name],
        vec!["doctor", &name],
        vec!["doctor", &name, "--json"],
        vec!["ls"],
        vec!["ls", "--json"],
        vec!["plan", "--capacity", "64", "--max-len", "16"],
        vec!["--help"],
        vec!["--version"],
    ] {
        let (pipe, writer) = std::io::pipe().expect("a pipe");
        drop(pipe);
        let mut command = Command::new(RINGPOST);
        let done = command.args(&args).stdin(Stdio::null()).stdout(writer).stderr(Stdio::piped()).output();
        let done = done.expect("the tool runs");
        assert!(matches!(done.status.code(), Some(0 | 1)), "{args:?}: {done:?}");
        assert_eq!(String::from_utf8_lossy(&done.stderr), "", "{args:?}");
    }
}

#[test]
fn quiet_when_piped() {
    let name = create("quiet", "--capacity 4096 --max-len 16");
    let sent = ok_with(["send", &*name], numbered(0, 4000).as_bytes());
    assert_eq!(sent.text(), "");
    assert_eq!(ok(["pull", &*name]).text(), numbered(0, 4000));
    assert_eq!(ok(["rm", &*name]).text(), "");
}

#[test]
fn errors_are_one_line_and_say_who_speaks() {
    for args in [vec!["stat", "no.such.queue"], vec!["rm", "no.such.queue"], vec!["pull", "a/b"]] {
        let done = run(&args);
        assert_eq!(done.err.lines().count(), 1, "{done:?}");
        assert!(done.err.starts_with("ringpost: "), "{done:?}");
    }
}

#[test]
fn no_colours_when_piped() {
    for args in [vec!["--help"], vec!["nonsense"], vec!["create"]] {
        let done = run(&args);
        assert!(!done.err.contains('\x1b') && !done.text().contains('\x1b'), "{done:?}");
    }
}
