//! `ringpost ls`.

use ringpost::{Listed, Summary};
use serde_json::{Value, json};

use crate::args::Ls;
use crate::exit::Failure;
use crate::format::{ends, print_columns, print_json};
use crate::units::{show_bytes, show_time};

/// Lists the queues of this machine.
pub fn run(args: &Ls) -> Result<(), Failure> {
    let found = ringpost::list()?;
    if args.json {
        return print_json(&found.iter().map(entry).collect());
    }
    let rows: Vec<_> = found.iter().map(row).collect();
    print_columns(&["NAME", "CAPACITY", "MAX LENGTH", "SEGMENT", "ENDS", "CREATED"], &rows)
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
        ],
    }
}

fn entry(listed: &Listed) -> Value {
    match &listed.found {
        Err(error) => json!({ "name": listed.name, "error": error.to_string() }),
        Ok(Summary { capacity, max_len, total_bytes, senders, receivers, created_ns, .. }) => json!({
            "name": listed.name,
            "capacity": capacity,
            "max_len_bytes": max_len,
            "total_bytes": total_bytes,
            "senders": ends(*senders),
            "receivers": ends(*receivers),
            "created_ns": created_ns,
        }),
    }
}
