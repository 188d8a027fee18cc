//! The command line.

use clap::{Parser, ValueEnum};
use ringpost::Ends;

/// Kills the processes that use a queue, over and over, and checks that nothing is lost, doubled or torn.
///
/// Senders and receivers are killed with SIGKILL at random moments and restarted at once; some are stopped and continued.
/// All note what they do in memory that outlives them, and at the end of each round every message is accounted for. The exit
/// status is 0 if every promise was kept, 1 if not, 2 if the test could not be made.
#[derive(Debug, Parser)]
#[command(version)]
pub struct Args {
    /// Processes to kill, in all.
    #[arg(long, default_value_t = 10_000)]
    pub kills: u64,
    /// Which ends: one or many senders, to one or many receivers.
    #[arg(long, value_enum, default_value_t = Which::All)]
    pub ends: Which,
    /// What a full queue does.
    #[arg(long, value_enum, default_value_t = Policy::Both)]
    pub when_full: Policy,
    /// Packed queues only: single ends that block, and messages of one length, --max-len. By default they are values, and half
    /// of the senders write them in place, as slices.
    #[arg(long, conflicts_with_all = ["ends", "when_full"])]
    pub packed: bool,
    /// Messages that the queue holds [default: 64 and 65536 by turns].
    #[arg(long)]
    pub capacity: Option<usize>,
    /// Bytes of the longest message.
    #[arg(long, default_value_t = 96, value_parser = clap::value_parser!(u32).range(16..=65536))]
    pub max_len: u32,
    /// Senders, where there may be many.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=24))]
    pub senders: u32,
    /// Receivers, where there may be many.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=24))]
    pub receivers: u32,
    /// Microseconds between two kills, on average, beyond the time that a kill takes.
    #[arg(long, default_value_t = 1000)]
    pub pause_us: u64,
    /// Kills in a round; each round has a queue of its own.
    #[arg(long, default_value_t = 1250, value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    pub round: u64,
    /// Where the random choices begin. Times are not under its control, so a run is alike but not the same.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Put each worker into a pid namespace of its own.
    #[arg(long)]
    pub namespaces: bool,
    /// Deaths to measure, for each figure and capacity.
    #[arg(long, default_value_t = 100)]
    pub latency: u32,
    /// Report as JSON.
    #[arg(long)]
    pub json: bool,
}

/// A choice of policies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Policy {
    /// By turns.
    Both,
    /// Its senders wait.
    Block,
    /// It gives up its oldest message.
    Overwrite,
}

/// A choice of ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Which {
    /// All four, by turns.
    All,
    /// One sender, one receiver.
    Single,
    /// One sender, many receivers.
    SingleMulti,
    /// Many senders, one receiver.
    MultiSingle,
    /// Many senders, many receivers.
    Multi,
}

impl Which {
    /// The combinations to run.
    pub fn combinations(self) -> Vec<(Ends, Ends)> {
        use Ends::{Multi, Single};
        match self {
            Self::All => vec![(Single, Single), (Single, Multi), (Multi, Single), (Multi, Multi)],
            Self::Single => vec![(Single, Single)],
            Self::SingleMulti => vec![(Single, Multi)],
            Self::MultiSingle => vec![(Multi, Single)],
            Self::Multi => vec![(Multi, Multi)],
        }
    }
}
