//! Memory that both measured processes map: their orders, and the two lines of the raw ping-pong.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use memmap2::MmapRaw;
use rustix::time::{ClockId, clock_gettime};

use crate::idle::Idle;

/// Words of the payload that crosses with a turn: 48 bytes, which fill a cache line together with the turn itself.
pub const RAW_WORDS: usize = 6;

/// What both map. All zero at the start.
#[repr(C)]
pub struct Control {
    ready: [Padded<AtomicU64>; 2],
    order: Padded<Sheet>,
    done: Padded<Done>,
    failed: Padded<AtomicU64>,
    rounds: [Padded<Within>; 2],
    /// Written by the first process, watched by the second.
    pub there: Line,
    /// Written by the second process, watched by the first.
    pub back: Line,
}

/// What the second process is to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// Answer the raw ping-pong so many times.
    Probe(u64),
    /// Receive or answer so many messages.
    Run {
        /// How many.
        count: u64,
        /// When the first is sent, by [`now_ns`].
        start_ns: u64,
    },
    /// End.
    Stop,
}

#[repr(C)]
struct Sheet {
    number: AtomicU64,
    kind: AtomicU64,
    count: AtomicU64,
    start_ns: AtomicU64,
}

/// The round that a side is in, or 0; and how many it was in so far.
#[repr(C)]
struct Within {
    now: AtomicU64,
    begun: AtomicU64,
}

#[repr(C)]
struct Done {
    number: AtomicU64,
    end_ns: AtomicU64,
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
    pub fn put(&self, turn: u64, words: &[u64; RAW_WORDS]) {
        for (to, from) in self.words.iter().zip(words) {
            // Relaxed: ordered by the turn.
            to.store(*from, Ordering::Relaxed);
        }
        // Release: turn, pairs with look. Who sees the turn sees the payload.
        self.turn.store(turn, Ordering::Release);
    }

    /// The payload of turn `turn`, if that has come.
    #[inline]
    pub fn get(&self, turn: u64) -> Option<[u64; RAW_WORDS]> {
        // Acquire: look, pairs with turn.
        if self.turn.load(Ordering::Acquire) != turn {
            return None;
        }
        // Relaxed: ordered by the turn.
        Some(std::array::from_fn(|index| self.words[index].load(Ordering::Relaxed)))
    }
}

impl Control {
    /// Makes the memory; the descriptor is for the processes that are measured.
    ///
    /// # Errors
    /// A system call failed.
    pub fn create() -> Result<OwnedFd> {
        let flags = nix::sys::memfd::MFdFlags::MFD_CLOEXEC;
        let fd = nix::sys::memfd::memfd_create(c"ringpost-compare", flags).context("making shared memory")?;
        nix::unistd::ftruncate(&fd, size_of::<Self>() as i64).context("sizing shared memory")?;
        Ok(fd)
    }

