//! Many values written and read in place at once, as slices: a packed queue has them side by side.

use core::mem::forget;
use core::slice::{from_mut, from_raw_parts, from_raw_parts_mut, from_ref};
use core::time::Duration;

use super::link::Link;
use super::loan::Loan;
use super::own_lines::own_lines_of_all;
use super::read_in_place::keep;
use super::read_many::release;
use super::send_batch::TOGETHER;
use super::sender::Limit;
use super::short_send::may;
use super::{Receiver, Sender};
use crate::error::{RecvError, SendBatchError, SendError};
use crate::payload::Payload;
use crate::ring::{Memory, ReceiveEnd, Run};
use crate::wait::Deadline;

impl<T: Payload> Sender<T> {
    /// Sends `count` messages, in order, and has `write` write them in place, as slices: in a [packed](crate::Options::packed) queue as
    /// many at a time as are free side by side, up to 32; elsewhere one. Returns how many were sent: all.
    ///
    /// `write` finds what was there before, which may be anything, and is to write all of it. Each slice shows when `write` returns. Should
    /// it panic, what came before is sent. When the queue is full, its policy holds for each slice; a deadline for the whole call.
    ///
    /// # Errors
    /// [`SendBatchError`] says how many were sent before the one that failed.
    ///
    /// ```
    /// # use ringpost::{Ends, Options, Queue};
    /// let options = Options::of::<u64>(64).senders(Ends::Single).receivers(Ends::Single).packed(true);
    /// let (queue, mut next) = (Queue::in_memory(options)?, 0..);
    /// queue.sender()?.send_slices_with(40, |some| some.iter_mut().zip(&mut next).for_each(|(one, n)| *one = n))?;
    /// assert_eq!(queue.receiver()?.iter().take(40).sum::<u64>(), 780);
    /// # Ok::<(), ringpost::Error>(())
    /// ```
    #[inline]
    pub fn send_slices_with(&mut self, count: usize, write: impl FnMut(&mut [T])) -> Result<usize, SendBatchError> {
        let limit = self.policy();
        self.slices_within(count, limit, write)
    }

    /// Like [`send_slices_with`](Self::send_slices_with), but waits for at most `timeout` in all, whatever the policy.
    ///
    /// # Errors
    /// [`SendBatchError`] says how many were sent before the one that failed.
    #[inline]
    pub fn send_slices_with_timeout(
        &mut self,
        count: usize,
        timeout: Duration,
        write: impl FnMut(&mut [T]),
    ) -> Result<usize, SendBatchError> {
        self.slices_within(count, Limit::Until(Deadline::after(timeout)), write)
    }

    #[inline]
    fn slices_within(
        &mut self,
        count: usize,
        limit: Limit,
        mut write: impl FnMut(&mut [T]),
    ) -> Result<usize, SendBatchError> {
        let mut sent = 0;
        while sent < count {
            let most = TOGETHER.min((count - sent) as u64);
            sent += self.send_slice_with(most, limit, &mut write).map_err(|error| SendBatchError { sent, error })?;
        }
        Ok(sent)
    }

    /// The same for one slice of at most `most`. Returns how many it had.
    #[inline]
    fn send_slice_with(
        &mut self,
        most: u64,
        limit: Limit,
        write: &mut impl FnMut(&mut [T]),
    ) -> Result<usize, SendError> {
        if !self.link.ring.is_contiguous() {
            let slot = self.loan_slot(size_of::<T>(), |_| limit)?;
            let mut loan = Loan::new(self, slot);
            write(from_mut(&mut *loan));
            loan.commit();
            return self.unless_forked().map(|()| 1);
        }
        let run = match self.slice_at_once(most) {
            Some(run) => run,
            None => self.claim_slice(most, limit)?,
        };
        let from = self.link.ring.slot(run.first).payload().cast::<T>();
        // SAFETY: the slots of the run follow one another within one lap, each as large as a `T` and aligned for it; they are the only sender's
        // until it commits them; and whatever is in them is a valid value.
        write(unsafe { from_raw_parts_mut(from, run.count as usize) });
        self.unless_forked()?;
        self.publish(run, run.count * size_of::<T>() as u64);
        Ok(run.count as usize)
    }

    /// If `write` has forked, and this is the child, the slots are the parent's.
    #[inline(always)]
    fn unless_forked(&self) -> Result<(), SendError> {
        if self.link.is_here() { Ok(()) } else { Err(SendError::Forked) }
    }

    /// `most` slots that are known to be free, side by side, if nothing is in the way.
    #[inline(always)]
    fn slice_at_once(&mut self, most: u64) -> Option<Run> {
        let Self { link, end, open, .. } = self;
        end.slice_at_once(most, || may::<T>(link, open, size_of::<T>()))
    }

