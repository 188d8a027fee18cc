//! The private heap of an endpoint, counted at the allocator. One test only: another one would be counted, too.
#![cfg(target_os = "linux")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicIsize, Ordering};

use ringpost::{Ends, Held, Options, Queue, Receiver, Sender};

mod common;

use common::{ALL_ENDS, UniqueName, send_numbers};

/// The most that an endpoint may have of its own, in bytes.
const MOST: usize = 4096;
/// Messages that are held, or sent and received at a time.
const MESSAGES: usize = 64;
/// The most that the endpoint may have for each message that is held, or was and has not been noted yet, in bytes.
const MOST_FOR_EACH: usize = 96;

/// The system's allocator, and how many bytes are in use.
struct Counting;

static IN_USE: AtomicIsize = AtomicIsize::new(0);

// SAFETY: everything is the system's allocator's; counting touches no memory of its own but a static.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // Relaxed: a count.
        IN_USE.fetch_add(layout.size() as isize, Ordering::Relaxed);
        // SAFETY: as the caller promises.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        // Relaxed: a count.
        IN_USE.fetch_sub(layout.size() as isize, Ordering::Relaxed);
        // SAFETY: as the caller promises.
        unsafe { System.dealloc(at, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// What was in use at some moment.
struct Since(isize);

impl Since {
    fn now() -> Self {
        // Relaxed: a count. What a helper thread allocates is done before its endpoint goes on, or counts a moment later.
        Self(IN_USE.load(Ordering::Relaxed))
    }

    /// How many bytes more are in use now.
    fn more(&self) -> usize {
        usize::try_from(Self::now().0 - self.0).unwrap_or_default()
    }
}

/// `since`: before the endpoint joined. What it needs besides lies where the program puts it.
fn check<E>(what: &str, ends: (Ends, Ends), since: &Since) {
    let (heap, own) = (since.more(), size_of::<E>());
    println!("{what}, {ends:?}: {heap} bytes of the heap, {own} of its own, {} in all", heap + own);
    assert!(heap + own <= MOST, "{what}, {ends:?}: {} bytes", heap + own);
}

fn queue(ends: (Ends, Ends), name: &str) -> Queue {
    let options = Options::new(1024).max_len(16).senders(ends.0).receivers(ends.1).max_deliveries(2);
    Queue::create(name, options.dead_letter(&format!("{name}.dead"))).unwrap()
}

/// All messages, held; the list is made before, since it is the program's own.
fn hold(rx: &mut Receiver, into: &mut Vec<Held>) {
    into.extend(rx.try_pull(MESSAGES).unwrap().into_iter().map(ringpost::Message::hold));
    assert_eq!(into.len(), MESSAGES);
}

/// Joins, sends, receives, holds, settles and arms, one after the other.
fn go_through(ends: (Ends, Ends)) {
    let (name, numbers) = (UniqueName::new("footprint"), 0..MESSAGES as u64);
    let _dead = Removed(format!("{}.dead", &*name));
    let queue = queue(ends, &name);
    let since = Since::now();
    let mut tx = queue.sender().unwrap();
    check::<Sender>("a sender", ends, &since);
    assert!(tx.arm().unwrap(), "there is room, and a helper all the same");
    check::<Sender>("a sender, armed", ends, &since);
    // The list is the program's own.
    let mut held = Vec::with_capacity(MESSAGES);
    let since = Since::now();
    let mut rx = queue.receiver().unwrap();
    check::<Receiver>("a receiver", ends, &since);
    send_numbers(&mut tx, numbers.clone());
    assert_eq!(rx.try_pull(MESSAGES).unwrap().iter().count(), MESSAGES);
    check::<Receiver>("a receiver that has received", ends, &since);
    send_numbers(&mut tx, numbers);
    hold(&mut rx, &mut held);
    check::<Receiver>("a receiver that holds", ends, &since);
    let settling = Since::now();
    held.drain(..).enumerate().for_each(|(i, held)| if i % 2 == 0 { held.release() } else { held.nack() });
    let each = settling.more().div_ceil(MESSAGES);
    println!("settled and not noted yet, {ends:?}: {} bytes, {each} for each message", settling.more());
    assert!(each <= MOST_FOR_EACH, "{ends:?}: {each} bytes for each message that was held");
    // Those that were given back come again, and go to the dead-letter queue then.
    for _ in 0..3 {
        let batch = rx.try_pull(usize::MAX).unwrap();
        batch.iter().for_each(|message| assert_eq!(message.len(), 8));
        batch.nack();
    }
    assert_eq!(queue.stat().totals.dead_lettered, MESSAGES as u64 / 2, "{ends:?}");
    check::<Receiver>("a receiver with a dead-letter queue", ends, &since);
    assert!(!rx.arm().unwrap(), "nothing is there");
    check::<Receiver>("a receiver with all of it, armed", ends, &since);
}

struct Removed(String);

impl Drop for Removed {
    fn drop(&mut self) {
        // It may not have been made.
        let _ = ringpost::remove(&self.0);
    }
}

#[test]
fn an_endpoint_needs_little_of_its_own() {
    let since = Since::now();
    std::mem::forget(std::hint::black_box(Box::new([1_u8; 10_000])));
    assert!(since.more() >= 10_000, "allocations are counted");
    // The first endpoint of a process pays for what all of them share.
    go_through(ALL_ENDS[3]);
    let since = Since::now();
    ALL_ENDS.into_iter().for_each(go_through);
    assert!(since.more() < MOST, "{} bytes are left behind by {} queues", since.more(), ALL_ENDS.len());
}
