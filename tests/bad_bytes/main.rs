//! The bodies of the fuzz targets without a fuzzer: over the inputs that are kept in `fuzz/seeds`, and for some seconds over
//! random ones. A panic names the input, to be kept.
#![cfg(target_os = "linux")]

#[path = "../../fuzz/src/lib.rs"]
mod bodies;

#[path = "../processes/content.rs"]
#[allow(dead_code, reason = "only the random numbers are used")]
mod content;
mod found;

use std::fs;
use std::panic::{self, AssertUnwindSafe};
use std::path::Path;
use std::time::{Duration, Instant};

use content::Random;

/// How long random inputs are tried for, each kind.
const A_WHILE: Duration = Duration::from_secs(3);
/// The random inputs are the same each time, as many as there is time for.
const SEED: u64 = 20_261_125;

/// Runs each kept input of `target`. Returns how many there are.
fn replay(target: &str, run: impl Fn(&[u8])) -> usize {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds").join(target);
    let mut files: Vec<_> = fs::read_dir(folder).expect("kept inputs").map(|entry| entry.unwrap().path()).collect();
    files.sort();
    for file in &files {
        let input = fs::read(file).expect("a kept input");
        assert!(input.len() > 1, "{}: an empty input shows nothing", file.display());
        attempt(&file.display().to_string(), || run(&input));
    }
    files.len()
}

/// Runs random inputs for a while: some of the kept ones, changed here and there, others made up.
fn wander(run: impl Fn(&[u8])) -> u64 {
    let started = Instant::now();
    let mut number = 0;
    while started.elapsed() < A_WHILE {
        let input = random_input(number);
        attempt(&format!("random input {number}: {input:?}"), || run(&input));
        number += 1;
    }
    number
}

fn random_input(number: u64) -> Vec<u8> {
    let mut random = Random::new(SEED ^ number << 20);
    let len = 16 + random.below(1000) as usize;
    let mut input: Vec<u8> = (0..len).map(|_| random.next() as u8).collect();
    // Each combination of settings in turn; then a sender and a receiver, so that there is something to do.
    input[..3].copy_from_slice(&[number as u8, 0, 3]);
    input
}

fn attempt(what: &str, run: impl FnOnce()) {
    if let Err(reason) = panic::catch_unwind(AssertUnwindSafe(run)) {
        eprintln!("the culprit is {what}");
        panic::resume_unwind(reason);
    }
}

#[test]
fn kept_files_are_opened_and_used() {
    assert!(replay("open", bodies::open::run) >= 20);
}

#[test]
fn random_files_are_opened_and_used() {
    assert!(wander(bodies::open::run) > 0);
}

#[test]
fn kept_operations_on_a_live_segment() {
    assert!(replay("live", |input| assert!(bodies::live::run(input) < bodies::live::HANG)) >= 20);
}

#[test]
fn random_operations_on_a_live_segment() {
    assert!(wander(|input| assert!(bodies::live::run(input) < bodies::live::HANG)) > 0);
}
