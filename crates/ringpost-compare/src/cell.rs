//! One cell of the comparison: a transport, a lane, a size.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::probe::Domain;
use crate::transports::{Place, Waiting};

/// Sizes of messages that are measured, in bytes. Transports that need a type know these.
pub const SIZES: [usize; 6] = [8, 48, 64, 1024, 64 << 10, 1 << 20];
/// Bytes that a queue's messages take, where that makes a sensible number of them.
const QUEUE_BYTES: usize = 512 << 10;
const LEAST_DEPTH: usize = 4;
const MOST_DEPTH: usize = 1024;
/// Messages of a batch.
pub const BATCH: usize = 32;

/// Messages that a queue for such messages holds: the same for all transports.
#[must_use]
pub fn depth(lane: Lane, len: usize) -> usize {
    let most = if lane == Lane::Short { LEAST_DEPTH } else { MOST_DEPTH };
    (QUEUE_BYTES / len.max(1)).clamp(LEAST_DEPTH, most)
}

/// How an error begins that does not mean that anything is wrong, but that a transport does not do what the cell is about.
pub const LEFT_OUT: &str = "left out: ";

/// What is done with the messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Lane {
    /// There and back, one at a time; both poll.
    Trip,
    /// The same through queues of four messages.
    Short,
    /// There and back, one at a time; both sleep.
    Asleep,
    /// One way, one by one.
    One,
    /// One way, 32 at a time.
    Batch,
    /// One way at a given rate: how late are they?
    Open,
}

/// Times in nanoseconds, and how many messages took that long.
pub type Times = Vec<(u64, u64)>;

impl Lane {
    /// All of them.
    pub const ALL: [Self; 6] = [Self::Trip, Self::Short, Self::Asleep, Self::One, Self::Batch, Self::Open];

    /// Its name on the command line and in reports.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Trip => "trip",
            Self::Short => "short",
            Self::Asleep => "asleep",
            Self::One => "one",
            Self::Batch => "batch",
            Self::Open => "open",
        }
    }

    /// How the ends wait.
    #[must_use]
    pub fn waiting(self) -> Waiting {
        if self == Self::Asleep { Waiting::Sleep } else { Waiting::Spin }
    }

    /// Whether messages go there and back.
    #[must_use]
    pub fn is_trip(self) -> bool {
        matches!(self, Self::Trip | Self::Short | Self::Asleep)
    }
}

impl fmt::Display for Lane {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What the two processes of a cell are told.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Task {
    /// The transport's name in the registry.
    pub transport: String,
    /// What is done.
    pub lane: Lane,
    /// Messages a second, where that is given.
    pub rate: Option<u64>,
    /// Where, with what messages.
    pub place: Place,
    /// The processors of the two sides.
    pub cores: [usize; 2],
    /// How long a round takes, about.
    pub round: Duration,
    /// Rounds that are wanted.
    pub rounds: u32,
    /// Rounds that may be made for that, since the processors may move.
    pub most_rounds: u32,
    /// How long the other side may be silent.
    pub patience: Duration,
    /// Messages of a round, instead of as many as take its time.
    pub count: Option<u64>,
}

/// One round, as it was measured.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Round {
    /// Nanoseconds of a raw round trip before and after.
    pub probes: [f64; 2],
    /// Messages sent one way, or round trips.
    pub count: u64,
    /// From the first departure to the last arrival.
    pub elapsed_ns: u64,
    /// Times in nanoseconds, and how many took that long; none where only the rate is measured.
    pub times: Times,
}

impl Round {
    /// Where the processors were.
    #[must_use]
    pub fn domain(&self) -> Domain {
        Domain::of(self.probes[0], self.probes[1])
    }

    /// Messages or round trips a second.
    #[must_use]
    pub fn rate(&self) -> f64 {
        self.count as f64 * 1e9 / self.elapsed_ns as f64
    }
}
