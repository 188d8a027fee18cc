//! The sending end.

use core::borrow::Borrow;
use core::marker::PhantomData;
use core::time::Duration;
use std::sync::Arc;

use crossbeam_utils::CachePadded;

use super::link::{Link, count};
use super::stall::Stalled;
use crate::error::{JoinError, Role, SendBatchError, SendError};
use crate::layout::geometry::{Ends, Geometry, WhenFull};
use crate::participant::SharedRing;
use crate::payload::{Payload, copy, len_of};
use crate::ring::{Blocked, Memory, MultiSender, Run, SendEnd, SingleSender};
use crate::segment::{Segment, Slot};
use crate::sync::spin_loop;
use crate::wait::{Attempt, Deadline, Phase, Wait, until};

/// How many slots more a sender that polls would like to be free in a full queue, or a quarter of the queue.
const ROOM: u64 = 64;
/// For how long it looks for them, in moments of polling: some two microseconds at most.
const ROOM_MOMENTS: u64 = 64;
/// It looks again after a moment for each so many of those slots.
const SLOTS_A_MOMENT: u64 = 4;

/// The end of a queue that puts messages in. Made by [`Queue::sender`](super::Queue::sender); dropping it leaves.
///
/// It can move to another thread. After a fork the child's copy gives [`SendError::Forked`].
pub struct Sender<T: ?Sized = [u8]> {
    pub(super) link: Link,
    /// Padded, because senders may lie side by side and be used by different threads.
    pub(super) end: CachePadded<SendEnd>,
    when_full: WhenFull,
    capacity: u64,
    /// The slot claimed for a [`Loan`]. Still here at the next call if the loan was leaked.
    pub(super) open: Option<Run>,
    message: PhantomData<fn(&T)>,
}

/// How long a call may wait for room.
#[derive(Clone, Copy)]
pub(super) enum Limit {
    /// Not at all.
    Now,
    /// Not at all, and the caller comes back: what is refused is not counted as dropped.
    #[cfg_attr(not(feature = "tokio"), allow(dead_code, reason = "only asynchronous senders come back"))]
    NowAndAgain,
    /// Until then.
    Until(Deadline),
}

impl<T: ?Sized + Payload> Sender<T> {
    pub(super) fn join(segment: &Arc<Segment>) -> Result<Self, JoinError> {
        let link = Link::join(segment, Role::Sender)?;
        let geometry = &segment.header().geometry;
        let end = send_end(&link, geometry)?;
        Ok(Self {
            link,
            end: CachePadded::new(end),
            when_full: geometry.request.when_full,
            capacity: geometry.request.capacity,
            open: None,
            message: PhantomData,
        })
    }

    /// Puts a copy of `message` into the queue. When it is full, does what the queue's policy says: waits, waits until a
    /// deadline, fails, or replaces the oldest message. Nothing is dropped silently.
    ///
    /// # Errors
    /// The message stays the caller's. See [`SendError`]; with [`WhenFull::Block`] never `Full` or `TimedOut`.
    ///
    /// ```
    /// # use ringpost::{Options, Queue};
    /// let queue = Queue::in_memory(Options::new(64).max_len(16))?;
    /// queue.sender()?.send(b"hello")?;
    /// assert_eq!(queue.size(), 1);
    /// # Ok::<(), ringpost::Error>(())
    /// ```
    #[inline]
    pub fn send(&mut self, message: &T) -> Result<(), SendError> {
        self.send_within(message, Self::policy)
    }

    /// Like [`send`](Self::send), but never waits: a full queue is [`SendError::Full`] (or is overwritten, if that is
    /// its policy).
    #[inline]
    pub fn try_send(&mut self, message: &T) -> Result<(), SendError> {
        self.send_within(message, |_| Limit::Now)
    }

    /// Like [`send`](Self::send), but waits for at most `timeout` in all, whatever the policy.
    ///
    /// # Errors
    /// [`SendError::TimedOut`] after `timeout` (monotonic clock), and the others of [`SendError`].
    #[inline]
    pub fn send_timeout(&mut self, message: &T, timeout: Duration) -> Result<(), SendError> {
        self.send_within(message, |_| Limit::Until(Deadline::after(timeout)))
    }

