//! Shared memory for the limits: a file in the place's folder.

use std::fs::OpenOptions;
use std::sync::atomic::{AtomicU32, AtomicU64};

use anyhow::{Context, Result, ensure};
use memmap2::MmapOptions;
use memmap2::MmapRaw;

use crate::transports::Place;

/// Makes the file, all zero.
///
/// # Errors
/// A system call failed.
pub fn make(place: &Place, len: usize) -> Result<()> {
    let path = place.file("map");
    let file = OpenOptions::new().read(true).write(true).create_new(true).open(path).context("making shared memory")?;
    file.set_len(len as u64).context("sizing shared memory")
}

/// Maps the file, all pages of it present.
///
/// # Errors
/// A system call failed, or it has another length.
pub fn open(place: &Place, len: usize) -> Result<MmapRaw> {
    let file = OpenOptions::new().read(true).write(true).open(place.file("map")).context("opening shared memory")?;
    ensure!(file.metadata()?.len() == len as u64, "shared memory has another length");
    MmapOptions::new().populate().map_raw(&file).context("mapping shared memory")
}

/// The file as 64-bit words, mapped for as long as this process lives.
///
/// # Errors
/// As [`open`].
pub fn words(place: &Place, count: usize) -> Result<&'static [AtomicU64]> {
    let at = forever(place, count * size_of::<AtomicU64>())?.cast();
    // SAFETY: as long as that, aligned to a page, never unmapped; any bytes are a value of an atomic, and writing by another
    // process is no race.
    Ok(unsafe { std::slice::from_raw_parts(at, count) })
}

/// The file as 32-bit words, mapped for as long as this process lives.
///
/// # Errors
/// As [`open`].
pub fn halves(place: &Place, count: usize) -> Result<&'static [AtomicU32]> {
    let at = forever(place, count * size_of::<AtomicU32>())?.cast();
    // SAFETY: as in `words`.
    Ok(unsafe { std::slice::from_raw_parts(at, count) })
}

fn forever(place: &Place, len: usize) -> Result<*const u8> {
    let map = open(place, len)?;
    let at = map.as_ptr();
    std::mem::forget(map);
    Ok(at)
}
