//! How often a receiver of many messages looks for more.

use core::time::Duration;

use super::Receiver;
use super::short::{FIRST_POLLS, LOOKS_AT_ONCE};
use crate::payload::Payload;
use crate::sync::spin_loop;

/// How long a receiver that has read all that tail told of looks away before it looks again, in moments of polling.
///
/// At a sender's heels it would take tail from the sender at each batch, and find no more than that one. So it looks away for longer
/// while it finds a little at once, and for less when it finds nothing, since that is no stream then.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace(u32);

impl Pace {
    /// At first.
    pub(super) const START: Self = Self(1);
    /// Less than two microseconds.
    const LONGEST: u32 = 32;
    /// No more than two batches of the usual size.
    const LITTLE: u64 = 64;

    /// After a look that told of so many messages.
    fn after(self, told: u64) -> Self {
        match told {
            0 => Self((self.0 / 2).max(1)),
            little if little <= Self::LITTLE => Self((self.0 * 2).min(Self::LONGEST)),
            _ => self,
        }
    }
}

impl<T: ?Sized + Payload> Receiver<T> {
    /// How many messages an only receiver has been told of, if it comes to know of any within a first, short time of polling. Tail
    /// tells of a batch when that is whole; whoever looked at the words meanwhile would take their lines away from the sender.
    #[inline]
    pub(super) fn told_soon(&mut self, timeout: Duration) -> u64 {
        match self.end.get_mut().told(&self.link.ring) {
            Some(0) if !timeout.is_zero() && self.polls_first() => self.watch_tail(),
            told => told.unwrap_or(0),
        }
    }

    #[inline(never)]
    fn watch_tail(&mut self) -> u64 {
        let Self { link, end, pace, .. } = self;
        let (ring, end) = (&link.ring, end.get_mut());
        (0..pace.0).for_each(|_| spin_loop());
        let told = end.told(ring).unwrap_or(0);
        *pace = pace.after(told);
        if told > 0 {
            return told;
        }
        let look = |nth: u32| {
            spin_loop();
            // Tail may not tell yet of messages that were sent one by one.
            let told = if nth.is_multiple_of(LOOKS_AT_ONCE) { end.told_by_words(ring) } else { end.told(ring) };
            told.filter(|told| *told > 0)
        };
        (1..=FIRST_POLLS * LOOKS_AT_ONCE).find_map(look).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_slows_down_at_the_heels_of_a_stream_and_hurries_after_a_lone_message() {
        let mut pace = Pace::START;
        for longer in [2, 4, 8, 16, 32, 32] {
            pace = pace.after(1);
            assert_eq!(pace.0, longer);
        }
        assert_eq!(pace.after(Pace::LITTLE + 1).0, 32, "there is enough");
        for shorter in [16, 8, 4, 2, 1, 1] {
            pace = pace.after(0);
            assert_eq!(pace.0, shorter);
        }
    }
}
