//! ipc-channel: a socket that keeps the bounds of messages.

use anyhow::Result;
use ipc_channel::TryRecvError;
use ipc_channel::ipc::{self, IpcBytesReceiver, IpcBytesSender, IpcOneShotServer, IpcSender};

use crate::idle::Idle;
use crate::transports::{Able, Place, Rx, Support, Transport, Tx};

/// Bytes, without serialization. How many wait is for the kernel to say.
pub struct Bytes;

impl Transport for Bytes {
    const ABLE: Able =
        Able { sleep: Support::Yes, many: Support::No("many senders, but one receiver only"), ..Able::LEAST };
    type Guard = ();
    type Tx = BytesTx;
    type Rx = BytesRx;

    fn create(_place: &Place) -> Result<()> {
        Ok(())
    }

    fn sender(place: &Place) -> Result<BytesTx> {
        let server = place.until(|| Ok(std::fs::read_to_string(place.file("server"))?))?;
        let (tx, rx) = ipc::bytes_channel()?;
        IpcSender::connect(server)?.send(rx)?;
        Ok(BytesTx { tx, buffer: vec![0; place.len] })
    }

    fn receiver(place: &Place) -> Result<BytesRx> {
        // The library makes a folder for the socket, which a process that is killed leaves behind. An error means that it
        // has been told so before.
        let _ = tempfile::env::override_temp_dir(&place.dir);
        let (server, name) = IpcOneShotServer::<IpcBytesReceiver>::new()?;
        let draft = place.file("draft");
        std::fs::write(&draft, name)?;
        std::fs::rename(draft, place.file("server"))?;
        let (_, rx) = server.accept()?;
        Ok(BytesRx { rx, one_way: place.trip.is_none() })
    }
}

/// Sends.
pub struct BytesTx {
    tx: IpcBytesSender,
    buffer: Vec<u8>,
}

impl Tx for BytesTx {
    #[inline]
    fn send(&mut self, fill: impl FnOnce(&mut [u8]), _idle: &mut Idle) -> Result<()> {
        fill(&mut self.buffer);
        // Sleeps in the kernel while there is no room: there is no other form.
        Ok(self.tx.send(&self.buffer)?)
    }
}

/// Receives.
pub struct BytesRx {
    rx: IpcBytesReceiver,
    one_way: bool,
}

impl Rx for BytesRx {
    #[inline]
    fn recv(&mut self, read: impl FnOnce(&[u8]), idle: &mut Idle) -> Result<()> {
        // One system call instead of three where messages wait for the receiver as a rule.
        if self.one_way {
            read(&self.rx.recv()?);
            return Ok(());
        }
        loop {
            match self.rx.try_recv() {
                Ok(message) => {
                    read(&message);
                    return Ok(());
                }
                Err(TryRecvError::Empty) => idle.pause()?,
                Err(error) => return Err(error.into()),
            }
        }
    }

    fn recv_asleep(&mut self, read: impl FnOnce(&[u8])) -> Result<bool> {
        read(&self.rx.recv()?);
        Ok(true)
    }
}
