//! Messages at a given rate, whatever the receiver does: how late is each, counted from when it was due?
//!
//! A sender that is held up sends late and then catches up. Its messages are late from when they were due, not from when
//! they left: so a stall shows in every message that it delayed, and nothing is omitted. Both sides know the schedule, so
//! it need not travel.

use super::{Follow, Lead, histogram, pairs};
use crate::control::now_ns;
use crate::idle::Idle;
use crate::message::{Checker, fill};
use crate::transports::{Rx, Tx};

/// When message `index` of a round that starts at `start_ns` is due.
fn due_ns(start_ns: u64, index: u64, rate: u64) -> u64 {
    start_ns + (u128::from(index) * 1_000_000_000 / u128::from(rate.max(1))) as u64
}

/// The first side: `rate` messages a second.
pub fn feed(mut tx: impl Tx, rate: u64) -> impl Lead {
    let mut next = 0;
    move |count: u64, start_ns: u64, idle: &mut Idle| {
        for index in 0..count {
            let due = due_ns(start_ns, index, rate);
            while now_ns() < due {
                std::hint::spin_loop();
            }
            idle.progress();
            tx.send(|bytes| fill(bytes, next), idle)?;
            next += 1;
        }
        Ok(Vec::new())
    }
}

/// The second side.
pub fn drain(mut rx: impl Rx, len: usize, rate: u64) -> impl Follow {
    let mut checker = Checker::new(len);
    // Kept from round to round: new memory would be touched while the first messages come.
    let mut kept = None;
    move |count: u64, start_ns: u64, idle: &mut Idle| {
        let mut times = kept.take().map_or_else(histogram, Ok)?;
        for index in 0..count {
            idle.progress();
            rx.recv(|bytes| checker.check(bytes), idle)?;
            times.saturating_record(now_ns().saturating_sub(due_ns(start_ns, index, rate)));
            checker.verdict()?;
        }
        let end_ns = now_ns();
        let found = pairs(&times);
        times.reset();
        kept = Some(times);
        Ok((end_ns, found))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_schedule_does_not_drift() {
        assert_eq!(due_ns(7, 0, 3), 7);
        assert_eq!(due_ns(7, 3_000_000_000, 3), 7 + 1_000_000_000_000_000_000);
        assert_eq!(due_ns(0, 1, 1_000_000), 1_000);
    }
}