    /// Maps the memory that another process has made, for good.
    ///
    /// # Errors
    /// A system call failed, or the descriptor is not of such memory.
    pub fn map(fd: &impl AsFd) -> Result<&'static Self> {
        let file = File::from(fd.as_fd().try_clone_to_owned()?);
        let len = file.metadata()?.len();
        ensure!(len == size_of::<Self>() as u64, "a worker is started by the tool, not by hand");
        let map = MmapRaw::map_raw(&file).context("mapping shared memory")?;
        let at = map.as_mut_ptr().cast::<Self>();
        std::mem::forget(map);
        // SAFETY: the mapping is as long as `Self`, aligned to a page, never unmapped, and backed by the file to its end; it
        // consists of atomics, for which any bytes are a value and writing by another process is no race.
        Ok(unsafe { &*at })
    }

    /// The memory that this process was given as its standard input.
    ///
    /// # Errors
    /// As [`map`](Self::map).
    pub fn inherited() -> Result<&'static Self> {
        Self::map(&io::stdin())
    }

    /// A side is in round `number` from now on, or in none if that is 0.
    pub fn enter(&self, side: usize, number: u64) {
        let Padded(within) = &self.rounds[side];
        // Relaxed, both: who reads them has stopped this process, or seen it end.
        within.now.store(number, Ordering::Relaxed);
        if number != 0 {
            within.begun.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// The round that a side is in, or 0.
    #[must_use]
    pub fn round_of(&self, side: usize) -> &AtomicU64 {
        &self.rounds[side].0.now
    }

    /// How many rounds a side has begun.
    #[must_use]
    pub fn rounds_begun(&self, side: usize) -> u64 {
        // Relaxed: as in `enter`.
        self.rounds[side].0.begun.load(Ordering::Relaxed)
    }

    /// This side has failed: the other need not wait.
    pub fn fail(&self) {
        // Relaxed: a flag that is looked at again and again.
        self.failed.0.store(1, Ordering::Relaxed);
    }

    /// Waiting that ends when the other side has failed, too.
    #[must_use]
    pub fn idle(&'static self, patience: Duration, one_core: bool) -> Idle {
        Idle::new(patience, one_core).watching(&self.failed.0)
    }

    /// This side has joined everything; waits for the other.
    ///
    /// # Errors
    /// The other never came.
    pub fn meet(&self, side: usize, idle: &mut Idle) -> Result<()> {
        // Release: ready, pairs with met.
        self.ready[side].0.store(1, Ordering::Release);
        // Acquire: met, pairs with ready.
        idle.until(|| self.ready[1 - side].0.load(Ordering::Acquire) != 0)
    }

    /// Gives order `number`, counted from 1.
    pub fn give(&self, number: u64, order: Order) {
        let sheet = &self.order.0;
        let (kind, count, start_ns) = match order {
            Order::Probe(count) => (1, count, 0),
            Order::Run { count, start_ns } => (2, count, start_ns),
            Order::Stop => (0, 0, 0),
        };
        // Relaxed, all three: ordered by the number.
        sheet.kind.store(kind, Ordering::Relaxed);
        sheet.count.store(count, Ordering::Relaxed);
        sheet.start_ns.store(start_ns, Ordering::Relaxed);
        // Release: order, pairs with obey.
        sheet.number.store(number, Ordering::Release);
    }

    /// Waits for order `number`.
    ///
    /// # Errors
    /// It never came.
    pub fn order(&self, number: u64, idle: &mut Idle) -> Result<Order> {
        let sheet = &self.order.0;
        // Acquire: obey, pairs with order.
        idle.until(|| sheet.number.load(Ordering::Acquire) == number)?;
        // Relaxed, all three: ordered by the number.
        let count = sheet.count.load(Ordering::Relaxed);
        let start_ns = sheet.start_ns.load(Ordering::Relaxed);
        Ok(match sheet.kind.load(Ordering::Relaxed) {
            1 => Order::Probe(count),
            2 => Order::Run { count, start_ns },
            _ => Order::Stop,
        })
    }

    /// The second process has done order `number`: at `end_ns`, by [`now_ns`].
    pub fn finish(&self, number: u64, end_ns: u64) {
        // Relaxed: ordered by the number.
        self.done.0.end_ns.store(end_ns, Ordering::Relaxed);
        // Release: done, pairs with finished.
        self.done.0.number.store(number, Ordering::Release);
    }

    /// Waits until it has, and says when that was.
    ///
    /// # Errors
    /// It never did.
    pub fn finished(&self, number: u64, idle: &mut Idle) -> Result<u64> {
        // Acquire: finished, pairs with done.
        idle.until(|| self.done.0.number.load(Ordering::Acquire) == number)?;
        // Relaxed: ordered by the number.
        Ok(self.done.0.end_ns.load(Ordering::Relaxed))
    }
}

/// Nanoseconds of the monotonic clock, which is one for all processes of the machine.
#[inline]
#[must_use]
pub fn now_ns() -> u64 {
    let now = clock_gettime(ClockId::Monotonic);
    now.tv_sec as u64 * 1_000_000_000 + now.tv_nsec as u64
}
