//! Waiting for several endpoints at once.

use core::time::Duration;
use std::sync::Arc;

use super::aim::{Aim, View};
use super::link::Link;
use super::{Receiver, Sender};
use crate::error::Role;
use crate::payload::Payload;
use crate::ring::Outlook;
use crate::segment::Segment;
use crate::sync::AtomicU32;
use crate::wait::{Attempt, Deadline, Phase, Wait, until_any};

/// An end of a queue that [`wait_any`] can wait for: a [`Receiver`] or a [`Sender`], of any type of message.
pub trait Waitable: Sealed {}

impl<T: ?Sized + Payload> Waitable for Receiver<T> {}
impl<T: ?Sized + Payload> Waitable for Sender<T> {}

/// Outside of this crate nobody can name it, so nobody can implement [`Waitable`].
pub trait Sealed {
    /// What only this crate sees.
    fn end(&mut self) -> Opaque<'_>;
}

/// An end of either kind.
pub struct Opaque<'a>(&'a mut dyn End);

impl<T: ?Sized + Payload> Sealed for Receiver<T> {
    fn end(&mut self) -> Opaque<'_> {
        Opaque(self)
    }
}

impl<T: ?Sized + Payload> Sealed for Sender<T> {
    fn end(&mut self) -> Opaque<'_> {
        Opaque(self)
    }
}

/// What waiting needs of an end.
pub(super) trait End {
    /// What it has in common with other ends.
    fn link(&self) -> &Link;
    /// The same, to repair with.
    fn link_mut(&mut self) -> &mut Link;
    /// What it waits for, at this moment.
    fn aim(&self) -> Aim;
}

impl<T: ?Sized + Payload> End for Receiver<T> {
    fn link(&self) -> &Link {
        &self.link
    }

    fn link_mut(&mut self) -> &mut Link {
        &mut self.link
    }

    fn aim(&self) -> Aim {
        let holds = self.holds.get().cloned();
        let (until_senders_leave, stall) = (self.until_senders_leave, self.link.stall);
        Aim { lookout: self.lookout(), role: Role::Receiver, until_senders_leave, holds, stall }
    }
}

impl<T: ?Sized + Payload> End for Sender<T> {
    fn link(&self) -> &Link {
        &self.link
    }

    fn link_mut(&mut self) -> &mut Link {
        &mut self.link
    }

    fn aim(&self) -> Aim {
        let (lookout, stall) = (self.end.lookout(), self.link.stall);
        Aim { lookout, role: Role::Sender, until_senders_leave: false, holds: None, stall }
    }
}

/// Waits until one of `ends` is ready, for at most `timeout` in all (monotonic clock), and returns its index; `None` if
/// none was ready in time.
///
/// A receiver is ready when a message may be there, a sender when there may be room; and either when its queue is at its end.
/// "May": another process can be faster. So try it without waiting ([`Receiver::try_recv`], [`Sender::try_send`]) and
/// come back if there was nothing. Do try it: others who sleep on that queue rely on it, and may otherwise learn of the
/// message only after 50 ms.
///
/// Of several that are ready it is the one that was returned least recently. Ends of the same queue and of different queues
/// may be mixed. It waits as the most eager of the ends does ([`Receiver::set_wait`]). While the interrupt flag of one
/// of them is set, it returns `None` at once if nothing is ready.
///
/// Up to 128 queues sleep in one system call. With more, or on Linux before 5.16, it looks every millisecond.
///
/// ```
/// # use {ringpost::{Options, Queue, wait_any}, std::time::Duration};
/// let (fast, slow) = (Queue::in_memory(Options::new(64))?, Queue::in_memory(Options::new(64))?);
/// let (mut a, mut b) = (fast.receiver()?, slow.receiver()?);
/// slow.sender()?.send(b"hello")?;
/// match wait_any(&mut [&mut a, &mut b], Duration::from_secs(1)) {
///     Some(0) => println!("fast: {:?}", a.try_recv()?.map(|message| message.len())),
///     Some(_) => println!("slow: {:?}", b.try_recv()?.map(|message| message.len())),
///     None => println!("a second has passed"),
/// }
/// # assert_eq!(wait_any(&mut [&mut a, &mut b], Duration::ZERO), None);
/// # Ok::<(), ringpost::Error>(())
/// ```
pub fn wait_any(ends: &mut [&mut dyn Waitable], timeout: Duration) -> Option<usize> {
    let ends = &mut ends.iter_mut().map(|end| end.end().0).collect::<Vec<_>>();
    if let Attempt::Done(found) = attempt(ends, Phase::Spinning) {
        return found;
    }
    let deadline = Deadline::after(timeout);
    let segments: Vec<Arc<Segment>> = ends.iter().map(|end| Arc::clone(end.link().ring.segment())).collect();
    let aims = ends.iter().map(|end| end.aim());
    let mut events: Vec<&AtomicU32> =
        segments.iter().zip(aims).map(|(segment, aim)| aim.event(&segment.control().signals)).collect();
    // Each word once: wakers would count us twice.
    events.sort_by_key(|event| core::ptr::from_ref(*event).addr());
    events.dedup_by_key(|event| core::ptr::from_ref(*event).addr());
    let futex = ends.first().map_or_else(crate::wait::Futex::register, |end| end.link().futex);
    until_any(&futex, &events, most_eager(ends), deadline, |phase| attempt(ends, phase)).flatten()
}

