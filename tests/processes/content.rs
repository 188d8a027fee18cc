//! Messages that can be checked: from whom, the how-manieth, of what length, and whether every byte is as it was.

use std::time::Duration;

/// Sender, sequence number and checksum: shorter messages are anonymous.
pub const HEADER: usize = 16;

/// The length of message `sequence` of `sender`: all lengths from 0 to `max_len`, in another order for each.
pub fn length(sender: u32, sequence: u32, max_len: usize) -> usize {
    (sequence as usize * 7 + sender as usize * 3) % (max_len + 1)
}

/// Writes message `sequence` of `sender` into `bytes`, which has its length.
pub fn write(bytes: &mut [u8], sender: u32, sequence: u32) {
    if bytes.len() < HEADER {
        let pattern = anonymous(bytes.len());
        bytes.fill(pattern);
        return;
    }
    let mut random = Random::new(u64::from(sender) << 32 | u64::from(sequence));
    let (header, body) = bytes.split_at_mut(HEADER);
    body.iter_mut().for_each(|byte| *byte = random.next() as u8);
    header[..4].copy_from_slice(&sender.to_le_bytes());
    header[4..8].copy_from_slice(&sequence.to_le_bytes());
    let sum = checksum(&header[..8], body);
    header[8..].copy_from_slice(&sum.to_le_bytes());
}

/// Checks a message and returns its sender and sequence number, if it has room for them.
pub fn read(bytes: &[u8], max_len: usize) -> Option<(u32, u32)> {
    if bytes.len() < HEADER {
        assert!(bytes.iter().all(|byte| *byte == anonymous(bytes.len())), "torn: {bytes:?}");
        return None;
    }
    let word = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes"));
    let (sender, sequence) = (word(0), word(4));
    let sum = u64::from_le_bytes(bytes[8..HEADER].try_into().expect("eight bytes"));
    assert_eq!(sum, checksum(&bytes[..8], &bytes[HEADER..]), "torn: message {sequence} of sender {sender}");
    assert_eq!(bytes.len(), length(sender, sequence, max_len), "message {sequence} of sender {sender}");
    Some((sender, sequence))
}

fn anonymous(len: usize) -> u8 {
    0xa5 ^ len as u8
}

/// FNV-1a over both parts.
fn checksum(first: &[u8], second: &[u8]) -> u64 {
    let step = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3);
    first.iter().chain(second).fold(0xcbf2_9ce4_8422_2325, step)
}

/// A small generator of numbers that look random (xorshift64*).
pub struct Random(u64);

impl Random {
    /// The sequence of this seed.
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// The next number.
    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 24
    }

    /// A number below `limit`.
    pub fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }

    /// Sleeps a little, once in a while.
    pub fn dawdle(&mut self, slow: bool) {
        if slow && self.below(64) == 0 {
            std::thread::sleep(Duration::from_micros(self.below(300)));
        }
    }
}
