//! The four steps on an event word. The proof is at the top of [`super`].

use core::time::Duration;

use super::Parking;
use crate::sync::{AtomicU32, EXCHANGE_IS_FENCE, Ordering, fence, likely};

const MARK: u32 = 1;
/// Somebody has passed the heavy barrier since the mark was set.
const SETTLED: u32 = 2;
/// Somebody was called, alone, and has not come back from its sleep yet.
const CALLED: u32 = 4;
const ONE_WAKE_UP: u32 = 8;

/// What a waiter marked: it may sleep only while the word is still this.
#[derive(Clone, Copy, Debug)]
pub struct Ticket {
    word: u32,
    /// The heavy barrier was passed since the mark was set.
    pub ordered: bool,
}

/// Waiter, steps 1 and 2. What is looked at after this and not found will be announced by a wake-up.
pub fn mark<P: Parking>(parking: &P, event: &AtomicU32) -> Ticket {
    let word = set_mark(event);
    if word & SETTLED != 0 {
        parking.settled_barrier();
        return Ticket { word, ordered: true };
    }
    let ordered = parking.heavy_barrier();
    Ticket { word: if ordered { settle(event, word) } else { word }, ordered }
}

/// Waiter on several words, steps 1 and 2: marks each, with one barrier for all. Returns whether that was passed, or was not
/// needed.
pub fn mark_all<'w, P: Parking>(parking: &P, events: &[&'w AtomicU32], marked: &mut Vec<(&'w AtomicU32, u32)>) -> bool {
    marked.clear();
    marked.extend(events.iter().map(|event| (*event, set_mark(event))));
    if marked.iter().all(|(_, word)| word & SETTLED != 0) {
        parking.settled_barrier();
        return true;
    }
    let ordered = parking.heavy_barrier();
    if ordered {
        marked.iter_mut().for_each(|(event, word)| *word = settle(event, *word));
    }
    ordered
}

/// Waiter, step 4, when a command may end the sleep, too: one that changes `control` and wakes who sleeps on it.
pub fn sleep_or<P: Parking>(
    parking: &P,
    event: &AtomicU32,
    ticket: Ticket,
    control: (&AtomicU32, u32),
    limit: Duration,
) {
    parking.park_any(&[(event, ticket.word), control], limit);
    come_back([event]);
}

fn set_mark(event: &AtomicU32) -> u32 {
    // Acquire: mark, pairs with settle and removal: whose barrier came before that comes before our next look as well. Otherwise
    // our own barrier orders the mark before that look.
    event.fetch_or(MARK, Ordering::Acquire) | MARK
}

/// After the heavy barrier: says so, if the mark has stood since `word` was read. Returns what the word is then.
fn settle(event: &AtomicU32, word: u32) -> u32 {
    // Release: settle, pairs with mark: the barrier comes before. Relaxed on failure: the word is compared again by the kernel.
    match event.compare_exchange(word, word | SETTLED, Ordering::Release, Ordering::Relaxed) {
        Ok(_) => word | SETTLED,
        Err(other) if other == word | SETTLED => other,
        Err(_) => word,
    }
}

/// Waiter, steps 4 and 5: sleeps for at most `limit`, unless somebody has been woken since the mark.
pub fn sleep<P: Parking>(parking: &P, event: &AtomicU32, ticket: Ticket, limit: Duration) {
    parking.park(event, ticket.word, limit);
    come_back([event]);
}

/// Waiter on several words, steps 4 and 5.
pub fn sleep_any<P: Parking>(parking: &P, marked: &[(&AtomicU32, u32)], limit: Duration) {
    parking.park_any(marked, limit);
    come_back(marked.iter().map(|(event, _)| *event));
}

/// Waiter, step 5: whoever was called has come, so later wakers must call again. What they left to us is seen after this.
fn come_back<'w>(events: impl IntoIterator<Item = &'w AtomicU32>) {
    for event in events {
        // Relaxed, with the fence that follows: it orders this before the next look.
        event.fetch_and(!CALLED, Ordering::Relaxed);
    }
    fence(Ordering::SeqCst);
}

/// What a waker did before it made visible what it announces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Before {
    /// Nothing that others see.
    Nothing,
    /// It claimed that by an exchange: whoever looks finds it, or finds it claimed.
    Claim,
}

/// Waker, after a commit: wakes up to `count` sleepers; one is left to whoever has been called and is on its way. One load
/// when nobody sleeps.
#[inline]
pub fn notify<P: Parking>(parking: &P, event: &AtomicU32, count: u32, before: Before) {
    parking.light_barrier();
    // Relaxed: the barrier above orders the commit before this.
    if !likely(event.load(Ordering::Relaxed) & MARK == 0) {
        wake(parking, event, count, before);
    }
}

/// Wakes everyone: for what concerns them all, and happens seldom.
pub fn notify_all<P: Parking>(parking: &P, event: &AtomicU32) {
    notify(parking, event, i32::MAX as u32, Before::Nothing);
}

#[cold]
fn wake<P: Parking>(parking: &P, event: &AtomicU32, count: u32, before: Before) {
    if count == 1 && !call(event, before) {
        return;
    }
    // Relaxed: the kernel orders a change of the word before the wake-up that follows it.
    let now = event.fetch_add(ONE_WAKE_UP, Ordering::Relaxed).wrapping_add(ONE_WAKE_UP);
    if parking.unpark(event, count) >= count {
        return;
    }
    // Fewer slept than there was something for: nobody is left, and nobody is on its way. Relaxed: only the word itself
    // matters. If it has changed, a waiter or another waker was there, and the mark may stay.
    if event.compare_exchange(now, now & !(MARK | SETTLED | CALLED), Ordering::Relaxed, Ordering::Relaxed).is_err() {
        // Relaxed: as above.
        event.fetch_and(!CALLED, Ordering::Relaxed);
    }
    parking.unpark(event, i32::MAX as u32);
}

/// Whether nobody else has been called and is still on its way. Then somebody is, from now on.
fn call(event: &AtomicU32, before: Before) -> bool {
    // Relaxed, with the fence: it orders the commit before this, where the light barrier is the compiler's only. It would wait until the
    // committed line is ours. A claim was ordered before this by its own exchange, which has waited already.
    if before == Before::Nothing || !EXCHANGE_IS_FENCE {
        fence(Ordering::SeqCst);
    }
    let is_called = |word: u32| word & CALLED != 0;
    // Relaxed: as above. The load keeps the line in all caches while one is on its way.
    !is_called(event.load(Ordering::Relaxed)) && !is_called(event.fetch_or(CALLED, Ordering::Relaxed))
}
