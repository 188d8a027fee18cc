//! What came out: a table for people, or one JSON document.

use std::io::{self, Write};
use std::time::{Duration, SystemTime};

use hdrhistogram::Histogram;
use serde_json::{Value, json};

use super::Sample;
use super::lane::{BATCH, Kind, Lane};
use super::machine::Machine;
use crate::exit::Failure;
use crate::format::{ends, print_json};

/// Percentiles that are reported, and their names.
const PERCENTILES: [(f64, &str); 4] = [(50.0, "p50_ns"), (90.0, "p90_ns"), (99.0, "p99_ns"), (99.9, "p999_ns")];

/// All that was measured.
pub struct Results {
    pub lanes: Vec<LaneResult>,
    /// Whether the processes stayed on their cores.
    pub pinned: bool,
    pub round: Duration,
    pub rounds: u32,
}

/// What was measured of one lane.
pub struct LaneResult {
    lane: Lane,
    trips: Vec<Histogram<u64>>,
    /// Messages a second, by round.
    rates: Vec<f64>,
    messages: u64,
}

impl LaneResult {
    /// Nothing yet.
    pub fn new(lane: Lane) -> Self {
        Self { lane, trips: Vec::new(), rates: Vec::new(), messages: 0 }
    }

    /// Adds a round, which took that long.
    pub fn add(&mut self, sample: Sample, took: Duration) {
        match sample {
            Sample::Trips(times) => {
                self.messages += times.len();
                self.trips.push(times);
            }
            Sample::Sent(messages) => {
                self.messages += messages;
                self.rates.push(messages as f64 / took.as_secs_f64());
            }
        }
    }

    /// The median over rounds of that percentile, in nanoseconds.
    fn percentile(&self, percentile: f64) -> f64 {
        median(self.trips.iter().map(|round| round.value_at_percentile(percentile) as f64).collect())
    }

    fn max(&self) -> u64 {
        self.trips.iter().map(Histogram::max).max().unwrap_or(0)
    }

    fn rate(&self) -> f64 {
        median(self.rates.clone())
    }

    /// How the messages got into the queue and out of it.
    fn manner(&self) -> String {
        let batch = if self.lane.kind == Kind::Batch { format!("{BATCH} at a time") } else { "one by one".to_owned() };
        if self.lane.in_place() { format!("{batch}, in place") } else { batch }
    }
}

impl Results {
    fn of(&self, wanted: impl Fn(Kind) -> bool) -> impl Iterator<Item = &LaneResult> {
        self.lanes.iter().filter(move |result| wanted(result.lane.kind))
    }

    /// The raw limit's median round trip, in nanoseconds.
    fn limit(&self) -> f64 {
        self.of(|kind| kind == Kind::Raw).next().map_or(f64::NAN, |raw| raw.percentile(50.0))
    }

    /// The least and the greatest median of its rounds.
    fn limit_range(&self) -> (f64, f64) {
        let rounds = self.of(|kind| kind == Kind::Raw).flat_map(|raw| &raw.trips);
        let medians = rounds.map(|round| round.value_at_percentile(50.0) as f64);
        medians.fold((f64::INFINITY, 0.0), |(least, most), median| (least.min(median), most.max(median)))
    }
}

/// Prints tables.
///
/// # Errors
/// Standard output cannot be written.
pub fn table(results: &Results, machine: &Machine) -> Result<(), Failure> {
    let mut text = heading(results, machine);
    text += "\nThere and back, one message at a time (ns)\n";
    text +=
        &aligned(&["message", "senders", "receivers", "p50", "p90", "p99", "p99.9", "max", "x raw"], &trips(results));
    text += "\nOne way, every byte written and read (checksum)\n";
    text += &aligned(&["message", "senders", "receivers", "manner", "messages/s", "GB/s"], &streams(results));
    text += "\nraw: two cache lines of shared memory handed to and fro with 48 bytes, no queue; the least that is possible.\n";
    text += &format!(
        "Percentiles and rates are medians of {} rounds of {} ms; rounds of all lines alternate.\n",
        results.rounds,
        results.round.as_millis()
    );
    text += &drift(results);
    text += &format!("All {} messages arrived once, in order and whole.\n", grouped(total(results)));
    io::stdout().write_all(text.as_bytes()).map_err(Failure::output)
}

fn heading(results: &Results, machine: &Machine) -> String {
    let [first, second] = machine.pinned;
    let placed = match (machine.one_core(), results.pinned) {
        (true, _) => "both on the only core there is, so these numbers say little".to_owned(),
        (false, true) => format!("on cores {first} and {second}, polling"),
        (false, false) => "not kept on cores (the system refused), polling".to_owned(),
    };
    format!(
        "ringpost {} between two processes, {placed}\n{}, {} core{}, Linux {}, {}\n",
        env!("CARGO_PKG_VERSION"),
        machine.cpu,
        machine.cores,
        if machine.cores == 1 { "" } else { "s" },
        machine.kernel,
        date()
    )
}

/// How steady the machine was while it was measured.
fn drift(results: &Results) -> String {
    let (least, most) = results.limit_range();
    format!(
        "From round to round, raw's p50 was between {least:.0} and {most:.0} ns: how near and how free the cores were.\n"
    )
}

fn trips(results: &Results) -> Vec<Vec<String>> {
    let limit = results.limit();
    let row = |result: &LaneResult| {
        let mut row = if result.lane.kind == Kind::Raw {
            vec!["raw 48 B".to_owned(), "-".to_owned(), "-".to_owned()]
        } else {
            named(&result.lane)
        };
        row.extend(PERCENTILES.map(|(percentile, _)| grouped(result.percentile(percentile).round() as u64)));
        row.push(grouped(result.max()));
        row.push(format!("{:.2}", result.percentile(50.0) / limit));
        row
    };
    results.of(Kind::is_trip).map(row).collect()
}

