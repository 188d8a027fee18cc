//! Which queues there are, which of them nobody uses any more, and removing those.

use core::fmt;
use core::time::Duration;
use std::sync::Arc;

use super::scan::Scan;
use super::walk::Walk;
use super::{read, remove_with};
use crate::error::{Fault, OpenError, OsError, RemoveError};
use crate::layout::control::RowState;
use crate::layout::geometry::Ends;
use crate::layout::header::Header;
use crate::os::{identity, leftover};
use crate::participant::{Liveness, liveness};
use crate::ring::Memory;
use crate::segment::{self, Accept, Name, Removal, Segment};

/// Since when an empty queue must be unused, unless another time is asked for. A script makes a queue in one process and
/// uses it in the next.
const UNUSED: Duration = Duration::from_secs(60);

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
    /// Whether [`remove_stale`] would remove it: it is ours, its maker is dead, and it is older than a minute.
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

/// What [`remove_stale`] removes.
///
/// By default: temporary files that are left over; ephemeral queues whose last member was killed; and queues that are
/// empty, that nobody has open, and that nobody has joined for a minute. A queue with messages in it is kept: that
/// nobody has it open at the moment is what queues are for.
#[derive(Clone, Debug)]
pub struct StaleRules {
    older_than: Duration,
    with_messages: bool,
    dry_run: bool,
    accept: Accept,
    only: Vec<String>,
}

impl Default for StaleRules {
    fn default() -> Self {
        Self { older_than: UNUSED, with_messages: false, dry_run: false, accept: Accept::default(), only: Vec::new() }
    }
}

impl StaleRules {
    /// Only queues that nobody has joined for so long, instead of for a minute. Ephemeral ones go at once.
    #[must_use]
    pub fn older_than(mut self, unused_for: Duration) -> Self {
        self.older_than = unused_for;
        self
    }

    /// Queues with messages in them, too: the messages are lost.
    #[must_use]
    pub fn with_messages(mut self) -> Self {
        self.with_messages = true;
        self
    }

    /// Removes nothing, and says what would be removed.
    #[must_use]
    pub fn dry_run(mut self) -> Self {
        self.dry_run = true;
        self
    }

    /// Queues that one of these owners made, besides our own and root's.
    #[must_use]
    pub fn accept(mut self, accept: Accept) -> Self {
        self.accept = accept;
        self
    }

    /// Only the queue, or temporary file, of this name, and of others that are named so.
    #[must_use]
    pub fn only(mut self, name: &str) -> Self {
        self.only.push(name.to_owned());
        self
    }

    fn is_meant(&self, name: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|meant| meant == name)
    }

    /// `Ok`: it is to be removed.
    fn judge(&self, queue: &Judged) -> Result<Reason, Reason> {
        let Some(Stale { messages, unused_for }) = queue.stale else { return Err(Reason::InUse) };
        if let Some(fault) = queue.fault {
            return Err(Reason::CannotOpen(fault.into()));
        }
        if queue.header().ephemeral {
            return Ok(Reason::Outlived);
        }
        if unused_for < self.older_than {
            return Err(Reason::UsedLately { unused_for });
        }
        match messages {
            0 => Ok(Reason::Empty { unused_for }),
            _ if self.with_messages => Ok(Reason::Messages { messages, unused_for }),
            _ => Err(Reason::Messages { messages, unused_for }),
        }
    }
}

/// What [`remove_stale`] did with one queue or temporary file.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Swept {
    /// The queue's name, or the temporary file's.
    pub name: String,
    /// Whether it is a temporary file.
    pub temporary: bool,
    /// Whether it was removed, or would be.
    pub removed: bool,
    /// Why it was removed, or left.
    pub reason: Reason,
}

/// Why something is stale or not.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reason {
    /// Somebody has it open, or that cannot be ruled out.
    InUse,
    /// Somebody joined it lately, or made it.
    UsedLately {
        /// How long ago.
        unused_for: Duration,
    },
    /// It has messages in it.
    Messages {
        /// How many.
        messages: u64,
        /// Since somebody joined it.
        unused_for: Duration,
    },
    /// It has no messages in it.
    Empty {
        /// Since somebody joined it.
        unused_for: Duration,
    },
    /// It is ephemeral, and its last member was killed.
    Outlived,
    /// It was being removed when its remover died.
    HalfRemoved,
    /// A temporary file whose maker is dead.
    MakerDead,
    /// A temporary file whose maker lives or may live: it has a lock, or is younger than a minute, or is another user's.
    MakerAlive,
    /// It is none of ours, or damaged: only what is understood is removed as stale.
    CannotOpen(OpenError),
    /// It is stale, and could not be removed.
    Failed(RemoveError),
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = |time: &Duration| time.as_secs();
        match self {
            Self::InUse => f.write_str("somebody has it open"),
            Self::UsedLately { unused_for } => write!(f, "used {} s ago", seconds(unused_for)),
            Self::Messages { messages, unused_for } => {
                write!(f, "{messages} messages in it, unused for {} s", seconds(unused_for))
            }
            Self::Empty { unused_for } => write!(f, "empty, unused for {} s", seconds(unused_for)),
            Self::Outlived => f.write_str("ephemeral, and its last member is dead"),
            Self::HalfRemoved => f.write_str("its removal was not finished"),
            Self::MakerDead => f.write_str("its maker is dead"),
            Self::MakerAlive => f.write_str("its maker is at work, or was a minute ago, or is another user"),
            Self::CannotOpen(error) => error.fmt(f),
            Self::Failed(error) => error.fmt(f),
        }
    }
}

