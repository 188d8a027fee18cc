//! Many messages sent by one call.

use core::borrow::Borrow;
use core::mem::forget;

use super::Sender;
use super::link::Link;
use super::sender::{Limit, give_up, publish, write};
use crate::error::{SendBatchError, SendError};
use crate::payload::{Payload, len_of};
use crate::ring::{Memory, Run, SendEnd};

/// How many messages are written before they become visible together: enough for the processor to fetch many lines at once, few
/// enough for a receiver to work on the first of a long batch while the last are written.
pub(super) const TOGETHER: u64 = 32;

/// How far a batch has come: messages sent, and why it does not go on.
type Filled = (u64, Option<SendError>);

impl<T: ?Sized + Payload> Sender<T> {
    pub(super) fn batch_within<M: Borrow<T>>(
        &mut self,
        messages: impl Iterator<Item = M>,
        limit: Limit,
    ) -> Result<usize, SendBatchError> {
        let mut sent = 0;
        let mut messages = Ahead { next: None, rest: messages };
        while let Some(next) = messages.look() {
            // Before a wait for room that it would never use.
            self.check_len(next.borrow().as_bytes().len()).map_err(|error| SendBatchError { sent, error })?;
            let want = (messages.size_hint().0 as u64).clamp(1, TOGETHER);
            let run = self.claim(want, limit).map_err(|error| SendBatchError { sent, error })?;
            // A word behind a payload of several lines would wait until the last of those has come, and hold up all stores behind it.
            let at_once =
                self.link.ring.word_is_near() && self.end.open_window(&self.link.ring, self.link.mapped.end());
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
    fn fill_window<M: Borrow<T>>(&mut self, messages: &mut Ahead<impl Iterator<Item = M>>) -> Filled {
        let mut failed = None;
        let filling = FillingWindow(self);
        let Sender { link, end, .. } = &mut *filling.0;
        let ring = &link.ring;
        let (written, bytes) = end.put_many(ring, |slot| {
            let message = messages.next()?;
            let message = message.borrow().as_bytes();
            if !link.is_here() {
                // The caller's iterator has forked, and this is the child: the slots are the parent's.
                return None;
            }
            if len_of::<T>().is_none() && !ring.fits(message.len()) {
                failed = Some(message.len());
                return None;
            }
            write::<T>(ring, slot, message);
            Some(message.len() as u64)
        });
        if link.is_here() {
            end.publish_tail(ring, written);
            link.note_sent(written, bytes);
        }
        forget(filling);
        (written, failed.and_then(|len| self.check_len(len).err()))
    }

    /// Anyone: writes messages into a claimed run, publishes those, and gives up the rest of it.
    ///
    /// Here, too, nothing but slots is written meanwhile: the guard is for the caller's code, and goes where that cannot panic.
    fn fill<M: Borrow<T>>(&mut self, run: Run, messages: &mut impl Iterator<Item = M>) -> Filled {
        let Sender { link, end, .. } = &mut *self;
        let link: &Link = link;
        let ring = &link.ring;
        let (mut written, mut bytes, mut refused) = (0, 0, None);
        'run: for piece in run.pieces(ring.capacity()) {
            for slot in ring.slots(piece) {
                let filling = Filling { link, end: &mut *end, run, written, bytes };
                // Or the caller's iterator has forked, and this is the child: the slots are the parent's, which may have sent them.
                let len = messages.next().filter(|_| link.is_here()).map(|message| {
                    let message = message.borrow().as_bytes();
                    if ring.fits(message.len()) {
                        write::<T>(ring, slot, message);
                    }
                    message.len()
                });
                forget(filling);
                match len {
                    Some(len) if ring.fits(len) => bytes += len as u64,
                    _ => {
                        refused = len;
                        break 'run;
                    }
                }
                written += 1;
            }
        }
        finish(link, end, run, written, bytes);
        (written, refused.and_then(|len| self.check_len(len).err()))
    }
}

/// An iterator that one may look ahead in. As `Peekable`, but what it keeps of that changes only when it looks: a store for each message, be
/// it to the stack, would come between two slots.
struct Ahead<I: Iterator> {
    next: Option<I::Item>,
    rest: I,
}

impl<I: Iterator> Ahead<I> {
    /// The next item, which stays the next one.
    fn look(&mut self) -> Option<&I::Item> {
        if self.next.is_none() {
            self.next = self.rest.next();
        }
        self.next.as_ref()
    }
}

impl<I: Iterator> Iterator for Ahead<I> {
    type Item = I::Item;

    #[inline(always)]
    fn next(&mut self) -> Option<I::Item> {
        if self.next.is_some() { self.next.take() } else { self.rest.next() }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let (least, most) = self.rest.size_hint();
        let ahead = usize::from(self.next.is_some());
        (least.saturating_add(ahead), most.and_then(|most| most.checked_add(ahead)))
    }
}

/// Publishes the first `written` messages of a claimed run, and gives up the rest.
fn finish(link: &Link, end: &mut SendEnd, run: Run, written: u64, bytes: u64) {
    if !link.is_here() {
        // The caller's iterator has forked, and this is the child: the slots are the parent's.
        return;
    }
    // The rest first: it is the word of the first that holds all of the run.
    give_up(link, end, Run { first: run.first.wrapping_add(written), count: run.count - written });
    if written > 0 {
        publish(link, end, Run { first: run.first, count: written }, bytes);
    }
}

/// A claimed run that is being written. Dropped when the caller's code panics: what was written before is published.
struct Filling<'s> {
    link: &'s Link,
    end: &'s mut SendEnd,
    run: Run,
    written: u64,
    bytes: u64,
}

impl Drop for Filling<'_> {
    #[cold]
    fn drop(&mut self) {
        finish(self.link, self.end, self.run, self.written, self.bytes);
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
            end.publish_tail(&link.ring, run.count);
            link.note_sent(run.count, link.ring.total_len(run));
        }
    }
}