    /// Waits for as many as are free, up to `most`. An only sender claims nothing in shared memory: should `write` panic, there is nothing to give up.
    #[inline(never)]
    fn claim_slice(&mut self, most: u64, limit: Limit) -> Result<Run, SendError> {
        let claimed = self.claim(most, limit)?;
        let Self { link, end, .. } = self;
        end.open_window(&link.ring, link.mapped.end());
        Ok(claimed.pieces(link.ring.capacity()).next().unwrap_or(claimed))
    }
}

impl<T: Payload> Receiver<T> {
    /// Waits for the first message, for at most `timeout` in all (monotonic clock), and has `read` read it and those that are
    /// there then, up to `size`, in order and in place, as slices: in a [packed](crate::Options::packed) queue of several that
    /// lie side by side, elsewhere one for each message. Returns how many it has read: 0 if there was none.
    ///
    /// Fewer than `size` does not say that no more are there, nor is a slice as long as it could be: what was there before this
    /// receiver joined, and what came back, is shown one by one. Their slots are free again when the call returns. Should `read`
    /// panic, or the process die in it, all messages of the slice are delivered again, and count as delivered.
    ///
    /// # Errors
    /// As [`recv`](Self::recv); then `read` was not called.
    ///
    /// ```
    /// # use {ringpost::{Ends, Options, Queue}, std::time::Duration};
    /// let options = Options::of::<u64>(64).senders(Ends::Single).receivers(Ends::Single).packed(true);
    /// let queue = Queue::in_memory(options)?;
    /// queue.sender()?.send_batch(1..=3)?;
    /// let (mut receiver, mut sum) = (queue.receiver()?, 0);
    /// while receiver.pull_slices_with(32, Duration::ZERO, |some| sum += some.iter().sum::<u64>())? > 0 {}
    /// assert_eq!(sum, 6);
    /// # Ok::<(), ringpost::Error>(())
    /// ```
    #[inline]
    pub fn pull_slices_with(
        &mut self,
        size: usize,
        timeout: Duration,
        mut read: impl FnMut(&[T]),
    ) -> Result<usize, RecvError> {
        if self.link.ring.is_contiguous() && size > 0 {
            let passed = match FrontRun::pass(self, size as u64, &mut read) {
                0 if self.slice_soon(timeout) => FrontRun::pass(self, size as u64, &mut read),
                passed => passed,
            };
            if passed > 0 {
                return Ok(passed as usize);
            }
        }
        self.pull_some_with(size, timeout, |message| read(from_ref(message)))
    }
}

impl<T: Payload> Receiver<T> {
    /// Whether there are messages for a slice, or come within a first, short time of polling.
    #[inline(never)]
    fn slice_soon(&mut self, timeout: Duration) -> bool {
        self.told_soon(timeout) > 0 && self.look_in_parts(None).is_some_and(|found| found > 0)
    }
}

/// The next messages, shown to the program all at once, but still the next. In a panic they are delivered again.
struct FrontRun<'r> {
    link: &'r Link,
    end: &'r mut ReceiveEnd,
    run: Run,
}

impl<'r> FrontRun<'r> {
    /// Has up to `most` messages read and released, of those that a look has made sure of. Returns how many.
    #[inline(always)]
    fn pass<T: Payload>(receiver: &'r mut Receiver<T>, most: u64, read: &mut impl FnMut(&[T])) -> u64 {
        let Receiver { link, end, holds, .. } = receiver;
        if !link.is_here() || holds.get().is_some() {
            return 0;
        }
        let (link, end): (&Link, _) = (link, end.get_mut());
        let ring = &link.ring;
        let Some(run) = end.fronts_at_once(ring, most) else { return 0 };
        let mut front = Self { link, end, run };
        let from = ring.slot(run.first).payload().cast::<T>();
        // SAFETY: the slots of the run follow one another within one lap, each as large as a `T` and aligned for it; its messages were
        // found to be there; and correct processes leave them alone until they are released, which is after this borrow.
        read(unsafe { from_raw_parts(from, run.count as usize) });
        // From here on nothing panics.
        let Self { link, end, .. } = &mut front;
        if link.is_here() {
            own_lines_of_all(ring, run, end.is_behind());
        }
        release(link, end, run.count, run.count * size_of::<T>() as u64);
        forget(front);
        run.count
    }
}

impl Drop for FrontRun<'_> {
    /// A part of its caller, so that this can stay in registers until then.
    #[inline(always)]
    fn drop(&mut self) {
        keep(self.link, self.end, self.run);
    }
}
