//! How a run is told: a table for people, one JSON document, one HTML file, or tables of Markdown.

pub mod costs;
pub mod growth;
pub mod html;
pub mod json;
pub mod markdown;
pub mod ratios;
mod svg;
pub mod sweeps;
pub mod table;

use crate::cell::Lane;
use crate::crowd::{Crowd, Figures as CrowdFigures};
use crate::probe::Domain;
use crate::registry::Kind;
use crate::results::{Cell, Figures, Outcome, Results};

/// What is said above the figures of crowds.
pub const CROWD_HEADING: &str =
    "Many senders and receivers at one queue, 64 B, all sleep, two processors; the slowest against the mean";

/// What was measured of crowds: first all that was near, then what was far.
pub fn crowds(results: &Results) -> impl Iterator<Item = (&Crowd, Domain, &CrowdFigures)> {
    let of = |domain| results.crowds.iter().filter_map(move |crowd| Some((crowd, domain, crowd.domains.get(&domain)?)));
    [Domain::Near, Domain::Far].into_iter().flat_map(of)
}

/// How many repetitions of crowds were left out, for people; nothing if none were.
#[must_use]
pub fn crowds_dropped(results: &Results) -> String {
    match results.crowds.iter().map(|crowd| crowd.dropped).sum::<usize>() {
        0 => String::new(),
        dropped => format!("{dropped} of their repetitions were dropped, because the processors moved meanwhile."),
    }
}

/// A length in bytes, for people: `64 KiB`.
#[must_use]
pub fn size(len: usize) -> String {
    match len {
        len if len >= 1 << 20 && len.is_multiple_of(1 << 20) => format!("{} MiB", len >> 20),
        len if len >= 1 << 10 && len.is_multiple_of(1 << 10) => format!("{} KiB", len >> 10),
        len => format!("{len} B"),
    }
}

/// A time in nanoseconds, for people: three digits and a unit.
#[must_use]
pub fn time(ns: f64) -> String {
    scaled(ns, &[(1e9, "s"), (1e6, "ms"), (1e3, "µs"), (1.0, "ns")])
}

/// So many a second, for people.
#[must_use]
pub fn rate(per_s: f64) -> String {
    scaled(per_s, &[(1e9, "G/s"), (1e6, "M/s"), (1e3, "k/s"), (1.0, "/s")])
}

/// Bytes a second, for people.
#[must_use]
pub fn bandwidth(bytes_per_s: f64) -> String {
    scaled(bytes_per_s, &[(1e9, "GB/s"), (1e6, "MB/s"), (1e3, "kB/s"), (1.0, "B/s")])
}

fn scaled(value: f64, units: &[(f64, &str)]) -> String {
    let (factor, unit) =
        units.iter().find(|(factor, _)| value >= *factor).or(units.last()).copied().unwrap_or((1.0, ""));
    let value = value / factor;
    let digits = if value >= 99.95 {
        0
    } else if value >= 9.995 {
        1
    } else {
        2
    };
    format!("{value:.digits$} {unit}")
}

/// `1234567` as `1,234,567`.
#[must_use]
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// What a lane is called above its figures.
#[must_use]
pub fn heading(cell: &Cell) -> String {
    let size = size(cell.len);
    match cell.lane {
        Lane::Trip => format!("There and back, {size}, both poll"),
        Lane::Short => format!("There and back, {size}, both poll, queues of four"),
        Lane::Asleep => format!("There and back, {size}, both sleep"),
        Lane::One => format!("One way, {size}, one by one"),
        Lane::Batch => format!("One way, {size}, 32 at a time"),
        Lane::Open => format!("One way, {size}, {} a second: how late", grouped(cell.rate.unwrap_or_default())),
    }
}

/// Cells of one lane, size and rate, in the order of the run.
#[must_use]
pub fn groups(results: &Results) -> Vec<Vec<&Outcome>> {
    let mut groups: Vec<Vec<&Outcome>> = Vec::new();
    for outcome in results.cells.iter().filter(|outcome| !outcome.sweep) {
        let alike = |other: &Outcome| {
            let (a, b) = (&other.cell, &outcome.cell);
            (a.lane, a.len, a.rate) == (b.lane, b.len, b.rate)
        };
        match groups.iter_mut().find(|group| alike(group[0])) {
            Some(group) => group.push(outcome),
            None => groups.push(vec![outcome]),
        }
    }
    groups
}

