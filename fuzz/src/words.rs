//! Which words of a segment are written over behind everyone's back, and with what. `tests/scribble` does the same from a
//! process of its own.

use std::fs::File;
use std::os::unix::fs::FileExt;

/// Where the shared words begin: behind the header.
pub const CONTROL_AT: u64 = 4096;
const TABLE_AT: u64 = 4608;
const ROW: u64 = 128;
/// The words of the control block that mean something.
const CONTROL_WORDS: [u64; 10] = [0, 128, 256, 384, 392, 400, 408, 416, 424, 432];

/// Whoever says what is written where: an input, or chance.
pub trait Choice {
    /// A number below `limit`, which is not 0 and at most 65,536.
    fn below(&mut self, limit: usize) -> usize;
    /// Any number.
    fn word(&mut self) -> u64;
}

/// Where things are in a segment.
pub struct Shape {
    stride: u64,
    rows: u64,
    slots_at: u64,
    total: u64,
}

impl Shape {
    /// As the file's header says.
    pub fn read(file: &File) -> Self {
        let number = |at, len: usize| {
            let mut bytes = [0; 8];
            file.read_exact_at(&mut bytes[..len], at).expect("a whole header");
            u64::from_le_bytes(bytes)
        };
        Self { stride: number(72, 8), rows: number(92, 4), slots_at: number(96, 8), total: number(104, 8) }
    }

    /// Writes over one word at `least` or behind it, most often one that means something.
    pub fn scribble(&self, file: &File, capacity: usize, least: u64, choice: &mut impl Choice) {
        let slot = self.slots_at + self.stride * choice.below(capacity) as u64;
        let at = match choice.below(8) {
            0..=2 => CONTROL_AT + CONTROL_WORDS[choice.below(CONTROL_WORDS.len())],
            3 => TABLE_AT + ROW * choice.below(self.rows as usize) as u64 + 8 * choice.below(12) as u64,
            4 | 5 => slot,
            6 => slot + 8,
            _ => (least + choice.word() % (self.total - least)) & !7,
        };
        let mut now = [0; 8];
        // An error: the file has been cut short, which nobody does here.
        file.read_exact_at(&mut now, at).expect("within the file");
        let new = likely(u64::from_le_bytes(now), choice);
        file.write_all_at(&new.to_le_bytes(), at).expect("within the file");
    }
}

/// What is written in place of `now`: most often something that might pass for true.
fn likely(now: u64, choice: &mut impl Choice) -> u64 {
    let small = choice.below(256) as u64;
    match choice.below(8) {
        0 => now.wrapping_add(small),
        1 => now.wrapping_sub(small),
        2 => small,
        3 => now ^ 1 << (small & 63),
        // Another state, owner or lap, if it is a slot's word.
        4 => now & !7 | small & 7,
        5 => now & !0x1ff8 | (small & 7) << 3,
        6 => now.wrapping_add((small << 18).wrapping_sub(128 << 18)),
        _ => choice.word(),
    }
}
