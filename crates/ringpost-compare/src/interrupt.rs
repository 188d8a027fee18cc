//! Interrupts: noted, so that what was made is removed.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use anyhow::{Context, Result};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

static CAME: OnceLock<Arc<AtomicBool>> = OnceLock::new();

/// From now on they are noted.
///
/// # Errors
/// The system refuses.
pub fn watch() -> Result<()> {
    for signal in [SIGHUP, SIGINT, SIGTERM] {
        let flag = Arc::clone(CAME.get_or_init(Arc::default));
        signal_hook::flag::register(signal, flag).context("watching for interrupts")?;
    }
    Ok(())
}

/// Whether one has come.
#[must_use]
pub fn came() -> bool {
    // Relaxed: a flag that is looked at again and again.
    CAME.get().is_some_and(|flag| flag.load(Ordering::Relaxed))
}
