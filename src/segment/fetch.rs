//! When the processor asks for cache lines: hints that change nothing.

/// `place` will be read soon.
#[inline]
pub(super) fn to_read(place: *const u8) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: every x86-64 processor has the instruction, and it does not fault anywhere.
    unsafe {
        core::arch::x86_64::_mm_prefetch::<{ core::arch::x86_64::_MM_HINT_T0 }>(place.cast());
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = place;
}

/// `place` will be written soon: its line is to be this processor's alone.
///
/// In assembly, since the compiler makes an ordinary fetch of it where it does not know that the processor has the instruction. One
/// that does not have it does nothing: Intel 64 and IA-32 Architectures Software Developer's Manual, volume 2, "PREFETCHW".
#[inline]
pub(super) fn to_write(place: *const u8) {
    #[cfg(all(target_arch = "x86_64", not(miri)))]
    // SAFETY: a hint; it does not fault anywhere, and changes nothing.
    unsafe {
        core::arch::asm!("prefetchw [{place}]", place = in(reg) place, options(nostack, preserves_flags));
    }
    #[cfg(not(all(target_arch = "x86_64", not(miri))))]
    let _ = place;
}

/// Zero, known only when the line around `place` has come to this processor: when what was stored there before is in its cache.
///
/// Eight bytes are loaded that two stores have written. They cannot be had from the stores themselves, and so the load waits until
/// both are in the cache: Software Optimization Guide for the AMD Zen4 Microarchitecture, "Load-Store Forwarding"; Intel 64 and
/// IA-32 Architectures Optimization Reference Manual, "Store Forwarding".
///
/// # Safety
/// Eight bytes from `place` on are valid for reads, and nobody else writes them.
#[inline(always)]
pub(super) unsafe fn zero_once_stored(place: *const u8) -> usize {
    #[cfg(all(target_arch = "x86_64", not(miri)))]
    {
        let zero;
        // SAFETY: it reads the eight bytes of the caller's promise, and writes nothing.
        unsafe {
            core::arch::asm!(
                "mov {zero}, [{place}]",
                "and {zero}, 0",
                place = in(reg) place,
                zero = out(reg) zero,
                options(nostack, readonly),
            );
        }
        zero
    }
    #[cfg(not(all(target_arch = "x86_64", not(miri))))]
    {
        let _ = place;
        0
    }
}
