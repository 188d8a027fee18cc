//! The tool itself: it runs, finds nothing wrong with the library, and says what it did. (That it can find something is
//! shown beside the checks.)
#![cfg(target_arch = "x86_64")]

use std::process::Command;

use serde_json::Value;

fn run(args: &[&str]) -> Value {
    let output = Command::new(env!("CARGO_BIN_EXE_ringpost-crash")).args(args).arg("--json").output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}\n{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_str(&text).unwrap()
}

#[test]
fn steps_and_kills() {
    let report = run(&["step", "--operations", "release,send-full", "--ends", "1:1,n:n", "--quick", "--kills", "4"]);
    let rows = report["steps"].as_array().unwrap();
    // Packed queues have single ends.
    assert_eq!(rows.len(), if cfg!(feature = "packed") { 2 } else { 4 });
    assert!(rows.iter().all(|row| row["instructions"].as_u64() > Some(100) && row["lost"] == 0));
    assert!(report["kills"].as_array().is_some_and(|rows| !rows.is_empty()));
}

#[test]
fn fails_system_calls() {
    let report = run(&["fail", "--attempts", "open,leave-sender"]);
    let rows = report["failures"].as_array().unwrap();
    assert_eq!(rows.len(), 2);
    assert!(rows.iter().all(|row| row["failures"].as_u64() > Some(10) && row["panics"] == 0));
}
