//! cloudtoid-interprocess: a ring of bytes for any number of ends on both sides, each message to one of them.

use std::time::Duration;

use anyhow::{Context, Result};
use cloudtoid_interprocess::{Options, Publisher, Subscriber};

use crate::idle::Idle;
use crate::transports::{Able, Place, Rx, Support, Transport, Tx};

/// Bytes of a record beside its message.
const HEADER: usize = 8;

/// Bytes, copied in and out. Batches exist for sending only: a receiver takes one message a call.
pub struct Bytes;

fn options(place: &Place) -> Options {
    let record = (place.len + HEADER).next_multiple_of(8);
    Options::new(&place.name, place.depth * record).with_path(&place.dir)
}

impl Transport for Bytes {
    const ABLE: Able = Able { batch: Support::Yes, sleep: Support::Yes, many: Support::Yes, in_place: false };
    /// The queue lives as long as somebody has joined it; the last one removes what is on disk.
    type Guard = Subscriber;
    type Tx = BytesTx;
    type Rx = BytesRx;

    fn create(place: &Place) -> Result<Subscriber> {
        Ok(Subscriber::open(&options(place))?)
    }

    fn sender(place: &Place) -> Result<BytesTx> {
        let join = || Publisher::open(&options(place));
        let idle = (1..place.joined).map(|_| join()).collect::<Result<_, _>>()?;
        Ok(BytesTx { tx: join()?, len: place.len, buffer: vec![0; place.len], _idle: idle })
    }

    fn receiver(place: &Place) -> Result<BytesRx> {
        let join = || Subscriber::open(&options(place));
        let idle = (1..place.joined).map(|_| join()).collect::<Result<_, _>>()?;
        Ok(BytesRx { rx: join()?, buffer: vec![0; place.len], _idle: idle })
    }
}

/// Sends.
pub struct BytesTx {
    tx: Publisher,
    len: usize,
    buffer: Vec<u8>,
    _idle: Vec<Publisher>,
}

impl Tx for BytesTx {
    #[inline]
    fn send(&mut self, fill: impl FnOnce(&mut [u8]), idle: &mut Idle) -> Result<()> {
        let message = &mut self.buffer[..self.len];
        fill(message);
        loop {
            match self.tx.try_send(message) {
                Ok(()) => return Ok(()),
                Err(error) if error.is_full() => idle.pause()?,
                Err(error) => return Err(error.into()),
            }
        }
    }

    #[inline]
    fn send_batch(&mut self, count: usize, mut fill: impl FnMut(usize, &mut [u8]), idle: &mut Idle) -> Result<()> {
        self.buffer.resize(self.buffer.len().max(count * self.len), 0);
        let messages = &mut self.buffer[..count * self.len];
        messages.chunks_exact_mut(self.len).enumerate().for_each(|(index, message)| fill(index, message));
        let mut list: [&[u8]; 32] = [&[]; 32];
        for part in messages.chunks(list.len() * self.len) {
            let parts = part.chunks_exact(self.len);
            let parts_len = parts.len();
            list.iter_mut().zip(parts).for_each(|(entry, message)| *entry = message);
            let mut left = &list[..parts_len];
            while !left.is_empty() {
                match self.tx.try_send_batch(left)? {
                    0 => idle.pause()?,
                    sent => left = &left[sent..],
                }
            }
        }
        Ok(())
    }
}

/// Receives.
pub struct BytesRx {
    rx: Subscriber,
    buffer: Vec<u8>,
    _idle: Vec<Subscriber>,
}

impl Rx for BytesRx {
    #[inline]
    fn recv(&mut self, read: impl FnOnce(&[u8]), idle: &mut Idle) -> Result<()> {
        loop {
            if let Some(len) = self.rx.try_recv_into(&mut self.buffer)? {
                read(self.buffer.get(..len).context("longer than the message may be")?);
                return Ok(());
            }
            idle.pause()?;
        }
    }

    #[inline]
    fn recv_batch(&mut self, _most: usize, read: impl FnMut(&[u8]), idle: &mut Idle) -> Result<usize> {
        self.recv(read, idle)?;
        Ok(1)
    }

    fn recv_asleep(&mut self, read: impl FnOnce(&[u8])) -> Result<bool> {
        let message = self.rx.recv_timeout(Duration::from_millis(50))?;
        Ok(message.map(|message| read(&message)).is_some())
    }
}
