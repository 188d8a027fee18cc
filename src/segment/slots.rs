//! The slots of a segment, as the hot path sees them.

use core::fmt;
use core::ptr::NonNull;
use std::sync::Arc;

use super::{Segment, fetch};
use crate::layout::LINE;
use crate::layout::control::Control;
use crate::layout::geometry::Geometry;
use crate::sync::{AtomicU32, AtomicU64};

/// From the start of a slot to the message's length.
const LEN_OFFSET: usize = 8;
/// Bytes of the nearest cache of a processor: 32 or 48 KiB on those of these years.
const NEAREST_CACHE: usize = 32 * 1024;
/// Where eight bytes of a payload begin that two stores write, be they of 4, 8, 16 or 32 bytes. (Those of a shorter message, or of a loan that
/// is written in part, may have been written by none or one: then nothing waits.)
const ACROSS_STORES: usize = 28;
/// How many cache lines ahead of its exchanges one of many receivers asks for words.
const WORD_LINES_AHEAD: u64 = 8;

/// Where the cursors, and each slot's word, length and payload lie. Keeps the segment mapped.
///
/// Indexes are masked by the capacity, so any position may be given and none leads outside. Nothing here arbitrates:
/// whose a payload is, the slot's word says.
#[derive(Clone)]
pub(crate) struct Slots {
    control: NonNull<Control>,
    base: *mut u8,
    mask: u64,
    word_stride: usize,
    /// The first payload.
    payloads: *mut u8,
    payload_stride: usize,
    fixed_len: bool,
    packed: bool,
    /// And messages fill their slots.
    contiguous: bool,
    /// Words that share a cache line, less one.
    word_line_mask: u64,
    segment: Arc<Segment>,
}

// SAFETY: `control` and `base` point into the segment, which is `Send` and `Sync` and kept by the `Arc`; only atomics are reached
// through it here, and payloads are handed out as raw pointers.
unsafe impl Send for Slots {}
// SAFETY: as for `Send`; no method changes the view itself.
unsafe impl Sync for Slots {}

impl Slots {
    pub(super) fn new(segment: Arc<Segment>) -> Self {
        let geometry = segment.header.geometry;
        // SAFETY: the slots begin within the segment: `total` is `slots_offset` and the slots, rounded up.
        let base = unsafe { segment.region.base().add(geometry.slots_offset as usize) };
        Self {
            control: NonNull::from(segment.control()),
            base: base.as_ptr(),
            mask: geometry.request.capacity - 1,
            word_stride: geometry.word_stride as usize,
            // SAFETY: the first payload begins within the segment, too, or at its end if it is empty.
            payloads: unsafe { base.add(geometry.payload_offset as usize) }.as_ptr(),
            payload_stride: geometry.payload_stride as usize,
            fixed_len: geometry.request.fixed_len,
            packed: geometry.request.packed,
            contiguous: geometry.request.packed && geometry.request.max_len == geometry.payload_stride,
            word_line_mask: (64 / geometry.word_stride).max(1) - 1,
            segment,
        }
    }

    /// The shared cursors and signals.
    #[inline]
    pub(crate) fn control(&self) -> &Control {
        // SAFETY: it was a reference into the segment, which we keep.
        unsafe { self.control.as_ref() }
    }

    /// The segment that they lie in.
    #[inline]
    pub(crate) fn segment(&self) -> &Arc<Segment> {
        &self.segment
    }

