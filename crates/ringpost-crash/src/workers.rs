//! Several things at a time: most of a step's time is one process waiting for the other.

use std::sync::Mutex;
use std::thread;

use crate::Result;

/// Does `work` for each of `items`, with so many threads as there are processors; the results are in the order of `items`.
/// A thread that starts a child is the only one that may trace it, so each item is done by one thread from start to end.
///
/// # Errors
/// The first error.
pub fn for_each<I: Sync, T: Send>(items: &[I], work: impl Fn(&I) -> Result<T> + Sync) -> Result<Vec<T>> {
    let next = Mutex::new(items.iter().enumerate());
    let done = Mutex::new(Vec::new());
    let take = || next.lock().ok()?.next();
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(1, usize::from).min(items.len()) {
            scope.spawn(|| {
                while let Some((at, item)) = take() {
                    let result = work(item);
                    if let Ok(mut done) = done.lock() {
                        done.push((at, result));
                    }
                }
            });
        }
    });
    let mut done = done.into_inner().map_err(|_| "a worker panicked")?;
    done.sort_by_key(|(at, _)| *at);
    done.into_iter().map(|(_, result)| result).collect()
}