    /// Sends many messages, in order, with fewer shared writes than one by one. Returns how many were sent: all. They come by
    /// reference or by value; small values that the iterator makes go from registers into their slots.
    ///
    /// The policy when full holds for each; a deadline holds for the whole batch. Receivers may see the first messages
    /// before the last are sent. Should the iterator panic, what came before is sent.
    ///
    /// # Errors
    /// [`SendBatchError`] says how many were sent before the one that failed.
    ///
    /// ```
    /// # use ringpost::{Options, Queue};
    /// let queue = Queue::in_memory(Options::new(64).max_len(16))?;
    /// let words: Vec<&[u8]> = vec![b"to", b"be", b"or"];
    /// assert_eq!(queue.sender()?.send_batch(words)?, 3);
    ///
    /// let numbers = Queue::<u64>::in_memory(Options::of(64))?;
    /// assert_eq!(numbers.sender()?.send_batch((1..=5).map(|n| n * n))?, 5);
    /// # Ok::<(), ringpost::Error>(())
    /// ```
    pub fn send_batch<M: Borrow<T>>(&mut self, messages: impl IntoIterator<Item = M>) -> Result<usize, SendBatchError> {
        let limit = self.policy();
        self.batch_within(messages.into_iter(), limit)
    }

    /// Like [`send_batch`](Self::send_batch), but waits for at most `timeout` in all, whatever the policy.
    ///
    /// # Errors
    /// [`SendBatchError`] says how many were sent before the one that failed.
    pub fn send_batch_timeout<M: Borrow<T>>(
        &mut self,
        messages: impl IntoIterator<Item = M>,
        timeout: Duration,
    ) -> Result<usize, SendBatchError> {
        self.batch_within(messages.into_iter(), Limit::Until(Deadline::after(timeout)))
    }

    /// What the queue's policy is.
    #[cfg(feature = "tokio")]
    pub(super) fn when_full(&self) -> WhenFull {
        self.when_full
    }

    pub(super) fn policy(&self) -> Limit {
        match self.when_full {
            WhenFull::Block => Limit::Until(Deadline::NEVER),
            WhenFull::Deadline(timeout) => Limit::Until(Deadline::after(timeout)),
            WhenFull::Fail | WhenFull::Overwrite => Limit::Now,
        }
    }

    #[inline]
    pub(super) fn check_len(&self, len: usize) -> Result<(), SendError> {
        let ring = &self.link.ring;
        if ring.fits(len) {
            return Ok(());
        }
        let max_len = ring.max_len();
        let fixed_len = ring.fixed_len();
        Err(if fixed_len {
            SendError::WrongLen { len, expected: max_len }
        } else {
            SendError::TooLong { len, max_len }
        })
    }

    /// Gets between one and `want` free slots in a row.
    #[inline]
    pub(super) fn claim(&mut self, want: u64, limit: Limit) -> Result<Run, SendError> {
        self.check_open()?;
        if let Some(leaked) = self.open.take() {
            self.abort(leaked);
        }
        match self.end.claim(&self.link.ring, want) {
            Ok(run) => Ok(self.account(run)),
            Err(blocked) => self.claim_slowly(want, limit, blocked),
        }
    }

    /// The queue was full at first sight.
    #[cold]
    fn claim_slowly(&mut self, want: u64, limit: Limit, blocked: Blocked) -> Result<Run, SendError> {
        let result = match limit {
            Limit::Now | Limit::NowAndAgain => match blocked {
                Blocked::Fault(fault) => Err(SendError::Fault(fault)),
                Blocked::Wait(in_the_way) => self.claim_repaired(want, in_the_way),
            },
            Limit::Until(deadline) => self.claim_until(want, deadline),
        };
        let refused = match result {
            Err(SendError::Full { .. }) => !matches!(limit, Limit::NowAndAgain),
            Err(SendError::TimedOut | SendError::Stalled { .. }) => true,
            _ => false,
        };
        if refused {
            count(&self.link.row().dropped, 1);
        }
        result.map(|run| self.account(run))
    }

