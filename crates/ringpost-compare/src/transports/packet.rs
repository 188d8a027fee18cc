//! Messages of the operating system: a Unix socket that keeps their bounds, and a POSIX message queue.

use std::os::fd::{AsRawFd, OwnedFd};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use nix::errno::Errno;
use nix::mqueue::{MQ_OFlag, MqAttr, MqdT, mq_open, mq_receive, mq_send, mq_timedreceive, mq_unlink};
use nix::sys::socket::sockopt::{ReceiveTimeout, SndBuf};
use nix::sys::socket::{
    AddressFamily, Backlog, MsgFlags, SockFlag, SockType, UnixAddr, accept, bind, connect, listen, recv, send,
    setsockopt, socket,
};
use nix::sys::stat::Mode;
use nix::sys::time::{TimeSpec, TimeVal};
use nix::time::{ClockId, clock_gettime};
use std::os::fd::FromRawFd;

use super::{Able, Place, Rx, Support, Transport, Tx, Waiting};
use crate::idle::Idle;

/// How long an empty queue is slept at before somebody looks at the clock.
const LOOK: Duration = Duration::from_millis(50);

/// A `SOCK_SEQPACKET` Unix socket.
pub struct SeqPacket;

impl Transport for SeqPacket {
    const ABLE: Able = Able { batch: Support::No("sendmmsg is not measured"), sleep: Support::Yes, ..Able::LEAST };
    type Guard = ();
    type Tx = PacketTx;
    type Rx = PacketRx;

    fn refuses(place: &Place) -> Option<String> {
        (place.len > 64 << 10).then(|| "a packet must fit into the socket's buffer".to_owned())
    }

    fn create(_place: &Place) -> Result<()> {
        Ok(())
    }

    fn sender(place: &Place) -> Result<PacketTx> {
        let address = UnixAddr::new(&place.file("packets"))?;
        let socket = place.until(|| {
            let socket = packets()?;
            connect(socket.as_raw_fd(), &address)?;
            Ok(socket)
        })?;
        // The system cuts it to what it allows.
        setsockopt(&socket, SndBuf, &(place.depth * place.len).max(4 * place.len))?;
        Ok(PacketTx { socket, buffer: vec![0; place.len], flags: flags(place) })
    }

    fn receiver(place: &Place) -> Result<PacketRx> {
        let listener = packets()?;
        bind(listener.as_raw_fd(), &UnixAddr::new(&place.file("packets"))?)?;
        listen(&listener, Backlog::new(1)?)?;
        let fd = accept(listener.as_raw_fd())?;
        // SAFETY: `accept` has just made this descriptor, and nobody else knows it.
        let socket = unsafe { OwnedFd::from_raw_fd(fd) };
        setsockopt(&socket, ReceiveTimeout, &TimeVal::new(0, LOOK.as_micros() as i64))?;
        // One byte more than a message, so that a longer one shows.
        Ok(PacketRx { socket, buffer: vec![0; place.len + 1], flags: flags(place) })
    }
}

fn packets() -> Result<OwnedFd> {
    Ok(socket(AddressFamily::Unix, SockType::SeqPacket, SockFlag::SOCK_CLOEXEC, None)?)
}

fn flags(place: &Place) -> MsgFlags {
    if place.wait != Waiting::Sleep { MsgFlags::MSG_DONTWAIT } else { MsgFlags::empty() }
}

/// Sends.
pub struct PacketTx {
    socket: OwnedFd,
    buffer: Vec<u8>,
    flags: MsgFlags,
}

impl Tx for PacketTx {
    fn send(&mut self, fill: impl FnOnce(&mut [u8]), idle: &mut Idle) -> Result<()> {
        fill(&mut self.buffer);
        loop {
            match send(self.socket.as_raw_fd(), &self.buffer, self.flags | MsgFlags::MSG_NOSIGNAL) {
                Ok(sent) => {
                    ensure!(sent == self.buffer.len(), "a packet was cut short");
                    return Ok(());
                }
                Err(Errno::EAGAIN | Errno::EINTR) => idle.pause()?,
                Err(error) => return Err(error.into()),
            }
        }
    }
}

/// Receives.
pub struct PacketRx {
    socket: OwnedFd,
    buffer: Vec<u8>,
    flags: MsgFlags,
}

impl PacketRx {
    #[inline]
    fn take(&mut self, read: impl FnOnce(&[u8])) -> Result<bool> {
        match recv(self.socket.as_raw_fd(), &mut self.buffer, self.flags) {
            Ok(0) => anyhow::bail!("the other side has closed it"),
            Ok(len) => read(&self.buffer[..len]),
            Err(Errno::EAGAIN | Errno::EINTR) => return Ok(false),
            Err(error) => return Err(error.into()),
        }
        Ok(true)
    }
}

