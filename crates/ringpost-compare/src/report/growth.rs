//! Whether costs stay what they are while something grows, and memory what it is to be: as goals.
//!
//! A cost is flat if it grows no more than that of the limit over as much memory. Joining and putting right are linear at
//! most if no step of the capacity makes them grow more than the capacity, or more than a bare look at as much memory.
//! Either may be a quarter more, since two runs of one cell differ by as much.

use super::ratios::Ratio;
use super::sweeps::{CAPACITY, ENDPOINTS, Line, QUEUES, Sweep, lane_name, sweeps};
use super::{grouped, is_timed};
use crate::costs::Costs;
use crate::memory::Memory;
use crate::results::Results;
use crate::stats::Spread;

/// How much more than the limit's a cost may grow.
const ROOM: f64 = 1.25;
/// The most that an endpoint may have for itself, in bytes.
const OWN: f64 = 4096.0;

/// All of them.
#[must_use]
pub fn ratios(results: &Results) -> Vec<Ratio> {
    let mut found = Vec::new();
    for domain in results.domains() {
        let sweeps = sweeps(results, domain);
        for ends in ["single", "multi"] {
            for varied in [CAPACITY, ENDPOINTS, QUEUES] {
                let of = sweeps.iter().filter(|sweep| sweep.varied == varied);
                let worst = of.filter_map(|sweep| flat(sweep, ends)).max_by(|a, b| a.measured.total_cmp(&b.measured));
                found.extend(worst.map(|growth| Ratio { domain: Some(domain), ..growth.ratio(varied, ends) }));
            }
        }
    }
    found.extend(linear(&results.costs));
    found.extend(results.memory.iter().flat_map(memory));
    found
}

/// How a cost grew.
struct Growth {
    /// Whose, and where it is the worst.
    ringpost: (String, f64),
    /// What it is held against.
    limit: (String, f64),
    /// One over the other.
    measured: f64,
}

impl Growth {
    fn ratio(self, varied: &str, ends: &'static str) -> Ratio {
        Ratio {
            what: format!("growth of the cost by {varied}, against the limit's"),
            ends,
            domain: None,
            at_least: false,
            goal: ROOM,
            against: Some(self.limit),
            ringpost: Some(self.ringpost),
            measured: Some(self.measured).filter(|ratio| ratio.is_finite()),
        }
    }
}

/// The worst point of one sweep.
fn flat(sweep: &Sweep, ends: &str) -> Option<Growth> {
    let is_limit = |line: &&Line| !line.transport.starts_with("ringpost-");
    // Nothing of a bare hand-off grows with the endpoints.
    let limit = (sweep.varied != ENDPOINTS).then(|| sweep.lines.iter().find(is_limit));
    let prefix = format!("ringpost-{ends}");
    let ours = sweep.lines.iter().filter(|line| line.transport.starts_with(&prefix));
    let points = ours.flat_map(|line| line.points.iter().map(move |point| (line, point.0)));
    let growths = points.filter_map(|(line, value)| {
        let mine = growth(line, value, sweep)?;
        let limit = match limit {
            // One that becomes cheaper is nothing to be held against, and one that was not measured tells nothing.
            Some(limit) => (limit?.transport.clone(), growth(limit?, value, sweep)?.max(1.0)),
            None => ("as it was".to_owned(), 1.0),
        };
        let name = format!("{}, {}, {}", line.transport, lane_name(sweep.lane), grouped(value as u64));
        Some(Growth { ringpost: (name, mine), measured: mine / limit.1, limit })
    });
    growths.max_by(|a, b| a.measured.total_cmp(&b.measured))
}

/// How many times as much a message costs as with the least value.
fn growth(line: &Line, value: usize, sweep: &Sweep) -> Option<f64> {
    let at = |value| line.points.iter().find(|point| point.0 == value).map(|point| point.1);
    let least = line.points.iter().map(|point| point.0).min().filter(|least| *least != value)?;
    let (before, after) = (at(least)?, at(value)?);
    Some(if is_timed(sweep.lane) { after / before } else { before / after })
}

/// One of the costs.
type Cost = fn(&Costs) -> Spread;

/// The worst step of each of what is done seldom.
fn linear(costs: &[Costs]) -> Vec<Ratio> {
    let alone: Vec<&Costs> = costs.iter().filter(|costs| costs.joined == 0).collect();
    let kinds: [(&str, Cost); 4] = [
        ("a sender's joining", |costs| costs.join_sender_ns),
        ("a receiver's joining", |costs| costs.join_receiver_ns),
        ("a dead sender's repair", |costs| costs.recover_sender_ns),
        ("a dead receiver's repair", |costs| costs.recover_receiver_ns),
    ];
    let step = |what: &str, of: Cost| {
        let steps = alone.windows(2).filter_map(|pair| {
            let [less, more] = pair else { return None };
            // Who is disturbed is slower, never faster.
            let times = |of: Cost| of(more).least / of(less).least;
            let limit = times(|costs| costs.look_ns).max(more.capacity as f64 / less.capacity as f64);
            let name = format!("{} to {}", grouped(less.capacity as u64), grouped(more.capacity as u64));
            Some(Growth {
                ringpost: (name, times(of)),
                limit: ("capacity".to_owned(), limit),
                measured: times(of) / limit,
            })
        });
        let worst = steps.max_by(|a, b| a.measured.total_cmp(&b.measured))?;
        let what = format!("growth of {what} by capacity, against linear");
        Some(Ratio { what, ..worst.ratio(CAPACITY, "multi") })
    };
    kinds.into_iter().filter_map(|(what, of)| step(what, of)).collect()
}

