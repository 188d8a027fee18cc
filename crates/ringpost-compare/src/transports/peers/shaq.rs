//! shaq: rings of one fixed type, for one sender and one receiver, or for many.
//!
//! Messages are written and read where they lie: a write batch lends slots, a read batch slices. What the plain calls
//! `try_write` and `try_read` do is the same with a move of the value, and `try_read` stores to the shared cursor even when
//! it finds nothing.

use std::fs::{File, OpenOptions};
use std::mem::MaybeUninit;
use std::num::NonZero;
use std::time::Duration;

use ::shaq::error::WaitError;
use ::shaq::{mpmc, spsc};
use anyhow::{Context, Result};
use ringpost::zerocopy::IntoBytes;

use crate::idle::Idle;
use crate::transports::{Able, Place, Rx, Support, Transport, Tx};

/// How long a receiver sleeps before somebody looks at the clock.
const LOOK: Duration = Duration::from_millis(50);

/// One sender, one receiver, messages of so many 8-byte words.
pub struct Single<const WORDS: usize>;

/// Any number of both.
pub struct Many<const WORDS: usize>;

fn file(place: &Place) -> Result<File> {
    let options = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(place.file("shaq"));
    options.context("opening the file of the queue")
}

/// The bytes of a slot that is lent for writing.
#[inline]
fn bytes<const WORDS: usize>(slot: &mut MaybeUninit<[u64; WORDS]>) -> &mut [u8] {
    // SAFETY: as long as the slot, which is lent exclusively. It lies in a file that began as zeros, and holds integers only:
    // its bytes are initialized, and any bytes are a value.
    unsafe { std::slice::from_raw_parts_mut(slot.as_mut_ptr().cast(), WORDS * 8) }
}

impl<const WORDS: usize> Transport for Single<WORDS> {
    const ABLE: Able = Able { batch: Support::Yes, sleep: Support::Yes, in_place: true, ..Able::LEAST };
    type Guard = ();
    type Tx = SingleTx<WORDS>;
    type Rx = SingleRx<WORDS>;

    fn create(place: &Place) -> Result<()> {
        let size = spsc::minimum_file_size::<[u64; WORDS]>(place.depth);
        // SAFETY: the file is new, so this is the only initialization. This sender is gone before another joins.
        let made = unsafe { spsc::Producer::<[u64; WORDS]>::create(&file(place)?, size) }?;
        anyhow::ensure!(made.capacity() == place.depth, "made for {} messages", made.capacity());
        Ok(())
    }

    fn sender(place: &Place) -> Result<Self::Tx> {
        // SAFETY: the only sender of this queue, and its receiver has the same type of integers.
        let tx = unsafe { spsc::Producer::join(&file(place)?) }?;
        Ok(SingleTx { tx })
    }

    fn receiver(place: &Place) -> Result<Self::Rx> {
        // SAFETY: the only receiver of this queue, and its sender has the same type of integers.
        let rx = unsafe { spsc::Consumer::join(&file(place)?) }?;
        Ok(SingleRx { rx })
    }
}

/// The only sender.
pub struct SingleTx<const WORDS: usize> {
    tx: spsc::Producer<[u64; WORDS]>,
}

impl<const WORDS: usize> Tx for SingleTx<WORDS> {
    #[inline]
    fn send(&mut self, fill: impl FnOnce(&mut [u8]), idle: &mut Idle) -> Result<()> {
        loop {
            let mut batch = self.tx.write_batch();
            // SAFETY: the slot is filled before the batch is dropped, and holds a value already if `fill` should unwind.
            if let Some(slot) = unsafe { batch.try_as_mut() } {
                fill(bytes(slot));
                return Ok(());
            }
            // An empty batch would be published when dropped, which costs a fence and the receiver's cache line.
            std::mem::forget(batch);
            idle.pause()?;
        }
    }

    #[inline]
    fn send_batch(&mut self, count: usize, mut fill: impl FnMut(usize, &mut [u8]), idle: &mut Idle) -> Result<()> {
        let mut sent = 0;
        loop {
            let start = sent;
            let mut batch = self.tx.write_batch();
            while sent < count {
                // SAFETY: as in `send`.
                let Some(slot) = (unsafe { batch.try_as_mut() }) else { break };
                fill(sent, bytes(slot));
                sent += 1;
            }
            if sent == start {
                std::mem::forget(batch);
            } else {
                drop(batch);
            }
            if sent == count {
                return Ok(());
            }
            idle.pause()?;
        }
    }
}

/// The only receiver.
pub struct SingleRx<const WORDS: usize> {
    rx: spsc::Consumer<[u64; WORDS]>,
}

impl<const WORDS: usize> Rx for SingleRx<WORDS> {
    #[inline]
    fn recv(&mut self, read: impl FnOnce(&[u8]), idle: &mut Idle) -> Result<()> {
        loop {
            if let Some(batch) = self.rx.try_reserve_read_batch(NonZero::<usize>::MIN) {
                read(batch[0].as_bytes());
                return Ok(());
            }
            idle.pause()?;
        }
    }

