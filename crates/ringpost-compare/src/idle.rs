//! Waiting that ends: by what it waits for, or when the other process has been silent for too long.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use crate::interrupt;

/// Looks at the clock once in so many polls: so seldom that it costs nothing.
const LOOK_EVERY: u32 = 4096;

/// Counts the polls of one end.
#[derive(Debug)]
pub struct Idle {
    spins: u32,
    /// Since when nothing has come, as far as anybody has looked.
    since: Option<Instant>,
    patience: Duration,
    one_core: bool,
    /// Not zero when the other side has failed.
    failed: Option<&'static AtomicU64>,
}

impl Idle {
    /// With one core, every poll gives the core away, since the other side cannot go on otherwise.
    #[must_use]
    pub fn new(patience: Duration, one_core: bool) -> Self {
        Self { spins: 0, since: None, patience, one_core, failed: None }
    }

    /// Gives up as soon as that is not zero.
    #[must_use]
    pub(crate) fn watching(self, failed: &'static AtomicU64) -> Self {
        Self { failed: Some(failed), ..self }
    }

    /// Something has come: patience starts anew.
    #[inline]
    pub fn progress(&mut self) {
        self.since = None;
    }

    /// Between two polls.
    ///
    /// # Errors
    /// Nothing has come for too long, or an interrupt has.
    #[inline]
    pub fn pause(&mut self) -> Result<()> {
        std::hint::spin_loop();
        self.spins = self.spins.wrapping_add(1);
        if self.spins.is_multiple_of(LOOK_EVERY) || self.one_core { self.look() } else { Ok(()) }
    }

    /// Polls until `done`.
    ///
    /// # Errors
    /// As [`pause`](Self::pause).
    pub fn until(&mut self, mut done: impl FnMut() -> bool) -> Result<()> {
        self.progress();
        while !done() {
            self.pause()?;
        }
        self.progress();
        Ok(())
    }

    /// Whether there is a point in waiting on.
    ///
    /// # Errors
    /// Nothing has come for too long, or an interrupt has.
    #[cold]
    pub fn look(&mut self) -> Result<()> {
        if self.one_core {
            std::thread::yield_now();
        }
        if interrupt::came() {
            bail!("interrupted");
        }
        // Relaxed: a flag that is looked at again and again.
        if self.failed.is_some_and(|failed| failed.load(Ordering::Relaxed) != 0) {
            bail!("nothing has come from the other side, which failed");
        }
        if self.since.get_or_insert_with(Instant::now).elapsed() > self.patience {
            bail!("nothing has come from the other side for {} ms", self.patience.as_millis());
        }
        Ok(())
    }
}

/// Whether an error only says that the other side was waited for in vain: then the other side's error says more.
#[must_use]
pub fn is_silence(error: &anyhow::Error) -> bool {
    let text = format!("{error:#}");
    text.contains("nothing has come from the other side")
}
