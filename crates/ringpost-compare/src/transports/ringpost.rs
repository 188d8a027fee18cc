//! ringpost itself.

use std::time::Duration;

use ::ringpost::{Ends, Message, Options, Queue, Receiver, SendError, Sender, Wait, WhenFull};
use anyhow::Result;

use super::{Able, Place, Rx, Support, Transport, Tx, Waiting};
use crate::idle::Idle;

/// How long a full or empty queue is waited for before somebody looks at the clock.
const LOOK: Duration = Duration::from_millis(50);

/// Bytes, written in place. `MANY`: any number of ends, of which [`Place::joined`] are joined on each side.
pub struct Raw<const MANY: bool>;

/// Removes the queue.
pub struct Guard(String);

impl Drop for Guard {
    fn drop(&mut self) {
        // It may be gone already, and nobody is left to tell.
        let _ = ::ringpost::remove(&self.0);
    }
}

impl<const MANY: bool> Transport for Raw<MANY> {
    const ABLE: Able = Able {
        batch: Support::Yes,
        sleep: Support::Yes,
        many: if MANY { Support::Yes } else { Able::LEAST.many },
        in_place: true,
    };
    type Guard = Guard;
    type Tx = RawTx;
    type Rx = RawRx;

    fn create(place: &Place) -> Result<Guard> {
        open::<MANY>(place)?;
        Ok(Guard(place.name.clone()))
    }

    fn sender(place: &Place) -> Result<RawTx> {
        let queue = open::<MANY>(place)?;
        let mut tx = queue.sender()?;
        tx.set_wait(wait(place));
        let idle = (1..idle_ends::<MANY>(place)).map(|_| queue.sender()).collect::<Result<_, _>>()?;
        Ok(RawTx { tx, len: place.len, buffer: Vec::new(), _idle: idle })
    }

    fn receiver(place: &Place) -> Result<RawRx> {
        let queue = open::<MANY>(place)?;
        let mut rx = queue.receiver()?;
        rx.set_wait(wait(place));
        let idle = (1..idle_ends::<MANY>(place)).map(|_| queue.receiver()).collect::<Result<_, _>>()?;
        Ok(RawRx { rx, _idle: idle })
    }
}

fn wait(place: &Place) -> Wait {
    if place.wait == Waiting::Sleep { Wait::Sleep } else { Wait::Spin }
}

fn idle_ends<const MANY: bool>(place: &Place) -> usize {
    if MANY { place.joined } else { 1 }
}

fn open<const MANY: bool>(place: &Place) -> Result<Queue> {
    let ends = if MANY { Ends::Multi } else { Ends::Single };
    let options = Options::new(place.depth).max_len(place.len).senders(ends).receivers(ends);
    let options = options.endpoints((2 * place.joined).max(64)).when_full(WhenFull::Deadline(LOOK)).prefault(true);
    Ok(Queue::open_or_create(&place.name, options)?)
}

/// Sends bytes.
pub struct RawTx {
    tx: Sender,
    len: usize,
    buffer: Vec<u8>,
    _idle: Vec<Sender>,
}

impl Tx for RawTx {
    #[inline]
    fn send(&mut self, fill: impl FnOnce(&mut [u8]), idle: &mut Idle) -> Result<()> {
        loop {
            match self.tx.loan(self.len) {
                Ok(mut loan) => {
                    fill(&mut loan);
                    loan.commit();
                    return Ok(());
                }
                Err(SendError::TimedOut) => idle.look()?,
                Err(error) => return Err(error.into()),
            }
        }
    }

    #[inline]
    fn send_batch(&mut self, count: usize, mut fill: impl FnMut(usize, &mut [u8]), idle: &mut Idle) -> Result<()> {
        self.buffer.resize(count * self.len, 0);
        for (index, message) in self.buffer.chunks_exact_mut(self.len).enumerate() {
            fill(index, message);
        }
        let mut left = &self.buffer[..];
        while let Err(failed) = self.tx.send_batch(left.chunks_exact(self.len)) {
            if failed.error != SendError::TimedOut {
                return Err(failed.into());
            }
            left = &left[failed.sent * self.len..];
            idle.look()?;
        }
        Ok(())
    }
}

/// Receives bytes.
pub struct RawRx {
    rx: Receiver,
    _idle: Vec<Receiver>,
}

impl Rx for RawRx {
    #[inline]
    fn recv(&mut self, read: impl FnOnce(&[u8]), idle: &mut Idle) -> Result<()> {
        loop {
            // Polls by itself. The clock that it reads for its deadline is read only when nothing is there at once.
            if let Some(message) = self.rx.recv_timeout(LOOK)? {
                read(&message);
                return Ok(());
            }
            idle.look()?;
        }
    }

    #[inline]
    fn recv_batch(&mut self, most: usize, mut read: impl FnMut(&[u8]), idle: &mut Idle) -> Result<usize> {
        loop {
            let batch = self.rx.pull_some(most, LOOK)?;
            if !batch.is_empty() {
                batch.iter().for_each(|message| read(message));
                return Ok(batch.len());
            }
            drop(batch);
            idle.look()?;
        }
    }

    #[inline]
    fn recv_asleep(&mut self, read: impl FnOnce(&[u8])) -> Result<bool> {
        let message: Option<Message<'_>> = self.rx.recv_timeout(LOOK)?;
        Ok(message.map(|message| read(&message)).is_some())
    }
}
