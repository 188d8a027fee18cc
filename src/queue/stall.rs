//! Why a wait does not go on: somebody is in the way, or nothing will ever come.

use core::time::Duration;
use std::time::Instant;

use super::link::Link;
use super::{Receiver, Sender};
use crate::error::RecvError;
use crate::participant::visible_pid;
use crate::payload::Payload;
use crate::ring::InTheWay;

/// Whom a wait is behind, and for how long.
#[derive(Clone, Copy, Default)]
pub struct Stall {
    limit: Option<Duration>,
    behind: Option<(InTheWay, Instant)>,
}

/// A live endpoint that has held what a waiter needs for longer than that allows.
pub struct Stalled {
    /// Its number.
    pub endpoint: u16,
    /// Its process, or 0 if that is of another pid namespace.
    pub pid: u32,
}

impl Stall {
    /// Notes who is in the way of endpoint `own` at this moment: the owner, if it has been that, with the same word, for too
    /// long.
    pub fn note(&mut self, own: u16, in_the_way: Option<InTheWay>) -> Option<u16> {
        let limit = self.limit?;
        let Some(other) = in_the_way.filter(|other| other.owner != own) else {
            self.behind = None;
            return None;
        };
        let since = match self.behind {
            Some((seen, since)) if seen == other => since,
            _ => Instant::now(),
        };
        self.behind = Some((other, since));
        (since.elapsed() >= limit).then_some(other.owner)
    }
}

impl Link {
    /// For one who could not repair what is in the way, so that its owner lives: whether it has been behind that for too
    /// long.
    pub fn stalled(&mut self, in_the_way: Option<InTheWay>) -> Option<Stalled> {
        let own = self.number();
        let endpoint = self.stall.note(own, in_the_way)?;
        let row = self.ring.segment().row(usize::from(endpoint).checked_sub(1)?)?;
        Some(Stalled { endpoint, pid: visible_pid(row) })
    }
}

impl<T: ?Sized + Payload> Receiver<T> {
    /// Ends a wait with [`RecvError::Stalled`](crate::RecvError::Stalled) when one live sender has kept the next message
    /// unfinished for longer than this. By default it waits on: a process that is stopped or slow is never robbed of
    /// what it holds. A single sender shows nothing of what it is writing, so it is not reported.
    ///
    /// It holds for every kind of wait. [`wait_any`](crate::wait_any) and the [`descriptor`](Self::descriptor) say that a
    /// try is worthwhile, and the try is `Stalled` then; so is any that has found the same message unfinished for longer
    /// than this. With a descriptor or a future it may take twice as long.
    pub fn set_stall_limit(&mut self, limit: Option<Duration>) {
        self.link.stall.limit = limit;
    }
}

impl<T: ?Sized + Payload> Receiver<T> {
    /// Whether it has been behind one live sender for too long.
    pub(super) fn stalled(&mut self, in_the_way: Option<InTheWay>) -> Option<RecvError> {
        self.link.stalled(in_the_way).map(|Stalled { endpoint, pid }| RecvError::Stalled { endpoint, pid })
    }

    /// Why nothing more will come, if so; then the caller looks once more. A message that is being written still will, and
    /// what the dead have held has come back.
    pub(super) fn end_of_queue(&mut self, in_the_way: Option<InTheWay>) -> Option<RecvError> {
        if in_the_way.is_some() {
            return None;
        }
        let ended = if self.link.is_removed() {
            RecvError::Removed
        } else if self.link.is_closed() {
            RecvError::Closed
        } else if self.until_senders_leave && self.link.senders_gone() {
            RecvError::SendersGone
        } else {
            return None;
        };
        // Another process may be about to put back what a dead receiver held.
        self.link.all_has_come_back().then_some(ended)
    }
}

impl<T: ?Sized + Payload> Sender<T> {
    /// Ends a wait with [`SendError::Stalled`](crate::SendError::Stalled) when one live receiver has held the message in
    /// the slot that must come free next for longer than this. By default it waits on: a process that is stopped or
    /// slow is never robbed of what it holds. A single receiver does not mark what it holds, so it is not reported.
    /// It holds for every kind of wait, and for tries, as [`Receiver::set_stall_limit`] says.
    pub fn set_stall_limit(&mut self, limit: Option<Duration>) {
        self.link.stall.limit = limit;
    }
}
