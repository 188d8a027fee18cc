//! Round trips: a message there, checked, and the same number back, checked; one at a time.

use std::time::Instant;

use hdrhistogram::Histogram;
use ringpost::zerocopy::{FromBytes, IntoBytes};
use ringpost::{Options, Payload, Queue, Receiver, SendError, Sender, Wait};

use super::lane::{Kind, Lane, STALLED};
use super::message::{check, fill};
use super::poll::Poll;
use super::shared::{Line, RAW_WORDS, Shared};
use super::{Measure, Sample, Serve, failed};
use crate::exit::Failure;

/// Polls of the raw ping-pong before somebody looks whether the other process lives.
const SPINS: u32 = 10_000;
/// Significant digits of recorded times.
const DIGITS: u8 = 3;
/// Times above this are recorded as this.
const LONGEST_NS: u64 = 10_000_000_000;

/// What the raw ping-pong carries, as a type: its length is known to the compiler there, so it is here.
type RawWords = [u64; RAW_WORDS];

/// A way to the other process and back.
trait Wire {
    /// Sends `words`.
    fn put(&mut self, words: &[u64], poll: &mut Poll) -> Result<(), Failure>;
    /// Checks the next message, number `sequence`, if it comes soon: whether it is the last of its round.
    fn get(&mut self, sequence: u64) -> Result<Option<bool>, Failure>;
}

/// Two cache lines of shared memory, and nothing else: the least that any queue could take.
struct RawWire {
    out: &'static Line,
    incoming: &'static Line,
    put: u64,
}

impl Wire for RawWire {
    #[inline]
    fn put(&mut self, words: &[u64], _poll: &mut Poll) -> Result<(), Failure> {
        self.put += 1;
        self.out.put(self.put, words);
        Ok(())
    }

    #[inline]
    fn get(&mut self, sequence: u64) -> Result<Option<bool>, Failure> {
        for _ in 0..SPINS {
            // Turns are counted from 1: zero is what the memory is made with.
            if let Some(words) = self.incoming.get(sequence + 1) {
                return check(&words, sequence).map(Some);
            }
            std::hint::spin_loop();
        }
        Ok(None)
    }
}

/// A queue there and a queue back.
struct QueueWire<T: ?Sized> {
    out: Sender<T>,
    incoming: Receiver<T>,
}

impl<T: ?Sized + Payload> Wire for QueueWire<T> {
    #[inline]
    fn put(&mut self, words: &[u64], poll: &mut Poll) -> Result<(), Failure> {
        let message = typed(words)?;
        loop {
            match self.out.try_send(message) {
                Err(SendError::Full { .. }) => poll.look()?,
                other => return Ok(other?),
            }
        }
    }

    #[inline]
    fn get(&mut self, sequence: u64) -> Result<Option<bool>, Failure> {
        // Waits by polling. The clock that this reads for its deadline is read while the message is on its way.
        self.incoming.recv_timeout(STALLED)?.map(|message| check(words_of(&*message)?, sequence)).transpose()
    }
}

/// The same for small values, which are copied out and released in one step.
struct ValueWire<T>(QueueWire<T>);

impl<T: Payload> Wire for ValueWire<T> {
    #[inline]
    fn put(&mut self, words: &[u64], poll: &mut Poll) -> Result<(), Failure> {
        self.0.put(words, poll)
    }

    #[inline]
    fn get(&mut self, sequence: u64) -> Result<Option<bool>, Failure> {
        self.0.incoming.recv_value_timeout(STALLED)?.map(|value| check(words_of(&value)?, sequence)).transpose()
    }
}

/// Words as a message.
#[inline]
pub fn typed<T: ?Sized + Payload>(words: &[u64]) -> Result<&T, Failure> {
    T::ref_from_bytes(words.as_bytes()).map_err(|_| failed("a message does not fit its type"))
}

/// A message as words.
#[inline]
pub fn words_of<T: ?Sized + Payload>(message: &T) -> Result<&[u64], Failure> {
    <[u64]>::ref_from_bytes(message.as_bytes()).map_err(|_| failed("a message is not made of aligned words"))
}

