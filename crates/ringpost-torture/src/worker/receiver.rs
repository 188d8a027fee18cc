//! A receiver: takes some, looks at all of them, then releases them one by one or together, and gives some back.

use std::time::Duration;

use ringpost::{Batch, Message, Receiver, RecvError, Wait};

use super::Orders;
use crate::ledger::{Event, Kind, Ledger};
use crate::message::{Lens, Random, read};
use crate::shared::now_us;

/// The most messages that it takes at once.
pub const MOST: u64 = 16;

/// Receives until the queue is closed and drained.
pub fn run(orders: &Orders<'_>, mut random: Random, mut rx: Receiver) -> Result<(), String> {
    let (ledger, lens) = (orders.ledger, orders.lens);
    if random.percent(30) {
        rx.set_wait(Wait::Sleep);
    }
    let pause_us = 10 << random.below(6);
    loop {
        let most = if random.percent(50) { 1 } else { 1 + random.below(MOST) as usize };
        ledger.take(most);
        let batch = match take(&mut rx, &mut random, most) {
            Ok(batch) => batch,
            Err(RecvError::Closed) => return Ok(()),
            Err(error) => return Err(format!("receive: {error}")),
        };
        let events = look(&batch, lens, ledger)?;
        ledger.take(0);
        if !events.is_empty() && random.percent(10) {
            std::thread::sleep(Duration::from_micros(random.below(pause_us)));
        }
        if random.percent(40) {
            together(batch, &events, ledger, random.percent(10));
        } else {
            one_by_one(batch, &events, ledger, &mut random);
        }
    }
}

fn take<'a>(rx: &'a mut Receiver, random: &mut Random, most: usize) -> Result<Batch<'a>, RecvError> {
    let timeout = Duration::from_micros(random.below(20_000));
    match random.below(3) {
        0 => rx.pull(most, timeout),
        1 => rx.pull_some(most, timeout),
        _ => rx.try_pull(most),
    }
}

/// Checks each message and notes that we have it.
fn look(batch: &Batch<'_>, lens: Lens, ledger: Ledger) -> Result<Vec<Event>, String> {
    let mut events = Vec::with_capacity(batch.len());
    for (index, bytes) in batch.iter().enumerate() {
        let deliveries = batch.deliveries(index) as u8;
        let (sender, sequence) = read(bytes, lens)?;
        let at_us = if deliveries > 1 { now_us() } else { 0 };
        events.push(Event { kind: Kind::Got, sender, sequence, deliveries, at_us });
    }
    events.iter().for_each(|event| ledger.log(*event));
    Ok(events)
}

fn together(batch: Batch<'_>, events: &[Event], ledger: Ledger, back: bool) {
    let note = |kind| events.iter().for_each(|event| ledger.log(Event { kind, ..*event }));
    if back {
        note(Kind::GivingBack);
        batch.nack();
    } else {
        note(Kind::Releasing);
        drop(batch);
        note(Kind::Released);
    }
}

fn one_by_one(batch: Batch<'_>, events: &[Event], ledger: Ledger, random: &mut Random) {
    for (message, event) in batch.into_iter().zip(events) {
        if random.percent(3) {
            ledger.log(Event { kind: Kind::GivingBack, ..*event });
            message.nack();
        } else {
            ledger.log(Event { kind: Kind::Releasing, ..*event });
            Message::release(message);
            ledger.log(Event { kind: Kind::Released, ..*event });
        }
    }
}
