//! One way: as many messages as go through.

use super::{Follow, Lead};
use crate::cell::BATCH;
use crate::control::now_ns;
use crate::idle::Idle;
use crate::message::{Checker, fill};
use crate::transports::{Rx, Tx};

/// The first side, one message at a time.
pub fn feed(mut tx: impl Tx) -> impl Lead {
    let mut next = 0;
    move |count: u64, _start: u64, idle: &mut Idle| {
        for _ in 0..count {
            idle.progress();
            tx.send(|bytes| fill(bytes, next), idle)?;
            next += 1;
        }
        Ok(Vec::new())
    }
}

/// The first side, in batches. `count` is a multiple of [`BATCH`].
pub fn feed_batches(mut tx: impl Tx) -> impl Lead {
    let mut next = 0;
    move |count: u64, _start: u64, idle: &mut Idle| {
        for _ in 0..count / BATCH as u64 {
            idle.progress();
            tx.send_batch(BATCH, |index, bytes| fill(bytes, next + index as u64), idle)?;
            next += BATCH as u64;
        }
        Ok(Vec::new())
    }
}

/// The second side, one message at a time.
pub fn drain(mut rx: impl Rx, len: usize) -> impl Follow {
    let mut checker = Checker::new(len);
    move |count: u64, _start: u64, idle: &mut Idle| {
        for _ in 0..count {
            idle.progress();
            rx.recv(|bytes| checker.check(bytes), idle)?;
            checker.verdict()?;
        }
        Ok((now_ns(), Vec::new()))
    }
}

/// The second side, in batches.
pub fn drain_batches(mut rx: impl Rx, len: usize) -> impl Follow {
    let mut checker = Checker::new(len);
    move |count: u64, _start: u64, idle: &mut Idle| {
        let end = checker.count() + count;
        while checker.count() < end {
            idle.progress();
            let most = BATCH.min((end - checker.count()) as usize);
            let before = checker.count();
            let came = rx.recv_batch(most, |bytes| checker.check(bytes), idle)?;
            checker.verdict()?;
            anyhow::ensure!(
                came > 0 && checker.count() - before == came as u64,
                "{came} messages were reported, and {} shown",
                checker.count() - before
            );
        }
        Ok((now_ns(), Vec::new()))
    }
}
