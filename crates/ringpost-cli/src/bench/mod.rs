//! `ringpost bench`: what this machine can do with queues between two processes, and what it could do without any.

mod lane;
mod machine;
mod message;
mod plan;
mod poll;
mod report;
mod shared;
mod stream;
mod trip;

use std::io::{self, IsTerminal};
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::Signal;

use crate::exit::Failure;
use crate::{signals, units};
use lane::{Cleanup, Lane};
use machine::{Machine, pin};
use poll::Poll;
use report::{LaneResult, Results};
use shared::Shared;

/// Rounds of every lane. A round of each follows the other, so that whatever befalls the machine befalls all of them.
const ROUNDS: u32 = 20;
const QUICK: Duration = Duration::from_millis(400);
const THOROUGH: Duration = Duration::from_secs(2);

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
    /// How long each line of the report is measured; by default 2s
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

/// What `ringpost bench` tells the second process that it starts.
#[derive(Debug, clap::Args)]
pub struct PeerArgs {
    /// What is measured, in order
    #[arg(long = "lane", required = true)]
    lanes: Vec<Lane>,
    /// The core to stay on
    #[arg(long)]
    core: usize,
    /// Whether the first process needs the same core
    #[arg(long)]
    one_core: bool,
}

/// One round of a lane, seen from the first process.
enum Sample {
    /// The times of round trips, in nanoseconds.
    Trips(Histogram<u64>),
    /// How many messages were sent.
    Sent(u64),
}

/// Runs a round for about that long.
type Measure = Box<dyn FnMut(Duration, &mut Poll) -> Result<Sample, Failure>>;
/// Answers or takes what a round brings.
type Serve = Box<dyn FnMut(&mut Poll) -> Result<(), Failure>>;

/// Measures, and says what came out.
///
/// # Errors
/// A message was lost or damaged, the other process ended or fell silent, or the machine refused something.
pub fn run(args: &BenchArgs) -> Result<(), Failure> {
    let machine = Machine::look();
    let lanes = plan::lanes(args)?;
    signals::watch().map_err(|e| Failure::Io("watching for interrupts", e))?;
    let cleanup = Cleanup(lanes);
    let duration = args.duration.unwrap_or(if args.quick { QUICK } else { THOROUGH });
    let results = unless_interrupted(measure_all(&cleanup.0, duration / ROUNDS, &machine))?;
    drop(cleanup);
    if args.json { report::json(&results, &machine) } else { report::table(&results, &machine) }
}

fn measure_all(lanes: &[Lane], round: Duration, machine: &Machine) -> Result<Results, Failure> {
    let (shared, fd) = Shared::create()?;
    let mut work = lanes.iter().map(|lane| start(lane, shared)).collect::<Result<Vec<_>, _>>()?;
    let pinned = pin(machine.pinned[0]);
    let mut poll = spawn(lanes, fd, machine)?;
    poll.until(|| shared.is_ready())?;
    let mut results: Vec<_> = lanes.iter().map(|lane| LaneResult::new(lane.clone())).collect();
    let progress = progress_bar(u64::from(ROUNDS + 1) * lanes.len() as u64);
    let mut number = 0;
    // The first round is for caches, page tables and branch predictors, and is not counted.
    for counted in [false].into_iter().chain([true; ROUNDS as usize]) {
        for (index, (measure, result)) in work.iter_mut().zip(&mut results).enumerate() {
            number += 1;
            shared.start(number, index);
            let begun = Instant::now();
            let sample = measure(if counted { round } else { round / 2 }, &mut poll)?;
            poll.until(|| shared.is_done(number))?;
            if counted {
                result.add(sample, begun.elapsed());
            }
            poll.look()?;
            progress.inc(1);
        }
    }
    progress.finish_and_clear();
    Ok(Results { lanes: results, pinned, round, rounds: ROUNDS })
}

fn start(lane: &Lane, shared: &'static Shared) -> Result<Measure, Failure> {
    if lane.kind.is_trip() { trip::measure(lane, shared) } else { stream::measure(lane) }
}

/// Starts the second process, which gets the shared memory as its standard input.
fn spawn(lanes: &[Lane], fd: OwnedFd, machine: &Machine) -> Result<Poll, Failure> {
    let program = std::env::current_exe().map_err(|e| Failure::Io("finding this program", e))?;
    let mut command = Command::new(program);
    command.arg0("ringpost").arg("bench-peer").args(lanes.iter().map(|lane| format!("--lane={lane}")));
    command.arg(format!("--core={}", machine.pinned[1]));
    if machine.one_core() {
        command.arg("--one-core");
    }
    let child = command.stdin(Stdio::from(fd)).stdout(Stdio::null()).spawn();
    Ok(Poll::new(Some(child.map_err(|e| Failure::Io("starting the second process", e))?), machine.one_core()))
}

/// An interrupt reaches both processes, and whatever fails then fails for that reason.
fn unless_interrupted<T>(result: Result<T, Failure>) -> Result<T, Failure> {
    let interrupted = || Failure::Interrupted("interrupted before the measurement was done".to_owned());
    result.map_err(|failure| if signals::interrupted() { interrupted() } else { failure })
}

/// The second process: does what the first orders, until that ends it.
///
/// # Errors
/// A message was lost or damaged, or the first process fell silent.
pub fn run_peer(args: &PeerArgs) -> Result<(), Failure> {
    let shared = Shared::map(&io::stdin())?;
    signals::watch().map_err(|e| Failure::Io("watching for interrupts", e))?;
    // If the first process is killed, cleaning up falls to this one. Without the signal only patience would tell.
    let _ = set_pdeathsig(Signal::SIGTERM);
    let cleanup = Cleanup(args.lanes.clone());
    let served = serve_all(args, &cleanup.0, shared);
    // The first process says all there is to say about an interrupt.
    if signals::interrupted() { Ok(()) } else { served }
}

fn serve_all(args: &PeerArgs, lanes: &[Lane], shared: &'static Shared) -> Result<(), Failure> {
    let serve = |lane: &Lane| if lane.kind.is_trip() { trip::serve(lane, shared) } else { stream::serve(lane) };
    let mut work = lanes.iter().map(serve).collect::<Result<Vec<_>, _>>()?;
    pin(args.core);
    let mut poll = Poll::new(None, args.one_core);
    shared.set_ready();
    for number in 1.. {
        let mut ordered = None;
        poll.until(|| {
            ordered = shared.ordered(number);
            ordered.is_some()
        })?;
        let serve = ordered.and_then(|lane| work.get_mut(lane)).ok_or_else(|| failed("an order for no lane"))?;
        serve(&mut poll)?;
        shared.finish(number);
    }
    Ok(())
}

/// Shown on standard error, and only to a person.
fn progress_bar(steps: u64) -> ProgressBar {
    if !io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("measuring {bar:40} {percent:>3} %, {eta} left");
    ProgressBar::with_draw_target(Some(steps), ProgressDrawTarget::stderr())
        .with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}

fn failed(what: impl Into<String>) -> Failure {
    Failure::Io("bench", io::Error::other(what.into()))
}
