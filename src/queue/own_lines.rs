//! Lines of messages that have been read, made ready for the next message.

use crate::participant::SharedRing;
use crate::payload::{self, Payload, len_of};
use crate::ring::{Memory, Run};
use crate::segment::Slot;

/// Bytes of a message that shares the line of its word.
const TINY: usize = 48;

/// Has this processor own the lines of the message of `len` bytes in `slot`, which the caller has taken and nobody reads any more,
/// as far as that is wanted: all of them, or the line that it shares with others, if it is the last one there.
#[inline(always)]
pub(super) fn own_lines<T: ?Sized + Payload>(ring: &SharedRing, slot: Slot<'_>, len: usize) {
    debug_assert!(len <= ring.max_len());
    if ring.owns_line_with(slot) {
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
    unsafe { payload::own_lines(slot.payload(), 1) }
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

/// And after it, for the lines that they share.
#[inline(always)]
pub(super) fn own_shared_lines(ring: &SharedRing, run: Run) {
    let stride = ring.owns_shared_lines();
    if stride > 0 {
        run.pieces(ring.capacity()).for_each(|piece| {
            // SAFETY: from the first payload of the piece to the end of its last slot, by way of payloads or what is between them, at multiples of 8: a
            // line is a multiple of the stride, or there are no words between payloads. By the take all of it is the caller's until the release.
            unsafe { own_apart(ring.slot(piece.first).payload(), piece.count as usize * stride) }
        });
    }
}

/// All of these for all messages of a run.
#[inline]
pub(super) fn own_lines_of_all(ring: &SharedRing, run: Run) {
    if ring.owns_lines_of_batches() {
        run.positions().for_each(|position| own(ring, ring.slot(position)));
    } else {
        own_shared_lines(ring, run);
    }
}

/// Whether every `T` is so short that it shares its line with others, or with its word. (With a great alignment it does not; then nothing is owned
/// that might be.) Known to the compiler.
#[inline(always)]
fn is_tiny<T: ?Sized + Payload>() -> bool {
    len_of::<T>().is_some_and(|len| len <= TINY)
}
