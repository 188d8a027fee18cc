//! The short ways of one message to be received: for the least latency, with nothing on them that can be elsewhere.

use core::hint::black_box;
use core::mem::MaybeUninit;
use core::time::Duration;

use super::Receiver;
use super::batch::Message;
use super::link::Link;
use super::own_lines::own_lines;
use super::read_in_place::Front;
use super::receiver::{Want, bytes, is_sound};
use crate::error::RecvError;
use crate::payload::Payload;
use crate::ring::{Memory, Run};
use crate::wait::{Deadline, Wait};

/// How often a receiver of one message looks before it reads the clock.
pub(super) const FIRST_POLLS: u32 = 8;
/// How often it looks at one word before it asks which is next.
pub(super) const LOOKS_AT_ONCE: u32 = 8;

impl<T: ?Sized + Payload> Receiver<T> {
    /// Takes one message, waiting for it. The clock is not read before a first, short time of polling is over.
    #[inline(always)]
    pub(super) fn take_one(&mut self, deadline: impl FnOnce() -> Option<Deadline>) -> Result<Option<u64>, RecvError> {
        match self.take_at_once() {
            None => self.take_at_polls(deadline),
            taken => Ok(taken),
        }
    }

    #[inline(never)]
    fn take_at_polls(&mut self, deadline: impl FnOnce() -> Option<Deadline>) -> Result<Option<u64>, RecvError> {
        if let Some(position) = self.take_at_sight()? {
            return Ok(Some(position));
        }
        if self.polls_first() {
            for _ in 0..FIRST_POLLS {
                let _came = self.end.get_mut().watch(&self.link.ring, LOOKS_AT_ONCE);
                if let Some(position) = self.take_at_once() {
                    return Ok(Some(position));
                }
                if let Some(position) = self.end.get_mut().take_one(&self.link.ring) {
                    return self.accept_one(position).map(Some);
                }
            }
        }
        self.take_slowly(deadline())
    }

    /// The shortest way: all that is behind the next message is known. Small enough to become a part of its caller.
    #[inline(always)]
    fn take_at_once(&mut self) -> Option<u64> {
        let Self { link, end, holds, held, .. } = self;
        let ring = &link.ring;
        let may = |slot| link.is_here() && holds.get().is_none() && is_sound::<T>(ring, slot);
        let position = end.get_mut().take_at_once(ring, may)?;
        held.set(held.get() + 1);
        Some(position)
    }

    /// Takes one message if there is one now: its position.
    #[inline]
    pub(super) fn try_take(&mut self) -> Result<Option<u64>, RecvError> {
        if let Some(position) = self.take_at_once() {
            return Ok(Some(position));
        }
        match self.take_at_sight()? {
            None => self.take_slowly(None),
            taken => Ok(taken),
        }
    }

    /// Takes one message that lies there, if that is all there is to do.
    #[inline]
    fn take_at_sight(&mut self) -> Result<Option<u64>, RecvError> {
        if !self.link.is_here() {
            return Err(RecvError::Forked);
        }
        if self.holds.get().is_some() {
            return Ok(None);
        }
        match self.end.get_mut().take_one(&self.link.ring) {
            Some(position) => self.accept_one(position).map(Some),
            None => Ok(None),
        }
    }

    /// Whether a wait begins with a short time of polling. With messages that outlive their calls, each take has to look after
    /// those first.
    #[inline]
    pub(super) fn polls_first(&self) -> bool {
        self.link.wait != Wait::Sleep && self.holds.get().is_none()
    }

    #[cold]
    fn take_slowly(&mut self, deadline: Option<Deadline>) -> Result<Option<u64>, RecvError> {
        Ok(self.take(Want::all(1), deadline)?.first())
    }

