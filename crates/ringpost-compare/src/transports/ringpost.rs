//! ringpost itself, in its forms: single or multi ends, bytes or values of a type, lent slots or copies.

use std::any::Any;
use std::time::Duration;

use ::ringpost::zerocopy::IntoBytes;
use ::ringpost::{Ends, Options, Payload, Queue, Receiver, Sender, Wait};
use anyhow::Result;

use super::{Able, Place, Rx, Support, Transport, Tx, Waiting};
use crate::idle::Idle;

/// How long an empty queue is waited for before somebody looks at the clock.
const LOOK: Duration = Duration::from_millis(50);

/// Bytes. `SENDERS`, `RECEIVERS`: any number of those, of which [`Place::joined`] are joined, instead of one. `LEND`: written
/// where the receiver reads them, instead of copied there.
pub struct Raw<const SENDERS: bool, const RECEIVERS: bool, const LEND: bool>;

/// Values in place, whose lines stay with the sender.
pub struct Unowned<const WORDS: usize, const SENDERS: bool, const RECEIVERS: bool>;

/// Values of one type, whose length the compiler knows; else the same.
pub struct Typed<const WORDS: usize, const SENDERS: bool, const RECEIVERS: bool, const LEND: bool>;

/// Values that are copied out and released in one step.
pub struct Value<const WORDS: usize, const SENDERS: bool, const RECEIVERS: bool>;

/// Values side by side in a packed queue.
pub struct Packed<const WORDS: usize>;

/// Removes the queue.
pub struct Guard {
    name: String,
    _queue: Box<dyn Any>,
}

impl Drop for Guard {
    fn drop(&mut self) {
        // It may be gone already, and nobody is left to tell.
        let _ = ::ringpost::remove(&self.name);
    }
}

pub(super) const fn able(many: bool, lend: bool) -> Able {
    Able {
        batch: Support::Yes,
        sleep: Support::Yes,
        many: if many { Support::Yes } else { Able::LEAST.many },
        in_place: lend,
    }
}

impl<const SENDERS: bool, const RECEIVERS: bool, const LEND: bool> Transport for Raw<SENDERS, RECEIVERS, LEND> {
    const ABLE: Able = able(SENDERS && RECEIVERS, LEND);
    type Guard = Guard;
    type Tx = RawTx<LEND>;
    type Rx = End<[u8]>;

    fn create(place: &Place) -> Result<Guard> {
        create(place, options::<_, SENDERS, RECEIVERS>(place, bytes(place)))
    }

    fn sender(place: &Place) -> Result<Self::Tx> {
        let (tx, idle) = senders(place, options::<_, SENDERS, RECEIVERS>(place, bytes(place)), SENDERS)?;
        Ok(RawTx { tx, len: place.len, buffer: Vec::new(), _idle: idle })
    }

    fn receiver(place: &Place) -> Result<Self::Rx> {
        receivers(place, options::<_, SENDERS, RECEIVERS>(place, bytes(place)), RECEIVERS)
    }
}

impl<const WORDS: usize, const SENDERS: bool, const RECEIVERS: bool> Transport for Unowned<WORDS, SENDERS, RECEIVERS> {
    const ABLE: Able = Typed::<WORDS, SENDERS, RECEIVERS, true>::ABLE;
    type Guard = Guard;
    type Tx = TypedTx<WORDS, true>;
    type Rx = End<[u64; WORDS]>;

    fn create(place: &Place) -> Result<Guard> {
        Typed::<WORDS, SENDERS, RECEIVERS, true>::create(place)
    }

    fn sender(place: &Place) -> Result<Self::Tx> {
        Typed::<WORDS, SENDERS, RECEIVERS, true>::sender(place)
    }

    fn receiver(place: &Place) -> Result<Self::Rx> {
        let mut receiver = Typed::<WORDS, SENDERS, RECEIVERS, true>::receiver(place)?;
        receiver.rx.set_owning(false);
        Ok(receiver)
    }
}

