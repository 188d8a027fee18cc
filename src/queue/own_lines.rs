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

/// And after it, for the lines that they share, but not the last one, if a later message is to lie there, too.
#[inline(always)]
pub(super) fn own_shared_lines(ring: &SharedRing, run: Run) {
    if ring.owns_shared_lines() {
        run.pieces(ring.capacity()).for_each(|piece| own_shared_apart(ring, piece));
    }
}

#[inline(never)]
fn own_shared_apart(ring: &SharedRing, piece: Run) {
    let (first, last) = (ring.slot(piece.first), ring.slot(piece.end() - 1));
    let (from, to) = (first.payload().addr(), last.payload().addr());
    let end = if ring.owns_line_with(last) { to + WORD } else { to - to % LINE };
    if from < end {
        // SAFETY: from the first payload of the piece to its last one's first word, within one lap. All that lies there, payloads and perhaps their words,
        // is the caller's by the take until the release. A line is a multiple of what lies from one message to the next, so that a payload begins
        // wherever something is written, or nothing lies there but payloads.
        unsafe { payload::own_lines(first.payload(), end - from) }
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
