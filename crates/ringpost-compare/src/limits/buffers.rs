//! Bare buffers: one side writes them in turn, the other reads them, and two counters say how far each has come.
//!
//! This is what a queue of one sender and one receiver cannot do without. It has no names, no checks, no recovery, and no
//! message knows its length. Large messages show what the memory can carry.

use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::Result;
use memmap2::MmapRaw;

use super::map;
use crate::idle::Idle;
use crate::transports::{Able, Place, Rx, Support, Transport, Tx};

/// Where the buffers begin; the counters stand before them, each in a pair of cache lines of its own.
const BUFFERS: usize = 4096;
const WRITTEN: usize = 0;
const READ: usize = 128;
/// Bytes of a cache line.
const LINE: usize = 64;

/// The transport. `WORDS` of 8 bytes in a message, and `GAP` between two. `OWN`: the reader writes a byte of each line as it
/// stands, so that the writer finds the line with an owner.
pub struct Buffers<const WORDS: usize, const GAP: usize, const OWN: bool>;

impl<const WORDS: usize, const GAP: usize, const OWN: bool> Transport for Buffers<WORDS, GAP, OWN> {
    const ABLE: Able = Able { batch: Support::Yes, in_place: true, ..Able::LEAST };
    type Guard = ();
    type Tx = BuffersTx<WORDS, GAP>;
    type Rx = BuffersRx<WORDS, GAP, OWN>;

    fn create(place: &Place) -> Result<()> {
        map::make(place, Row::<WORDS, GAP>::bytes(place.depth))
    }

    fn sender(place: &Place) -> Result<Self::Tx> {
        Ok(BuffersTx { row: Row::open(place, place.depth)?, written: 0, read: 0 })
    }

    fn receiver(place: &Place) -> Result<Self::Rx> {
        Ok(BuffersRx { row: Row::open(place, place.depth)?, written: 0, read: 0 })
    }
}

/// The mapping.
struct Row<const WORDS: usize, const GAP: usize> {
    map: MmapRaw,
    depth: u64,
}

impl<const WORDS: usize, const GAP: usize> Row<WORDS, GAP> {
    /// From one buffer to the next, in bytes.
    const STRIDE: usize = (WORDS + GAP) * 8;

    fn bytes(depth: usize) -> usize {
        BUFFERS + depth * Self::STRIDE
    }

    fn open(place: &Place, depth: usize) -> Result<Self> {
        anyhow::ensure!(depth.is_power_of_two() && place.len == WORDS * 8, "another size was asked for");
        Ok(Self { map: map::open(place, Self::bytes(depth))?, depth: depth as u64 })
    }

    #[inline]
    fn counter(&self, offset: usize) -> &AtomicU64 {
        let at = self.map.as_mut_ptr().wrapping_add(offset).cast();
        // SAFETY: both offsets lie in the mapping, which is page-aligned and as long as this row; everyone uses them atomically.
        unsafe { AtomicU64::from_ptr(at) }
    }

    #[inline]
    fn buffer(&self, number: u64) -> *mut u8 {
        let index = (number & (self.depth - 1)) as usize;
        self.map.as_mut_ptr().wrapping_add(BUFFERS + index * Self::STRIDE)
    }

    /// # Safety
    /// The buffer is the caller's alone, as the counters say, for as long as it uses the slice.
    #[inline]
    #[allow(clippy::mut_from_ref)]
    unsafe fn lend(&self, number: u64) -> &mut [u8] {
        // SAFETY: the buffer lies in the mapping, and is the caller's alone.
        unsafe { std::slice::from_raw_parts_mut(self.buffer(number), WORDS * 8) }
    }
}

/// Writes.
pub struct BuffersTx<const WORDS: usize, const GAP: usize> {
    row: Row<WORDS, GAP>,
    written: u64,
    /// How far the reader had come when that was last looked at.
    read: u64,
}

impl<const WORDS: usize, const GAP: usize> BuffersTx<WORDS, GAP> {
    #[inline]
    fn room(&mut self, idle: &mut Idle) -> Result<()> {
        while self.written - self.read == self.row.depth {
            // Acquire: buffer free, pairs with buffer read.
            self.read = self.row.counter(READ).load(Ordering::Acquire);
            if self.written - self.read == self.row.depth {
                idle.pause()?;
            }
        }
        Ok(())
    }

    #[inline]
    fn write(&mut self, fill: impl FnOnce(&mut [u8])) {
        // SAFETY: the reader has read this buffer, as `room` saw, and looks at it again only after it was handed over.
        fill(unsafe { self.row.lend(self.written) });
        self.written += 1;
    }

    #[inline]
    fn hand_over(&self) {
        // Release: buffer written, pairs with buffer filled.
        self.row.counter(WRITTEN).store(self.written, Ordering::Release);
    }
}

impl<const WORDS: usize, const GAP: usize> Tx for BuffersTx<WORDS, GAP> {
    #[inline]
    fn send(&mut self, fill: impl FnOnce(&mut [u8]), idle: &mut Idle) -> Result<()> {
        self.room(idle)?;
        self.write(fill);
        self.hand_over();
        Ok(())
    }

    #[inline]
    fn send_batch(&mut self, count: usize, mut fill: impl FnMut(usize, &mut [u8]), idle: &mut Idle) -> Result<()> {
        for index in 0..count {
            if self.written - self.read == self.row.depth {
                self.hand_over();
                self.room(idle)?;
            }
            self.write(|bytes| fill(index, bytes));
        }
        self.hand_over();
        Ok(())
    }
}

/// Reads.
pub struct BuffersRx<const WORDS: usize, const GAP: usize, const OWN: bool> {
    row: Row<WORDS, GAP>,
    /// How far the writer had come when that was last looked at.
    written: u64,
    read: u64,
}

impl<const WORDS: usize, const GAP: usize, const OWN: bool> BuffersRx<WORDS, GAP, OWN> {
    #[inline]
    fn arrival(&mut self, idle: &mut Idle) -> Result<()> {
        while self.written == self.read {
            // Acquire: buffer filled, pairs with buffer written.
            self.written = self.row.counter(WRITTEN).load(Ordering::Acquire);
            if self.written == self.read {
                idle.pause()?;
            }
        }
        Ok(())
    }

    #[inline]
    fn read(&mut self, read: impl FnOnce(&[u8])) {
        // SAFETY: the writer has handed this buffer over, as `arrival` saw, and writes it again only after it was read.
        let buffer = unsafe { self.row.lend(self.read) };
        read(buffer);
        if OWN {
            for byte in buffer.iter_mut().step_by(LINE) {
                // Black box: a byte that is written as it stands need not be written at all.
                *byte = std::hint::black_box(*byte);
            }
        }
        self.read += 1;
    }

    #[inline]
    fn hand_back(&self) {
        // Release: buffer read, pairs with buffer free.
        self.row.counter(READ).store(self.read, Ordering::Release);
    }
}

impl<const WORDS: usize, const GAP: usize, const OWN: bool> Rx for BuffersRx<WORDS, GAP, OWN> {
    #[inline]
    fn recv(&mut self, read: impl FnOnce(&[u8]), idle: &mut Idle) -> Result<()> {
        self.arrival(idle)?;
        self.read(read);
        self.hand_back();
        Ok(())
    }

    #[inline]
    fn recv_batch(&mut self, most: usize, mut read: impl FnMut(&[u8]), idle: &mut Idle) -> Result<usize> {
        self.arrival(idle)?;
        let count = most.min((self.written - self.read) as usize);
        for _ in 0..count {
            self.read(&mut read);
        }
        self.hand_back();
        Ok(count)
    }
}