    /// The slot at `index`, taken modulo the capacity.
    #[inline]
    pub(crate) fn slot(&self, index: u64) -> Slot<'_> {
        let index = (index & self.mask) as usize;
        // SAFETY: the masked index is below the capacity, and as many words follow the first.
        let word = unsafe { self.base.add(index * self.word_stride) };
        // SAFETY: the same for payloads.
        let payload = unsafe { self.payloads.add(index * self.payload_stride) };
        Slot { word, payload, slots: self }
    }

    /// `count` slots that follow one another from `index` on, taken modulo the capacity: fewer where the last slot is before that.
    #[inline]
    pub(crate) fn row_of_slots(&self, index: u64, count: u64) -> impl Iterator<Item = Slot<'_>> {
        let first = index & self.mask;
        // Copies, which the compiler knows not to change between two slots.
        let (word_stride, payload_stride) = (self.word_stride, self.payload_stride);
        let mut next = self.slot(first);
        (0..count.min(self.mask + 1 - first)).map(move |_| {
            let slot = next;
            // Wrapping, because behind the last slot there may be nothing; until then each lies within the segment.
            next.word = slot.word.wrapping_add(word_stride);
            next.payload = slot.payload.wrapping_add(payload_stride);
            slot
        })
    }

    /// Whether each payload is a line of its own, and all of them are too much for the nearest cache of a processor.
    #[inline]
    pub(crate) fn payloads_are_far_lines(&self) -> bool {
        self.payload_stride == LINE && !self.word_is_near() && (self.mask as usize + 1) * LINE > NEAREST_CACHE
    }

    /// Whether a slot's payload lies on the cache line of its word.
    #[inline]
    pub(crate) fn word_is_near(&self) -> bool {
        self.payload_stride == self.word_stride && !self.packed
    }

    /// Whether they fill their slots, too, so that nothing lies between them.
    #[inline]
    pub(crate) fn is_contiguous(&self) -> bool {
        self.contiguous
    }

    /// Whether messages lie side by side, and tail alone commits them.
    #[inline]
    pub(crate) fn is_packed(&self) -> bool {
        self.packed
    }

    /// Whether there are no lengths.
    #[inline]
    pub(crate) fn fixed_len(&self) -> bool {
        self.fixed_len
    }

    /// A place on each cache line on which payloads of `count` slots begin, from `index` on, taken modulo the capacity: of fewer slots where the last
    /// one is before that, and perhaps not on the last line, where the first slot does not begin one. Only to have them fetched.
    #[inline]
    fn lines(&self, index: u64, count: u64) -> impl Iterator<Item = *const u8> {
        let first = index & self.mask;
        let count = count.min(self.mask + 1 - first) as usize;
        // Addresses, and no count of lines: that would be a division.
        let (mut next, step) = (self.slot(first).payload.cast_const(), self.payload_stride.max(LINE));
        let end = next.wrapping_add(count * self.payload_stride);
        core::iter::from_fn(move || {
            let line = next;
            next = line.wrapping_add(step);
            (line < end).then_some(line)
        })
    }

    /// Asks the processor to fetch the lines of `count` payloads from `index` on, to be read soon: a hint that changes nothing.
    #[inline]
    pub(crate) fn fetch_to_read(&self, index: u64, count: u64) {
        self.lines(index, count).for_each(fetch::to_read);
    }

    /// The same, to be written soon.
    #[inline]
    pub(crate) fn fetch_to_write(&self, index: u64, count: u64) {
        self.lines(index, count).for_each(fetch::to_write);
    }

    /// Asks the processor to fetch the beginning of the slot at `index`, taken modulo the capacity, to be written soon: a
    /// hint that changes nothing.
    #[inline]
    pub(crate) fn fetch_ahead(&self, index: u64) {
        fetch::to_write(self.slot(index).payload);
    }

    /// The same, to be read soon.
    #[inline]
    pub(crate) fn look_ahead(&self, index: u64) {
        self.slot(index).look_ahead();
    }

    /// Asks for the line of words that lies [`WORD_LINES_AHEAD`] behind that of the slot at `index`, to be written, if that is the
    /// first one on its line.
    #[inline]
    pub(crate) fn fetch_words_ahead(&self, index: u64) {
        if index & self.word_line_mask == 0 {
            let ahead = (self.word_line_mask + 1) * WORD_LINES_AHEAD;
            fetch::to_write(self.slot(index.wrapping_add(ahead)).word);
        }
    }

    /// Has the kernel map the pages of up to `bytes` bytes of slots from `index` on, taken modulo the capacity, so that
    /// they are not faulted in one by one. Returns how many slots that are, up to the last one.
    pub(crate) fn populate(&self, index: u64, bytes: usize) -> u64 {
        let first = index & self.mask;
        let count = ((bytes / self.payload_stride) as u64).clamp(1, self.mask + 1 - first);
        let Geometry { slots_offset, payload_offset, .. } = self.segment.header().geometry;
        let (words, payloads) = (slots_offset as usize, (slots_offset + payload_offset) as usize);
        let region = &self.segment.region;
        if !self.word_is_near() {
            region.populate(words + first as usize * self.word_stride, count as usize * self.word_stride);
        }
        region.populate(payloads + first as usize * self.payload_stride, count as usize * self.payload_stride);
        count
    }
}

/// One slot of a ring that is mapped.
#[derive(Clone, Copy)]
pub struct Slot<'s> {
    /// At `base`, or a multiple of `word_stride` behind it.
    word: *mut u8,
    /// At `payloads`, or a multiple of `payload_stride` behind it.
    payload: *mut u8,
    slots: &'s Slots,
}

