//! Many messages read in place by a function: taken, read and released in one step.

use core::mem::ManuallyDrop;
use core::time::Duration;

use super::Receiver;
use super::batch::Batch;
use super::link::Link;
use super::own_lines::own_lines;
use super::receiver::{bytes, message};
use crate::error::RecvError;
use crate::payload::Payload;
use crate::ring::ReceiveEnd;

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
        let mut passed = Fronts::pass(self, size, &mut read);
        if passed == 0 && size > 0 {
            self.watch_front();
            passed = Fronts::pass(self, size, &mut read);
        }
        if passed > 0 || size == 0 {
            return Ok(passed);
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
    /// How many it has read, and their lengths in all.
    read: u64,
    bytes: u64,
}

impl<'r> Fronts<'r> {
    /// Has up to `most` messages read and released, if an only receiver that holds nothing knows where they come, as far as they are
    /// there, and up to one whose length no sender has written: that is for the long way. Returns how many.
    #[inline]
    fn pass<T: ?Sized + Payload>(receiver: &'r mut Receiver<T>, most: usize, read: &mut impl FnMut(&T)) -> usize {
        let Receiver { link, end, holds, .. } = receiver;
        if !link.is_here() || holds.get().is_some() {
            return 0;
        }
        let (link, end): (&Link, _) = (link, end.get_mut());
        let mut fronts = Self { link, end, read: 0, bytes: 0 };
        let ring = &link.ring;
        let mut sound = true;
        fronts.end.show_many(ring, most as u64, |slot| {
            sound = ring.check_len(slot).is_ok();
            if sound {
                let bytes = bytes(ring, slot);
                read(message(bytes));
                fronts.read += 1;
                fronts.bytes += bytes.len() as u64;
                own_lines(ring, slot);
            }
            sound
        });
        // From here on nothing panics.
        let fronts = &mut *ManuallyDrop::new(fronts);
        fronts.release();
        if !sound && link.is_here() {
            fronts.end.settle(ring);
        }
        fronts.read as usize
    }

    #[inline]
    fn release(&mut self) {
        let Self { link, end, read, bytes } = self;
        // If `read` has forked, and this is the child, the slots are the parent's.
        if *read > 0 && link.is_here() {
            end.pass_fronts(&link.ring, *read);
            link.note_pulled(*read, *bytes);
            link.wake_senders(*read);
        }
    }
}

impl Drop for Fronts<'_> {
    /// The program has panicked.
    #[cold]
    fn drop(&mut self) {
        self.release();
        if self.link.is_here() {
            self.end.keep_front(&self.link.ring);
            self.link.wake_receivers(1);
        }
    }
}
