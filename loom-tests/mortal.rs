//! Death before the n-th atomic step: what is left of an endpoint that was killed there.

use std::cell::Cell;
use std::panic::{self, AssertUnwindSafe};
use std::sync::atomic::{AtomicBool, Ordering};

use loom::sync::atomic::AtomicU64;
use ringpost::ring::Memory;

use crate::{At, Bench};

/// The words of a ring, seen by one who dies at a given step: every access counts as one, and is the last instruction
/// before an atomic operation.
pub struct Mortal<'a> {
    bench: &'a Bench,
    left: Cell<u32>,
}

/// What the dying panic with.
struct Died;

impl<'a> Mortal<'a> {
    /// Runs `life` until its step number `steps`, counting from 0. `None`: it died there.
    pub fn live<T>(bench: &'a Bench, steps: u32, life: impl FnOnce(&Self) -> T) -> Option<T> {
        let mortal = Self { bench, left: Cell::new(steps) };
        match panic::catch_unwind(AssertUnwindSafe(|| life(&mortal))) {
            Ok(value) => Some(value),
            Err(reason) if reason.is::<Died>() => None,
            Err(reason) => panic::resume_unwind(reason),
        }
    }

    /// One step besides those on the ring's words: it may die here.
    pub fn step(&self) {
        match self.left.get().checked_sub(1) {
            Some(left) => self.left.set(left),
            // Past the panic hook: this is no failure.
            None => panic::resume_unwind(Box::new(Died)),
        }
    }
}

impl Memory for Mortal<'_> {
    type Slot<'m>
        = At<'m, Self>
    where
        Self: 'm;

    fn slot(&self, position: u64) -> At<'_, Self> {
        At::new(self, position)
    }
    fn word(&self, position: u64) -> &AtomicU64 {
        self.step();
        self.bench.word(position)
    }
    fn head(&self) -> &AtomicU64 {
        self.step();
        self.bench.head()
    }
    fn tail(&self) -> &AtomicU64 {
        self.step();
        self.bench.tail()
    }
    fn delivered_to(&self) -> &AtomicU64 {
        self.step();
        self.bench.delivered_to()
    }
    fn retry_epoch(&self) -> &AtomicU64 {
        self.step();
        self.bench.retry_epoch()
    }
    fn retry_settled(&self) -> &AtomicU64 {
        self.step();
        self.bench.retry_settled()
    }
    fn shift(&self) -> u32 {
        self.bench.shift()
    }
    fn in_order(&self) -> bool {
        self.bench.in_order()
    }
    fn tail_step(&self) -> u64 {
        self.bench.tail_step()
    }
    fn is_packed(&self) -> bool {
        self.bench.is_packed()
    }
}

/// Runs `explore` for a death at step 0, 1, 2 and so on, until nobody dies any more. `explore` is given the step and where
/// to note that somebody died there.
pub fn at_every_step(explore: impl Fn(u32, &'static AtomicBool)) {
    for step in 0.. {
        let died: &'static AtomicBool = Box::leak(Box::new(AtomicBool::new(false)));
        explore(step, died);
        if !died.load(Ordering::Relaxed) {
            assert!(step > 2, "the mortal does less than it should");
            return;
        }
    }
}
