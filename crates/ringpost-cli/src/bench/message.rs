//! What a benchmark sends: numbered messages that say whether they arrived whole.
//!
//! A message is a row of 64-bit words: its tag first, its checksum (the sum of the other words) last, and between them
//! words that follow from the tag. A message of one word has its tag and its checksum in that word.

use crate::exit::Failure;

/// Marks the last message of a round.
const LAST: u64 = 1 << 39;
const SEQUENCE: u64 = LAST - 1;
/// An odd number whose bits look random: it spreads a tag over a word.
const SPREAD: u64 = 0x9e37_79b9_7f4a_7c15;

/// Writes message `sequence` into all of `words`.
#[inline]
pub fn fill(words: &mut [u64], sequence: u64, last: bool) {
    let tag = tag(sequence, last);
    match words {
        [] => {}
        [word] => *word = sealed(tag),
        [first, between @ .., checksum] => {
            *first = tag;
            let start = tag.wrapping_mul(SPREAD);
            let mut sum = tag;
            for (index, word) in between.iter_mut().enumerate() {
                *word = start.wrapping_add(index as u64);
                sum = sum.wrapping_add(*word);
            }
            *checksum = sum;
        }
    }
}

/// Checks that `words` are message `sequence`, whole, and says whether it is the last of its round.
///
/// # Errors
/// It is another message, or its checksum is wrong.
#[inline]
pub fn check(words: &[u64], sequence: u64) -> Result<bool, Failure> {
    let (found, whole) = match words {
        [] => return Err(wrong("a message has no bytes", sequence, 0)),
        [word] => (word & (LAST | SEQUENCE), sealed(word & (LAST | SEQUENCE)) == *word),
        [rest @ .., checksum] => (rest[0], rest.iter().fold(0, |sum: u64, word| sum.wrapping_add(*word)) == *checksum),
    };
    if found & !LAST != tag(sequence, false) {
        return Err(wrong("a message was lost, repeated or out of order", sequence, found & !LAST));
    }
    if !whole {
        return Err(wrong("a message arrived damaged", sequence, found & !LAST));
    }
    Ok(found & LAST != 0)
}

fn tag(sequence: u64, last: bool) -> u64 {
    (sequence & SEQUENCE) | if last { LAST } else { 0 }
}

fn sealed(tag: u64) -> u64 {
    // The lower 40 bits are the tag, the upper 24 its checksum.
    tag | tag.wrapping_mul(SPREAD) >> 40 << 40
}

#[cold]
fn wrong(what: &str, expected: u64, found: u64) -> Failure {
    super::failed(format!("{what}: expected number {expected}, found {found}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_messages_pass() {
        for len in [1, 2, 3, 6, 8, 100] {
            let mut words = vec![0; len];
            for sequence in [0, 1, 77, SEQUENCE] {
                fill(&mut words, sequence, false);
                assert!(!check(&words, sequence).unwrap());
                fill(&mut words, sequence, true);
                assert!(check(&words, sequence).unwrap());
                assert!(check(&words, sequence ^ 1).is_err());
            }
        }
    }

    #[test]
    fn every_flipped_bit_is_found() {
        for len in [1, 2, 6] {
            let mut words = vec![0; len];
            fill(&mut words, 12345, false);
            for bit in 0..len * 64 {
                words[bit / 64] ^= 1 << (bit % 64);
                // The mark of the last message has its own place in the checksum, so flipping it alone is found too.
                assert!(check(&words, 12345).is_err(), "{len} words, bit {bit}");
                words[bit / 64] ^= 1 << (bit % 64);
            }
        }
    }
}
