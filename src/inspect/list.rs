//! Which queues there are, and which of them nobody uses any more.

use core::time::Duration;
use std::sync::Arc;

use super::read;
use super::scan::Scan;
use super::walk::Walk;
use crate::error::{Fault, OpenError, OsError};
use crate::layout::geometry::Ends;
use crate::layout::header::Header;
use crate::layout::row_state::RowState;
use crate::os::{identity, leftover};
use crate::participant::{Liveness, liveness};
use crate::ring::Memory;
use crate::segment::{self, Accept, Segment};

/// A queue that was found by [`list`], or something else that has the name of one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Its name.
    pub name: String,
    /// What it is, or why it cannot be opened.
    pub found: Result<Summary, OpenError>,
}

/// What can be told of a queue without opening it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Summary {
    /// The most messages that it holds.
    pub capacity: u64,
    /// Bytes of the longest message.
    pub max_len: u64,
    /// Bytes of the whole segment.
    pub total_bytes: u64,
    /// How many senders may join.
    pub senders: Ends,
    /// How many receivers may join.
    pub receivers: Ends,
    /// When it was made, in nanoseconds since 1970.
    pub created_ns: u64,
    /// Whether it goes when its last member leaves.
    pub ephemeral: bool,
    /// Whether it is marked closed.
    pub closed: bool,
    /// Senders and receivers that are joined and live, as far as can be known.
    pub endpoints: u64,
    /// Senders and receivers that are dead and have not been repaired.
    pub dead: u64,
    /// Whether anybody has it open, joined or not; `None` if that could not be found out.
    pub open: Option<bool>,
    /// What is left in it, if nobody has it open.
    pub stale: Option<Stale>,
}

/// What is left of a queue that nobody has open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stale {
    /// Messages in it, those that a dead receiver held included. They wait for whoever opens it next.
    pub messages: u64,
    /// Since the last sender or receiver joined, or, if none ever has, since it was made.
    pub unused_for: Duration,
}

/// A temporary file of somebody who was making a queue when it was found.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Temporary {
    /// Its file name.
    pub name: String,
    /// Its size in bytes.
    pub bytes: u64,
    /// Since it was last written to.
    pub age: Duration,
    /// Whether its maker lives, as far as can be known.
    pub maker_alive: bool,
    /// Whether [`remove_stale`](crate::remove_stale) would remove it: it is ours, its maker is dead, and it is older than a minute.
    pub is_left_over: bool,
}

/// The queues of this machine, by name, with those that cannot be opened. Opens none of them. Counts the messages of
/// those that nobody has open, in time proportional to their capacity.
///
/// # Errors
/// [`OpenError::Os`] if the shared-memory file system cannot be read.
pub fn list() -> Result<Vec<Listed>, OpenError> {
    let accept = Accept::default();
    let found = segment::list(&accept)?.into_iter().filter_map(|listed| {
        let found = match listed.found {
            Ok(_) => Segment::observe(&listed.name, &accept).map(|segment| Judged::new(segment).summary()),
            Err(error) => Err(error),
        };
        // Gone between the two looks.
        let is_gone = matches!(found, Err(OpenError::NotFound { .. }));
        (!is_gone).then(|| Listed { name: listed.name.as_str().to_owned(), found })
    });
    Ok(found.collect())
}

/// The temporary files of makers, at work or dead, by name. Most systems need none, and have none.
///
/// # Errors
/// The shared-memory file system cannot be read.
pub fn temporaries() -> Result<Vec<Temporary>, OsError> {
    let temporary = |found: leftover::Leftover| Temporary {
        is_left_over: found.is_garbage(),
        name: found.name,
        bytes: found.bytes,
        age: found.age,
        maker_alive: found.maker_alive,
    };
    Ok(leftover::list()?.into_iter().map(temporary).collect())
}

/// A queue that was looked at from outside.
pub(super) struct Judged {
    walk: Walk,
    open: Option<bool>,
    pub(super) stale: Option<Stale>,
    /// Words that contradict each other: what they say of its messages is nothing to go by.
    pub(super) fault: Option<Fault>,
    /// The words that everyone changes who joins, read before anything else.
    judged_in: Vec<u64>,
}

impl Judged {
    pub(super) fn new(segment: Segment) -> Self {
        let walk = Walk::new(&Arc::new(segment));
        let mut judged = Self { walk, open: None, stale: None, fault: None, judged_in: Vec::new() };
        judged.judged_in = judged.state();
        judged.open = judged.segment().is_open_elsewhere().ok();
        if judged.open == Some(false) {
            let scan = Scan::new(&judged.walk);
            judged.stale = Some(Stale { messages: scan.messages(), unused_for: judged.unused_for() });
            judged.fault = scan.faults.first().copied();
        }
        judged
    }

    pub(super) fn segment(&self) -> &Segment {
        self.walk.segment()
    }

    pub(super) fn header(&self) -> &Header {
        self.segment().header()
    }

    fn rows(&self) -> impl Iterator<Item = (usize, &crate::layout::control::Row)> {
        let count = self.header().geometry.rows as usize;
        (0..count).filter_map(|index| Some((index, self.segment().row(index)?)))
    }

    /// Whether it is as it was judged: nobody can change its messages without joining, and a join shows.
    pub(super) fn is_unchanged(&self) -> bool {
        self.state() == self.judged_in
    }

    fn state(&self) -> Vec<u64> {
        let ring = &self.walk.ring;
        let cursors = [ring.tail(), ring.head(), ring.delivered_to(), ring.retry_epoch()];
        cursors.into_iter().map(read).chain(self.rows().map(|(_, row)| read(&row.state))).collect()
    }

    fn unused_for(&self) -> Duration {
        let joined = self.rows().map(|(_, row)| read(&row.joined_ns)).max().unwrap_or(0);
        let last = joined.max(self.header().created_ns);
        Duration::from_nanos(identity::realtime_ns().saturating_sub(last))
    }

    fn summary(&self) -> Summary {
        let geometry = &self.header().geometry;
        let request = &geometry.request;
        let joined = self.rows().filter(|(_, row)| RowState::of(read(&row.state)) == Some(RowState::Joined));
        let (dead, alive): (Vec<_>, Vec<_>) =
            joined.map(|(index, _)| liveness(self.segment(), index)).partition(|liveness| *liveness == Liveness::Dead);
        Summary {
            capacity: request.capacity,
            max_len: request.max_len,
            total_bytes: geometry.total,
            senders: request.senders,
            receivers: request.receivers,
            created_ns: self.header().created_ns,
            ephemeral: self.header().ephemeral,
            closed: read(&self.walk.ring.signals().closed) != 0,
            endpoints: alive.len() as u64,
            dead: dead.len() as u64,
            open: self.open,
            stale: self.stale,
        }
    }
}
