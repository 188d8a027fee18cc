//! The short ways of one message to be sent.

use super::Sender;
use super::link::Link;
use super::sender::{Limit, write};
use crate::error::SendError;
use crate::layout::LINE;
use crate::payload::{Payload, len_of};
use crate::ring::{Memory, Run};

impl<T: ?Sized + Payload> Sender<T> {
    /// Sends one message; the clock is not read before the short ways have failed.
    #[inline(always)]
    pub(super) fn send_within(&mut self, message: &T, limit: impl FnOnce(&Self) -> Limit) -> Result<(), SendError> {
        if self.send_at_once(message.as_bytes()) { Ok(()) } else { self.send_otherwise(message, limit) }
    }

    #[inline(never)]
    fn send_otherwise(&mut self, message: &T, limit: impl FnOnce(&Self) -> Limit) -> Result<(), SendError> {
        if self.send_at_sight(message)? { Ok(()) } else { self.send_slowly(message, limit(self)) }
    }

    /// The shortest: where the next slot is free, and all that is behind it is known. Small enough to become a part of its caller.
    #[inline(always)]
    fn send_at_once(&mut self, bytes: &[u8]) -> bool {
        if bytes.len() > LINE && self.end.is_one_of_many() {
            return self.send_long_at_once(bytes);
        }
        let Self { link, end, open, .. } = self;
        let ring = &link.ring;
        let may = || may::<T>(link, open, bytes.len());
        let sent = end.put_at_once(ring, may, |slot| write::<T>(ring, slot, bytes));
        if sent {
            self.link.note_sent(1, bytes.len() as u64);
        }
        sent
    }

    /// One of many, with a message of several lines, by way of a loan: tail is moved before it is written. Moved afterwards, by a locked
    /// instruction, tail would wait until all those lines have come, and everything behind it, too.
    #[inline(never)]
    fn send_long_at_once(&mut self, bytes: &[u8]) -> bool {
        let Self { link, end, open, .. } = self;
        let ring = &link.ring;
        let may = || may::<T>(link, open, bytes.len());
        let Some(position) = end.lend_at_once(ring, may) else { return false };
        write::<T>(ring, ring.slot(position), bytes);
        end.commit_lent(ring, position);
        self.link.note_sent(1, bytes.len() as u64);
        true
    }

    /// Lends a slot for a message of `len` bytes in the same way.
    #[inline(always)]
    pub(super) fn lend_at_once(&mut self, len: usize) -> Option<*mut [u8]> {
        let Self { link, end, open, .. } = self;
        let position = end.lend_at_once(&link.ring, || may::<T>(link, open, len))?;
        Some(self.lend(position, len))
    }

    /// Anyone, when there is a free slot.
    #[inline]
    fn send_at_sight(&mut self, message: &T) -> Result<bool, SendError> {
        let bytes = message.as_bytes();
        self.check_len(bytes.len())?;
        self.check_open()?;
        if self.open.is_some() {
            return Ok(false);
        }
        let Self { link, end, .. } = self;
        let Link { ring, mapped, .. } = link;
        let sent = end.put_one(ring, |position, slot| {
            mapped.map_ahead(ring, Run { first: position, count: 1 });
            write::<T>(ring, slot, bytes);
        });
        if sent {
            end.open_window(ring, mapped.end());
            self.note_overwritten();
            self.link.note_sent(1, bytes.len() as u64);
        }
        Ok(sent)
    }

    #[cold]
    fn send_slowly(&mut self, message: &T, limit: Limit) -> Result<(), SendError> {
        let bytes = message.as_bytes();
        let run = self.claim(1, limit)?;
        write::<T>(&self.link.ring, self.link.ring.slot(run.first), bytes);
        self.publish(run, bytes.len() as u64);
        Ok(())
    }
}

/// Whether a message of `len` bytes may be sent without a look around: not if it does not fit, the queue takes none, this is a forked
/// child, or a leaked loan is to be given up first.
#[inline(always)]
pub(super) fn may<T: ?Sized + Payload>(link: &Link, open: &Option<Run>, len: usize) -> bool {
    (len_of::<T>().is_some() || link.ring.fits(len)) && link.is_here() && link.takes_messages() && open.is_none()
}
