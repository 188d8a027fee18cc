//! `ringpost pull`.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use ringpost::{Batch, Queue, Receiver, RecvError};

use crate::args::{Format, Pull};
use crate::exit::Failure;
use crate::format::{append, shows_deliveries};
use crate::signals;

/// While following: how long one wait is.
const LONG: Duration = Duration::from_secs(3600);
/// While following: the most messages to hold at a time, few enough to be in the cache still when they are released.
const FOLLOW_BATCH: usize = 1024;
/// How many bytes are gathered before they are written.
const GATHER: usize = 256 * 1024;

/// Takes messages and writes them out.
pub fn run(args: &Pull) -> Result<(), Failure> {
    // Before signals are only noted: one that comes while we wait for the queue ends us as it ends any program.
    let queue = args.open.open()?;
    let interrupt = signals::watch().map_err(|e| Failure::Io("watching for signals", e))?;
    let mut receiver = queue.receiver()?;
    receiver.until_senders_leave(args.until_senders_leave);
    receiver.set_interrupt(interrupt);
    let mut output = Output::new(args.format, &queue).map_err(Failure::output)?;
    if args.follow { follow(args, &mut receiver, &mut output) } else { once(args, &mut receiver, &mut output) }
}

/// Just what the library's `pull` does.
fn once(args: &Pull, receiver: &mut Receiver, output: &mut Output) -> Result<(), Failure> {
    let size = args.size.unwrap_or(receiver.capacity());
    let nothing = |why: &str| Err(Failure::TimedOut(format!("nothing to pull{why}")));
    let pulled = match args.timeout {
        Some(timeout) => receiver.pull(size, timeout),
        None => receiver.try_pull(size),
    };
    match pulled {
        // Interrupted before anything could be written: all of it stays in the queue.
        Ok(batch) if signals::interrupted() => {
            batch.nack();
            Err(Failure::Interrupted("interrupted: nothing was pulled".to_owned()))
        }
        Ok(batch) if batch.is_empty() && size > 0 => nothing(""),
        Ok(batch) => match output.write(batch)? {
            Written::All => Ok(()),
            Written::Interrupted(count) => {
                Err(Failure::Interrupted(format!("interrupted: {count} messages were written, the others stay")))
            }
        },
        Err(RecvError::Closed) => nothing(": the queue is closed"),
        Err(error) => Err(error.into()),
    }
}

/// Until the queue is closed, somebody interrupts, or the time is over.
fn follow(args: &Pull, receiver: &mut Receiver, output: &mut Output) -> Result<(), Failure> {
    // Half of the queue at most, so that senders fill the other half meanwhile.
    let most = args.size.unwrap_or((receiver.capacity() / 2).min(FOLLOW_BATCH)).max(1);
    let started = Instant::now();
    while !signals::interrupted() {
        let left = args.timeout.map_or(LONG, |timeout| timeout.saturating_sub(started.elapsed()));
        if left.is_zero() {
            break;
        }
        match receiver.pull_some(most, left) {
            Ok(batch) => {
                if let Written::Interrupted(_) = output.write(batch)? {
                    break;
                }
            }
            Err(RecvError::Closed | RecvError::SendersGone | RecvError::Removed) => break,
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

/// How far the writing of a batch came.
enum Written {
    /// To its end.
    All,
    /// To so many whole messages, until an interrupt came.
    Interrupted(usize),
}

/// Standard output. A message is released once all of its bytes have been written, and not before.
struct Output {
    format: Format,
    /// Without a buffer: what it says was written, was.
    out: File,
    gathered: Vec<u8>,
    /// Large messages that need nothing around them are written from where they lie.
    in_place: bool,
}

impl Output {
    fn new(format: Format, queue: &Queue) -> io::Result<Self> {
        let out = File::from(io::stdout().as_fd().try_clone_to_owned()?);
        let in_place = format == Format::Raw && queue.max_len() >= 4096;
        Ok(Self { format, out, gathered: Vec::with_capacity(GATHER), in_place })
    }

    /// Writes a batch. Whatever could not be written whole goes back into the queue.
    fn write(&mut self, mut batch: Batch<'_>) -> Result<Written, Failure> {
        let mut whole = 0;
        while !batch.is_empty() {
            let (done, result) = if self.in_place { self.write_first(&batch) } else { self.write_gathered(&batch) };
            batch.release_first(done);
            whole += done;
            if let Err(error) = result {
                batch.nack();
                return match error.kind() {
                    io::ErrorKind::Interrupted => Ok(Written::Interrupted(whole)),
                    _ => Err(Failure::output(error)),
                };
            }
        }
        Ok(Written::All)
    }

    /// Writes the first message from its slot. Returns how many messages were written whole.
    fn write_first(&mut self, batch: &Batch<'_>) -> (usize, io::Result<()>) {
        let first = batch.iter().next().map_or(&[][..], |message| message);
        let (written, result) = write_all(&mut self.out, first);
        (usize::from(written == first.len()), result)
    }

    /// Writes as many of the first messages as are gathered at a time. Returns how many were written whole.
    fn write_gathered(&mut self, batch: &Batch<'_>) -> (usize, io::Result<()>) {
        self.gathered.clear();
        let mut ends = Vec::new();
        for (index, message) in batch.iter().enumerate() {
            let deliveries = if shows_deliveries(self.format) { batch.deliveries(index) } else { 1 };
            append(&mut self.gathered, self.format, message, deliveries);
            ends.push(self.gathered.len());
            if self.gathered.len() >= GATHER {
                break;
            }
        }
        let (written, result) = write_all(&mut self.out, &self.gathered);
        (ends.partition_point(|end| *end <= written), result)
    }
}

/// Writes all of `bytes`, unless it fails or an interrupt comes. Returns how many were written.
fn write_all(out: &mut File, bytes: &[u8]) -> (usize, io::Result<()>) {
    let mut written = 0;
    while written < bytes.len() {
        // Looked at before each write: one that has written a part when an interrupt comes says just how large a part.
        if signals::interrupted() {
            return (written, Err(io::ErrorKind::Interrupted.into()));
        }
        match out.write(&bytes[written..]) {
            Ok(0) => return (written, Err(io::ErrorKind::WriteZero.into())),
            Ok(count) => written += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return (written, Err(error)),
        }
    }
    (written, Ok(()))
}
