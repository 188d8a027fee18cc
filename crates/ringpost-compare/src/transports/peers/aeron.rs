//! Aeron: its channel between processes, a log in three parts that a driver looks after.
//!
//! The driver runs in the process that starts the measured ones, with one thread that sleeps a millisecond at most. Only the
//! driver gives the sender new room, so the log has a length of its own whatever [`Place::depth`] says: with parts of 1 MiB a
//! sender is five times slower, since it waits for the driver to wake.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use rusteron_client::{
    AERON_IPC_STREAM, Aeron, AeronContext, AeronExclusivePublication, AeronImage, AeronOfferError, AeronSubscription,
    Handlers, IntoCString,
};
use rusteron_media_driver::bindings::aeron_threading_mode_t::AERON_THREADING_MODE_SHARED;
use rusteron_media_driver::testing::EmbeddedDriver;

use crate::idle::Idle;
use crate::transports::{Able, Place, Rx, Support, Transport, Tx};

/// Bytes of a frame: the most that Aeron allows.
const FRAME: usize = 65_504;
/// Bytes of a frame's header.
const HEADER: usize = 32;
/// Longer messages are cut into fragments.
const WHOLE: usize = FRAME - HEADER;
/// Bytes of a part of the log: the usual for small messages; less for large ones, since more of it stays in the cache.
fn part(len: usize) -> usize {
    if len > 1024 { 16 << 20 } else { 64 << 20 }
}

/// How long an end waits for the driver.
const PATIENCE: Duration = Duration::from_secs(5);

/// Bytes: claimed and written in place up to the length of a frame, offered from a buffer above. Batches exist for receiving
/// only: a sender sends one by one.
pub struct Ipc;

fn folder(place: &Place) -> PathBuf {
    place.dir.join("aeron")
}

fn stream(place: &Place) -> i32 {
    1001 + i32::from(!leads(place))
}

/// One driver serves both directions: it belongs to the first.
fn leads(place: &Place) -> bool {
    place.name == place.both_ways().name
}

fn client(place: &Place) -> Result<Aeron> {
    let context = AeronContext::new()?;
    context.set_dir(&folder(place).to_string_lossy().as_ref().into_c_string())?;
    let aeron = Aeron::new(&context)?;
    aeron.start()?;
    Ok(aeron)
}

impl Transport for Ipc {
    const ABLE: Able = Able {
        batch: Support::Yes,
        sleep: Support::No("no receive that sleeps, only polls with pauses"),
        many: Support::No("every subscriber gets every message"),
        in_place: true,
    };
    type Guard = Option<EmbeddedDriver>;
    type Tx = IpcTx;
    type Rx = IpcRx;

    fn create(place: &Place) -> Result<Option<EmbeddedDriver>> {
        if !leads(place) {
            return Ok(None);
        }
        let driver = EmbeddedDriver::launch_with(|driver| {
            driver.set_dir(&folder(place).to_string_lossy().as_ref().into_c_string())?;
            driver.set_threading_mode(AERON_THREADING_MODE_SHARED)?;
            driver.set_ipc_mtu_length(FRAME)?;
            driver.set_ipc_term_buffer_length(part(place.len))?;
            driver.set_term_buffer_sparse_file(false)?;
            Ok(())
        });
        Ok(Some(driver?))
    }

    fn sender(place: &Place) -> Result<IpcTx> {
        let client = client(place)?;
        let tx = client.async_add_exclusive_publication(AERON_IPC_STREAM, stream(place))?.poll_blocking(PATIENCE)?;
        place.until(|| {
            ensure!(tx.is_connected(), "no subscriber has come");
            Ok(())
        })?;
        Ok(IpcTx { tx, len: place.len, buffer: vec![0; place.len], _client: client })
    }

