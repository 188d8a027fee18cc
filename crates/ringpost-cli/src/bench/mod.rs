//! `ringpost bench`: what this machine can do with queues between two processes, and what it could do without any.
//!
//! The small form of `ringpost-compare`, without peers: the same processes, messages, checks and statistics.

mod plan;
mod report;

use std::io;
use std::time::Duration;

use ringpost_compare::results::Results;
use ringpost_compare::{interrupt, run, worker};

use crate::exit::Failure;
use crate::units;

/// Pairs of processes that measure a line of the report: fewer if they have less than this for each.
const REPETITIONS: u32 = 5;
const LEAST: Duration = Duration::from_millis(20);
/// Rounds of each.
const ROUNDS: u32 = 4;
/// Rounds that each makes instead when the processors move.
const MOST_ROUNDS: u32 = 8;
const QUICK: Duration = Duration::from_millis(150);
const THOROUGH: Duration = Duration::from_millis(500);

/// How many ends of a kind the measured queues allow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum WhichEnds {
    /// One
    Single,
    /// Any number
    Multi,
    /// Each in turn
    Both,
}

#[derive(Debug, clap::Args)]
#[command(after_help = "Two processes on two cores poll without pause. Every message is numbered and checked in full.

Examples:
  ringpost bench --quick
  ringpost bench --sizes 64,4KiB --senders multi --receivers single
  ringpost bench --json > bench.json")]
pub struct BenchArgs {
    /// Some ten seconds in all
    #[arg(long, conflicts_with = "duration")]
    pub quick: bool,
    /// One JSON document; sizes in bytes, times in nanoseconds
    #[arg(long)]
    pub json: bool,
    /// How long each line of the report is measured, besides what warms it up; by default 500ms
    #[arg(long, value_name = "DURATION", value_parser = units::duration)]
    pub duration: Option<Duration>,
    /// Message sizes, multiples of 8 bytes; by default 8,48,64 there and back and 8,64,1KiB,64KiB one way
    #[arg(long, value_name = "BYTES", value_delimiter = ',', value_parser = units::bytes)]
    pub sizes: Vec<usize>,
    /// How many senders the queues allow
    #[arg(long, value_enum, default_value_t = WhichEnds::Both)]
    pub senders: WhichEnds,
    /// How many receivers the queues allow
    #[arg(long, value_enum, default_value_t = WhichEnds::Both)]
    pub receivers: WhichEnds,
}

/// Measures, and says what came out.
///
/// # Errors
/// A message was lost or damaged, a process ended or fell silent, or the machine refused something.
pub fn run(args: &BenchArgs) -> Result<(), Failure> {
    let (cells, effort) = (plan::cells(args)?, plan::effort(args));
    let program = std::env::current_exe().map_err(|e| Failure::Io("finding this program", e))?;
    interrupt::watch().map_err(failed)?;
    let command = std::env::args().skip(1).fold("ringpost".to_owned(), |line, word| line + " " + &word);
    let results = run::run_cells(&program, cells, &effort, command).map_err(|error| match interrupt::came() {
        true => Failure::Interrupted("interrupted before the measurement was done".to_owned()),
        false => failed(error),
    })?;
    if args.json { report::json(&results) } else { report::table(&results) }?;
    all_done(&results)
}

/// # Errors
/// What went wrong, if anything did: the first of it.
fn all_done(results: &Results) -> Result<(), Failure> {
    let wrong = results.cells.iter().find_map(|outcome| Some((outcome, outcome.failed.as_ref()?)));
    wrong.map_or(Ok(()), |(outcome, error)| Err(failed(format!("{}: {error}", report::name(&outcome.cell)))))
}

/// One of the two processes: does what the first argument says.
///
/// # Errors
/// A message was lost or damaged, or the other process fell silent.
pub fn run_worker(task: &str, side: &str) -> Result<(), Failure> {
    worker::run(task, side).map_err(failed)
}

fn failed(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Failure {
    Failure::Io("bench", io::Error::other(error))
}
