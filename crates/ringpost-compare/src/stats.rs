//! Medians with their spread, and percentiles of times.

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

use crate::cell::Times;
use crate::lanes;

/// The middle of some values, and how far they reach.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Spread {
    /// The middle one, or the mean of the two in the middle.
    pub median: f64,
    /// The least.
    pub least: f64,
    /// The greatest.
    pub most: f64,
}

impl Spread {
    /// Of some values; `None` if there is none.
    #[must_use]
    pub fn of(values: impl IntoIterator<Item = f64>) -> Option<Self> {
        let mut values: Vec<f64> = values.into_iter().filter(|value| value.is_finite()).collect();
        values.sort_by(f64::total_cmp);
        let (least, most) = (*values.first()?, *values.last()?);
        let middle = values.len() / 2;
        let median =
            if values.len() % 2 == 1 { values[middle] } else { f64::midpoint(values[middle - 1], values[middle]) };
        Some(Self { median, least, most })
    }
}

/// Percentiles of the times of one session, in nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Percentiles<T = Spread> {
    /// Half of all times are no longer.
    pub p50: T,
    /// 90 % are no longer.
    pub p90: T,
    /// 99 %.
    pub p99: T,
    /// 99.9 %.
    pub p999: T,
    /// None is longer.
    pub max: T,
    /// The mean of the middle half: as steady as `p50`, and finer than the clock, which may count in steps of 10 ns.
    pub middle: T,
    /// `p99` over that.
    pub tail: T,
}

impl Percentiles<f64> {
    /// Of recorded times; `None` if there is none.
    #[must_use]
    pub fn of(times: &Times) -> Option<Self> {
        let histogram = merged([times])?;
        let at = |percentile| histogram.value_at_percentile(percentile) as f64;
        let (p99, middle) = (at(99.0), middle(&histogram));
        let (p50, p90, p999, max) = (at(50.0), at(90.0), at(99.9), histogram.max() as f64);
        Some(Self { p50, p90, p99, p999, max, middle, tail: p99 / middle })
    }
}

impl Percentiles {
    /// The spread of each, over sessions; `None` if there is none.
    #[must_use]
    pub fn over(sessions: &[Percentiles<f64>]) -> Option<Self> {
        let each = |get: fn(&Percentiles<f64>) -> f64| Spread::of(sessions.iter().map(get));
        Some(Self {
            p50: each(|p| p.p50)?,
            p90: each(|p| p.p90)?,
            p99: each(|p| p.p99)?,
            p999: each(|p| p.p999)?,
            max: each(|p| p.max)?,
            middle: each(|p| p.middle)?,
            tail: each(|p| p.tail)?,
        })
    }
}

/// The mean of the times between the first and the third quarter.
fn middle(histogram: &Histogram<u64>) -> f64 {
    let (from, to) = (histogram.len() / 4, histogram.len() - histogram.len() / 4);
    let (mut seen, mut sum) = (0, 0.0);
    for step in histogram.iter_recorded() {
        let (before, after) = (seen, seen + step.count_at_value());
        sum += after.min(to).saturating_sub(before.max(from)) as f64 * step.value_iterated_to() as f64;
        seen = after;
    }
    sum / (to - from).max(1) as f64
}

/// One histogram of all the times; `None` if there is none.
#[must_use]
pub fn merged<'a>(all: impl IntoIterator<Item = &'a Times>) -> Option<Histogram<u64>> {
    let mut histogram = lanes::histogram().ok()?;
    for (value, count) in all.into_iter().flatten() {
        histogram.saturating_record_n(*value, *count);
    }
    (!histogram.is_empty()).then_some(histogram)
}

/// The times at some percentiles, close enough to draw a curve: from the shortest to the longest.
#[must_use]
pub fn curve(histogram: &Histogram<u64>) -> Vec<(f64, u64)> {
    let nines = (0..=50).map(|step| 100.0 * (1.0 - 10f64.powf(f64::from(step) * -0.1)));
    let longest = 100.0 * (1.0 - 1.0 / histogram.len().max(1) as f64);
    nines.filter(|percentile| *percentile <= longest).map(|p| (p, histogram.value_at_percentile(p))).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn nothing_has_no_middle() {
        assert_eq!(Spread::of([]), None);
        assert_eq!(Spread::of([f64::NAN]), None);
        assert_eq!(Percentiles::of(&vec![]), None);
    }

    proptest! {
        #[test]
        fn a_spread_is_that_of_the_sorted_values(values in prop::collection::vec(0.0..1e12f64, 1..60)) {
            let spread = Spread::of(values.clone()).unwrap();
            let mut sorted = values.clone();
            sorted.sort_by(|a, b| a.partial_cmp(b).unwrap());
            prop_assert_eq!((spread.least, spread.most), (sorted[0], sorted[sorted.len() - 1]));
            let below = values.iter().filter(|v| **v < spread.median).count();
            let above = values.iter().filter(|v| **v > spread.median).count();
            prop_assert!(below <= values.len() / 2 && above <= values.len() / 2);
        }

        #[test]
        fn percentiles_are_those_of_all_times(times in prop::collection::vec((1..5_000_000u64, 1..50u64), 1..80)) {
            // The oracle: all times in a row, sorted; within the three digits that a histogram keeps.
            let mut all: Vec<u64> = times.iter().flat_map(|(t, n)| std::iter::repeat_n(*t, *n as usize)).collect();
            all.sort_unstable();
            let naive = |p: f64| all[((p / 100.0 * all.len() as f64).ceil() as usize).clamp(1, all.len()) - 1] as f64;
            let found = Percentiles::of(&times).unwrap();
            for (p, value) in [(50.0, found.p50), (90.0, found.p90), (99.0, found.p99), (99.9, found.p999), (100.0, found.max)] {
                prop_assert!((value - naive(p)).abs() <= naive(p) * 0.002 + 1.0, "p{} is {}, not {}", p, value, naive(p));
            }
        }

        #[test]
        fn the_middle_is_the_mean_of_the_middle_half(times in prop::collection::vec((1..2000u64, 1..50u64), 1..80)) {
            let mut all: Vec<u64> = times.iter().flat_map(|(t, n)| std::iter::repeat_n(*t, *n as usize)).collect();
            all.sort_unstable();
            let half = &all[all.len() / 4..all.len() - all.len() / 4];
            let naive = half.iter().sum::<u64>() as f64 / half.len() as f64;
            let found = Percentiles::of(&times).unwrap().middle;
            prop_assert!((found - naive).abs() <= naive * 0.002, "{} is not {}", found, naive);
        }

        #[test]
        fn a_curve_rises(times in prop::collection::vec((1..5_000_000u64, 1..50u64), 1..80)) {
            let curve = curve(&merged([&times]).unwrap());
            prop_assert!(curve.windows(2).all(|pair| pair[0].0 < pair[1].0 && pair[0].1 <= pair[1].1));
        }
    }
}
