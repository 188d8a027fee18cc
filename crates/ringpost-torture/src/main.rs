//! Kills the processes that use a queue, over and over, and checks that nothing is lost, doubled or torn.

mod account;
mod args;
mod latency;
mod ledger;
mod message;
mod process;
mod report;
mod round;
mod shared;
mod worker;

use std::process::ExitCode;
use std::time::Instant;

use clap::Parser;

use args::{Args, Policy, Which};
use ledger::Ledger;
use message::Random;
use process::Nursery;
use report::Report;
use round::Plan;

fn main() -> ExitCode {
    let args = Args::parse();
    match run(&args) {
        Ok(report) if report.is_clean() => ExitCode::SUCCESS,
        Ok(_) => ExitCode::from(1),
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(2)
        }
    }
}

fn run(args: &Args) -> Result<Report, String> {
    // Before a namespace makes it less than unique.
    let name = format!("torture.{}", std::process::id());
    let nursery = Nursery::new(args.namespaces)?;
    let mut report = Report::new(args);
    torture(args, &nursery, &name, &mut report)?;
    let started = Instant::now();
    for capacity in capacities(args) {
        if args.latency > 0 {
            report.latency(capacity, latency::measure(&nursery, &name, capacity, args.latency, args.seed)?);
        }
    }
    report.latency_s = started.elapsed().as_secs_f64();
    print!("{}", if args.json { report.json() } else { report.text() });
    Ok(report)
}

/// All rounds: each combination of ends and capacity in turn, until enough have been killed.
fn torture(args: &Args, nursery: &Nursery, prefix: &str, report: &mut Report) -> Result<(), String> {
    let workers = (args.senders as usize, args.receivers as usize);
    let ledgers = (0..round::places(workers)).map(|_| Ledger::new());
    let ledgers = ledgers.collect::<nix::Result<Vec<_>>>().map_err(|errno| format!("mmap: {errno}"))?;
    let plans = plans(args, workers);
    // Each combination has its turn, however few the kills.
    let in_round = args.round.min(args.kills.div_ceil(plans.len() as u64));
    let mut seeds = Random::new(args.seed);
    let mut left = args.kills;
    for (number, plan) in plans.iter().cycle().enumerate() {
        if left == 0 || !report.is_clean() {
            break;
        }
        let kills = in_round.min(left);
        left -= kills;
        let plan = Plan { kills, seed: seeds.next(), ..*plan };
        let name = format!("{prefix}.{number}");
        let started = Instant::now();
        let outcome = round::run(plan, nursery, &name, &ledgers)?;
        report.round(plan, outcome, started.elapsed());
    }
    Ok(())
}

/// Every combination once. Overwriting queues come twice: with their senders spared, when the books must agree to the last
/// message, and with everyone killed.
fn plans(args: &Args, workers: (usize, usize)) -> Vec<Plan> {
    let mut plans = Vec::new();
    let packed = args.packed;
    let (which, when_full) = if packed { (Which::Single, Policy::Block) } else { (args.ends, args.when_full) };
    for capacity in capacities(args) {
        for (number, ends) in which.combinations().into_iter().enumerate() {
            let (max_len, pause_us) = (args.max_len as usize, args.pause_us);
            let (overwrite, spare_senders) = (false, false);
            let (kills, seed) = (0, 0);
            let plan =
                Plan { ends, overwrite, spare_senders, packed, capacity, max_len, workers, kills, pause_us, seed };
            let spared = [true, false].map(|spare_senders| Plan { overwrite: true, spare_senders, ..plan });
            match when_full {
                Policy::Block => plans.push(plan),
                Policy::Overwrite => plans.extend(spared),
                // One of the two for each combination of ends, to be quick.
                Policy::Both => plans.extend([plan, spared[number % 2]]),
            }
        }
    }
    plans
}

fn capacities(args: &Args) -> Vec<usize> {
    args.capacity.map_or_else(|| vec![64, 65_536], |capacity| vec![capacity])
}
