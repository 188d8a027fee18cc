//! One message read in place by a function: taken, read and released in one step.

use core::mem::forget;
use core::time::Duration;

use super::Receiver;
use super::link::Link;
use super::own_lines::own_lines;
use super::pace::Taken;
use super::receiver::{bytes, is_sound, message};
use super::short::{FIRST_POLLS, LOOKS_AT_ONCE};
use crate::error::RecvError;
use crate::payload::Payload;
use crate::ring::{Memory, ReceiveEnd, Run};
use crate::sync::likely;

impl<T: ?Sized + Payload> Receiver<T> {
    /// Waits for the next message and has `read` read it in place: the fastest way for messages that need not outlive the
    /// call. Its slot is free again when `read` returns. Should `read` panic, or the process die in it, the
    /// message is delivered again.
    ///
    /// At the heels of its sender an only receiver looks away before it looks again, so as not to hold that up: for as many polls as it then
    /// finds messages, and for less than two microseconds. [`recv`](Self::recv) does not.
    ///
    /// # Errors
    /// As [`recv`](Self::recv); then `read` was not called.
    ///
    /// ```
    /// # use ringpost::{Options, Queue};
    /// let queue = Queue::in_memory(Options::new(64).max_len(16))?;
    /// queue.sender()?.send(b"hello")?;
    /// assert_eq!(queue.receiver()?.recv_with(|message| message.len())?, 5);
    /// # Ok::<(), ringpost::Error>(())
    /// ```
    #[inline]
    pub fn recv_with<R>(&mut self, read: impl FnOnce(&T) -> R) -> Result<R, RecvError> {
        if let Some(position) = self.front_soon() {
            return Ok(Front::new(self, position).pass(read));
        }
        self.recv().map(|message| read(&message))
    }

    /// Waits for at most `timeout` in all for a message and has `read` read it in place; `None` if there was none. See
    /// [`recv_with`](Self::recv_with).
    ///
    /// # Errors
    /// As [`recv`](Self::recv); then `read` was not called.
    #[inline]
    pub fn recv_with_timeout<R>(
        &mut self,
        timeout: Duration,
        read: impl FnOnce(&T) -> R,
    ) -> Result<Option<R>, RecvError> {
        if let Some(position) = self.front_soon() {
            return Ok(Some(Front::new(self, position).pass(read)));
        }
        Ok(self.recv_timeout(timeout)?.map(|message| read(&message)))
    }

    /// Has `read` read a message in place, if there is one now. See [`recv_with`](Self::recv_with).
    ///
    /// # Errors
    /// As [`recv`](Self::recv); then `read` was not called.
    #[inline]
    pub fn try_recv_with<R>(&mut self, read: impl FnOnce(&T) -> R) -> Result<Option<R>, RecvError> {
        if let Some(position) = self.front_now() {
            return Ok(Some(Front::new(self, position).pass(read)));
        }
        Ok(self.try_recv()?.map(|message| read(&message)))
    }
}

impl<T: ?Sized + Payload> Receiver<T> {
    /// The position of the next message, if it comes within a first, short time of polling. Not where it lies: what does not fit into two
    /// registers would be kept in memory for each message.
    #[inline(always)]
    fn front_soon(&mut self) -> Option<u64> {
        match self.front() {
            None => self.front_at_polls(),
            front => front,
        }
    }

    /// The same, if it is there now.
    #[inline(always)]
    fn front_now(&mut self) -> Option<u64> {
        match self.front() {
            None => self.front_at_sight(),
            front => front,
        }
    }

    /// The next message, if it is there.
    #[inline(never)]
    pub(super) fn front_at_sight(&mut self) -> Option<u64> {
        self.look()?;
        self.front()
    }

    /// The next message, if it is there, or comes soon.
    #[inline(never)]
    pub(super) fn front_at_polls(&mut self) -> Option<u64> {
        if !self.polls_first() {
            return self.front_at_sight();
        }
        if self.look_at_pace().is_some_and(|found| found > 0) { self.front() } else { self.watch_for_front() }
    }

    /// Looks how many messages there are. An only receiver that has read all that it knew of first looks away for a moment.
    fn look_at_pace(&mut self) -> Option<u64> {
        if !self.end.get_mut().has_caught_up() {
            return self.look();
        }
        self.pace.look_away();
        let found = self.look()?;
        self.pace = self.pace.after(found, self.link.ring.capacity(), Taken::OneByOne);
        Some(found)
    }

