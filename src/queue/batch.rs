//! Messages that a receiver holds, to be read in place.

use core::cell::Cell;
use core::ops::Deref;

use super::Receiver;
use super::receiver::{bytes, message};
use crate::payload::Payload;
use crate::ring::{Memory, Run};

/// Messages taken by one [`Receiver::pull`], read in place.
///
/// Iterating by value gives one [`Message`] after another, each of which is released when it is dropped;
/// [`iter`](Self::iter) gives references, and everything that it gave is released when the batch is dropped, with the
/// fewest shared writes. What was never looked at goes back into the queue, in order, for the next pull of anyone: a loop
/// that breaks, an error on the way out, and a panic lose nothing. (While panicking, everything goes back.)
///
/// Leaking a batch keeps its messages until the receiver is dropped; then they are delivered again.
#[must_use = "messages that nobody looks at go back into the queue"]
pub struct Batch<'a, T: ?Sized + Payload = [u8]> {
    receiver: &'a Receiver<T>,
    runs: Runs,
    /// How many of the messages, from the first, the program may have looked at.
    seen: Cell<u64>,
}

/// One message, read in place: it dereferences to its bytes or its value. Dropping it releases its slot for the senders;
/// while panicking it goes back into the queue instead.
#[must_use = "dropping a message releases it"]
pub struct Message<'a, T: ?Sized + Payload = [u8]> {
    receiver: &'a Receiver<T>,
    position: u64,
}

impl<'a, T: ?Sized + Payload> Batch<'a, T> {
    pub(super) fn new(receiver: &'a Receiver<T>, runs: Runs) -> Self {
        Self { receiver, runs, seen: Cell::new(0) }
    }

    /// How many messages it still holds.
    pub fn len(&self) -> usize {
        self.runs.total() as usize
    }

    /// Whether it holds none.
    pub fn is_empty(&self) -> bool {
        self.runs.is_empty()
    }

    /// The messages, in order, in place. Each that this gives counts as looked at.
    pub fn iter(&self) -> Iter<'_, 'a, T> {
        let mut rest = self.runs.clone();
        let front = rest.take_front(u64::MAX).unwrap_or(Run { first: 0, count: 0 });
        Iter { batch: self, front, rest, given: 0 }
    }

    /// Has `read` read each, in order.
    #[inline]
    pub(super) fn for_each(&self, mut read: impl FnMut(&T)) {
        let ring = &self.receiver.link.ring;
        for run in self.runs.front.iter().chain(self.runs.rest.iter()) {
            for piece in run.pieces(ring.capacity()) {
                for slot in ring.slots(piece) {
                    self.seen.set(self.seen.get() + 1);
                    read(message(bytes::<T>(ring, slot)));
                }
            }
        }
    }

    /// How often the message at `index` has been delivered, this time included: 1 the first time. It counts up to 31.
    ///
    /// # Panics
    /// If there is no such message.
    pub fn deliveries(&self, index: usize) -> u32 {
        let position = self.runs.clone().nth(index).expect("index is less than len");
        self.receiver.deliveries(position).into()
    }

    /// Releases all of them, looked at or not.
    pub fn release(mut self) {
        self.release_first(usize::MAX);
    }

    /// Releases the first `count` of those that it still holds, or all if there are fewer.
    pub fn release_first(&mut self, count: usize) {
        let mut left = (count as u64).min(self.runs.total());
        self.seen.set(self.seen.get().saturating_sub(left));
        while left > 0 {
            let Some(run) = self.runs.take_front(left) else { return };
            left -= run.count;
            self.receiver.release(run);
        }
    }

    /// Puts all that it still holds back into the queue, to be delivered again before anything newer. Those that the
    /// program has looked at will say that they are delivered again.
    pub fn nack(mut self) {
        self.give_back_rest();
    }

    fn give_back_rest(&mut self) {
        let mut seen = self.seen.replace(0);
        while let Some(run) = self.runs.take_front(if seen > 0 { seen } else { u64::MAX }) {
            self.receiver.give_back(run, seen > 0);
            seen -= run.count.min(seen);
        }
    }
}

impl<T: ?Sized + Payload> Drop for Batch<'_, T> {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.release_first(self.seen.get() as usize);
        }
        self.give_back_rest();
    }
}

impl<'a, T: ?Sized + Payload> IntoIterator for Batch<'a, T> {
    type Item = Message<'a, T>;
    type IntoIter = IntoIter<'a, T>;

    fn into_iter(self) -> IntoIter<'a, T> {
        IntoIter { batch: self }
    }
}

impl<'b, 'a, T: ?Sized + Payload> IntoIterator for &'b Batch<'a, T> {
    type Item = &'b T;
    type IntoIter = Iter<'b, 'a, T>;

    fn into_iter(self) -> Iter<'b, 'a, T> {
        self.iter()
    }
}

/// References to the messages of a [`Batch`].
pub struct Iter<'b, 'a, T: ?Sized + Payload> {
    batch: &'b Batch<'a, T>,
    /// What comes next, and what comes after that.
    front: Run,
    rest: Runs,
    given: u64,
}

impl<'b, T: ?Sized + Payload> Iterator for Iter<'b, '_, T> {
    type Item = &'b T;

    #[inline]
    fn next(&mut self) -> Option<&'b T> {
        if self.front.count == 0 {
            self.front = self.rest.take_front(u64::MAX)?;
        }
        let position = self.front.first;
        self.front = Run { first: position.wrapping_add(1), count: self.front.count - 1 };
        self.given += 1;
        self.batch.seen.set(self.batch.seen.get().max(self.given));
        Some(self.batch.receiver.message(position))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = (self.front.count + self.rest.total()) as usize;
        (left, Some(left))
    }
}

