//! The arguments of every command.

use std::time::Duration;

use clap::{Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use ringpost::{Accept, Ends, WhenFull};
use ringpost_compare::worker::WORKER;

use crate::bench::BenchArgs;
use crate::units;

const EXIT_STATUS: &str = "Exit status:
  0  done
  1  another failure (doctor: somebody is dead, or stuck)
  2  usage
  3  no such queue
  4  it exists already
  5  full or timed out (send: before all was sent; pull: with nothing pulled)
  6  corrupt or incompatible segment
  7  not permitted

Examples:
  ringpost create jobs --capacity 1024 --max-len 4KiB
  ringpost send jobs 'first job' 'second job'
  ringpost pull jobs --size 2
  ringpost pull jobs --follow > out &   ringpost send jobs --close < in
  ringpost bench --quick";

/// Messages between processes through named shared memory.
#[derive(Debug, Parser)]
#[command(name = "ringpost", version, after_help = EXIT_STATUS)]
pub struct Args {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Make a queue
    Create(Create),
    /// Send messages: the arguments, or standard input
    Send(Send),
    /// Take messages and write them to standard output
    Pull(Pull),
    /// Say what a queue is, and who uses it
    Stat(Stat),
    /// Copy messages to standard output and leave them where they are
    Peek(Peek),
    /// Say who holds what, dead or alive, and what is stuck; repair what the dead have left
    Doctor(Doctor),
    /// List the queues of this machine
    Ls(Ls),
    /// Remove queues
    Rm(Rm),
    /// Say how large a queue would be, without making it
    Plan(Plan),
    /// Measure what queues between two processes do on this machine
    Bench(BenchArgs),
    /// One of the two processes of a measurement
    #[command(name = WORKER, hide = true)]
    BenchWorker {
        /// What to do
        task: String,
        /// Which of the two
        side: String,
    },
    /// Write a completion script for a shell
    Completions {
        /// The shell
        shell: Shell,
    },
}

/// What a queue is made with.
#[derive(Debug, clap::Args)]
pub struct Shape {
    /// Messages that it holds at least
    #[arg(long, value_name = "N")]
    pub capacity: usize,
    /// The longest message, as 64 or 64KiB; with --packed the length of all
    #[arg(long, value_name = "BYTES", value_parser = units::bytes)]
    pub max_len: usize,
    /// Lay messages side by side, for small ones at the highest rate; one sender, one receiver, and --align 8 is the closest
    #[arg(long)]
    pub packed: bool,
    /// How many senders may be joined at a time; with --packed single
    #[arg(long, value_enum, default_value_t = EndsArg::Multi, default_value_if("packed", "true", "single"))]
    pub senders: EndsArg,
    /// How many receivers may be joined at a time; with --packed single
    #[arg(long, value_enum, default_value_t = EndsArg::Multi, default_value_if("packed", "true", "single"))]
    pub receivers: EndsArg,
    /// What send does when it is full: block, fail, overwrite, or a duration to wait for
    #[arg(long, value_name = "POLICY", default_value = "block", value_parser = when_full)]
    pub when_full: WhenFull,
    /// The most senders and receivers together
    #[arg(long, value_name = "N", default_value_t = 64)]
    pub endpoints: usize,
    /// How often a message may be delivered, 1 to 30; 0: without a limit
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub max_deliveries: u32,
    /// The queue that takes messages which have been delivered so often; without one they are dropped
    #[arg(long, value_name = "NAME", requires = "max_deliveries")]
    pub dead_letter: Option<String>,
    /// What the address of every message is a multiple of
    #[arg(long, value_name = "BYTES", default_value = "16", value_parser = units::bytes)]
    pub align: usize,
}

#[derive(Debug, clap::Args)]
pub struct Create {
    /// The queue: letters, digits, dot, underscore, dash
    pub name: String,
    #[command(flatten)]
    pub shape: Shape,
    /// Who may use it, as for a file; a class of users reads and writes, or neither
    #[arg(long, default_value = "0600", value_parser = units::mode)]
    pub mode: u32,
    /// Ask the kernel for huge pages
    #[arg(long)]
    pub huge_pages: bool,
    /// Succeed if there is one just like it
    #[arg(long)]
    pub exist_ok: bool,
}

/// Which queue to open.
#[derive(Debug, clap::Args)]
pub struct Open {
    /// The queue
    pub name: String,
    /// Wait for at most this long for it to be made
    #[arg(long, value_name = "DURATION", value_parser = units::duration)]
    pub wait: Option<Duration>,
    /// Accept a queue that this user made, besides our own and root's
    #[arg(long, value_name = "UID")]
    pub accept_owner: Vec<u32>,
}

impl Open {
    /// Opens it, as asked for.
    pub fn open(&self) -> Result<ringpost::Queue, ringpost::OpenError> {
        let accept = accept(&self.accept_owner);
        match self.wait {
            Some(timeout) => ringpost::Queue::wait_for_with(&self.name, timeout, &accept),
            None => ringpost::Queue::open_with(&self.name, &accept),
        }
    }
}

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  ringpost send jobs 'one message' 'another'
  ringpost send logs < access.log
  ringpost send blobs --framing chunk < disk.img
  ringpost send records --framing chunk < samples.bin   each as long as a packed queue's messages
  ringpost send jobs --timeout 100ms urgent || echo 'nobody takes them'")]
pub struct Send {
    #[command(flatten)]
    pub open: Open,
    /// The messages; without any, standard input is read
    pub messages: Vec<String>,
    /// How standard input is cut into messages
    #[arg(long, value_enum, default_value_t = Framing::Lines)]
    pub framing: Framing,
    /// Bytes of a chunk; by default the queue's longest message
    #[arg(long, value_name = "BYTES", value_parser = units::bytes)]
    pub chunk: Option<usize>,
    /// Give up when the queue has stayed full for this long, whatever its policy
    #[arg(long, value_name = "DURATION", value_parser = units::duration)]
    pub timeout: Option<Duration>,
    /// The most messages to hand over at a time
    #[arg(long, value_name = "N", default_value_t = 1024)]
    pub batch: usize,
    /// Mark the queue closed after the last message
    #[arg(long)]
    pub close: bool,
}

#[derive(Debug, clap::Args)]
#[command(
    after_help = "What has not been written out when an interrupt comes, or when the reader of our output goes, stays
in the queue.

Examples:
  ringpost pull jobs                           all that is there now
  ringpost pull jobs --size 5 --timeout 500ms  five, or what has come by then
  ringpost pull logs --follow | grep -v DEBUG
  ringpost pull blobs --follow --format raw > disk.img"
)]
pub struct Pull {
    #[command(flatten)]
    pub open: Open,
    /// Return as soon as this many are there; by default the queue's capacity
    #[arg(long, value_name = "N")]
    pub size: Option<usize>,
    /// Wait for at most this long in all; by default not at all
    #[arg(long, value_name = "DURATION", value_parser = units::duration)]
    pub timeout: Option<Duration>,
    /// Go on until interrupted or the queue is closed
    #[arg(long)]
    pub follow: bool,
    /// With --follow: end when every sender has left, too
    #[arg(long, requires = "follow")]
    pub until_senders_leave: bool,
    /// How messages are written
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub format: Format,
}

