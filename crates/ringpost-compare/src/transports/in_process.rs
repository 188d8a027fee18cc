//! Queues between threads of one process: they need no names, no recovery and no checks of what others wrote.

use std::mem::MaybeUninit;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, bail};
use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, TryRecvError, TrySendError};
use crossbeam_queue::ArrayQueue;
use ringpost::zerocopy::IntoBytes;
use rtrb::chunks::ChunkError;
use rtrb::{Consumer, Producer, RingBuffer};

use super::{Able, Place, Rx, Support, Threads, Tx};
use crate::idle::Idle;

/// Values of up to so many words go in and out by value, larger ones in place.
const BY_VALUE: usize = 16;

/// rtrb: one sender, one receiver.
pub struct Rtrb<const WORDS: usize>;

impl<const WORDS: usize> Threads for Rtrb<WORDS> {
    const ABLE: Able = Able { batch: Support::Yes, in_place: true, ..Able::LEAST };
    type Tx = Producer<[u64; WORDS]>;
    type Rx = Consumer<[u64; WORDS]>;

    fn pair(place: &Place) -> Result<(Self::Tx, Self::Rx)> {
        let (mut tx, mut rx) = RingBuffer::new(place.depth);
        // So that every slot holds a value, and its page is there.
        let mut chunk = tx.write_chunk_uninit(place.depth)?;
        let (slots, _) = chunk.as_mut_slices();
        for slot in slots {
            clear(slot);
        }
        // SAFETY: all slots of the chunk, whose second part is empty in a new ring, have just been written.
        unsafe { chunk.commit_all() };
        rx.read_chunk(place.depth)?.commit_all();
        Ok((tx, rx))
    }
}

/// Without a value on the stack: it may be large.
fn clear<const WORDS: usize>(slot: &mut MaybeUninit<[u64; WORDS]>) {
    // SAFETY: zero bytes are a valid value of an array of integers.
    unsafe { slot.as_mut_ptr().write_bytes(0, 1) };
}

/// The slot's bytes.
fn bytes<const WORDS: usize>(slot: &mut MaybeUninit<[u64; WORDS]>) -> &mut [u8] {
    // SAFETY: `pair` has filled the ring once, so every slot holds a value, and values of integers stay values.
    unsafe { slot.assume_init_mut() }.as_mut_bytes()
}

impl<const WORDS: usize> Tx for Producer<[u64; WORDS]> {
    #[inline]
    fn send(&mut self, fill: impl FnOnce(&mut [u8]), idle: &mut Idle) -> Result<()> {
        if WORDS <= BY_VALUE {
            let mut value = [0; WORDS];
            fill(value.as_mut_bytes());
            while self.push(value).is_err() {
                idle.pause()?;
            }
            return Ok(());
        }
        while self.is_full() {
            idle.pause()?;
        }
        let mut chunk = self.write_chunk_uninit(1)?;
        if let (slots, _) = chunk.as_mut_slices()
            && let Some(slot) = slots.first_mut()
        {
            fill(bytes(slot));
        }
        // SAFETY: the only slot of the chunk holds a value.
        unsafe { chunk.commit_all() };
        Ok(())
    }

    #[inline]
    fn send_batch(&mut self, count: usize, mut fill: impl FnMut(usize, &mut [u8]), idle: &mut Idle) -> Result<()> {
        let mut done = 0;
        while done < count {
            let mut chunk = match self.write_chunk_uninit(count - done) {
                Ok(chunk) => chunk,
                Err(ChunkError::TooFewSlots(0)) => {
                    idle.pause()?;
                    continue;
                }
                Err(ChunkError::TooFewSlots(some)) => self.write_chunk_uninit(some)?,
            };
            let (front, back) = chunk.as_mut_slices();
            for slot in front.iter_mut().chain(back) {
                fill(done, bytes(slot));
                done += 1;
            }
            // SAFETY: all slots of the chunk hold values.
            unsafe { chunk.commit_all() };
        }
        Ok(())
    }
}

impl<const WORDS: usize> Rx for Consumer<[u64; WORDS]> {
    #[inline]
    fn recv(&mut self, read: impl FnOnce(&[u8]), idle: &mut Idle) -> Result<()> {
        if WORDS <= BY_VALUE {
            loop {
                if let Ok(value) = self.pop() {
                    read(value.as_bytes());
                    return Ok(());
                }
                idle.pause()?;
            }
        }
        while self.is_empty() {
            idle.pause()?;
        }
        let chunk = self.read_chunk(1)?;
        if let Some(value) = chunk.as_slices().0.first() {
            read(value.as_bytes());
        }
        chunk.commit_all();
        Ok(())
    }