    /// Full without waiting: true unless a dead endpoint is what fills it.
    fn claim_repaired(&mut self, want: u64, in_the_way: Option<crate::ring::InTheWay>) -> Result<Run, SendError> {
        let full = SendError::Full { capacity: self.capacity };
        let look_around = self.link.is_time_to_look_around();
        if look_around {
            audit(&self.end, &self.link)?;
        }
        if !((look_around || in_the_way.is_some()) && self.link.repair(in_the_way)) {
            let stalled = self.link.stalled(in_the_way);
            return Err(stalled.map_or(full, |Stalled { endpoint, pid }| SendError::Stalled { endpoint, pid }));
        }
        match self.end.claim(&self.link.ring, want) {
            Ok(run) => Ok(run),
            Err(Blocked::Fault(fault)) => Err(SendError::Fault(fault)),
            Err(Blocked::Wait(_)) => Err(full),
        }
    }

    fn claim_until(&mut self, want: u64, deadline: Deadline) -> Result<Run, SendError> {
        self.watch_room();
        let Self { link, end, .. } = self;
        let (futex, wait) = (link.futex, link.wait);
        let segment = Arc::clone(link.ring.segment());
        let event = &segment.control().signals.not_full.word;
        let claimed = until(&futex, event, wait, deadline, |phase| {
            let open = if phase == Phase::Spinning { Ok(()) } else { check_open(link) };
            if let Err(error) = open {
                return Attempt::Done(Err(error));
            }
            match end.claim(&link.ring, want) {
                Ok(run) => {
                    if phase.has_slept() {
                        // There may be room for others of those who sleep.
                        link.wake_senders(1);
                    }
                    return Attempt::Done(Ok(run));
                }
                Err(Blocked::Fault(fault)) => return Attempt::Done(Err(SendError::Fault(fault))),
                Err(Blocked::Wait(in_the_way)) if phase.is_cheap() => {
                    return Attempt::Blocked { soon: in_the_way.is_some() };
                }
                Err(Blocked::Wait(in_the_way)) if link.interrupted() => {
                    if phase.has_slept() && in_the_way.is_some() {
                        // It may have been left to us, and is for others now.
                        link.wake_senders(1);
                    }
                    return Attempt::Done(Err(SendError::Interrupted));
                }
                Err(Blocked::Wait(in_the_way)) => {
                    if let Err(error) = audit(end, link) {
                        return Attempt::Done(Err(error));
                    }
                    if !link.repair(in_the_way) {
                        if let Some(Stalled { endpoint, pid }) = link.stalled(in_the_way) {
                            return Attempt::Done(Err(SendError::Stalled { endpoint, pid }));
                        }
                        return Attempt::Blocked { soon: in_the_way.is_some() };
                    }
                }
            }
            // Something dead has been cleared away just now: look again at once.
            match end.claim(&link.ring, want) {
                Ok(run) => Attempt::Done(Ok(run)),
                Err(_) => Attempt::Blocked { soon: true },
            }
        });
        claimed.unwrap_or(Err(SendError::TimedOut))
    }

    /// One that polls waits a moment for more than one slot. At the heels of a receiver it would take the line from that at each
    /// message, and each would wait for the other; and what it sends next is read after all that is there. So it does not look often, either: that
    /// alone can make a receiver so slow that the queue stays full.
    fn watch_room(&self) {
        let Self { link, end, .. } = self;
        let ahead = ROOM.min(link.ring.capacity() / 4);
        let between_looks = (ahead / SLOTS_A_MOMENT).max(1);
        let mut moments = if link.wait == Wait::Sleep { 0 } else { ROOM_MOMENTS };
        while moments > 0 && !end.has_room(&link.ring, ahead) {
            (0..between_looks).for_each(|_| spin_loop());
            moments = moments.saturating_sub(between_looks);
        }
    }

    #[inline]
    pub(super) fn check_open(&self) -> Result<(), SendError> {
        if !self.link.is_here() {
            return Err(SendError::Forked);
        }
        check_open(&self.link)
    }

    /// Makes a written run visible, counts it, and wakes receivers.
    #[inline]
    pub(super) fn publish(&mut self, run: Run, bytes: u64) {
        publish(&self.link, &mut self.end, run, bytes);
    }

    /// Gives up claimed slots.
    pub(super) fn abort(&mut self, run: Run) {
        give_up(&self.link, &mut self.end, run);
    }

    /// Lends the slot at `position`: its address and size. If the loan is leaked, the next claim gives the slot up.
    #[inline]
    pub(super) fn lend(&mut self, position: u64, len: usize) -> *mut [u8] {
        self.open = Some(Run { first: position, count: 1 });
        core::ptr::slice_from_raw_parts_mut(self.link.ring.slot(position).payload(), len)
    }