    /// Looks for it again and again. What can be asked before it comes is asked before.
    fn watch_for_front(&mut self) -> Option<u64> {
        if !self.link.is_here() {
            return None;
        }
        let Self { link, end, .. } = self;
        let Link { ring, mapped, .. } = &**link;
        let end = end.get_mut();
        if !end.open_window(ring, mapped.end()) {
            // Something is to come again: taking goes another way, which polls by itself.
            return None;
        }
        (0..FIRST_POLLS).find_map(|_| end.front_at_polls(ring, LOOKS_AT_ONCE, |slot| is_sound::<T>(ring, slot)))
    }

    /// An only receiver looks how many messages it may go on with one by one, as far as pages are mapped.
    fn look(&mut self) -> Option<u64> {
        self.look_in_parts(self.link.ring.told_at_once())
    }

    /// The same in parts of `chunk`, if that is given.
    pub(super) fn look_in_parts(&mut self, chunk: Option<u64>) -> Option<u64> {
        if self.holds.get().is_some() || !self.link.is_here() {
            return None;
        }
        let Self { link, end, .. } = self;
        let Link { ring, mapped, .. } = &**link;
        end.get_mut().look(ring, mapped.end(), chunk)
    }

    /// The next message, if it is known to be there, and all that is behind it. Small enough to become a part of its caller.
    #[inline(always)]
    fn front(&mut self) -> Option<u64> {
        let Self { link, end, holds, .. } = self;
        let ring = &link.ring;
        let may = |slot| link.is_here() && holds.get().is_none() && is_sound::<T>(ring, slot);
        end.get_mut().front_at_once(ring, may)
    }

    /// Watches for the next message for a first, short time of polling.
    #[inline(never)]
    pub(super) fn watch_front(&mut self) {
        if self.polls_first() {
            let Self { link, end, .. } = self;
            let Link { ring, mapped, .. } = &**link;
            let end = end.get_mut();
            // If something is to come again, taking goes another way, which polls by itself.
            let _came = end.open_window(ring, mapped.end()) && (0..FIRST_POLLS).any(|_| end.watch(ring, LOOKS_AT_ONCE));
        }
    }
}

/// A message that is shown to the program: the only receiver's next one still, or taken by one of many.
pub(super) struct Front<'r> {
    link: &'r Link,
    end: &'r mut ReceiveEnd,
    position: u64,
}

impl<'r> Front<'r> {
    /// The one at `position`, which `receiver` has just found.
    #[inline(always)]
    pub(super) fn new<T: ?Sized>(receiver: &'r mut Receiver<T>, position: u64) -> Self {
        let Receiver { link, end, .. } = receiver;
        Self { link, end: end.get_mut(), position }
    }

    /// Has it read, and frees its slot.
    #[inline(always)]
    pub(super) fn pass<T: ?Sized + Payload, R>(mut self, read: impl FnOnce(&T) -> R) -> R {
        let ring = &self.link.ring;
        let slot = ring.slot(self.position);
        let bytes = bytes::<T>(ring, slot);
        let len = bytes.len();
        let value = read(message(bytes));
        // From here on nothing panics.
        let Self { link, end, position } = &mut self;
        if likely(link.is_here()) {
            own_lines::<T>(&link.ring, slot, len, end.knows_of_more());
            end.pass_front(&link.ring, *position);
            link.note_pulled(1, len as u64);
            link.wake_for_taken(1);
        }
        // Otherwise `read` has forked, and this is the child: the slot is the parent's.
        forget(self);
        value
    }
}

impl Drop for Front<'_> {
    /// The program has panicked. A part of its caller, so that this can stay in registers until then.
    #[inline(always)]
    fn drop(&mut self) {
        keep(self.link, self.end, Run { first: self.position, count: 1 });
    }
}

/// Leaves the messages of `run` where they are, to be delivered again.
#[cold]
#[inline(never)]
pub(super) fn keep(link: &Link, end: &mut ReceiveEnd, run: Run) {
    if link.is_here() {
        end.keep_fronts(&link.ring, run);
        link.wake_receivers(run.count);
    }
}