/// What one compares a cell by: the mean of the middle half of its times, in nanoseconds; or how many a second.
#[must_use]
pub fn score(lane: Lane, figures: &Figures) -> f64 {
    if is_timed(lane) { figures.times.map_or(f64::NAN, |times| times.middle.median) } else { figures.rate.median }
}

/// Whether less is better.
#[must_use]
pub fn is_timed(lane: Lane) -> bool {
    lane.is_trip() || lane == Lane::Open
}

/// The best of some transports in one kind of cell: its outcome and figures. Those count that were measured in a quarter of the repetitions.
pub fn best(
    results: &Results,
    (lane, len, rate): (Lane, usize, Option<u64>),
    domain: Domain,
    wanted: impl Fn(&Cell) -> bool,
) -> Option<(&Outcome, &Figures)> {
    let of = |outcome: &&Outcome| {
        let cell = &outcome.cell;
        !outcome.sweep && (cell.lane, cell.len, cell.rate) == (lane, len, rate) && wanted(cell)
    };
    // Of fewer sessions it is chance which of them were so, and what the processors did then.
    let often = |figures: &&Figures| 4 * figures.sessions >= results.repetitions as usize;
    let measured = results.cells.iter().filter(of).filter_map(|o| Some((o, o.domains.get(&domain).filter(often)?)));
    let key = |figures: &Figures| score(lane, figures) * if is_timed(lane) { 1.0 } else { -1.0 };
    measured.filter(|(_, f)| score(lane, f).is_finite()).min_by(|(_, a), (_, b)| key(a).total_cmp(&key(b)))
}

/// Whether the transport belongs to a peer of that name, in one of its forms.
#[must_use]
pub fn is_called(cell: &Cell, name: &str) -> bool {
    cell.transport.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
}

/// Whether it is another way between processes: a library, or the system's own.
#[must_use]
pub fn is_peer(cell: &Cell) -> bool {
    matches!(cell.kind, Kind::Peer | Kind::System)
}

/// Who made it: forms of one thing share a maker; ringpost's two kinds of ends count as two.
#[must_use]
pub fn maker(cell: &Cell) -> String {
    let parts = if cell.kind == Kind::Ringpost { 2 } else { usize::MAX };
    cell.transport.split('-').take(parts).collect::<Vec<_>>().join("-")
}

