//! The receiving end.

use core::cell::{Cell, OnceCell, RefCell};
use core::marker::PhantomData;
use core::mem::ManuallyDrop;
use core::time::Duration;
use std::sync::Arc;

use crossbeam_utils::CachePadded;

use super::batch::{Batch, Message, Runs};
use super::dead_letter::DeadLetters;
use super::hold::Shared;
use super::link::{Link, count};
use super::own_lines::own_lines_of_all;
use super::pace::Pace;
use crate::error::{JoinError, RecvError, Role};
use crate::layout::geometry::Ends;
use crate::participant::SharedRing;
use crate::payload::{Payload, len_of};
use crate::ring::{Blocked, InTheWay, Memory, MultiReceiver, ReceiveEnd, Run, SingleReceiver};
use crate::segment::{Segment, Slot};
use crate::wait::{Attempt, Deadline, until};

/// The end of a queue that takes messages out. Made by [`Queue::receiver`](super::Queue::receiver); dropping it leaves.
///
/// It can move to another thread. After a fork the child's copy gives [`RecvError::Forked`].
pub struct Receiver<T: ?Sized = [u8]> {
    /// Taken out only by drop.
    pub(super) link: ManuallyDrop<Link>,
    /// Padded, because receivers may lie side by side and be used by different threads.
    pub(super) end: CachePadded<RefCell<ReceiveEnd>>,
    /// Messages taken and neither released nor given back: behind a call, those that were leaked.
    pub(super) held: Cell<u64>,
    /// The last take had messages that had been delivered before, and the queue limits that.
    pub(super) suspect: bool,
    /// What becomes of messages that have been delivered too often; `None`: nothing does.
    pub(super) dead_letters: Option<Box<DeadLetters>>,
    /// Shared with the messages that outlive their call, once there are any.
    pub(super) holds: OnceCell<Arc<Shared>>,
    pub(super) until_senders_leave: bool,
    pub(super) pace: Pace,
    message: PhantomData<fn() -> Box<T>>,
}

/// How many messages a call takes.
#[derive(Clone, Copy)]
pub(super) struct Want {
    /// No more than these.
    most: u64,
    /// With these it does not wait for more.
    enough: u64,
}

impl Want {
    pub(super) fn all(count: u64) -> Self {
        Self { most: count, enough: count }
    }
}

impl<T: ?Sized + Payload> Receiver<T> {
    pub(super) fn join(segment: &Arc<Segment>) -> Result<Self, JoinError> {
        let link = Link::join(segment, Role::Receiver)?;
        let geometry = &segment.header().geometry;
        let end = match geometry.receive_protocol() {
            Ends::Single => ReceiveEnd::Single(SingleReceiver::join(&link.ring)?),
            Ends::Multi => ReceiveEnd::Multi(MultiReceiver::new(link.number(), geometry.overwrites())),
        };
        let end = CachePadded::new(RefCell::new(end));
        let dead_letters = DeadLetters::of(segment.header());
        Ok(Self::with(link, end, 0, dead_letters))
    }

    fn with(link: Link, end: CachePadded<RefCell<ReceiveEnd>>, held: u64, dead: Option<Box<DeadLetters>>) -> Self {
        Self {
            link: ManuallyDrop::new(link),
            end,
            held: Cell::new(held),
            suspect: false,
            dead_letters: dead,
            holds: OnceCell::new(),
            until_senders_leave: false,
            pace: Pace::START,
            message: PhantomData,
        }
    }

