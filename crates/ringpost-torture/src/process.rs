//! Worker processes: copies of this one, made by fork alone, so that hundreds can be made in a second.

use std::os::fd::OwnedFd;
use std::panic::{AssertUnwindSafe, catch_unwind};

use nix::errno::Errno;
use nix::sched::{CloneFlags, setns, unshare};
use nix::sys::prctl;
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid};
use nix::unistd::{ForkResult, Pid, fork, getgid, getuid};

/// Makes processes.
pub struct Nursery {
    /// Our own pid namespace, if each child gets a new one.
    home: Option<OwnedFd>,
}

/// A child, which is killed and collected when this is dropped.
pub struct Process {
    pid: Pid,
}

impl Nursery {
    /// Children in our pid namespace, or each in one of its own. That takes the superuser's rights; who has not got them
    /// gets a user namespace in which it has.
    pub fn new(namespaces: bool) -> Result<Self, String> {
        if !namespaces {
            return Ok(Self { home: None });
        }
        if !getuid().is_root() {
            become_root_of_a_namespace()?;
        }
        let home = std::fs::File::open("/proc/self/ns/pid").map_err(|error| format!("/proc/self/ns/pid: {error}"))?;
        Ok(Self { home: Some(home.into()) })
    }

    /// A child that does `work`, and ends well if that says so.
    pub fn start(&self, work: impl FnOnce() -> bool) -> Result<Process, String> {
        if self.home.is_some() {
            unshare(CloneFlags::CLONE_NEWPID).map_err(|errno| format!("unshare(CLONE_NEWPID): {errno}"))?;
        }
        // SAFETY: this process has one thread, so the child may do all that we may.
        let forked = unsafe { fork() }.map_err(|errno| format!("fork: {errno}"))?;
        let ForkResult::Parent { child } = forked else { in_child(work) };
        if let Some(home) = &self.home {
            // The next child gets another new namespace, for which this process's children must be at home again.
            setns(home, CloneFlags::CLONE_NEWPID).map_err(|errno| format!("setns: {errno}"))?;
        }
        Ok(Process { pid: child })
    }
}

fn in_child(work: impl FnOnce() -> bool) -> ! {
    // An error means that nobody ends us if our parent is killed; the work still ends when it is told to.
    let _ = prctl::set_pdeathsig(Signal::SIGKILL);
    let well = catch_unwind(AssertUnwindSafe(work)).unwrap_or(false);
    // SAFETY: ends the process at once, and leaves what it has of its parent's alone.
    unsafe { nix::libc::_exit(i32::from(!well)) }
}

/// Goes on as the first process of a pid namespace, in a user namespace of our own; the one that was here waits for its
/// end.
fn become_root_of_a_namespace() -> Result<(), String> {
    let (uid, gid) = (getuid(), getgid());
    let wanted = CloneFlags::CLONE_NEWUSER | CloneFlags::CLONE_NEWPID;
    unshare(wanted).map_err(|errno| format!("unshare(CLONE_NEWUSER): {errno}"))?;
    let write = |path: &str, text: String| std::fs::write(path, text).map_err(|error| format!("{path}: {error}"));
    write("/proc/self/setgroups", "deny".to_owned())?;
    write("/proc/self/uid_map", format!("{uid} {uid} 1"))?;
    write("/proc/self/gid_map", format!("{gid} {gid} 1"))?;
    // We may come home only to a pid namespace that belongs to our user namespace, so we move into one.
    // SAFETY: this process has one thread.
    match unsafe { fork() }.map_err(|errno| format!("fork: {errno}"))? {
        ForkResult::Child => prctl::set_pdeathsig(Signal::SIGKILL).map_err(|errno| format!("prctl: {errno}")),
        ForkResult::Parent { child } => {
            let status = match (Process { pid: child }).wait(WaitPidFlag::WNOWAIT) {
                WaitStatus::Exited(_, status) => status,
                _ => 2,
            };
            std::process::exit(status)
        }
    }
}

impl Process {
    /// Sends it a signal. It has not been collected, so the number is its own.
    pub fn signal(&self, signal: Signal) {
        kill(self.pid, signal).expect("a signal to our own child");
    }

    /// Kills it and waits until it is dead; it stays a zombie until this is dropped.
    pub fn kill(&self) {
        self.signal(Signal::SIGKILL);
        self.wait(WaitPidFlag::WNOWAIT);
    }

    /// Whether it has ended, and then whether well.
    pub fn ended(&self) -> Option<bool> {
        match self.wait(WaitPidFlag::WNOWAIT | WaitPidFlag::WNOHANG) {
            WaitStatus::StillAlive => None,
            WaitStatus::Exited(_, status) => Some(status == 0),
            _ => Some(false),
        }
    }

    fn wait(&self, flags: WaitPidFlag) -> WaitStatus {
        loop {
            match waitid(Id::Pid(self.pid), WaitPidFlag::WEXITED | flags) {
                Err(Errno::EINTR) => {}
                other => return other.expect("our own child"),
            }
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Dead already or not: afterwards it is.
        let _ = kill(self.pid, Signal::SIGKILL);
        self.wait(WaitPidFlag::empty());
    }
}