impl<T: ?Sized + Payload> ExactSizeIterator for Iter<'_, '_, T> {}

/// The messages of a [`Batch`], each to be released on its own. Dropping it puts the rest back.
pub struct IntoIter<'a, T: ?Sized + Payload> {
    batch: Batch<'a, T>,
}

impl<'a, T: ?Sized + Payload> Iterator for IntoIter<'a, T> {
    type Item = Message<'a, T>;

    fn next(&mut self) -> Option<Message<'a, T>> {
        let position = self.batch.runs.pop_front()?;
        self.batch.seen.set(self.batch.seen.get().saturating_sub(1));
        Some(Message::new(self.batch.receiver, position))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.batch.len(), Some(self.batch.len()))
    }
}

impl<T: ?Sized + Payload> ExactSizeIterator for IntoIter<'_, T> {}

impl<'a, T: ?Sized + Payload> Message<'a, T> {
    pub(super) fn new(receiver: &'a Receiver<T>, position: u64) -> Self {
        Self { receiver, position }
    }

    /// How often it has been delivered, this time included: 1 the first time. It counts up to 31.
    pub fn deliveries(&self) -> u32 {
        self.receiver.deliveries(self.position).into()
    }

    /// Whether it has been delivered before: given back, or held by a receiver that died.
    pub fn is_redelivered(&self) -> bool {
        self.deliveries() > 1
    }

    /// Releases it: it has been dealt with. The same as dropping it.
    pub fn release(self) {}

    /// Puts it back into the queue, to be delivered again before anything newer.
    pub fn nack(self) {
        self.receiver.give_back(self.run(), true);
        core::mem::forget(self);
    }

    /// Its receiver and its position, for one who settles it from now on.
    pub(super) fn into_parts(self) -> (&'a Receiver<T>, u64) {
        let parts = (self.receiver, self.position);
        core::mem::forget(self);
        parts
    }

    fn run(&self) -> Run {
        Run { first: self.position, count: 1 }
    }
}

impl<T: ?Sized + Payload> Deref for Message<'_, T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        self.receiver.message(self.position)
    }
}

impl<T: ?Sized + Payload> Drop for Message<'_, T> {
    #[inline(always)]
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.receiver.give_back_one(self.position);
        } else {
            self.receiver.release_one(self.position);
        }
    }
}

impl<T: ?Sized + Payload + core::fmt::Debug> core::fmt::Debug for Message<'_, T> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        (**self).fmt(f)
    }
}

impl<T: ?Sized + Payload + core::fmt::Debug> core::fmt::Debug for Batch<'_, T> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let messages = self.runs.clone().map(|position| self.receiver.message(position));
        f.debug_list().entries(messages).finish()
    }
}

/// Positions in the order of their delivery: nearly always one run, so the first needs no allocation.
#[derive(Clone, Default)]
pub(super) struct Runs {
    front: Option<Run>,
    /// Behind the front, the next one last.
    rest: std::collections::VecDeque<Run>,
    total: u64,
}

impl Runs {
    /// How many positions.
    #[inline]
    pub(super) fn total(&self) -> u64 {
        self.total
    }

    /// Whether there are none.
    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.total == 0
    }

    /// The first position.
    pub(super) fn first(&self) -> Option<u64> {
        self.front.map(|run| run.first)
    }

    /// Adds `run` at the end.
    #[inline]
    pub(super) fn push(&mut self, run: Run) {
        self.total += run.count;
        match self.rest.back_mut().or(self.front.as_mut()) {
            None => self.front = Some(run),
            Some(last) if last.end() == run.first => last.count += run.count,
            Some(_) => self.rest.push_back(run),
        }
    }

    /// Adds all of `more` at the end.
    #[cfg(feature = "tokio")]
    pub(super) fn append(&mut self, mut more: Self) {
        while let Some(run) = more.take_front(u64::MAX) {
            self.push(run);
        }
    }

    /// Removes up to `most` positions that follow one another from the front.
    #[inline]
    fn take_front(&mut self, most: u64) -> Option<Run> {
        let front = self.front.as_mut()?;
        let taken = Run { first: front.first, count: front.count.min(most) };
        self.total -= taken.count;
        if taken.count < front.count {
            *front = Run { first: taken.end(), count: front.count - taken.count };
        } else {
            self.front = self.rest.pop_front();
        }
        Some(taken)
    }

    #[inline]
    fn pop_front(&mut self) -> Option<u64> {
        self.take_front(1).map(|run| run.first)
    }
}

impl Iterator for Runs {
    type Item = u64;

    fn next(&mut self) -> Option<u64> {
        self.pop_front()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_merge_and_come_back_in_order() {
        let mut runs = Runs::default();
        for run in [Run { first: 3, count: 2 }, Run { first: 5, count: 1 }, Run { first: 9, count: 2 }] {
            runs.push(run);
        }
        assert_eq!(runs.total(), 5);
        assert_eq!(runs.take_front(9), Some(Run { first: 3, count: 3 }));
        assert_eq!(runs.take_front(1), Some(Run { first: 9, count: 1 }));
        assert_eq!(runs.clone().collect::<Vec<_>>(), [10]);
        assert_eq!(runs.pop_front(), Some(10));
        assert!(runs.is_empty() && runs.pop_front().is_none());
    }
}