    /// Takes up to `size` messages: returns as soon as `size` are there, or with what is there when `timeout` has passed
    /// in all (monotonic clock). An empty batch after the timeout is not an error. `size` is cut off at the capacity.
    ///
    /// The messages are read in place. What the program has looked at is released when the batch is dropped; what it
    /// has not goes back into the queue, in order. See [`Batch`].
    ///
    /// # Errors
    /// [`RecvError::Closed`] and its like, once nothing is left to receive.
    ///
    /// ```
    /// # use {ringpost::{Options, Queue}, std::time::Duration};
    /// let queue = Queue::in_memory(Options::new(64).max_len(16))?;
    /// let (mut tx, mut rx) = (queue.sender()?, queue.receiver()?);
    /// tx.send(b"one")?;
    /// tx.send(b"two")?;
    /// for message in rx.pull(2, Duration::from_secs(1))? {
    ///     println!("{} bytes", message.len());
    /// }
    /// # Ok::<(), ringpost::Error>(())
    /// ```
    pub fn pull(&mut self, size: usize, timeout: Duration) -> Result<Batch<'_, T>, RecvError> {
        self.pull_until(size, Some(Deadline::after(timeout)))
    }

    /// Takes up to `size` of the messages that are there now, without waiting.
    ///
    /// # Errors
    /// As [`pull`](Self::pull).
    pub fn try_pull(&mut self, size: usize) -> Result<Batch<'_, T>, RecvError> {
        self.pull_until(size, None)
    }

    /// Waits for the first message, for at most `timeout` in all, and takes what is there then, up to `size`: for
    /// those who take what they can get, many at a time.
    ///
    /// # Errors
    /// As [`pull`](Self::pull).
    pub fn pull_some(&mut self, size: usize, timeout: Duration) -> Result<Batch<'_, T>, RecvError> {
        let runs = self.take(Want { most: size as u64, enough: 1 }, Some(Deadline::after(timeout)))?;
        Ok(Batch::new(self, runs))
    }

    /// Takes one message, waiting for as long as it takes.
    ///
    /// # Errors
    /// [`RecvError::Closed`] and its like, once nothing is left to receive. So `while let Ok(message) = rx.recv()` ends
    /// when the queue is closed and drained.
    #[inline]
    pub fn recv(&mut self) -> Result<Message<'_, T>, RecvError> {
        match self.take_one(|| Some(Deadline::NEVER))? {
            Some(position) => Ok(Message::new(self, position)),
            // Only an interrupt ends a wait that has no deadline.
            None => Err(RecvError::Interrupted),
        }
    }

    /// Takes one message, waiting for at most `timeout` in all; `None` if there was none.
    ///
    /// # Errors
    /// As [`recv`](Self::recv).
    #[inline]
    pub fn recv_timeout(&mut self, timeout: Duration) -> Result<Option<Message<'_, T>>, RecvError> {
        let position = self.take_one(|| Some(Deadline::after(timeout)))?;
        Ok(position.map(|position| Message::new(self, position)))
    }

    /// Takes one message if there is one now.
    ///
    /// # Errors
    /// As [`recv`](Self::recv).
    #[inline]
    pub fn try_recv(&mut self) -> Result<Option<Message<'_, T>>, RecvError> {
        let position = self.try_take()?;
        Ok(position.map(|position| Message::new(self, position)))
    }

    /// Takes up to `most` of the messages that are there now.
    #[cfg(feature = "tokio")]
    pub(super) fn try_take_many(&mut self, most: u64) -> Result<Runs, RecvError> {
        self.take(Want::all(most), None)
    }

    fn pull_until(&mut self, size: usize, deadline: Option<Deadline>) -> Result<Batch<'_, T>, RecvError> {
        let runs = self.take(Want::all(size as u64), deadline)?;
        Ok(Batch::new(self, runs))
    }

    #[inline]
    fn take_from_end(&mut self, want: u64) -> Result<Run, Blocked> {
        if self.holds.get().is_some() {
            return self.take_beside_held(want);
        }
        self.end.get_mut().take(&self.link.ring, want)
    }

    /// Notes what a take came to.
    #[inline]
    fn accept(&mut self, taken: Result<Run, Blocked>) -> Result<Run, Blocked> {
        let end = self.end.get_mut();
        if end.take_freed() {
            self.link.wake_senders(1);
        }
        let run = taken?;
        if let Err(fault) = self.link.ring.check_lens(run) {
            self.refuse(run);
            return Err(Blocked::Fault(fault));
        }
        let Link { ring, mapped, .. } = &mut *self.link;
        mapped.map_ahead(ring, run);
        let again = self.end.get_mut().take_redelivered();
        if again > 0 {
            count(&self.link.row().redelivered, again);
            self.suspect = self.dead_letters.is_some();
        }
        self.held.set(self.held.get() + run.count);
        Ok(run)
    }

    /// Puts messages back whose lengths no sender has written.
    #[cold]
    pub(super) fn refuse(&mut self, run: Run) {
        if !self.keep_for_again(run, false) {
            self.end.get_mut().give_back(&self.link.ring, run, false);
        }
        if self.held.get() == 0 {
            self.end.get_mut().rewind(&self.link.ring);
        }
    }

    /// Takes messages; without a deadline, only what is there.
    #[inline]
    pub(super) fn take(&mut self, want: Want, deadline: Option<Deadline>) -> Result<Runs, RecvError> {
        if !self.link.is_here() {
            return Err(RecvError::Forked);
        }
        let mut runs = Runs::default();
        let capacity = self.link.ring.capacity();
        let want = Want { most: want.most.min(capacity), enough: want.enough.min(capacity) };
        let blocked = match self.collect(&mut runs, want) {
            Ok(()) => return Ok(runs),
            Err(blocked) => blocked,
        };
        let outcome = match (deadline, blocked) {
            (_, Blocked::Fault(fault)) => Err(RecvError::Fault(fault)),
            (None, Blocked::Wait(in_the_way)) => self.take_repaired(&mut runs, want, in_the_way),
            (Some(deadline), Blocked::Wait(_)) => self.take_until(&mut runs, want, deadline),
        };
        match outcome {
            Err(error) if runs.is_empty() => Err(error),
            _ => Ok(runs),
        }
    }

    /// Takes what is there, up to `want.most` in all. `Ok`: it is enough.
    #[inline]
    fn collect(&mut self, runs: &mut Runs, want: Want) -> Result<(), Blocked> {
        while runs.total() < want.most {
            let taken = self.take_from_end(want.most - runs.total());
            match self.accept(taken) {
                Ok(run) if self.suspect => self.sort_out(run, runs),
                Ok(run) => runs.push(run),
                Err(Blocked::Wait(_)) if runs.total() >= want.enough => return Ok(()),
                Err(blocked) => return Err(blocked),
            }
        }
        Ok(())
    }

    /// Nothing was there at first sight, and the call does not wait.
    #[cold]
    fn take_repaired(&mut self, runs: &mut Runs, want: Want, in_the_way: Option<InTheWay>) -> Result<(), RecvError> {
        let ended = self.end_of_queue(in_the_way);
        let look_around = self.link.is_time_to_look_around();
        if look_around {
            self.audit()?;
        }
        let repaired = (look_around || in_the_way.is_some()) && self.link.repair(in_the_way);
        if repaired || ended.is_some() {
            // Once more, since the last messages may have come just before the end was seen.
            match self.collect(runs, want) {
                Err(Blocked::Fault(fault)) => return Err(RecvError::Fault(fault)),
                // One is being written: this is not the end yet.
                Err(Blocked::Wait(Some(_))) => return Ok(()),
                Ok(()) | Err(Blocked::Wait(None)) => {}
            }
        }
        if !runs.is_empty() {
            return Ok(());
        }
        let stalled = if repaired { None } else { self.stalled(in_the_way) };
        ended.or(stalled).map_or(Ok(()), Err)
    }

    #[cold]
    fn take_until(&mut self, runs: &mut Runs, want: Want, deadline: Deadline) -> Result<(), RecvError> {
        let (futex, wait) = (self.link.futex, self.link.wait);
        let segment = Arc::clone(self.link.ring.segment());
        let event = &segment.control().signals.not_empty.word;
        until(&futex, event, wait, deadline, |phase| match self.collect(runs, want) {
            Ok(()) => {
                if phase.has_slept() && self.link.to_come() > 0 {
                    // There is more, or will be, for others of those who sleep.
                    self.link.wake_receivers(1);
                }
                Attempt::Done(Ok(()))
            }
            Err(Blocked::Fault(fault)) => Attempt::Done(Err(RecvError::Fault(fault))),
            Err(Blocked::Wait(in_the_way)) if phase.is_cheap() => Attempt::Blocked { soon: in_the_way.is_some() },
            Err(Blocked::Wait(in_the_way)) if self.link.interrupted() => {
                if phase.has_slept() && in_the_way.is_some() {
                    // It may have been left to us, and is for others now.
                    self.link.wake_receivers(1);
                }
                Attempt::Done(Ok(()))
            }
            Err(Blocked::Wait(in_the_way)) => self.look_around(runs, want, in_the_way),
        })
        .unwrap_or(Ok(()))
    }

    /// About to sleep: is anything dead in the way, or will nothing ever come?
    fn look_around(
        &mut self,
        runs: &mut Runs,
        want: Want,
        in_the_way: Option<InTheWay>,
    ) -> Attempt<Result<(), RecvError>> {
        if let Err(error) = self.audit() {
            return Attempt::Done(Err(error));
        }
        let repaired = self.link.repair(in_the_way);
        let ended = self.end_of_queue(in_the_way);
        if !repaired && ended.is_none() {
            if let Some(error) = self.stalled(in_the_way) {
                return Attempt::Done(Err(error));
            }
            return Attempt::Blocked { soon: in_the_way.is_some() };
        }
        // Once more: something dead has been cleared away, or the last messages came just before the end was seen.
        match self.collect(runs, want) {
            Ok(()) => Attempt::Done(Ok(())),
            Err(Blocked::Fault(fault)) => Attempt::Done(Err(RecvError::Fault(fault))),
            Err(Blocked::Wait(Some(_))) => Attempt::Blocked { soon: true },
            Err(Blocked::Wait(None)) => match ended {
                Some(error) => Attempt::Done(Err(error)),
                None => Attempt::Blocked { soon: false },
            },
        }
    }

    /// Whether an empty queue is one, and not scribbled upon.
    fn audit(&self) -> Result<(), RecvError> {
        match self.end.borrow().audit(&self.link.ring) {
            Err(Blocked::Fault(fault)) => Err(RecvError::Fault(fault)),
            _ => Ok(()),
        }
    }

    /// Frees the slots of messages that have been read.
    #[inline]
    pub(super) fn release(&self, run: Run) {
        if run.count == 0 || !self.link.is_here() {
            return;
        }
        let bytes = self.link.ring.total_len(run);
        self.free(run);
        self.link.note_pulled(run.count, bytes);
    }

    /// Frees slots, without counting their messages as pulled.
    #[inline]
    pub(super) fn free(&self, run: Run) {
        let mut end = self.end.borrow_mut();
        own_lines_of_all(&self.link.ring, run, end.is_behind());
        end.release(&self.link.ring, run);
        drop(end);
        self.let_go(run.count);
        self.link.wake_for_taken(run.count);
    }

    /// Puts one back, in a panic.
    #[cold]
    pub(super) fn give_back_one(&self, position: u64) {
        self.give_back(Run { first: position, count: 1 }, true);
    }

    /// Puts messages back.
    pub(super) fn give_back(&self, run: Run, seen: bool) {
        if run.count == 0 || !self.link.is_here() {
            return;
        }
        if !self.keep_for_again(run, seen) {
            self.end.borrow_mut().give_back(&self.link.ring, run, seen);
        }
        self.let_go(run.count);
        self.link.wake_receivers(run.count);
    }

    /// So many messages are not held any more. With the last of them, what came back waits again for all to see.
    #[inline]
    pub(super) fn let_go(&self, count: u64) {
        self.held.set(self.held.get() - count);
        if self.held.get() == 0 {
            if let Some(shared) = self.holds.get() {
                self.forget_again(shared);
            }
            self.end.borrow_mut().rewind(&self.link.ring);
        }
    }

    /// How often the message at `position`, which is held, has been delivered, this time included.
    pub(super) fn deliveries(&self, position: u64) -> u8 {
        self.end.borrow().deliveries(&self.link.ring, position)
    }

    /// The message at `position`, which is held.
    #[inline]
    pub(super) fn message(&self, position: u64) -> &T {
        message(bytes::<T>(&self.link.ring, self.link.ring.slot(position)))
    }
}

