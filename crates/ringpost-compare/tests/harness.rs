//! The tool as a whole: each transport between real processes, and the checks that must see what is wrong.

use std::path::Path;
use std::process::Command;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use ringpost_compare::cell::{LEFT_OUT, Lane, Round, SIZES, Task};
use ringpost_compare::machine::Machine;
use ringpost_compare::plan::{Effort, Only, cells, place, sweeps};
use ringpost_compare::registry::{ENTRIES, Kind};
use ringpost_compare::results::Outcome;
use ringpost_compare::{calls, costs, crowd, measure, memory};

const TOOL: &str = env!("CARGO_BIN_EXE_ringpost-compare");

/// Sessions poll on the same two processors: more than one at a time would only hold each other up.
static ALONE: Mutex<()> = Mutex::new(());

fn session(outcome: &Outcome, count: u64) -> anyhow::Result<Vec<Round>> {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let cell = &outcome.cell;
    let dir = measure::folder()?;
    let name = format!("compare-test-{}-{}-{}-{}", std::process::id(), cell.transport, cell.lane, cell.len);
    let task = Task {
        transport: cell.transport.clone(),
        lane: cell.lane,
        rate: cell.rate,
        place: place(cell, name, dir.path().to_owned()),
        cores: Machine::look().pinned,
        round: Duration::from_millis(1),
        rounds: 2,
        most_rounds: 2,
        patience: Duration::from_secs(20),
        count: Some(count),
    };
    measure::run(Path::new(TOOL), &task)
}

fn planned(words: &[&str]) -> Vec<Outcome> {
    let words: Vec<_> = words.iter().map(|word| (*word).to_owned()).collect();
    cells(&Only::new(&words).unwrap(), &Effort::QUICK)
}

/// Small numbers of messages through every cell of a kind: in order and whole, or the worker says what is not.
fn conforms(kind: Kind) {
    let mut measured = 0;
    for outcome in planned(&[kind.name()]).iter().filter(|outcome| outcome.skipped.is_none()) {
        let cell = &outcome.cell;
        let count = if cell.len >= SIZES[4] { 32 } else { 128 };
        match session(outcome, count) {
            Ok(rounds) => {
                assert_eq!(rounds.len(), 2, "{cell:?}");
                assert!(
                    rounds.iter().all(|round| round.count == count && round.elapsed_ns > 0),
                    "{cell:?}: {rounds:?}"
                );
                let timed = cell.lane.is_trip() || cell.lane == Lane::Open;
                assert!(rounds.iter().all(|round| round.times.is_empty() != timed), "{cell:?}: {rounds:?}");
                measured += 1;
            }
            Err(error) => assert!(error.to_string().starts_with(LEFT_OUT), "{cell:?}: {error:#}"),
        }
    }
    assert!(measured > 5, "{measured}");
}

#[test]
fn limits_carry_what_they_are_given() {
    conforms(Kind::Limit);
}

#[test]
fn ringpost_carries_what_it_is_given() {
    conforms(Kind::Ringpost);
}

#[test]
fn the_system_carries_what_it_is_given() {
    conforms(Kind::System);
}

#[test]
fn queues_between_threads_carry_what_they_are_given() {
    conforms(Kind::InProcess);
}

#[test]
fn what_is_broken_is_found() {
    let expected = [
        ("broken-loses", "were lost"),
        ("broken-doubles", "doubled"),
        ("broken-tears", "damaged"),
        ("broken-flips", "damaged"),
    ];
    assert_eq!(ENTRIES.iter().filter(|entry| entry.kind == Kind::Broken).count(), expected.len());
    for (transport, what) in expected {
        for outcome in planned(&[transport]).iter().filter(|outcome| outcome.skipped.is_none()) {
            let cell = &outcome.cell;
            // A message of one word cannot be torn; and of what comes back, the second side sees only its half.
            if cell.len == 8 && transport == "broken-tears" || cell.len > 1024 || cell.lane == Lane::Asleep {
                continue;
            }
            // Losing a message of a round trip silences both sides.
            if cell.lane.is_trip() && transport == "broken-loses" {
                continue;
            }
            let error = session(outcome, 128).expect_err(&format!("{cell:?}")).to_string();
            assert!(error.contains(what), "{cell:?}: {error}");
        }
    }
}

