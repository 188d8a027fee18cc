//! The state word: 64 bits that say what a slot is, in which lap, and whose it is.
//!
//! ```text
//!  63                            18 17        13 12              3 2     0
//! +--------------------------------+------------+-----------------+-------+
//! |              lap               | deliveries |      owner      | state |
//! |            46 bits             |   5 bits   |     10 bits     | 3 bits|
//! +--------------------------------+------------+-----------------+-------+
//! ```
//!
//! * `lap` is the position divided by the capacity, modulo 2^46. At 20 million messages a second a queue of 4
//!   slots comes round after 160 days. To be fooled by a repeated word, a process must be stopped between two instructions for just that
//!   long, and go on within the one lap in 2^46 whose words are the same.
//! * `deliveries` counts how often the message has been taken (saturating at 31). It travels in the word, so
//!   that taking and counting are one instruction and no death can come between them. In `Claim` and `TakeRun` these bits say
//!   instead how many slots behind this one are held by its word.
//! * `owner` is the endpoint that holds the slot in `Claim`, `Take` and `TakeRun` (1 to 1023), and zero otherwise.

/// Bits of the lap.
pub const LAP_BITS: u32 = 46;
/// The highest endpoint number that a word can name.
pub const MAX_OWNER: u16 = (1 << OWNER_BITS) - 1;
/// The highest delivery count that a word can hold; it saturates there.
pub const MAX_DELIVERIES: u8 = (1 << DELIVERY_BITS) - 1;
/// The most slots that one word can hold, its own among them.
pub const MAX_RUN: u64 = 1 << DELIVERY_BITS;

const STATE_BITS: u32 = 3;
const OWNER_BITS: u32 = 10;
const DELIVERY_BITS: u32 = 5;
const OWNER_SHIFT: u32 = STATE_BITS;
const DELIVERY_SHIFT: u32 = OWNER_SHIFT + OWNER_BITS;
const LAP_SHIFT: u32 = DELIVERY_SHIFT + DELIVERY_BITS;
const LAP_MASK: u64 = (1 << LAP_BITS) - 1;

const _: () = assert!(LAP_SHIFT + LAP_BITS == u64::BITS);

/// What a slot is. The transitions are drawn in `docs/DESIGN.md`, section "The slot ring".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Nobody's, ready to be claimed in this lap.
    Free = 0,
    /// A sender is writing it, and as many behind it as it says.
    Claim = 1,
    /// It holds a committed message that nobody has taken.
    Ready = 2,
    /// It was claimed and given up, or released out of order: there is nothing to read.
    Skip = 3,
    /// A receiver is reading it.
    Take = 4,
    /// It holds a message that was taken and came back.
    Retry = 5,
    /// A receiver is reading it and as many behind it as it says, none of which had been delivered before.
    TakeRun = 6,
}

/// How the lap of a word lies to the lap of a position.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LapOrder {
    /// The word belongs to the lap before the position's.
    Previous,
    /// The word belongs to the position's lap.
    Same,
    /// The word belongs to a later lap.
    Newer,
    /// The word is at least two laps behind: no correct process leaves it so.
    Ancient,
}

/// A slot's state word.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Word(u64);

impl Word {
    /// The word as it stands in memory.
    #[inline]
    pub const fn from_bits(bits: u64) -> Self {
        Self(bits)
    }

    /// The bits to store.
    #[inline]
    pub const fn bits(self) -> u64 {
        self.0
    }

    /// The word of `lap`, with all its parts. `lap` is taken modulo 2^46; `count` is what stands in the bits of `deliveries`.
    #[inline]
    pub const fn new(lap: u64, state: State, owner: u16, count: u8) -> Self {
        Self(
            (lap & LAP_MASK) << LAP_SHIFT
                | (count as u64) << DELIVERY_SHIFT
                | (owner as u64) << OWNER_SHIFT
                | state as u64,
        )
    }

    /// A free slot of `lap`.
    #[inline]
    pub const fn free(lap: u64) -> Self {
        Self::new(lap, State::Free, 0, 0)
    }

    /// A slot of `lap` that `owner` is writing, with all `run` slots from it on (1 to [`MAX_RUN`]).
    #[inline]
    pub const fn claim(lap: u64, owner: u16, run: u64) -> Self {
        Self::new(lap, State::Claim, owner, (run - 1) as u8)
    }

    /// A committed message of `lap` that nobody has taken yet.
    #[inline]
    pub const fn ready(lap: u64) -> Self {
        Self::new(lap, State::Ready, 0, 0)
    }

    /// A slot of `lap` with nothing to read.
    #[inline]
    pub const fn skip(lap: u64) -> Self {
        Self::new(lap, State::Skip, 0, 0)
    }

    /// Messages of `lap` that `owner` has taken and nobody before: `run` of them, in this slot and those behind it.
    #[inline]
    pub const fn take_run(lap: u64, owner: u16, run: u64) -> Self {
        if run == 1 {
            return Self::ready(lap).taken_by(owner);
        }
        Self::new(lap, State::TakeRun, owner, (run - 1) as u8)
    }

    /// The same slot in another state, without an owner and with its delivery count kept.
    #[inline]
    pub const fn into_state(self, state: State) -> Self {
        Self::new(self.lap(), state, 0, self.deliveries())
    }

    /// The same slot taken by `owner`, counted as one more delivery.
    #[inline]
    pub const fn taken_by(self, owner: u16) -> Self {
        Self::new(self.lap(), State::Take, owner, self.deliveries_after_take())
    }

