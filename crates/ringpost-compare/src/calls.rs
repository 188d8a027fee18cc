//! System calls on the way of a message when nobody sleeps, counted by tracing both processes.
//!
//! A process that makes no system calls runs at full speed under a tracer that stops it at them. Each side says in shared
//! memory when it is within a round; what it calls then is counted.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result};
use nix::errno::Errno;
use nix::sys::ptrace::{self, Options};
use nix::sys::signal::Signal;
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid, waitpid};
use nix::unistd::Pid;
use serde::{Deserialize, Serialize};

use crate::cell::{Lane, Task, depth};
use crate::control::Control;
use crate::machine::Machine;
use crate::measure;
use crate::plan::{Only, place};
use crate::registry::{ENTRIES, Kind, Run};
use crate::results::{Cell, JOINED};
use crate::transports::Support;

/// Messages of a round; some times what any queue here holds.
pub const MESSAGES: u64 = 20_000;
/// Rounds; the one with the fewest calls counts. In the others somebody may have been held up: one who finds nothing for a
/// millisecond looks whether the other side lives.
const ROUNDS: u32 = 6;
/// Bytes of a message.
const LEN: usize = 64;

/// What was counted of one transport.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Calls {
    /// The transport's name in the registry.
    pub transport: String,
    /// One by one, or in batches.
    pub lane: Lane,
    /// Messages that went through meanwhile.
    pub messages: u64,
    /// System calls of the sender, and of the receiver.
    pub calls: Option<[u64; 2]>,
    /// What went wrong.
    pub failed: Option<String>,
}

/// Counts for ringpost and the peers.
#[must_use]
pub fn calls(program: &Path, only: &Only) -> Vec<Calls> {
    let mut found = Vec::new();
    let entries = ENTRIES.iter().filter(|entry| matches!(entry.kind, Kind::Ringpost | Kind::Peer) && only.wants(entry));
    for entry in entries {
        for lane in [Lane::One, Lane::Batch] {
            let Some(work) = (entry.work)(LEN) else { continue };
            if lane == Lane::Batch && work.able.batch != Support::Yes || !matches!(work.run, Run::Processes { .. }) {
                continue;
            }
            let (calls, failed) = match count(program, entry.name, entry.kind, lane) {
                Ok(calls) => (Some(calls), None),
                Err(error) => (None, Some(format!("{error:#}"))),
            };
            found.push(Calls { transport: entry.name.to_owned(), lane, messages: MESSAGES, calls, failed });
        }
    }
    found
}

/// System calls of the sender and of the receiver in one round, the least disturbed for each.
///
/// # Errors
/// Something could not be made or joined, a message was wrong, or the system allows no tracing.
pub fn count(program: &Path, transport: &str, kind: Kind, lane: Lane) -> Result<[u64; 2]> {
    let dir = measure::folder()?;
    let (joined, queues, rate) = (JOINED, 1, None);
    let (transport_name, depth) = (transport.to_owned(), depth(lane, LEN));
    let cell = Cell { transport: transport_name, kind, lane, len: LEN, rate, depth, joined, queues };
    let name = format!("compare-{}-calls-{transport}-{lane}", std::process::id());
    let task = Task {
        transport: cell.transport.clone(),
        lane,
        rate,
        place: place(&cell, name, dir.path().to_owned()),
        cores: Machine::look().pinned,
        round: Duration::from_millis(1),
        rounds: ROUNDS,
        most_rounds: ROUNDS,
        patience: Duration::from_secs(20),
        count: Some(MESSAGES),
    };
    let control = Control::create()?;
    let shared = Control::map(&control)?;
    let counts = Mutex::new([const { BTreeMap::new() }; 2]);
    let failed = Mutex::new(None);
    let watch = |side: usize, pid: u32| {
        let (mut counted, traced) = trace(Pid::from_raw(pid.cast_signed()), shared.round_of(side));
        let mut counts = counts.lock().unwrap_or_else(PoisonError::into_inner);
        counts[side].append(&mut counted);
        if let Err(error) = traced {
            failed.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
        }
    };
    measure::run_watched(program, &task, &control, watch)?;
    if let Some(error) = failed.into_inner()? {
        return Err(error);
    }
    let counts = counts.into_inner()?;
    let fewest = |side: usize| {
        let begun = shared.rounds_begun(side);
        if (counts[side].len() as u64) < begun { 0 } else { counts[side].values().copied().min().unwrap_or(0) }
    };
    Ok([0, 1].map(fewest))
}

/// Follows a process until it ends: its system calls in each round, by the round's number.
fn trace(pid: Pid, round: &AtomicU64) -> (BTreeMap<u64, u64>, Result<()>) {
    let mut counts = BTreeMap::new();
    let done = follow(pid, round, &mut counts);
    (counts, done)
}

fn follow(pid: Pid, round: &AtomicU64, counts: &mut BTreeMap<u64, u64>) -> Result<()> {
    ptrace::seize(pid, Options::PTRACE_O_TRACESYSGOOD).context("tracing a worker")?;
    ptrace::interrupt(pid).context("tracing a worker")?;
    let mut inside = false;
    loop {
        // Whoever started the process wants to see its end, too: so that is looked at, and left.
        let peek = WaitPidFlag::WNOWAIT | WaitPidFlag::WEXITED | WaitPidFlag::WSTOPPED;
        match waitid(Id::Pid(pid), peek) {
            Ok(WaitStatus::Exited(..) | WaitStatus::Signaled(..)) | Err(Errno::ECHILD) => return Ok(()),
            Ok(_) => {}
            Err(Errno::EINTR) => continue,
            Err(error) => return Err(error).context("waiting for a worker"),
        }
        let signal = match waitpid(pid, Some(WaitPidFlag::__WALL))? {
            WaitStatus::PtraceSyscall(_) => {
                inside = !inside;
                // Relaxed: the process is stopped, and what it wrote before is there.
                match round.load(Ordering::Relaxed) {
                    number if inside && number != 0 => *counts.entry(number).or_default() += 1,
                    _ => {}
                }
                None
            }
            WaitStatus::Stopped(_, signal) if signal != Signal::SIGTRAP => Some(signal),
            WaitStatus::Exited(..) | WaitStatus::Signaled(..) => return Ok(()),
            _ => None,
        };
        match ptrace::syscall(pid, signal) {
            Ok(()) | Err(Errno::ESRCH) => {}
            Err(error) => return Err(error).context("tracing a worker"),
        }
    }
}
