//! Busy waiting that ends: by what it waits for, an interrupt, the other process's end, or a limit.

use std::process::Child;
use std::time::{Duration, Instant};

use super::failed;
use crate::exit::Failure;
use crate::signals;

/// How long the other process may do nothing.
const PATIENCE: Duration = Duration::from_secs(10);
/// Looks at the clock and at the other process once in so many polls: so seldom that it costs nothing.
const LOOK_EVERY: u32 = 1024;

/// Counts the polls of one process.
pub struct Poll {
    spins: u32,
    /// Since when nothing has come, as far as anybody has looked.
    since: Option<Instant>,
    /// The other process, where that is our child.
    pub child: Option<Child>,
    one_core: bool,
}

impl Poll {
    /// With one core, every poll gives the core away, since the other process cannot go on otherwise.
    pub fn new(child: Option<Child>, one_core: bool) -> Self {
        Self { spins: 0, since: None, child, one_core }
    }

    /// Something has come: patience starts anew.
    #[inline]
    pub fn progress(&mut self) {
        self.since = None;
    }

    /// Between two polls.
    ///
    /// # Errors
    /// There is no point in going on.
    #[inline]
    pub fn pause(&mut self) -> Result<(), Failure> {
        std::hint::spin_loop();
        self.spins = self.spins.wrapping_add(1);
        if self.spins.is_multiple_of(LOOK_EVERY) || self.one_core { self.look() } else { Ok(()) }
    }

    /// Polls until `done`.
    ///
    /// # Errors
    /// As [`pause`](Self::pause).
    pub fn until(&mut self, mut done: impl FnMut() -> bool) -> Result<(), Failure> {
        self.progress();
        while !done() {
            self.pause()?;
        }
        Ok(())
    }

    /// Whether there is a point in going on.
    ///
    /// # Errors
    /// There is none: an interrupt, the other process has ended, or it has been silent for too long.
    #[cold]
    pub fn look(&mut self) -> Result<(), Failure> {
        if self.one_core {
            std::thread::yield_now();
        }
        let ended = match &mut self.child {
            Some(child) => child.try_wait().map_err(|e| Failure::Io("waiting for the second process", e))?,
            None => None,
        };
        if signals::interrupted() {
            return Err(failed("interrupted"));
        }
        if let Some(status) = ended {
            return Err(failed(format!("the second process ended early ({status})")));
        }
        if self.since.get_or_insert_with(Instant::now).elapsed() > PATIENCE {
            return Err(failed(format!("the other process has done nothing for {} s", PATIENCE.as_secs())));
        }
        Ok(())
    }
}

impl Drop for Poll {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            // It may have ended already, and nobody is left to tell if it cannot be ended.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