#[test]
fn a_crowd_shares_a_queue() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let effort = Effort { crowd: Duration::from_millis(50), ..Effort::QUICK };
    for transport in ["ringpost-multi-typed", "posix-mq"] {
        let session = crowd::run_once(Path::new(TOOL), transport, 3, &effort, 1).unwrap();
        assert!(session.rate > 0.0);
    }
}

#[test]
fn system_calls_are_counted() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let count = |transport, kind| match calls::count(Path::new(TOOL), transport, kind, Lane::One) {
        Ok(calls) => Some(calls),
        // A sandbox may forbid it.
        Err(error) if format!("{error:#}").contains("tracing") => None,
        Err(error) => panic!("{error:#}"),
    };
    let Some(pipe) = count("pipe", Kind::System) else { return };
    assert!(pipe.iter().all(|calls| *calls >= calls::MESSAGES), "one write and one read for each message: {pipe:?}");
    // None, unless one side is held up in every round: then the other looks whether it lives.
    let ringpost = count("ringpost-single", Kind::Ringpost);
    assert!(ringpost.is_some_and(|both| both.iter().all(|found| *found < calls::MESSAGES / 100)), "{ringpost:?}");
}

#[test]
fn joining_and_recovering_have_their_price() {
    let found = costs::cost(Path::new(TOOL), 64, 3, 2).unwrap();
    let of = [found.join_sender_ns, found.join_receiver_ns, found.recover_sender_ns, found.recover_receiver_ns];
    assert!(of.iter().all(|spread| spread.least > 0.0), "{found:?}");
}

#[test]
fn memory_is_what_was_planned_and_little_more() {
    let found = memory::memory(Path::new(TOOL)).unwrap();
    for segment in &found.segments {
        assert_eq!(segment.allocated, segment.planned, "{segment:?}");
    }
    assert!(found.endpoints.iter().all(|own| own.bytes().is_none_or(|bytes| bytes <= 4096)), "{found:?}");
    assert!(
        found.endpoints.iter().any(|own| own.what == "receiver, holds messages" && own.heap != Some(0)),
        "{found:?}"
    );
}

#[test]
fn what_is_varied_is_carried_too() {
    let only = Only::new(&["sweep".to_owned()]).unwrap();
    for outcome in sweeps(&only, &Effort::QUICK).iter().filter(|outcome| outcome.cell.lane == Lane::One) {
        let rounds = session(outcome, 128).unwrap_or_else(|error| panic!("{:?}: {error:#}", outcome.cell));
        assert_eq!(rounds.len(), 2);
    }
}

#[test]
fn a_short_run_writes_all_reports() {
    let dir = measure::folder().unwrap();
    let (json, html) = (dir.path().join("run.json"), dir.path().join("run.html"));
    let run = |args: &[&str]| Command::new(TOOL).args(args).output().unwrap();
    let done = run(&[
        "--quick",
        "--repetitions=1",
        "--only=line,ringpost-multi,pipe,trip",
        &format!("--json={}", json.display()),
        &format!("--html={}", html.display()),
    ]);
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let table = String::from_utf8(done.stdout).unwrap();
    assert!(table.contains("ringpost-multi-typed") && table.contains("arrived once"), "{table}");
    let document: serde_json::Value = serde_json::from_slice(&std::fs::read(&json).unwrap()).unwrap();
    assert!(document["messages_checked"].as_u64().unwrap() > 0 || document["rounds_dropped"].as_u64().unwrap() > 0);
    assert!(std::fs::read_to_string(&html).unwrap().starts_with("<!DOCTYPE html>"));
    let again = run(&[&format!("--from={}", json.display())]);
    assert_eq!(String::from_utf8(again.stdout).unwrap(), table);
    let markdown = run(&[&format!("--from={}", json.display()), "--markdown=-"]);
    let markdown = String::from_utf8(markdown.stdout).unwrap();
    assert!(markdown.starts_with("`ringpost-compare --quick") && !markdown.contains("both poll"), "{markdown}");
}

#[test]
fn what_is_no_transport_is_an_error() {
    let done = Command::new(TOOL).args(["--only", "nonsense"]).output().unwrap();
    assert!(!done.status.success());
    assert!(String::from_utf8_lossy(&done.stderr).contains("`nonsense` is no transport"));
}
