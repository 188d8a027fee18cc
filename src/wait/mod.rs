//! Waiting: spin, then yield, then sleep on a shared futex. And waking, which costs one load when nobody sleeps.
//!
//! # The event word
//!
//! Bit 0 is the mark: somebody sleeps, or is about to. Bit 1 says that the mark is settled: somebody has passed the heavy
//! barrier since it was set. Bit 2 is the call: one sleeper was woken and has not come back yet. The other bits count
//! wake-ups, so that the word a sleeper hands to the kernel is out of date as soon as anybody has been woken. All three are
//! flags and not counts: a sleeper may be killed, and a count would never come down again.
//!
//! # Why no wake-up is lost
//!
//! A waiter (1) sets the mark, (2) passes the heavy barrier, (3) looks once more, (4) sleeps if the word is still what
//! it marked, (5) takes the call away, passes a fence and looks. A waker (a) commits, (b) passes the light barrier, (c) reads
//! the mark. The two barriers are both
//! `fence(SeqCst)`, or `membarrier` for the waiter and nothing but a compiler fence for the waker; either way all of
//! one side's barrier comes before the other's:
//!
//! * waiter's barrier first: (c) sees the mark. The waker then changes the word before it calls the kernel, so the
//!   waiter either is asleep and is woken, or finds at (4) that the word has changed, and looks again;
//! * waker's barrier first: (3) sees what was committed at (a), and the waiter does not sleep.
//!
//! The waker leaves the mark standing while it wakes as many as it has something for. If fewer were asleep, it takes the
//! mark away, and then wakes everyone once more: for a waiter that came between, saw the mark standing, and slept. So
//! whenever a waiter sleeps, the mark stands or a waker is about to wake all. Wakers may be killed in between, and
//! whoever was woken may be killed before it does anything; for those, every sleep is capped ([`LONG_SLEEP`]).
//!
//! *Settled.* The heavy barrier is dear: with `membarrier` it interrupts the other processors. A waiter that has passed it
//! says so in the word, if that is still what it marked; then the mark has stood all the time, since whoever takes it away
//! counts before. A waiter that finds a settled mark reads it with Acquire, so the barrier of the one who settled it comes
//! before its own look, and the argument above holds with that barrier: a waker before it has its commit seen, a waker after
//! it sees the mark, or finds it gone. It went before our step (1): then we did not find it settled. Or after: then the word
//! is another one at (4), or we sleep and are woken with all others.
//!
//! *The call.* With one message to announce, a waker leaves it to whoever was called and has not come back: it passes a
//! fence, and if the call stands, it goes. Who takes the call away comes to know of the message:
//!
//! * one who comes back, at (5), passes a fence after it. The waker read the word before that, so its fence comes first, and
//!   the look sees what was committed. It takes that, or passes the wake-up on, or somebody else has taken it;
//! * a waker that called and found nobody asleep wakes everyone after it.
//!
//! A waiter that was about to sleep meanwhile does not, because the call and its end each change the word; one that marks
//! after the call is gone passes a fence before its look, settled or not, and sees the message.
//!
//! Such a fence after each message would wait for the line of the message's word, while anybody sleeps. One of many ends has passed one before:
//! it claimed the slot, or took it, by an exchange, and where exchanges are fences ([`EXCHANGE_IS_FENCE`](crate::sync::EXCHANGE_IS_FENCE)) it
//! passes no other ([`Before::Claim`]). All of the above then holds for the claim, and not for the commit: whoever looks finds the
//! message, or finds it claimed. The store that commits it is on its way then, unless its owner has stopped, so before a sleep a claim is watched
//! for a little (`until`), and the sleep is short if it stays. And what is claimed counts as more when the baton is passed, by one who leaves without
//! anything, too: at its deadline, or interrupted.
//!
//! So in a crowd of sleepers one is woken by the other side, and each that finds more wakes the next: they come in the order in
//! which they went to sleep, and none is woken to find that the one before has taken everything.
//!
//! *The baton.* A waiter that was woken, took what it wanted and sees that there is more passes the wake-up on: messages may
//! become visible many at a time with a single commit, and wakers leave messages to it.
//!
//! # Several words
//!
//! One who waits for several things marks each word, passes one heavy barrier, looks at everything once more, and sleeps
//! on all words at once, if each is still what it marked; then it takes the call away from each. The argument above holds for each word by itself: its mark
//! came before the barrier, and the look after it.
//!
//! Wakers count such a sleeper once for each word. So it may use up the wake-ups of several wakers and then take one thing
//! only. What it was woken for and leaves, it owes to the others: when it has slept, it passes the wake-up on, for each
//! word behind which something is left ([`Phase::Woken`]).
//!
//! A helper thread (`serve`) waits in the place of an endpoint that sleeps in an event loop of its own. It takes nothing, so
//! it passes on what is more than its endpoint will take, and its endpoint passes on when it does not come to take it.
//!
//! `loom-tests/` runs this with fences under every interleaving; the argument is the same for `membarrier`, whose
//! manual page promises that every running thread passes a full barrier between its start and its end.
#![cfg_attr(loom, allow(dead_code))]

mod any;
mod event;
#[cfg(not(loom))]
mod futex;
mod serve;
mod until;

pub use any::until_any;
pub use event::{Before, mark, notify, notify_all, sleep};
#[cfg(not(loom))]
pub use futex::Futex;
pub use serve::{Order, order, serve};
pub use until::{Attempt, Deadline, Phase, until};

use core::time::Duration;

use crate::sync::AtomicU32;

/// The longest sleep: after it, everything is looked at again, in case a waker died on its way.
pub const LONG_SLEEP: Duration = Duration::from_millis(50);
/// The longest sleep of one who waits for a certain endpoint, or who cannot pass the heavy barrier.
pub const SHORT_SLEEP: Duration = Duration::from_millis(1);

/// How an endpoint spends its waiting time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Wait {
    /// Poll without pause: the least latency, for one whole core.
    Spin,
    /// Poll for some microseconds, yield a few times, then sleep.
    #[default]
    Balanced,
    /// Sleep at once: the least work for the machine.
    Sleep,
}

/// What waiting needs of the operating system, or of a model of it.
pub trait Parking {
    /// Sleeps while `word` is `expected`, for at most `limit`. May return early for no reason.
    fn park(&self, word: &AtomicU32, expected: u32, limit: Duration);
    /// Sleeps while every word is what stands beside it, for at most `limit`. May return early for no reason.
    fn park_any(&self, words: &[(&AtomicU32, u32)], limit: Duration);
    /// Wakes at most `count` sleepers, and says how many.
    fn unpark(&self, word: &AtomicU32, count: u32) -> u32;
    /// The waiter's barrier. `false`: it could not be passed, and the waiter must not sleep long.
    fn heavy_barrier(&self) -> bool;
    /// The barrier of a waiter that finds the mark settled: a fence.
    fn settled_barrier(&self);
    /// The waker's barrier.
    fn light_barrier(&self);
}