impl<'s> Slot<'s> {
    /// Its state word.
    #[inline]
    pub(crate) fn word(self) -> &'s AtomicU64 {
        // SAFETY: every slot begins with its word, at a multiple of 8, and lives as long as the segment that `slots` keeps.
        unsafe { &*self.word.cast::<AtomicU64>() }
    }

    /// Asks the processor to fetch the beginning of its payload, to be read soon: a hint that changes nothing.
    #[inline]
    pub(crate) fn look_ahead(self) {
        fetch::to_read(self.payload);
    }

    /// Asks the processor to fetch its word and the beginning of its payload, to be written soon.
    #[inline(always)]
    pub(crate) fn fetch_to_claim(self) {
        fetch::to_write(self.word);
        if !self.slots.word_is_near() {
            fetch::to_write(self.payload);
        }
    }

    /// The same word, the address of which is known only when the line of this payload has come. Only if that is one line of its own, which
    /// the caller has claimed.
    #[inline(always)]
    pub(crate) fn once_written(self, word: &'s AtomicU64) -> &'s AtomicU64 {
        debug_assert_eq!(self.slots.payload_stride, LINE);
        // SAFETY: the eight bytes lie within the payload's line, which is the caller's by the claim.
        let zero = unsafe { fetch::zero_once_stored(self.payload.wrapping_add(ACROSS_STORES)) };
        // SAFETY: it is the same word, as far as `zero` is zero, and lives for as long.
        unsafe { &*core::ptr::from_ref(word).wrapping_byte_add(zero) }
    }

    /// The length of its message. `None`: every message has the same (`fixed_len`), and there is no such word.
    #[inline]
    pub(crate) fn len(self) -> Option<&'s AtomicU32> {
        if self.slots.fixed_len {
            return None;
        }
        // SAFETY: a slot with a length has at least 16 bytes before its end.
        let place = unsafe { self.word.add(LEN_OFFSET) }.cast::<AtomicU32>();
        // SAFETY: within the slot and a multiple of 4, and lives as long as the segment that `slots` keeps.
        Some(unsafe { &*place })
    }

    /// Where its payload begins: `max_len` bytes, aligned as asked. Valid while the segment is open; whether it may be read
    /// or written is the slot's word's matter.
    #[inline]
    pub(crate) fn payload(self) -> *mut u8 {
        self.payload
    }
}

impl fmt::Debug for Slots {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Slots")
            .field("capacity", &(self.mask + 1))
            .field("stride", &self.word_stride)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::super::Spec;
    use super::*;
    use crate::layout::geometry::{Ends, Request, WhenFull};
    use crate::sync::Ordering;

    fn slots(max_len: u64, align: u64, fixed_len: bool) -> (Slots, Request) {
        let request = Request {
            capacity: 8,
            max_len,
            align,
            fixed_len,
            packed: false,
            senders: Ends::Single,
            receivers: Ends::Single,
            when_full: WhenFull::Block,
            endpoints: 2,
        };
        (Arc::new(Segment::heap(&Spec::new(request)).unwrap()).slots(), request)
    }

    #[test]
    fn slots_do_not_overlap_and_indexes_wrap() {
        for (max_len, align) in [(0, 1), (8, 8), (48, 8), (100, 64), (5000, 4096)] {
            for fixed_len in [false, true] {
                let (slots, request) = slots(max_len, align, fixed_len);
                for index in 0..8u64 {
                    slots.slot(index).word().store(index + 1, Ordering::Relaxed);
                    assert_eq!(slots.slot(index).len().is_none(), fixed_len);
                    if let Some(len) = slots.slot(index).len() {
                        len.store(max_len as u32, Ordering::Relaxed);
                    }
                    let payload = slots.slot(index).payload();
                    assert_eq!(payload as u64 % request.align, 0);
                    // SAFETY: `max_len` bytes of this slot, which no one else touches.
                    unsafe { payload.write_bytes(0xff, max_len as usize) };
                }
                for index in 0..16u64 {
                    assert_eq!(slots.slot(index).word().load(Ordering::Relaxed), index % 8 + 1);
                }
                assert_eq!(slots.slot(u64::MAX).word().load(Ordering::Relaxed), 8);
            }
        }
    }

    #[test]
    fn the_word_that_commits_a_written_payload_is_the_same_word() {
        let (slots, _) = slots(64, 8, true);
        assert!(!slots.word_is_near() && slots.payload_stride == LINE);
        for index in 0..8 {
            let slot = slots.slot(index);
            // SAFETY: the line of this slot, which no one else touches.
            unsafe { slot.payload().cast::<[u64; 8]>().write([u64::MAX; 8]) };
            for word in [slot.word(), &slots.control().tail] {
                assert!(core::ptr::eq(slot.once_written(word), word));
            }
        }
    }

    #[test]
    fn the_view_keeps_the_segment() {
        let view = slots(48, 8, false).0;
        let copy = view.clone();
        drop(view);
        assert_eq!(copy.slot(3).word().load(Ordering::Relaxed), 0);
    }
}
