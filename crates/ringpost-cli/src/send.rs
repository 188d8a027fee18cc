//! `ringpost send`.

use std::io::{self, BufRead};
use std::time::Duration;

use ringpost::{Ends, Queue, SendError, Sender, WhenFull};

use crate::args::{Framing, Send};
use crate::exit::Failure;
use crate::framing::{Blocks, CutError};
use crate::signals;

/// Sends the arguments or standard input.
pub fn run(args: &Send) -> Result<(), Failure> {
    if args.chunk.is_some() && args.framing != Framing::Chunk {
        return Err(Failure::Usage("--chunk goes with --framing chunk".to_owned()));
    }
    // Before signals are only noted: one that comes while we wait for the queue ends us as it ends any program.
    let queue = args.open.open()?;
    let interrupt = signals::watch().map_err(|e| Failure::Io("watching for signals", e))?;
    let mut outlet = Outlet { sender: queue.sender()?, patience: patience(args, &queue), sent: 0 };
    outlet.sender.set_interrupt(interrupt);
    if args.messages.is_empty() {
        outlet.send_input(args, &queue)?;
    } else {
        let messages: Vec<&[u8]> = args.messages.iter().map(String::as_bytes).collect();
        outlet.send_all(&messages)?;
    }
    if args.close {
        queue.close();
    }
    Ok(())
}

/// How long the queue may stay full; `None`: for ever.
fn patience(args: &Send, queue: &Queue) -> Option<Duration> {
    args.timeout.or(match queue.when_full() {
        WhenFull::Block => None,
        WhenFull::Deadline(limit) => Some(limit),
        // Their own policy answers at once.
        WhenFull::Fail | WhenFull::Overwrite => None,
    })
}

/// A sender that gives up when its patience ends.
struct Outlet {
    sender: Sender,
    patience: Option<Duration>,
    sent: u64,
}

impl Outlet {
    fn send_input(&mut self, args: &Send, queue: &Queue) -> Result<(), Failure> {
        let max_len = args.chunk.unwrap_or(queue.max_len());
        if max_len > queue.max_len() {
            return Err(SendError::TooLong { len: max_len, max_len: queue.max_len() }.into());
        }
        if args.framing == Framing::Chunk && max_len == 0 {
            return Err(Failure::Usage("bytes of a chunk should be at least 1, found 0; change --chunk".to_owned()));
        }
        let input = io::stdin().lock();
        // A claim that waits for input holds up everyone behind it, so only the only sender reads into its slot.
        if args.framing == Framing::Chunk && queue.senders() == Ends::Single {
            return self.send_chunks(input, max_len);
        }
        let mut blocks = Blocks::new(input, args.framing, max_len);
        loop {
            look_for_interrupts(self.sent)?;
            let messages = match blocks.next(args.batch.max(1), max_len) {
                Ok(messages) => messages,
                Err(CutError::Io(e)) if e.kind() == io::ErrorKind::Interrupted && !signals::interrupted() => continue,
                Err(error) => return Err(bad_input(error, max_len, self.sent)),
            };
            if messages.is_empty() {
                return Ok(());
            }
            self.send_all(&messages)?;
        }
    }

    /// Reads straight into slots: but for its first bytes a chunk is not copied between the kernel and the receiver.
    fn send_chunks(&mut self, mut input: impl BufRead, chunk: usize) -> Result<(), Failure> {
        loop {
            let sent = self.sent;
            look_for_interrupts(sent)?;
            // Before a slot is claimed: at the end of the input there need not be room for one more.
            match input.fill_buf() {
                Ok([]) => return Ok(()),
                Ok(_) => {}
                Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
                Err(e) => return Err(bad_input(CutError::Io(e), chunk, sent)),
            }
            let loan = match self.patience {
                Some(patience) => self.sender.loan_timeout(chunk, patience),
                None => self.sender.loan(chunk),
            };
            let mut loan = loan.map_err(|error| gave_up(error, sent))?;
            let mut filled = 0;
            while filled < chunk {
                match input.read(&mut loan[filled..]) {
                    Ok(0) => break,
                    Ok(count) => filled += count,
                    Err(e) if e.kind() == io::ErrorKind::Interrupted && !signals::interrupted() => {}
                    Err(e) => return Err(bad_input(CutError::Io(e), chunk, sent)),
                }
            }
            loan.commit_len(filled).map_err(|error| gave_up(error, sent))?;
            self.sent += 1;
        }
    }

    /// Sends all of them. Patience begins anew with each that has gone.
    fn send_all(&mut self, mut messages: &[&[u8]]) -> Result<(), Failure> {
        while !messages.is_empty() {
            let result = match self.patience {
                Some(patience) => {
                    // No more than there is room for: the wait of a batch would begin before its first have gone.
                    let room = self.sender.capacity().saturating_sub(self.sender.size()).max(1);
                    self.sender.send_batch_timeout(messages.iter().copied().take(room), patience)
                }
                None => self.sender.send_batch(messages.iter().copied()),
            };
            let (sent, error) = match result {
                Ok(sent) => (sent, None),
                Err(error) => (error.sent, Some(error.error)),
            };
            self.sent += sent as u64;
            messages = &messages[sent..];
            match error {
                Some(SendError::TimedOut) if sent > 0 => {}
                Some(error) => return Err(gave_up(error, self.sent)),
                None => {}
            }
        }
        Ok(())
    }
}

/// Input and room that never end leave no wait that an interrupt could end.
fn look_for_interrupts(sent: u64) -> Result<(), Failure> {
    if signals::interrupted() { Err(gave_up(SendError::Interrupted, sent)) } else { Ok(()) }
}

fn bad_input(error: CutError, max_len: usize, sent: u64) -> Failure {
    let number = sent + 1;
    match error {
        CutError::TooLong(len) => Failure::Input(format!(
            "message {number} has {len} bytes or more, and at most {max_len} fit; the {sent} before it were sent"
        )),
        CutError::Truncated => Failure::Input(format!("standard input ends in the middle of message {number}")),
        CutError::Io(_) if signals::interrupted() => gave_up(SendError::Interrupted, sent),
        CutError::Io(error) => Failure::Io("reading standard input", error),
    }
}

fn gave_up(error: SendError, sent: u64) -> Failure {
    match error {
        SendError::Full { .. } | SendError::TimedOut => {
            Failure::TimedOut(format!("the queue is full: {sent} messages were sent, then there was no room"))
        }
        SendError::Interrupted => Failure::Interrupted(format!("interrupted: {sent} messages were sent")),
        other if sent == 0 => other.into(),
        other => Failure::Partly(sent, other),
    }
}
