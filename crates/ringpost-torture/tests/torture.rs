//! The tool itself, for a moment: a few hundred deaths, each kind of ends, and a report that says so.

use std::process::Command;

fn report(args: &[&str]) -> Option<serde_json::Value> {
    let program = env!("CARGO_BIN_EXE_ringpost-torture");
    let output = Command::new(program).arg("--json").args(args).output().expect("our own program");
    let error = String::from_utf8_lossy(&output.stderr);
    if error.contains("unshare(") {
        eprintln!("skipped: {error}");
        return None;
    }
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{}: {text}{error}", output.status);
    Some(serde_json::from_str(&text).expect("a report"))
}

#[test]
fn a_few_hundred_deaths() {
    let report = report(&["--kills", "400", "--latency", "2"]).expect("it needs nothing special");
    assert_eq!((&report["kills"], &report["rounds"], &report["clean"]), (&400.into(), &16.into(), &true.into()));
    assert!(report["committed"].as_u64() > Some(0) && report["recoveries"].as_u64() > Some(0), "{report}");
}

#[test]
fn deaths_at_packed_queues() {
    for max_len in ["96", "20"] {
        let args = ["--packed", "--kills", "100", "--latency", "0", "--max-len", max_len];
        let report = report(&args).expect("it needs nothing special");
        assert_eq!((&report["kills"], &report["rounds"], &report["clean"]), (&100.into(), &2.into(), &true.into()));
        assert!(report["committed"].as_u64() > Some(0), "{report}");
    }
}

#[test]
fn deaths_in_many_namespaces() {
    let args = ["--kills", "60", "--latency", "1", "--capacity", "64", "--namespaces"];
    if let Some(report) = report(&args) {
        assert_eq!((&report["namespaces"], &report["clean"]), (&true.into(), &true.into()));
    }
}
