//! Copying a message into its slot.

/// Messages up to this length are copied word by word: one cache line.
const SMALL: usize = 64;

/// Copies a message into its slot. A small one goes word by word, because it was most likely written so a moment ago, and
/// a wider load cannot be served from several stores that are still on their way to the cache.
///
/// # Safety
/// `to` is valid for writes of `bytes.len()` bytes, and a multiple of 8, as all payloads are. (Should scribbled cursors make
/// it overlap `bytes`, what is sent is garbage, and nothing worse.)
#[inline]
pub unsafe fn copy(bytes: &[u8], to: *mut u8) {
    debug_assert!(to.cast::<u64>().is_aligned());
    if bytes.len() > SMALL {
        // SAFETY: the caller's promise.
        return unsafe { to.copy_from(bytes.as_ptr(), bytes.len()) };
    }
    let (words, rest) = bytes.as_chunks::<8>();
    for (index, word) in words.iter().enumerate() {
        // SAFETY: within the message's bytes, by the caller's promise.
        let place = unsafe { to.cast::<u64>().add(index) };
        // SAFETY: as above, and aligned. Volatile, or the compiler makes one wide copy of it again.
        unsafe { place.write_volatile(u64::from_ne_bytes(*word)) };
    }
    for (index, byte) in rest.iter().enumerate() {
        // SAFETY: within the message's bytes, by the caller's promise.
        let place = unsafe { to.add(words.len() * 8 + index) };
        // SAFETY: as above. Volatile, or the compiler calls for a copy of at most seven bytes.
        unsafe { place.write_volatile(*byte) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use zerocopy::IntoBytes;

    #[test]
    fn every_length_is_copied_and_nothing_more() {
        let bytes: Vec<u8> = (0..200).collect();
        for start in [0, 8, 16] {
            for len in 0..130 {
                let mut words = [u64::MAX; 20];
                let to = words.as_mut_bytes();
                let place = to[start..].as_mut_ptr();
                // SAFETY: `len` and `start` together are less than 160; the words and `start` are multiples of 8.
                unsafe { copy(&bytes[..len], place) };
                assert_eq!(to[start..start + len], bytes[..len]);
                assert!(to[..start].iter().chain(&to[start + len..]).all(|byte| *byte == 0xff));
            }
        }
    }
}