    /// Notes that one message was taken the short way: not delivered before, and nothing else came free.
    #[inline]
    fn accept_one(&mut self, position: u64) -> Result<u64, RecvError> {
        let run = Run { first: position, count: 1 };
        if let Err(fault) = self.link.ring.check_len(self.link.ring.slot(position)) {
            self.refuse(run);
            return Err(RecvError::Fault(fault));
        }
        let Link { ring, mapped, .. } = &mut *self.link;
        mapped.map_ahead(ring, run);
        self.end.get_mut().open_window(ring, mapped.end());
        self.held.set(self.held.get() + 1);
        Ok(position)
    }

    /// Frees the slot of one message that has been read. Small enough to become a part of its caller.
    #[inline(always)]
    pub(super) fn release_one(&self, position: u64) {
        if !self.link.is_here() {
            return;
        }
        let ring = &self.link.ring;
        let slot = ring.slot(position);
        let len = ring.len(slot);
        let in_turn = self.end.try_borrow_mut().is_ok_and(|mut end| {
            own_lines::<T>(ring, slot, len, end.knows_of_more());
            self.holds.get().is_none() && end.release_one(ring, position)
        });
        if in_turn {
            self.held.set(self.held.get() - 1);
        } else {
            self.release_out_of_turn(position);
        }
        self.note_passed(len as u64);
    }

    #[cold]
    fn release_out_of_turn(&self, position: u64) {
        self.end.borrow_mut().release(&self.link.ring, Run { first: position, count: 1 });
        self.let_go(1);
    }
}

/// Messages that are copied out and released at once.
impl<T: ?Sized + Payload> Receiver<T> {
    /// Waits for the next message, which is not known to be there, and has it copied. Not a part of the caller's loop.
    #[inline(never)]
    fn copy_soon<V>(
        &mut self,
        deadline: impl FnOnce() -> Option<Deadline>,
        copy: impl FnOnce(&T) -> V,
    ) -> Result<Option<V>, RecvError> {
        if let Some(position) = self.front_at_polls() {
            return Ok(Some(Front::new(self, position).pass(copy)));
        }
        let position = self.take_one(deadline)?;
        Ok(position.map(|position| copy(&Message::new(self, position))))
    }

    /// The same without waiting.
    #[inline(never)]
    fn copy_now<V>(&mut self, copy: impl FnOnce(&T) -> V) -> Result<Option<V>, RecvError> {
        if let Some(position) = self.front_at_sight() {
            return Ok(Some(Front::new(self, position).pass(copy)));
        }
        Ok(self.try_recv()?.map(|message| copy(&message)))
    }

    /// The shortest way: all that is behind the next message is known, and nothing is held that comes before it. Small enough to
    /// become a part of its caller. Returns whether there was one, and it was copied.
    #[inline(always)]
    fn pass_at_once(&mut self, copy: impl FnOnce(&[u8])) -> bool {
        let Self { link, end, holds, .. } = self;
        let ring = &link.ring;
        let end = end.get_mut();
        let (mut len, more) = (0, end.knows_of_more());
        let may = |slot| link.is_here() && holds.get().is_none() && is_sound::<T>(ring, slot);
        let passed = end.pass_at_once(ring, may, |slot| {
            let bytes = bytes::<T>(ring, slot);
            len = bytes.len();
            copy(bytes);
            own_lines::<T>(ring, slot, len, more);
        });
        if passed {
            self.note_passed(len as u64);
        }
        passed
    }

    #[inline]
    fn note_passed(&self, len: u64) {
        self.link.note_pulled(1, len);
        self.link.wake_for_taken(1);
    }
}

impl Receiver {
    /// Waits for the next message and copies it out, for bytes that the sending side might change while they are read.
    /// The buffer is cleared first, and keeps its room. The slot is free again at once, so a process that dies with the
    /// copy has lost it; [`recv`](Self::recv) gives a message back that was not dealt with.
    ///
    /// # Errors
    /// As [`recv`](Self::recv).
    #[inline]
    pub fn recv_copy(&mut self, buffer: &mut Vec<u8>) -> Result<(), RecvError> {
        let mut keep = |bytes: &[u8]| {
            buffer.clear();
            buffer.extend_from_slice(bytes);
        };
        if self.pass_at_once(&mut keep) {
            return Ok(());
        }
        self.copy_soon(|| Some(Deadline::NEVER), keep)?.ok_or(RecvError::Interrupted)
    }
}