fn most_eager(ends: &[&mut dyn End]) -> Wait {
    let any = |wait| ends.iter().any(|end| end.link().wait == wait);
    if any(Wait::Spin) {
        Wait::Spin
    } else if any(Wait::Balanced) {
        Wait::Balanced
    } else {
        Wait::Sleep
    }
}

/// Looks at all of them, and chooses one.
fn attempt(ends: &mut [&mut dyn End], phase: Phase) -> Attempt<Option<usize>> {
    let (mut chosen, mut latest, mut soon) = (None, 0, false);
    for (index, end) in ends.iter_mut().enumerate() {
        let stamp = end.link().chosen;
        latest = stamp.max(latest);
        let look = if phase.is_cheap() { glance(&**end) } else { look_around(&mut **end) };
        match look {
            Attempt::Done(()) if chosen.is_none_or(|(oldest, _)| stamp < oldest) => chosen = Some((stamp, index)),
            Attempt::Done(()) => {}
            Attempt::Blocked { soon: this } => soon |= this,
        }
    }
    let found = chosen.map(|(_, index)| index);
    if found.is_none() && (phase.is_cheap() || !ends.iter().any(|end| end.link().interrupted())) {
        return Attempt::Blocked { soon };
    }
    if let Some(index) = found {
        ends[index].link_mut().chosen = latest.saturating_add(1);
    }
    if phase.has_slept() {
        // We may have used up wake-ups for more than what will be taken now.
        for (other, end) in ends.iter().enumerate().filter(|(_, end)| end.link().is_here()) {
            let link = end.link();
            end.aim().pass_on(&link.futex, &link.ring, u64::from(Some(other) == found));
        }
    }
    Attempt::Done(found)
}

/// A look for polling.
fn glance<E: End + ?Sized>(end: &E) -> Attempt<()> {
    let link = end.link();
    match end.aim().glance(&link.ring) {
        Outlook::InVain(in_the_way) if link.is_here() => Attempt::Blocked { soon: in_the_way.is_some() },
        _ => Attempt::Done(()),
    }
}

