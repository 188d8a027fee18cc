//! Many messages read in place by a function: taken, read and released in one step.

use core::mem::forget;
use core::time::Duration;

use super::Receiver;
use super::batch::Batch;
use super::link::Link;
use super::own_lines::{own_lines_at_once, own_shared_lines};
use super::read_in_place::keep;
use super::receiver::{bytes as payload, is_sound, message};
use crate::error::RecvError;
use crate::payload::{Payload, len_of};
use crate::ring::{ReceiveEnd, Run};

impl<T: ?Sized + Payload> Receiver<T> {
    /// Waits for the first message, for at most `timeout` in all (monotonic clock), and has `read` read it and those that are
    /// there then, up to `size`, in order and in place: the fastest way for many messages that need not outlive the call.
    /// Returns how many it has read: 0 if there was none.
    ///
    /// Fewer than `size` does not say that no more are there. Their slots are free again when the call returns. Should `read`
    /// panic, those before are released, and the one that it was reading is delivered again. Should the process die in it, those
    /// of the call may be delivered again.
    ///
    /// # Errors
    /// As [`recv`](Self::recv); then `read` was not called.
    ///
    /// ```
    /// # use {ringpost::{Options, Queue}, std::time::Duration};
    /// let queue = Queue::<u64>::in_memory(Options::of(64))?;
    /// queue.sender()?.send_batch(1..=3)?;
    /// let mut sum = 0;
    /// assert_eq!(queue.receiver()?.pull_some_with(32, Duration::from_secs(1), |n| sum += n)?, 3);
    /// assert_eq!(sum, 6);
    /// # Ok::<(), ringpost::Error>(())
    /// ```
    #[inline]
    pub fn pull_some_with(
        &mut self,
        size: usize,
        timeout: Duration,
        mut read: impl FnMut(&T),
    ) -> Result<usize, RecvError> {
        if size == 0 {
            return Ok(0);
        }
        let most = match self.told_soon(timeout) {
            0 => size,
            told => size.min(told as usize),
        };
        match Fronts::pass(self, most, &mut read) {
            0 => self.read_slowly(size, timeout, &mut read),
            passed => Ok(passed),
        }
    }

    #[cold]
    #[inline(never)]
    fn read_slowly(&mut self, size: usize, timeout: Duration, read: &mut impl FnMut(&T)) -> Result<usize, RecvError> {
        // One of many goes the long way, which polls by itself.
        if self.end.get_mut().position().is_some() {
            self.watch_front();
            let passed = Fronts::pass(self, size, read);
            if passed > 0 {
                return Ok(passed);
            }
        }
        let mut reading = Reading { batch: self.pull_some(size, timeout)?, read: 0 };
        let Reading { batch, read: count } = &mut reading;
        batch.for_each(|message| {
            read(message);
            *count += 1;
        });
        Ok(reading.read)
    }
}

/// A batch that is being read the long way. In a panic, too, those that have been read are released.
struct Reading<'a, T: ?Sized + Payload> {
    batch: Batch<'a, T>,
    read: usize,
}

impl<T: ?Sized + Payload> Drop for Reading<'_, T> {
    fn drop(&mut self) {
        self.batch.release_first(self.read);
    }
}

/// The next messages, shown to the program but still the next. In a panic those that it has read are released, and the one that it
/// was reading is delivered again.
struct Fronts<'r> {
    link: &'r Link,
    end: &'r mut ReceiveEnd,
    /// The position of the first.
    first: u64,
    /// How many it had read before it began to read another.
    read: u64,
}

impl<'r> Fronts<'r> {
    /// Has up to `most` messages read and released, if an only receiver that holds nothing knows where they come, as far as they are
    /// there, and up to one whose length no sender has written: that is for the long way. Returns how many.
    #[inline(always)]
    fn pass<T: ?Sized + Payload>(receiver: &'r mut Receiver<T>, most: usize, read: &mut impl FnMut(&T)) -> usize {
        let Receiver { link, end, holds, .. } = receiver;
        if !link.is_here() || holds.get().is_some() {
            return 0;
        }
        let (link, end): (&Link, _) = (link, end.get_mut());
        let Some(first) = end.position() else { return 0 };
        let mut fronts = Self { link, end, first, read: 0 };
        let ring = &link.ring;
        let (most, mut sound, mut bytes) = (most as u64, true, 0);
        // If `read` has forked, and this is the child, it goes no further: the mark and the slots are the parent's.
        let count = fronts.end.show_many(ring, most, |before, slot| {
            fronts.read = before;
            sound = is_sound::<T>(ring, slot);
            if sound {
                let payload = payload::<T>(ring, slot);
                read(message(payload));
                if len_of::<T>().is_none() {
                    bytes += payload.len() as u64;
                }
            }
            let go_on = sound && link.is_here();
            if go_on {
                own_lines_at_once::<T>(ring, slot);
            }
            go_on
        });
        if let Some(len) = len_of::<T>() {
            bytes = count * len as u64;
        }
        // From here on nothing panics.
        let Self { link, end, .. } = &mut fronts;
        if count > 0 && link.is_here() && !end.is_behind() {
            own_shared_lines(ring, Run { first, count });
        }
        release(link, end, count, bytes);
        if !sound && link.is_here() {
            end.settle(ring);
        }
        forget(fronts);
        count as usize
    }
}

/// Frees the slots of the first `count` messages.
#[inline(always)]
pub(super) fn release(link: &Link, end: &mut ReceiveEnd, count: u64, bytes: u64) {
    // If the program's function has forked, and this is the child, the slots are the parent's.
    if count > 0 && link.is_here() {
        end.pass_fronts(&link.ring, count);
        link.note_pulled(count, bytes);
        link.wake_senders(count);
    }
}

impl Drop for Fronts<'_> {
    /// The program has panicked. A part of its caller, as for one message.
    #[inline(always)]
    fn drop(&mut self) {
        release_read(self.link, self.end, Run { first: self.first, count: self.read });
        keep(self.link, self.end, Run { first: self.first.wrapping_add(self.read), count: 1 });
    }
}

#[cold]
#[inline(never)]
fn release_read(link: &Link, end: &mut ReceiveEnd, read: Run) {
    release(link, end, read.count, link.ring.total_len(read));
}