impl<T: Payload> Receiver<T> {
    /// Takes one message, waiting for as long as it takes, and gives its value: the fastest way for small types. Its slot is free
    /// again at once, so a process that dies with the value has lost it; [`recv`](Self::recv) gives a message back that was
    /// not dealt with. It keeps the pace of [`recv_with`](Self::recv_with).
    ///
    /// # Errors
    /// As [`recv`](Self::recv).
    ///
    /// ```
    /// # use ringpost::{Options, Queue};
    /// let queue = Queue::<u64>::in_memory(Options::of(64))?;
    /// queue.sender()?.send(&7)?;
    /// assert_eq!(queue.receiver()?.recv_value()?, 7);
    /// # Ok::<(), ringpost::Error>(())
    /// ```
    #[inline(always)]
    pub fn recv_value(&mut self) -> Result<T, RecvError> {
        match self.value_at_once() {
            Some(value) => Ok(value),
            None => self.copy_soon(|| Some(Deadline::NEVER), copy)?.ok_or(RecvError::Interrupted),
        }
    }

    /// Takes one message, waiting for at most `timeout` in all, and gives its value; `None` if there was none. See
    /// [`recv_value`](Self::recv_value).
    ///
    /// # Errors
    /// As [`recv`](Self::recv).
    #[inline(always)]
    pub fn recv_value_timeout(&mut self, timeout: Duration) -> Result<Option<T>, RecvError> {
        match self.value_at_once() {
            None => self.copy_soon(|| Some(Deadline::after(timeout)), copy),
            taken => Ok(taken),
        }
    }

    /// Takes one message if there is one now, and gives its value. See [`recv_value`](Self::recv_value).
    ///
    /// # Errors
    /// As [`recv`](Self::recv).
    #[inline(always)]
    pub fn try_recv_value(&mut self) -> Result<Option<T>, RecvError> {
        match self.value_at_once() {
            None => self.copy_now(copy),
            taken => Ok(taken),
        }
    }
}

impl<T: Payload> Receiver<T> {
    /// The value of the next message, if that can be had the shortest way.
    #[inline(always)]
    fn value_at_once(&mut self) -> Option<T> {
        let mut place = MaybeUninit::uninit();
        let passed = self.pass_at_once(|bytes| fill(&mut place, bytes));
        // SAFETY: all of a `T` was copied there.
        passed.then(|| unsafe { place.assume_init() })
    }
}

/// The longest value that goes through registers, in bytes.
const IN_REGISTERS: usize = 16;

/// Copies the message in `bytes` to `place`, all of it at once where it does not go through registers.
///
/// The compiler would move its parts there, and on, in pieces of several sizes. To load what two stores have written a processor waits until both are
/// in its cache, behind all stores before them; and one of those gives a slot back, whose line it has to wait for. A place that may be known
/// elsewhere it leaves as it is. That loads wait for stores that they only span: Software Optimization Guide for the AMD Zen4 Microarchitecture,
/// "Load-Store Forwarding".
#[inline(always)]
fn fill<T: Payload>(place: &mut MaybeUninit<T>, bytes: &[u8]) {
    assert_eq!(bytes.len(), size_of::<T>(), "slots have the size of their queue's messages");
    // SAFETY: as many bytes as a `T` has, for which any will do; nobody else knows the place.
    unsafe { place.as_mut_ptr().cast::<u8>().copy_from_nonoverlapping(bytes.as_ptr(), size_of::<T>()) };
    if size_of::<T>() > IN_REGISTERS {
        black_box(place);
    }
}

/// A copy of a message that was waited for. Here [`fill`] brings nothing, and a place in memory costs a round trip of few bytes some nanoseconds.
#[inline]
fn copy<T: Payload>(message: &T) -> T {
    T::read_from_bytes(message.as_bytes()).expect("slots have the size of their queue's messages")
}
