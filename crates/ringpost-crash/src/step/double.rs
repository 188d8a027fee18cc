//! The repairer dies, too.

use super::walk::{Remains, Watch, walk};
use super::{Seen, account, check, labels, wrong};
use crate::Result;
use crate::operation::{Operation, Pair};
use crate::report::Row;
use crate::segment::OwnName;
use crate::traced::Traced;

/// Whether a second death is looked at: of everything inside a queue, or, quickly, of the two that matter most.
pub fn is_wanted(seen: &Seen, quick: bool) -> bool {
    let matters_most = matches!(seen.operation, Operation::Send | Operation::Pull) && seen.ends == Pair::ManyMany;
    let repeats_another = match seen.operation {
        // Who comes to what it leaves finds a dead-letter queue, as with the batch, or makes one, as the first did.
        Operation::Bury => true,
        // Long walks, in which the other end makes no difference.
        Operation::BuryBatch => matches!(seen.ends, Pair::OneMany | Pair::ManyOne),
        _ => false,
    };
    seen.operation.is_inside() && !repeats_another && (!quick || matters_most)
}

/// Lets a repairer come to each state that a death may leave, in steps, and checks what each of its deaths would leave.
pub fn step(seen: &Seen) -> Result<Row> {
    let name = OwnName::new("repaired");
    let copy = OwnName::new("copy");
    let done = ["first states", "instructions", "states", "checks"];
    let mut row = Row::new(labels(seen.operation, seen.ends), &done, &wrong());
    for (at, (left, finished)) in seen.remains.iter().enumerate() {
        if !left.put(&name)? {
            continue;
        }
        let mut account = account(seen.operation, seen.ends, *finished);
        // Each death may leave a copy.
        account.copies = account.copies.map(|copies| copies + 1);
        let mut repairer = Traced::start(&["play", &name, &seen.operation.repairer().name(), &seen.ends.name()])?;
        let mut states = 0;
        let length = walk(&mut repairer, &mut Watch::file(&name)?, false, |left: &Remains, _| {
            states += 1;
            check(&copy, left, &account, &mut row, &format!("state {at}, then {states}"))
        })?;
        row.count("first states", 1);
        row.count("instructions", length.instructions);
        row.count("states", states);
    }
    Ok(row)
}
