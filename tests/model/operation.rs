//! What can be done to a queue, and sequences of it.

use std::time::Duration;

use proptest::collection::vec;
use proptest::prelude::*;
use ringpost::{Ends, WhenFull};

/// What kind of queue.
#[derive(Clone, Copy, Debug)]
pub struct Kind {
    pub senders: Ends,
    pub receivers: Ends,
    pub when_full: WhenFull,
    pub capacity: usize,
    /// Messages share a cache line with their word, or lie apart from it.
    pub max_len: usize,
    /// All messages have `max_len` bytes.
    pub packed: bool,
}

/// One step. The first number says which sender or receiver does it, where there are two.
#[derive(Clone, Debug)]
pub enum Operation {
    Send(usize),
    TrySend(usize),
    SendTimeout(usize),
    SendBatch(usize, u64),
    /// And whether it is committed.
    Loan(usize, bool),
    /// So many at most; what is done with them; so many are sent while they are held.
    Pull(usize, usize, Hold, u64),
    /// A function reads one message in place; whether it panics.
    Read(usize, usize, Option<usize>),
    /// One of the messages that were kept beyond their call is released or put back, here or on another thread.
    Settle(usize, bool, bool),
    /// A sender and a receiver leave, and others join.
    Rejoin(usize),
    /// A receiver gives up what it has kept, and another joins.
    Abandon(usize),
    Close,
}

/// What is done with a batch.
#[derive(Clone, Debug)]
pub enum Hold {
    /// All are released.
    Release,
    /// So many are released, the rest is not looked at.
    ReleaseFirst(usize),
    /// So many are looked at in place.
    Look(usize),
    /// So many are taken out of the loop before it breaks.
    Break(usize),
    /// All are given back, so many of them seen.
    GiveBack(usize),
    /// One by one: is it the first that is left, or the last; and what becomes of it.
    Each(Vec<(bool, Fate)>),
    /// All are kept beyond the call.
    KeepAll,
}

/// What becomes of one message.
#[derive(Clone, Copy, Debug)]
pub enum Fate {
    Release,
    GiveBack,
    Keep,
}

fn ends() -> impl Strategy<Value = Ends> {
    prop_oneof![Just(Ends::Single), Just(Ends::Multi)]
}

fn kind() -> impl Strategy<Value = Kind> {
    let may_pack =
        || prop_oneof![Just(WhenFull::Block), Just(WhenFull::Fail), Just(WhenFull::Deadline(Duration::ZERO))];
    let policy = prop_oneof![3 => may_pack(), 1 => Just(WhenFull::Overwrite)];
    let capacity = || prop_oneof![Just(1usize), Just(2), Just(4), Just(64)];
    let max_len = prop_oneof![Just(16_usize), Just(100)];
    let with_words =
        (ends(), ends(), policy, capacity(), max_len).prop_map(|(senders, receivers, when_full, capacity, max_len)| {
            Kind { senders, receivers, when_full, capacity, max_len, packed: false }
        });
    let packed = (may_pack(), capacity(), prop_oneof![Just(8_usize), Just(24), Just(100)]).prop_map(
        |(when_full, capacity, max_len)| Kind {
            senders: Ends::Single,
            receivers: Ends::Single,
            when_full,
            capacity,
            max_len,
            packed: true,
        },
    );
    prop_oneof![3 => with_words, 1 => packed]
}

fn hold() -> impl Strategy<Value = Hold> {
    prop_oneof![
        3 => Just(Hold::Release),
        1 => (0usize..6).prop_map(Hold::ReleaseFirst),
        1 => (0usize..6).prop_map(Hold::Look),
        1 => (0usize..6).prop_map(Hold::Break),
        1 => (0usize..6).prop_map(Hold::GiveBack),
        3 => vec((any::<bool>(), fate()), 1..8).prop_map(Hold::Each),
        1 => Just(Hold::KeepAll),
    ]
}

fn fate() -> impl Strategy<Value = Fate> {
    prop_oneof![Just(Fate::Release), Just(Fate::GiveBack), Just(Fate::Keep)]
}

fn operation() -> impl Strategy<Value = Operation> {
    let who = 0usize..2;
    let batch = prop_oneof![3 => 0u64..8, 1 => 0u64..80];
    let size = prop_oneof![3 => 0usize..8, 1 => Just(64usize)];
    prop_oneof![
        40 => who.clone().prop_map(Operation::Send),
        20 => who.clone().prop_map(Operation::TrySend),
        10 => who.clone().prop_map(Operation::SendTimeout),
        40 => (who.clone(), batch).prop_map(|(who, count)| Operation::SendBatch(who, count)),
        20 => (who.clone(), any::<bool>()).prop_map(|(who, commit)| Operation::Loan(who, commit)),
        70 => (who.clone(), size, hold(), 0u64..4).prop_map(|(who, size, hold, sends)| {
            Operation::Pull(who, size, hold, sends)
        }),
        40 => (who.clone(), 1usize..6, prop::option::weighted(0.3, 0usize..6)).prop_map(|(who, size, panic)| {
            Operation::Read(who, size, panic)
        }),
        40 => (0usize..8, any::<bool>(), any::<bool>()).prop_map(|(which, back, elsewhere)| {
            Operation::Settle(which, back, elsewhere)
        }),
        5 => who.clone().prop_map(Operation::Rejoin),
        3 => who.prop_map(Operation::Abandon),
        1 => Just(Operation::Close),
    ]
}

/// A kind of queue, and up to `most` steps.
pub fn runs(most: usize) -> impl Strategy<Value = (Kind, Vec<Operation>)> {
    (kind(), vec(operation(), 0..most))
}
