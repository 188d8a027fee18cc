//! The slots of a segment, as the hot path sees them.

use core::fmt;
use core::ptr::NonNull;
use std::sync::Arc;

use super::Segment;
use crate::layout::control::Control;
use crate::sync::{AtomicU32, AtomicU64};

/// From the start of a slot to the message's length.
const LEN_OFFSET: usize = 8;

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
    payload_offset: usize,
    /// How many strides of words lie between two payloads, less one.
    payload_spread: usize,
    fixed_len: bool,
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
            payload_offset: geometry.payload_offset as usize,
            payload_spread: (geometry.payload_stride / geometry.word_stride - 1) as usize,
            fixed_len: geometry.request.fixed_len,
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
        let offset = (index & self.mask) as usize * self.word_stride;
        // SAFETY: the masked index is below the capacity, and `capacity * stride` bytes follow `base`.
        Slot { start: unsafe { self.base.add(offset) }, slots: self }
    }

    /// `count` slots that follow one another from `index` on, taken modulo the capacity: fewer where the last slot is before that.
    #[inline]
    pub(crate) fn row_of_slots(&self, index: u64, count: u64) -> impl Iterator<Item = Slot<'_>> {
        let first = index & self.mask;
        let mut start = self.slot(first).start;
        (0..count.min(self.mask + 1 - first)).map(move |_| {
            let slot = Slot { start, slots: self };
            // Wrapping, because behind the last slot there may be nothing; until then each lies within the segment.
            start = start.wrapping_add(self.word_stride);
            slot
        })
    }

    /// Whether a slot's payload lies on the cache line of its word.
    #[inline]
    pub(crate) fn word_is_near(&self) -> bool {
        self.payload_spread == 0
    }

    /// From one payload to the next, in bytes.
    #[inline]
    fn payload_stride(&self) -> usize {
        (self.payload_spread + 1) * self.word_stride
    }

    /// Whether there are no lengths.
    #[inline]
    pub(crate) fn fixed_len(&self) -> bool {
        self.fixed_len
    }

    /// Asks the processor to fetch the beginning of the slot at `index`, taken modulo the capacity, to be written soon: a
    /// hint that changes nothing.
    #[inline]
    pub(crate) fn fetch_ahead(&self, index: u64) {
        let place = self.slot(index).payload().cast::<i8>();
        #[cfg(target_arch = "x86_64")]
        // SAFETY: every x86-64 processor has the instruction; the address is within the segment, and a prefetch does not
        // fault anywhere.
        unsafe {
            core::arch::x86_64::_mm_prefetch::<{ core::arch::x86_64::_MM_HINT_ET0 }>(place);
        }
        #[cfg(not(target_arch = "x86_64"))]
        let _ = place;
    }

    /// The same, to be read soon.
    #[inline]
    pub(crate) fn look_ahead(&self, index: u64) {
        let place = self.slot(index).payload().cast::<i8>();
        #[cfg(target_arch = "x86_64")]
        // SAFETY: as above.
        unsafe {
            core::arch::x86_64::_mm_prefetch::<{ core::arch::x86_64::_MM_HINT_T0 }>(place);
        }
        #[cfg(not(target_arch = "x86_64"))]
        let _ = place;
    }

    /// Has the kernel map the pages of up to `bytes` bytes of slots from `index` on, taken modulo the capacity, so that
    /// they are not faulted in one by one. Returns how many slots that are, up to the last one.
    pub(crate) fn populate(&self, index: u64, bytes: usize) -> u64 {
        let first = index & self.mask;
        let count = ((bytes / self.payload_stride()) as u64).clamp(1, self.mask + 1 - first);
        let words = self.segment.header().geometry.slots_offset as usize;
        let payloads = words + self.payload_offset;
        let region = &self.segment.region;
        if !self.word_is_near() {
            region.populate(words + first as usize * self.word_stride, count as usize * self.word_stride);
        }
        region.populate(payloads + first as usize * self.payload_stride(), count as usize * self.payload_stride());
        count
    }
}

/// One slot of a ring that is mapped.
#[derive(Clone, Copy)]
pub struct Slot<'s> {
    /// Its word: at `base`, or a multiple of `word_stride` behind it.
    start: *mut u8,
    slots: &'s Slots,
}

impl<'s> Slot<'s> {
    /// Its state word.
    #[inline]
    pub(crate) fn word(self) -> &'s AtomicU64 {
        // SAFETY: every slot begins with its word, at a multiple of 8, and lives as long as the segment that `slots` keeps.
        unsafe { &*self.start.cast::<AtomicU64>() }
    }

    /// The length of its message. `None`: every message has the same (`fixed_len`), and there is no such word.
    #[inline]
    pub(crate) fn len(self) -> Option<&'s AtomicU32> {
        if self.slots.fixed_len {
            return None;
        }
        // SAFETY: a slot with a length has at least 16 bytes before its end.
        let place = unsafe { self.start.add(LEN_OFFSET) }.cast::<AtomicU32>();
        // SAFETY: within the slot and a multiple of 4, and lives as long as the segment that `slots` keeps.
        Some(unsafe { &*place })
    }

    /// Where its payload begins: `max_len` bytes, aligned as asked. Valid while the segment is open; whether it may be read
    /// or written is the slot's word's matter.
    #[inline]
    pub(crate) fn payload(self) -> *mut u8 {
        let Slots { base, payload_offset, payload_spread, .. } = self.slots;
        // A multiple of the stride of words, and this a multiple of that of payloads.
        let spread = (self.start as usize - *base as usize) * payload_spread;
        // SAFETY: payload n begins `payload_offset` and n strides of payloads behind `base`, within the segment, or at its end
        // if `max_len` is zero; the word lies n strides of words behind it.
        unsafe { self.start.add(payload_offset + spread) }
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
    fn the_view_keeps_the_segment() {
        let view = slots(48, 8, false).0;
        let copy = view.clone();
        drop(view);
        assert_eq!(copy.slot(3).word().load(Ordering::Relaxed), 0);
    }
}
