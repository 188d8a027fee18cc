//! An input, read piece by piece, and queues that are gone when a run is over.

use std::fs;
use std::sync::atomic::{AtomicU32, Ordering};

use super::words::Choice;

/// The bytes of an input that have not been used yet.
pub struct Input<'a>(pub &'a [u8]);

impl Input<'_> {
    /// The next byte; `None` at the end.
    pub fn next(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    /// The next byte, 0 behind the end.
    pub fn byte(&mut self) -> u8 {
        self.next().unwrap_or(0)
    }
}

impl Choice for Input<'_> {
    fn below(&mut self, limit: usize) -> usize {
        let low = usize::from(self.byte());
        if limit <= 256 { low % limit } else { (usize::from(self.byte()) << 8 | low) % limit }
    }

    /// Eight bytes as they are.
    fn word(&mut self) -> u64 {
        u64::from_le_bytes(std::array::from_fn(|_| self.byte()))
    }
}

/// The name of a queue that nobody else uses. Whatever has it is removed when this is dropped, however damaged.
pub struct OwnName(String);

impl OwnName {
    /// A new name with `tag` in it, for people who look at what is left over.
    pub fn new(tag: &str) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        Self(format!("{tag}.{}.{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed)))
    }

    /// The file that has it.
    pub fn path(&self) -> String {
        format!("/dev/shm/ringpost.q.{}", self.0)
    }
}

impl std::ops::Deref for OwnName {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl Drop for OwnName {
    fn drop(&mut self) {
        // Most often somebody has removed it: it was ephemeral, or marked as removed.
        let _ = fs::remove_file(self.path());
    }
}
