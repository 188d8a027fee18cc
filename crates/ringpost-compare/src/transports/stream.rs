//! Byte streams of the operating system: a pipe and a Unix stream socket. Messages of one length follow each other.

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::time::Duration;

use anyhow::{Context, Result};
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::sys::stat::Mode;

use super::{Able, Place, Rx, Support, Transport, Tx, Waiting};
use crate::cell::BATCH;
use crate::idle::Idle;

/// A batch is one `write` of many messages, and one `read` of what is there.
const ABLE: Able = Able { batch: Support::Yes, sleep: Support::Yes, ..Able::LEAST };

/// A named pipe.
pub struct Pipe;

impl Transport for Pipe {
    /// Messages of a crowd are short, so none is torn: the system writes up to 4096 bytes in one piece, and reads what is there.
    const ABLE: Able = Able { many: Support::Yes, ..ABLE };
    type Guard = ();
    type Tx = StreamTx<File>;
    type Rx = StreamRx<File>;

    fn create(place: &Place) -> Result<()> {
        Ok(nix::unistd::mkfifo(&place.file("pipe"), Mode::S_IRUSR | Mode::S_IWUSR)?)
    }

    fn sender(place: &Place) -> Result<Self::Tx> {
        let file = place
            .until(|| Ok(OpenOptions::new().write(true).custom_flags(flags(place)).open(place.file("pipe"))?))?;
        // As much as others may hold, where the system allows it.
        let _ = fcntl(&file, FcntlArg::F_SETPIPE_SZ((place.depth * place.len).max(4096) as i32));
        Ok(StreamTx::new(file, place))
    }

    fn receiver(place: &Place) -> Result<Self::Rx> {
        Ok(StreamRx::new(OpenOptions::new().read(true).custom_flags(flags(place)).open(place.file("pipe"))?, place))
    }
}

fn flags(place: &Place) -> i32 {
    if place.wait != Waiting::Sleep { OFlag::O_NONBLOCK.bits() } else { 0 }
}

/// A Unix stream socket.
pub struct Socket;

impl Transport for Socket {
    const ABLE: Able = ABLE;
    type Guard = ();
    type Tx = StreamTx<UnixStream>;
    type Rx = StreamRx<UnixStream>;

    fn create(_place: &Place) -> Result<()> {
        Ok(())
    }

    fn sender(place: &Place) -> Result<Self::Tx> {
        let stream = place.until(|| Ok(UnixStream::connect(place.file("socket"))?))?;
        stream.set_nonblocking(place.wait != Waiting::Sleep)?;
        Ok(StreamTx::new(stream, place))
    }

    fn receiver(place: &Place) -> Result<Self::Rx> {
        let (stream, _) = UnixListener::bind(place.file("socket"))?.accept()?;
        stream.set_nonblocking(place.wait != Waiting::Sleep)?;
        stream.set_read_timeout(Some(Duration::from_millis(50)))?;
        Ok(StreamRx::new(stream, place))
    }
}

/// Sends.
pub struct StreamTx<W> {
    stream: W,
    buffer: Vec<u8>,
    len: usize,
}

impl<W: Write> StreamTx<W> {
    fn new(stream: W, place: &Place) -> Self {
        Self { stream, buffer: vec![0; BATCH * place.len], len: place.len }
    }

    fn write(&mut self, len: usize, idle: &mut Idle) -> Result<()> {
        let mut left = &self.buffer[..len];
        while !left.is_empty() {
            match self.stream.write(left) {
                Ok(written) => left = &left[written..],
                Err(error) if error.kind() == ErrorKind::WouldBlock => idle.pause()?,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }
}

impl<W: Write> Tx for StreamTx<W> {
    fn send(&mut self, fill: impl FnOnce(&mut [u8]), idle: &mut Idle) -> Result<()> {
        fill(&mut self.buffer[..self.len]);
        self.write(self.len, idle)
    }

    fn send_batch(&mut self, count: usize, mut fill: impl FnMut(usize, &mut [u8]), idle: &mut Idle) -> Result<()> {
        self.buffer.resize(self.buffer.len().max(count * self.len), 0);
        for (index, message) in self.buffer.chunks_exact_mut(self.len).take(count).enumerate() {
            fill(index, message);
        }
        self.write(count * self.len, idle)
    }
}

/// Receives.
pub struct StreamRx<R> {
    stream: R,
    buffer: Vec<u8>,
    filled: usize,
    len: usize,
}

impl<R: Read> StreamRx<R> {
    fn new(stream: R, place: &Place) -> Self {
        Self { stream, buffer: vec![0; BATCH * place.len], filled: 0, len: place.len }
    }

    /// Reads on, up to `most` bytes in all; whether there is a whole message. `None`: all senders have closed it.
    fn advance(&mut self, most: usize) -> Result<Option<bool>> {
        match self.stream.read(&mut self.buffer[self.filled..most]) {
            Ok(0) => return Ok(None),
            Ok(read) => self.filled += read,
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {}
            Err(error) => return Err(error.into()),
        }
        Ok(Some(self.filled >= self.len))
    }

    /// The same, for one who expects more.
    fn expect(&mut self, most: usize) -> Result<bool> {
        self.advance(most)?.context("the other side has closed it")
    }
}

impl<R: Read> Rx for StreamRx<R> {
    fn recv(&mut self, read: impl FnOnce(&[u8]), idle: &mut Idle) -> Result<()> {
        while !self.expect(self.len)? {
            idle.pause()?;
        }
        self.filled = 0;
        read(&self.buffer[..self.len]);
        Ok(())
    }

    fn recv_batch(&mut self, most: usize, mut read: impl FnMut(&[u8]), idle: &mut Idle) -> Result<usize> {
        let most = (most * self.len).min(self.buffer.len());
        while !self.expect(most)? {
            idle.pause()?;
        }
        let whole = self.filled / self.len;
        self.buffer[..whole * self.len].chunks_exact(self.len).for_each(&mut read);
        self.buffer.copy_within(whole * self.len..self.filled, 0);
        self.filled -= whole * self.len;
        Ok(whole)
    }

    fn recv_asleep(&mut self, read: impl FnOnce(&[u8])) -> Result<bool> {
        let whole = self.advance(self.len)?.unwrap_or(false);
        if whole {
            self.filled = 0;
            read(&self.buffer[..self.len]);
        }
        Ok(whole)
    }
}
