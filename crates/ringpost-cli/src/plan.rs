//! `ringpost plan`: sizes before anything is made.

use serde_json::json;

use crate::args::Plan;
use crate::create::options;
use crate::exit::Failure;
use crate::format::{print_json, print_table};
use crate::units::show_bytes;

/// Says how large a queue would be.
pub fn run(args: &Plan) -> Result<(), Failure> {
    let plan = options(&args.shape).plan()?;
    if args.json {
        return print_json(&json!({
            "capacity": plan.capacity,
            "total_bytes": plan.total_bytes,
            "word_stride_bytes": plan.word_stride,
            "payload_offset_bytes": plan.payload_offset,
            "payload_stride_bytes": plan.payload_stride,
            "slots_offset_bytes": plan.slots_offset,
            "endpoint_rows": plan.rows,
        }));
    }
    print_table(&[
        ("capacity", format!("{} messages", plan.capacity)),
        ("total", format!("{} bytes ({})", plan.total_bytes, show_bytes(plan.total_bytes))),
        ("first slot at", format!("{} bytes", plan.slots_offset)),
        ("state words", format!("{} bytes apart", plan.word_stride)),
        ("payloads", format!("{} bytes apart, the first {} behind its word", plan.payload_stride, plan.payload_offset)),
        ("endpoint rows", plan.rows.to_string()),
    ])
}
