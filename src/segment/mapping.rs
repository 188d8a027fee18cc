//! The segment's bytes in our address space: mapped through `shared_memory`, or from the heap.

use core::ffi::c_void;
use core::ptr::NonNull;

use nix::errno::Errno;
use nix::sys::mman::{MmapAdvise, madvise};
use shared_memory::{Shmem, ShmemConf, ShmemError};

use super::heap::Heap;
use super::name::Name;
use crate::error::OsError;
use crate::layout::header::HEADER_LEN;
use crate::os::shm;
use crate::sync::{AtomicU64, Ordering};

/// Memory that stays where it is, and as long as it is, while this value lives.
pub(super) struct Region {
    base: NonNull<u8>,
    len: usize,
    keep: Keep,
}

const PAGE: usize = 4096;

/// What keeps the memory.
enum Keep {
    Mapped(#[allow(dead_code)] Shmem),
    Heap(#[allow(dead_code)] Heap),
}

// SAFETY: the mapping or allocation belongs to the process, not to a thread, and freeing it from another thread is
// allowed: `Shmem` is a pointer, a descriptor and strings, kept from `Send` by the pointer alone.
unsafe impl Send for Region {}
// SAFETY: through `&Region` memory is reached only as atomics or as raw pointers, whose users arbitrate by those
// atomics; `Shmem` and `Heap` themselves are not touched until the drop.
unsafe impl Sync for Region {}

impl Region {
    /// Maps what has the name now. The caller must compare [`Self::header_bytes`] with those of the file that it means.
    ///
    /// # Errors
    /// Nothing has the name (`ENOENT`), or the system refuses.
    pub(super) fn map(name: &Name, total: u64) -> Result<Self, OsError> {
        let open = || ShmemConf::new().os_id(shm::object_id(name.as_str())).open().map_err(|e| map_failed(&e));
        let mut shmem = loop {
            match open() {
                Err(error) if error.errno == libc::EINTR => {}
                other => break other?,
            }
        };
        // Its owner would unlink by name on drop, whatever has the name by then.
        shmem.set_owner(false);
        let base = NonNull::new(shmem.as_ptr()).ok_or(OsError { call: "mmap", errno: libc::EFAULT })?;
        let len = shmem.len();
        // It looked at the size for itself, a moment after us.
        if (len as u64) < total {
            return Err(OsError { call: "mmap", errno: libc::ESTALE });
        }
        Ok(Self { base, len, keep: Keep::Mapped(shmem) })
    }

    /// Zeroed memory of this process alone; `None` if there is not enough.
    pub(super) fn heap(total: u64) -> Option<Self> {
        let heap = Heap::new(total)?;
        Some(Self { base: heap.base(), len: heap.len(), keep: Keep::Heap(heap) })
    }

    /// The thing at `offset`.
    ///
    /// # Safety
    /// `offset` is a multiple of `T`'s alignment (at most a page), `T` ends within the region, and consists of atomics
    /// and of bytes that are never read.
    #[inline]
    pub(super) unsafe fn at<T>(&self, offset: u64) -> &T {
        debug_assert!(offset as usize + size_of::<T>() <= self.len, "outside the segment");
        // SAFETY: within the region, by the caller's promise.
        let place = unsafe { self.base.add(offset as usize) };
        // SAFETY: aligned (the base is page-aligned) and of a type that any bytes are a value of, by the caller's
        // promise; the memory lives as long as `self`.
        unsafe { place.cast::<T>().as_ref() }
    }

    /// Where the memory begins. Valid while the region lives.
    #[inline]
    pub(super) fn base(&self) -> NonNull<u8> {
        self.base
    }

    /// The header as it is mapped, read as atomics, because a misbehaving peer might be writing it.
    pub(super) fn header_bytes(&self) -> [u8; HEADER_LEN] {
        let mut bytes = [0; HEADER_LEN];
        for (i, chunk) in bytes.chunks_exact_mut(8).enumerate() {
            // SAFETY: the header is the beginning of every segment, and 8 divides its length.
            let word: &AtomicU64 = unsafe { self.at(i as u64 * 8) };
            // Relaxed: written before the name existed; the system calls in between order it.
            chunk.copy_from_slice(&word.load(Ordering::Relaxed).to_ne_bytes());
        }
        bytes
    }

    /// Asks for huge pages. A hint: that the system has none is no failure.
    pub(super) fn advise_huge(&self) {
        let _ = self.advise(MmapAdvise::MADV_HUGEPAGE);
    }

    /// Maps the pages of `len` bytes from `offset` on, within the region. A hint: a failure means page faults later.
    pub(super) fn populate(&self, offset: usize, len: usize) {
        if let Keep::Heap(_) = self.keep {
            return;
        }
        let start = offset & !(PAGE - 1);
        let len = (offset + len).min(self.len) - start;
        // SAFETY: the start of a page within the region, by the caller's promise and the minimum above.
        let from = unsafe { self.base.add(start) };
        // SAFETY: the range lies within the region, and the advice changes nothing that it contains.
        let _ = unsafe { madvise(from.cast::<c_void>(), len, MmapAdvise::MADV_POPULATE_WRITE) };
    }

    /// Makes every page present now, so that the first messages do not wait for page faults.
    ///
    /// # Errors
    /// There is no memory for them. An old system that does not know the call is no failure.
    pub(super) fn prefault(&self) -> Result<(), OsError> {
        match self.advise(MmapAdvise::MADV_POPULATE_WRITE) {
            Ok(()) | Err(Errno::EINVAL) => Ok(()),
            Err(errno) => Err(crate::os::failed("madvise(MADV_POPULATE_WRITE)", errno)),
        }
    }

    fn advise(&self, advice: MmapAdvise) -> Result<(), Errno> {
        loop {
            // SAFETY: the range is exactly the region, and neither advice that is used changes what it contains.
            match unsafe { madvise(self.base.cast::<c_void>(), self.len, advice) } {
                Err(Errno::EINTR | Errno::EAGAIN) => {}
                other => return other,
            }
        }
    }
}

fn map_failed(error: &ShmemError) -> OsError {
    let errno = match error {
        ShmemError::MapOpenFailed(errno) | ShmemError::UnknownOsError(errno) => *errno as i32,
        _ => libc::EIO,
    };
    OsError { call: "shm_open and mmap", errno }
}