    fn receiver(place: &Place) -> Result<IpcRx> {
        let client = client(place)?;
        let wanted = client.async_add_subscription(AERON_IPC_STREAM, stream(place), Handlers::NONE, Handlers::NONE)?;
        let subscription = wanted.poll_blocking(PATIENCE)?;
        let rx = place.until(|| subscription.image_at_index(0).context("no publication has come"))?;
        Ok(IpcRx { rx, len: place.len, buffer: Vec::new(), _subscription: subscription, _client: client })
    }
}

/// Publishes.
pub struct IpcTx {
    tx: AeronExclusivePublication,
    len: usize,
    buffer: Vec<u8>,
    _client: Aeron,
}

/// What a refused message means: whether to try again.
fn refused(error: AeronOfferError) -> Result<()> {
    ensure!(error.is_retryable(), "the publication is of no more use: {error}");
    Ok(())
}

impl Tx for IpcTx {
    #[inline]
    fn send(&mut self, fill: impl FnOnce(&mut [u8]), idle: &mut Idle) -> Result<()> {
        if self.len > WHOLE {
            fill(&mut self.buffer);
            while let Err(error) = self.tx.offer(&self.buffer) {
                refused(error)?;
                idle.pause()?;
            }
            return Ok(());
        }
        loop {
            match self.tx.try_claim_owned(self.len) {
                Ok(mut claim) => {
                    fill(claim.data());
                    claim.commit()?;
                    return Ok(());
                }
                Err(error) => refused(error)?,
            }
            idle.pause()?;
        }
    }

    #[inline]
    fn send_batch(&mut self, count: usize, mut fill: impl FnMut(usize, &mut [u8]), idle: &mut Idle) -> Result<()> {
        (0..count).try_for_each(|index| self.send(|bytes| fill(index, bytes), idle))
    }
}

/// Subscribes. The image goes before the subscription that it came from, and that before its client.
pub struct IpcRx {
    rx: AeronImage,
    len: usize,
    /// Fragments of a message that is not complete yet.
    buffer: Vec<u8>,
    _subscription: AeronSubscription,
    _client: Aeron,
}

impl IpcRx {
    /// Polls once for at most `most` whole messages.
    #[inline]
    fn poll(&mut self, most: usize, mut read: impl FnMut(&[u8])) -> Result<usize> {
        let count = self.rx.poll_fn(|bytes, _| read(bytes), most)?;
        if count == 0 && self.rx.is_closed() {
            bail!("the publication is gone");
        }
        Ok(count as usize)
    }

    /// Polls until the fragments of one message are there, as the library's assembler does.
    fn assemble(&mut self, read: impl FnOnce(&[u8]), idle: &mut Idle) -> Result<()> {
        let mut buffer = std::mem::take(&mut self.buffer);
        buffer.clear();
        while buffer.len() < self.len {
            let left = (self.len - buffer.len()).div_ceil(WHOLE);
            if self.poll(left, |bytes| buffer.extend_from_slice(bytes))? == 0 {
                idle.pause()?;
            }
        }
        read(&buffer);
        self.buffer = buffer;
        Ok(())
    }
}

impl Rx for IpcRx {
    #[inline]
    fn recv(&mut self, read: impl FnOnce(&[u8]), idle: &mut Idle) -> Result<()> {
        if self.len > WHOLE {
            return self.assemble(read, idle);
        }
        let mut read = Some(read);
        loop {
            let seen = self.poll(1, |bytes| {
                if let Some(read) = read.take() {
                    read(bytes);
                }
            })?;
            if seen > 0 {
                return Ok(());
            }
            idle.pause()?;
        }
    }

    #[inline]
    fn recv_batch(&mut self, most: usize, mut read: impl FnMut(&[u8]), idle: &mut Idle) -> Result<usize> {
        if self.len > WHOLE {
            return self.assemble(read, idle).map(|()| 1);
        }
        loop {
            match self.poll(most, &mut read)? {
                0 => idle.pause()?,
                count => return Ok(count),
            }
        }
    }
}
