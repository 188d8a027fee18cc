//! The raw futex: a number in shared memory, a system call to sleep on it, and one to wake the sleeper.

use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::{Result, bail};
use ringpost::zerocopy::IntoBytes;
use rustix::io::Errno;
use rustix::thread::futex;

use super::map;
use crate::idle::Idle;
use crate::transports::{Able, Place, Rx, Support, Transport, Tx, Waiting};

/// 32-bit words that are mapped: a pair of cache lines.
const MAPPED: usize = 32;
/// Where the payload begins.
const PAYLOAD: usize = 2;
const LOOK: futex::Timespec = futex::Timespec { tv_sec: 0, tv_nsec: 50_000_000 };

/// The transport. `HALVES` of 4 bytes in a message.
pub struct Futex<const HALVES: usize>;

impl<const HALVES: usize> Transport for Futex<HALVES> {
    const ABLE: Able = Able { sleep: Support::Yes, ..Able::LEAST };
    type Guard = ();
    type Tx = FutexTx<HALVES>;
    type Rx = FutexRx<HALVES>;

    fn refuses(place: &Place) -> Option<String> {
        let fits = place.wait == Waiting::Sleep && place.trip.is_some();
        (!fits).then(|| "for one message at a time between sleepers".to_owned())
    }

    fn create(place: &Place) -> Result<()> {
        map::make(place, MAPPED * 4)
    }

    fn sender(place: &Place) -> Result<Self::Tx> {
        Ok(FutexTx { words: map::halves(place, MAPPED)?, turn: 0 })
    }

    fn receiver(place: &Place) -> Result<Self::Rx> {
        Ok(FutexRx { words: map::halves(place, MAPPED)?, turn: 0 })
    }
}

/// Writes and wakes.
pub struct FutexTx<const HALVES: usize> {
    words: &'static [AtomicU32],
    turn: u32,
}

impl<const HALVES: usize> Tx for FutexTx<HALVES> {
    fn send(&mut self, fill: impl FnOnce(&mut [u8]), _idle: &mut Idle) -> Result<()> {
        let mut payload = [0; HALVES];
        fill(payload.as_mut_bytes());
        for (to, from) in self.words[PAYLOAD..].iter().zip(payload) {
            // Relaxed: ordered by the turn.
            to.store(from, Ordering::Relaxed);
        }
        self.turn = self.turn.wrapping_add(1);
        // Release: futex turn, pairs with futex look.
        self.words[0].store(self.turn, Ordering::Release);
        futex::wake(&self.words[0], futex::Flags::empty(), 1)?;
        Ok(())
    }
}

/// Sleeps and reads.
pub struct FutexRx<const HALVES: usize> {
    words: &'static [AtomicU32],
    turn: u32,
}

impl<const HALVES: usize> Rx for FutexRx<HALVES> {
    fn recv(&mut self, _read: impl FnOnce(&[u8]), _idle: &mut Idle) -> Result<()> {
        bail!("for sleepers")
    }

    fn recv_asleep(&mut self, read: impl FnOnce(&[u8])) -> Result<bool> {
        // Acquire: futex look, pairs with futex turn.
        while self.words[0].load(Ordering::Acquire) == self.turn {
            match futex::wait(&self.words[0], futex::Flags::empty(), self.turn, Some(&LOOK)) {
                Ok(()) | Err(Errno::AGAIN | Errno::INTR) => {}
                Err(Errno::TIMEDOUT) => return Ok(false),
                Err(error) => return Err(error.into()),
            }
        }
        self.turn = self.turn.wrapping_add(1);
        // Relaxed: ordered by the turn.
        let payload: [u32; HALVES] = std::array::from_fn(|index| self.words[PAYLOAD + index].load(Ordering::Relaxed));
        read(payload.as_bytes());
        Ok(true)
    }
}
