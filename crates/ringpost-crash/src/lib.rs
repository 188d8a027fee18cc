//! Evidence that nobody's death, and no system call that fails, stops a queue: `step` kills after every instruction, `fail`
//! makes system calls fail. Needs Linux on x86-64, and the right to trace one's own children.

// It reads registers and instructions: elsewhere there is nothing here, and `main` says so.
#![cfg(target_arch = "x86_64")]

mod account;
mod fail;
mod findings;
mod marker;
mod message;
mod operation;
mod report;
mod scene;
mod segment;
mod step;
mod traced;
mod watchdog;
mod workers;

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use serde_json::{Map, Value};

use operation::{Operation, Pair};
use report::Table;

/// What goes wrong with the tool itself; what is wrong with the library stands in the tables.
type Result<T> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// Kills ringpost after every instruction, and fails its system calls, to see what is left.
///
/// Needs a release build to mean something. The exit status is 1 if anything is wrong.
#[derive(Debug, Parser)]
#[command(name = "ringpost-crash", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
    /// Write JSON instead of tables
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Look at what a death after each instruction leaves
    Step(step::StepArgs),
    /// Make each system call fail in each plausible way
    Fail(fail::FailArgs),
    /// The process that is stepped through
    #[command(hide = true)]
    Play { name: String, operation: Operation, ends: Pair },
    /// A process that dies with what it holds
    #[command(hide = true)]
    Die { name: String, ends: Pair },
    /// The process whose system calls fail
    #[command(hide = true)]
    Attempt { name: String, attempt: fail::Attempt, ends: Pair },
}

/// The tool, from its arguments to its exit status.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    let tables = match &cli.command {
        Command::Step(args) => start().and_then(|()| step::run(args)),
        Command::Fail(args) => start().and_then(|()| fail::run(args)),
        Command::Attempt { name, attempt, ends } => fail::attempt(name, *attempt, *ends).map(|()| Vec::new()),
        Command::Die { name, ends } => scene::die(name, *ends).map(|()| Vec::new()),
        Command::Play { name, operation, ends } => scene::play(name, *operation, *ends).map(|()| Vec::new()),
    };
    match tables {
        Ok(tables) => report(&tables, cli.json),
        Err(error) => {
            eprintln!("ringpost-crash: {error}");
            ExitCode::from(2)
        }
    }
}

fn start() -> Result<()> {
    if cfg!(debug_assertions) {
        eprintln!("this is a debug build: it steps through other instructions than users run, and many more of them");
    }
    watchdog::start();
    segment::clear_stale()
}

fn report(tables: &[Table], json: bool) -> ExitCode {
    tables.iter().for_each(Table::tell);
    if json {
        let all: Map<_, _> = tables.iter().map(|table| (table.key.to_owned(), table.json())).collect();
        println!("{:#}", Value::Object(all));
    } else {
        tables.iter().for_each(Table::print);
    }
    if tables.iter().all(Table::is_clean) { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
