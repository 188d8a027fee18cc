//! What is done with the two ends of a transport.

pub mod one_way;
pub mod open_loop;
pub mod trip;

use anyhow::Result;
use hdrhistogram::Histogram;

use crate::cell::Times;
use crate::idle::Idle;

/// Significant digits of recorded times.
const DIGITS: u8 = 3;
/// Times above this are recorded as this.
const LONGEST_NS: u64 = 10_000_000_000;

/// One round of the first side: so many messages, from the given time on. Returns the times, where there are any.
pub trait Lead: FnMut(u64, u64, &mut Idle) -> Result<Times> {}
impl<F: FnMut(u64, u64, &mut Idle) -> Result<Times>> Lead for F {}

/// One round of the second side: the same, and when the last message had come.
pub trait Follow: FnMut(u64, u64, &mut Idle) -> Result<(u64, Times)> {}
impl<F: FnMut(u64, u64, &mut Idle) -> Result<(u64, Times)>> Follow for F {}

/// A histogram of times in nanoseconds.
///
/// # Errors
/// Never: its bounds are valid.
pub fn histogram() -> Result<Histogram<u64>> {
    Ok(Histogram::new_with_bounds(1, LONGEST_NS, DIGITS)?)
}

/// A histogram as plain pairs.
#[must_use]
pub fn pairs(histogram: &Histogram<u64>) -> Times {
    histogram.iter_recorded().map(|step| (step.value_iterated_to(), step.count_at_value())).collect()
}