impl<T: ?Sized> Drop for Receiver<T> {
    fn drop(&mut self) {
        // SAFETY: this is the only place that takes it out, drop runs once, and nothing looks at the field afterwards.
        let mut link = unsafe { ManuallyDrop::take(&mut self.link) };
        if !link.is_here() {
            return;
        }
        if let Some(shared) = self.holds.take() {
            // What lives on waits for nothing.
            link.watch = None;
            let nobody = CachePadded::new(RefCell::new(ReceiveEnd::Multi(MultiReceiver::new(link.number(), false))));
            let end = core::mem::replace(&mut self.end, nobody);
            return Receiver::<[u8]>::with(link, end, self.held.get(), None).part(&shared);
        }
        if self.held.get() > 0 {
            link.reclaim();
        } else {
            self.end.get_mut().settle(&link.ring);
        }
    }
}

/// The message in `bytes`, which are those of a slot.
#[inline]
pub(super) fn message<T: ?Sized + Payload>(bytes: &[u8]) -> &T {
    T::ref_from_bytes(bytes).expect("slots have the size and alignment of their queue's messages")
}

/// The bytes of the message at `position`, which was taken and is not released while they are borrowed.
#[inline(always)]
pub(super) fn bytes<'r, T: ?Sized + Payload>(ring: &'r SharedRing, slot: Slot<'r>) -> &'r [u8] {
    let len = len_of::<T>().unwrap_or_else(|| ring.len(slot));
    let slot = core::ptr::slice_from_raw_parts(slot.payload(), len);
    // SAFETY: the slot has room for `max_len` bytes and `len` is never more: that is the length of every `T`, or else checked; it is
    // mapped as long as the ring lives; and correct processes leave it alone until it is released, which the caller does after this borrow.
    unsafe { &*slot }
}

/// Whether the length of the message in `slot`, which was taken, is one that a sender may have written.
#[inline(always)]
pub(super) fn is_sound<T: ?Sized + Payload>(ring: &SharedRing, slot: Slot<'_>) -> bool {
    len_of::<T>().is_some() || ring.check_len(slot).is_ok()
}

impl<T: ?Sized> core::fmt::Debug for Receiver<T> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Receiver").field("endpoint", &self.link.number()).finish_non_exhaustive()
    }
}
