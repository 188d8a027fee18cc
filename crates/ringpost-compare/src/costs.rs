//! What is done seldom, and what it costs as a queue and the number of its endpoints grow: joining, and putting right what a
//! dead process left.

use std::hint::black_box;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use ringpost::{JoinError, Options, Queue};
use serde::{Deserialize, Serialize};

use crate::stats::Spread;
use crate::worker::allow_descriptors;

/// The hidden argument that makes this program one that joins, holds a message and waits to be killed; what it joins as and
/// the name of a queue follow it.
pub const VICTIM: &str = "victim";
/// Capacities of the queues, with nobody else joined.
const CAPACITIES: [usize; 5] = [64, 1024, 16 << 10, 256 << 10, 1 << 20];
/// Endpoints that are joined meanwhile, at a queue of this capacity.
const JOINED: [usize; 4] = [2, 16, 128, 1000];
const CAPACITY: usize = 1024;
/// Times that a queue is joined.
const JOINS: usize = 50;
/// Deaths of each kind at a queue.
const DEATHS: u32 = 10;
/// 64-bit words from one slot to the next, with messages of 8 bytes.
const SLOT_WORDS: usize = 2;

/// What a queue costs, in nanoseconds. Many ends, messages of 8 bytes.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Costs {
    /// Messages that it holds.
    pub capacity: usize,
    /// Endpoints that are joined all the while.
    pub joined: usize,
    /// A sender joins and leaves.
    pub join_sender_ns: Spread,
    /// A receiver joins and leaves.
    pub join_receiver_ns: Spread,
    /// A sender that died over a message is found and put right.
    pub recover_sender_ns: Spread,
    /// A receiver that died with a message is found and put right.
    pub recover_receiver_ns: Spread,
    /// The limit of that: one word for each slot is read, from as much memory.
    pub look_ns: Spread,
}

/// A queue's name, which is free again afterwards.
pub(crate) struct Removed(pub(crate) String);

impl Drop for Removed {
    fn drop(&mut self) {
        // It may not have been made, and nobody is left to tell.
        let _ = ringpost::remove(&self.0);
    }
}

/// Who is to die.
#[derive(Clone, Copy, Debug)]
enum Victim {
    Sender,
    Receiver,
}

impl Victim {
    fn name(self) -> &'static str {
        match self {
            Self::Sender => "sender",
            Self::Receiver => "receiver",
        }
    }
}

/// Measures all capacities and numbers of endpoints; if it is to be quick, without the largest number, which takes seconds to
/// join.
///
/// # Errors
/// A queue could not be made or joined, or a death was not found.
pub fn costs(program: &Path, quick: bool) -> Result<Vec<Costs>> {
    allow_descriptors()?;
    let joined = if quick { &JOINED[..3] } else { &JOINED[..] };
    let by_capacity = CAPACITIES.iter().map(|capacity| cost(program, *capacity, 0, DEATHS));
    by_capacity.chain(joined.iter().map(|joined| cost(program, CAPACITY, *joined, DEATHS))).collect()
}

/// Measures one capacity, with so many endpoints joined and so many deaths of each kind.
///
/// # Errors
/// As [`costs`].
pub fn cost(program: &Path, capacity: usize, joined: usize, deaths: u32) -> Result<Costs> {
    let removed = Removed(format!("compare-{}-costs-{capacity}-{joined}", std::process::id()));
    let options = Options::of::<u64>(capacity).prefault(true).endpoints((joined + 2).max(64));
    let queue = Queue::create(&removed.0, options)?;
    let mut others = (0..joined).map(|_| queue.sender()).collect::<Result<Vec<_>, _>>()?;
    let join_sender_ns = times(JOINS, || queue.sender().map(drop))?;
    let join_receiver_ns = times(JOINS, || queue.receiver().map(drop))?;
    let words = vec![1_u64; capacity * SLOT_WORDS];
    let mut found = [Vec::new(), Vec::new(), Vec::new()];
    // For the receivers: each gets the one that the last has left.
    queue.sender()?.send(&1)?;
    for _ in 0..deaths {
        for (victim, found) in [Victim::Sender, Victim::Receiver].into_iter().zip(&mut found) {
            kill_one(program, victim, &removed.0)?;
            let start = Instant::now();
            let repaired = queue.repair()?;
            found.push(start.elapsed().as_nanos() as f64);
            ensure!(repaired == 1, "one {} died, and {repaired} were put right", victim.name());
        }
        let start = Instant::now();
        black_box(black_box(&words).iter().step_by(SLOT_WORDS).sum::<u64>());
        found[2].push(start.elapsed().as_nanos() as f64);
    }
    others.clear();
    let [sender, receiver, look] = found.map(spread);
    let (recover_sender_ns, recover_receiver_ns, look_ns) = (sender?, receiver?, look?);
    Ok(Costs { capacity, joined, join_sender_ns, join_receiver_ns, recover_sender_ns, recover_receiver_ns, look_ns })
}

fn times(count: usize, mut act: impl FnMut() -> Result<(), JoinError>) -> Result<Spread> {
    let mut found = Vec::new();
    for _ in 0..count {
        let start = Instant::now();
        act()?;
        found.push(start.elapsed().as_nanos() as f64);
    }
    spread(found)
}

fn spread(values: Vec<f64>) -> Result<Spread> {
    Spread::of(values).context("nothing was measured")
}

fn kill_one(program: &Path, victim: Victim, name: &str) -> Result<()> {
    let mut child = Command::new(program);
    let mut child = child.args([VICTIM, victim.name(), name]).stdout(Stdio::piped()).stdin(Stdio::null()).spawn()?;
    let mut line = String::new();
    let told = child.stdout.take().map(|out| BufReader::new(out).read_line(&mut line));
    child.kill().context("killing an endpoint")?;
    child.wait()?;
    told.context("no output")??;
    ensure!(line.starts_with("ready"), "a {} could not join", victim.name());
    Ok(())
}

/// Joins the queue, begins or takes a message, says so, and waits to be killed.
///
/// # Errors
/// The queue cannot be joined.
pub fn run_victim(role: &str, name: &str) -> Result<()> {
    let _ = nix::sys::prctl::set_pdeathsig(nix::sys::signal::Signal::SIGKILL);
    let queue = Queue::open(name)?.typed::<u64>()?;
    match role {
        "sender" => wait_with(queue.sender()?.loan()?),
        "receiver" => wait_with(queue.receiver()?.recv()?),
        other => bail!("{other} is no end of a queue"),
    }
}

fn wait_with<T>(_message: T) -> Result<()> {
    println!("ready");
    std::io::stdout().flush()?;
    loop {
        std::thread::sleep(Duration::from_secs(1));
    }
}
