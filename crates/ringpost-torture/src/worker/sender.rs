//! A sender: one by one, in batches, by loans, and loans that come to nothing.

use std::time::Duration;

use ringpost::{SendError, Sender, Wait};

use super::Orders;
use crate::message::{Random, length, write};

/// Messages of the longest batch.
pub const BATCH: u32 = 8;

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
        let messages: Vec<Vec<u8>> = (sent..sent + count).map(|i| message(orders.incarnation, i, max_len)).collect();
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

fn message(sender: u32, sequence: u32, max_len: usize) -> Vec<u8> {
    let mut bytes = vec![0; length(sender, sequence, max_len)];
    write(&mut bytes, sender, sequence);
    bytes
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
