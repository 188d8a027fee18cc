//! `ringpost doctor`.

use ringpost::{Diagnosis, EndpointReport, Holder, Holding, Liveness, OpenError, Role, Stuck};
use serde_json::{Value, json};

use crate::args::Doctor;
use crate::exit::Failure;
use crate::format::{print_columns, print_json, print_lines};
use crate::stat::{endpoint_json, show_liveness, show_pid};
use crate::units::{show_span, show_time, span_ns};

/// How many positions are written out for people.
const SHOWN: usize = 4;

/// Says what ails a queue, and repairs what may be repaired.
pub fn run(args: &Doctor) -> Result<(), Failure> {
    let inspector = args.inspect.inspector()?;
    let mut diagnosis = inspector.diagnose(args.watch);
    let mut repaired = None;
    if args.fix && !diagnosis.is_healthy() {
        repaired = Some(inspector.repair().map_err(OpenError::Os)?);
        diagnosis = inspector.diagnose(args.watch);
    }
    if args.json {
        print_json(&document(args, &diagnosis, repaired))?;
    } else {
        print(args, &diagnosis, repaired)?;
    }
    match diagnosis.faults.first() {
        Some(fault) => Err(OpenError::Fault(*fault).into()),
        None if diagnosis.is_healthy() => Ok(()),
        None => Err(Failure::Unhealthy(advice(args, &diagnosis))),
    }
}

/// One line about what can be done.
fn advice(args: &Doctor, diagnosis: &Diagnosis) -> String {
    let name = &args.inspect.name;
    let is_dead = |report: &EndpointReport| report.endpoint.liveness == Liveness::Dead;
    if diagnosis.endpoints.iter().any(is_dead) || diagnosis.stuck.iter().any(|stuck| stuck.holder == Holder::Dead) {
        return format!("{name:?} has dead endpoints; whoever meets them repairs them, or add --fix");
    }
    format!("{name:?} is held up by a process that lives; continue it, wait for it, or end it")
}

fn print(args: &Doctor, diagnosis: &Diagnosis, repaired: Option<u64>) -> Result<(), Failure> {
    let marks = [(diagnosis.closed, ", closed"), (diagnosis.removed, ", removed")];
    let marks: String = marks.into_iter().filter(|(is_set, _)| *is_set).map(|(_, word)| word).collect();
    let mut lines =
        vec![format!("{}: {} of {} messages wait{marks}", args.inspect.name, diagnosis.waiting, diagnosis.capacity)];
    lines.extend(repaired.map(|count| format!("repaired: {count} dead endpoints")));
    print_lines(&lines)?;
    let rows: Vec<_> = diagnosis.endpoints.iter().map(row).collect();
    print_columns(&["ENDPOINT", "ROLE", "PID", "STATE", "JOINED", "WRITES", "READS", "FOR"], &rows)?;
    let faults = diagnosis.faults.iter().map(|fault| format!("corrupt: {fault}"));
    let mut lines: Vec<_> = diagnosis.stuck.iter().map(|stuck| why(diagnosis, stuck)).chain(faults).collect();
    if diagnosis.is_healthy() {
        lines.push("healthy".to_owned());
    }
    print_lines(&lines)
}

fn row(report: &EndpointReport) -> Vec<String> {
    let endpoint = &report.endpoint;
    vec![
        endpoint.number.to_string(),
        endpoint.role.to_string(),
        show_pid(endpoint.pid),
        state(report).to_owned(),
        show_time(endpoint.joined_ns),
        show_holding(&report.writing),
        show_holding(&report.reading),
        show_at_least(report.writing.held_for.max(report.reading.held_for)),
    ]
}

fn state(report: &EndpointReport) -> &'static str {
    if report.stopped { "stopped" } else { show_liveness(report.endpoint.liveness) }
}

/// How many, and where: `3 at 5 6 7`.
fn show_holding(holding: &Holding) -> String {
    if holding.count == 0 {
        return "-".to_owned();
    }
    let mut shown: Vec<_> = holding.positions.iter().take(SHOWN).map(u64::to_string).collect();
    if holding.count > shown.len() as u64 {
        shown.push("..".to_owned());
    }
    format!("{} at {}", holding.count, shown.join(" "))
}

fn show_at_least(held_for: std::time::Duration) -> String {
    if held_for.is_zero() { "-".to_owned() } else { format!("at least {}", show_span(held_for)) }
}

/// What is stuck and why, in a sentence.
fn why(diagnosis: &Diagnosis, stuck: &Stuck) -> String {
    let Stuck { waiting, position, endpoint, holder, held_for, .. } = stuck;
    let report = diagnosis.endpoints.iter().find(|report| report.endpoint.number == *endpoint);
    let who = report.map_or_else(
        || format!("endpoint {endpoint}"),
        |report| format!("{} {endpoint} (pid {})", report.endpoint.role, show_pid(report.endpoint.pid)),
    );
    let what = match waiting {
        Role::Sender => format!("senders wait for room: position {position} is held by {who}"),
        Role::Receiver => format!("receivers wait for position {position}, which {who} has claimed and not committed"),
    };
    let then = match holder {
        Holder::Dead => "it is dead, and whoever meets it repairs it",
        Holder::Stopped => "it is stopped; continue it, or kill it",
        Holder::Alive => "it is alive, and nobody robs it",
        Holder::Unknown => "whether it lives cannot be found out",
    };
    let since = if held_for.is_zero() { String::new() } else { format!(", for at least {}", show_span(*held_for)) };
    format!("stuck: {what}{since}: {then}")
}

fn document(args: &Doctor, diagnosis: &Diagnosis, repaired: Option<u64>) -> Value {
    json!({
        "name": args.inspect.name,
        "healthy": diagnosis.is_healthy(),
        "capacity": diagnosis.capacity,
        "waiting": diagnosis.waiting,
        "closed": diagnosis.closed,
        "removed": diagnosis.removed,
        "watched_ns": span_ns(diagnosis.watched),
        "repaired": repaired,
        "endpoints": diagnosis.endpoints.iter().map(endpoint).collect::<Vec<_>>(),
        "stuck": diagnosis.stuck.iter().map(|stuck| json!({
            "waiting": stuck.waiting.to_string(),
            "position": stuck.position,
            "endpoint": stuck.endpoint,
            "holder": match stuck.holder {
                Holder::Alive => "alive",
                Holder::Stopped => "stopped",
                Holder::Dead => "dead",
                Holder::Unknown => "unknown",
            },
            "held_for_ns": span_ns(stuck.held_for),
            "why": why(diagnosis, stuck),
        })).collect::<Vec<_>>(),
        "faults": diagnosis.faults.iter().map(ToString::to_string).collect::<Vec<_>>(),
    })
}

fn endpoint(report: &EndpointReport) -> Value {
    let holding = |holding: &Holding| {
        json!({
            "count": holding.count,
            "positions": holding.positions,
            "held_for_ns": span_ns(holding.held_for),
        })
    };
    let mut entry = endpoint_json(&report.endpoint);
    entry["state"] = state(report).into();
    entry["writing"] = holding(&report.writing);
    entry["reading"] = holding(&report.reading);
    entry
}
