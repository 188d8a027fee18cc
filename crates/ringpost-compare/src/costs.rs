//! What is done seldom, and what it costs as a queue grows: joining it, and putting right what a dead process left.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use ringpost::{Options, Queue};
use serde::{Deserialize, Serialize};

use crate::stats::Spread;

/// The hidden argument that makes this program one that joins, holds a message and waits to be killed; the name of a queue
/// follows it.
pub const VICTIM: &str = "victim";
/// Capacities of the queues.
const CAPACITIES: [usize; 5] = [64, 1024, 16 << 10, 256 << 10, 1 << 20];
/// Times that a queue is joined.
const JOINS: usize = 50;

/// What a queue of that capacity costs, in nanoseconds. Many ends, messages of 8 bytes.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Costs {
    /// Messages that it holds.
    pub capacity: usize,
    /// A sender joins and leaves.
    pub join_ns: Spread,
    /// A sender that died over a message is found and put right.
    pub recover_ns: Spread,
}

struct Removed(String);

impl Drop for Removed {
    fn drop(&mut self) {
        // It may not have been made, and nobody is left to tell.
        let _ = ringpost::remove(&self.0);
    }
}

/// Measures all capacities, with so many deaths each.
///
/// # Errors
/// A queue could not be made or joined, or a death was not found.
pub fn costs(program: &Path, deaths: u32) -> Result<Vec<Costs>> {
    CAPACITIES.iter().map(|capacity| cost(program, *capacity, deaths)).collect()
}

/// Measures one capacity.
///
/// # Errors
/// As [`costs`].
pub fn cost(program: &Path, capacity: usize, deaths: u32) -> Result<Costs> {
    let removed = Removed(format!("compare-{}-costs-{capacity}", std::process::id()));
    let queue = Queue::create(&removed.0, Options::of::<u64>(capacity).prefault(true))?;
    let mut joins = Vec::new();
    for _ in 0..JOINS {
        let start = Instant::now();
        drop(queue.sender()?);
        joins.push(start.elapsed().as_nanos() as f64);
    }
    let mut recoveries = Vec::new();
    for _ in 0..deaths {
        kill_one(program, &removed.0)?;
        let start = Instant::now();
        let repaired = queue.repair()?;
        recoveries.push(start.elapsed().as_nanos() as f64);
        ensure!(repaired == 1, "one sender died, and {repaired} were put right");
    }
    let spread = |values| Spread::of(values).context("nothing was measured");
    Ok(Costs { capacity, join_ns: spread(joins)?, recover_ns: spread(recoveries)? })
}

fn kill_one(program: &Path, name: &str) -> Result<()> {
    let mut victim = Command::new(program);
    let mut victim = victim.args([VICTIM, name]).stdout(Stdio::piped()).stdin(Stdio::null()).spawn()?;
    let mut line = String::new();
    let told = victim.stdout.take().map(|out| BufReader::new(out).read_line(&mut line));
    victim.kill().context("killing a sender")?;
    victim.wait()?;
    told.context("no output")??;
    ensure!(line.starts_with("ready"), "a sender could not join");
    Ok(())
}

/// Joins the queue, begins a message, says so, and waits to be killed.
///
/// # Errors
/// The queue cannot be joined.
pub fn run_victim(name: &str) -> Result<()> {
    let _ = nix::sys::prctl::set_pdeathsig(nix::sys::signal::Signal::SIGKILL);
    let queue = Queue::open(name)?.typed::<u64>()?;
    let mut sender = queue.sender()?;
    let _message = sender.loan()?;
    println!("ready");
    std::io::stdout().flush()?;
    loop {
        std::thread::sleep(Duration::from_secs(1));
    }
}