/// The remarks that belong below any report.
#[must_use]
pub fn remarks(results: &Results) -> Vec<String> {
    let (dropped, all) = results.dropped();
    let mut remarks = vec![
        format!(
            "{} messages arrived once, in order and whole: every word of each was written by one side and checked by the other.",
            grouped(results.messages())
        ),
        format!(
            "Figures are medians over {} repetitions in new processes, each of {} rounds of about {} ms after a warm-up; all cells \
             take turns.",
            results.repetitions, results.rounds, results.round_ms
        ),
        "Times are compared by the mean of their middle half: as steady as p50, and finer than the clock's steps."
            .to_owned(),
        "near, far: a raw ping-pong before and after each round took less than 200 ns, or more than 250 ns; or both times about \
         the same, and less or more than 225 ns. What is best, and the goals, are of cells that were measured so in a quarter of the repetitions."
            .to_owned(),
        format!("{dropped} of {all} rounds were dropped, because the processors moved or were disturbed meanwhile."),
    ];
    let empty: Vec<_> = results.cells.iter().filter(|outcome| outcome.is_empty()).collect();
    if !empty.is_empty() {
        remarks.push(format!("{} cells had no steady round and have no figures.", empty.len()));
    }
    remarks
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::cell::{Round, depth};
    use crate::costs::Costs;
    use crate::machine::Machine;
    use crate::memory::{Memory, Own, Segment};
    use crate::results::{Compared, JOINED};
    use crate::stats::Spread;

    #[test]
    fn numbers_for_people() {
        assert_eq!([size(8), size(1024), size(64 << 10), size(1 << 20)], ["8 B", "1 KiB", "64 KiB", "1 MiB"]);
        assert_eq!([time(86.4), time(104.0), time(27_012.0), time(0.5)], ["86.4 ns", "104 ns", "27.0 µs", "0.50 ns"]);
        assert_eq!([rate(420.4e6), rate(999.0), rate(1.5e9)], ["420 M/s", "999 /s", "1.50 G/s"]);
        assert_eq!(["0", "999", "1,000", "1,234,567"], [0, 999, 1000, 1_234_567].map(grouped)[..]);
    }

    fn crowd(transport: &str, pairs: usize, rate: f64) -> Crowd {
        let spread = |value: f64| serde_json::json!({"median": value, "least": value / 2.0, "most": value * 2.0});
        serde_json::from_value(serde_json::json!({
            "transport": transport, "pairs": pairs, "dropped": 0, "failed": null, "domains": {
                "near": {"rate": spread(rate), "slowest_sender": spread(0.8), "slowest_receiver": spread(0.7)}
            }
        }))
        .unwrap()
    }

    fn costs(capacity: usize) -> Costs {
        let ns = Spread { median: 2e3, least: 1e3, most: 3e3 };
        let (join_sender_ns, join_receiver_ns, recover_sender_ns, recover_receiver_ns, look_ns) = (ns, ns, ns, ns, ns);
        let joined = 0;
        Costs { capacity, joined, join_sender_ns, join_receiver_ns, recover_sender_ns, recover_receiver_ns, look_ns }
    }

    fn memory() -> Memory {
        let segment = Segment { capacity: 64, len: 8, single: true, planned: 8192, allocated: 8192 };
        let own = Own { what: "<sender>".into(), single: false, value: 512, heap: Some(1000), resident: 4096 };
        Memory { segments: vec![segment], endpoints: vec![own] }
    }

    /// A run with a little of everything; names hold characters that must be escaped.
    pub(crate) fn example() -> Results {
        let mut cells = Vec::new();
        let lanes = [
            (Lane::Trip, 8),
            (Lane::Short, 8),
            (Lane::Trip, 64),
            (Lane::One, 8),
            (Lane::One, 1 << 20),
            (Lane::Batch, 8),
            (Lane::Open, 64),
        ];
        let who = [
            ("line", Kind::Limit),
            ("ringpost-single", Kind::Ringpost),
            ("ringpost-multi", Kind::Ringpost),
            ("<shaq>&", Kind::Peer),
        ];
        for (lane, len) in lanes {
            for (index, (name, kind)) in who.iter().enumerate() {
                let rate = (lane == Lane::Open).then_some(100_000);
                let (transport, kind, depth, joined, queues) = ((*name).to_owned(), *kind, depth(lane, len), JOINED, 1);
                let mut outcome = Outcome::new(Cell { transport, kind, lane, len, rate, depth, joined, queues });
                match (lane, index) {
                    (Lane::Batch, 0) => outcome.skipped = Some("no <batches> & co".to_owned()),
                    (Lane::Batch, 3) => outcome.failed = Some("messages were \"lost\"".to_owned()),
                    _ => {
                        let times =
                            if is_timed(lane) { vec![(100 * (index as u64 + 1), 1000), (9000, 5)] } else { vec![] };
                        let round =
                            Round { probes: [100.0; 2], count: 1005, elapsed_ns: 50_000 * (index as u64 + 1), times };
                        let mixed = Round { probes: [100.0, 400.0], ..round.clone() };
                        outcome.add(vec![round, mixed]);
                        outcome.finish();
                    }
                }
                cells.push(outcome);
            }
        }
        let compared = who.map(|(name, kind)| Compared {
            name: name.into(),
            kind,
            version: Some("x 1.0".into()),
            about: "a & b".into(),
        });
        Results {
            date: "2026-01-01T00:00:00Z".into(),
            command: "ringpost-compare --quick".into(),
            machine: Machine { cpu: "A <fast> CPU".into(), cores: 2, kernel: "6.1".into(), pinned: [0, 1] },
            compared: compared.into(),
            repetitions: 1,
            rounds: 2,
            round_ms: 8,
            cells,
            calls: vec![],
            costs: vec![costs(64), costs(1 << 20)],
            memory: Some(memory()),
            crowds: vec![crowd("ringpost-multi", 1, 2e6), crowd("ringpost-multi", 32, 1e6), crowd("<shaq>&", 32, 1e5)],
            took_s: 12.3,
        }
    }

    #[test]
    fn the_best_is_the_fastest() {
        let results = example();
        let all = |_: &Cell| true;
        let (quickest, _) = best(&results, (Lane::Trip, 8, None), Domain::Near, all).unwrap();
        assert_eq!(quickest.cell.transport, "line");
        let (peer, figures) = best(&results, (Lane::One, 8, None), Domain::Near, is_peer).unwrap();
        assert_eq!(peer.cell.transport, "<shaq>&");
        assert!(figures.rate.median > 0.0);
        assert!(best(&results, (Lane::One, 8, None), Domain::Far, all).is_none());
        // One session each.
        let often = |repetitions| {
            best(&Results { repetitions, ..example() }, (Lane::One, 8, None), Domain::Near, all).is_some()
        };
        assert_eq!([4, 5].map(often), [true, false]);
    }
}
