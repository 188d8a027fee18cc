//! Messages that have been delivered as often as their queue allows.
//!
//! Such a message is committed in the dead-letter queue first and released here second. A death between the two leaves
//! it in both: a second copy, never a loss.
//!
//! A try that fails can take as long as opening a queue and joining it. So after one, messages are delivered once more without
//! a try for ten times as long as that took: no more than a tenth of the time is lost to a dead-letter queue that is broken.

use core::time::Duration;
use std::time::Instant;

use super::batch::Runs;
use super::link::count;
use super::{Options, Queue, Receiver, Sender};
use crate::error::SendError;
use crate::layout::geometry::{Ends, WhenFull};
use crate::layout::header::{DeliveryLimit, Header};
use crate::payload::Payload;
use crate::ring::Run;
use crate::segment::{Accept, Name, Segment, Spec};

/// A dead-letter queue that is made holds as many messages as the queue itself, or so many where they take no more than
/// that many bytes: they are to wait for somebody.
const ROOMY: u64 = 64;
const ROOMY_BYTES: u64 = 1 << 20;

/// Where a receiver puts what has been delivered too often.
pub(super) struct DeadLetters {
    limit: DeliveryLimit,
    /// Joined when it is needed first.
    sender: Option<Sender>,
    pause: Pause,
}

/// Since a try failed: nothing is tried until then.
#[derive(Default)]
struct Pause(Option<Instant>);

impl Pause {
    const LEAST: Duration = Duration::from_millis(1);
    const MOST: Duration = Duration::from_secs(1);

    fn is_over(&self, now: Instant) -> bool {
        self.0.is_none_or(|until| now >= until)
    }

    /// After a try between `began` and `now`.
    fn begin(&mut self, began: Instant, now: Instant) {
        let pause = (now.duration_since(began) * 10).clamp(Self::LEAST, Self::MOST);
        self.0 = now.checked_add(pause);
    }
}

impl DeadLetters {
    /// `None`: messages may be delivered without limit.
    pub(super) fn of(header: &Header) -> Option<Box<Self>> {
        let limit = header.deliveries.clone();
        (limit.most > 0).then(|| Box::new(Self { limit, sender: None, pause: Pause::default() }))
    }

    /// Commits the message in the dead-letter queue `name`, without waiting. Returns whether that worked.
    fn send(&mut self, name: &str, from: &Segment, message: &[u8]) -> bool {
        if let Some(sender) = &mut self.sender {
            match sender.try_send(message) {
                Ok(()) => return true,
                Err(SendError::Full { .. }) => return false,
                // Whatever it is, the queue of that name may be another one by now.
                Err(_) => self.sender = None,
            }
        }
        let began = Instant::now();
        if !self.pause.is_over(began) {
            return false;
        }
        let sent = open(name, from).and_then(|queue| queue.sender().ok()).map(|mut sender| {
            let sent = sender.try_send(message);
            self.sender = Some(sender);
            sent
        });
        // One that is full is asked each time: that is quick, now that we have joined.
        if !matches!(sent, Some(Ok(()) | Err(SendError::Full { .. }))) {
            self.pause.begin(began, Instant::now());
        }
        matches!(sent, Some(Ok(())))
    }
}

/// The dead-letter queue of `from`: one for any bytes, or for the same type of messages. Made if there is none.
fn open(name: &str, from: &Segment) -> Option<Queue> {
    let name = Name::new(name).ok()?;
    let header = from.header();
    let (mode, owner) = from.mode_and_owner().unwrap_or((0o600, 0));
    let accept = Accept::default().owner(owner);
    let hash = |header: &Header| header.message_type.as_ref().map(|message_type| message_type.hash);
    let checked = |segment: Segment| {
        let fits = hash(segment.header()).is_none_or(|hash_there| Some(hash_there) == hash(header));
        fits.then(|| Queue::new(segment))
    };
    if let Ok(segment) = Segment::open(&name, &accept) {
        return checked(segment);
    }
    let request = header.geometry.request;
    let mut spec: Spec = Options::new(1).spec().clone();
    spec.request = request;
    spec.request.capacity = request.capacity.max(ROOMY.min(ROOMY_BYTES / request.max_len.max(1)));
    spec.request.packed = false;
    spec.request.fixed_len = header.message_type.is_some();
    spec.request.senders = Ends::Multi;
    spec.request.receivers = Ends::Multi;
    spec.request.when_full = WhenFull::Block;
    spec.message_type.clone_from(&header.message_type);
    spec.mode = mode;
    match Segment::create(&name, &spec) {
        Ok(segment) => Some(Queue::new(segment)),
        // Somebody else has just made it.
        Err(_) => Segment::open(&name, &accept).ok().and_then(checked),
    }
}

impl<T: ?Sized + Payload> Receiver<T> {
    /// Adds to `runs` what the program may have of a run in which some have been delivered before.
    #[cold]
    pub(super) fn sort_out(&mut self, run: Run, runs: &mut Runs) {
        self.suspect = false;
        let Some(mut letters) = self.dead_letters.take() else { return runs.push(run) };
        for position in run.positions() {
            let overdue = u32::from(self.deliveries(position)) > letters.limit.most;
            if !(overdue && self.bury(&mut letters, position)) {
                runs.push(Run { first: position, count: 1 });
            }
        }
        self.dead_letters = Some(letters);
    }

    /// Puts the message away for good. Returns whether that worked.
    fn bury(&self, letters: &mut DeadLetters, position: u64) -> bool {
        let row = self.link.row();
        match letters.limit.dead_letter.clone() {
            None => count(&row.expired, 1),
            Some(name) => {
                if !letters.send(&name, self.link.ring.segment(), self.message(position).as_bytes()) {
                    count(&row.not_dead_lettered, 1);
                    return false;
                }
                count(&row.dead_lettered, 1);
            }
        }
        self.free(Run { first: position, count: 1 });
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_is_ten_times_as_long_as_the_try_within_bounds() {
        let (start, ms) = (Instant::now(), Duration::from_millis);
        for (took, pause) in [(0, 1), (7, 70), (5000, 1000)] {
            let mut paused = Pause::default();
            assert!(paused.is_over(start));
            let end = start + ms(took);
            paused.begin(start, end);
            assert!(!paused.is_over(end) && !paused.is_over(end + ms(pause) - Duration::from_nanos(1)), "{took}");
            assert!(paused.is_over(end + ms(pause)), "{took}");
        }
    }
}
