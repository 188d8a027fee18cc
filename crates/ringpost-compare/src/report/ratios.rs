//! What ringpost is to reach, as ratios within one run, and what it reached.

use serde::Serialize;

use super::{best, growth, is_called, is_peer, size};
use crate::cell::Lane;
use crate::crowd::Crowd;
use crate::probe::Domain;
use crate::registry::Kind;
use crate::results::{Cell, Figures, Results};

/// One goal.
#[derive(Clone, Debug, Serialize)]
pub struct Ratio {
    /// What is measured.
    pub what: String,
    /// `single` or `multi` ends.
    pub ends: &'static str,
    /// Where the processors were, where that matters.
    pub domain: Option<Domain>,
    /// Whether the ratio is to be at least the goal, and not at most.
    pub at_least: bool,
    /// The goal.
    pub goal: f64,
    /// What was compared with, and its figure, in nanoseconds or messages a second (or a bare number, for tails).
    pub against: Option<(String, f64)>,
    /// The form of ringpost that was best, and its figure.
    pub ringpost: Option<(String, f64)>,
    /// The ratio of the two.
    pub measured: Option<f64>,
}

impl Ratio {
    /// Whether the goal was met; `None` if it was not measured.
    #[must_use]
    pub fn is_met(&self) -> Option<bool> {
        self.measured.map(|ratio| if self.at_least { ratio >= self.goal } else { ratio <= self.goal })
    }

    /// Where the processors were, for people.
    #[must_use]
    pub fn domain_text(&self) -> &'static str {
        self.domain.map_or("any", Domain::name)
    }

    /// The goal, for people.
    #[must_use]
    pub fn goal_text(&self) -> String {
        format!("{} {}{}", if self.at_least { "≥" } else { "≤" }, self.goal, self.unit())
    }

    /// What was measured, for people.
    #[must_use]
    pub fn measured_text(&self) -> String {
        match self.measured {
            Some(count) if self.goal == 0.0 => format!("{count}"),
            Some(ratio) => format!("{ratio:.2}{}", self.unit()),
            None => "–".to_owned(),
        }
    }

    /// What is to be none is a count, and everything else a ratio.
    fn unit(&self) -> &'static str {
        if self.goal == 0.0 { "" } else { "×" }
    }
}

/// Whom a goal is about.
#[derive(Clone, Copy)]
enum Other {
    Name(&'static str),
    BestPeer,
}

impl Other {
    fn is(self, cell: &Cell) -> bool {
        match self {
            Self::Name(name) => is_called(cell, name),
            Self::BestPeer => is_peer(cell),
        }
    }

    fn text(self) -> &'static str {
        match self {
            Self::Name(name) => name,
            Self::BestPeer => "best peer",
        }
    }
}

/// What is compared.
#[derive(Clone, Copy, PartialEq)]
enum Of {
    Score,
    /// `p99` over the middle.
    Tail,
}

struct Goal {
    lane: Lane,
    len: usize,
    of: Of,
    /// Against whom, and how much with single ends and with multi ends; where one is not asked for, `None`.
    against: &'static [(Other, Option<f64>, Option<f64>)],
}

const LINE: Other = Other::Name("line");
const SHAQ: Other = Other::Name("shaq");
const RTRB: Other = Other::Name("rtrb");
const ARRAY: Other = Other::Name("array-queue");
const BUFFERS: Other = Other::Name("buffers");
const FUTEX: Other = Other::Name("futex");
const LARGE: &[(Other, Option<f64>, Option<f64>)] =
    &[(Other::BestPeer, Some(1.0), Some(1.0)), (BUFFERS, Some(0.8), Some(0.8))];

const fn goal(lane: Lane, len: usize, against: &'static [(Other, Option<f64>, Option<f64>)]) -> Goal {
    Goal { lane, len, of: Of::Score, against }
}

