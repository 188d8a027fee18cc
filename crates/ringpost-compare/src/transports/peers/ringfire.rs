//! ringfire: a log with one writer, in two forms. The typed one carries values of one size and makes the writer wait for its
//! registered readers. The other carries blobs of any length and never waits by itself: here its writer asks how far
//! the reader has come whenever the room that it last heard of is used up.

use anyhow::{Context, Result};
use ringfire::{
    BlobConsumer, BlobProducer, BlobProducerBuilder, FlowControl, FutexWait, RingConsumer, RingProducer,
    RingProducerBuilder, RingfireError,
};
use ringpost::zerocopy::IntoBytes;

use crate::idle::Idle;
use crate::transports::{Able, Place, Rx, Support, Transport, Tx};

const MANY: Support = Support::No("its form for many overwrites what has not been taken in time");

/// Values of so many 8-byte words, copied in and out. Not for large ones: they go over the stack, which the compiler
/// needs hours for at 1 MiB.
pub struct Typed<const WORDS: usize>;

impl<const WORDS: usize> Transport for Typed<WORDS> {
    const ABLE: Able = Able { batch: Support::Yes, sleep: Support::Yes, many: MANY, in_place: false };
    type Guard = ();
    type Tx = TypedTx<WORDS>;
    type Rx = TypedRx<WORDS>;

    fn create(_place: &Place) -> Result<()> {
        // The writer's handle is the ring: it is locked while that lives, and unlinked with it.
        Ok(())
    }

    fn sender(place: &Place) -> Result<Self::Tx> {
        let options = RingProducerBuilder::new(place.depth as u64).flow_control(FlowControl::LosslessBackpressure);
        let tx: RingProducer<[u64; WORDS]> = options.build(place.file("ringfire"))?;
        // Without a registered reader the writer waits for nobody.
        place.until(|| tx.registry().and_then(|readers| readers.min_cursor()).context("no reader has come"))?;
        Ok(TypedTx { tx, buffer: vec![[0; WORDS]] })
    }

    fn receiver(place: &Place) -> Result<Self::Rx> {
        let join = || Ok(RingConsumer::builder().start_from_oldest().attach(place.file("ringfire"))?);
        Ok(TypedRx { rx: place.until(join)?, buffer: Vec::new(), wait: FutexWait::default() })
    }
}

/// The writer.
pub struct TypedTx<const WORDS: usize> {
    tx: RingProducer<[u64; WORDS]>,
    buffer: Vec<[u64; WORDS]>,
}

impl<const WORDS: usize> Tx for TypedTx<WORDS> {
    #[inline]
    fn send(&mut self, fill: impl FnOnce(&mut [u8]), idle: &mut Idle) -> Result<()> {
        let message = self.buffer.first_mut().context("no buffer")?;
        fill(message.as_mut_bytes());
        loop {
            match self.tx.try_push(message) {
                Ok(()) => return Ok(()),
                Err(RingfireError::BackpressureBufferFull) => idle.pause()?,
                Err(error) => return Err(error.into()),
            }
        }
    }

    #[inline]
    fn send_batch(&mut self, count: usize, mut fill: impl FnMut(usize, &mut [u8]), _idle: &mut Idle) -> Result<()> {
        self.buffer.resize(count.max(1), [0; WORDS]);
        for (index, message) in self.buffer.iter_mut().enumerate() {
            fill(index, message.as_mut_bytes());
        }
        // Waits by itself while there is no room, and goes on when the reader's process is gone.
        self.tx.push_batch(&self.buffer);
        Ok(())
    }
}

/// The reader.
pub struct TypedRx<const WORDS: usize> {
    rx: RingConsumer<[u64; WORDS]>,
    buffer: Vec<[u64; WORDS]>,
    wait: FutexWait,
}

impl<const WORDS: usize> Rx for TypedRx<WORDS> {
    #[inline]
    fn recv(&mut self, read: impl FnOnce(&[u8]), idle: &mut Idle) -> Result<()> {
        loop {
            if let Some(message) = self.rx.try_recv() {
                read(message.as_bytes());
                return lapped(self.rx.lapped_count());
            }
            idle.pause()?;
        }
    }

    #[inline]
    fn recv_batch(&mut self, most: usize, mut read: impl FnMut(&[u8]), idle: &mut Idle) -> Result<usize> {
        self.buffer.resize(self.buffer.len().max(most), [0; WORDS]);
        loop {
            let count = self.rx.recv_batch(&mut self.buffer[..most]);
            if count > 0 {
                self.buffer[..count].iter().for_each(|message| read(message.as_bytes()));
                lapped(self.rx.lapped_count())?;
                return Ok(count);
            }
            idle.pause()?;
        }
    }

    fn recv_asleep(&mut self, read: impl FnOnce(&[u8])) -> Result<bool> {
        // There is no form of it that ends without a message.
        read(self.rx.recv_blocking(&mut self.wait).as_bytes());
        Ok(true)
    }
}

/// What was overwritten before it was read is lost.
#[inline]
fn lapped(count: u64) -> Result<()> {
    anyhow::ensure!(count == 0, "{count} messages were overwritten before they were read");
    Ok(())
}

/// Blobs, written and read where they lie.
pub struct Blobs;

impl Transport for Blobs {
    const ABLE: Able = Able {
        sleep: Support::No("no receive that sleeps for messages of this size"),
        batch: Support::No("no batches for messages of this size"),
        many: MANY,
        in_place: true,
    };
    type Guard = ();
    type Tx = BlobsTx;
    type Rx = BlobsRx;

    fn create(_place: &Place) -> Result<()> {
        Ok(())
    }

    fn sender(place: &Place) -> Result<BlobsTx> {
        let arena = (place.depth * place.len.next_multiple_of(64)).next_power_of_two();
        let options = BlobProducerBuilder::new(place.depth as u64, arena).max_readers(1);
        let tx = options.build(place.file("ringfire"))?;
        place.until(|| tx.min_reader_seq().context("no reader has come"))?;
        Ok(BlobsTx { tx, len: place.len, room: 0 })
    }

    fn receiver(place: &Place) -> Result<BlobsRx> {
        Ok(BlobsRx { rx: place.until(|| Ok(BlobConsumer::attach(place.file("ringfire"))?))? })
    }
}

/// The writer.
pub struct BlobsTx {
    tx: BlobProducer<()>,
    len: usize,
    /// Messages that there is room for, as far as it was asked.
    room: u64,
}

impl Tx for BlobsTx {
    #[inline]
    fn send(&mut self, fill: impl FnOnce(&mut [u8]), idle: &mut Idle) -> Result<()> {
        while self.room == 0 {
            self.room = self.tx.headroom();
            if self.room == 0 {
                idle.pause()?;
            }
        }
        self.tx.push_with(&(), self.len, fill)?;
        self.room -= 1;
        Ok(())
    }
}

/// The reader.
pub struct BlobsRx {
    rx: BlobConsumer<()>,
}

impl Rx for BlobsRx {
    #[inline]
    fn recv(&mut self, read: impl FnOnce(&[u8]), idle: &mut Idle) -> Result<()> {
        let mut read = Some(read);
        loop {
            let seen = self.rx.view(|(), bytes| {
                // Once only: a second call would follow a message that was overwritten, and that is an error below.
                if let Some(read) = read.take() {
                    read(bytes);
                }
            })?;
            if seen.is_some() {
                return lapped(self.rx.lapped_count());
            }
            idle.pause()?;
        }
    }
}
