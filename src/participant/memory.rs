//! The ring of a mapped segment, and the bytes of its slots.

use std::sync::Arc;

use super::owning::Owning;
use crate::error::Fault;
use crate::layout::LINE;
use crate::layout::control::Signals;
use crate::layout::geometry::{Ends, Geometry};
use crate::os::processor::is_zen_4;
use crate::ring::{self, Memory, Run};
use crate::segment::{Segment, Slot, Slots};
use crate::sync::{AtomicU64, Ordering};

/// How many cache lines a batch fetches ahead: enough to hide a miss behind the work on those before.
const LINES_AHEAD: u64 = 8;
/// How many messages a receiver goes on with before it looks for more: enough that looking costs nothing.
const AT_ONCE: u64 = 128;
/// After how many messages an only sender looks how far behind its receiver is: so many that looking costs nothing.
const BETWEEN_LOOKS: u64 = 4096;

/// The shared words and payloads of one segment, kept alive by this handle.
pub struct SharedRing {
    slots: Slots,
    shift: u32,
    max_len: usize,
    /// Slots that share a cache line, less one.
    line_mask: u64,
    /// For how many slots tail is told at once.
    tail_step: u64,
    /// One sender sends messages of one length to one receiver: the cursors count them.
    cursors_count: bool,
    /// One sender sends all messages.
    in_order: bool,
    /// How many slots ahead of its work a batch fetches.
    ahead: u64,
    /// On Zen 4, where messages share lines. With lines of their own it was not worth it, and on other processors not measured.
    told_at_once: Option<u64>,
    /// Lines of messages that have been read are taken over from their sender's processor.
    owning: Owning,
    /// The line of a payload comes before that of the word that commits it, or of tail. An only sender asks for the word's only when it has the
    /// payload's: both are asked for at once otherwise; the word's, which is in a nearer cache, comes first, and a receiver that polls takes it
    /// away again before the payload is there. And who watches the word asks for the payload's between two looks: it lies ready by the time that the
    /// word's changes hands. (From many senders, which do not wait so, that changes little.) On AMD's Zen 4; on Zen 3 and Zen 5, and on Intel's,
    /// the waiting costs more than it saves.
    payload_first: bool,
}

/// For how many slots tail is told at once: those of a line between single ends, but not more than there are.
fn tail_step(geometry: &Geometry, slots_per_line: u64) -> u64 {
    let one_to_one = [geometry.send_protocol(), geometry.receive_protocol()] == [Ends::Single; 2];
    if one_to_one && !geometry.request.packed { slots_per_line.min(geometry.request.capacity) } else { 1 }
}

impl SharedRing {
    /// A handle on the ring of `segment`.
    pub fn new(segment: &Arc<Segment>) -> Self {
        let geometry = &segment.header().geometry;
        let slots = segment.slots();
        let slots_per_line = LINE as u64 / geometry.payload_stride.min(LINE as u64);
        let one_to_one = [geometry.send_protocol(), geometry.receive_protocol()] == [Ends::Single; 2];
        Self {
            shift: geometry.shift(),
            max_len: geometry.request.max_len as usize,
            line_mask: slots_per_line - 1,
            tail_step: tail_step(geometry, slots_per_line),
            in_order: geometry.send_protocol() == Ends::Single,
            cursors_count: one_to_one && geometry.request.fixed_len,
            ahead: LINES_AHEAD * slots_per_line,
            told_at_once: (geometry.payload_stride < LINE as u64 && is_zen_4()).then_some(AT_ONCE),
            owning: Owning::by_default(geometry),
            payload_first: slots.payloads_are_far_lines() && is_zen_4(),
            slots,
        }
    }

    /// The words that both sides look at.
    #[inline]
    pub fn signals(&self) -> &Signals {
        &self.slots.control().signals
    }

    /// The segment.
    #[inline]
    pub fn segment(&self) -> &Arc<Segment> {
        self.slots.segment()
    }

    /// Whether the messages of a lap follow one another without a gap.
    #[inline]
    pub fn is_contiguous(&self) -> bool {
        self.slots.is_contiguous()
    }