const GOALS: &[Goal] = &[
    goal(Lane::Short, 8, &[(LINE, Some(1.5), Some(2.0))]),
    goal(Lane::Short, 48, &[(LINE, Some(1.5), Some(2.0))]),
    goal(Lane::Trip, 64, &[(SHAQ, Some(0.85), Some(1.2))]),
    goal(Lane::One, 8, &[(SHAQ, Some(10.0), None), (RTRB, Some(1.5), None), (ARRAY, None, Some(3.0))]),
    goal(Lane::Batch, 8, &[(SHAQ, Some(2.0), None), (RTRB, Some(1.1), None), (ARRAY, None, Some(4.0))]),
    goal(Lane::Batch, 64, &[(SHAQ, Some(1.2), None), (ARRAY, None, Some(3.0))]),
    goal(Lane::One, 1024, &[(Other::BestPeer, Some(1.1), Some(1.0))]),
    goal(Lane::One, 64 << 10, LARGE),
    goal(Lane::One, 1 << 20, LARGE),
    goal(Lane::Asleep, 8, &[(FUTEX, Some(1.05), Some(1.1))]),
    Goal { lane: Lane::Trip, len: 8, of: Of::Tail, against: &[(LINE, Some(1.1), None), (SHAQ, None, Some(1.1))] },
];

/// All goals, at each distance at which anything was measured.
#[must_use]
pub fn ratios(results: &Results) -> Vec<Ratio> {
    let mut found = Vec::new();
    for domain in results.domains() {
        for goal in GOALS {
            for (other, single, multi) in goal.against {
                for (ends, bound) in [("single", single), ("multi", multi)] {
                    found.extend(bound.map(|bound| ratio(results, domain, goal, *other, ends, bound)));
                }
            }
        }
    }
    found.extend(growth::ratios(results));
    found.extend([Domain::Near, Domain::Far].into_iter().flat_map(|domain| crowds(results, domain)));
    found.extend(["single", "multi"].into_iter().filter_map(|ends| calls(results, ends)));
    found
}

/// Those of which both sides were measured, each with the same at the other distance of the processors, if there is one.
#[must_use]
pub fn beside_each_other(ratios: &[Ratio]) -> Vec<Vec<&Ratio>> {
    let mut rows: Vec<Vec<&Ratio>> = Vec::new();
    for ratio in ratios.iter().filter(|ratio| ratio.ringpost.is_some() && ratio.against.is_some()) {
        match rows.iter_mut().find(|row| (&row[0].what, row[0].ends) == (&ratio.what, ratio.ends)) {
            Some(row) => row.push(ratio),
            None => rows.push(vec![ratio]),
        }
    }
    rows
}

/// No system calls: the most that any form made, in all, against none.
fn calls(results: &Results, ends: &'static str) -> Option<Ratio> {
    let prefix = format!("ringpost-{ends}");
    let of = results.calls.iter().filter(|calls| calls.transport.starts_with(&prefix));
    let worst = of.filter_map(|calls| Some((calls, calls.calls?.iter().sum::<u64>()))).max_by_key(|found| found.1)?;
    Some(Ratio {
        what: "system calls of a round when nobody sleeps".to_owned(),
        ends,
        domain: None,
        at_least: false,
        goal: 0.0,
        against: Some(("none".to_owned(), 0.0)),
        ringpost: Some((worst.0.transport.clone(), worst.1 as f64)),
        measured: Some(worst.1 as f64),
    })
}