fn streams(results: &Results) -> Vec<Vec<String>> {
    let row = |result: &LaneResult| {
        let mut row = named(&result.lane);
        row.push(result.manner());
        row.push(grouped(result.rate().round() as u64));
        row.push(format!("{:.2}", result.rate() * result.lane.len as f64 / 1e9));
        row
    };
    results.of(|kind| !kind.is_trip()).map(row).collect()
}

fn named(lane: &Lane) -> Vec<String> {
    let size = match lane.len {
        len if len >= 1024 && len.is_multiple_of(1024) => format!("{} KiB", len / 1024),
        len => format!("{len} B"),
    };
    vec![size, ends(lane.senders).to_owned(), ends(lane.receivers).to_owned()]
}

/// Prints one JSON document: bytes, nanoseconds, and numbers as numbers.
///
/// # Errors
/// Standard output cannot be written.
pub fn json(results: &Results, machine: &Machine) -> Result<(), Failure> {
    print_json(&json!({
        "ringpost": env!("CARGO_PKG_VERSION"),
        "date": date(),
        "cpu": machine.cpu,
        "cores": machine.cores,
        "kernel": machine.kernel,
        "pinned_cores": if results.pinned { json!(machine.pinned) } else { Value::Null },
        "one_core": machine.one_core(),
        "rounds": results.rounds,
        "round_ns": u64::try_from(results.round.as_nanos()).unwrap_or(u64::MAX),
        "raw_p50_range_ns": [results.limit_range().0, results.limit_range().1],
        "messages_checked": total(results),
        "round_trips": results.of(Kind::is_trip).map(|result| trip_json(result, results.limit())).collect::<Vec<_>>(),
        "streams": results.of(|kind| !kind.is_trip()).map(stream_json).collect::<Vec<_>>(),
    }))
}

fn trip_json(result: &LaneResult, limit: f64) -> Value {
    let mut value = lane_json(result);
    value["max_ns"] = json!(result.max());
    value["raw_ratio"] = json!(result.percentile(50.0) / limit);
    for (percentile, name) in PERCENTILES {
        value[name] = json!(result.percentile(percentile));
    }
    value
}

fn stream_json(result: &LaneResult) -> Value {
    let mut value = lane_json(result);
    value["messages_per_s"] = json!(result.rate());
    value["bytes_per_s"] = json!(result.rate() * result.lane.len as f64);
    value["batch"] = json!(if result.lane.kind == Kind::Batch { BATCH } else { 1 });
    value["in_place"] = json!(result.lane.in_place());
    value
}

fn lane_json(result: &LaneResult) -> Value {
    let lane = &result.lane;
    let raw = lane.kind == Kind::Raw;
    let which = |end| if raw { Value::Null } else { json!(ends(end)) };
    json!({
        "queue": !raw,
        "message_bytes": lane.len,
        "senders": which(lane.senders),
        "receivers": which(lane.receivers),
        "messages": result.messages,
    })
}

fn total(results: &Results) -> u64 {
    // A round trip is two messages.
    let count = |result: &LaneResult| result.messages * if result.lane.kind.is_trip() { 2 } else { 1 };
    results.of(|kind| kind != Kind::Raw).map(count).sum()
}

fn date() -> String {
    humantime::format_rfc3339_seconds(SystemTime::now()).to_string()
}

/// The middle one, or the mean of the two in the middle.
fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() {
        0 => f64::NAN,
        len if len % 2 == 1 => values[middle],
        _ => f64::midpoint(values[middle - 1], values[middle]),
    }
}

/// Rows under their headings. Words are aligned to the left, numbers to the right.
fn aligned(headings: &[&str], rows: &[Vec<String>]) -> String {
    let width =
        |column: usize| rows.iter().map(|row| row[column].len()).chain([headings[column].len()]).max().unwrap_or(0);
    let is_number =
        |column: usize| rows.iter().all(|row| row[column].bytes().all(|b| b.is_ascii_digit() || b",.".contains(&b)));
    let columns: Vec<_> = (0..headings.len()).map(|column| (width(column), is_number(column))).collect();
    let line = |cells: &mut dyn Iterator<Item = &str>| {
        let pad = |(cell, (width, number)): (&str, &(usize, bool))| {
            if *number { format!("{cell:>width$}") } else { format!("{cell:<width$}") }
        };
        format!("  {}\n", cells.zip(&columns).map(pad).collect::<Vec<_>>().join("  ").trim_end())
    };
    let mut text = line(&mut headings.iter().copied());
    rows.iter().for_each(|row| text += &line(&mut row.iter().map(String::as_str)));
    text
}

/// `1234567` as `1,234,567`.
fn grouped(number: u64) -> String {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_for_people() {
        assert_eq!(["0", "999", "1,000", "1,234,567"], [0, 999, 1000, 1_234_567].map(grouped)[..]);
        assert_eq!(median(vec![3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(vec![4.0, 1.0]), 2.5);
    }

    #[test]
    fn columns_line_up() {
        let rows = [vec!["8 B".to_owned(), "1,000".to_owned()], vec!["64 KiB".to_owned(), "7".to_owned()]];
        assert_eq!(aligned(&["size", "ns"], &rows), "  size       ns\n  8 B     1,000\n  64 KiB      7\n");
    }
}
