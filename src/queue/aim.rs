//! What an endpoint waits for, as far as others can see it: for a wait on several endpoints, and for helpers.

use std::sync::Arc;

use super::hold;
use super::link::senders_gone;
use super::stall::Stall;
use crate::error::Role;
use crate::layout::control::Signals;
use crate::participant::{SharedRing, any_under_way};
use crate::ring::{self, Blocked, InTheWay, Lookout, Memory, Outlook};
use crate::sync::{AtomicU32, Ordering};
use crate::wait::{Before, Futex, notify};

/// What to look at in an endpoint's place.
#[derive(Clone)]
pub struct Aim {
    /// Its part of the ring.
    pub lookout: Lookout,
    /// Which end.
    pub role: Role,
    /// A receiver that wants to learn that no sender is left.
    pub until_senders_leave: bool,
    /// A receiver's held messages: of those that are settled, the only receiver has to note some itself.
    pub holds: Option<Arc<hold::Shared>>,
    /// Whom it was behind when this was made, and how long that may last.
    pub stall: Stall,
}

/// What a full look came to.
pub enum View {
    /// A try is worthwhile: it goes on, or tells the end of the queue.
    Ready,
    /// The words contradict each other. A try that looks around says so.
    Faulty,
    /// Not yet. If one endpoint stands in the way, it is named.
    Blocked(Option<InTheWay>),
}

impl Aim {
    /// A cheap look, for polling.
    pub fn glance(&self, ring: &SharedRing) -> Outlook {
        match self.lookout.look(ring) {
            Outlook::InVain(_) if self.has_settled() => Outlook::Worthwhile,
            outlook => outlook,
        }
    }

    /// Whether a try is worthwhile, by such a look.
    pub fn is_worthwhile(&self, ring: &SharedRing) -> bool {
        self.glance(ring) == Outlook::Worthwhile
    }

    /// A look at everything but the dead.
    pub fn look(&self, ring: &SharedRing) -> View {
        let Outlook::InVain(in_the_way) = self.glance(ring) else { return View::Ready };
        if let Err(Blocked::Fault(_)) = self.lookout.audit(ring) {
            return View::Faulty;
        }
        if self.is_over(ring, in_the_way) { View::Ready } else { View::Blocked(in_the_way) }
    }

    /// Whether held messages were settled whose slots come free, or that come back, only when the receiver tries.
    fn has_settled(&self) -> bool {
        self.holds.as_ref().is_some_and(|holds| holds.wait_for_receiver())
    }

    /// Whether a try would tell the end of the queue. What is being written still comes.
    fn is_over(&self, ring: &SharedRing, in_the_way: Option<InTheWay>) -> bool {
        let signals = ring.signals();
        // Acquire: closed, pairs with close.
        let ended = signals.closed.load(Ordering::Acquire) != 0 || signals.removed.load(Ordering::Acquire) != 0;
        match self.role {
            Role::Sender => ended,
            Role::Receiver if in_the_way.is_some() => false,
            Role::Receiver => {
                let ended = ended || (self.until_senders_leave && senders_gone(ring));
                // What the dead held comes back before. Those whom nobody repairs yet are for the try.
                ended && !any_under_way(ring.segment())
            }
        }
    }

    /// Where it sleeps.
    pub fn event<'s>(&self, signals: &'s Signals) -> &'s AtomicU32 {
        match self.role {
            Role::Sender => &signals.not_full.word,
            Role::Receiver => &signals.not_empty.word,
        }
    }

    /// Passes a wake-up on to one more of the same kind, if there is something left besides the first `taken`.
    pub fn pass_on(&self, futex: &Futex, ring: &SharedRing, taken: u64) {
        let left = match self.role {
            Role::Sender => ring::size(ring).saturating_add(taken) < ring.capacity(),
            Role::Receiver => ring::to_come(ring) > taken,
        };
        if left {
            notify(futex, self.event(ring.signals()), 1, Before::Nothing);
        }
    }
}
