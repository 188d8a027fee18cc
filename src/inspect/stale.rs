//! Removing what nobody uses any more.

use core::fmt;
use core::time::Duration;

use super::list::{Judged, Stale};
use super::remove_with;
use crate::error::{OpenError, OsError, RemoveError};
use crate::os::leftover;
use crate::segment::{self, Accept, Name, Removal, Segment};

/// Since when an empty queue must be unused, unless another time is asked for. A script makes a queue in one process and
/// uses it in the next.
const UNUSED: Duration = Duration::from_secs(60);

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
    Some(remove(name, &queue).map(|()| reason))
}

/// Removes a queue that was judged to be stale, if nobody has used it since.
fn remove(name: &Name, queue: &Judged) -> Result<(), Reason> {
    match queue.segment().remove_if_unused(|| queue.is_unchanged()) {
        Ok(Removal::Removed) => Ok(()),
        Ok(Removal::InUse | Removal::Changed) => Err(Reason::InUse),
        Ok(Removal::NotPermitted) => Err(Reason::Failed(RemoveError::NotPermitted { name: name.as_str().to_owned() })),
        Err(error) => Err(Reason::Failed(RemoveError::Os(error))),
    }
}

#[cfg(all(test, not(miri)))]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::error::Role;
    use crate::layout::geometry::{Ends, Request, WhenFull};
    use crate::participant::Endpoint;
    use crate::segment::Spec;

    #[test]
    fn a_queue_that_was_used_since_it_was_judged_stays() {
        let request = Request {
            capacity: 64,
            max_len: 8,
            align: 8,
            fixed_len: false,
            packed: false,
            senders: Ends::Multi,
            receivers: Ends::Multi,
            when_full: WhenFull::Block,
            endpoints: 2,
        };
        let name = Name::new(&format!("unit.judged.{}", std::process::id())).unwrap();
        let accept = Accept::default();
        drop(Segment::create(&name, &Spec::new(request)).unwrap());
        let judge = || Judged::new(Segment::observe(&name, &accept).unwrap());
        let judged = judge();
        assert_eq!(judged.stale.unwrap().messages, 0);
        let segment = Arc::new(Segment::open(&name, &accept).unwrap());
        assert_eq!(remove(&name, &judged), Err(Reason::InUse), "somebody has it open");
        drop(Endpoint::join(&segment, Role::Sender).unwrap());
        drop(segment);
        assert_eq!(remove(&name, &judged), Err(Reason::InUse), "somebody may have sent something");
        assert_eq!(remove(&name, &judge()), Ok(()));
        assert!(matches!(Segment::observe(&name, &accept), Err(OpenError::NotFound { .. })));
    }
}