/// Goals about many senders and receivers: these processes run wherever the system puts them.
fn crowds(results: &Results, domain: Domain) -> Vec<Ratio> {
    let of = |pairs: usize| {
        let all = results.crowds.iter().filter(move |crowd| crowd.pairs == pairs);
        let ours = all.filter(|crowd| crowd.transport.starts_with("ringpost-"));
        let figures = ours.filter_map(|crowd| Some((crowd, crowd.domains.get(&domain)?)));
        figures.max_by(|a, b| a.1.rate.median.total_cmp(&b.1.rate.median))
    };
    let (Some((one, figures_of_one)), Some((many, figures))) = (of(1), of(32)) else { return Vec::new() };
    let (one_rate, many_rate) = (figures_of_one.rate.median, figures.rate.median);
    let name = |crowd: &Crowd| format!("{} {}+{}", crowd.transport, crowd.pairs, crowd.pairs);
    let ratio = |what: &str, goal, mine: f64, against: (String, f64)| Ratio {
        what: what.to_owned(),
        ends: "multi",
        domain: Some(domain),
        at_least: true,
        goal,
        measured: Some(mine / against.1).filter(|ratio| ratio.is_finite()),
        against: Some(against),
        ringpost: Some((name(many), mine)),
    };
    let slowest = figures.slowest_sender.median.min(figures.slowest_receiver.median);
    vec![
        ratio("32 + 32 sleepers, against 1 + 1", 0.7, many_rate, (name(one), one_rate)),
        ratio("slowest of 32 + 32, against the mean", 0.5, slowest, ("mean".to_owned(), 1.0)),
    ]
}

fn ratio(results: &Results, domain: Domain, goal: &Goal, other: Other, ends: &'static str, bound: f64) -> Ratio {
    let value = |lane, figures: &Figures| match goal.of {
        Of::Score => super::score(lane, figures),
        Of::Tail => figures.times.map_or(f64::NAN, |times| times.tail.median),
    };
    let find = |lane, wanted: &dyn Fn(&Cell) -> bool| {
        let (outcome, figures) = best(results, (lane, goal.len, None), domain, wanted)?;
        Some((outcome.cell.transport.clone(), value(lane, figures)))
    };
    let prefix = format!("ringpost-{ends}");
    let ringpost = find(goal.lane, &|cell| cell.kind == Kind::Ringpost && is_called(cell, &prefix));
    // Who has no batches sends one by one.
    let mut against = find(goal.lane, &|cell| other.is(cell));
    if against.is_none() && goal.lane == Lane::Batch {
        against = find(Lane::One, &|cell| other.is(cell));
    }
    let measured = ringpost.as_ref().zip(against.as_ref()).map(|((_, mine), (_, theirs))| mine / theirs);
    Ratio {
        what: format!("{}, against {}", what(goal), other.text()),
        ends,
        domain: Some(domain),
        at_least: !super::is_timed(goal.lane),
        goal: bound,
        against,
        ringpost,
        measured: measured.filter(|ratio| ratio.is_finite()),
    }
}

fn what(goal: &Goal) -> String {
    let size = size(goal.len);
    match (goal.lane, goal.of) {
        (_, Of::Tail) => format!("p99 / p50 of the round trip, {size}"),
        (Lane::Trip, _) => format!("round trip, {size}"),
        (Lane::Short, _) => format!("round trip in queues of four, {size}"),
        (Lane::Asleep, _) => format!("round trip of sleepers, {size}"),
        (Lane::Batch, _) => format!("batches of 32, {size}"),
        (Lane::One | Lane::Open, _) => format!("one by one, {size}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::tests::example;

    #[test]
    fn goals_are_met_or_missed_or_not_measured() {
        let found = ratios(&example());
        let of = |what: &str, ends| found.iter().find(|r| r.what == what && r.ends == ends).unwrap();
        let single = of("round trip in queues of four, 8 B, against line", "single");
        assert_eq!(single.is_met(), Some(false));
        assert!((single.measured.unwrap() - 2.0).abs() < 0.1);
        assert_eq!(of("one by one, 8 B, against shaq", "single").is_met(), None);
        let large = of("one by one, 1 MiB, against best peer", "multi");
        assert!(large.measured.unwrap() > 1.3 && large.is_met() == Some(true));
        assert!(found.iter().all(|ratio| ratio.domain.is_none_or(|domain| domain == Domain::Near)));
    }
}
