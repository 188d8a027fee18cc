//! What is sent: numbered messages, every word of which is written by one side and checked by the other.
//!
//! The first word of a message is its number, mixed so that no number is zero or like another in only a few bits. Each
//! further word follows from the number and from where the word stands. The reader knows which number comes next, so it
//! knows every bit: a message that is lost, doubled, out of order, torn or shifted differs. The cost is one store and one
//! load a word, and the compiler makes vectors of both.

use std::fmt;

/// An odd number whose bits look random.
const SPREAD: u64 = 0x9e37_79b9_7f4a_7c15;
const WORD: usize = 8;

/// The first word of message `number`.
#[inline]
#[must_use]
pub fn tag(number: u64) -> u64 {
    number ^ SPREAD
}

/// The number that the first word of a message says; whether the rest belongs to it, [`is_whole`] tells.
#[must_use]
pub fn number(bytes: &[u8]) -> u64 {
    tag(bytes.first_chunk().map_or(0, |word| u64::from_ne_bytes(*word)))
}

/// Writes message `number` into all of `bytes`, whose length is a multiple of 8.
#[inline]
pub fn fill(bytes: &mut [u8], number: u64) {
    let (words, _) = bytes.as_chunks_mut::<WORD>();
    if let [first, rest @ ..] = words {
        *first = tag(number).to_ne_bytes();
        let start = number.wrapping_mul(SPREAD);
        for (index, word) in rest.iter_mut().enumerate() {
            *word = start.wrapping_add(index as u64).to_ne_bytes();
        }
    }
}

/// Whether `bytes` are message `number`, whole.
#[inline]
#[must_use]
pub fn is_whole(bytes: &[u8], number: u64) -> bool {
    let (words, _) = bytes.as_chunks::<WORD>();
    let [first, rest @ ..] = words else { return false };
    let start = number.wrapping_mul(SPREAD);
    let mut differs = u64::from_ne_bytes(*first) ^ tag(number);
    for (index, word) in rest.iter().enumerate() {
        differs |= u64::from_ne_bytes(*word) ^ start.wrapping_add(index as u64);
    }
    differs == 0
}

/// What arrived instead of what was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wrong {
    /// The number that was to come.
    pub expected: u64,
    /// The number that its first word says.
    pub found: u64,
    /// Its length, and what that was to be.
    pub len: (usize, usize),
}

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { expected, found, len } = self;
        if len.0 != len.1 {
            return write!(f, "message {expected} has {} bytes instead of {}", len.0, len.1);
        }
        if found == expected {
            return write!(f, "message {expected} arrived damaged");
        }
        let what = match found.wrapping_sub(*expected) {
            ahead if ahead < 1 << 32 => "messages were lost",
            ahead if ahead > u64::MAX - (1 << 32) => "a message was doubled or came late",
            _ => "a message arrived damaged",
        };
        write!(f, "{what}: message {expected} was to come, and number {found} came")
    }
}

impl std::error::Error for Wrong {}

/// Follows the messages that one end receives, and remembers the first that is wrong.
#[derive(Clone, Debug)]
pub struct Checker {
    next: u64,
    len: usize,
    wrong: Option<Wrong>,
}

impl Checker {
    /// Message 0 comes first; all have `len` bytes.
    #[must_use]
    pub fn new(len: usize) -> Self {
        Self { next: 0, len, wrong: None }
    }

    /// Looks at the message that came next.
    #[inline]
    pub fn check(&mut self, bytes: &[u8]) {
        if bytes.len() != self.len || !is_whole(bytes, self.next) {
            self.note(bytes);
        }
        self.next += 1;
    }

    /// How many came.
    #[inline]
    #[must_use]
    pub fn count(&self) -> u64 {
        self.next
    }

    /// # Errors
    /// Some message so far was wrong: the first of them.
    #[inline]
    pub fn verdict(&self) -> Result<(), Wrong> {
        match self.wrong {
            None => Ok(()),
            Some(wrong) => Err(wrong),
        }
    }

    #[cold]
    fn note(&mut self, bytes: &[u8]) {
        let wrong = Wrong { expected: self.next, found: number(bytes), len: (bytes.len(), self.len) };
        self.wrong.get_or_insert(wrong);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_flipped_bit_is_found() {
        for len in [8, 16, 48, 64, 1024] {
            let mut bytes = vec![0; len];
            fill(&mut bytes, 12345);
            assert!(is_whole(&bytes, 12345) && !is_whole(&bytes, 12344));
            for bit in 0..len * 8 {
                bytes[bit / 8] ^= 1 << (bit % 8);
                assert!(!is_whole(&bytes, 12345), "{len} bytes, bit {bit}");
                bytes[bit / 8] ^= 1 << (bit % 8);
            }
        }
    }

    #[test]
    fn untouched_memory_is_no_message() {
        assert!((0..1000).all(|number| !is_whole(&[0; 8], number) && !is_whole(&[0; 64], number)));
        assert!(!is_whole(&[], 0));
    }

    #[test]
    fn what_went_wrong_is_named() {
        let verdict = |numbers: &[u64]| {
            let mut checker = Checker::new(16);
            for number in numbers {
                let mut bytes = [0; 16];
                fill(&mut bytes, *number);
                checker.check(&bytes);
            }
            checker.verdict().map_err(|wrong| wrong.to_string())
        };
        assert_eq!(verdict(&[0, 1, 2]), Ok(()));
        assert!(verdict(&[0, 2]).unwrap_err().contains("lost"));
        assert!(verdict(&[0, 1, 1]).unwrap_err().contains("doubled"));
        let mut checker = Checker::new(16);
        checker.check(&[0; 8]);
        assert!(checker.verdict().unwrap_err().to_string().contains("8 bytes instead of 16"));
    }
}
