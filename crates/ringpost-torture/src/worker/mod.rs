//! What a worker process does, until it is asked to finish or killed.

mod receiver;
mod sender;

use std::time::{Duration, Instant};

use ringpost::{Ends, JoinError, Queue};

use crate::ledger::Ledger;
use crate::message::{Lens, Random};

/// How long a place may look taken whose last owner has just been killed: whoever repairs it may be stopped meanwhile.
const PATIENCE: Duration = Duration::from_secs(10);

/// Which end a worker has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// It sends.
    Sender,
    /// It receives.
    Receiver,
}

/// All that a worker needs to know.
#[derive(Clone, Copy)]
pub struct Orders<'a> {
    /// The queue's name.
    pub queue: &'a str,
    /// Which end.
    pub role: Role,
    /// Its number, which no other worker of this queue has.
    pub incarnation: u32,
    /// Where its random choices begin.
    pub seed: u64,
    /// How long messages are.
    pub lens: Lens,
    /// Where it says what it does.
    pub ledger: Ledger,
}

/// Works. An error says what is wrong with the queue.
pub fn run(orders: &Orders<'_>) -> Result<(), String> {
    let queue = Queue::open(orders.queue).map_err(|error| format!("open: {error}"))?;
    let mut random = Random::new(orders.seed);
    match orders.role {
        Role::Sender => {
            if let (Ok(values), true) = (queue.clone().typed(), random.percent(50)) {
                let tx = patiently(orders.ledger, || values.sender())?;
                return tx.map_or(Ok(()), |tx| sender::run_in_slices(orders, random, tx));
            }
            let tx = patiently(orders.ledger, || queue.sender())?;
            tx.map_or(Ok(()), |tx| sender::run(orders, random, tx))
        }
        Role::Receiver => {
            let rx = patiently(orders.ledger, || queue.receiver())?;
            rx.map_or(Ok(()), |rx| receiver::run(orders, random, rx, queue.receivers() == Ends::Multi))
        }
    }
}

/// Joins; `None` if there is no time for it any more.
fn patiently<E>(ledger: Ledger, join: impl Fn() -> Result<E, JoinError>) -> Result<Option<E>, String> {
    let give_up = Instant::now() + PATIENCE;
    loop {
        match join() {
            Ok(end) => {
                ledger.join();
                return Ok(Some(end));
            }
            Err(JoinError::Taken { .. } | JoinError::TableFull { .. }) if Instant::now() < give_up => {
                if ledger.is_stopped() {
                    return Ok(None);
                }
                std::thread::sleep(Duration::from_millis(1));
            }
            Err(error) => return Err(format!("join: {error}")),
        }
    }
}