impl<const WORDS: usize, const SENDERS: bool, const RECEIVERS: bool, const LEND: bool> Transport
    for Typed<WORDS, SENDERS, RECEIVERS, LEND>
{
    const ABLE: Able = able(SENDERS && RECEIVERS, LEND);
    type Guard = Guard;
    type Tx = TypedTx<WORDS, LEND>;
    type Rx = End<[u64; WORDS]>;

    fn create(place: &Place) -> Result<Guard> {
        create(place, options::<_, SENDERS, RECEIVERS>(place, values::<WORDS>(place)))
    }

    fn sender(place: &Place) -> Result<Self::Tx> {
        let (tx, idle) = senders(place, options::<_, SENDERS, RECEIVERS>(place, values::<WORDS>(place)), SENDERS)?;
        Ok(TypedTx { tx, buffer: vec![[0; WORDS]; 1], _idle: idle })
    }

    fn receiver(place: &Place) -> Result<Self::Rx> {
        receivers(place, options::<_, SENDERS, RECEIVERS>(place, values::<WORDS>(place)), RECEIVERS)
    }
}

impl<const WORDS: usize, const SENDERS: bool, const RECEIVERS: bool> Transport for Value<WORDS, SENDERS, RECEIVERS> {
    const ABLE: Able =
        Able { batch: Support::No("values are taken one by one"), ..Typed::<WORDS, SENDERS, RECEIVERS, false>::ABLE };
    type Guard = Guard;
    type Tx = TypedTx<WORDS, false>;
    type Rx = ValueEnd<WORDS>;

    fn create(place: &Place) -> Result<Guard> {
        Typed::<WORDS, SENDERS, RECEIVERS, false>::create(place)
    }

    fn sender(place: &Place) -> Result<Self::Tx> {
        Typed::<WORDS, SENDERS, RECEIVERS, false>::sender(place)
    }

    fn receiver(place: &Place) -> Result<Self::Rx> {
        Typed::<WORDS, SENDERS, RECEIVERS, false>::receiver(place).map(ValueEnd)
    }
}

impl<const WORDS: usize> Transport for Packed<WORDS> {
    const ABLE: Able = able(false, false);
    type Guard = Guard;
    type Tx = PackedTx<WORDS>;
    type Rx = PackedEnd<WORDS>;

    fn create(place: &Place) -> Result<Guard> {
        create(place, packed::<WORDS>(place))
    }

    fn sender(place: &Place) -> Result<Self::Tx> {
        let (tx, idle) = senders(place, packed::<WORDS>(place), false)?;
        Ok(PackedTx(TypedTx { tx, buffer: vec![[0; WORDS]; 1], _idle: idle }))
    }

    fn receiver(place: &Place) -> Result<Self::Rx> {
        receivers(place, packed::<WORDS>(place), false).map(PackedEnd)
    }
}

fn packed<const WORDS: usize>(place: &Place) -> Options<[u64; WORDS]> {
    options::<_, false, false>(place, values::<WORDS>(place)).packed(true)
}

pub(super) fn bytes(place: &Place) -> Options {
    Options::new(place.depth).max_len(place.len)
}

fn values<const WORDS: usize>(place: &Place) -> Options<[u64; WORDS]> {
    Options::of::<[u64; WORDS]>(place.depth)
}

fn wait(place: &Place) -> Wait {
    match place.wait {
        Waiting::Spin => Wait::Spin,
        Waiting::Share => Wait::Balanced,
        Waiting::Sleep => Wait::Sleep,
    }
}

/// A full queue makes its sender wait, which is the default. Should the receiver die, the first process ends this one.
pub(super) fn options<T: ?Sized + Payload, const SENDERS: bool, const RECEIVERS: bool>(
    place: &Place,
    options: Options<T>,
) -> Options<T> {
    let ends = |many: bool| if many { Ends::Multi } else { Ends::Single };
    let options = options.senders(ends(SENDERS)).receivers(ends(RECEIVERS));
    options.endpoints((2 * place.joined).max(64)).prefault(true).ephemeral(true)
}

/// Makes the queue and keeps it. Should this process be killed, the queue goes with the last of those it has started.
fn create<T: ?Sized + Payload>(place: &Place, options: Options<T>) -> Result<Guard>
where
    Queue<T>: 'static,
{
    let queue = Queue::open_or_create(&place.name, options)?;
    Ok(Guard { name: place.name.clone(), _queue: Box::new(queue) })
}