    /// Whether a slot's payload lies on the cache line of its word.
    #[inline]
    pub fn word_is_near(&self) -> bool {
        self.slots.word_is_near()
    }

    /// Whether a receiver is to own the lines of a message of `len` bytes before it releases that.
    #[inline]
    pub fn owns_lines(&self, len: usize) -> bool {
        self.owning.all_of(len)
    }

    /// The same for each message of a batch.
    #[inline]
    pub fn owns_lines_of_batches(&self) -> bool {
        self.owning.all_of_batches()
    }

    /// How many bytes lie from one message to the next where it is to own lines that messages share. 0: it is not.
    #[inline]
    pub fn owns_shared_lines(&self) -> usize {
        self.owning.shared()
    }

    /// How many messages an only receiver that takes them one by one goes on with at once, of those that tail tells, once it has asked for their lines;
    /// `None`: with all, and asks for none.
    #[inline]
    pub fn told_at_once(&self) -> Option<u64> {
        self.told_at_once
    }

    /// Whether it is to own the line of the message in `slot`, the last one there.
    #[inline(always)]
    pub fn owns_line_with(&self, slot: Slot<'_>) -> bool {
        self.owning.line_at(slot.payload().addr())
    }

    /// Has lines owned so from now on, or not.
    pub fn set_owning(&mut self, yes: bool) {
        self.owning = if yes { Owning::all(&self.segment().header().geometry) } else { Owning::NONE };
    }

    /// Whether nobody counts messages that were sent and released, because the cursors say it.
    #[inline]
    pub fn cursors_count(&self) -> bool {
        self.cursors_count
    }

    /// The longest message, in bytes.
    #[inline]
    pub fn max_len(&self) -> usize {
        self.max_len
    }

    /// Whether every message has [`Self::max_len`] bytes.
    #[inline]
    pub fn fixed_len(&self) -> bool {
        self.slots.fixed_len()
    }

    /// Whether a message may have `len` bytes.
    #[inline]
    pub fn fits(&self, len: usize) -> bool {
        len == self.max_len || len < self.max_len && !self.fixed_len()
    }

    /// Notes the length of the message in `slot`, which the caller has claimed. At most [`Self::max_len`].
    #[inline]
    pub fn set_len(&self, slot: Slot<'_>, len: usize) {
        debug_assert!(len <= self.max_len);
        if let Some(place) = slot.len() {
            // Relaxed: the commit orders it.
            place.store(len as u32, Ordering::Relaxed);
        }
    }

    /// The length of the message in `slot`, which the caller has taken: never more than [`Self::max_len`].
    #[inline]
    pub fn len(&self, slot: Slot<'_>) -> usize {
        let Some(place) = slot.len() else { return self.max_len };
        // Relaxed: the take orders it. Cut off, so that a scribbler cannot make us read beyond the slot.
        (place.load(Ordering::Relaxed) as usize).min(self.max_len)
    }

    /// The lengths of the messages of `run`, which the caller has taken, in all.
    #[inline]
    pub fn total_len(&self, run: Run) -> u64 {
        if self.fixed_len() {
            return run.count.wrapping_mul(self.max_len as u64);
        }
        run.positions().map(|position| self.len(self.slot(position)) as u64).sum()
    }

    /// Whether the lengths of the messages of `run` are sound, as [`check_len`](Self::check_len).
    #[inline]
    pub fn check_lens(&self, run: Run) -> Result<(), Fault> {
        if self.fixed_len() {
            return Ok(());
        }
        run.positions().try_for_each(|position| self.check_len(self.slot(position)))
    }

    /// Whether the length of a taken message is one that a sender may have written.
    #[inline]
    pub fn check_len(&self, slot: Slot<'_>) -> Result<(), Fault> {
        let Some(place) = slot.len() else { return Ok(()) };
        // Relaxed: the take orders it.
        let len = place.load(Ordering::Relaxed) as usize;
        if len <= self.max_len {
            Ok(())
        } else {
            Err(Fault::corrupt("message length", self.max_len as u64, len as u64))
        }
    }

