//! The arguments of every command.

use std::time::Duration;

use clap::{Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use ringpost::{Accept, Ends, WhenFull};

use crate::bench::{BenchArgs, PeerArgs};
use crate::units;

const EXIT_STATUS: &str = "Exit status:
  0  done
  1  another failure
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
    /// List the queues of this machine
    Ls(Ls),
    /// Remove queues
    Rm(Rm),
    /// Say how large a queue would be, without making it
    Plan(Plan),
    /// Measure what queues between two processes do on this machine
    Bench(BenchArgs),
    /// The second process of a measurement
    #[command(hide = true)]
    BenchPeer(PeerArgs),
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
    /// The longest message, as 64 or 64KiB
    #[arg(long, value_name = "BYTES", value_parser = units::bytes)]
    pub max_len: usize,
    /// How many senders may be joined at a time
    #[arg(long, value_enum, default_value_t = EndsArg::Multi)]
    pub senders: EndsArg,
    /// How many receivers may be joined at a time
    #[arg(long, value_enum, default_value_t = EndsArg::Multi)]
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
        let accept = self.accept_owner.iter().fold(Accept::default(), |accept, uid| accept.owner(*uid));
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

#[derive(Debug, clap::Args)]
pub struct Ls {
    /// One JSON document; sizes in bytes, times in nanoseconds
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, clap::Args)]
pub struct Rm {
    /// The queues
    #[arg(required = true)]
    pub names: Vec<String>,
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
    /// Pieces of the same size, the last one shorter
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
