//! A helper thread that waits in the place of an endpoint, for programs that sleep in an event loop.
//!
//! The helper sleeps by the protocol of [`crate::wait`] and touches shared words only to look at them: it takes nothing and
//! repairs nothing. What it sees, and whom it sees dead, it reports by ringing a bell (an eventfd). Then the endpoint
//! itself takes, or repairs.

use std::os::fd::{AsFd, BorrowedFd};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Instant;

use super::aim::{Aim, View};
use super::stall::Stall;
use super::waitable::{End, look_around};
use crate::error::DescriptorError;
use crate::os::{eventfd::Bell, failed_io, fork, thread};
use crate::participant::{Liveness, SharedRing, any_dead, liveness};
use crate::ring::InTheWay;
use crate::sync::AtomicU32;
use crate::wait::{Attempt, Futex, LONG_SLEEP, Order, Phase, order, serve};

/// An endpoint's hold on its helper. Dropping it ends the helper.
pub struct Watch {
    shared: Arc<Shared>,
    /// `None` only while it is dropped.
    helper: Option<JoinHandle<()>>,
    fork_generation: u64,
}

struct Shared {
    control: AtomicU32,
    bell: Bell,
    /// What to look for: noted before the order to watch.
    aim: Mutex<Aim>,
    ring: SharedRing,
    futex: Futex,
    /// The endpoint's number.
    own: u16,
}

impl Watch {
    /// Starts a helper for an endpoint.
    fn start(aim: Aim, ring: SharedRing, futex: Futex, own: u16) -> Result<Self, DescriptorError> {
        let (control, bell, aim) = (AtomicU32::new(0), Bell::new()?, Mutex::new(aim));
        let shared = Arc::new(Shared { control, bell, aim, ring, futex, own });
        let helpers = Arc::clone(&shared);
        let helper =
            thread::start_quiet("ringpost", move || helpers.run()).map_err(|error| failed_io("clone", &error))?;
        Ok(Self { shared, helper: Some(helper), fork_generation: fork::generation() })
    }

    fn is_here(&self) -> bool {
        self.fork_generation == fork::generation()
    }

    /// `taken`: what the endpoint is about to take itself.
    fn rest(&self, taken: u64) {
        order(&self.shared.futex, &self.shared.control, Order::Rest);
        self.shared.bell.silence();
        self.shared.pass_on(taken);
    }

    fn watch(&self, aim: Aim) {
        *self.shared.aim.lock().unwrap_or_else(PoisonError::into_inner) = aim;
        self.shared.bell.silence();
        order(&self.shared.futex, &self.shared.control, Order::Watch);
    }
}

impl Shared {
    fn run(&self) {
        let event = self.aim().event(self.ring.signals());
        let (mut since, mut stall) = (Instant::now(), Stall::default());
        let look = |phase| {
            if phase == Phase::Sleeping {
                (since, stall) = (Instant::now(), self.aim().stall);
            }
            self.look(phase, &mut since, &mut stall)
        };
        serve(&self.futex, &self.control, event, look, || self.bell.ring(), || self.pass_on(0));
    }

    fn aim(&self) -> Aim {
        self.aim.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// `since`: when the dead were looked for, or the watch began. `stall`: who is in the way.
    fn look(&self, phase: Phase, since: &mut Instant, stall: &mut Stall) -> Attempt<()> {
        let aim = self.aim();
        let in_the_way = match aim.look(&self.ring) {
            View::Ready | View::Faulty => {
                if phase.has_slept() {
                    aim.pass_on(&self.futex, &self.ring, 1);
                }
                return Attempt::Done(());
            }
            View::Blocked(in_the_way) => in_the_way,
        };
        if phase.is_cheap() {
            return Attempt::Blocked { soon: in_the_way.is_some() };
        }
        let segment = self.ring.segment();
        let is_dead =
            |other: InTheWay| other.owner > 0 && liveness(segment, usize::from(other.owner) - 1) == Liveness::Dead;
        if in_the_way.is_some_and(is_dead) || stall.note(self.own, in_the_way).is_some() {
            return Attempt::Done(());
        }
        if since.elapsed() >= LONG_SLEEP {
            *since = Instant::now();
            if any_dead(segment, self.own) {
                return Attempt::Done(());
            }
        }
        Attempt::Blocked { soon: in_the_way.is_some() }
    }

    /// The helper may have been woken for something that its endpoint will not come to take.
    fn pass_on(&self, taken: u64) {
        self.aim().pass_on(&self.futex, &self.ring, taken);
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let Some(helper) = self.helper.take() else { return };
        if !self.is_here() {
            // A forked child's copy: the thread is the parent's, and there is nothing to be waited for here.
            core::mem::forget(helper);
            return;
        }
        order(&self.shared.futex, &self.shared.control, Order::Stop);
        // So that nothing of the queue is in use any more when we return. A helper does not panic.
        let _ = helper.join();
        self.shared.pass_on(0);
    }
}

/// The descriptor of an endpoint, whose helper is started if there is none yet.
pub(super) fn descriptor<E: End>(end: &mut E) -> Result<BorrowedFd<'_>, DescriptorError> {
    Ok(started(end)?.shared.bell.as_fd())
}

/// Arms the helper, unless there is something already.
pub(super) fn arm<E: End>(end: &mut E) -> Result<bool, DescriptorError> {
    started(end)?;
    if let Attempt::Done(()) = look_around(end) {
        rest(end, 1);
        return Ok(true);
    }
    let aim = end.aim();
    started(end)?.watch(aim);
    Ok(false)
}

/// Tells the helper to rest.
pub(super) fn disarm<E: End>(end: &mut E) {
    rest(end, 0);
}

fn rest<E: End>(end: &E, taken: u64) {
    let link = end.link();
    if let (true, Some(watch)) = (link.is_here(), &link.watch) {
        watch.rest(taken);
    }
}

fn started<E: End>(end: &mut E) -> Result<&Watch, DescriptorError> {
    if !end.link().is_here() {
        return Err(DescriptorError::Forked);
    }
    if end.link().watch.is_none() {
        let link = end.link();
        let watch = Watch::start(end.aim(), SharedRing::new(link.ring.segment()), link.futex, link.number())?;
        end.link_mut().watch = Some(watch);
    }
    Ok(end.link().watch.as_ref().expect("it has just been started"))
}