#[derive(Debug, clap::Args)]
pub struct Stat {
    #[command(flatten)]
    pub open: Open,
    /// One JSON document; sizes in bytes, times in nanoseconds
    #[arg(long)]
    pub json: bool,
}

/// Which queue to look at from outside.
#[derive(Debug, clap::Args)]
pub struct Inspect {
    /// The queue
    pub name: String,
    /// Accept a queue that this user made, besides our own and root's
    #[arg(long, value_name = "UID")]
    pub accept_owner: Vec<u32>,
}

impl Inspect {
    /// Looks at it, without being one of those who have it open.
    pub fn inspector(&self) -> Result<ringpost::Inspector, ringpost::OpenError> {
        ringpost::Inspector::open_with(&self.name, &accept(&self.accept_owner))
    }
}

/// Our own queues, root's, and those of `owners`.
pub fn accept(owners: &[u32]) -> Accept {
    owners.iter().fold(Accept::default(), |accept, uid| accept.owner(*uid))
}

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Nothing is taken, locked or written. What changes while it is copied is copied again, so each message
is whole. With --format json each has its position and its state, too: ready, came back, held, or being written.

Examples:
  ringpost peek jobs                       all that wait
  ringpost peek jobs --size 1              the one that comes next
  ringpost peek jobs --held --format json  those that somebody holds or is writing, too"
)]
pub struct Peek {
    #[command(flatten)]
    pub inspect: Inspect,
    /// The most messages to show; by default all
    #[arg(long, value_name = "N")]
    pub size: Option<usize>,
    /// Leave out messages before this position, counted from 0 since the queue was made
    #[arg(long, value_name = "POSITION", default_value_t = 0)]
    pub from: u64,
    /// Show messages that a receiver holds, too, and with --format json those that a sender is writing
    #[arg(long)]
    pub held: bool,
    /// How messages are written
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub format: Format,
}

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Exit status: 0 if all is well, or has been repaired; 1 if an endpoint is dead, is stopped with something in its
hands, or was in the way of others for as long as it was watched; 6 if the queue is corrupt.

