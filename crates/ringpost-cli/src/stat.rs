//! `ringpost stat`.

use ringpost::{EndpointStat, Liveness, Stat, WhenFull};
use serde_json::{Value, json};

use crate::args;
use crate::exit::Failure;
use crate::format::{ends, print_columns, print_json, print_table};
use crate::units::{show_bytes, show_time};

/// Says what a queue is, and who uses it.
pub fn run(args: &args::Stat) -> Result<(), Failure> {
    let stat = args.open.open()?.stat();
    if args.json {
        return print_json(&json(&stat));
    }
    print_table(&rows(&stat))?;
    let endpoints: Vec<_> = stat.endpoints.iter().map(endpoint_row).collect();
    print_columns(&["ENDPOINT", "ROLE", "PID", "STATE", "JOINED"], &endpoints)
}

/// The report as one JSON document: bytes, nanoseconds, and numbers as numbers.
pub fn json(stat: &Stat) -> Value {
    let totals = &stat.totals;
    json!({
        "name": stat.name,
        "capacity": stat.capacity,
        "size": stat.size,
        "max_len_bytes": stat.max_len,
        "total_bytes": stat.total_bytes,
        "senders": ends(stat.senders),
        "receivers": ends(stat.receivers),
        "packed": stat.packed,
        "when_full": show_policy(stat.when_full),
        "deadline_ns": match stat.when_full {
            WhenFull::Deadline(limit) => json!(u64::try_from(limit.as_nanos()).unwrap_or(u64::MAX)),
            _ => Value::Null,
        },
        "message_type": stat.message_type,
        "max_deliveries": stat.max_deliveries,
        "dead_letter": stat.dead_letter,
        "ephemeral": stat.ephemeral,
        "closed": stat.closed,
        "format_version": stat.format_version,
        "created_ns": stat.created_ns,
        "sent": totals.sent,
        "sent_bytes": totals.sent_bytes,
        "pulled": totals.pulled,
        "pulled_bytes": totals.pulled_bytes,
        "dropped": totals.dropped,
        "overwritten": totals.overwritten,
        "redelivered": totals.redelivered,
        "recovered": totals.recovered,
        "dead_lettered": totals.dead_lettered,
        "expired": totals.expired,
        "not_dead_lettered": totals.not_dead_lettered,
        "endpoints": stat.endpoints.iter().map(endpoint_json).collect::<Vec<_>>(),
    })
}

fn rows(stat: &Stat) -> Vec<(&'static str, String)> {
    let totals = &stat.totals;
    vec![
        ("name", stat.name.clone()),
        ("size", format!("{} of {} messages{}", stat.size, stat.capacity, if stat.closed { ", closed" } else { "" })),
        ("max length", format!("{}{}", show_bytes(stat.max_len), if stat.packed { ", packed" } else { "" })),
        ("message type", stat.message_type.clone().unwrap_or_else(|| "raw bytes".to_owned())),
        ("ends", format!("{} sender, {} receiver", ends(stat.senders), ends(stat.receivers))),
        ("when full", show_policy(stat.when_full)),
        ("sent", format!("{} ({})", totals.sent, show_bytes(totals.sent_bytes))),
        ("pulled", format!("{} ({})", totals.pulled, show_bytes(totals.pulled_bytes))),
        ("dropped", totals.dropped.to_string()),
        ("overwritten", totals.overwritten.to_string()),
        ("redelivered", totals.redelivered.to_string()),
        ("deliveries", show_limit(stat)),
        ("dead-lettered", format!("{}, {} failed", totals.dead_lettered, totals.not_dead_lettered)),
        ("expired", totals.expired.to_string()),
        ("recovered", format!("{} dead endpoints", totals.recovered)),
        ("segment", show_bytes(stat.total_bytes)),
        ("created", show_time(stat.created_ns)),
        ("format", format!("version {}", stat.format_version)),
    ]
}

fn endpoint_row(endpoint: &EndpointStat) -> Vec<String> {
    vec![
        endpoint.number.to_string(),
        endpoint.role.to_string(),
        show_pid(endpoint.pid),
        show_liveness(endpoint.liveness).to_owned(),
        show_time(endpoint.joined_ns),
    ]
}

/// An endpoint as a JSON object.
pub fn endpoint_json(endpoint: &EndpointStat) -> Value {
    json!({
        "number": endpoint.number,
        "role": endpoint.role.to_string(),
        "pid": endpoint.pid,
        "state": show_liveness(endpoint.liveness),
        "joined_ns": endpoint.joined_ns,
    })
}

/// A process, as far as its number means anything here.
pub fn show_pid(pid: Option<u32>) -> String {
    pid.map_or_else(|| "elsewhere".to_owned(), |pid| pid.to_string())
}

/// Dead or alive.
pub fn show_liveness(liveness: Liveness) -> &'static str {
    match liveness {
        Liveness::Alive => "alive",
        Liveness::Dead => "dead",
        Liveness::Unknown => "unknown",
    }
}

fn show_limit(stat: &Stat) -> String {
    match (stat.max_deliveries, &stat.dead_letter) {
        (None, _) => "without limit".to_owned(),
        (Some(most), Some(name)) => format!("at most {most}, then to {name}"),
        (Some(most), None) => format!("at most {most}, then dropped"),
    }
}

fn show_policy(policy: WhenFull) -> String {
    match policy {
        WhenFull::Block => "block".to_owned(),
        WhenFull::Deadline(limit) => humantime::format_duration(limit).to_string(),
        WhenFull::Fail => "fail".to_owned(),
        WhenFull::Overwrite => "overwrite".to_owned(),
    }
}
