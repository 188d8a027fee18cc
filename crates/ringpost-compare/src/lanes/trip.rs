//! Round trips: a message there, checked, and one with the same number back, checked; one at a time.

use super::{Follow, Lead, histogram, pairs};
use crate::control::now_ns;
use crate::idle::Idle;
use crate::message::{Checker, fill};
use crate::transports::{Rx, Tx};

/// The first side. `ASLEEP`: both ends sleep while they wait.
pub fn ping<const ASLEEP: bool>(mut tx: impl Tx, mut rx: impl Rx, len: usize) -> impl Lead {
    let mut checker = Checker::new(len);
    move |count: u64, _start: u64, idle: &mut Idle| {
        let mut times = histogram()?;
        let mut before = None;
        for _ in 0..count {
            put::<ASLEEP>(&mut tx, checker.count(), idle)?;
            // From one message's departure to the next one's. The clock is read and the time recorded while the message
            // is on its way, so that neither is part of what is measured.
            let now = now_ns();
            if let Some(before) = before.replace(now) {
                times.saturating_record(now - before);
            }
            get::<ASLEEP>(&mut rx, &mut checker, idle)?;
        }
        Ok(pairs(&times))
    }
}

/// The second side.
pub fn pong<const ASLEEP: bool>(mut tx: impl Tx, mut rx: impl Rx, len: usize) -> impl Follow {
    let mut checker = Checker::new(len);
    move |count: u64, _start: u64, idle: &mut Idle| {
        for _ in 0..count {
            let number = checker.count();
            get::<ASLEEP>(&mut rx, &mut checker, idle)?;
            put::<ASLEEP>(&mut tx, number, idle)?;
        }
        Ok((now_ns(), Vec::new()))
    }
}

#[inline]
fn put<const ASLEEP: bool>(tx: &mut impl Tx, number: u64, idle: &mut Idle) -> anyhow::Result<()> {
    if ASLEEP { tx.send_asleep(|bytes| fill(bytes, number), idle) } else { tx.send(|bytes| fill(bytes, number), idle) }
}

#[inline]
fn get<const ASLEEP: bool>(rx: &mut impl Rx, checker: &mut Checker, idle: &mut Idle) -> anyhow::Result<()> {
    idle.progress();
    if ASLEEP {
        while !rx.recv_asleep(|bytes| checker.check(bytes))? {
            idle.look()?;
        }
    } else {
        rx.recv(|bytes| checker.check(bytes), idle)?;
    }
    Ok(checker.verdict()?)
}