    /// The same slot and state with one delivery fewer: for a message that came back unseen.
    #[inline]
    pub const fn undelivered(self) -> Self {
        let fewer = self.deliveries().saturating_sub(1);
        Self::new(self.lap(), State::Retry, 0, fewer)
    }

    /// The state, or `None` for bits that no correct process writes.
    #[inline]
    pub const fn state(self) -> Option<State> {
        Some(match self.0 & 7 {
            0 => State::Free,
            1 => State::Claim,
            2 => State::Ready,
            3 => State::Skip,
            4 => State::Take,
            5 => State::Retry,
            6 => State::TakeRun,
            _ => return None,
        })
    }

    /// The endpoint that holds the slot (meaningful in `Claim`, `Take` and `TakeRun`).
    #[inline]
    pub const fn owner(self) -> u16 {
        (self.0 >> OWNER_SHIFT) as u16 & MAX_OWNER
    }

    /// How often the message has been taken.
    #[inline]
    pub const fn deliveries(self) -> u8 {
        match self.state() {
            Some(State::TakeRun) => 1,
            Some(State::Claim) => 0,
            _ => self.count(),
        }
    }

    /// How many slots it holds, its own among them.
    #[inline]
    pub const fn run(self) -> u64 {
        match self.state() {
            Some(State::Claim | State::TakeRun) => self.count() as u64 + 1,
            _ => 1,
        }
    }

    /// How often a message that waits will have been taken after one more time.
    #[inline]
    pub const fn deliveries_after_take(self) -> u8 {
        let now = self.count();
        if now < MAX_DELIVERIES { now + 1 } else { now }
    }

    #[inline]
    const fn count(self) -> u8 {
        (self.0 >> DELIVERY_SHIFT) as u8 & MAX_DELIVERIES
    }

    /// The lap, modulo 2^46.
    #[inline]
    pub const fn lap(self) -> u64 {
        self.0 >> LAP_SHIFT
    }

    /// Whether this is a committed message of `lap`, whatever its delivery count.
    #[inline]
    pub const fn is_ready(self, lap: u64) -> bool {
        let ignore = (MAX_DELIVERIES as u64) << DELIVERY_SHIFT;
        self.0 & !ignore == Self::ready(lap).0
    }

    /// How this word's lap lies to `lap`, modulo 2^46.
    #[inline]
    pub const fn lap_order(self, lap: u64) -> LapOrder {
        let ahead = self.lap().wrapping_sub(lap) & LAP_MASK;
        match ahead {
            0 => LapOrder::Same,
            LAP_MASK => LapOrder::Previous,
            _ if ahead < 1 << (LAP_BITS - 1) => LapOrder::Newer,
            _ => LapOrder::Ancient,
        }
    }
}

impl core::fmt::Debug for Word {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self.state() {
            Some(state) => {
                let (lap, owner) = (self.lap(), self.owner());
                write!(f, "{state:?}(lap {lap}, owner {owner}, deliveries {}, run {})", self.deliveries(), self.run())
            }
            None => write!(f, "invalid word {:#x}", self.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_come_back_as_they_went_in() {
        let word = Word::new(LAP_MASK, State::Take, MAX_OWNER, MAX_DELIVERIES);
        assert_eq!(word.lap(), LAP_MASK);
        assert_eq!(word.state(), Some(State::Take));
        assert_eq!(word.owner(), MAX_OWNER);
        assert_eq!(word.deliveries(), MAX_DELIVERIES);
    }

    #[test]
    fn zeroed_memory_is_free_in_lap_zero() {
        assert_eq!(Word::from_bits(0), Word::free(0));
    }

    #[test]
    fn laps_compare_across_the_wrap() {
        assert_eq!(Word::free(0).lap_order(LAP_MASK), LapOrder::Newer);
        assert_eq!(Word::free(LAP_MASK).lap_order(0), LapOrder::Previous);
        assert_eq!(Word::free(LAP_MASK - 1).lap_order(0), LapOrder::Ancient);
        assert_eq!(Word::free(7).lap_order(7), LapOrder::Same);
        assert_eq!(Word::free(7).lap_order(LAP_MASK + 8), LapOrder::Same);
    }

    #[test]
    fn deliveries_saturate_and_never_reach_the_lap() {
        let mut word = Word::ready(9);
        for _ in 0..40 {
            word = word.taken_by(3).into_state(State::Retry);
        }
        assert_eq!(word.deliveries(), MAX_DELIVERIES);
        assert_eq!(word.lap(), 9);
        assert_eq!(Word::ready(9).taken_by(3).undelivered().deliveries(), 0);
    }

    #[test]
    fn unknown_states_are_not_states() {
        assert_eq!(Word::from_bits(7).state(), None);
    }

    #[test]
    fn a_word_holds_one_to_thirty_two_slots() {
        for run in 1..=MAX_RUN {
            let (claim, take) = (Word::claim(9, 3, run), Word::take_run(9, 3, run));
            assert_eq!((claim.run(), claim.deliveries(), claim.lap(), claim.owner()), (run, 0, 9, 3));
            assert_eq!((take.run(), take.deliveries(), take.lap(), take.owner()), (run, 1, 9, 3));
            assert_eq!(take.into_state(State::Retry), Word::new(9, State::Retry, 0, 1));
            assert_eq!(take.undelivered(), Word::new(9, State::Retry, 0, 0));
        }
        assert_eq!(Word::take_run(9, 3, 1), Word::ready(9).taken_by(3));
        assert_eq!(Word::new(9, State::Take, 3, MAX_DELIVERIES).run(), 1);
    }
}
