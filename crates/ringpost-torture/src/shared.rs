//! Memory that outlives those who write it: what a killed process had stored stays for its parent to read.

use std::num::NonZeroUsize;
use std::sync::atomic::AtomicU64;

use nix::sys::mman::{MapFlags, ProtFlags, mmap_anonymous};
use nix::time::{ClockId, clock_gettime};

/// Words, all zero, that this process and all its children share. They stay until it ends.
pub fn words(count: usize) -> nix::Result<&'static [AtomicU64]> {
    let bytes = NonZeroUsize::new(count * size_of::<AtomicU64>()).ok_or(nix::errno::Errno::EINVAL)?;
    let (protection, flags) = (ProtFlags::PROT_READ | ProtFlags::PROT_WRITE, MapFlags::MAP_SHARED);
    // SAFETY: a new mapping at an address of the kernel's choice touches nothing that exists.
    let start = unsafe { mmap_anonymous(None, bytes, protection, flags) }?;
    // SAFETY: the mapping has room for `count` words, begins at a page, is never unmapped, and zero bytes are words.
    Ok(unsafe { std::slice::from_raw_parts(start.cast::<AtomicU64>().as_ptr(), count) })
}

/// Microseconds on a clock that all processes of the machine share.
pub fn now_us() -> u64 {
    let now = clock_gettime(ClockId::CLOCK_MONOTONIC).expect("every Linux has this clock");
    now.tv_sec() as u64 * 1_000_000 + now.tv_nsec() as u64 / 1000
}
