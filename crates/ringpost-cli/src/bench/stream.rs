//! One-way streams: as many messages as go through in a time, every byte of them written and read.

use std::time::{Duration, Instant};

use ringpost::zerocopy::FromBytes;
use ringpost::{Options, Payload, Receiver, SendError, Sender, Wait};

use super::lane::{BATCH, Kind, Lane, STALLED};
use super::message::{check, fill};
use super::poll::Poll;
use super::trip::{bytes, typed, words_of};
use super::{Measure, Sample, Serve, failed};
use crate::exit::Failure;

/// The first process's side of a lane: it sends.
///
/// # Errors
/// A queue cannot be made or joined.
pub fn measure(lane: &Lane) -> Result<Measure, Failure> {
    let words = lane.len / 8;
    Ok(if lane.is_typed() {
        feed(copies(sender(lane, Options::of::<u64>)?, lane.kind, words))
    } else if lane.in_place() {
        feed(loans(sender(lane, bytes(lane))?, lane.len))
    } else {
        feed(copies(sender(lane, bytes(lane))?, lane.kind, words))
    })
}

/// The second process's side of a lane: it receives.
///
/// # Errors
/// A queue cannot be opened or joined.
pub fn serve(lane: &Lane) -> Result<Serve, Failure> {
    Ok(if lane.is_typed() {
        drain(receiver(lane, Options::of::<u64>)?, lane.kind)
    } else {
        drain(receiver(lane, bytes(lane))?, lane.kind)
    })
}

fn sender<T: ?Sized + Payload>(lane: &Lane, options: impl Fn(usize) -> Options<T>) -> Result<Sender<T>, Failure> {
    let mut sender = lane.open(&lane.there(), options(lane.capacity()))?.sender()?;
    sender.set_wait(Wait::Spin);
    Ok(sender)
}

fn receiver<T: ?Sized + Payload>(lane: &Lane, options: impl Fn(usize) -> Options<T>) -> Result<Receiver<T>, Failure> {
    let mut receiver = lane.open(&lane.there(), options(lane.capacity()))?.receiver()?;
    receiver.set_wait(Wait::Spin);
    Ok(receiver)
}

/// Sends messages for as long as it is told, some at a time by `chunk`: from that number on, the last one marked or not.
fn feed(mut chunk: impl FnMut(u64, bool, &mut Poll) -> Result<(), Failure> + 'static) -> Measure {
    let mut sequence = 0;
    Box::new(move |duration: Duration, poll: &mut Poll| {
        let first = sequence;
        let start = Instant::now();
        loop {
            let last = start.elapsed() >= duration;
            chunk(sequence, last, poll)?;
            sequence += BATCH as u64;
            if last {
                return Ok(Sample::Sent(sequence - first));
            }
        }
    })
}

/// Messages that are written elsewhere and copied into the queue, one by one or as a batch.
fn copies<T: ?Sized + Payload>(
    mut sender: Sender<T>,
    kind: Kind,
    words: usize,
) -> impl FnMut(u64, bool, &mut Poll) -> Result<(), Failure> {
    let mut buffer = vec![0; words * BATCH];
    move |sequence, last, poll| {
        let numbered = buffer.chunks_exact_mut(words).zip(sequence..);
        for (index, (message, sequence)) in numbered.enumerate() {
            fill(message, sequence, last && index == BATCH - 1);
            if kind == Kind::Single {
                send_one(&mut sender, typed(message)?, poll)?;
            }
        }
        if kind == Kind::Batch { send_all(&mut sender, &buffer, words, poll) } else { Ok(()) }
    }
}

#[inline]
fn send_one<T: ?Sized + Payload>(sender: &mut Sender<T>, message: &T, poll: &mut Poll) -> Result<(), Failure> {
    // The fast path reads no clock.
    let mut sent = sender.try_send(message);
    while let Err(SendError::Full { .. } | SendError::TimedOut) = sent {
        poll.look()?;
        sent = sender.send(message);
    }
    poll.progress();
    Ok(sent?)
}

fn send_all<T: ?Sized + Payload>(
    sender: &mut Sender<T>,
    buffer: &[u64],
    words: usize,
    poll: &mut Poll,
) -> Result<(), Failure> {
    let mut left = buffer;
    loop {
        // The iterator says how many there are, and room for all of them is claimed at once.
        let messages = left.chunks_exact(words).map(|message| typed(message).expect("sizes are whole messages"));
        match sender.send_batch(messages) {
            Ok(_) => break,
            Err(failed) if failed.error == SendError::TimedOut => left = &left[failed.sent * words..],
            Err(failed) => return Err(failed.into()),
        }
        poll.look()?;
    }
    poll.progress();
    Ok(())
}

/// Messages that are written where the receiver will read them.
fn loans(mut sender: Sender, len: usize) -> impl FnMut(u64, bool, &mut Poll) -> Result<(), Failure> {
    move |sequence, last, poll| {
        for index in 0..BATCH {
            let mut loan = loop {
                match sender.loan(len) {
                    Ok(loan) => break loan,
                    Err(SendError::TimedOut) => poll.look()?,
                    Err(error) => return Err(error.into()),
                }
            };
            let words =
                <[u64]>::mut_from_bytes(&mut loan).map_err(|_| failed("a loan is not made of aligned words"))?;
            fill(words, sequence + index as u64, last && index == BATCH - 1);
            loan.commit();
            poll.progress();
        }
        Ok(())
    }
}

/// Reads messages in place until the last of a round.
///
/// It does not look after the first process: that looks after this one, and ends it.
fn drain<T: ?Sized + Payload + 'static>(mut receiver: Receiver<T>, kind: Kind) -> Serve {
    receiver.until_senders_leave(true);
    let mut sequence = 0;
    Box::new(move |_poll| {
        let mut last = false;
        while !last {
            last = match kind {
                Kind::Batch => take_batch(&mut receiver, &mut sequence)?,
                _ => take_one(&mut receiver, &mut sequence)?,
            };
        }
        Ok(())
    })
}

#[inline]
fn take_one<T: ?Sized + Payload>(receiver: &mut Receiver<T>, sequence: &mut u64) -> Result<bool, Failure> {
    let message = receiver.recv()?;
    let last = check(words_of(&*message)?, *sequence)?;
    *sequence += 1;
    Ok(last)
}

#[inline]
fn take_batch<T: ?Sized + Payload>(receiver: &mut Receiver<T>, sequence: &mut u64) -> Result<bool, Failure> {
    // A round has a whole number of batches, so a pull seldom comes back with less.
    let batch = receiver.pull(BATCH, STALLED)?;
    let mut last = false;
    for message in &batch {
        last = check(words_of(message)?, *sequence)?;
        *sequence += 1;
    }
    Ok(last)
}