/// A look at everything: what is dead and in the way is repaired.
pub(super) fn look_around<E: End + ?Sized>(end: &mut E) -> Attempt<()> {
    let aim = end.aim();
    let link = end.link_mut();
    if !link.is_here() {
        return Attempt::Done(());
    }
    let in_the_way = match aim.look(&link.ring) {
        View::Ready => return Attempt::Done(()),
        View::Faulty => {
            link.look_around_next();
            return Attempt::Done(());
        }
        View::Blocked(in_the_way) => in_the_way,
    };
    if !link.repair(in_the_way) {
        return match link.stalled(in_the_way) {
            // The try says so.
            Some(_) => Attempt::Done(()),
            None => Attempt::Blocked { soon: in_the_way.is_some() },
        };
    }
    // Something dead has been cleared away just now.
    if aim.is_worthwhile(&link.ring) { Attempt::Done(()) } else { Attempt::Blocked { soon: true } }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::queue::sender::Limit;
    use crate::queue::{Options, Queue};
    use std::os::fd::AsFd;

    const LONG: Duration = Duration::from_secs(20);

    /// Commits as a sender does that is killed before it wakes anybody.
    fn commit_and_die(tx: &mut Sender) {
        let run = tx.claim(1, Limit::Now).expect("room");
        tx.link.ring.set_len(crate::ring::Memory::slot(&tx.link.ring, run.first), 0);
        tx.end.commit(&tx.link.ring, run);
    }

    fn ends() -> (Sender, Receiver) {
        let queue = Queue::in_memory(Options::new(64)).expect("a queue");
        let (tx, mut rx) = (queue.sender().expect("a sender"), queue.receiver().expect("a receiver"));
        assert!(rx.try_recv().expect("an open queue").is_none());
        (tx, rx)
    }

    #[test]
    fn a_wake_up_that_never_came_ends_the_wait_all_the_same() {
        let ((mut tx, mut rx), (_other_tx, mut other)) = (ends(), ends());
        std::thread::scope(|scope| {
            scope.spawn(move || {
                std::thread::sleep(Duration::from_millis(20));
                commit_and_die(&mut tx);
            });
            let since = std::time::Instant::now();
            assert_eq!(wait_any(&mut [&mut other, &mut rx], LONG * 10), Some(1));
            assert!(since.elapsed() < LONG, "found only at the end");
            assert!(rx.try_recv().expect("an open queue").is_some());
        });
    }

    #[cfg(not(miri))]
    #[test]
    fn a_wake_up_that_never_came_is_heard_all_the_same() {
        use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
        let (mut tx, mut rx) = ends();
        assert!(!rx.arm().expect("a helper"));
        std::thread::sleep(Duration::from_millis(20));
        commit_and_die(&mut tx);
        let descriptor = rx.descriptor().expect("a helper");
        let limit = PollTimeout::try_from(LONG).expect("not that long");
        assert_eq!(poll(&mut [PollFd::new(descriptor.as_fd(), PollFlags::POLLIN)], limit), Ok(1));
        assert!(rx.try_recv().expect("an open queue").is_some());
    }

    #[test]
    fn what_comes_back_from_another_thread_is_noticed() {
        let queue =
            Queue::in_memory(Options::new(64).receivers(crate::layout::geometry::Ends::Single)).expect("a queue");
        let (mut tx, mut rx) = (queue.sender().expect("a sender"), queue.receiver().expect("a receiver"));
        tx.send(b"a").and_then(|()| tx.send(b"b")).expect("room");
        let held = rx.recv().expect("a message").hold();
        let other = rx.recv().expect("a message").hold();
        assert_eq!(wait_any(&mut [&mut rx], Duration::ZERO), None);
        std::thread::scope(|scope| {
            scope.spawn(move || held.nack());
            assert_eq!(wait_any(&mut [&mut rx], LONG), Some(0));
        });
        assert_eq!(rx.try_recv().expect("an open queue").as_deref(), Some(&b"a"[..]));
        drop(other);
    }

    #[test]
    fn a_rewind_that_is_put_off_does_not_look_ready() {
        let queue =
            Queue::in_memory(Options::new(64).receivers(crate::layout::geometry::Ends::Single)).expect("a queue");
        let (mut tx, mut rx) = (queue.sender().expect("a sender"), queue.receiver().expect("a receiver"));
        tx.send(b"a").and_then(|()| tx.send(b"b")).expect("room");
        let mut both = rx.try_pull(2).expect("an open queue").into_iter();
        let first = both.next().expect("two messages");
        both.next().expect("two messages").nack();
        let held = first.hold();
        drop(both);
        assert!(rx.try_recv().expect("an open queue").is_none());
        assert_eq!(wait_any(&mut [&mut rx], Duration::ZERO), None);
        drop(held);
        assert_eq!(rx.try_recv().expect("an open queue").as_deref(), Some(&b"b"[..]));
    }
}
