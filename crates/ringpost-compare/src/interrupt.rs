//! Interrupts: noted, so that what was made is removed.

use std::ffi::c_int;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use anyhow::{Context, Result};
use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::Signal;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

/// How long a worker may take to end after it was told to.
const GRACE_S: u32 = 5;

static WATCH: OnceLock<Watch> = OnceLock::new();

struct Watch {
    came: Arc<AtomicBool>,
    /// Can be read from when one has come, for those who sleep.
    woken: UnixStream,
}

/// From now on they are noted. One that is ignored stays so: `nohup`, and shells for what runs in the background, rely on it.
///
/// # Errors
/// The system refuses.
pub fn watch() -> Result<()> {
    if WATCH.get().is_some() {
        return Ok(());
    }
    let (wakes, woken) = UnixStream::pair().context("watching for interrupts")?;
    let watch = WATCH.get_or_init(|| Watch { came: Arc::default(), woken });
    for signal in [SIGHUP, SIGINT, SIGTERM].into_iter().filter(|signal| !is_ignored(*signal)) {
        // In this order: who is woken sees that one has come.
        signal_hook::flag::register(signal, Arc::clone(&watch.came)).context("watching for interrupts")?;
        let wakes = wakes.try_clone().context("watching for interrupts")?;
        signal_hook::low_level::pipe::register(signal, wakes).context("watching for interrupts")?;
    }
    Ok(())
}

/// What can be read from when one has come; `None` if nobody watches.
#[must_use]
pub fn woken() -> Option<BorrowedFd<'static>> {
    WATCH.get().map(|watch| watch.woken.as_fd())
}

/// The same for a worker, which also ends when the process that started it does: in order, so that what it shares with others
/// is removed by the last of them, or after a grace by force.
///
/// # Errors
/// The system refuses.
pub fn watch_as_worker() -> Result<()> {
    watch()?;
    let hurry = || {
        nix::unistd::alarm::set(GRACE_S);
    };
    // SAFETY: `alarm` may be called by a signal handler. Nobody handles what it sends, so that ends this process.
    unsafe { signal_hook::low_level::register(SIGTERM, hurry) }.context("watching for interrupts")?;
    set_pdeathsig(Signal::SIGTERM).context("asking to be told of the first process's end")
}

fn is_ignored(signal: c_int) -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).is_some_and(|mask| mask >> (signal - 1) & 1 != 0)
}

/// Whether one has come.
#[must_use]
pub fn came() -> bool {
    // Relaxed: a flag that is looked at again and again.
    WATCH.get().is_some_and(|watch| watch.came.load(Ordering::Relaxed))
}
