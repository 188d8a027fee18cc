//! What is measured: one lane for each kind, size and pair of ends; and the queues that the lanes use.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use ringpost::{Ends, Error, Options, Payload, Queue, WhenFull};

use super::shared::RAW_WORDS;
use crate::format::ends;

/// How long a full or empty queue is waited for before somebody looks whether the other process lives.
pub const STALLED: Duration = Duration::from_millis(100);
/// Bytes that a queue's messages may take, where that leaves a useful number of them: about what a cache holds.
const QUEUE_BYTES: usize = 1 << 20;
/// Messages that a queue holds at least where one is under way at a time.
const TRIP_CAPACITY: usize = 8;

/// From this size on, messages are written in place.
pub const IN_PLACE: usize = 4096;
/// Messages of a batch, and between two looks at the clock.
pub const BATCH: usize = 32;

/// One thing that is measured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lane {
    pub kind: Kind,
    /// Bytes of a message.
    pub len: usize,
    pub senders: Ends,
    pub receivers: Ends,
    /// What its queues' names begin with.
    pub name: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// There and back, with no queue.
    Raw,
    /// There and back through two queues.
    Trip,
    /// One way, one message at a time.
    Single,
    /// One way, in batches.
    Batch,
}

impl Kind {
    const ALL: [Self; 4] = [Self::Raw, Self::Trip, Self::Single, Self::Batch];

    /// Its name in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Raw => "raw",
            Self::Trip => "trip",
            Self::Single => "single",
            Self::Batch => "batch",
        }
    }

    /// Whether messages go there and back.
    pub fn is_trip(self) -> bool {
        matches!(self, Self::Raw | Self::Trip)
    }
}

impl Lane {
    /// The limit that the machine sets.
    pub fn raw() -> Self {
        let len = RAW_WORDS * 8;
        Self { kind: Kind::Raw, len, senders: Ends::Single, receivers: Ends::Single, name: "none".to_owned() }
    }

    /// Whether messages are values of a type, of which all have one length: `u64`.
    pub fn is_typed(&self) -> bool {
        self.len == 8
    }

    /// Whether messages are written in place.
    pub fn in_place(&self) -> bool {
        !self.kind.is_trip() && self.len >= IN_PLACE
    }

    /// Its queue there.
    pub fn there(&self) -> String {
        format!("{}-there", self.name)
    }

    /// Its queue back.
    pub fn back(&self) -> String {
        format!("{}-back", self.name)
    }

    /// The names of all of its queues.
    fn queues(&self) -> Vec<String> {
        match self.kind {
            Kind::Raw => vec![],
            Kind::Trip => vec![self.there(), self.back()],
            Kind::Single | Kind::Batch => vec![self.there()],
        }
    }

    /// Messages that a queue of it holds: enough for some batches, or, since one is under way at a time, few enough for the
    /// nearest cache.
    pub fn capacity(&self) -> usize {
        if self.kind.is_trip() { TRIP_CAPACITY } else { (QUEUE_BYTES / self.len.max(1)).clamp(4 * BATCH, 64 * BATCH) }
    }

    /// Makes or opens one of its queues.
    ///
    /// # Errors
    /// Those of [`Queue::open_or_create`].
    pub fn open<T: ?Sized + Payload>(&self, name: &str, options: Options<T>) -> Result<Queue<T>, Error> {
        let options = options.senders(self.senders).receivers(self.receivers);
        Queue::open_or_create(name, options.when_full(WhenFull::Deadline(STALLED)).prefault(true))
    }
}

/// So that a lane can be told to the second process as an argument.
impl fmt::Display for Lane {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kind, len, senders, receivers, name } = self;
        write!(f, "{}:{len}:{}:{}:{name}", kind.name(), ends(*senders), ends(*receivers))
    }
}

impl FromStr for Lane {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parts: Vec<_> = text.split(':').collect();
        let [kind, len, senders, receivers, name] = parts[..] else { return Err("not a lane".to_owned()) };
        let kind = Kind::ALL.into_iter().find(|k| k.name() == kind).ok_or("not a kind of lane")?;
        let end = |text| [Ends::Single, Ends::Multi].into_iter().find(|e| ends(*e) == text).ok_or("not ends");
        Ok(Self {
            kind,
            len: len.parse().map_err(|_| "not a length")?,
            senders: end(senders)?,
            receivers: end(receivers)?,
            name: name.to_owned(),
        })
    }
}

/// Removes the queues of its lanes when it goes, however that comes about.
pub struct Cleanup(pub Vec<Lane>);

impl Drop for Cleanup {
    fn drop(&mut self) {
        for name in self.0.iter().flat_map(Lane::queues) {
            // Not all of them need exist yet.
            let _ = ringpost::remove(&name);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lanes_survive_the_command_line() {
        let lane = Lane { kind: Kind::Batch, len: 64, senders: Ends::Multi, ..Lane::raw() };
        assert_eq!(lane.to_string().parse(), Ok(lane));
        assert!("batch:64".parse::<Lane>().is_err());
    }
}
