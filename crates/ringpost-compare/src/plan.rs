//! Which cells a run has, and how long it takes over each.

use std::time::Duration;

use crate::cell::{Lane, SIZES, depth};
use crate::registry::{ENTRIES, Entry, Kind, Work};
use crate::results::{Cell, JOINED, Outcome};
use crate::transports::{Place, Side, Support};

/// Sizes of messages there and back.
const TRIP_SIZES: [usize; 3] = [8, 48, 64];
/// Sizes of messages in batches.
const BATCH_SIZES: [usize; 2] = [8, 64];
/// Sizes of messages one by one: from 4 KiB on, they are written in place where that can be.
const ONE_SIZES: [usize; 5] = [8, 64, 1024, 64 << 10, 1 << 20];
/// Messages a second.
const RATES: [u64; 3] = [10_000, 100_000, 1_000_000];

/// What a run has besides its lanes.
pub const EXTRAS: [&str; 4] = ["crowd", "sweep", "memory", "calls"];

/// How thorough a run is.
#[derive(Clone, Copy, Debug)]
pub struct Effort {
    /// Repetitions, each in new processes.
    pub repetitions: u32,
    /// Rounds of a repetition.
    pub rounds: u32,
    /// Rounds that may be made for that.
    pub most_rounds: u32,
    /// How long a round takes, about.
    pub round: Duration,
    /// How long a crowd sends.
    pub crowd: Duration,
    /// Repetitions of a crowd.
    pub crowds: u32,
    /// Whether only one rate is measured, and so on.
    pub quick: bool,
}

impl Effort {
    /// Under two minutes.
    pub const QUICK: Self = Self {
        repetitions: 3,
        rounds: 2,
        most_rounds: 4,
        round: Duration::from_millis(8),
        crowd: Duration::from_secs(1),
        crowds: 1,
        quick: true,
    };
    /// As it should be.
    pub const FULL: Self = Self {
        repetitions: 10,
        rounds: 4,
        most_rounds: 10,
        round: Duration::from_millis(50),
        crowd: Duration::from_secs(2),
        crowds: 3,
        quick: false,
    };
}

/// Which cells are wanted: by names of transports, of kinds of them, and of lanes.
#[derive(Clone, Debug, Default)]
pub struct Only(Vec<String>);

impl Only {
    /// All of what these words name; everything if there is none.
    ///
    /// # Errors
    /// A word names nothing.
    pub fn new(words: &[String]) -> Result<Self, String> {
        let known = |word: &String| {
            EXTRAS.contains(&&**word)
                || Lane::ALL.iter().any(|lane| names_lane(word, *lane))
                || ENTRIES.iter().any(|e| names(word, e))
        };
        match words.iter().find(|word| !known(word)) {
            Some(word) => Err(format!("`{word}` is no transport, no kind of them and no lane (see --list)")),
            None => Ok(Self(words.to_vec())),
        }
    }

    /// Whether a transport is wanted.
    #[must_use]
    pub fn wants(&self, entry: &Entry) -> bool {
        let mut said = self.0.iter().filter(|word| ENTRIES.iter().any(|entry| names(word, entry))).peekable();
        if said.peek().is_none() {
            !matches!(entry.kind, Kind::Broken | Kind::Swept)
        } else {
            said.any(|word| names(word, entry))
        }
    }

    /// Whether no transport is named, or this kind.
    fn wants_kind(&self, kind: Kind) -> bool {
        let mut said = self.0.iter().filter(|word| ENTRIES.iter().any(|entry| names(word, entry))).peekable();
        said.peek().is_none() || said.any(|word| word == kind.name())
    }

    fn wants_lane(&self, lane: Lane) -> bool {
        self.wants_work(lane.name())
    }

    /// Whether what has this name is wanted: a lane, or one of [`EXTRAS`].
    #[must_use]
    pub fn wants_work(&self, name: &str) -> bool {
        let is_work =
            |word: &&String| EXTRAS.contains(&&***word) || Lane::ALL.iter().any(|lane| lane.name() == word.as_str());
        let mut said = self.0.iter().filter(is_work).peekable();
        said.peek().is_none() || said.any(|word| word == name)
    }
}

/// A transport is named by its name, its beginning up to a hyphen, or its kind.
fn names(word: &str, entry: &Entry) -> bool {
    let begins = entry.name.strip_prefix(word).is_some_and(|rest| rest.is_empty() || rest.starts_with('-'));
    begins || entry.kind.name() == word
}

fn names_lane(word: &str, lane: Lane) -> bool {
    lane.name() == word
}

/// The cells of a run, those that cannot be measured too, with the reason.
#[must_use]
pub fn cells(only: &Only, effort: &Effort) -> Vec<Outcome> {
    let rates = if effort.quick { &RATES[1..2] } else { &RATES[..] };
    let mut found = Vec::new();
    for lane in Lane::ALL.into_iter().filter(|lane| only.wants_lane(*lane)) {
        let (sizes, rates): (&[usize], Vec<Option<u64>>) = match lane {
            Lane::Trip => (&TRIP_SIZES, vec![None]),
            Lane::Short => (&SIZES[..3], vec![None]),
            Lane::Asleep => (&SIZES[..1], vec![None]),
            Lane::One => (&ONE_SIZES, vec![None]),
            Lane::Batch => (&BATCH_SIZES, vec![None]),
            Lane::Open => (&SIZES[2..3], rates.iter().copied().map(Some).collect()),
        };
        for len in sizes {
            for rate in &rates {
                for entry in ENTRIES.iter().filter(|entry| only.wants(entry)) {
                    found.push(outcome(entry, lane, *len, *rate));
                }
            }
        }
    }
    found
}

