//! A sender: one by one, in batches, by loans, and loans that come to nothing; or values in place, as slices.

use std::time::Duration;

use ringpost::{SendError, Sender, Wait};

use super::Orders;
use crate::message::{Block, Random, length, write};

/// Messages of the longest batch: more than go together.
const BATCH: u32 = 40;
/// Values that are written in place at a time, at most: more than a slice has.
const LONG_RUN: u32 = 40;

/// Sends until it is asked to finish.
pub fn run(orders: &Orders<'_>, mut random: Random, mut tx: Sender) -> Result<(), String> {
    let (ledger, max_len) = (orders.ledger, tx.max_len());
    if random.percent(30) {
        tx.set_wait(Wait::Sleep);
    }
    let pause_us = 20 << random.below(5);
    let mut sent = 0;
    while !ledger.is_stopped() {
        let count = if random.percent(25) { 1 + random.below(BATCH.into()) as u32 } else { 1 };
        let messages = messages(orders, sent, count);
        if count == 1 && random.percent(15) {
            // Given up: it must never be seen.
            insist(|| tx.loan(max_len).map(|mut loan| loan.fill(0xdd)))?;
        }
        ledger.intend(sent + count);
        if count > 1 {
            let mut slices = messages.iter().map(Vec::as_slice).collect::<Vec<_>>();
            insist(|| match tx.send_batch(slices.iter().copied()) {
                Ok(_) => Ok(()),
                Err(error) => {
                    slices.drain(..error.sent);
                    Err(error.error)
                }
            })?;
        } else if random.percent(30) {
            insist(|| {
                let mut loan = tx.loan(messages[0].len())?;
                loan.copy_from_slice(&messages[0]);
                loan.commit();
                Ok(())
            })?;
        } else {
            insist(|| tx.send(&messages[0]))?;
        }
        sent += count;
        ledger.commit(sent);
        if random.percent(20) {
            std::thread::sleep(Duration::from_micros(random.below(pause_us)));
        }
    }
    Ok(())
}

/// The same into a queue of values that blocks.
pub fn run_in_slices(orders: &Orders<'_>, mut random: Random, mut tx: Sender<Block>) -> Result<(), String> {
    let ledger = orders.ledger;
    if random.percent(30) {
        tx.set_wait(Wait::Sleep);
    }
    let pause_us = 20 << random.below(5);
    let mut sent = 0;
    while !ledger.is_stopped() {
        let count = 1 + random.below(LONG_RUN.into()) as u32;
        let messages = messages(orders, sent, count);
        let mut next = messages.iter();
        ledger.intend(sent + count);
        let written = tx.send_slices_with(messages.len(), |some| {
            some.iter_mut().zip(&mut next).for_each(|(value, message)| value.copy_from_slice(message));
        });
        written.map_err(|error| format!("send slices: {error}"))?;
        sent += count;
        ledger.commit(sent);
        if random.percent(20) {
            std::thread::sleep(Duration::from_micros(random.below(pause_us)));
        }
    }
    Ok(())
}

/// The next messages of this sender.
fn messages(orders: &Orders<'_>, from: u32, count: u32) -> Vec<Vec<u8>> {
    let message = |sequence| {
        let mut bytes = vec![0; length(orders.incarnation, sequence, orders.lens)];
        write(&mut bytes, orders.incarnation, sequence);
        bytes
    };
    (from..from + count).map(message).collect()
}

/// Tries again while an overwriting queue is full, because a receiver has the oldest message.
fn insist(mut send: impl FnMut() -> Result<(), SendError>) -> Result<(), String> {
    loop {
        match send() {
            Err(SendError::Full { .. }) => std::thread::sleep(Duration::from_micros(100)),
            result => return result.map_err(|error| format!("send: {error}")),
        }
    }
}
