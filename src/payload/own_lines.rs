//! Taking the cache lines of messages that have been read away from who has written them.

use crate::layout::LINE;

/// Writes a word of each line as it stands. What a processor has written and another has only read it still owns, and must call
/// the other's copies back, line by line and one after another, before it writes them again; from an owner it fetches many at
/// once. The states of a line: AMD64 Architecture Programmer's Manual, volume 2, 7.3. That it costs so much was measured.
///
/// # Safety
/// `from` is valid for reads and writes of `len` bytes rounded up to a multiple of 8, a multiple of 8 itself, and nobody else
/// writes there meanwhile. (Should a scribbled segment make somebody do so, what is sent is garbage, and nothing worse.)
#[inline]
pub unsafe fn own_lines(from: *mut u8, len: usize) {
    for offset in (0..len).step_by(LINE) {
        // SAFETY: within the message, by the caller's promise.
        let word = unsafe { from.add(offset) }.cast::<u64>();
        // SAFETY: as above. Volatile, or there is nothing to be done.
        let value = unsafe { word.read_volatile() };
        // SAFETY: as above.
        unsafe { word.write_volatile(value) };
    }
}
