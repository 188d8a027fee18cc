//! One loop for everyone who waits: try, spin, mark, try again, sleep.

use core::time::Duration;
use std::time::Instant;

use super::{Before, LONG_SLEEP, Parking, SHORT_SLEEP, Wait, event};
use crate::sync::{AtomicU32, spin_loop};

/// Looks between two readings of the clock while spinning.
const SPINS_PER_CLOCK: u32 = 64;
/// How long [`Wait::Balanced`] polls before it yields.
const BALANCED_SPIN: Duration = Duration::from_micros(20);
/// How often it yields before it sleeps.
const YIELDS: u32 = 2;
/// How often it looks at what another has claimed: for some microseconds, where a store takes less than one to be seen.
const LOOKS_AT_A_CLAIM: u32 = 64;

/// A point in time on the monotonic clock; `None`: never.
#[derive(Clone, Copy, Debug)]
pub struct Deadline(Option<Instant>);

impl Deadline {
    /// After this duration, or never if the clock does not reach so far.
    pub fn after(timeout: Duration) -> Self {
        Self(Instant::now().checked_add(timeout))
    }

    /// Never.
    pub const NEVER: Self = Self(None);

    /// What is left, `None` if it never ends.
    pub fn left(self) -> Option<Duration> {
        self.0.map(|at| at.saturating_duration_since(Instant::now()))
    }
}

/// What one try came to.
#[derive(Debug)]
pub enum Attempt<T> {
    /// It is over, well or not.
    Done(T),
    /// Not yet. `soon`: a certain endpoint is in the way, so look again within a millisecond. A cheap try says so, too.
    Blocked {
        /// See above.
        soon: bool,
    },
}

/// How patient the waiter is by now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Polling: the try must be cheap.
    Spinning,
    /// About to sleep: the try may look at everything, the dead too.
    Sleeping,
    /// Woken or slept out, a moment ago: the try must be cheap, and what is taken now may leave more for others.
    Roused,
    /// The same, and about to sleep again: the try may look at everything.
    Woken,
}

impl Phase {
    /// The try must be cheap.
    pub fn is_cheap(self) -> bool {
        matches!(self, Self::Spinning | Self::Roused)
    }

    /// The same with a cheap try.
    fn made_cheap(self) -> Self {
        if self.has_slept() { Self::Roused } else { Self::Spinning }
    }

    /// It has slept: a wake-up that was for more than what is taken now must be passed on.
    pub fn has_slept(self) -> bool {
        matches!(self, Self::Roused | Self::Woken)
    }
}

/// Tries until it is done or the deadline has passed; then `None`. At least one try is made, and one more after the
/// last sleep.
pub fn until<P: Parking, T>(
    parking: &P,
    event: &AtomicU32,
    wait: Wait,
    deadline: Deadline,
    mut attempt: impl FnMut(Phase) -> Attempt<T>,
) -> Option<T> {
    if let Some(done) = spin(wait, deadline, &mut attempt) {
        return done;
    }
    let mut phase = Phase::Sleeping;
    loop {
        let ticket = event::mark(parking, event);
        let soon = match look_and_watch(phase, &mut attempt) {
            Attempt::Done(value) => return Some(value),
            Attempt::Blocked { soon } => soon,
        };
        let left = deadline.left().unwrap_or(LONG_SLEEP);
        if left.is_zero() {
            if phase.has_slept() && soon {
                // What is claimed may have been left to us, and is for others now.
                event::notify(parking, event, 1, Before::Nothing);
            }
            return None;
        }
        let most = if soon || !ticket.ordered { SHORT_SLEEP } else { LONG_SLEEP };
        event::sleep(parking, event, ticket, left.min(most));
        // Before another mark: most of those who are woken find what they were woken for.
        if let Attempt::Done(value) = attempt(Phase::Roused) {
            return Some(value);
        }
        phase = Phase::Woken;
    }
}

/// The look before a sleep. What was claimed is there in a moment, if its owner is at work, and may have been left to us: it is watched for.
pub(super) fn look_and_watch<T>(phase: Phase, attempt: &mut impl FnMut(Phase) -> Attempt<T>) -> Attempt<T> {
    let mut found = attempt(phase);
    for _ in 0..LOOKS_AT_A_CLAIM {
        if !matches!(found, Attempt::Blocked { soon: true }) {
            break;
        }
        spin_loop();
        found = attempt(phase.made_cheap());
    }
    found
}

/// `Some`: it is over, one way or the other. `None`: time to sleep.
pub(super) fn spin<T>(
    wait: Wait,
    deadline: Deadline,
    attempt: &mut impl FnMut(Phase) -> Attempt<T>,
) -> Option<Option<T>> {
    let mut since = None;
    let mut yields = 0;
    loop {
        for _ in 0..SPINS_PER_CLOCK {
            if let Attempt::Done(value) = attempt(Phase::Spinning) {
                return Some(Some(value));
            }
            if wait == Wait::Sleep {
                return None;
            }
            spin_loop();
        }
        if deadline.left().is_some_and(|left| left.is_zero()) {
            // The last try looks at everything: a wait of no length, too, learns of the end and passes the dead.
            return Some(match attempt(Phase::Sleeping) {
                Attempt::Done(value) => Some(value),
                Attempt::Blocked { .. } => None,
            });
        }
        let spun = since.get_or_insert_with(Instant::now).elapsed();
        match wait {
            Wait::Spin if spun >= SHORT_SLEEP => {
                if let Attempt::Done(value) = attempt(Phase::Sleeping) {
                    return Some(Some(value));
                }
                since = None;
            }
            Wait::Balanced if spun >= BALANCED_SPIN => {
                if yields == YIELDS {
                    return None;
                }
                yields += 1;
                std::thread::yield_now();
            }
            _ => {}
        }
    }
}
