//! What came out: a table for people, or one JSON document.

use std::io::{self, Write};

use ringpost_compare::cell::{BATCH, Lane};
use ringpost_compare::machine::Machine;
use ringpost_compare::probe::Domain;
use ringpost_compare::registry::find;
use ringpost_compare::report::{bandwidth, rate, remarks, score, size, table::columns, time};
use ringpost_compare::results::{Cell, Figures, Results};
use serde_json::{Value, json};

use super::plan::ends_of;
use crate::exit::Failure;
use crate::format::print_json;

/// What was measured of a cell with the processors at one distance.
struct Line<'a> {
    cell: &'a Cell,
    cores: Domain,
    figures: &'a Figures,
    /// The time of a round trip over that of the raw limit with the processors at the same distance.
    to_raw: Option<f64>,
}

/// What is measured, in few words.
pub fn name(cell: &Cell) -> String {
    let what = match cell.lane {
        Lane::Trip | Lane::Short => "there and back",
        Lane::Batch => "one way in batches",
        _ => "one way",
    };
    format!("{} of {}, {what}", cell.transport, size(cell.len))
}

fn lines(results: &Results, cores: Domain) -> Vec<Line<'_>> {
    let measured = results.cells.iter().filter_map(|outcome| Some((&outcome.cell, outcome.domains.get(&cores)?)));
    let limit = measured.clone().find(|(cell, _)| ends_of(&cell.transport).is_none());
    let limit = limit.map(|(cell, figures)| score(cell.lane, figures));
    let to_raw = |cell: &Cell, figures| Some(score(cell.lane, figures) / limit.filter(|_| cell.lane.is_trip())?);
    measured.map(|(cell, figures)| Line { cell, cores, figures, to_raw: to_raw(cell, figures) }).collect()
}

/// Prints tables.
///
/// # Errors
/// Standard output cannot be written.
pub fn table(results: &Results) -> Result<(), Failure> {
    let mut text = heading(results);
    for cores in results.domains() {
        let lines = lines(results, cores);
        let section = |title: &str, headings: &[&str], rows: Vec<Vec<String>>| match &rows[..] {
            [] => String::new(),
            rows => format!("\n{title}, {}\n{}", place(results, cores), columns(&[0, 1, 2, 3], headings, rows)),
        };
        text += &section(
            "There and back, one message at a time",
            &["message", "senders", "receivers", "manner", "p50", "p90", "p99", "p99.9", "max", "x raw"],
            lines.iter().filter(|line| line.cell.lane.is_trip()).filter_map(trip).collect(),
        );
        text += &section(
            "One way",
            &["message", "senders", "receivers", "manner", "messages", "bytes"],
            lines.iter().filter(|line| !line.cell.lane.is_trip()).map(stream).collect(),
        );
    }
    text += "\nraw: a cache line of shared memory each way with a turn and 48 bytes, no queue; the least that is possible.\n";
    for remark in remarks(results) {
        text += &remark;
        text.push('\n');
    }
    io::stdout().write_all(text.as_bytes()).map_err(Failure::output)
}

fn heading(results: &Results) -> String {
    let Machine { cpu, cores, kernel, pinned: [first, second] } = &results.machine;
    let placed = if first == second {
        "both on the only core there is, so these numbers say little".to_owned()
    } else {
        format!("on cores {first} and {second}, polling")
    };
    format!(
        "ringpost {} between two processes, {placed}\n{cpu}, {cores} core{}, Linux {kernel}, {}\n",
        env!("CARGO_PKG_VERSION"),
        if *cores == 1 { "" } else { "s" },
        results.date
    )
}

fn place(results: &Results, cores: Domain) -> String {
    if Machine::same_core(results.machine.pinned) { "one core".to_owned() } else { format!("{} cores", cores.name()) }
}

fn trip(line: &Line) -> Option<Vec<String>> {
    let times = line.figures.times?;
    let mut row = named(line.cell);
    row.extend([times.p50, times.p90, times.p99, times.p999].map(|spread| time(spread.median)));
    row.push(time(times.max.most));
    row.push(line.to_raw.map_or("-".to_owned(), |ratio| format!("{ratio:.2}")));
    Some(row)
}

