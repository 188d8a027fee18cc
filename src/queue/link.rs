//! What a sender and a receiver have in common: their endpoint, the ring, and what to do when they cannot go on.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use super::stall::Stall;
use super::watch::Watch;
use crate::error::{JoinError, Role};
use crate::layout::control::{Row, Signals};
use crate::layout::geometry::Ends;
use crate::participant::{Endpoint, SharedRing, Sweep, any_alive, recover_in_the_way, repair_all};
use crate::ring::{self, InTheWay, Memory, Run};
use crate::segment::Segment;
use crate::sync::{AtomicU64, Ordering};
use crate::wait::{Before, Futex, LONG_SLEEP, SHORT_SLEEP, Wait, notify, notify_all};

/// Looks in vain, without waiting, after which the clock is read to see whether it is time to look for the dead.
const LOOKS_PER_SWEEP: u32 = 64;

/// One joined endpoint at work.
pub struct Link {
    endpoint: Endpoint,
    /// The shared words and payloads.
    pub ring: SharedRing,
    /// How it waits.
    pub wait: Wait,
    /// The kernel's part of waiting.
    pub futex: Futex,
    /// Ends waits while it is set.
    pub interrupt: Option<Arc<AtomicBool>>,
    swept: Instant,
    /// The sweep found that others were joining or repairing.
    under_way: bool,
    /// What the words were before the last sweep that found all in order, made for one who sees the end: the retry epoch, and
    /// the senders that have joined.
    settled: Option<[u64; 2]>,
    /// Looks in vain without waiting, since the clock was read.
    vain: u32,
    pub mapped: Mapped,
    /// When a wait for several ends chose this one last; they count for themselves.
    pub chosen: u64,
    /// What a helper thread does in its place, once asked for.
    pub watch: Option<Watch>,
    /// Whom it waits for.
    pub stall: Stall,
    /// One of many claims what it sends, and takes what it releases.
    before: Before,
}

/// How much of the ring this endpoint has had mapped. Pages are mapped in growing pieces ahead of the first lap: one system
/// call instead of hundreds of page faults, without mapping all of a large queue for a few messages.
pub struct Mapped {
    /// Positions below it have been dealt with.
    to: u64,
    /// Slots left until a whole lap has been.
    left: u64,
    /// Bytes to map next.
    next: usize,
}

impl Link {
    /// Joins and repairs what the dead have left.
    pub fn join(segment: &Arc<Segment>, role: Role) -> Result<Self, JoinError> {
        let endpoint = Endpoint::join(segment, role)?;
        let ring = SharedRing::new(segment);
        let (wait, futex) = (Wait::default(), Futex::register());
        let stall = Stall::default();
        let mapped = Mapped { to: 0, left: ring.capacity(), next: 64 * 1024 };
        // Joining may have repaired a dead one whose place this was.
        wake_all(&futex, ring.signals());
        let swept = Instant::now();
        let (interrupt, vain, chosen, watch) = (None, 0, 0, None);
        let (under_way, settled) = (false, None);
        let geometry = &segment.header().geometry;
        let ends = if role == Role::Sender { geometry.send_protocol() } else { geometry.receive_protocol() };
        let before = if ends == Ends::Multi { Before::Claim } else { Before::Nothing };
        let mut link = Self {
            endpoint,
            ring,
            wait,
            futex,
            interrupt,
            swept,
            under_way,
            settled,
            vain,
            mapped,
            chosen,
            watch,
            stall,
            before,
        };
        link.sweep();
        Ok(link)
    }

    /// The number that signs claims.
    pub fn number(&self) -> u16 {
        self.endpoint.number()
    }

    /// The endpoint's row, whose counters are its own to write.
    #[inline]
    pub fn row(&self) -> &Row {
        self.endpoint.row()
    }

    /// The words that both sides look at.
    #[inline]
    pub fn signals(&self) -> &Signals {
        self.ring.signals()
    }

    /// Whether this is the process that joined.
    #[inline]
    pub fn is_here(&self) -> bool {
        self.endpoint.is_here()
    }

    /// The process that joined.
    pub fn fork_generation(&self) -> u64 {
        self.endpoint.fork_generation()
    }

    /// Whether the queue is marked closed.
    #[inline]
    pub fn is_closed(&self) -> bool {
        // Acquire: closed, pairs with close: what was committed before the mark is seen after it.
        self.signals().closed.load(Ordering::Acquire) != 0
    }

    /// Whether the queue's name is gone.
    #[inline]
    pub fn is_removed(&self) -> bool {
        // Acquire: closed, pairs with close.
        self.signals().removed.load(Ordering::Acquire) != 0
    }

    /// Whether the queue is neither closed nor removed: one branch for both.
    #[inline]
    pub fn takes_messages(&self) -> bool {
        let Signals { closed, removed, .. } = self.signals();
        // Relaxed: a sender goes by what it sees, and reads nothing behind it.
        closed.load(Ordering::Relaxed) | removed.load(Ordering::Relaxed) == 0
    }

    /// Whether waits are to end.
    pub fn interrupted(&self) -> bool {
        // Relaxed: a flag that is looked at again and again.
        self.interrupt.as_ref().is_some_and(|flag| flag.load(Ordering::Relaxed))
    }

    /// Wakes as many receivers as there are new messages.
    #[inline]
    pub fn wake_receivers(&self, messages: u64) {
        notify(&self.futex, &self.signals().not_empty.word, cut(messages), Before::Nothing);
    }

