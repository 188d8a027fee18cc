//! `ringpost ls`.

use ringpost::{Listed, Summary, Temporary};
use serde_json::{Value, json};

use crate::args::Ls;
use crate::exit::Failure;
use crate::format::{ends, print_columns, print_json};
use crate::units::{show_bytes, show_span, show_time, span_ns};

/// Lists the queues of this machine.
pub fn run(args: &Ls) -> Result<(), Failure> {
    let found = ringpost::list()?;
    let temporaries = ringpost::temporaries().map_err(ringpost::OpenError::Os)?;
    if args.json {
        return print_json(&found.iter().map(entry).chain(temporaries.iter().map(temporary_entry)).collect());
    }
    let rows: Vec<_> = found.iter().map(row).collect();
    print_columns(&["NAME", "CAPACITY", "MAX LENGTH", "SEGMENT", "ENDS", "CREATED", "USE"], &rows)?;
    let rows: Vec<_> = temporaries.iter().map(temporary_row).collect();
    print_columns(&["TEMPORARY FILE", "SIZE", "AGE", "MAKER"], &rows)
}

fn row(listed: &Listed) -> Vec<String> {
    let name = listed.name.clone();
    match &listed.found {
        Err(error) => vec![name, format!("cannot be opened: {error}")],
        Ok(queue) => vec![
            name,
            queue.capacity.to_string(),
            show_bytes(queue.max_len),
            show_bytes(queue.total_bytes),
            format!("{} to {}", ends(queue.senders), ends(queue.receivers)),
            show_time(queue.created_ns),
            usage(queue),
        ],
    }
}

/// Who uses it, or what is left of it.
fn usage(queue: &Summary) -> String {
    let mut words = match (queue.open, &queue.stale) {
        (_, Some(stale)) => {
            let messages = match stale.messages {
                0 => "empty".to_owned(),
                1 => "1 message".to_owned(),
                many => format!("{many} messages"),
            };
            let ephemeral = if queue.ephemeral { ", ephemeral" } else { "" };
            format!("stale: {messages}{ephemeral}, unused for {}", show_span(stale.unused_for))
        }
        (None, _) => "cannot be found out".to_owned(),
        _ => match queue.endpoints {
            0 => "open".to_owned(),
            1 => "1 endpoint".to_owned(),
            many => format!("{many} endpoints"),
        },
    };
    if queue.dead > 0 {
        words.push_str(&format!(", {} dead", queue.dead));
    }
    words
}

fn entry(listed: &Listed) -> Value {
    match &listed.found {
        Err(error) => json!({ "kind": "queue", "name": listed.name, "error": error.to_string() }),
        Ok(queue) => json!({
            "kind": "queue",
            "name": listed.name,
            "capacity": queue.capacity,
            "max_len_bytes": queue.max_len,
            "total_bytes": queue.total_bytes,
            "senders": ends(queue.senders),
            "receivers": ends(queue.receivers),
            "created_ns": queue.created_ns,
            "ephemeral": queue.ephemeral,
            "closed": queue.closed,
            "open": queue.open,
            "endpoints": queue.endpoints,
            "dead": queue.dead,
            "stale": queue.stale.map(|stale| json!({
                "messages": stale.messages,
                "unused_for_ns": span_ns(stale.unused_for),
            })),
        }),
    }
}

fn temporary_row(found: &Temporary) -> Vec<String> {
    vec![found.name.clone(), show_bytes(found.bytes), show_span(found.age), maker(found).to_owned()]
}

fn temporary_entry(found: &Temporary) -> Value {
    json!({
        "kind": "temporary",
        "name": found.name,
        "total_bytes": found.bytes,
        "age_ns": span_ns(found.age),
        "maker_alive": found.maker_alive,
        "stale": found.is_left_over,
    })
}

fn maker(found: &Temporary) -> &'static str {
    match (found.maker_alive, found.is_left_over) {
        (true, _) => "alive",
        (false, true) => "dead: left over",
        (false, false) => "dead, or has just begun",
    }
}
