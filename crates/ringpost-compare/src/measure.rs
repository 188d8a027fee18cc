//! Runs one cell once: makes what it needs, starts its two processes, sleeps until they end, and reads their reports.

use std::fs;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
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
use crate::interrupt;
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
    tempfile::Builder::new()
        .prefix(&format!("ringpost-compare.{}.", std::process::id()))
        .tempdir_in(parent)
        .context("making a folder in memory")
}

/// Runs `task` in processes of `program`, which is this one as a rule.
///
/// # Errors
/// Something could not be made or joined, a message was wrong, or a process ended or fell silent.
pub fn run(program: &Path, task: &Task) -> Result<Vec<Round>> {
    run_watched(program, task, &Control::create()?, |_, _| {})
}

/// The same, with memory that the caller may look at, and with a thread beside each process that is told its side and id.
/// The thread must end when the process does.
///
/// # Errors
/// As [`run`].
pub fn run_watched(
    program: &Path,
    task: &Task,
    control: &OwnedFd,
    watch: impl Fn(usize, u32) + Sync,
) -> Result<Vec<Round>> {
    let work = worker::find(&task.transport, task.place.len)?;
    let (sides, _guard) = match work.run {
        Run::Processes { create, .. } => {
            (&[Side::First, Side::Second][..], create(&task.place, task.lane).context("making it")?)
        }
        Run::Threads(_) => (&[Side::First][..], Box::new(()) as Box<dyn std::any::Any>),
    };
    let mut workers = Vec::new();
    for side in sides {
        let mut command = Command::new(program);
        command.arg(WORKER).arg(serde_json::to_string(task)?).arg(serde_json::to_string(side)?);
        command.stdin(Stdio::from(control.try_clone()?));
        workers.push(Worker::start(&mut command, worker::report_file(*side, &task.place.dir))?);
    }
    thread::scope(|scope| {
        for (index, worker) in workers.iter().enumerate() {
            let (watch, pid) = (&watch, worker.child.id());
            scope.spawn(move || watch(index, pid));
        }
        let waited = wait(&mut workers, GRACE + task.patience + task.round * task.most_rounds * 4);
        // Before the threads are waited for.
        workers.iter_mut().for_each(Worker::end);
        waited
    })?;
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
    fn end(&mut self) {
        // It may have ended already, and nobody is left to tell if it cannot be ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

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
        self.end();
    }
}

/// Sleeps until all have ended. When one fails, the others get a moment and are then ended: they wait for what never comes.
///
/// A process that has not ended is not asked for its state: somebody may be tracing it, and wait for that.
fn wait(workers: &mut [Worker], limit: Duration) -> Result<()> {
    let mut deadline = Instant::now() + limit;
    let mut running = Vec::new();
    for worker in workers {
        let ended = pidfd_open(Pid::from_child(&worker.child), PidfdFlags::empty())?;
        running.push((worker, ended));
    }
    while !running.is_empty() {
        if interrupt::came() {
            bail!("interrupted");
        }
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            break;
        }
        let mut fds: Vec<_> = running.iter().map(|(_, ended)| PollFd::new(ended, PollFlags::IN)).collect();
        fds.extend(interrupt::woken().map(|woken| PollFd::from_borrowed_fd(woken, PollFlags::IN)));
        let limit = Timespec { tv_sec: left.as_secs() as i64, tv_nsec: left.subsec_nanos().into() };
        match poll(&mut fds, Some(&limit)) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error).context("waiting for the workers"),
        }
        let mut have_ended = fds.iter().map(|fd| fd.revents().contains(PollFlags::IN)).collect::<Vec<_>>().into_iter();
        let mut failed = false;
        running.retain_mut(|(worker, _)| {
            if !have_ended.next().unwrap_or(false) {
                return true;
            }
            failed |= worker.child.wait().map_or(true, |status| !status.success());
            false
        });
        if failed {
            deadline = deadline.min(Instant::now() + Duration::from_millis(500));
        }
    }
    Ok(())
}