/// The first process's side of a lane.
///
/// # Errors
/// A queue cannot be made or joined.
pub fn measure(lane: &Lane, shared: &'static Shared) -> Result<Measure, Failure> {
    Ok(if let Some(wire) = raw_wire(lane, &shared.there, &shared.back) {
        ping(wire, RAW_WORDS)
    } else if lane.is_typed() {
        ping(ValueWire(wire(lane, Options::of::<u64>, &lane.there(), &lane.back())?), 1)
    } else if lane.len == size_of::<RawWords>() {
        ping(wire(lane, Options::of::<RawWords>, &lane.there(), &lane.back())?, RAW_WORDS)
    } else {
        ping(wire(lane, bytes(lane), &lane.there(), &lane.back())?, lane.len / 8)
    })
}

/// The second process's side of a lane.
///
/// # Errors
/// A queue cannot be opened or joined.
pub fn serve(lane: &Lane, shared: &'static Shared) -> Result<Serve, Failure> {
    Ok(if let Some(wire) = raw_wire(lane, &shared.back, &shared.there) {
        pong(wire, RAW_WORDS)
    } else if lane.is_typed() {
        pong(ValueWire(wire(lane, Options::of::<u64>, &lane.back(), &lane.there())?), 1)
    } else if lane.len == size_of::<RawWords>() {
        pong(wire(lane, Options::of::<RawWords>, &lane.back(), &lane.there())?, RAW_WORDS)
    } else {
        pong(wire(lane, bytes(lane), &lane.back(), &lane.there())?, lane.len / 8)
    })
}

fn raw_wire(lane: &Lane, out: &'static Line, incoming: &'static Line) -> Option<RawWire> {
    (lane.kind == Kind::Raw).then_some(RawWire { out, incoming, put: 0 })
}

fn wire<T: ?Sized + Payload>(
    lane: &Lane,
    options: impl Fn(usize) -> Options<T>,
    out: &str,
    incoming: &str,
) -> Result<QueueWire<T>, Failure> {
    let open = |name: &str| -> Result<Queue<T>, ringpost::Error> { lane.open(name, options(lane.capacity())) };
    let mut out = open(out)?.sender()?;
    let mut incoming = open(incoming)?.receiver()?;
    out.set_wait(Wait::Spin);
    incoming.set_wait(Wait::Spin);
    Ok(QueueWire { out, incoming })
}

/// Options of a queue of bytes for the lane's messages.
pub fn bytes(lane: &Lane) -> impl Fn(usize) -> Options {
    let len = lane.len;
    move |capacity| Options::new(capacity).max_len(len)
}

fn ping(mut wire: impl Wire + 'static, words: usize) -> Measure {
    let mut buffer = vec![0; words];
    let mut sequence = 0;
    Box::new(move |duration, poll| {
        let mut times = Histogram::new_with_bounds(1, LONGEST_NS, DIGITS)
            .map_err(|e| failed(format!("making a histogram: {e}")))?;
        let start = Instant::now();
        let mut sent = None::<Instant>;
        let mut last = false;
        while !last {
            last = sent.is_some_and(|at| at - start >= duration);
            fill(&mut buffer, sequence, last);
            wire.put(&buffer, poll)?;
            // From one message's departure to the next one's. The clock is read and the time recorded while the message
            // is on its way, so that neither is part of what is measured.
            let now = Instant::now();
            if let Some(before) = sent.replace(now) {
                times.saturating_record(u64::try_from((now - before).as_nanos()).unwrap_or(u64::MAX));
            }
            wait(&mut wire, sequence, poll)?;
            sequence += 1;
        }
        Ok(Sample::Trips(times))
    })
}

fn pong(mut wire: impl Wire + 'static, words: usize) -> Serve {
    let mut buffer = vec![0; words];
    let mut sequence = 0;
    Box::new(move |poll| {
        loop {
            let last = wait(&mut wire, sequence, poll)?;
            fill(&mut buffer, sequence, last);
            wire.put(&buffer, poll)?;
            sequence += 1;
            if last {
                return Ok(());
            }
        }
    })
}

#[inline]
fn wait(wire: &mut impl Wire, sequence: u64, poll: &mut Poll) -> Result<bool, Failure> {
    poll.progress();
    loop {
        if let Some(last) = wire.get(sequence)? {
            return Ok(last);
        }
        poll.look()?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_messages() {
        assert_eq!(typed::<u64>(&[7]).unwrap(), &7);
        assert!(typed::<u64>(&[7, 8]).is_err());
        assert_eq!(words_of(typed::<[u8]>(&[7, 8]).unwrap()).unwrap(), &[7, 8]);
    }
}