type Senders<T> = (Sender<T>, Vec<Sender<T>>);

pub(super) fn senders<T: ?Sized + Payload>(place: &Place, options: Options<T>, many: bool) -> Result<Senders<T>> {
    let queue = Queue::open_or_create(&place.name, options)?;
    let mut tx = queue.sender()?;
    tx.set_wait(wait(place));
    Ok((tx, (0..idle(place, many)).map(|_| queue.sender()).collect::<Result<_, _>>()?))
}

fn receivers<T: ?Sized + Payload>(place: &Place, options: Options<T>, many: bool) -> Result<End<T>> {
    let queue = Queue::open_or_create(&place.name, options)?;
    let mut rx = queue.receiver()?;
    rx.set_wait(wait(place));
    Ok(End { rx, _idle: (0..idle(place, many)).map(|_| queue.receiver()).collect::<Result<_, _>>()? })
}

/// How many ends are joined on this side besides the one that works.
fn idle(place: &Place, many: bool) -> usize {
    if many { place.joined.saturating_sub(1) } else { 0 }
}

/// Sends bytes.
pub struct RawTx<const LEND: bool> {
    tx: Sender,
    len: usize,
    buffer: Vec<u8>,
    _idle: Vec<Sender>,
}

impl<const LEND: bool> Tx for RawTx<LEND> {
    #[inline]
    fn send(&mut self, fill: impl FnOnce(&mut [u8]), _idle: &mut Idle) -> Result<()> {
        if LEND {
            let mut loan = self.tx.loan(self.len)?;
            fill(&mut loan);
            loan.commit();
        } else {
            self.buffer.resize(self.len, 0);
            fill(&mut self.buffer);
            self.tx.send(&self.buffer)?;
        }
        Ok(())
    }

    #[inline]
    fn send_batch(&mut self, count: usize, mut fill: impl FnMut(usize, &mut [u8]), _idle: &mut Idle) -> Result<()> {
        self.buffer.resize(count * self.len, 0);
        for (index, message) in self.buffer.chunks_exact_mut(self.len).enumerate() {
            fill(index, message);
        }
        self.tx.send_batch(self.buffer.chunks_exact(self.len))?;
        Ok(())
    }
}

/// Sends values.
pub struct TypedTx<const WORDS: usize, const LEND: bool> {
    tx: Sender<[u64; WORDS]>,
    buffer: Vec<[u64; WORDS]>,
    _idle: Vec<Sender<[u64; WORDS]>>,
}

impl<const WORDS: usize, const LEND: bool> Tx for TypedTx<WORDS, LEND> {
    #[inline]
    fn send(&mut self, fill: impl FnOnce(&mut [u8]), _idle: &mut Idle) -> Result<()> {
        if LEND {
            let mut loan = self.tx.loan()?;
            fill(loan.as_mut_bytes());
            loan.commit();
        } else if WORDS <= 128 {
            let mut value = [0; WORDS];
            fill(value.as_mut_bytes());
            self.tx.send(&value)?;
        } else {
            fill(self.buffer[0].as_mut_bytes());
            self.tx.send(&self.buffer[0])?;
        }
        Ok(())
    }

    #[inline]
    fn send_batch(&mut self, count: usize, mut fill: impl FnMut(usize, &mut [u8]), _idle: &mut Idle) -> Result<()> {
        if WORDS == 1 {
            self.tx.send_batch((0..count).map(|index| {
                let mut value = [0; WORDS];
                fill(index, value.as_mut_bytes());
                value
            }))?;
            return Ok(());
        }
        self.buffer.resize(count, [0; WORDS]);
        for (index, message) in self.buffer.iter_mut().enumerate() {
            fill(index, message.as_mut_bytes());
        }
        self.tx.send_batch(&self.buffer)?;
        Ok(())
    }
}

/// Receives.
pub struct End<T: ?Sized> {
    rx: Receiver<T>,
    _idle: Vec<Receiver<T>>,
}

