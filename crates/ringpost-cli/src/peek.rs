//! `ringpost peek`.

use std::io::{self, BufWriter, Write};

use ringpost::{PeekState, Peeked};
use serde_json::Value;

use crate::args::{Format, Peek};
use crate::exit::Failure;
use crate::format::{append, json_of};

/// Writes copies of messages, and leaves the messages where they are.
pub fn run(args: &Peek) -> Result<(), Failure> {
    let inspector = args.inspect.inspector()?;
    let shown = inspector.peek().from(args.from).filter(|message| is_shown(args, message));
    let mut out = BufWriter::with_capacity(1 << 16, io::stdout().lock());
    let mut bytes = Vec::new();
    for message in shown.take(args.size.unwrap_or(usize::MAX)) {
        bytes.clear();
        match args.format {
            Format::Json => bytes.extend(format!("{}\n", entry(&message)).bytes()),
            format => append(&mut bytes, format, &message.bytes, message.deliveries),
        }
        out.write_all(&bytes).map_err(Failure::output)?;
    }
    out.flush().map_err(Failure::output)
}

fn is_shown(args: &Peek, message: &Peeked) -> bool {
    match message.state {
        PeekState::Ready | PeekState::CameBack => true,
        PeekState::Held { .. } => args.held,
        // It has no bytes yet: what there is to be told is not a message.
        PeekState::BeingWritten { .. } => args.held && args.format == Format::Json,
    }
}

fn entry(message: &Peeked) -> Value {
    let mut entry = json_of(&message.bytes, message.deliveries);
    let (state, holder) = match message.state {
        PeekState::Ready => ("ready", None),
        PeekState::CameBack => ("came back", None),
        PeekState::Held { endpoint, pid } => ("held", Some((endpoint, pid))),
        PeekState::BeingWritten { endpoint, pid } => ("being written", Some((endpoint, pid))),
    };
    entry["position"] = message.position.into();
    entry["state"] = state.into();
    if let Some((endpoint, pid)) = holder {
        entry["endpoint"] = endpoint.into();
        entry["pid"] = pid.into();
    }
    entry
}
