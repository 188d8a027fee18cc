//! Models of ringpost's protocols, run under loom:
//! `RUSTFLAGS="--cfg loom" cargo test -p ringpost-loom --release`.
//!
//! The code under test is the library's own: its rings and its waiting, over the words of a workbench instead of a mapped
//! segment. Payloads are loom cells beside the ring, so that a race for a payload is found as well as a wrong word.
//! Nothing here loops until something happens: every end tries a fixed number of times, and what is left is drained at
//! the end. A ring of one or two slots, set up just before the lap wraps, makes every message meet the wrap.
#![cfg(loom)]

mod bench;
mod kernel;
mod mortal;

pub use bench::{At, Bench, Ends, Receiver, Sender, Tally};
pub use kernel::Kernel;
pub use mortal::{Mortal, at_every_step};

/// Explores `model` at the preemption bound of `LOOM_MAX_PREEMPTIONS`, or else at `bound`; `None` is without bound.
pub fn explore(bound: Option<usize>, model: impl Fn() + Sync + Send + 'static) {
    explore_at(bound, |bound| bound, model);
}

/// The same at a bound that is lower by `fewer`.
pub fn explore_with_fewer(fewer: usize, bound: Option<usize>, model: impl Fn() + Sync + Send + 'static) {
    explore_at(bound, |bound| bound.saturating_sub(fewer), model);
}

/// The same at a bound that is higher by `more`: for small models of what takes that many.
pub fn explore_with_more(more: usize, bound: Option<usize>, model: impl Fn() + Sync + Send + 'static) {
    explore_at(bound, |bound| bound + more, model);
}

fn explore_at(bound: Option<usize>, change: impl Fn(usize) -> usize, model: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = builder.preemption_bound.or(bound).map(change);
    builder.max_branches = 100_000;
    builder.check(model);
}