    #[inline]
    fn recv_batch(&mut self, most: usize, mut read: impl FnMut(&[u8]), idle: &mut Idle) -> Result<usize> {
        let most = NonZero::new(most).context("no messages are asked for")?;
        loop {
            if let Some(batch) = self.rx.try_reserve_read_batch(most) {
                let (first, second) = batch.as_slices();
                first.iter().chain(second).for_each(|message| read(message.as_bytes()));
                return Ok(batch.len());
            }
            idle.pause()?;
        }
    }

    fn recv_asleep(&mut self, read: impl FnOnce(&[u8])) -> Result<bool> {
        match self.rx.reserve_read_batch_timeout(NonZero::<usize>::MIN, LOOK) {
            Ok(batch) => read(batch[0].as_bytes()),
            Err(WaitError::Timeout) => return Ok(false),
        }
        Ok(true)
    }
}

impl<const WORDS: usize> Transport for Many<WORDS> {
    const ABLE: Able = Able { batch: Support::Yes, sleep: Support::Yes, many: Support::Yes, in_place: true };
    type Guard = ();
    type Tx = ManyTx<WORDS>;
    type Rx = ManyRx<WORDS>;

    fn create(place: &Place) -> Result<()> {
        let size = mpmc::minimum_file_size::<[u64; WORDS]>(place.depth);
        // SAFETY: the file is new, so this is the only initialization.
        unsafe { mpmc::Producer::<[u64; WORDS]>::create(&file(place)?, size) }?;
        Ok(())
    }

    fn sender(place: &Place) -> Result<Self::Tx> {
        let file = file(place)?;
        // SAFETY: all ends of this queue have the same type of integers.
        let join = || unsafe { mpmc::Producer::join(&file) };
        let idle = (1..place.joined).map(|_| join()).collect::<Result<_, _>>()?;
        Ok(ManyTx { tx: join()?, _idle: idle })
    }

    fn receiver(place: &Place) -> Result<Self::Rx> {
        let file = file(place)?;
        // SAFETY: all ends of this queue have the same type of integers.
        let join = || unsafe { mpmc::Consumer::join(&file) };
        let idle = (1..place.joined).map(|_| join()).collect::<Result<_, _>>()?;
        Ok(ManyRx { rx: join()?, _idle: idle })
    }
}

/// One of many senders.
pub struct ManyTx<const WORDS: usize> {
    tx: mpmc::Producer<[u64; WORDS]>,
    _idle: Vec<mpmc::Producer<[u64; WORDS]>>,
}

impl<const WORDS: usize> Tx for ManyTx<WORDS> {
    #[inline]
    fn send(&mut self, fill: impl FnOnce(&mut [u8]), idle: &mut Idle) -> Result<()> {
        loop {
            // SAFETY: the slot is filled before the guard is dropped, and holds a value already if `fill` should unwind.
            if let Some(mut slot) = unsafe { self.tx.try_reserve_write() } {
                fill(bytes(slot.as_mut()));
                return Ok(());
            }
            idle.pause()?;
        }
    }

    #[inline]
    fn send_batch(&mut self, count: usize, mut fill: impl FnMut(usize, &mut [u8]), idle: &mut Idle) -> Result<()> {
        let wanted = NonZero::new(count).context("no messages are given")?;
        loop {
            // All or nothing: the library has no call for as many as there is room for.
            // SAFETY: as in `send`, and all slots are filled below.
            if let Some(mut batch) = unsafe { self.tx.try_reserve_write_batch(wanted) } {
                for index in 0..count {
                    // SAFETY: below the length of the batch.
                    fill(index, bytes(unsafe { batch.as_mut(index) }));
                }
                return Ok(());
            }
            idle.pause()?;
        }
    }
}

/// One of many receivers.
pub struct ManyRx<const WORDS: usize> {
    rx: mpmc::Consumer<[u64; WORDS]>,
    _idle: Vec<mpmc::Consumer<[u64; WORDS]>>,
}

impl<const WORDS: usize> Rx for ManyRx<WORDS> {
    #[inline]
    fn recv(&mut self, read: impl FnOnce(&[u8]), idle: &mut Idle) -> Result<()> {
        loop {
            // A read guard would move the value to the stack when it is dropped; a batch of one does not.
            if let Some(batch) = self.rx.try_reserve_read_batch(NonZero::<usize>::MIN) {
                read(batch[0].as_bytes());
                return Ok(());
            }
            idle.pause()?;
        }
    }

    #[inline]
    fn recv_batch(&mut self, most: usize, mut read: impl FnMut(&[u8]), idle: &mut Idle) -> Result<usize> {
        let most = NonZero::new(most).context("no messages are asked for")?;
        loop {
            if let Some(batch) = self.rx.try_reserve_read_batch(most) {
                let (first, second) = batch.as_slices();
                first.iter().chain(second).for_each(|message| read(message.as_bytes()));
                return Ok(batch.len());
            }
            idle.pause()?;
        }
    }

    fn recv_asleep(&mut self, read: impl FnOnce(&[u8])) -> Result<bool> {
        match self.rx.reserve_read_batch_timeout(NonZero::<usize>::MIN, LOOK) {
            Ok(batch) => read(batch[0].as_bytes()),
            Err(WaitError::Timeout) => return Ok(false),
        }
        Ok(true)
    }
}