    /// Ends a loan: commits the first `len` bytes, or gives the slot up.
    #[inline]
    pub(super) fn end_loan(&mut self, len: Option<usize>) {
        let Some(run) = self.open.take() else { return };
        if !self.link.is_here() {
            // A forked child's copy: the slot is the parent's.
            return;
        }
        match len {
            Some(len) => {
                let ring = &self.link.ring;
                if len_of::<T>().is_none() {
                    ring.set_len(ring.slot(run.first), len);
                }
                self.end.commit_lent(ring, run.first);
                self.link.note_sent(1, len as u64);
            }
            None => self.abort(run),
        }
    }

    /// Lends a slot for a message of `len` bytes; the clock is not read before the short way has failed.
    #[inline]
    pub(super) fn loan_slot(&mut self, len: usize, limit: impl FnOnce(&Self) -> Limit) -> Result<*mut [u8], SendError> {
        match self.lend_at_once(len) {
            Some(slot) => Ok(slot),
            None => self.loan_otherwise(len, limit(self)),
        }
    }

    #[inline(never)]
    fn loan_otherwise(&mut self, len: usize, limit: Limit) -> Result<*mut [u8], SendError> {
        self.check_len(len)?;
        let run = self.claim(1, limit)?;
        self.end.open_window(&self.link.ring, self.link.mapped.end());
        Ok(self.lend(run.first, len))
    }

    #[inline]
    fn account(&mut self, run: Run) -> Run {
        self.link.mapped.map_ahead(&self.link.ring, run);
        self.note_overwritten();
        run
    }

    /// Counts the messages that the last claim has replaced.
    #[inline]
    pub(super) fn note_overwritten(&mut self) {
        let overwritten = self.end.take_overwritten();
        if overwritten > 0 {
            count(&self.link.row().overwritten, overwritten);
        }
    }
}

impl<T: ?Sized> Drop for Sender<T> {
    fn drop(&mut self) {
        if self.open.is_some() && self.link.is_here() {
            self.link.reclaim();
        }
    }
}

/// Writes a message whose length was checked into a slot that was claimed.
#[inline]
pub(super) fn write<T: ?Sized + Payload>(ring: &SharedRing, slot: Slot<'_>, bytes: &[u8]) {
    if len_of::<T>().is_none() {
        ring.set_len(slot, bytes.len());
    }
    let payload = slot.payload();
    // SAFETY: `payload` has room for `max_len` bytes, which `check_len` has compared with; the slot is ours by the
    // claim until it is committed, so nobody reads or writes it meanwhile; and a caller's slice does not overlap
    // it, because slices into slots exist only while their messages are held.
    unsafe { copy(bytes, payload) };
}

/// Makes a written run visible, counts it, and wakes receivers.
#[inline]
pub(super) fn publish(link: &Link, end: &mut SendEnd, run: Run, bytes: u64) {
    end.commit(&link.ring, run);
    link.note_sent(run.count, bytes);
}

/// Gives up claimed slots.
pub(super) fn give_up(link: &Link, end: &mut SendEnd, run: Run) {
    if end.abort(&link.ring, run) {
        link.wake_all();
    }
}

/// Whether a full queue is one, and not scribbled upon.
fn audit(end: &SendEnd, link: &Link) -> Result<(), SendError> {
    match end.audit(&link.ring) {
        Err(Blocked::Fault(fault)) => Err(SendError::Fault(fault)),
        _ => Ok(()),
    }
}

#[inline]
fn check_open(link: &Link) -> Result<(), SendError> {
    if link.takes_messages() {
        return Ok(());
    }
    Err(if link.is_removed() { SendError::Removed } else { SendError::Closed })
}

fn send_end(link: &Link, geometry: &Geometry) -> Result<SendEnd, JoinError> {
    let free_by_head = geometry.receive_protocol() == Ends::Single;
    Ok(match geometry.send_protocol() {
        Ends::Single => SendEnd::Single(SingleSender::join(&link.ring, free_by_head)?),
        Ends::Multi => SendEnd::Multi(MultiSender::new(link.number(), geometry.overwrites(), free_by_head)),
    })
}

impl<T: ?Sized> core::fmt::Debug for Sender<T> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Sender").field("endpoint", &self.link.number()).finish_non_exhaustive()
    }
}
