//! The raw ping-pong: a turn and its payload in a cache line, and nothing else.

use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::Result;
use ringpost::zerocopy::IntoBytes;

use super::map;
use crate::idle::Idle;
use crate::transports::{Able, Place, Rx, Side, Transport, Tx};

/// Words that are mapped: two pairs of cache lines.
const MAPPED: usize = 32;

/// One line for both directions, written by both sides in turn: no two messages could ever be on their way.
pub struct Same<const WORDS: usize>;
/// Memory for each direction: one line, or two adjacent ones where turn and payload do not fit into one.
pub struct Own<const WORDS: usize>;

/// Why there are no streams: the next message overwrites the last.
fn one_at_a_time(place: &Place) -> Option<String> {
    (place.trip.is_none()).then(|| "one message at a time only".to_owned())
}

impl<const WORDS: usize> Transport for Same<WORDS> {
    const ABLE: Able = Able { in_place: true, ..Able::LEAST };
    type Guard = ();
    type Tx = LineTx<WORDS>;
    type Rx = LineRx<WORDS>;

    fn refuses(place: &Place) -> Option<String> {
        one_at_a_time(place)
    }

    fn create(place: &Place) -> Result<()> {
        map::make(place, MAPPED * 8)
    }

    fn sender(place: &Place) -> Result<Self::Tx> {
        let turn = if place.trip == Some(Side::Second) { 2 } else { 1 };
        Ok(LineTx { line: map::words(&place.both_ways(), MAPPED)?, turn, step: 2 })
    }

    fn receiver(place: &Place) -> Result<Self::Rx> {
        let turn = if place.trip == Some(Side::Second) { 1 } else { 2 };
        Ok(LineRx { line: map::words(&place.both_ways(), MAPPED)?, turn, step: 2 })
    }
}

impl<const WORDS: usize> Transport for Own<WORDS> {
    const ABLE: Able = Able { in_place: true, ..Able::LEAST };
    type Guard = ();
    type Tx = LineTx<WORDS>;
    type Rx = LineRx<WORDS>;

    fn refuses(place: &Place) -> Option<String> {
        one_at_a_time(place)
    }

    fn create(place: &Place) -> Result<()> {
        map::make(place, MAPPED * 8)
    }

    fn sender(place: &Place) -> Result<Self::Tx> {
        Ok(LineTx { line: map::words(place, MAPPED)?, turn: 1, step: 1 })
    }

    fn receiver(place: &Place) -> Result<Self::Rx> {
        Ok(LineRx { line: map::words(place, MAPPED)?, turn: 1, step: 1 })
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
