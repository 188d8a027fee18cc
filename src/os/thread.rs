//! Threads that work for the library in a program that knows nothing of them.

use std::io;
use std::thread::{Builder, JoinHandle};

use nix::sys::signal::{SigSet, SigmaskHow, Signal};

/// Its stack, in bytes: it calls little.
const STACK: usize = 256 * 1024;

/// Starts a thread that takes none of the program's signals: those are for threads that the program knows.
pub(crate) fn start_quiet(name: &str, run: impl FnOnce() + Send + 'static) -> io::Result<JoinHandle<()>> {
    let mut blocked = SigSet::all();
    // What the thread itself does wrong stays its own.
    for own in [Signal::SIGSEGV, Signal::SIGBUS, Signal::SIGILL, Signal::SIGFPE, Signal::SIGTRAP, Signal::SIGABRT] {
        blocked.remove(own);
    }
    // A thread begins with the mask of the one who starts it, so there is no moment in between.
    let before = blocked.thread_swap_mask(SigmaskHow::SIG_SETMASK)?;
    let thread = Builder::new().name(name.to_owned()).stack_size(STACK).spawn(run);
    before.thread_set_mask()?;
    thread
}
