//! The command-line tool of ringpost: queues in shared memory for shell scripts.

mod args;
mod bench;
mod create;
mod doctor;
mod exit;
mod format;
mod framing;
mod list;
mod peek;
mod plan;
mod pull;
mod remove;
mod send;
mod signals;
mod stat;
mod units;

use std::io::Write;
use std::process::ExitCode;

use clap::{CommandFactory, Parser};

use args::{Args, Command};
use exit::Failure;

fn main() -> ExitCode {
    let args = Args::parse();
    match run(args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            failure.report();
            ExitCode::from(failure.status())
        }
    }
}

fn run(args: Args) -> Result<(), Failure> {
    match args.command {
        Command::Create(args) => create::run(&args),
        Command::Send(args) => send::run(&args),
        Command::Pull(args) => pull::run(&args),
        Command::Stat(args) => stat::run(&args),
        Command::Peek(args) => peek::run(&args),
        Command::Doctor(args) => doctor::run(&args),
        Command::Ls(args) => list::run(&args),
        Command::Rm(args) => remove::run(&args),
        Command::Plan(args) => plan::run(&args),
        Command::Bench(args) => bench::run(&args),
        Command::BenchWorker { task, side } => bench::run_worker(&task, &side),
        Command::Completions { shell } => {
            // First into memory: the generator panics when it cannot write.
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Args::command(), "ringpost", &mut script);
            std::io::stdout().write_all(&script).map_err(Failure::output)
        }
    }
}
