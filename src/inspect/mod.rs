//! Looking at queues without joining them.

mod diagnose;
mod inspector;
mod list;
mod peek;
mod repair;
mod scan;
mod stale;
mod walk;

pub use diagnose::{Diagnosis, EndpointReport, Holder, Holding, Stuck};
pub use inspector::Inspector;
pub use list::{Listed, Stale, Summary, Temporary, list, temporaries};
pub use peek::{Peek, PeekState, Peeked};
pub use stale::{Reason, StaleRules, Swept, remove_stale};

use std::sync::Arc;

use crate::error::{RemoveError, Role};
use crate::layout::control::Row;
use crate::layout::geometry::{Ends, WhenFull};
use crate::layout::header::VERSION;
use crate::layout::row_state::RowState;
use crate::participant::{Liveness, SharedRing, liveness, visible_pid};
use crate::ring::{self, Memory};
use crate::segment::{self, Accept, Name, Segment};
use crate::sync::{AtomicU64, Ordering};

/// What a queue is and what has been done with it: a snapshot whose parts are not of one instant.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stat {
    /// Its name.
    pub name: String,
    /// The most messages that it holds.
    pub capacity: u64,
    /// Messages that wait to be taken.
    pub size: u64,
    /// Bytes of the longest message.
    pub max_len: u64,
    /// Bytes of the whole segment.
    pub total_bytes: u64,
    /// How many senders may join.
    pub senders: Ends,
    /// How many receivers may join.
    pub receivers: Ends,
    /// What `send` does when it is full.
    pub when_full: WhenFull,
    /// Whether its messages lie side by side; see [`Options::packed`](crate::Options::packed).
    pub packed: bool,
    /// The message type's name, `None` for raw bytes.
    pub message_type: Option<String>,
    /// How often a message may be delivered; `None`: as often as it takes.
    pub max_deliveries: Option<u32>,
    /// The queue that takes what has been delivered so often; `None`: that is dropped.
    pub dead_letter: Option<String>,
    /// Whether it goes when its last member leaves.
    pub ephemeral: bool,
    /// Whether it is marked closed.
    pub closed: bool,
    /// The version of its format.
    pub format_version: u32,
    /// When it was made, in nanoseconds since 1970.
    pub created_ns: u64,
    /// What all endpoints together have done since then. Counters of an endpoint that was killed may lack its last call.
    pub totals: Counters,
    /// Those that are joined now.
    pub endpoints: Vec<EndpointStat>,
}

/// Cumulative counters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counters {
    /// Messages sent.
    pub sent: u64,
    /// Bytes sent.
    pub sent_bytes: u64,
    /// Messages taken and released.
    pub pulled: u64,
    /// Bytes of those.
    pub pulled_bytes: u64,
    /// Sends refused because the queue was full.
    pub dropped: u64,
    /// Messages replaced by newer ones because the queue was full.
    pub overwritten: u64,
    /// Messages taken that had been delivered before.
    pub redelivered: u64,
    /// Dead endpoints that were repaired.
    pub recovered: u64,
    /// Messages that went to the dead-letter queue, having been delivered as often as the queue allows.
    pub dead_lettered: u64,
    /// Such messages that were dropped, because the queue names no dead-letter queue.
    pub expired: u64,
    /// How often the dead-letter queue could not take such a message, which then was delivered once more.
    pub not_dead_lettered: u64,
}

/// One joined endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct EndpointStat {
    /// Its number, which signs what it holds.
    pub number: u16,
    /// Which end it is.
    pub role: Role,
    /// Its process, or `None` if that is of another pid namespace.
    pub pid: Option<u32>,
    /// When it joined, in nanoseconds since 1970.
    pub joined_ns: u64,
    /// Whether it lives.
    pub liveness: Liveness,
}

/// Removes the queue of that name. Those who have it open may drain it and then learn that it is removed; its memory
/// goes with the last of them. A corrupt queue can be removed; what somebody else made is left alone.
///
/// # Errors
/// [`RemoveError::NotFound`] if there is none; others as [`RemoveError`] says.
pub fn remove(name: &str) -> Result<(), RemoveError> {
    remove_with(name, &Accept::default())
}

