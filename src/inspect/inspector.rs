//! Looking at a queue without being one of those who have it open.

use core::fmt;
use core::time::Duration;
use std::sync::Arc;

use super::diagnose::{Diagnosis, diagnose};
use super::peek::Peek;
use super::repair::repair;
use super::walk::Walk;
use crate::error::{OpenError, OsError};
use crate::segment::{Accept, Name, Segment};

/// Looks at a queue without opening it: takes no lock and no place, so an ephemeral queue neither stays nor goes because
/// of it.
///
/// ```no_run
/// let inspector = ringpost::Inspector::open("jobs")?;
/// for message in inspector.peek().take(10) {
///     println!("{}: {} bytes, {:?}", message.position, message.bytes.len(), message.state);
/// }
/// # Ok::<(), ringpost::OpenError>(())
/// ```
pub struct Inspector {
    segment: Arc<Segment>,
}

impl Inspector {
    /// Looks at the queue of that name.
    ///
    /// # Errors
    /// [`OpenError::NotFound`] if there is none; others as [`OpenError`] says.
    pub fn open(name: &str) -> Result<Self, OpenError> {
        Self::open_with(name, &Accept::default())
    }

    /// Looks at a queue that one of the owners in `accept` made.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn open_with(name: &str, accept: &Accept) -> Result<Self, OpenError> {
        Ok(Self::of(&Arc::new(Segment::observe(&Name::new(name)?, accept)?)))
    }

    pub(crate) fn of(segment: &Arc<Segment>) -> Self {
        Self { segment: Arc::clone(segment) }
    }

    /// Copies of the messages that are in the queue, oldest first. See [`Queue::peek`](crate::Queue::peek).
    pub fn peek(&self) -> Peek {
        Peek::new(Walk::new(&self.segment))
    }

    /// Who holds what, and what is stuck. See [`Queue::diagnose`](crate::Queue::diagnose).
    pub fn diagnose(&self, watch: Duration) -> Diagnosis {
        diagnose(&Walk::new(&self.segment), watch)
    }

    /// Repairs every dead endpoint. See [`Queue::repair`](crate::Queue::repair).
    ///
    /// # Errors
    /// No descriptors left, or the system refuses otherwise.
    pub fn repair(&self) -> Result<u64, OsError> {
        repair(&self.segment)
    }

    /// Whether anybody has the queue open. Those who inspect it do not count.
    ///
    /// # Errors
    /// The system refuses.
    pub fn is_open(&self) -> Result<bool, OsError> {
        self.segment.is_open_elsewhere()
    }
}

impl fmt::Debug for Inspector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inspector").field("name", &self.segment.name()).finish_non_exhaustive()
    }
}
