//! What the bytes of a segment mean. `docs/FORMAT.md` describes the same, byte for byte, for other languages.
//!
//! Nothing here touches memory or the operating system: it turns options into sizes, and bytes into checked values.
#![forbid(unsafe_code)]

pub mod row_state;
pub mod word;

#[cfg(not(loom))]
pub mod control;
#[cfg(not(loom))]
pub mod geometry;
#[cfg(not(loom))]
pub mod header;
#[cfg(not(loom))]
pub mod name;

/// Bytes of a cache line.
#[cfg(not(loom))]
pub const LINE: usize = 64;
