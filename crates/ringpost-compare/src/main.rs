//! `ringpost-compare`: ringpost, its peers and the limits of the machine, side by side.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use ringpost_compare::cell::{Lane, Task, depth};
use ringpost_compare::machine::Machine;
use ringpost_compare::transports::{Place, Side};
use ringpost_compare::{measure, registry, worker};

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("ringpost-compare: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match &args.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [worker::WORKER, task, side] => worker::run(task, side),
        [transport, lane, len] => once(transport, lane, len.parse()?),
        _ => bail!("usage for now: TRANSPORT LANE LEN"),
    }
}

fn once(transport: &str, lane: &str, len: usize) -> Result<()> {
    let lane = Lane::ALL.into_iter().find(|l| l.name() == lane).context("no such lane")?;
    anyhow::ensure!(registry::find(transport).is_some(), "no such transport");
    let dir = measure::folder()?;
    let place = Place {
        name: format!("compare-{}", std::process::id()),
        dir: dir.path().to_owned(),
        len,
        depth: depth(len),
        joined: 2,
        wait: lane.waiting(),
        trip: lane.is_trip().then_some(Side::First),
    };
    let task = Task {
        transport: transport.to_owned(),
        lane,
        rate: (lane == Lane::Open).then_some(100_000),
        place,
        cores: Machine::look().pinned,
        round: Duration::from_millis(50),
        rounds: 5,
        most_rounds: 10,
        patience: Duration::from_secs(5),
        count: None,
    };
    for round in measure::run(&std::env::current_exe()?, &task)? {
        println!(
            "{:?} {:?} {} in {} ns: {:.1} ns each, {:.3} M/s, {:.3} GB/s",
            round.domain(),
            round.probes,
            round.count,
            round.elapsed_ns,
            1e9 / round.rate(),
            round.rate() / 1e6,
            round.rate() * len as f64 / 1e9
        );
        println!("    {:?}", &round.times.iter().max_by_key(|time| time.1));
    }
    Ok(())
}
