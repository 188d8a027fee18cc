//! The shared words: cursors, signals, and the table of endpoints.
//!
//! Each word that one side writes often has 128 bytes of its own, because processors fetch lines in pairs of 64.

use core::mem::{offset_of, size_of};

use crate::sync::{AtomicU32, AtomicU64};

/// Where [`Control`] lies in the segment, in bytes.
pub const CONTROL_OFFSET: u64 = 4096;
/// Where the table of [`Row`]s lies in the segment, in bytes: right behind [`Control`], since a message between many ends touches both, and each page is
/// one that the processor has to know.
pub const TABLE_OFFSET: u64 = 4608;

/// The cursors and signals of a queue.
#[repr(C, align(128))]
pub struct Control {
    /// The position that the next message gets; a hint for multi senders, authoritative for a single one.
    pub tail: AtomicU64,
    _pad0: [u8; 120],
    /// The position that is delivered next; a hint for multi receivers, authoritative for a single one.
    pub head: AtomicU64,
    _pad1: [u8; 120],
    /// All positions below it may have been seen by a single receiver.
    pub delivered_to: AtomicU64,
    _pad2: [u8; 120],
    /// Written rarely, read by everyone: one line for all of it.
    pub signals: Signals,
    _pad3: [u8; 72],
}

/// The words that both sides look at on every operation and that change seldom.
#[repr(C)]
pub struct Signals {
    /// Moves when a message has come back and waits to be delivered again.
    pub retry_epoch: AtomicU64,
    /// Nonzero: no more messages will be accepted.
    pub closed: AtomicU64,
    /// Nonzero: the name has been removed.
    pub removed: AtomicU64,
    /// How many senders have joined since creation.
    pub senders_joined: AtomicU64,
    /// Where receivers sleep until there is a message.
    pub not_empty: Event,
    /// Where senders sleep until there is room.
    pub not_full: Event,
    /// The retry epoch up to which every message that came back has been taken again; a hint that saves scans.
    pub retry_settled: AtomicU64,
}

/// A futex word, and a reserved one that makes it 8 bytes.
#[repr(C)]
pub struct Event {
    /// Bit 0: somebody sleeps or is about to; the rest counts wake-ups.
    pub word: AtomicU32,
    _reserved: u32,
}

/// One endpoint: who it is and what it has done. Its first byte is also the byte of the file that it locks.
#[repr(C, align(128))]
pub struct Row {
    /// Generation (upper 56 bits) and [`RowState`](super::row_state::RowState) (lower 8 bits).
    pub state: AtomicU64,
    /// 1 for a sender, 2 for a receiver.
    pub role: AtomicU32,
    /// The process, as its own pid namespace numbers it.
    pub pid: AtomicU32,
    /// The inode of that pid namespace.
    pub pid_namespace: AtomicU64,
    /// When it joined, in nanoseconds since 1970.
    pub joined_ns: AtomicU64,
    /// Messages committed. This and all below are cumulative over every endpoint that had the row.
    pub sent: AtomicU64,
    /// Bytes committed.
    pub sent_bytes: AtomicU64,
    /// Messages released.
    pub pulled: AtomicU64,
    /// Bytes released.
    pub pulled_bytes: AtomicU64,
    /// Sends refused because the queue was full.
    pub dropped: AtomicU64,
    /// Messages of others that were overwritten.
    pub overwritten: AtomicU64,
    /// Messages taken that had been taken before.
    pub redelivered: AtomicU64,
    /// Dead endpoints whose slots were repaired.
    pub recovered: AtomicU64,
    /// Messages that went to the dead-letter queue, having been delivered as often as the queue allows.
    pub dead_lettered: AtomicU64,
    /// Such messages that were dropped, because the queue names no dead-letter queue.
    pub expired: AtomicU64,
    /// Such messages that the dead-letter queue could not take, and that were delivered once more.
    pub not_dead_lettered: AtomicU64,
    _reserved: [u8; 8],
}

const _: () = {
    assert!(size_of::<Control>() == 512);
    assert!(offset_of!(Control, tail) == 0);
    assert!(offset_of!(Control, head) == 128);
    assert!(offset_of!(Control, delivered_to) == 256);
    assert!(offset_of!(Control, signals) == 384);
    assert!(size_of::<Signals>() == 56);
    assert!(offset_of!(Signals, retry_epoch) == 0);
    assert!(offset_of!(Signals, closed) == 8);
    assert!(offset_of!(Signals, removed) == 16);
    assert!(offset_of!(Signals, senders_joined) == 24);
    assert!(offset_of!(Signals, not_empty) == 32);
    assert!(offset_of!(Signals, not_full) == 40);
    assert!(offset_of!(Signals, retry_settled) == 48);
    assert!(size_of::<Row>() == 128);
    assert!(offset_of!(Row, role) == 8);
    assert!(offset_of!(Row, pid) == 12);
    assert!(offset_of!(Row, pid_namespace) == 16);
    assert!(offset_of!(Row, joined_ns) == 24);
    assert!(offset_of!(Row, sent) == 32);
    assert!(offset_of!(Row, recovered) == 88);
    assert!(offset_of!(Row, dead_lettered) == 96);
    assert!(offset_of!(Row, expired) == 104);
    assert!(offset_of!(Row, not_dead_lettered) == 112);
};
