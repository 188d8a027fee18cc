//! Interrupts: noted, and acted upon where nothing is lost.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, sigaction};

/// After so many seconds whoever blocks is interrupted again.
const AGAIN_S: u32 = 1;

static INTERRUPTED: OnceLock<Arc<AtomicBool>> = OnceLock::new();

extern "C" fn note(_signal: i32) {
    if let Some(flag) = INTERRUPTED.get() {
        // Relaxed: a flag that is looked at again and again.
        flag.store(true, Ordering::Relaxed);
    }
    // A signal that comes just before a read or write blocks does not end that; so there is another one soon.
    nix::unistd::alarm::set(AGAIN_S);
}

/// From now on SIGINT, SIGTERM and SIGHUP are noted in the flag that this returns. Without SA_RESTART, so that a blocked
/// read or write returns. One that is ignored stays so: `nohup`, and shells for what runs in the background, rely on it.
pub fn watch() -> io::Result<Arc<AtomicBool>> {
    let flag = Arc::clone(INTERRUPTED.get_or_init(Arc::default));
    let action = SigAction::new(SigHandler::Handler(note), SaFlags::empty(), SigSet::empty());
    for signal in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP, Signal::SIGALRM] {
        // SAFETY: the handler loads a pointer that has been set before, stores to an atomic, and calls `alarm`, all of
        // which a signal handler may.
        let before = unsafe { sigaction(signal, &action) }?;
        if matches!(before.handler(), SigHandler::SigIgn) {
            // SAFETY: no handler runs.
            unsafe { sigaction(signal, &before) }?;
        }
    }
    Ok(flag)
}

/// Whether one of them has come.
pub fn interrupted() -> bool {
    // Relaxed: as above.
    INTERRUPTED.get().is_some_and(|flag| flag.load(Ordering::Relaxed))
}