Nobody who lives is robbed: --fix frees what the dead held, as those who use the queue do when they meet it. A stopped
process has to be continued or killed.

Examples:
  ringpost doctor jobs
  ringpost doctor jobs --watch 5s   whoever is in the way for five seconds is stuck
  ringpost doctor jobs --fix || ringpost doctor jobs --json"
)]
pub struct Doctor {
    #[command(flatten)]
    pub inspect: Inspect,
    /// Repair the endpoints that are dead
    #[arg(long)]
    pub fix: bool,
    /// Look twice, this far apart: what has not moved in between has been held for so long. With 0s look once
    #[arg(long, value_name = "DURATION", default_value = "100ms", value_parser = units::duration)]
    pub watch: Duration,
    /// One JSON document; times in nanoseconds
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, clap::Args)]
#[command(
    after_help = "The last column says who uses a queue. One that nobody has open is stale: with what is left in it.
Temporary files of those who make queues are listed behind them, if there are any."
)]
pub struct Ls {
    /// One JSON document; sizes in bytes, times in nanoseconds
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, clap::Args)]
#[command(
    after_help = "With --stale: queues that nobody has open go if they are empty and nobody has joined them for a minute, or
if they are ephemeral; and temporary files go whose maker is dead. Queues with messages stay, and so does what is damaged
or not ours. What was done is told, and why. A name that nothing has is an error.

Examples:
  ringpost rm jobs results
  ringpost rm --stale --dry-run
  ringpost rm --stale --older-than 0s results   unless somebody has it open, or it has messages
  ringpost rm --stale --older-than 7days --with-messages"
)]
pub struct Rm {
    /// The queues; with --stale only these, and only if they are stale
    #[arg(required_unless_present = "stale")]
    pub names: Vec<String>,
    /// Remove what nobody uses any more
    #[arg(long)]
    pub stale: bool,
    /// Only say what would be removed
    #[arg(long, requires = "stale")]
    pub dry_run: bool,
    /// Only queues that nobody has joined for so long
    #[arg(long, requires = "stale", value_name = "DURATION", default_value = "1m", value_parser = units::duration)]
    pub older_than: Duration,
    /// Queues with messages in them, too; the messages are lost
    #[arg(long, requires = "stale")]
    pub with_messages: bool,
    /// With --stale: one JSON document
    #[arg(long, requires = "stale")]
    pub json: bool,
    /// Accept a queue that this user made, besides our own and root's
    #[arg(long, value_name = "UID")]
    pub accept_owner: Vec<u32>,
}

#[derive(Debug, clap::Args)]
pub struct Plan {
    #[command(flatten)]
    pub shape: Shape,
    /// One JSON document; sizes in bytes
    #[arg(long)]
    pub json: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum EndsArg {
    /// One: faster
    Single,
    /// Any number
    Multi,
}

impl From<EndsArg> for Ends {
    fn from(ends: EndsArg) -> Self {
        match ends {
            EndsArg::Single => Self::Single,
            EndsArg::Multi => Self::Multi,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Framing {
    /// Each line, without its newline
    Lines,
    /// Each length (4 bytes, little endian) and that many bytes
    Length,
    /// Pieces of the same size, the last one shorter; a packed queue takes no shorter one
    Chunk,
    /// All of it as one message
    Whole,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// The message and a newline
    Text,
    /// A JSON object a line: length, deliveries, and the message as text, or as hex if it is not UTF-8
    Json,
    /// Two hexadecimal digits a byte, and a newline
    Hex,
    /// The length (4 bytes, little endian) and the message
    Length,
    /// The message, and nothing between
    Raw,
}

fn when_full(text: &str) -> Result<WhenFull, String> {
    Ok(match text {
        "block" => WhenFull::Block,
        "fail" => WhenFull::Fail,
        "overwrite" => WhenFull::Overwrite,
        other => WhenFull::Deadline(
            units::duration(other).map_err(|_| "write block, fail, overwrite, or a duration as 100ms".to_owned())?,
        ),
    })
}
