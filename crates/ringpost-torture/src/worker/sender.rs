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
            let mut loan = tx.loan(max_len).map_err(failed)?;
            loan.fill(0xdd);
            drop(loan);
        }
        ledger.intend(sent + count);
        if count > 1 {
            let slices = messages.iter().map(Vec::as_slice);
            tx.send_batch(slices).map_err(|error| failed(error.error))?;
        } else if random.percent(30) {
            let mut loan = tx.loan(messages[0].len()).map_err(failed)?;
            loan.copy_from_slice(&messages[0]);
            loan.commit();
        } else {
            tx.send(&messages[0]).map_err(failed)?;
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

fn failed(error: SendError) -> String {
    format!("send: {error}")
}
