//! Interrupts: noted, and acted upon where nothing is lost.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, sigaction};

static INTERRUPTED: OnceLock<Arc<AtomicBool>> = OnceLock::new();

extern "C" fn note(_signal: i32) {
    if let Some(flag) = INTERRUPTED.get() {
        // Relaxed: a flag that is looked at again and again.
        flag.store(true, Ordering::Relaxed);
    }
}

/// From now on SIGINT, SIGTERM and SIGHUP are noted in the flag that this returns. Without SA_RESTART, so that a blocked
/// read or write returns.
pub fn watch() -> io::Result<Arc<AtomicBool>> {
    let flag = Arc::clone(INTERRUPTED.get_or_init(Arc::default));
    let action = SigAction::new(SigHandler::Handler(note), SaFlags::empty(), SigSet::empty());
    for signal in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP] {
        // SAFETY: the handler loads a pointer that has been set before and stores to an atomic, which a signal handler may.
        unsafe { sigaction(signal, &action) }?;
    }
    Ok(flag)
}

/// Whether one of them has come.
pub fn interrupted() -> bool {
    // Relaxed: as above.
    INTERRUPTED.get().is_some_and(|flag| flag.load(Ordering::Relaxed))
}
