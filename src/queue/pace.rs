//! How often a receiver of many messages looks for more.

use core::time::Duration;

use super::Receiver;
use super::short::{FIRST_POLLS, LOOKS_AT_ONCE};
use crate::payload::Payload;
use crate::ring::Memory;
use crate::sync::spin_loop;

/// How long a receiver that has read all that it knew of looks away before it looks again, in moments of polling.
///
/// At a sender's heels it would take a line from the sender at each message, and find no more than that one. So it looks away for longer
/// while it finds a little at once, though no less than one message for each moment, and for less when it finds nothing, since that is no
/// stream then. What answers its own messages, or keeps a fixed number of them on their way, would come in any such time, however long;
/// so it begins anew from time to time.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    moments: u32,
    /// Looks until it begins anew.
    left: u32,
}

/// How messages are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Taken {
    /// By a receiver that is hardly faster than its sender, and would soon leave that without room.
    OneByOne,
    /// By one that is faster by far.
    Many,
}

impl Pace {
    /// At first.
    pub(super) const START: Self = Self { moments: 0, left: 64 };
    /// Less than two microseconds.
    const LONGEST: u32 = 32;
    /// No more than two batches of the usual size; or than a quarter of the queue, if that is less.
    const LITTLE: u64 = 64;

    /// Before a look of one who has read all that it knew of.
    pub(super) fn look_away(self) {
        (0..self.moments).for_each(|_| spin_loop());
    }

    /// After that look, which told of so many messages in a queue of that capacity.
    pub(super) fn after(self, found: u64, capacity: u64, taken: Taken) -> Self {
        let little = Self::LITTLE.min(capacity / 4);
        let moments = match found {
            _ if self.left == 0 => 0,
            few if few < u64::from(self.moments.max(1)) => self.moments / 2,
            _ if found <= little => (self.moments * 2).clamp(1, Self::LONGEST),
            _ if found >= 4 * little && taken == Taken::OneByOne => self.moments / 2,
            _ => self.moments,
        };
        let begins = moments == 0 || (found > little && taken == Taken::Many);
        let left = if begins { Self::START.left } else { self.left - 1 };
        Self { moments: moments.max(u32::from(taken == Taken::Many)), left }
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
        pace.look_away();
        let told = end.told(ring).unwrap_or(0);
        *pace = pace.after(told, ring.capacity(), Taken::Many);
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
        for longer in [1, 2, 4, 8, 16, 32, 32] {
            pace = pace.after(Pace::LITTLE, 1024, Taken::OneByOne);
            assert_eq!(pace.moments, longer);
        }
        assert_eq!(pace.after(Pace::LITTLE + 1, 1024, Taken::OneByOne).moments, 32, "there is enough");
        assert_eq!(pace.after(4 * Pace::LITTLE + 1, 1024, Taken::OneByOne).moments, 16, "there is too much");
        assert_eq!(
            pace.after(4 * Pace::LITTLE + 1, 1024, Taken::Many).moments,
            32,
            "who takes many at once is fast enough"
        );
        assert_eq!(pace.after(64, 64, Taken::OneByOne).moments, 16, "it is all that a small queue holds");
        for shorter in [16, 8, 4, 2, 1, 0, 0] {
            pace = pace.after(0, 1024, Taken::OneByOne);
            assert_eq!(pace.moments, shorter);
        }
    }

    #[test]
    fn who_answers_its_own_messages_is_not_kept_waiting_for_long() {
        let mut pace = Pace { moments: Pace::LONGEST, ..Pace::START };
        for _ in 0..5 {
            pace = pace.after(1, 1024, Taken::OneByOne);
        }
        assert!(pace.moments <= 1, "no more than a moment for a message");
        // Nor with as many on their way as a pace could take for a stream.
        for taken in [Taken::OneByOne, Taken::Many] {
            let mut pace = Pace { moments: Pace::LONGEST, ..Pace::START };
            let begins = (0..100).any(|_| {
                pace = pace.after(Pace::LITTLE, 1024, taken);
                pace.moments == u32::from(taken == Taken::Many)
            });
            assert!(begins, "it begins anew: {taken:?}");
        }
    }
}