impl<T: ?Sized + Payload> Rx for End<T> {
    #[inline]
    fn recv(&mut self, read: impl FnOnce(&[u8]), idle: &mut Idle) -> Result<()> {
        let mut read = Some(read);
        let mut once = |message: &T| read.take().into_iter().for_each(|read| read(message.as_bytes()));
        // Polls by itself. The clock that it needs for its deadline is read only when nothing is there at once.
        while self.rx.recv_with_timeout(LOOK, &mut once)?.is_none() {
            idle.look()?;
        }
        Ok(())
    }

    #[inline]
    fn recv_batch(&mut self, most: usize, mut read: impl FnMut(&[u8]), idle: &mut Idle) -> Result<usize> {
        loop {
            let came = self.rx.pull_some_with(most, LOOK, |message| read(message.as_bytes()))?;
            if came > 0 {
                return Ok(came);
            }
            idle.look()?;
        }
    }

    #[inline]
    fn recv_asleep(&mut self, read: impl FnOnce(&[u8])) -> Result<bool> {
        Ok(self.rx.recv_timeout(LOOK)?.map(|message| read(message.as_bytes())).is_some())
    }
}

/// Receives values.
pub struct ValueEnd<const WORDS: usize>(End<[u64; WORDS]>);

#[inline]
fn recv_value<T: Payload>(rx: &mut Receiver<T>, read: impl FnOnce(&[u8]), idle: &mut Idle) -> Result<()> {
    loop {
        if let Some(value) = rx.recv_value_timeout(LOOK)? {
            read(value.as_bytes());
            return Ok(());
        }
        idle.look()?;
    }
}

impl<const WORDS: usize> Rx for ValueEnd<WORDS> {
    #[inline]
    fn recv(&mut self, read: impl FnOnce(&[u8]), idle: &mut Idle) -> Result<()> {
        recv_value(&mut self.0.rx, read, idle)
    }

    #[inline]
    fn recv_asleep(&mut self, read: impl FnOnce(&[u8])) -> Result<bool> {
        Ok(self.0.rx.recv_value_timeout(LOOK)?.map(|value| read(value.as_bytes())).is_some())
    }
}

/// Has each value read. Not a part of its caller, or the compiler no longer knows that what `read` counts lies elsewhere, and writes it to
/// memory for each.
#[inline(never)]
fn each<const WORDS: usize>(some: &[[u64; WORDS]], read: &mut impl FnMut(&[u8])) {
    some.iter().for_each(|one| read(one.as_bytes()));
}

/// Sends values side by side.
pub struct PackedTx<const WORDS: usize>(TypedTx<WORDS, false>);

impl<const WORDS: usize> Tx for PackedTx<WORDS> {
    #[inline]
    fn send(&mut self, fill: impl FnOnce(&mut [u8]), idle: &mut Idle) -> Result<()> {
        self.0.send(fill, idle)
    }

    #[inline]
    fn send_batch(&mut self, count: usize, mut fill: impl FnMut(usize, &mut [u8]), _idle: &mut Idle) -> Result<()> {
        let mut index = 0;
        self.0.tx.send_slices_with(count, |some| {
            for message in some {
                fill(index, message.as_mut_bytes());
                index += 1;
            }
        })?;
        Ok(())
    }
}

/// Receives values that lie side by side.
pub struct PackedEnd<const WORDS: usize>(End<[u64; WORDS]>);

impl<const WORDS: usize> Rx for PackedEnd<WORDS> {
    #[inline]
    fn recv(&mut self, read: impl FnOnce(&[u8]), idle: &mut Idle) -> Result<()> {
        // Each by its faster way.
        if WORDS > 1 { self.0.recv(read, idle) } else { recv_value(&mut self.0.rx, read, idle) }
    }

    #[inline]
    fn recv_batch(&mut self, most: usize, mut read: impl FnMut(&[u8]), idle: &mut Idle) -> Result<usize> {
        loop {
            let came = self.0.rx.pull_slices_with(most, LOOK, |some| each(some, &mut read))?;
            if came > 0 {
                return Ok(came);
            }
            idle.look()?;
        }
    }

    #[inline]
    fn recv_asleep(&mut self, read: impl FnOnce(&[u8])) -> Result<bool> {
        self.0.recv_asleep(read)
    }
}