/// Removes what nobody uses any more, as `rules` say, and tells of everything that it has looked at.
///
/// A queue is judged and removed while nobody can open it. Whoever comes at the same time either is seen, and the queue
/// stays, or finds no queue.
///
/// # Errors
/// The shared-memory file system cannot be read. That one queue cannot be removed is told with that queue.
pub fn remove_stale(rules: &StaleRules) -> Result<Vec<Swept>, OsError> {
    let mut all = Vec::new();
    let queues = segment::list(&rules.accept)?;
    for listed in queues.into_iter().filter(|listed| rules.is_meant(listed.name.as_str())) {
        let verdict = match listed.found {
            Ok(_) => sweep(&listed.name, rules),
            Err(error) => Some(Err(Reason::CannotOpen(error))),
        };
        if let Some(verdict) = verdict {
            all.push(Swept::new(listed.name.as_str(), false, verdict));
        }
    }
    for found in leftover::list()?.into_iter().filter(|found| rules.is_meant(&found.name)) {
        // One that another collects at the same moment is as good as removed.
        let removed = found.is_garbage() && (rules.dry_run || leftover::remove(&found.name).unwrap_or(false));
        let verdict = if removed { Ok(Reason::MakerDead) } else { Err(Reason::MakerAlive) };
        all.push(Swept::new(&found.name, true, verdict));
    }
    Ok(all)
}

impl Swept {
    fn new(name: &str, temporary: bool, verdict: Result<Reason, Reason>) -> Self {
        let removed = verdict.is_ok();
        let (Ok(reason) | Err(reason)) = verdict;
        Self { name: name.to_owned(), temporary, removed, reason }
    }
}

/// `None`: it has gone meanwhile.
fn sweep(name: &Name, rules: &StaleRules) -> Option<Result<Reason, Reason>> {
    let segment = match Segment::observe(name, &rules.accept) {
        Ok(segment) => segment,
        Err(OpenError::NotFound { .. }) => return None,
        Err(OpenError::Removed { .. }) if rules.dry_run => return Some(Ok(Reason::HalfRemoved)),
        Err(OpenError::Removed { .. }) => {
            return match remove_with(name.as_str(), &rules.accept) {
                Ok(()) | Err(RemoveError::NotFound { .. }) => Some(Ok(Reason::HalfRemoved)),
                Err(error) => Some(Err(Reason::Failed(error))),
            };
        }
        Err(error) => return Some(Err(Reason::CannotOpen(error))),
    };
    let queue = Judged::new(segment);
    let reason = match rules.judge(&queue) {
        Ok(reason) if !rules.dry_run => reason,
        verdict => return Some(verdict),
    };
    // Nobody could change it without joining, and a join shows.
    let is_as_judged = || queue.state() == queue.judged_in;
    Some(match queue.segment().remove_if_unused(is_as_judged) {
        Ok(Removal::Removed) => Ok(reason),
        Ok(Removal::InUse | Removal::Changed) => Err(Reason::InUse),
        Ok(Removal::NotPermitted) => Err(Reason::Failed(RemoveError::NotPermitted { name: name.as_str().to_owned() })),
        Err(error) => Err(Reason::Failed(RemoveError::Os(error))),
    })
}

/// A queue that was looked at from outside.
struct Judged {
    walk: Walk,
    open: Option<bool>,
    stale: Option<Stale>,
    /// Words that contradict each other: what they say of its messages is nothing to go by.
    fault: Option<Fault>,
    /// The words that everyone changes who joins, read before anything else.
    judged_in: Vec<u64>,
}

impl Judged {
    fn new(segment: Segment) -> Self {
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

    fn segment(&self) -> &Segment {
        self.walk.segment()
    }

    fn header(&self) -> &Header {
        self.segment().header()
    }

    fn rows(&self) -> impl Iterator<Item = (usize, &crate::layout::control::Row)> {
        let count = self.header().geometry.rows as usize;
        (0..count).filter_map(|index| Some((index, self.segment().row(index)?)))
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