    /// Has the kernel map up to `bytes` bytes of slots from `position` on. Returns how many slots that are.
    pub fn populate(&self, position: u64, bytes: usize) -> u64 {
        self.slots.populate(position, bytes)
    }
}

impl<'m> ring::Slot<'m> for Slot<'m> {
    #[inline]
    fn word(self) -> &'m AtomicU64 {
        Slot::word(self)
    }
}

impl Memory for SharedRing {
    type Slot<'m> = Slot<'m>;

    #[inline]
    fn slot(&self, position: u64) -> Slot<'_> {
        self.slots.slot(position)
    }
    #[inline]
    fn head(&self) -> &AtomicU64 {
        &self.slots.control().head
    }
    #[inline]
    fn tail(&self) -> &AtomicU64 {
        &self.slots.control().tail
    }
    #[inline]
    fn delivered_to(&self) -> &AtomicU64 {
        &self.slots.control().delivered_to
    }
    #[inline]
    fn retry_epoch(&self) -> &AtomicU64 {
        &self.signals().retry_epoch
    }
    #[inline]
    fn retry_settled(&self) -> &AtomicU64 {
        &self.signals().retry_settled
    }
    #[inline]
    fn shift(&self) -> u32 {
        self.shift
    }
    #[inline]
    fn tail_step(&self) -> u64 {
        self.tail_step
    }
    #[inline]
    fn in_order(&self) -> bool {
        self.in_order
    }
    #[inline]
    fn is_packed(&self) -> bool {
        self.slots.is_packed()
    }
    #[inline]
    fn fetch_ahead(&self, position: u64, end: u64) {
        if position & self.line_mask == 0 {
            let ahead = position.wrapping_add(self.ahead);
            if ahead < end {
                self.slots.fetch_ahead(ahead);
            }
        }
    }
    #[inline]
    fn look_ahead(&self, position: u64, end: u64) {
        let ahead = position.wrapping_add(self.ahead);
        if position & self.line_mask == 0 && ahead < end {
            self.slots.look_ahead(ahead);
        }
    }
    #[inline]
    fn look_at(&self, slot: Slot<'_>) {
        slot.look_ahead();
    }
    #[inline]
    fn payload_first(&self) -> bool {
        self.payload_first
    }
    #[inline(always)]
    fn fetch_to_claim(&self, slot: Slot<'_>) {
        slot.fetch_to_claim();
    }
    #[inline]
    fn fetch_words_ahead(&self, position: u64) {
        self.slots.fetch_words_ahead(position);
    }
    #[inline(always)]
    fn once_written<'m>(&'m self, slot: Slot<'m>, word: &'m AtomicU64) -> &'m AtomicU64 {
        slot.once_written(word)
    }
    /// No more lines than the processor can ask for at once: they are read right afterwards.
    #[inline]
    fn fetch_to_read(&self, run: Run) {
        self.slots.fetch_to_read(run.first, run.count.min(self.ahead));
    }
    #[inline]
    fn at_once(&self) -> u64 {
        AT_ONCE
    }
    #[inline]
    fn between_looks(&self) -> u64 {
        BETWEEN_LOOKS
    }
    /// Not where messages have several lines: there the processor sees by itself which come next. A line that one message has to itself, and that is to be
    /// owned, is asked for so at once, or it would have to be asked for twice.
    #[inline]
    fn fetch_to_take(&self, run: Run) {
        if self.max_len > LINE {
            return;
        }
        if self.owns_lines(self.max_len) {
            self.fetch_to_write(run);
        } else {
            self.slots.fetch_to_read(run.first, run.count);
        }
    }
    #[inline]
    fn fetch_to_write(&self, run: Run) {
        self.slots.fetch_to_write(run.first, run.count);
    }
    #[inline]
    fn slots(&self, piece: Run) -> impl Iterator<Item = Slot<'_>> {
        self.slots.row_of_slots(piece.first, piece.count)
    }
}
