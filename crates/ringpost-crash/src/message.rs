//! Messages that can be checked: which they are, and whether every byte is as it was.

use crate::segment::fnv;

/// Bytes of the longest message: with its length and its slot's word it fills a cache line, or half of one, or it has several of its own.
pub const MAX_LEN: usize = if cfg!(feature = "long") {
    200
} else if cfg!(feature = "short") {
    HEADER
} else {
    48
};
/// Sequence number and checksum.
const HEADER: usize = 16;

/// A message of a typed queue.
pub type Block = [u8; MAX_LEN];

/// The message of this number; neighbours differ in length, where messages may.
pub fn make(number: u64) -> Vec<u8> {
    let most = MAX_LEN - HEADER;
    let len = HEADER + if cfg!(feature = "packed") { most } else { (number as usize * 7) % (most + 1) };
    let mut bytes = vec![0; len];
    for (at, byte) in bytes.iter_mut().enumerate().skip(HEADER) {
        *byte = (number as u8).wrapping_mul(31).wrapping_add(at as u8 * 5) ^ 0xa5;
    }
    bytes[..8].copy_from_slice(&number.to_le_bytes());
    let sum = checksum(number, &bytes[HEADER..]);
    bytes[8..HEADER].copy_from_slice(&sum.to_le_bytes());
    bytes
}

/// The number of a message; `None` if it is torn.
pub fn read(bytes: &[u8]) -> Option<u64> {
    let number = u64::from_le_bytes(bytes.get(..8)?.try_into().ok()?);
    (bytes == make(number)).then_some(number)
}

fn checksum(number: u64, body: &[u8]) -> u64 {
    fnv(number.to_le_bytes().iter().chain(body))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_changed_byte_is_noticed() {
        for number in 0..70 {
            let whole = make(number);
            assert_eq!(read(&whole), Some(number));
            for at in 0..whole.len() {
                let mut torn = whole.clone();
                torn[at] ^= 0x10;
                assert_eq!(read(&torn), None);
            }
            assert_eq!(read(&whole[..whole.len() - 1]), None);
        }
    }
}