fn memory(memory: &Memory) -> Vec<Ratio> {
    let ratio = |what: &str, ends, ringpost: (String, f64), against: (&str, f64), measured: f64| Ratio {
        what: what.to_owned(),
        ends,
        domain: None,
        at_least: false,
        goal: 1.0,
        against: Some((against.0.to_owned(), against.1)),
        ringpost: Some(ringpost),
        measured: Some(measured).filter(|ratio| ratio.is_finite()),
    };
    let mut found = Vec::new();
    for (ends, single) in [("single", true), ("multi", false)] {
        let segments = memory.segments.iter().filter(|segment| segment.single == single);
        // Too few blocks are as wrong as too many.
        let off = |planned: f64, allocated: f64| (allocated / planned).max(planned / allocated);
        let segments = segments.map(|s| (s, off(s.planned as f64, s.allocated as f64)));
        if let Some((segment, off)) = segments.max_by(|a, b| a.1.total_cmp(&b.1)) {
            let name = format!("{} x {} B", grouped(segment.capacity), segment.len);
            let (planned, allocated) = (segment.planned as f64, segment.allocated as f64);
            let what = "allocated blocks of a segment, against its plan";
            found.push(ratio(what, ends, (name, allocated), ("plan", planned), off));
        }
        let endpoints = memory.endpoints.iter().filter(|own| own.single == single);
        if let Some((own, bytes)) = endpoints.filter_map(|own| Some((own, own.bytes()?))).max_by_key(|own| own.1) {
            let (what, bytes) = ("value and heap of an endpoint, against 4 KiB", bytes as f64);
            found.push(ratio(what, ends, (own.what.clone(), bytes), ("4 KiB", OWN), bytes / OWN));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::{Own, Segment};
    use crate::registry::Kind;

    /// What takes `of(capacity)` nanoseconds, and a look that takes one for each slot.
    fn costs(of: fn(f64) -> f64) -> Vec<Costs> {
        let spread = |ns: f64| Spread { median: ns, least: ns, most: ns };
        let cost = |capacity: usize| {
            let ns = spread(of(capacity as f64));
            Costs {
                capacity,
                joined: 0,
                join_sender_ns: ns,
                join_receiver_ns: ns,
                recover_sender_ns: ns,
                recover_receiver_ns: ns,
                look_ns: spread(capacity as f64),
            }
        };
        [64, 1024, 1 << 20].map(cost).into()
    }

    #[test]
    fn more_than_linear_is_found() {
        let met = |of| linear(&costs(of)).iter().map(|ratio| ratio.is_met().unwrap()).collect::<Vec<_>>();
        assert_eq!(met(|capacity| 5000.0 + capacity), [true; 4]);
        assert_eq!(met(|capacity| capacity.powf(1.2)), [false; 4]);
    }

    fn swept(transport: &str, points: [f64; 3]) -> Line {
        let points = [64, 1024, 1 << 20].into_iter().zip(points).collect();
        Line { transport: transport.to_owned(), kind: Kind::Swept, points }
    }

    #[test]
    fn what_grows_is_found_but_for_what_the_limit_shows() {
        let growth = |points, limit| {
            let lines = vec![swept("buffers", limit), swept("ringpost-multi-typed", points)];
            let sweep = Sweep { title: String::new(), varied: CAPACITY, lane: crate::cell::Lane::Trip, lines };
            flat(&sweep, "multi").unwrap().measured
        };
        assert_eq!(growth([100.0, 110.0, 120.0], [80.0; 3]), 1.2);
        assert_eq!(growth([100.0, 100.0, 300.0], [50.0, 50.0, 100.0]), 1.5);
        assert_eq!(growth([100.0, 100.0, 100.0], [50.0, 40.0, 20.0]), 1.0);
        let lines = vec![swept("ringpost-multi-typed", [100.0, 100.0, 150.0])];
        let mut alone = Sweep { title: String::new(), varied: CAPACITY, lane: crate::cell::Lane::Trip, lines };
        assert!(flat(&alone, "multi").is_none(), "its limit was not measured");
        alone.varied = ENDPOINTS;
        assert_eq!(flat(&alone, "multi").unwrap().measured, 1.5);
    }

    #[test]
    fn memory_is_held_against_the_plan_and_a_page() {
        let segment = |allocated| Segment { capacity: 64, len: 8, single: true, planned: 8192, allocated };
        let own = |heap| Own { what: "x".into(), single: false, value: 512, heap, resident: 4096 };
        let of = |allocated, heap| memory(&Memory { segments: vec![segment(allocated)], endpoints: vec![own(heap)] });
        assert!(of(8192, Some(3000)).iter().all(|ratio| ratio.is_met() == Some(true)));
        for allocated in [4096, 12288] {
            assert_eq!(of(allocated, Some(4000)).iter().filter(|ratio| ratio.is_met() == Some(false)).count(), 2);
        }
        assert_eq!(of(8192, None).len(), 1, "not counted is not met");
    }
}
