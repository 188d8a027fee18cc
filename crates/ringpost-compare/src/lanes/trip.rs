//! Round trips: a message there, checked, and one with the same number back, checked; one at a time.

use anyhow::{Result, ensure};
use nix::sys::resource::{UsageWho, getrusage};

use super::{Follow, Lead, histogram, pairs};
use crate::cell::LEFT_OUT;
use crate::control::now_ns;
use crate::idle::Idle;
use crate::message::{Checker, fill};
use crate::transports::{Rx, Tx};

/// Messages from which on a round says whether a side sleeps at all.
const LONG: u64 = 1000;

/// The first side. `ASLEEP`: both ends sleep while they wait.
pub fn ping<const ASLEEP: bool>(mut tx: impl Tx, mut rx: impl Rx, len: usize) -> impl Lead {
    let mut checker = Checker::new(len);
    move |count: u64, _start: u64, idle: &mut Idle| {
        let mut times = histogram()?;
        let mut before = None;
        let slept = sleeps()?;
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
        if ASLEEP {
            has_slept(slept, count)?;
        }
        Ok(pairs(&times))
    }
}

/// The second side.
pub fn pong<const ASLEEP: bool>(mut tx: impl Tx, mut rx: impl Rx, len: usize) -> impl Follow {
    let mut checker = Checker::new(len);
    move |count: u64, _start: u64, idle: &mut Idle| {
        let slept = sleeps()?;
        for _ in 0..count {
            let number = checker.count();
            get::<ASLEEP>(&mut rx, &mut checker, idle)?;
            put::<ASLEEP>(&mut tx, number, idle)?;
        }
        if ASLEEP {
            has_slept(slept, count)?;
        }
        Ok((now_ns(), Vec::new()))
    }
}

/// How often this thread has gone to sleep by itself.
fn sleeps() -> Result<u64> {
    Ok(getrusage(UsageWho::RUSAGE_THREAD)?.voluntary_context_switches() as u64)
}

/// Fails where this side has never slept in a long round. A sleeper need not sleep for each message: now and then, or often
/// where going to sleep takes long, the message is there first.
fn has_slept(before: u64, count: u64) -> Result<()> {
    let slept = sleeps()? - before;
    let polls = count >= LONG && slept * 100 < count;
    ensure!(!polls, "{LEFT_OUT}it polls before it sleeps: {slept} sleeps for {count} messages");
    Ok(())
}

#[inline]
fn put<const ASLEEP: bool>(tx: &mut impl Tx, number: u64, idle: &mut Idle) -> Result<()> {
    if ASLEEP { tx.send_asleep(|bytes| fill(bytes, number), idle) } else { tx.send(|bytes| fill(bytes, number), idle) }
}

#[inline]
fn get<const ASLEEP: bool>(rx: &mut impl Rx, checker: &mut Checker, idle: &mut Idle) -> Result<()> {
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
