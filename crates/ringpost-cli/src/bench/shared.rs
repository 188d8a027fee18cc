//! Memory that both processes of a benchmark map: their orders, and the two lines of the raw ping-pong.

use std::os::fd::{AsFd, OwnedFd};
use std::sync::atomic::{AtomicU64, Ordering};

use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::mman::{MapFlags, ProtFlags, mmap};
use nix::unistd::ftruncate;

use crate::exit::Failure;

/// Words of the payload that crosses with a turn: 48 bytes, which fill a cache line together with the turn itself.
pub const RAW_WORDS: usize = 6;

/// What both map. All zero at the start.
#[repr(C)]
pub struct Shared {
    ready: Padded<AtomicU64>,
    /// Which round is to be run, and the lane of it in the lower 16 bits.
    order: Padded<AtomicU64>,
    done: Padded<AtomicU64>,
    /// Written by the first process, watched by the second.
    pub there: Line,
    /// Written by the second process, watched by the first.
    pub back: Line,
}

/// A pair of cache lines for itself: some processors fetch lines in pairs.
#[repr(C, align(128))]
struct Padded<T>(T);

/// One direction of the raw ping-pong: a turn and its payload in one cache line.
#[repr(C, align(128))]
pub struct Line {
    turn: AtomicU64,
    words: [AtomicU64; RAW_WORDS],
}

impl Line {
    /// Hands over turn `turn` with its payload.
    #[inline]
    pub fn put(&self, turn: u64, words: &[u64]) {
        for (to, from) in self.words.iter().zip(words) {
            // Relaxed: ordered by the turn.
            to.store(*from, Ordering::Relaxed);
        }
        // Release: turn, pairs with its load: who sees the turn sees the payload.
        self.turn.store(turn, Ordering::Release);
    }

    /// The payload of turn `turn`, if that has come.
    #[inline]
    pub fn get(&self, turn: u64) -> Option<[u64; RAW_WORDS]> {
        // Acquire: turn, pairs with its store.
        if self.turn.load(Ordering::Acquire) != turn {
            return None;
        }
        // Relaxed: ordered by the turn.
        Some(std::array::from_fn(|index| self.words[index].load(Ordering::Relaxed)))
    }
}

impl Shared {
    /// Makes the memory; the descriptor is for the second process.
    ///
    /// # Errors
    /// A system call failed.
    pub fn create() -> Result<(&'static Self, OwnedFd), Failure> {
        let fd = memfd_create(c"ringpost-bench", MFdFlags::MFD_CLOEXEC).map_err(|e| os("making shared memory", e))?;
        ftruncate(&fd, size_of::<Self>() as i64).map_err(|e| os("sizing shared memory", e))?;
        Ok((Self::map(&fd)?, fd))
    }

    /// Maps the memory that another process has made.
    ///
    /// # Errors
    /// A system call failed, or the descriptor is not of such memory.
    pub fn map(fd: &impl AsFd) -> Result<&'static Self, Failure> {
        let size = std::num::NonZero::new(size_of::<Self>()).ok_or_else(|| super::failed("no size"))?;
        let stat = nix::sys::stat::fstat(fd).map_err(|e| os("looking at shared memory", e))?;
        if stat.st_size < size.get() as i64 {
            return Err(super::failed("the second process is started by `ringpost bench`, not by hand"));
        }
        let access = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
        // SAFETY: a new mapping at an address that the kernel chooses touches no memory of ours.
        let at = unsafe { mmap(None, size, access, MapFlags::MAP_SHARED, fd, 0) };
        let at = at.map_err(|e| os("mapping shared memory", e))?.cast::<Self>();
        // SAFETY: the mapping is as long as `Self`, aligned to a page, never unmapped, and backed by the file to its
        // end; it consists of atomics, for which any bytes are a value and writing by another process is no race.
        Ok(unsafe { at.as_ref() })
    }

    /// The second process has joined everything.
    pub fn set_ready(&self) {
        // Release: ready, pairs with is_ready.
        self.ready.0.store(1, Ordering::Release);
    }

    /// Whether it has.
    pub fn is_ready(&self) -> bool {
        // Acquire: ready, pairs with set_ready.
        self.ready.0.load(Ordering::Acquire) != 0
    }

    /// Orders round `round`, counted from 1, on a lane.
    pub fn start(&self, round: u64, lane: usize) {
        // Release: order, pairs with ordered.
        self.order.0.store(round << 16 | lane as u64, Ordering::Release);
    }

    /// The lane of round `round`, once that is ordered.
    pub fn ordered(&self, round: u64) -> Option<usize> {
        // Acquire: order, pairs with start.
        let order = self.order.0.load(Ordering::Acquire);
        (order >> 16 == round).then_some((order & 0xffff) as usize)
    }

    /// The second process has received all of round `round`.
    pub fn finish(&self, round: u64) {
        // Release: done, pairs with is_done.
        self.done.0.store(round, Ordering::Release);
    }

    /// Whether it has.
    pub fn is_done(&self, round: u64) -> bool {
        // Acquire: done, pairs with finish.
        self.done.0.load(Ordering::Acquire) == round
    }
}

fn os(what: &'static str, error: nix::Error) -> Failure {
    Failure::Io(what, error.into())
}
