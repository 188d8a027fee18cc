//! Nothing here waits for long. If something does, it is told and ended.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use std::{process, thread};

/// Steps and checks so far.
static PROGRESS: AtomicU64 = AtomicU64::new(0);
/// No single check or run takes anything near to it.
const LIMIT: Duration = Duration::from_secs(60);

/// Something has been done.
pub fn tick() {
    PROGRESS.fetch_add(1, Ordering::Relaxed);
}

/// Ends the process when nothing has been done for a minute: a check that hangs is a failure.
pub fn start() {
    thread::spawn(|| {
        let mut before = u64::MAX;
        loop {
            let now = PROGRESS.load(Ordering::Relaxed);
            if now == before {
                eprintln!("nothing has moved for {LIMIT:?}: a check or the library hangs");
                process::exit(1);
            }
            before = now;
            thread::sleep(LIMIT);
        }
    });
}
