//! All that a run has found out.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::calls::Calls;
use crate::cell::{Lane, Round};
use crate::costs::Costs;
use crate::crowd::Crowd;
use crate::machine::Machine;
use crate::memory::Memory;
use crate::probe::Domain;
use crate::registry::Kind;
use crate::stats::{self, Percentiles, Spread};

/// What is measured: a transport, a lane, a size.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cell {
    /// The transport's name in the registry.
    pub transport: String,
    /// What it is.
    pub kind: Kind,
    /// What is done.
    pub lane: Lane,
    /// Bytes of a message.
    pub len: usize,
    /// Messages a second, where that is given.
    pub rate: Option<u64>,
    /// Messages that the queue holds.
    pub depth: usize,
    /// Endpoints joined on each side, where there may be several.
    pub joined: usize,
    /// Queues that are used in turn.
    pub queues: usize,
}

/// Endpoints joined on each side of a queue of many ends, unless that is what is varied.
pub const JOINED: usize = 2;

/// What came out of a cell.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Outcome {
    /// The cell.
    #[serde(flatten)]
    pub cell: Cell,
    /// Why it was left out.
    pub skipped: Option<String>,
    /// What went wrong.
    pub failed: Option<String>,
    /// What was measured while the processors were near, and while they were far.
    pub domains: BTreeMap<Domain, Figures>,
    /// Whether it is one of those in which one thing is varied.
    pub sweep: bool,
    /// Rounds that were dropped, since the processors moved.
    pub dropped: usize,
    /// Every session, as it was measured.
    #[serde(skip)]
    sessions: Vec<Vec<Round>>,
}

/// The figures of a cell, for one distance of the processors.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Figures {
    /// Pairs of processes that were measured.
    pub sessions: usize,
    /// Rounds of those.
    pub rounds: usize,
    /// Messages or round trips of those.
    pub messages: u64,
    /// Messages or round trips a second: medians over the rounds of a session, and their spread over sessions.
    pub rate: Spread,
    /// Times in nanoseconds, of round trips, or from when a message was due: percentiles of a session, and their spread over
    /// sessions.
    pub times: Option<Percentiles>,
    /// Percentiles and times of all sessions together, for a curve.
    pub curve: Vec<(f64, u64)>,
}

impl Outcome {
    /// Nothing yet.
    #[must_use]
    pub fn new(cell: Cell) -> Self {
        let (skipped, failed) = (None, None);
        Self { cell, skipped, failed, domains: BTreeMap::new(), sweep: false, dropped: 0, sessions: Vec::new() }
    }

    /// Adds a session.
    pub fn add(&mut self, rounds: Vec<Round>) {
        self.dropped += rounds.iter().filter(|round| round.domain() == Domain::Mixed).count();
        self.sessions.push(rounds);
    }

    /// Computes the figures of all sessions so far.
    pub fn finish(&mut self) {
        let figures = [Domain::Near, Domain::Far].map(|domain| Some((domain, Figures::of(&self.sessions, domain)?)));
        self.domains = figures.into_iter().flatten().collect();
    }

    /// Whether it should have been measured, and there was no steady round.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.skipped.is_none() && self.failed.is_none() && self.domains.is_empty()
    }
}

impl Figures {
    fn of(sessions: &[Vec<Round>], domain: Domain) -> Option<Self> {
        let of_domain = |rounds: &Vec<Round>| -> Vec<Round> {
            rounds.iter().filter(|round| round.domain() == domain).cloned().collect()
        };
        let sessions: Vec<Vec<Round>> = sessions.iter().map(of_domain).filter(|rounds| !rounds.is_empty()).collect();
        let rates = sessions.iter().filter_map(|rounds| Spread::of(rounds.iter().map(Round::rate)));
        let mut percentiles = Vec::new();
        for rounds in &sessions {
            let together = stats::merged(rounds.iter().map(|round| &round.times));
            percentiles.extend(together.and_then(|together| Percentiles::of(&crate::lanes::pairs(&together))));
        }
        let all = stats::merged(sessions.iter().flatten().map(|round| &round.times));
        Some(Self {
            rate: Spread::of(rates.map(|spread| spread.median))?,
            times: Percentiles::over(&percentiles),
            curve: all.map(|all| stats::curve(&all)).unwrap_or_default(),
            sessions: sessions.len(),
            rounds: sessions.iter().map(Vec::len).sum(),
            messages: sessions.iter().flatten().map(|round| round.count).sum(),
        })
    }
}