fn outcome(entry: &Entry, lane: Lane, len: usize, rate: Option<u64>) -> Outcome {
    let (transport, kind) = (entry.name.to_owned(), entry.kind);
    let mut outcome =
        Outcome::new(Cell { transport, kind, lane, len, rate, depth: depth(lane, len), joined: JOINED, queues: 1 });
    outcome.skipped = match (entry.work)(len) {
        None => Some("not for messages of this size".to_owned()),
        Some(work) => why_not(&work, &outcome.cell),
    };
    outcome
}

/// One thing that is varied: its name, its values, fewer of them for a quick run, and what they do to a cell.
struct Sweep {
    transports: &'static [&'static str],
    lanes: &'static [Lane],
    full: &'static [usize],
    quick: &'static [usize],
    set: fn(&mut Cell, usize),
}

const SWEEPS: [Sweep; 3] = [
    Sweep {
        transports: &["buffers-as-wide", "ringpost-single-typed", "ringpost-multi-typed"],
        lanes: &[Lane::Trip, Lane::One],
        full: &[64, 1024, 16 << 10, 256 << 10, 1 << 20],
        quick: &[64, 1024, 1 << 20],
        set: |cell, value| cell.depth = value,
    },
    Sweep {
        transports: &["ringpost-multi-typed"],
        lanes: &[Lane::Trip, Lane::One],
        full: &[1, 8, 64, 500],
        // A thousand take seconds to join.
        quick: &[1, 100],
        set: |cell, value| cell.joined = value,
    },
    Sweep {
        transports: &["buffers-in-turn", "ringpost-single-in-turn", "ringpost-multi-in-turn"],
        lanes: &[Lane::Trip, Lane::One],
        full: &[1, 10, 100, 1000],
        quick: &[1, 1000],
        set: |cell, value| (cell.queues, cell.depth, cell.joined) = (value, 64, 1),
    },
];

/// Cells in which one thing is varied, with messages of 8 bytes.
#[must_use]
pub fn sweeps(only: &Only, effort: &Effort) -> Vec<Outcome> {
    let mut found = Vec::new();
    for sweep in &SWEEPS {
        let wanted = |entry: &&Entry| {
            let kind = if entry.kind == Kind::Swept { Kind::Ringpost } else { entry.kind };
            sweep.transports.contains(&entry.name) && (only.wants(entry) || only.wants_kind(kind))
        };
        for entry in ENTRIES.iter().filter(wanted) {
            for lane in sweep.lanes {
                for value in if effort.quick { sweep.quick } else { sweep.full } {
                    let mut varied = outcome(entry, *lane, SIZES[0], None);
                    (sweep.set)(&mut varied.cell, *value);
                    varied.sweep = true;
                    found.push(varied);
                }
            }
        }
    }
    found
}

fn why_not(work: &Work, cell: &Cell) -> Option<String> {
    let support = match cell.lane {
        Lane::Asleep => work.able.sleep,
        Lane::Batch => work.able.batch,
        Lane::Trip | Lane::Short | Lane::One | Lane::Open => Support::Yes,
    };
    if !work.lanes.contains(&cell.lane) {
        return Some("makes no sense here".to_owned());
    }
    match support {
        Support::No(reason) => Some(reason.to_owned()),
        Support::Yes => {
            (work.refuses)(&place(cell, format!("compare-plan-{}", std::process::id()), std::env::temp_dir()))
        }
    }
}

/// Where a cell is measured.
#[must_use]
pub fn place(cell: &Cell, name: String, dir: std::path::PathBuf) -> Place {
    let trip = cell.lane.is_trip().then_some(Side::First);
    Place {
        name,
        dir,
        len: cell.len,
        depth: cell.depth,
        joined: cell.joined,
        queues: cell.queues,
        wait: cell.lane.waiting(),
        trip,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(words: &[&str]) -> Result<Only, String> {
        Only::new(&words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn words_choose_cells() {
        let cells_of = |only: &[&str]| cells(&words(only).unwrap(), &Effort::QUICK);
        assert!(cells_of(&[]).iter().all(|outcome| outcome.cell.kind != Kind::Broken));
        let some = cells_of(&["ringpost-single", "limits", "trip"]);
        assert!(some.iter().all(|o| o.cell.lane == Lane::Trip));
        assert!(some.iter().all(|o| o.cell.kind == Kind::Limit || o.cell.transport.starts_with("ringpost-single")));
        assert!(some.iter().any(|o| o.cell.transport == "ringpost-single-typed"));
        assert!(words(&["nonsense"]).is_err() && words(&["ring"]).is_err());
    }

    #[cfg(feature = "in-process")]
    #[test]
    fn what_cannot_be_is_left_out_with_a_reason() {
        let found = cells(&words(&["line", "rtrb"]).unwrap(), &Effort::QUICK);
        let skipped = |transport: &str, lane| {
            let mut of = found.iter().filter(|o| o.cell.transport == transport && o.cell.lane == lane);
            of.all(|outcome| outcome.skipped.is_some())
        };
        assert!(skipped("line", Lane::One) && skipped("rtrb", Lane::Asleep) && !skipped("rtrb", Lane::Batch));
    }
}
