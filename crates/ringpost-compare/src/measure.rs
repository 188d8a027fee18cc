//! Runs one cell once: makes what it needs, starts its two processes, sleeps until they end, and reads their reports.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use serde::de::DeserializeOwned;
use tempfile::TempDir;

use crate::cell::{Round, Task};
use crate::control::Control;
use crate::crowd::{self, Member};
use crate::idle::is_silence;
use crate::registry::Run;
use crate::session;
use crate::transports::Side;
use crate::worker::{self, CROWD_WORKER, Part, WORKER};

/// What a cell is given beyond its rounds: for starting, joining and leaving.
const GRACE: Duration = Duration::from_secs(30);

/// What is said of a process that has left no report.
const DIED: &str = "died before it could report";

/// A folder in memory, removed when dropped.
///
/// # Errors
/// It cannot be made.
pub fn folder() -> Result<TempDir> {
    let memory = PathBuf::from("/dev/shm");
    let parent = if memory.is_dir() { memory } else { std::env::temp_dir() };
    tempfile::Builder::new().prefix("ringpost-compare.").tempdir_in(parent).context("making a folder in memory")
}

/// Runs `task` in processes of `program`, which is this one as a rule.
///
/// # Errors
/// Something could not be made or joined, a message was wrong, or a process ended or fell silent.
pub fn run(program: &Path, task: &Task) -> Result<Vec<Round>> {
    let work = worker::find(&task.transport, task.place.len)?;
    let (sides, _guard) = match work.run {
        Run::Processes { create, .. } => {
            (&[Side::First, Side::Second][..], create(&task.place, task.lane).context("making it")?)
        }
        Run::Threads(_) => (&[Side::First][..], Box::new(()) as Box<dyn std::any::Any>),
    };
    let control = Control::create()?;
    let mut workers = Vec::new();
    for side in sides {
        let mut command = Command::new(program);
        command.arg(WORKER).arg(serde_json::to_string(task)?).arg(serde_json::to_string(side)?);
        command.stdin(Stdio::from(control.try_clone()?));
        workers.push(Worker::start(&mut command, worker::report_file(*side, &task.place.dir))?);
    }
    wait(&mut workers, GRACE + task.patience + task.round * task.most_rounds * 4)?;
    let mut parts: Vec<Part> = Vec::new();
    let mut failure: Option<anyhow::Error> = None;
    for report in workers.iter().map(Worker::report) {
        match report {
            Ok(part) => parts.push(part),
            // Who waited in vain says less than who saw something wrong.
            Err(error) if failure.as_ref().is_none_or(says_little) => failure = Some(error),
            Err(_) => {}
        }
    }
    if let Some(error) = failure {
        return Err(error);
    }
    let times = parts.get_mut(1).map(|part| std::mem::take(&mut part.times)).unwrap_or_default();
    Ok(session::join(std::mem::take(&mut parts[0].rounds), times))
}

fn says_little(error: &anyhow::Error) -> bool {
    is_silence(error) || error.to_string().contains(DIED)
}

/// Runs a crowd: what each has done, senders first.
///
/// # Errors
/// As [`run`].
pub fn crowd(program: &Path, task: &crowd::Task) -> Result<Vec<Member>> {
    let mut workers = Vec::new();
    for side in [Side::First, Side::Second] {
        for index in 0..task.pairs {
            let report = worker::member_file(side, index, &task.place.dir);
            let mut command = Command::new(program);
            command.arg(CROWD_WORKER).arg(serde_json::to_string(task)?).arg(serde_json::to_string(&(side, index))?);
            workers.push(Worker::start(command.stdin(Stdio::null()), report)?);
        }
    }
    wait(&mut workers, GRACE + task.patience + task.duration)?;
    workers.iter().map(Worker::report).collect()
}

struct Worker {
    child: Child,
    report: PathBuf,
}

impl Worker {
    fn start(command: &mut Command, report: PathBuf) -> Result<Self> {
        command.stdout(Stdio::null()).stderr(Stdio::null());
        Ok(Self { child: command.spawn().context("starting a worker")?, report })
    }

    fn report<T: DeserializeOwned>(&self) -> Result<T> {
        let text = fs::read(&self.report).map_err(|_| anyhow!("one of the processes {DIED}"))?;
        let report: Result<T, String> = serde_json::from_slice(&text).context("reading a worker's report")?;
        report.map_err(|error| anyhow!(error))
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        // It may have ended already, and nobody is left to tell if it cannot be ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Sleeps until all have ended. When one fails, the others get a moment and are then ended: they wait for what never comes.
fn wait(workers: &mut [Worker], limit: Duration) -> Result<()> {
    let mut deadline = Instant::now() + limit;
    loop {
        let mut running = Vec::new();
        for worker in workers.iter_mut() {
            match worker.child.try_wait().context("waiting for a worker")? {
                None => running.push(pidfd_open(Pid::from_child(&worker.child), PidfdFlags::empty())?),
                Some(status) if !status.success() => {
                    deadline = deadline.min(Instant::now() + Duration::from_millis(500));
                }
                Some(_) => {}
            }
        }
        if crate::interrupt::came() {
            bail!("interrupted");
        }
        let left = deadline.saturating_duration_since(Instant::now());
        if running.is_empty() || left.is_zero() {
            return Ok(());
        }
        let mut fds: Vec<_> = running.iter().map(|fd| PollFd::new(fd, PollFlags::IN)).collect();
        let limit = Timespec { tv_sec: left.as_secs() as i64, tv_nsec: left.subsec_nanos().into() };
        match poll(&mut fds, Some(&limit)) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error).context("waiting for the workers"),
        }
    }
}
