//! A receiver: takes some, looks at all of them, then releases them one by one, in parts or together, in order or not, and gives
//! some back.

use std::time::Duration;

use ringpost::{Batch, Receiver, RecvError, Wait};

use super::Orders;
use crate::ledger::{Event, Kind, Ledger};
use crate::message::{Lens, Random, read};
use crate::shared::now_us;

/// The most messages that it takes at once: more than one word holds.
const MOST: u64 = 40;

/// Receives until the queue is closed and drained. `of_many`: there may be other receivers.
pub fn run(orders: &Orders<'_>, mut random: Random, mut rx: Receiver, of_many: bool) -> Result<(), String> {
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
        match random.below(6) {
            0 | 1 => together(batch, &events, ledger, random.percent(10)),
            2 => in_parts(batch, &events, ledger, &mut random),
            3 => in_any_order(batch, &events, ledger, &mut random),
            // An only receiver releases what was held at its next call, and until then a death brings it again.
            4 if of_many => held_in_any_order(batch, &events, ledger, &mut random),
            _ => one_by_one(batch, &events, ledger, &mut random),
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
    if back {
        note(Kind::GivingBack, events, ledger);
        batch.nack();
    } else {
        note(Kind::Releasing, events, ledger);
        drop(batch);
        note(Kind::Released, events, ledger);
    }
}

/// Releases the first ones again and again, and now and then gives back what is left.
fn in_parts(mut batch: Batch<'_>, events: &[Event], ledger: Ledger, random: &mut Random) {
    let mut left = events;
    while !left.is_empty() {
        if random.percent(10) {
            return together(batch, left, ledger, true);
        }
        let (part, rest) = left.split_at(1 + random.below(left.len() as u64) as usize);
        note(Kind::Releasing, part, ledger);
        batch.release_first(part.len());
        note(Kind::Released, part, ledger);
        left = rest;
    }
}

fn one_by_one(batch: Batch<'_>, events: &[Event], ledger: Ledger, random: &mut Random) {
    for (message, event) in batch.into_iter().zip(events) {
        let back = random.percent(3);
        settle(event, ledger, back, || if back { message.nack() } else { message.release() });
    }
}

fn in_any_order(batch: Batch<'_>, events: &[Event], ledger: Ledger, random: &mut Random) {
    let mut left: Vec<_> = batch.into_iter().zip(events).collect();
    while !left.is_empty() {
        let (message, event) = left.swap_remove(random.below(left.len() as u64) as usize);
        let back = random.percent(3);
        settle(event, ledger, back, || if back { message.nack() } else { message.release() });
    }
}

/// The same, each held by itself before, as by one who hands them to other threads.
fn held_in_any_order(batch: Batch<'_>, events: &[Event], ledger: Ledger, random: &mut Random) {
    let mut left: Vec<_> = batch.hold().into_iter().zip(events).collect();
    while !left.is_empty() {
        let (message, event) = left.swap_remove(random.below(left.len() as u64) as usize);
        let back = random.percent(3);
        settle(event, ledger, back, || if back { message.nack() } else { message.release() });
    }
}

/// Has `settle` release one message or give it back, and notes that.
fn settle(event: &Event, ledger: Ledger, back: bool, settle: impl FnOnce()) {
    let one = std::slice::from_ref(event);
    note(if back { Kind::GivingBack } else { Kind::Releasing }, one, ledger);
    settle();
    if !back {
        note(Kind::Released, one, ledger);
    }
}

fn note(kind: Kind, events: &[Event], ledger: Ledger) {
    events.iter().for_each(|event| ledger.log(Event { kind, ..*event }));
}
