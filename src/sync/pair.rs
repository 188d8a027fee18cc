//! Two words loaded at once.

/// Whether [`load_pair`] loads both words at once on this processor.
///
/// Aligned loads of 16 bytes are atomic on every processor that has AVX: Intel 64 and IA-32 Architectures Software Developer's
/// Manual, volume 3, "Guaranteed Atomic Operations"; AMD64 Architecture Programmer's Manual, volume 2, 7.3.2.
pub fn pairs_are_atomic() -> bool {
    #[cfg(all(target_arch = "x86_64", not(miri)))]
    return std::is_x86_feature_detected!("avx");
    #[cfg(not(all(target_arch = "x86_64", not(miri))))]
    false
}

/// Loads two words that lie side by side. Where [`pairs_are_atomic`] it is one Acquire load of both: who sees the first word sees
/// what was stored to the second before that, and all else.
///
/// # Safety
/// `place` is valid for reads of 16 bytes, which others change by atomic stores alone or not at all, and a multiple of 16.
#[inline(always)]
pub unsafe fn load_pair(place: *const u64) -> (u64, u64) {
    #[cfg(all(target_arch = "x86_64", not(miri)))]
    {
        let (first, second);
        // SAFETY: the caller's promise. Every load of this processor is an Acquire, and nothing is moved before this one.
        unsafe {
            core::arch::asm!(
                "movdqa {pair}, [{place}]",
                "movq {first}, {pair}",
                "punpckhqdq {pair}, {pair}",
                "movq {second}, {pair}",
                place = in(reg) place,
                pair = out(xmm_reg) _,
                first = out(reg) first,
                second = out(reg) second,
                options(nostack, preserves_flags, readonly),
            );
        }
        (first, second)
    }
    #[cfg(not(all(target_arch = "x86_64", not(miri))))]
    {
        use super::{AtomicU64, Ordering};
        // SAFETY: the caller's promise.
        let word = unsafe { &*place.cast::<AtomicU64>() };
        // Acquire: take, pairs with commit and abort: the payload is whole.
        let first = word.load(Ordering::Acquire);
        // SAFETY: as above.
        let second = unsafe { place.add(1) };
        // SAFETY: as above.
        (first, unsafe { second.read() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[repr(align(16))]
    struct Pair([u64; 2]);

    #[test]
    fn both_are_loaded_in_their_order() {
        let pair = Pair([7, u64::MAX - 1]);
        // SAFETY: 16 bytes, aligned, and nobody changes them.
        assert_eq!(unsafe { load_pair(pair.0.as_ptr()) }, (7, u64::MAX - 1));
    }
}
