//! `ringpost-compare`: ringpost, its peers and the limits of the machine, side by side.

use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Parser;
use ringpost_compare::cell::Lane;
use ringpost_compare::plan::{EXTRAS, Effort, Only};
use ringpost_compare::registry::{self, ENTRIES, Kind};
use ringpost_compare::report::{html, json, markdown, table};
use ringpost_compare::results::Results;
use ringpost_compare::{costs, interrupt, memory, run, worker};

/// Measures ringpost, other libraries and the limits of this machine side by side, every message checked.
#[derive(Debug, Parser)]
#[command(
    version,
    after_help = "Two processes on two processors exchange messages; the cells of the comparison take turns.

Examples:
  ringpost-compare --quick
  ringpost-compare --only ringpost,limits,trip
  ringpost-compare --json run.json --html run.html
  ringpost-compare --from run.json --html run.html
  ringpost-compare --from run.json --markdown -"
)]
struct Args {
    /// Under two minutes in all, instead of some thirty
    #[arg(long)]
    quick: bool,
    /// Only these, comma-separated: names of transports, of kinds of them, and of lanes (see --list)
    #[arg(long, value_name = "WORDS", value_delimiter = ',')]
    only: Vec<String>,
    /// Repetitions, each in new processes; by default 10, and 3 with --quick
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    repetitions: Option<u32>,
    /// Writes everything as one JSON document to this file, or with - to standard output instead of the tables
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Writes a report as one HTML file
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// Writes tables for a README to this file, or with - to standard output instead of the tables
    #[arg(long, value_name = "FILE")]
    markdown: Option<PathBuf>,
    /// Measures nothing, and reports what that JSON document says
    #[arg(long, value_name = "FILE", conflicts_with_all = ["quick", "only", "repetitions"])]
    from: Option<PathBuf>,
    /// Lists what can be compared, and the lanes
    #[arg(long, exclusive = true)]
    list: bool,
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().collect();
    let done = match &arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [_, worker::WORKER, task, side] => worker::run(task, side),
        [_, costs::VICTIM, role, name] => costs::run_victim(role, name),
        [_, memory::OWN, ends] => memory::run_own(ends),
        [_, worker::CROWD_WORKER, task, place] => worker::run_member(task, place),
        _ => compare(&Args::parse(), &arguments[1..].join(" ")),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("ringpost-compare: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn compare(args: &Args, arguments: &str) -> Result<()> {
    if args.list {
        print!("{}", list());
        return Ok(());
    }
    let results = match &args.from {
        Some(path) => json::read(&fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))?)?,
        None => measure(args, arguments)?,
    };
    let wanted = [
        (&args.json, format!("{:#}\n", json::document(&results)?)),
        (&args.markdown, markdown::text(&results)),
        (&args.html, html::page(&results)),
    ];
    let mut printed = false;
    for (path, text) in wanted.iter().filter_map(|(path, text)| Some((path.as_ref()?, text))) {
        if path.as_os_str() == "-" {
            print!("{text}");
            printed = true;
        } else {
            fs::write(path, text).with_context(|| format!("writing {}", path.display()))?;
        }
    }
    if !printed {
        print!("{}", table::text(&results));
    }
    let failed = results.cells.iter().filter(|outcome| outcome.failed.is_some()).count();
    anyhow::ensure!(failed == 0, "{failed} cells failed");
    Ok(())
}

fn measure(args: &Args, arguments: &str) -> Result<Results> {
    let mut effort = if args.quick { Effort::QUICK } else { Effort::FULL };
    effort.repetitions = args.repetitions.unwrap_or(effort.repetitions);
    let only = Only::new(&args.only).map_err(anyhow::Error::msg)?;
    interrupt::watch()?;
    let program = std::env::current_exe().context("finding this program")?;
    let command = format!("ringpost-compare {arguments}");
    run::run(&program, &only, &effort, command.trim_end().to_owned())
}

fn list() -> String {
    let mut text = String::new();
    let kinds = [Kind::Limit, Kind::Ringpost, Kind::Peer, Kind::System, Kind::InProcess];
    for kind in kinds {
        text += &format!("{}\n", kind.name());
        for entry in ENTRIES.iter().filter(|entry| entry.kind == kind) {
            let version = entry.package.map(registry::version).unwrap_or_default();
            text += &format!("  {:<28} {version:<24} {}\n", entry.name, entry.about);
        }
    }
    text + &format!("lanes\n  {}, {}\n", Lane::ALL.map(Lane::name).join(", "), EXTRAS.join(", "))
}
