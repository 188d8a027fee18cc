//! Copying a large message around the caches.

/// Messages from this length on are worth it, in bytes: below it the wait at the end costs more than is gained.
pub const STREAM_LEAST: usize = 4096;

/// Copies `bytes` with stores that go to memory instead of into this processor's caches, from where the receiver's would have
/// to fetch them line by line; and waits until they are there. Where the processor has none, an ordinary copy.
///
/// `movnti` and `sfence`: Intel 64 and IA-32 Architectures Software Developer's Manual, volume 1, 10.4.6.2.
///
/// # Safety
/// As [`copy`](super::copy).
pub unsafe fn copy_streaming(bytes: &[u8], to: *mut u8) {
    #[cfg(all(target_arch = "x86_64", not(miri)))]
    {
        use core::arch::x86_64::{_mm_sfence, _mm_stream_si64};
        let (words, rest) = bytes.as_chunks::<8>();
        for (index, word) in words.iter().enumerate() {
            // SAFETY: within the message's bytes, by the caller's promise.
            let place = unsafe { to.cast::<i64>().add(index) };
            // SAFETY: as above, and aligned; every x86-64 processor has the instruction.
            unsafe { _mm_stream_si64(place, i64::from_ne_bytes(*word)) };
        }
        // SAFETY: as above.
        let end = unsafe { to.add(words.len() * 8) };
        // SAFETY: as above.
        unsafe { end.copy_from(rest.as_ptr(), rest.len()) };
        // SAFETY: every x86-64 processor has it. Such stores are not ordered by a Release.
        unsafe { _mm_sfence() };
    }
    #[cfg(not(all(target_arch = "x86_64", not(miri))))]
    // SAFETY: the caller's promise.
    unsafe {
        to.copy_from(bytes.as_ptr(), bytes.len());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use zerocopy::IntoBytes;

    #[test]
    fn every_length_is_copied_and_nothing_more() {
        let bytes: Vec<u8> = (0..=255).cycle().take(6000).collect();
        for len in (0..40).chain(4090..4110).chain([5999]) {
            let mut words = vec![u64::MAX; 800];
            let to = words.as_mut_bytes();
            // SAFETY: `len` is less than 6400, and the words are aligned.
            unsafe { copy_streaming(&bytes[..len], to.as_mut_ptr()) };
            assert_eq!(to[..len], bytes[..len]);
            assert!(to[len..].iter().all(|byte| *byte == 0xff));
        }
    }
}
