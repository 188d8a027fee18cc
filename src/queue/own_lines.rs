//! Lines of messages that have been read, made ready for the next message.

use crate::participant::SharedRing;
use crate::payload::{self, Payload, len_of};
use crate::ring::{Memory, Run};
use crate::segment::Slot;

/// Bytes of a message that shares the line of its word.
const TINY: usize = 48;

/// Has this processor own the lines of the message of `len` bytes in `slot`, which the caller has taken and nobody reads any more,
/// unless that is not wanted.
#[inline(always)]
pub(super) fn own_lines<T: ?Sized + Payload>(ring: &SharedRing, slot: Slot<'_>, len: usize) {
    debug_assert!(len <= ring.max_len());
    if !is_tiny::<T>() && ring.owns_lines(len) {
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

#[inline]
fn own(ring: &SharedRing, slot: Slot<'_>) {
    // SAFETY: `len` bytes from `payload` on lie within the slot, whose payload begins and ends at multiples of 8; by the take
    // it is the caller's until it is released.
    unsafe { payload::own_lines(slot.payload(), ring.len(slot)) }
}

/// The same as a part of a loop over many messages.
#[inline(always)]
pub(super) fn own_lines_at_once<T: ?Sized + Payload>(ring: &SharedRing, slot: Slot<'_>) {
    if !is_tiny::<T>() && ring.owns_lines_of_batches() {
        own(ring, slot);
    }
}

/// The same for all messages of a run.
#[inline]
pub(super) fn own_lines_of_all(ring: &SharedRing, run: Run) {
    if ring.owns_lines_of_batches() {
        run.positions().for_each(|position| own(ring, ring.slot(position)));
    }
}

/// Whether every `T` is so short that it lies on the line of its word, where lines are not owned. (With a great alignment it does not; then
/// nothing is owned that might be.) Known to the compiler.
#[inline(always)]
fn is_tiny<T: ?Sized + Payload>() -> bool {
    len_of::<T>().is_some_and(|len| len <= TINY)
}
