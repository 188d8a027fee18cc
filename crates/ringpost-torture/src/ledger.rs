//! What one worker has done, in shared memory. It says what it is about to do before it does it, and what it has done
//! afterwards, so that after its death the truth lies between the two.
//!
//! Where a store comes before a call of the library, the compiler must keep the two in order; the machine does, since
//! a process that is killed has executed its instructions up to one of them, and all their stores count.

use std::sync::atomic::{AtomicU64, Ordering, compiler_fence};
use std::time::Duration;

use crate::shared;

/// Events that a worker may be ahead of the one who reads them.
const ROOM: usize = 1 << 14;
const TEXT: usize = 8;
const TEXT_WORDS: usize = 64;
const EVENTS: usize = TEXT + TEXT_WORDS;
const WORDS: usize = EVENTS + 2 * ROOM;

/// Places of the single words.
const INTENT: usize = 0;
const COMMITTED: usize = 1;
const TAKING: usize = 2;
const WRITTEN: usize = 3;
const READ: usize = 4;
const STOP: usize = 5;
const TEXT_LEN: usize = 6;
const JOINED: usize = 7;

/// The ledger of a worker, and of its successors after it.
#[derive(Clone, Copy)]
pub struct Ledger {
    words: &'static [AtomicU64],
}

/// What happened to a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A receiver has it, whole.
    Got = 1,
    /// It is about to be released.
    Releasing,
    /// It has been released.
    Released,
    /// It is about to be put back.
    GivingBack,
}

/// A message, and what a receiver did with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Event {
    /// What.
    pub kind: Kind,
    /// Which incarnation sent it.
    pub sender: u32,
    /// Its number among those of that incarnation.
    pub sequence: u32,
    /// How often it had been delivered, this time included.
    pub deliveries: u8,
    /// When, in microseconds; zero where nobody asks.
    pub at_us: u64,
}

impl Ledger {
    /// An empty one.
    pub fn new() -> nix::Result<Self> {
        Ok(Self { words: shared::words(WORDS)? })
    }

    /// Empties it for the next incarnation. Nobody may write it meanwhile.
    pub fn clear(&self) {
        // Relaxed: the fork that follows orders it.
        self.words[..EVENTS].iter().for_each(|word| word.store(0, Ordering::Relaxed));
    }

    /// A sender is about to send until `count` messages have been sent.
    pub fn intend(&self, count: u32) {
        self.note(INTENT, count.into());
    }

    /// A sender's messages, `count` in all, have been sent.
    pub fn commit(&self, count: u32) {
        self.note(COMMITTED, count.into());
    }

    /// Messages whose sending was begun, and those whose sending was finished.
    pub fn sent(&self) -> (u32, u32) {
        (self.read(INTENT) as u32, self.read(COMMITTED) as u32)
    }

    /// A receiver is about to take up to `count` messages; zero: all that it has taken have been noted.
    pub fn take(&self, count: usize) {
        self.note(TAKING, count as u64);
    }

    /// How many messages a receiver may hold without having noted it.
    pub fn taking(&self) -> u64 {
        self.read(TAKING)
    }

    /// The worker has joined the queue.
    pub fn join(&self) {
        self.note(JOINED, 1);
    }

    /// Whether it has joined.
    pub fn has_joined(&self) -> bool {
        self.read(JOINED) != 0
    }

    /// Asks the worker to finish.
    pub fn stop(&self) {
        self.note(STOP, 1);
    }

    /// Whether the worker is to finish.
    pub fn is_stopped(&self) -> bool {
        self.read(STOP) != 0
    }

    /// Notes an event, waiting while nobody reads the older ones.
    pub fn log(&self, event: Event) {
        let written = self.read(WRITTEN);
        while written.wrapping_sub(self.read(READ)) >= ROOM as u64 {
            std::thread::sleep(Duration::from_micros(100));
        }
        let place = self.place(written);
        let message = u64::from(event.sender) << 32 | u64::from(event.sequence);
        // Relaxed, both: the count below says that they are whole.
        place[0].store(message, Ordering::Relaxed);
        let rest = event.at_us << 16 | u64::from(event.deliveries) << 8 | event.kind as u64;
        place[1].store(rest, Ordering::Relaxed);
        self.note(WRITTEN, written + 1);
    }

    /// The oldest event that has not been read.
    pub fn next(&self) -> Option<Event> {
        let read = self.read(READ);
        if read == self.read(WRITTEN) {
            return None;
        }
        let place = self.place(read);
        // Relaxed, both: the count says that they are whole.
        let (message, rest) = (place[0].load(Ordering::Relaxed), place[1].load(Ordering::Relaxed));
        self.note(READ, read + 1);
        let kind = match rest as u8 {
            1 => Kind::Got,
            2 => Kind::Releasing,
            3 => Kind::Released,
            _ => Kind::GivingBack,
        };
        let deliveries = (rest >> 8) as u8;
        Some(Event { kind, sender: (message >> 32) as u32, sequence: message as u32, deliveries, at_us: rest >> 16 })
    }

    /// The worker has found something wrong, and says what. Only the first complaint is kept.
    pub fn complain(&self, what: &str) {
        if self.read(TEXT_LEN) != 0 {
            return;
        }
        let bytes = &what.as_bytes()[..what.len().min(TEXT_WORDS * 8)];
        for (word, chunk) in self.words[TEXT..EVENTS].iter().zip(bytes.chunks(8)) {
            let mut eight = [0; 8];
            eight[..chunk.len()].copy_from_slice(chunk);
            // Relaxed: the length below says that it is whole.
            word.store(u64::from_le_bytes(eight), Ordering::Relaxed);
        }
        self.note(TEXT_LEN, bytes.len() as u64);
    }

    /// What the worker has found wrong.
    pub fn complaint(&self) -> Option<String> {
        let len = self.read(TEXT_LEN) as usize;
        // Relaxed: the length says that it is whole.
        let bytes: Vec<u8> =
            self.words[TEXT..EVENTS].iter().flat_map(|word| word.load(Ordering::Relaxed).to_le_bytes()).collect();
        (len > 0).then(|| String::from_utf8_lossy(&bytes[..len]).into_owned())
    }

    fn place(&self, count: u64) -> &[AtomicU64] {
        &self.words[EVENTS + 2 * (count as usize % ROOM)..][..2]
    }

    fn note(&self, place: usize, value: u64) {
        // Release: note, pairs with read: what came before is seen by who sees this.
        self.words[place].store(value, Ordering::Release);
        // What follows in the program comes later, also for the compiler.
        compiler_fence(Ordering::SeqCst);
    }

    fn read(&self, place: usize) -> u64 {
        // Acquire: read, pairs with note.
        self.words[place].load(Ordering::Acquire)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_and_complaints_come_out_as_they_went_in() {
        let ledger = Ledger::new().unwrap();
        let event = |sequence| Event { kind: Kind::Released, sender: 7, sequence, deliveries: 3, at_us: 1 << 40 };
        for lap in 0..3 {
            (0..ROOM as u32).for_each(|i| ledger.log(event(lap + i)));
            (0..ROOM as u32).for_each(|i| assert_eq!(ledger.next(), Some(event(lap + i))));
            assert_eq!(ledger.next(), None);
        }
        ledger.complain("first");
        ledger.complain("second");
        assert_eq!(ledger.complaint().as_deref(), Some("first"));
        ledger.clear();
        assert_eq!((ledger.complaint(), ledger.next(), ledger.sent()), (None, None, (0, 0)));
    }
}