    #[inline]
    fn recv_batch(&mut self, most: usize, mut read: impl FnMut(&[u8]), idle: &mut Idle) -> Result<usize> {
        loop {
            let chunk = match self.read_chunk(most) {
                Ok(chunk) => chunk,
                Err(ChunkError::TooFewSlots(0)) => {
                    idle.pause()?;
                    continue;
                }
                Err(ChunkError::TooFewSlots(some)) => self.read_chunk(some)?,
            };
            let count = chunk.len();
            let (front, back) = chunk.as_slices();
            front.iter().chain(back).for_each(|value| read(value.as_bytes()));
            chunk.commit_all();
            return Ok(count);
        }
    }
}

/// crossbeam's `ArrayQueue`: any number of senders and receivers.
pub struct Array<const WORDS: usize>;

/// Either end of it.
pub struct ArrayEnd<const WORDS: usize>(Arc<ArrayQueue<[u64; WORDS]>>);

impl<const WORDS: usize> Threads for Array<WORDS> {
    type Tx = ArrayEnd<WORDS>;
    type Rx = ArrayEnd<WORDS>;

    fn pair(place: &Place) -> Result<(Self::Tx, Self::Rx)> {
        let queue = Arc::new(ArrayQueue::new(place.depth));
        Ok((ArrayEnd(Arc::clone(&queue)), ArrayEnd(queue)))
    }
}

impl<const WORDS: usize> Tx for ArrayEnd<WORDS> {
    #[inline]
    fn send(&mut self, fill: impl FnOnce(&mut [u8]), idle: &mut Idle) -> Result<()> {
        let mut value = [0; WORDS];
        fill(value.as_mut_bytes());
        while self.0.push(value).is_err() {
            idle.pause()?;
        }
        Ok(())
    }
}

impl<const WORDS: usize> Rx for ArrayEnd<WORDS> {
    #[inline]
    fn recv(&mut self, read: impl FnOnce(&[u8]), idle: &mut Idle) -> Result<()> {
        loop {
            if let Some(value) = self.0.pop() {
                read(value.as_bytes());
                return Ok(());
            }
            idle.pause()?;
        }
    }
}

/// crossbeam's bounded channel.
pub struct Channel<const WORDS: usize>;

impl<const WORDS: usize> Threads for Channel<WORDS> {
    const ABLE: Able = Able { sleep: Support::Yes, ..Able::LEAST };
    type Tx = Sender<[u64; WORDS]>;
    type Rx = Receiver<[u64; WORDS]>;

    fn pair(place: &Place) -> Result<(Self::Tx, Self::Rx)> {
        Ok(crossbeam_channel::bounded(place.depth))
    }
}

impl<const WORDS: usize> Tx for Sender<[u64; WORDS]> {
    #[inline]
    fn send(&mut self, fill: impl FnOnce(&mut [u8]), idle: &mut Idle) -> Result<()> {
        let mut value = [0; WORDS];
        fill(value.as_mut_bytes());
        loop {
            match self.try_send(value) {
                Ok(()) => return Ok(()),
                Err(TrySendError::Full(_)) => idle.pause()?,
                Err(TrySendError::Disconnected(_)) => bail!("the other side has left"),
            }
        }
    }
}

impl<const WORDS: usize> Rx for Receiver<[u64; WORDS]> {
    #[inline]
    fn recv(&mut self, read: impl FnOnce(&[u8]), idle: &mut Idle) -> Result<()> {
        loop {
            match self.try_recv() {
                Ok(value) => {
                    read(value.as_bytes());
                    return Ok(());
                }
                Err(TryRecvError::Empty) => idle.pause()?,
                Err(TryRecvError::Disconnected) => bail!("the other side has left"),
            }
        }
    }

    #[inline]
    fn recv_asleep(&mut self, read: impl FnOnce(&[u8])) -> Result<bool> {
        match self.recv_timeout(Duration::from_millis(50)) {
            Ok(value) => {
                read(value.as_bytes());
                Ok(true)
            }
            Err(RecvTimeoutError::Timeout) => Ok(false),
            Err(RecvTimeoutError::Disconnected) => bail!("the other side has left"),
        }
    }
}
