//! Repairing what the dead have left, without joining.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::walk::Walk;
use crate::error::OsError;
use crate::layout::word::State;
use crate::participant::{recover_in_the_way, repair_all};
use crate::ring::{InTheWay, Memory};
use crate::segment::Segment;
use crate::wait::{Futex, notify_all};

/// Repairs every dead endpoint, and every slot that was left behind by one that is gone. Returns how many endpoints.
pub(super) fn repair(segment: &Arc<Segment>) -> Result<u64, OsError> {
    if segment.file().is_none() {
        // On the heap nobody dies alone.
        return Ok(0);
    }
    let walk = Walk::new(segment);
    let file = segment.reopen()?;
    let mut repaired = repair_all(&walk.ring, &file, 0).repaired;
    let mut gone = BTreeSet::new();
    for slot in 0..walk.ring.capacity() {
        let word = walk.word(slot);
        let owner = word.owner();
        let is_held = matches!(word.state(), Some(State::Claim | State::Take | State::TakeRun));
        // Whoever is joined was looked at above. One that leaves now has settled its words before its row came free.
        if is_held && !walk.is_joined(owner) && walk.word(slot) == word {
            let in_the_way = InTheWay { owner, position: slot, word };
            if recover_in_the_way(&walk.ring, &file, in_the_way) {
                gone.insert(owner);
            }
        }
    }
    repaired += gone.len() as u64;
    if repaired > 0 {
        let (futex, signals) = (Futex::register(), walk.ring.signals());
        notify_all(&futex, &signals.not_empty.word);
        notify_all(&futex, &signals.not_full.word);
    }
    Ok(repaired)
}
