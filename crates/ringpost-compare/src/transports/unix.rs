//! A Unix stream socket.

use std::io::{ErrorKind, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::time::Duration;

use anyhow::Result;

use super::{Able, Place, Rx, Support, Transport, Tx, Waiting};
use crate::idle::Idle;

/// A stream: messages of one length, one after the other.
pub struct Stream;

impl Transport for Stream {
    const ABLE: Able = Able { sleep: Support::Yes, ..Able::LEAST };
    type Guard = ();
    type Tx = StreamTx;
    type Rx = StreamRx;

    fn create(_place: &Place) -> Result<()> {
        Ok(())
    }

    fn sender(place: &Place) -> Result<StreamTx> {
        let stream = place.until(|| Ok(UnixStream::connect(place.file("socket"))?))?;
        stream.set_nonblocking(place.wait == Waiting::Spin)?;
        Ok(StreamTx { stream, buffer: vec![0; place.len] })
    }

    fn receiver(place: &Place) -> Result<StreamRx> {
        let (stream, _) = UnixListener::bind(place.file("socket"))?.accept()?;
        stream.set_nonblocking(place.wait == Waiting::Spin)?;
        stream.set_read_timeout(Some(Duration::from_millis(50)))?;
        Ok(StreamRx { stream, buffer: vec![0; place.len], filled: 0 })
    }
}

/// Sends.
pub struct StreamTx {
    stream: UnixStream,
    buffer: Vec<u8>,
}

impl Tx for StreamTx {
    fn send(&mut self, fill: impl FnOnce(&mut [u8]), idle: &mut Idle) -> Result<()> {
        fill(&mut self.buffer);
        let mut left = &self.buffer[..];
        while !left.is_empty() {
            match self.stream.write(left) {
                Ok(written) => left = &left[written..],
                Err(error) if error.kind() == ErrorKind::WouldBlock => idle.pause()?,
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }
}

/// Receives.
pub struct StreamRx {
    stream: UnixStream,
    buffer: Vec<u8>,
    filled: usize,
}

impl StreamRx {
    /// Reads on; whether the message is complete.
    fn advance(&mut self) -> Result<bool> {
        match self.stream.read(&mut self.buffer[self.filled..]) {
            Ok(0) => anyhow::bail!("the other side has closed the socket"),
            Ok(read) => self.filled += read,
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(error) => return Err(error.into()),
        }
        Ok(self.filled == self.buffer.len())
    }
}

impl Rx for StreamRx {
    fn recv(&mut self, read: impl FnOnce(&[u8]), idle: &mut Idle) -> Result<()> {
        while !self.advance()? {
            idle.pause()?;
        }
        self.filled = 0;
        read(&self.buffer);
        Ok(())
    }

    fn recv_asleep(&mut self, read: impl FnOnce(&[u8])) -> Result<bool> {
        let whole = self.advance()?;
        if whole {
            self.filled = 0;
            read(&self.buffer);
        }
        Ok(whole)
    }
}
