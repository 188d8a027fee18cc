//! Many queues of one kind, used in turn: message `n` goes through queue `n` modulo their number.

use anyhow::Result;

use super::{Able, Place, Rx, Support, Transport, Tx};
use crate::idle::Idle;

/// [`Place::queues`] queues of `T`.
pub struct Cycle<T>(std::marker::PhantomData<T>);

/// Ends of all queues, and whose turn it is.
pub struct Ends<E> {
    ends: Vec<E>,
    next: usize,
}

impl<E> Ends<E> {
    fn all(place: &Place, join: impl Fn(&Place) -> Result<E>) -> Result<Self> {
        Ok(Self { ends: places(place).map(|place| join(&place)).collect::<Result<_>>()?, next: 0 })
    }

    #[inline]
    fn turn(&mut self) -> &mut E {
        let now = self.next;
        self.next = if now + 1 == self.ends.len() { 0 } else { now + 1 };
        &mut self.ends[now]
    }
}

fn places(place: &Place) -> impl Iterator<Item = Place> {
    (0..place.queues).map(|number| place.called(&number.to_string()))
}

impl<T: Transport> Transport for Cycle<T> {
    const ABLE: Able = Able {
        batch: Support::No("one by one only"),
        sleep: Support::No("one by one only"),
        many: Support::No("one by one only"),
        in_place: T::ABLE.in_place,
    };
    type Guard = Vec<T::Guard>;
    type Tx = Ends<T::Tx>;
    type Rx = Ends<T::Rx>;

    fn refuses(place: &Place) -> Option<String> {
        T::refuses(place)
    }

    fn create(place: &Place) -> Result<Self::Guard> {
        places(place).map(|place| T::create(&place)).collect()
    }

    fn sender(place: &Place) -> Result<Self::Tx> {
        Ends::all(place, T::sender)
    }

    fn receiver(place: &Place) -> Result<Self::Rx> {
        Ends::all(place, T::receiver)
    }
}

impl<E: Tx> Tx for Ends<E> {
    #[inline]
    fn send(&mut self, fill: impl FnOnce(&mut [u8]), idle: &mut Idle) -> Result<()> {
        self.turn().send(fill, idle)
    }
}

impl<E: Rx> Rx for Ends<E> {
    #[inline]
    fn recv(&mut self, read: impl FnOnce(&[u8]), idle: &mut Idle) -> Result<()> {
        self.turn().recv(read, idle)
    }
}