/// Everything.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Results {
    /// When it began, in UTC.
    pub date: String,
    /// The command line.
    pub command: String,
    /// Where.
    pub machine: Machine,
    /// Names, versions and usage of what was compared.
    pub compared: Vec<Compared>,
    /// Repetitions, each in new processes.
    pub repetitions: u32,
    /// Rounds of a repetition.
    pub rounds: u32,
    /// How long a round takes, about.
    pub round_ms: u64,
    /// The cells.
    pub cells: Vec<Outcome>,
    /// System calls on the way of a message.
    #[serde(default)]
    pub calls: Vec<Calls>,
    /// What joining and recovering cost.
    #[serde(default)]
    pub costs: Vec<Costs>,
    /// Segments and endpoints in memory.
    #[serde(default)]
    pub memory: Option<Memory>,
    /// Many senders and receivers at one queue.
    pub crowds: Vec<Crowd>,
    /// How long it all took, in seconds.
    pub took_s: f64,
}

/// One transport that took part.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Compared {
    /// Its name in the registry.
    pub name: String,
    /// What it is.
    pub kind: Kind,
    /// Package and version.
    pub version: Option<String>,
    /// How it is used.
    pub about: String,
}

impl Results {
    /// Distances of the processors at which anything was measured.
    #[must_use]
    pub fn domains(&self) -> Vec<Domain> {
        let has = |domain: &Domain| self.cells.iter().any(|outcome| outcome.domains.contains_key(domain));
        [Domain::Near, Domain::Far].into_iter().filter(has).collect()
    }

    /// Rounds that were dropped, and all rounds that were made.
    #[must_use]
    pub fn dropped(&self) -> (usize, usize) {
        let dropped = self.cells.iter().map(|outcome| outcome.dropped).sum();
        let kept: usize = self.cells.iter().flat_map(|outcome| outcome.domains.values()).map(|f| f.rounds).sum();
        (dropped, dropped + kept)
    }

    /// Messages that were received and checked in counted rounds. A round trip is two.
    #[must_use]
    pub fn messages(&self) -> u64 {
        let count = |outcome: &Outcome| {
            let each = if outcome.cell.lane.is_trip() { 2 } else { 1 };
            outcome.domains.values().map(|figures| figures.messages * each).sum::<u64>()
        };
        self.cells.iter().map(count).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cell::depth;

    fn round(probes: [f64; 2], count: u64) -> Round {
        Round { probes, count, elapsed_ns: 1_000_000_000, times: vec![(count, 10)] }
    }

    #[test]
    fn near_and_far_are_kept_apart_and_mixed_rounds_dropped() {
        let kind = Kind::Limit;
        let (len, rate) = (8, None);
        let cell = Cell {
            transport: "x".into(),
            kind,
            lane: Lane::Trip,
            len,
            rate,
            depth: depth(Lane::Trip, 8),
            joined: JOINED,
            queues: 1,
        };
        let mut outcome = Outcome::new(cell);
        outcome.add(vec![round([100.0, 110.0], 10), round([100.0, 400.0], 1000), round([400.0, 400.0], 50)]);
        outcome.add(vec![round([100.0, 110.0], 30)]);
        outcome.finish();
        let near = &outcome.domains[&Domain::Near];
        assert_eq!((near.sessions, near.rate.median, near.rate.least, near.rate.most), (2, 20.0, 10.0, 30.0));
        assert_eq!(near.times.unwrap().p50.median, 20.0);
        assert_eq!(outcome.domains[&Domain::Far].rate.median, 50.0);
        assert_eq!(outcome.dropped, 1);
    }
}
