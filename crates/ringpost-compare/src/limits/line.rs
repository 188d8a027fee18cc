//! The raw ping-pong: a turn and its payload in a cache line, and nothing else.

use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::Result;
use ringpost::zerocopy::IntoBytes;

use super::map;
use crate::idle::Idle;
use crate::transports::{Able, Place, Rx, Side, Transport, Tx};

/// Words that are mapped: two pairs of cache lines.
const MAPPED: usize = 32;

/// Memory for each direction: one line, or two adjacent ones where turn and payload do not fit into one. `SHARED`: one line for
/// both directions, written by both sides in turn; no two messages could ever be on their way.
pub struct Line<const WORDS: usize, const SHARED: bool>;

impl<const WORDS: usize, const SHARED: bool> Line<WORDS, SHARED> {
    /// The memory, the first turn of this direction, and from one turn to the next. In a shared line the first side's turns are
    /// odd, and the second side's even.
    fn open(place: &Place, sender: Side) -> Result<(&'static [AtomicU64], u64, u64)> {
        if !SHARED {
            return Ok((map::words(place, MAPPED)?, 1, 1));
        }
        let turn = if sender == Side::First { 1 } else { 2 };
        Ok((map::words(&place.both_ways(), MAPPED)?, turn, 2))
    }
}

impl<const WORDS: usize, const SHARED: bool> Transport for Line<WORDS, SHARED> {
    const ABLE: Able = Able { in_place: true, ..Able::LEAST };
    type Guard = ();
    type Tx = LineTx<WORDS>;
    type Rx = LineRx<WORDS>;

    /// No streams: the next message overwrites the last.
    fn refuses(place: &Place) -> Option<String> {
        (place.trip.is_none()).then(|| "one message at a time only".to_owned())
    }

    fn create(place: &Place) -> Result<()> {
        map::make(place, MAPPED * 8)
    }

    fn sender(place: &Place) -> Result<Self::Tx> {
        let (line, turn, step) = Self::open(place, place.trip.unwrap_or(Side::First))?;
        Ok(LineTx { line, turn, step })
    }

    fn receiver(place: &Place) -> Result<Self::Rx> {
        let other = if place.trip == Some(Side::First) { Side::Second } else { Side::First };
        let (line, turn, step) = Self::open(place, other)?;
        Ok(LineRx { line, turn, step })
    }
}

/// Writes a line.
pub struct LineTx<const WORDS: usize> {
    line: &'static [AtomicU64],
    /// What the turn becomes next.
    turn: u64,
    step: u64,
}

impl<const WORDS: usize> Tx for LineTx<WORDS> {
    #[inline]
    fn send(&mut self, fill: impl FnOnce(&mut [u8]), _idle: &mut Idle) -> Result<()> {
        let mut words = [0; WORDS];
        fill(words.as_mut_bytes());
        for (to, from) in self.line[1..=WORDS].iter().zip(words) {
            // Relaxed: ordered by the turn.
            to.store(from, Ordering::Relaxed);
        }
        // Release: raw turn, pairs with raw look. Who sees the turn sees the payload.
        self.line[0].store(self.turn, Ordering::Release);
        self.turn += self.step;
        Ok(())
    }
}

/// Watches a line.
pub struct LineRx<const WORDS: usize> {
    line: &'static [AtomicU64],
    /// The turn that is waited for.
    turn: u64,
    step: u64,
}

impl<const WORDS: usize> Rx for LineRx<WORDS> {
    #[inline]
    fn recv(&mut self, read: impl FnOnce(&[u8]), idle: &mut Idle) -> Result<()> {
        let line = &self.line[..=WORDS];
        // Acquire: raw look, pairs with raw turn.
        while line[0].load(Ordering::Acquire) != self.turn {
            idle.pause()?;
        }
        self.turn += self.step;
        // Relaxed: ordered by the turn.
        let words: [u64; WORDS] = std::array::from_fn(|index| line[1 + index].load(Ordering::Relaxed));
        read(words.as_bytes());
        Ok(())
    }
}