impl Rx for PacketRx {
    fn recv(&mut self, read: impl FnOnce(&[u8]), idle: &mut Idle) -> Result<()> {
        let mut read = Some(read);
        while !self.take(|bytes| read.take().into_iter().for_each(|read| read(bytes)))? {
            idle.pause()?;
        }
        Ok(())
    }

    fn recv_asleep(&mut self, read: impl FnOnce(&[u8])) -> Result<bool> {
        self.take(read)
    }
}

/// A POSIX message queue.
pub struct Posix;

/// Removes the queue.
pub struct Guard(String);

impl Drop for Guard {
    fn drop(&mut self) {
        // It may be gone already, and nobody is left to tell.
        let _ = mq_unlink(self.0.as_str());
    }
}

impl Transport for Posix {
    const ABLE: Able = Able { sleep: Support::Yes, many: Support::Yes, ..Able::LEAST };
    type Guard = Guard;
    type Tx = PosixTx;
    type Rx = PosixRx;

    fn refuses(place: &Place) -> Option<String> {
        Self::create(&place.called("try")).err().map(|error| format!("the system's limits: {error:#}"))
    }

    fn create(place: &Place) -> Result<Guard> {
        let guard = Guard(format!("/{}", place.name));
        // Users who are not privileged may have ten messages, which is the system's default limit.
        make(place, place.depth).or_else(|_| make(place, place.depth.min(10)))?;
        Ok(guard)
    }

    fn sender(place: &Place) -> Result<PosixTx> {
        Ok(PosixTx { queue: posix(place, MQ_OFlag::O_WRONLY)?, buffer: vec![0; place.len] })
    }

    fn receiver(place: &Place) -> Result<PosixRx> {
        Ok(PosixRx { queue: posix(place, MQ_OFlag::O_RDONLY)?, buffer: vec![0; place.len] })
    }
}

fn make(place: &Place, depth: usize) -> Result<()> {
    let flags = MQ_OFlag::O_CREAT | MQ_OFlag::O_EXCL | MQ_OFlag::O_RDWR | MQ_OFlag::O_CLOEXEC;
    let attributes = MqAttr::new(0, depth as i64, place.len as i64, 0);
    let name = format!("/{}", place.name);
    mq_open(name.as_str(), flags, Mode::S_IRUSR | Mode::S_IWUSR, Some(&attributes)).context("mq_open")?;
    Ok(())
}

fn posix(place: &Place, access: MQ_OFlag) -> Result<MqdT> {
    let wait = if place.wait != Waiting::Sleep { MQ_OFlag::O_NONBLOCK } else { MQ_OFlag::empty() };
    mq_open(format!("/{}", place.name).as_str(), access | wait | MQ_OFlag::O_CLOEXEC, Mode::empty(), None)
        .context("mq_open")
}

/// Sends.
pub struct PosixTx {
    queue: MqdT,
    buffer: Vec<u8>,
}

impl Tx for PosixTx {
    fn send(&mut self, fill: impl FnOnce(&mut [u8]), idle: &mut Idle) -> Result<()> {
        fill(&mut self.buffer);
        loop {
            match mq_send(&self.queue, &self.buffer, 0) {
                Ok(()) => return Ok(()),
                Err(Errno::EAGAIN | Errno::EINTR) => idle.pause()?,
                Err(error) => return Err(error.into()),
            }
        }
    }
}

/// Receives.
pub struct PosixRx {
    queue: MqdT,
    buffer: Vec<u8>,
}

impl Rx for PosixRx {
    fn recv(&mut self, read: impl FnOnce(&[u8]), idle: &mut Idle) -> Result<()> {
        loop {
            match mq_receive(&self.queue, &mut self.buffer, &mut 0) {
                Ok(len) => {
                    read(&self.buffer[..len]);
                    return Ok(());
                }
                Err(Errno::EAGAIN | Errno::EINTR) => idle.pause()?,
                Err(error) => return Err(error.into()),
            }
        }
    }

    fn recv_asleep(&mut self, read: impl FnOnce(&[u8])) -> Result<bool> {
        let until = clock_gettime(ClockId::CLOCK_REALTIME)? + TimeSpec::from(LOOK);
        match mq_timedreceive(&self.queue, &mut self.buffer, &mut 0, &until) {
            Ok(len) => {
                read(&self.buffer[..len]);
                Ok(true)
            }
            Err(Errno::ETIMEDOUT | Errno::EINTR) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }
}