fn stream(line: &Line) -> Vec<String> {
    let per_s = line.figures.rate.median;
    let mut row = named(line.cell);
    row.extend([rate(per_s), bandwidth(per_s * line.cell.len as f64)]);
    row
}

fn named(cell: &Cell) -> Vec<String> {
    let Some([senders, receivers]) = ends_of(&cell.transport) else {
        return vec![format!("raw {}", size(cell.len)), "-".to_owned(), "-".to_owned(), "-".to_owned()];
    };
    vec![size(cell.len), senders.to_owned(), receivers.to_owned(), manner(cell)]
}

/// How the messages get into the queue and out of it.
fn manner(cell: &Cell) -> String {
    let what = match cell.transport.rsplit('-').next() {
        Some("copy") => "bytes",
        Some("typed") => "typed",
        Some("value") => "values",
        Some("packed") => "packed",
        _ => "in place",
    };
    if cell.lane == Lane::Batch { format!("{what}, {BATCH} at a time") } else { what.to_owned() }
}

/// Prints one JSON document: bytes, nanoseconds, and numbers as numbers.
///
/// # Errors
/// Standard output cannot be written.
pub fn json(results: &Results) -> Result<(), Failure> {
    print_json(&document(results))
}

fn document(results: &Results) -> Value {
    let machine = &results.machine;
    let lines: Vec<_> = results.domains().into_iter().flat_map(|cores| lines(results, cores)).collect();
    let of = |trips: bool, document: fn(&Line) -> Value| -> Vec<Value> {
        lines.iter().filter(|line| line.cell.lane.is_trip() == trips).map(document).collect()
    };
    let failed = results
        .cells
        .iter()
        .filter_map(|outcome| Some(json!({ "what": name(&outcome.cell), "error": outcome.failed.as_ref()? })));
    let (dropped, made) = results.dropped();
    json!({
        "ringpost": env!("CARGO_PKG_VERSION"),
        "command": results.command,
        "date": results.date,
        "cpu": machine.cpu,
        "cores": machine.cores,
        "kernel": machine.kernel,
        "pinned_cores": machine.pinned,
        "one_core": Machine::same_core(machine.pinned),
        "repetitions": results.repetitions,
        "rounds": results.rounds,
        "rounds_made": made,
        "rounds_dropped": dropped,
        "messages_checked": results.messages(),
        "round_trips": of(true, trip_json),
        "streams": of(false, stream_json),
        "failed": failed.collect::<Vec<_>>(),
    })
}

fn trip_json(line: &Line) -> Value {
    let mut value = line_json(line);
    value["raw_ratio"] = json!(line.to_raw);
    if let Some(times) = line.figures.times {
        value["p50_ns"] = json!(times.p50.median);
        value["p50_least_ns"] = json!(times.p50.least);
        value["p50_most_ns"] = json!(times.p50.most);
        value["middle_ns"] = json!(times.middle.median);
        value["p90_ns"] = json!(times.p90.median);
        value["p99_ns"] = json!(times.p99.median);
        value["p999_ns"] = json!(times.p999.median);
        value["max_ns"] = json!(times.max.most);
    }
    value
}

fn stream_json(line: &Line) -> Value {
    let mut value = line_json(line);
    let (len, rate) = (line.cell.len as f64, line.figures.rate);
    value["messages_per_s"] = json!(rate.median);
    value["messages_per_s_least"] = json!(rate.least);
    value["messages_per_s_most"] = json!(rate.most);
    value["bytes_per_s"] = json!(rate.median * len);
    value["batch"] = json!(if line.cell.lane == Lane::Batch { BATCH } else { 1 });
    value
}

fn line_json(line: &Line) -> Value {
    let Line { cell, cores, figures, .. } = line;
    let ends = ends_of(&cell.transport);
    json!({
        "queue": ends.is_some(),
        "message_bytes": cell.len,
        "senders": ends.map(|[senders, _]| senders),
        "receivers": ends.map(|[_, receivers]| receivers),
        "manner": ends.map(|_| manner(cell)),
        "about": find(&cell.transport).map(|entry| entry.about),
        "depth": cell.depth,
        "cores": cores.name(),
        "messages": figures.messages,
    })
}
