//! Zeroed, page-aligned memory of this process: what a mapping is to processes, for threads and for Miri.

use core::ptr::NonNull;
use std::alloc::{Layout, alloc_zeroed, dealloc};

const PAGE: usize = 4096;

/// One allocation, given back on drop.
pub(super) struct Heap {
    base: NonNull<u8>,
    layout: Layout,
}

impl Heap {
    /// `total` zeroed bytes, or `None` if there is no such memory. `total` is not zero.
    pub(super) fn new(total: u64) -> Option<Self> {
        let size = usize::try_from(total).ok().filter(|&size| size > 0)?;
        let layout = Layout::from_size_align(size, PAGE).ok()?;
        // SAFETY: the size was checked not to be zero.
        let base = unsafe { alloc_zeroed(layout) };
        Some(Self { base: NonNull::new(base)?, layout })
    }

    pub(super) fn base(&self) -> NonNull<u8> {
        self.base
    }

    pub(super) fn len(&self) -> usize {
        self.layout.size()
    }
}

impl Drop for Heap {
    fn drop(&mut self) {
        // SAFETY: `base` came from `alloc_zeroed` with this layout and is given back once.
        unsafe { dealloc(self.base.as_ptr(), self.layout) };
    }
}
