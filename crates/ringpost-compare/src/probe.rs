//! How near the two processors are to each other, right now: a short raw ping-pong before and after each round.
//!
//! The host of a virtual machine moves its processors between cache domains within seconds, and a line then takes three times
//! as long. What was measured meanwhile says nothing, unless one knows where the processors were.

use std::time::Duration;

use anyhow::{Result, anyhow, ensure};
use serde::{Deserialize, Serialize};

use crate::control::{Control, RAW_WORDS, now_ns};
use crate::idle::Idle;
use crate::machine::{Machine, pin};

/// Round trips between two looks at the clock.
const CHUNK: u64 = 64;
/// Looks at the clock.
const CHUNKS: u64 = 15;
/// Round trips of one probe: some 0.1 ms when near.
pub const TRIPS: u64 = CHUNK * CHUNKS;

/// A round trip of less than this, in nanoseconds, is between near processors.
const NEAR_NS: f64 = 200.0;
/// A round trip of more than this, in nanoseconds, is between far processors.
const FAR_NS: f64 = 250.0;
/// Between those two, processors that do not move are near below this, in nanoseconds, and far above.
const BETWEEN_NS: f64 = 225.0;
/// Two probes that differ by less than this factor say that nothing moved.
const STEADY: f64 = 1.25;

/// Where the processors were during a round.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Domain {
    /// They share a cache, before and after.
    Near,
    /// They do not, before and after.
    Far,
    /// They moved, or were disturbed.
    Mixed,
}

impl Domain {
    /// What two probes, in nanoseconds a round trip, say about the time between them.
    #[must_use]
    pub fn of(before_ns: f64, after_ns: f64) -> Self {
        match (before_ns, after_ns) {
            (a, b) if a < NEAR_NS && b < NEAR_NS => Self::Near,
            (a, b) if a > FAR_NS && b > FAR_NS => Self::Far,
            // There are machines whose processors are always that far apart.
            (a, b) if a < STEADY * b && b < STEADY * a => {
                if f64::midpoint(a, b) < BETWEEN_NS {
                    Self::Near
                } else {
                    Self::Far
                }
            }
            _ => Self::Mixed,
        }
    }

    /// Its name in reports.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Near => "near",
            Self::Far => "far",
            Self::Mixed => "mixed",
        }
    }
}

/// Asks: nanoseconds a round trip, the median of some. `turn` counts the turns of both sides.
///
/// # Errors
/// The other side is silent.
pub fn ask(control: &Control, turn: &mut u64, idle: &mut Idle) -> Result<f64> {
    let mut times = [0; CHUNKS as usize];
    for time in &mut times {
        let start = now_ns();
        for _ in 0..CHUNK {
            *turn += 1;
            control.there.put(*turn, &[*turn; RAW_WORDS]);
            wait(|| control.back.get(*turn), *turn, idle)?;
        }
        *time = now_ns() - start;
    }
    times.sort_unstable();
    Ok(times[times.len() / 2] as f64 / CHUNK as f64)
}

/// Answers as many times.
///
/// # Errors
/// The other side is silent.
pub fn answer(control: &Control, turn: &mut u64, trips: u64, idle: &mut Idle) -> Result<()> {
    for _ in 0..trips {
        *turn += 1;
        wait(|| control.there.get(*turn), *turn, idle)?;
        control.back.put(*turn, &[*turn; RAW_WORDS]);
    }
    Ok(())
}

/// The same between two threads of this process: for what is measured between processes that run on any of the two processors. Maps some
/// pages for good.
///
/// # Errors
/// The threads cannot be kept where they are to be.
pub fn between(cores: [usize; 2], patience: Duration) -> Result<f64> {
    let control = Control::map(&Control::create()?)?;
    let thread = |core: usize| {
        ensure!(pin(core), "a thread cannot be kept on processor {core}");
        Ok(control.idle(patience, Machine::same_core(cores)))
    };
    std::thread::scope(|scope| {
        let here = scope.spawn(|| ask(control, &mut 0, &mut thread(cores[0])?));
        let there = scope.spawn(|| answer(control, &mut 0, TRIPS, &mut thread(cores[1])?));
        there.join().map_err(|_| anyhow!("a probe panicked"))??;
        here.join().map_err(|_| anyhow!("a probe panicked"))?
    })
}

#[inline]
fn wait(mut get: impl FnMut() -> Option<[u64; RAW_WORDS]>, turn: u64, idle: &mut Idle) -> Result<()> {
    idle.progress();
    loop {
        if let Some(words) = get() {
            ensure!(words == [turn; RAW_WORDS], "the raw ping-pong brought something else than was sent");
            return Ok(());
        }
        idle.pause()?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_probes_count() {
        assert_eq!(Domain::of(110.0, 120.0), Domain::Near);
        assert_eq!(Domain::of(400.0, 300.0), Domain::Far);
        for (before, after) in [(110.0, 400.0), (400.0, 110.0), (240.0, 180.0), (230.0, 340.0), (f64::NAN, 100.0)] {
            assert_eq!(Domain::of(before, after), Domain::Mixed);
        }
    }

    #[test]
    fn where_processors_are_always_in_between_something_is_measured() {
        assert_eq!(Domain::of(220.0, 215.0), Domain::Near);
        assert_eq!(Domain::of(195.0, 230.0), Domain::Near);
        assert_eq!(Domain::of(230.0, 260.0), Domain::Far);
        assert_eq!(Domain::of(f64::NAN, f64::NAN), Domain::Mixed);
    }
}