/// Removes a queue that one of the owners in `accept` made. Only its owner and root may.
///
/// # Errors
/// As [`remove`].
pub fn remove_with(name: &str, accept: &Accept) -> Result<(), RemoveError> {
    segment::remove(&Name::new(name)?, accept)
}

/// Describes a queue.
pub(crate) fn stat(segment: &Arc<Segment>) -> Stat {
    let header = segment.header();
    let request = &header.geometry.request;
    let rows = (0..header.geometry.rows as usize).filter_map(|index| Some((index, segment.row(index)?)));
    let mut totals = Counters::default();
    let mut endpoints = Vec::new();
    for (index, row) in rows {
        totals.add(row);
        endpoints.extend(endpoint_stat(segment, index, row));
    }
    let ring = SharedRing::new(segment);
    if ring.cursors_count() {
        totals.add_by_cursors(&ring);
    }
    Stat {
        name: segment.name().map_or("", Name::as_str).to_owned(),
        capacity: request.capacity,
        size: ring::size(&ring),
        max_len: request.max_len,
        total_bytes: header.geometry.total,
        senders: request.senders,
        receivers: request.receivers,
        when_full: request.when_full,
        packed: request.packed,
        message_type: header.message_type.as_ref().map(|t| t.name.clone()),
        max_deliveries: (header.deliveries.most > 0).then_some(header.deliveries.most),
        dead_letter: header.deliveries.dead_letter.clone(),
        ephemeral: header.ephemeral,
        closed: read(&segment.control().signals.closed) != 0,
        format_version: VERSION,
        created_ns: header.created_ns,
        totals,
        endpoints,
    }
}

impl Counters {
    /// What nobody has counted because the cursors say it: everything that was sent, and what was released but for what was put away.
    fn add_by_cursors(&mut self, ring: &SharedRing) {
        let len = ring.max_len() as u64;
        self.sent = ring::sent_to(ring);
        self.pulled = read(ring.head()).saturating_sub(self.dead_lettered.saturating_add(self.expired));
        self.sent_bytes = self.sent.wrapping_mul(len);
        self.pulled_bytes = self.pulled.wrapping_mul(len);
    }

    fn add(&mut self, row: &Row) {
        let add = |total: &mut u64, counter| *total = total.wrapping_add(read(counter));
        add(&mut self.sent, &row.sent);
        add(&mut self.sent_bytes, &row.sent_bytes);
        add(&mut self.pulled, &row.pulled);
        add(&mut self.pulled_bytes, &row.pulled_bytes);
        add(&mut self.dropped, &row.dropped);
        add(&mut self.overwritten, &row.overwritten);
        add(&mut self.redelivered, &row.redelivered);
        add(&mut self.recovered, &row.recovered);
        add(&mut self.dead_lettered, &row.dead_lettered);
        add(&mut self.expired, &row.expired);
        add(&mut self.not_dead_lettered, &row.not_dead_lettered);
    }
}

fn endpoint_stat(segment: &Segment, index: usize, row: &Row) -> Option<EndpointStat> {
    if RowState::of(read(&row.state)) == Some(RowState::Free) {
        return None;
    }
    endpoint_of(index, row, liveness(segment, index))
}

/// `None`: its row has not been signed yet.
fn endpoint_of(index: usize, row: &Row, liveness: Liveness) -> Option<EndpointStat> {
    // Relaxed: part of a snapshot.
    let role = match row.role.load(Ordering::Relaxed) {
        1 => Role::Sender,
        2 => Role::Receiver,
        _ => return None,
    };
    let pid = visible_pid(row);
    Some(EndpointStat {
        number: (index + 1) as u16,
        role,
        pid: (pid != 0).then_some(pid),
        joined_ns: read(&row.joined_ns),
        liveness,
    })
}

fn read(word: &AtomicU64) -> u64 {
    // Relaxed: part of a snapshot.
    word.load(Ordering::Relaxed)
}