    /// Counts messages that have been made visible, where the cursors do not say it, and wakes receivers.
    #[inline(always)]
    pub fn note_sent(&self, messages: u64, bytes: u64) {
        if !self.ring.cursors_count() {
            let row = self.row();
            count(&row.sent, messages);
            count(&row.sent_bytes, bytes);
        }
        notify(&self.futex, &self.signals().not_empty.word, cut(messages), self.before);
    }

    /// Counts messages that have been released, where the cursors do not say it.
    #[inline(always)]
    pub fn note_pulled(&self, messages: u64, bytes: u64) {
        if !self.ring.cursors_count() {
            let row = self.row();
            count(&row.pulled, messages);
            count(&row.pulled_bytes, bytes);
        }
    }

    /// Wakes as many senders as there are new free slots.
    #[inline]
    pub fn wake_senders(&self, slots: u64) {
        notify(&self.futex, &self.signals().not_full.word, cut(slots), Before::Nothing);
    }

    /// The same after this endpoint has released what it had taken.
    #[inline]
    pub fn wake_for_taken(&self, slots: u64) {
        notify(&self.futex, &self.signals().not_full.word, cut(slots), self.before);
    }

    /// Wakes everyone, after something that concerns them all.
    pub fn wake_all(&self) {
        wake_all(&self.futex, self.signals());
    }

    /// Messages that wait to be taken.
    pub fn size(&self) -> u64 {
        ring::size(&self.ring)
    }

    /// The same, and those that are being written.
    pub fn to_come(&self) -> u64 {
        ring::to_come(&self.ring)
    }

    /// Whoever is in the way is repaired if it is dead; from time to time everyone is looked at. Returns whether trying
    /// again at once may help. For the slow path: it makes system calls.
    pub fn repair(&mut self, in_the_way: Option<InTheWay>) -> bool {
        let Some(file) = self.endpoint.file() else { return false };
        let repaired = match in_the_way {
            Some(other) if other.owner != self.endpoint.number() => recover_in_the_way(&self.ring, file, other),
            _ => false,
        };
        if repaired {
            self.wake_all();
        }
        repaired || (self.swept.elapsed() >= LONG_SLEEP && self.sweep())
    }

    /// For those who look in vain without ever waiting: whether it is time for the checks of the slow path.
    pub fn is_time_to_look_around(&mut self) -> bool {
        self.vain = self.vain.wrapping_add(1) % LOOKS_PER_SWEEP;
        self.vain == 0
    }

    /// The next look in vain makes the checks of the slow path.
    pub fn look_around_next(&mut self) {
        self.vain = LOOKS_PER_SWEEP - 1;
    }

    /// Whether senders have joined and none is left alive.
    pub fn senders_gone(&self) -> bool {
        senders_gone(&self.ring)
    }

    /// Frees everything that this endpoint still holds in the ring: guards that were leaked.
    pub fn reclaim(&self) {
        ring::recover(&self.ring, self.number());
        self.wake_all();
    }

    /// Looks at every other endpoint and repairs the dead. Returns whether there were any.
    pub fn sweep(&mut self) -> bool {
        self.swept = Instant::now();
        let Some(file) = self.endpoint.file() else { return false };
        let Sweep { repaired, under_way } = repair_all(&self.ring, file, self.endpoint.number());
        self.under_way = under_way;
        if repaired > 0 {
            self.wake_all();
        }
        repaired > 0
    }

    /// Whether everything that the dead held has come back: repairs the dead, and finds out whether others do just now. What
    /// was found stands for a moment, unless something has come back or a sender has joined since.
    pub fn all_has_come_back(&mut self) -> bool {
        let signals = self.ring.signals();
        // Relaxed: only whether they have moved.
        let now = [&signals.retry_epoch, &signals.senders_joined].map(|word| word.load(Ordering::Relaxed));
        let still = self.settled.is_some_and(|settled| settled == now) && self.swept.elapsed() < SHORT_SLEEP;
        if !still {
            self.sweep();
            self.settled = (!self.under_way).then_some(now);
        }
        !self.under_way
    }
}

impl Mapped {
    /// Has pages mapped ahead, when `run` comes near to the end of what is.
    #[inline]
    pub fn map_ahead(&mut self, ring: &SharedRing, run: Run) {
        if run.end() > self.to {
            self.map_more(ring, run);
        }
    }

    /// The position up to which there is nothing to do.
    #[inline]
    pub fn end(&self) -> u64 {
        self.to
    }

    #[cold]
    fn map_more(&mut self, ring: &SharedRing, run: Run) {
        let from = self.to.max(run.first);
        let count = ring.populate(from, self.next).max(run.count);
        self.left = self.left.saturating_sub(count);
        self.to = if self.left == 0 { u64::MAX } else { from.saturating_add(count) };
        self.next = (self.next * 2).min(4 << 20);
    }
}

/// Whether senders have joined and none is left alive.
pub fn senders_gone(ring: &SharedRing) -> bool {
    // Relaxed: looked at again and again. One that joins behind the search, while another leaves before it, is noticed by
    // the count.
    let joined = || ring.signals().senders_joined.load(Ordering::Relaxed);
    let before = joined();
    before != 0 && !any_alive(ring.segment(), Role::Sender) && joined() == before
}

/// Wakes everyone who sleeps on a queue.
pub fn wake_all(futex: &Futex, signals: &Signals) {
    notify_all(futex, &signals.not_empty.word);
    notify_all(futex, &signals.not_full.word);
}

/// Adds to a counter that only this endpoint writes.
#[inline]
pub fn count(counter: &AtomicU64, more: u64) {
    // Relaxed: a counter with one writer, read by people. No exchange is needed.
    counter.store(counter.load(Ordering::Relaxed).wrapping_add(more), Ordering::Relaxed);
}

#[inline]
fn cut(count: u64) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX).min(i32::MAX as u32)
}
