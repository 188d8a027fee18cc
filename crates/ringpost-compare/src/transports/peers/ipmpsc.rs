//! ipmpsc: a ring behind a lock that processes share, for many senders and one receiver.

use std::time::Duration;

use ::ipmpsc::{Receiver, Sender, SharedRingBuffer};
use anyhow::{Context, Result};
use serde_bytes::Bytes;

use crate::idle::Idle;
use crate::transports::{Able, Place, Rx, Support, Transport, Tx};

/// How long an end sleeps before somebody looks at the clock.
const LOOK: Duration = Duration::from_millis(50);
/// Bytes of a message beside its content: the length of the record, and that of the slice in it.
const HEADER: usize = 4 + 8;

/// Bytes, written from a buffer and read where they lie.
pub struct Slices;

impl Transport for Slices {
    const ABLE: Able =
        Able { sleep: Support::Yes, many: Support::No("many senders, but one receiver only"), ..Able::LEAST };
    type Guard = ();
    type Tx = SlicesTx;
    type Rx = SlicesRx;

    fn refuses(place: &Place) -> Option<String> {
        let size = size(place);
        (size > u64::from(u32::MAX)).then(|| format!("{size} bytes are more than the 4 GiB that it can hold"))
    }

    fn create(place: &Place) -> Result<()> {
        SharedRingBuffer::create(&path(place)?, u32::try_from(size(place))?)?;
        Ok(())
    }

    fn sender(place: &Place) -> Result<SlicesTx> {
        Ok(SlicesTx { tx: Sender::new(SharedRingBuffer::open(&path(place)?)?), buffer: vec![0; place.len] })
    }

    fn receiver(place: &Place) -> Result<SlicesRx> {
        Ok(SlicesRx { rx: Receiver::new(SharedRingBuffer::open(&path(place)?)?) })
    }
}

fn path(place: &Place) -> Result<String> {
    place.file("ipmpsc").into_os_string().into_string().ok().context("the path is not text")
}

/// Room for the messages and for the mark that ends a lap.
fn size(place: &Place) -> u64 {
    ((place.len + HEADER) * place.depth + HEADER) as u64
}

/// Sends.
pub struct SlicesTx {
    tx: Sender,
    buffer: Vec<u8>,
}

impl Tx for SlicesTx {
    /// Sleeps while there is no room: faster than polling for it, which takes the lock that the receiver needs.
    #[inline]
    fn send(&mut self, fill: impl FnOnce(&mut [u8]), idle: &mut Idle) -> Result<()> {
        fill(&mut self.buffer);
        while !self.tx.send_timeout(&Bytes::new(&self.buffer), LOOK)? {
            idle.look()?;
        }
        Ok(())
    }
}

/// Receives.
pub struct SlicesRx {
    rx: Receiver,
}

impl Rx for SlicesRx {
    #[inline]
    fn recv(&mut self, read: impl FnOnce(&[u8]), idle: &mut Idle) -> Result<()> {
        let mut context = self.rx.zero_copy_context();
        loop {
            if let Some(message) = context.try_recv::<&Bytes>()? {
                read(message);
                return Ok(());
            }
            idle.pause()?;
        }
    }

    fn recv_asleep(&mut self, read: impl FnOnce(&[u8])) -> Result<bool> {
        let mut context = self.rx.zero_copy_context();
        let message: Option<&Bytes> = context.recv_timeout(LOOK)?;
        Ok(message.map(|message| read(message)).is_some())
    }
}
