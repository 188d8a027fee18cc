//! Messages that can be checked: from whom, the how-manieth, and whether every byte is as it was.

/// Sender, sequence number and checksum.
pub const HEADER: usize = 16;

/// A message of a queue of values.
pub type Block = [u8; 96];

/// The shortest and the longest messages of a queue.
#[derive(Clone, Copy, Debug)]
pub struct Lens {
    /// The header's length, or what all have.
    pub least: usize,
    /// What the queue takes.
    pub most: usize,
}

/// The length of message `sequence` of `sender`: all lengths that there may be, in another order for each.
pub fn length(sender: u32, sequence: u32, Lens { least, most }: Lens) -> usize {
    least + (sequence as usize * 7 + sender as usize * 3) % (most - least + 1)
}

/// Writes message `sequence` of `sender` into `bytes`, which has its length.
pub fn write(bytes: &mut [u8], sender: u32, sequence: u32) {
    let (header, body) = bytes.split_at_mut(HEADER);
    let mut random = Random::new(u64::from(sender) << 32 | u64::from(sequence));
    for chunk in body.chunks_mut(8) {
        let eight = random.next().to_le_bytes();
        chunk.copy_from_slice(&eight[..chunk.len()]);
    }
    header[..4].copy_from_slice(&sender.to_le_bytes());
    header[4..8].copy_from_slice(&sequence.to_le_bytes());
    let sum = checksum(sender, sequence, body);
    header[8..].copy_from_slice(&sum.to_le_bytes());
}

/// The sender and sequence number of a message, if all of it is as it was written.
pub fn read(bytes: &[u8], lens: Lens) -> Result<(u32, u32), String> {
    let Some((header, body)) = bytes.split_at_checked(HEADER) else {
        return Err(format!("torn: a message of {} bytes", bytes.len()));
    };
    let word = |at: usize| u32::from_le_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]]);
    let (sender, sequence) = (word(0), word(4));
    let sum = u64::from(word(12)) << 32 | u64::from(word(8));
    if sum != checksum(sender, sequence, body) {
        return Err(format!("torn: message {sequence} of sender {sender} has another checksum"));
    }
    if bytes.len() != length(sender, sequence, lens) {
        return Err(format!("torn: message {sequence} of sender {sender} has {} bytes", bytes.len()));
    }
    Ok((sender, sequence))
}

fn checksum(sender: u32, sequence: u32, body: &[u8]) -> u64 {
    let start = 0xcbf2_9ce4_8422_2325 ^ (u64::from(sender) << 32 | u64::from(sequence));
    let step = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3);
    body.iter().fold(start.wrapping_mul(0x100_0000_01b3), step)
}

/// A small generator of numbers that look random (splitmix64).
pub struct Random(u64);

impl Random {
    /// The sequence of this seed.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next number.
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }

    /// A number below `limit`, which is not zero.
    pub fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }

    /// True in so many of a hundred cases.
    pub fn percent(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_changed_byte_or_a_changed_length_is_noticed() {
        let lens = Lens { least: HEADER, most: 40 };
        for sequence in 0..50 {
            let mut bytes = vec![0; length(3, sequence, lens)];
            write(&mut bytes, 3, sequence);
            assert_eq!(read(&bytes, lens), Ok((3, sequence)));
            for at in 0..bytes.len() {
                let mut torn = bytes.clone();
                torn[at] ^= 0x10;
                assert!(read(&torn, lens).is_err(), "byte {at}");
                assert!(read(&bytes[..at], lens).is_err(), "length {at}");
            }
        }
    }
}
