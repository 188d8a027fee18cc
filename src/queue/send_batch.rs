//! Many messages sent by one call.

use core::iter::Peekable;
use core::mem::forget;

use super::Sender;
use super::sender::{Limit, write};
use crate::error::{SendBatchError, SendError};
use crate::payload::Payload;
use crate::ring::{Memory, Run};

/// How far a batch has come: messages sent, and why it does not go on.
type Filled = (u64, Option<SendError>);

impl<T: ?Sized + Payload> Sender<T> {
    pub(super) fn batch_within<'m, I>(&mut self, messages: I, limit: Limit) -> Result<usize, SendBatchError>
    where
        I: Iterator<Item = &'m T>,
        T: 'm,
    {
        let mut sent = 0;
        let mut messages = messages.peekable();
        while let Some(next) = messages.peek() {
            // Before a wait for room that it would never use.
            self.check_len(next.as_bytes().len()).map_err(|error| SendBatchError { sent, error })?;
            let want = messages.size_hint().0.max(1) as u64;
            let run = self.claim(want, limit).map_err(|error| SendBatchError { sent, error })?;
            let at_once = self.end.open_window(&self.link.ring, self.link.mapped.end());
            let (written, failed) =
                if at_once { self.fill_window(&mut messages) } else { self.fill(run, &mut messages) };
            sent += written as usize;
            if let Some(error) = failed {
                return Err(SendBatchError { sent, error });
            }
        }
        Ok(sent)
    }

    /// The only sender: each message is visible as soon as it is written.
    fn fill_window<'m>(&mut self, messages: &mut Peekable<impl Iterator<Item = &'m T>>) -> Filled
    where
        T: 'm,
    {
        let mut failed = None;
        let filling = FillingWindow(self);
        let Sender { link, end, .. } = &mut *filling.0;
        let ring = &link.ring;
        let (written, bytes) = end.put_many(ring, |slot| {
            let message = messages.next()?.as_bytes();
            if !link.is_here() {
                // The caller's iterator has forked, and this is the child: the slots are the parent's.
                return None;
            }
            if !ring.fits(message.len()) {
                failed = Some(message.len());
                return None;
            }
            write(ring, slot, message);
            Some(message.len() as u64)
        });
        if link.is_here() {
            end.publish_tail(ring);
            link.note_sent(written, bytes);
        }
        forget(filling);
        (written, failed.and_then(|len| self.check_len(len).err()))
    }

    /// Anyone: writes messages into a claimed run, publishes those, and gives up the rest of it.
    fn fill<'m>(&mut self, run: Run, messages: &mut impl Iterator<Item = &'m T>) -> Filled
    where
        T: 'm,
    {
        let mut filling = Filling { sender: self, run, written: 0, bytes: 0 };
        let mut failed = None;
        for position in run.positions() {
            let ring = &filling.sender.link.ring;
            ring.fetch_ahead(position, run.end());
            let Some(message) = messages.next() else { break };
            let message = message.as_bytes();
            if let Err(error) = filling.sender.check_len(message.len()) {
                failed = Some(error);
                break;
            }
            write(ring, ring.slot(position), message);
            filling.written += 1;
            filling.bytes += message.len() as u64;
        }
        (filling.written, failed)
    }
}

/// A claimed run that is being written. What has been written is published once this is dropped, also if the caller's iterator
/// panics, and the rest is given up.
struct Filling<'s, T: ?Sized + Payload> {
    sender: &'s mut Sender<T>,
    run: Run,
    written: u64,
    bytes: u64,
}

impl<T: ?Sized + Payload> Drop for Filling<'_, T> {
    fn drop(&mut self) {
        let Self { sender, run: Run { first, count }, written, bytes } = self;
        if !sender.link.is_here() {
            // The caller's iterator has forked, and this is the child: the slots are the parent's.
            return;
        }
        if *written > 0 {
            sender.publish(Run { first: *first, count: *written }, *bytes);
        }
        sender.abort(Run { first: first.wrapping_add(*written), count: *count - *written });
    }
}

/// A window that is being filled. Dropped when the caller's iterator panics: what was sent before is told and announced.
struct FillingWindow<'s, T: ?Sized + Payload>(&'s mut Sender<T>);

impl<T: ?Sized + Payload> Drop for FillingWindow<'_, T> {
    #[cold]
    fn drop(&mut self) {
        let Sender { link, end, .. } = &mut *self.0;
        // Or the caller's iterator has forked, as above.
        if link.is_here()
            && let Some(run) = end.find_sent(&link.ring)
        {
            end.publish_tail(&link.ring);
            link.note_sent(run.count, link.ring.total_len(run));
        }
    }
}
