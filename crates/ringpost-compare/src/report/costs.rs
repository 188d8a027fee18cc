//! What is done seldom, and what lies in memory, as tables.

use super::{grouped, size, time};
use crate::costs::Costs;
use crate::memory::{Own, Segment};
use crate::results::Results;

/// One table.
pub struct Table {
    /// What is said above it.
    pub title: &'static str,
    /// Above its columns.
    pub headings: &'static [&'static str],
    /// Its cells.
    pub rows: Vec<Vec<String>>,
}

/// Those that were measured.
#[must_use]
pub fn tables(results: &Results) -> Vec<Table> {
    let costs = Table {
        title: "What is done seldom: multi ends, 8 B; the limit of a repair is a look at one word for each slot",
        headings: &[
            "capacity",
            "joined",
            "sender joins, leaves",
            "receiver joins, leaves",
            "dead sender repaired",
            "dead receiver repaired",
            "for each slot",
            "a look",
            "for each slot",
        ],
        rows: results.costs.iter().map(costs).collect(),
    };
    let memory = results.memory.as_ref();
    let segments = Table {
        title: "Memory of segments as soon as they are made",
        headings: &["ends", "capacity", "messages", "planned, bytes", "allocated, bytes"],
        rows: memory.iter().flat_map(|memory| memory.segments.iter().map(segment)).collect(),
    };
    let endpoints = Table {
        title: "Memory of an endpoint's own, in bytes: the mean of many",
        headings: &["", "ends", "value", "heap", "together", "pages of the process"],
        rows: memory.iter().flat_map(|memory| memory.endpoints.iter().map(own)).collect(),
    };
    [costs, segments, endpoints].into_iter().filter(|table| !table.rows.is_empty()).collect()
}

fn costs(costs: &Costs) -> Vec<String> {
    let times = [costs.join_sender_ns, costs.join_receiver_ns, costs.recover_sender_ns, costs.recover_receiver_ns];
    // With others joined it is the rows that count.
    let alone = costs.joined == 0;
    let each = |ns: f64| if alone { format!("{:.2} ns", ns / costs.capacity as f64) } else { "-".to_owned() };
    let mut row = vec![grouped(costs.capacity as u64), grouped(costs.joined as u64)];
    row.extend(times.map(|spread| time(spread.median)));
    row.push(each(costs.recover_receiver_ns.median));
    row.extend([time(costs.look_ns.median), each(costs.look_ns.median)]);
    row
}

fn ends(single: bool) -> String {
    if single { "single" } else { "multi" }.to_owned()
}

fn segment(segment: &Segment) -> Vec<String> {
    let [planned, allocated] = [segment.planned, segment.allocated].map(grouped);
    vec![ends(segment.single), grouped(segment.capacity), size(segment.len), planned, allocated]
}

fn own(own: &Own) -> Vec<String> {
    let known = |bytes: Option<u64>| bytes.map_or("unknown".to_owned(), grouped);
    let (what, ends) = (own.what.clone(), ends(own.single));
    vec![what, ends, grouped(own.value), known(own.heap), known(own.bytes()), grouped(own.resident)]
}
