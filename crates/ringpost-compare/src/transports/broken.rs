//! What no transport may do, to show that the checks see it.

use std::marker::PhantomData;

use ::ringpost::Sender;
use ::ringpost::zerocopy::FromBytes;
use anyhow::{Result, anyhow};

use super::ringpost::{End, Guard, Raw, able, bytes, options, senders};
use super::{Able, Place, Transport, Tx};
use crate::idle::Idle;

/// Does wrong at every hundredth message.
pub struct Broken<Fault>(PhantomData<Fault>);

/// What goes wrong.
pub trait Fault: 'static {
    /// How often a message is sent, and what is done to it. `last` is the message before.
    fn spoil(message: &mut [u8], last: &[u8]) -> usize;
}

/// A message is lost.
pub struct Loses;
/// A message comes twice.
pub struct Doubles;
/// The second half of a message is that of the one before.
pub struct Tears;
/// One bit is wrong, in the last byte.
pub struct Flips;

impl Fault for Loses {
    fn spoil(_: &mut [u8], _: &[u8]) -> usize {
        0
    }
}

impl Fault for Doubles {
    fn spoil(_: &mut [u8], _: &[u8]) -> usize {
        2
    }
}

impl Fault for Tears {
    fn spoil(message: &mut [u8], last: &[u8]) -> usize {
        let half = message.len() / 2;
        message[half..].copy_from_slice(&last[half..]);
        1
    }
}

impl Fault for Flips {
    fn spoil(message: &mut [u8], _: &[u8]) -> usize {
        if let Some(byte) = message.last_mut() {
            *byte ^= 0x80;
        }
        1
    }
}

/// Sends, and sometimes does wrong.
pub struct BrokenTx<F> {
    tx: Sender,
    buffer: Vec<u8>,
    last: Vec<u8>,
    sent: u64,
    fault: PhantomData<F>,
}

impl<F: Fault> Transport for Broken<F> {
    const ABLE: Able = Able { batch: Able::LEAST.batch, ..able(false, false) };
    type Guard = Guard;
    type Tx = BrokenTx<F>;
    type Rx = End<[u8]>;

    fn create(place: &Place) -> Result<Guard> {
        Raw::<false, false, false>::create(place)
    }

    fn sender(place: &Place) -> Result<Self::Tx> {
        let (tx, _) = senders(place, options::<_, false, false>(place, bytes(place)), false)?;
        let (buffer, last) = (vec![0; place.len], vec![0; place.len]);
        Ok(BrokenTx { tx, buffer, last, sent: 0, fault: PhantomData })
    }

    fn receiver(place: &Place) -> Result<Self::Rx> {
        Raw::<false, false, false>::receiver(place)
    }
}

impl<F: Fault> Tx for BrokenTx<F> {
    fn send(&mut self, fill: impl FnOnce(&mut [u8]), _idle: &mut Idle) -> Result<()> {
        self.last.copy_from_slice(&self.buffer);
        fill(&mut self.buffer);
        self.sent += 1;
        let spoiled = self.sent.is_multiple_of(100);
        let times = if spoiled { F::spoil(&mut self.buffer, &self.last) } else { 1 };
        let message = <[u8]>::ref_from_bytes(&self.buffer).map_err(|_| anyhow!("bytes are bytes"))?;
        for _ in 0..times {
            self.tx.send(message)?;
        }
        Ok(())
    }
}
