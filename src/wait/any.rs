//! Waiting on several event words at once: as [`until`](super::until), but for whichever comes first.

use super::until::{look_and_watch, spin};
use super::{Attempt, Before, Deadline, LONG_SLEEP, Parking, Phase, SHORT_SLEEP, Wait, event};
use crate::sync::AtomicU32;

/// Tries until it is done or the deadline has passed; then `None`. Each of `events` is moved after something that the
/// attempt looks for. At least one try is made, and one more after the last sleep.
///
/// When it has slept ([`Phase::has_slept`]), an attempt that leaves something behind must pass the wake-up on.
pub fn until_any<P: Parking, T>(
    parking: &P,
    events: &[&AtomicU32],
    wait: Wait,
    deadline: Deadline,
    mut attempt: impl FnMut(Phase) -> Attempt<T>,
) -> Option<T> {
    if let Some(done) = spin(wait, deadline, &mut attempt) {
        return done;
    }
    let mut marked = Vec::with_capacity(events.len());
    let mut phase = Phase::Sleeping;
    loop {
        let ordered = event::mark_all(parking, events, &mut marked);
        let soon = match look_and_watch(phase, &mut attempt) {
            Attempt::Done(value) => return Some(value),
            Attempt::Blocked { soon } => soon,
        };
        let left = deadline.left().unwrap_or(LONG_SLEEP);
        if left.is_zero() {
            if phase.has_slept() && soon {
                // What is claimed may have been left to us, and is for others now.
                events.iter().for_each(|event| event::notify(parking, event, 1, Before::Nothing));
            }
            return None;
        }
        let most = if soon || !ordered { SHORT_SLEEP } else { LONG_SLEEP };
        event::sleep_any(parking, &marked, left.min(most));
        phase = Phase::Woken;
    }
}
