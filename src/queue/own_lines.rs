//! Lines of messages that have been read, made ready for the next message.

use crate::layout::LINE;
use crate::participant::SharedRing;
use crate::payload::{self, Payload, len_of};
use crate::ring::{Memory, Run};
use crate::segment::Slot;

/// Bytes of a message that shares its line with others, or with its word.
const TINY: usize = 48;
/// Bytes of what is written.
const WORD: usize = size_of::<u64>();

/// Has this processor own the lines of the message of `len` bytes in `slot`, which the caller has taken and nobody reads any more,
/// as far as that is wanted: all of them, or the line that it shares with others, if it is the last one there and in a stream, of which `more` is known to
/// be there. Where each message is waited for, the owning would hold up the release.
#[inline(always)]
pub(super) fn own_lines<T: ?Sized + Payload>(ring: &SharedRing, slot: Slot<'_>, len: usize, more: bool) {
    debug_assert!(len <= ring.max_len());
    if more && ring.owns_line_with(slot) {
        own_line(slot);
    } else if !is_tiny::<T>() && ring.owns_lines(len) {
        // SAFETY: `len` bytes from `payload` on lie within the slot, whose payload begins and ends at multiples of 8; by the take
        // it is the caller's until it is released.
        unsafe { own_apart(slot.payload(), len) }
    }
}

/// Not a part of the short ways, which have better uses for their registers; nor is what it is told kept in memory for it.
///
/// # Safety
/// As [`payload::own_lines`].
#[inline(never)]
unsafe fn own_apart(from: *mut u8, len: usize) {
    // SAFETY: by the caller's promise.
    unsafe { payload::own_lines(from, len) }
}

/// The line on which the payload of `slot` begins. Not where all messages are empty.
#[inline(always)]
fn own_line(slot: Slot<'_>) {
    // SAFETY: where messages have bytes at all, a payload has eight, at a multiple of 8; by the take they are the caller's until the
    // release.
    unsafe { payload::own_lines(slot.payload(), WORD) }
}

#[inline]
fn own(ring: &SharedRing, slot: Slot<'_>) {
    // SAFETY: `len` bytes from `payload` on lie within the slot, whose payload begins and ends at multiples of 8; by the take
    // it is the caller's until it is released.
    unsafe { payload::own_lines(slot.payload(), ring.len(slot)) }
}

/// The same as a part of a loop over many messages, for the lines that each has to itself.
#[inline(always)]
pub(super) fn own_lines_at_once<T: ?Sized + Payload>(ring: &SharedRing, slot: Slot<'_>) {
    if !is_tiny::<T>() && ring.owns_lines_of_batches() {
        own(ring, slot);
    }
}

/// And after it, for the lines that they share, up to the one on which the next message is to lie; `run` lies within one lap.
#[inline(always)]
pub(super) fn own_shared_lines(ring: &SharedRing, run: Run) {
    let stride = ring.owns_shared_lines();
    if stride > 0 {
        let payload = ring.slot(run.first).payload();
        let next = payload.addr() + run.count as usize * stride;
        let len = (next - next % LINE).saturating_sub(payload.addr());
        // SAFETY: before the line on which the next payload would begin, so within the slots of the run, which are the caller's by the take until the
        // release. A line is a multiple of the stride, so that a payload begins wherever something is written, or nothing lies there but payloads.
        unsafe { payload::own_lines(payload, len) }
    }
}

/// Both for all messages of a run; but shared lines not for a receiver that is `behind`: to own them costs it more than its sender, which has to wait for
/// it anyway.
#[inline]
pub(super) fn own_lines_of_all(ring: &SharedRing, run: Run, behind: bool) {
    if ring.owns_lines_of_batches() {
        run.positions().for_each(|position| own(ring, ring.slot(position)));
    } else if !behind {
        run.pieces(ring.capacity()).for_each(|piece| own_shared_lines(ring, piece));
    }
}

/// Whether every `T` is so short that it shares its line with others, or with its word. (With a great alignment it does not; then nothing is owned
/// that might be.) Known to the compiler.
#[inline(always)]
fn is_tiny<T: ?Sized + Payload>() -> bool {
    len_of::<T>().is_some_and(|len| len <= TINY)
}
