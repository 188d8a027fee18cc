//! One of the measured processes: told what to do by an argument, and given the shared memory as its standard input.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow, bail};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use serde::{Deserialize, Serialize};

use crate::cell::{Round, Task, Times};
use crate::control::Control;
use crate::registry::{self, Run, Work};
use crate::transports::Side;
use crate::{crowd, interrupt};

/// The hidden argument that makes this program a worker; a [`Task`] and a [`Side`] follow it.
pub const WORKER: &str = "bench-worker";

/// The hidden argument that makes this program one of a crowd; a [`crowd::Task`] and its place in the crowd follow it.
pub const CROWD_WORKER: &str = "crowd-worker";

/// Where one of a crowd leaves its report.
#[must_use]
pub fn member_file(side: Side, index: usize, dir: &Path) -> PathBuf {
    dir.join(format!("{side:?}-{index}.json"))
}

/// Where a side leaves its report.
#[must_use]
pub fn report_file(side: Side, dir: &Path) -> PathBuf {
    dir.join(match side {
        Side::First => "first.json",
        Side::Second => "second.json",
    })
}

/// What a worker has measured: rounds if it is the first side, times if it is the second.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Part {
    /// Rounds.
    pub rounds: Vec<Round>,
    /// The times of each round, trial rounds too.
    pub times: Vec<Times>,
}

/// What a worker leaves behind: what it measured, or what went wrong.
pub type Report = Result<Part, String>;

/// Does what `task` says, and writes a report.
///
/// # Errors
/// The report cannot be written, or says that something went wrong.
pub fn run(task: &str, side: &str) -> Result<()> {
    let task: Task = serde_json::from_str(task).context("a worker is started by the tool, not by hand")?;
    let side: Side = serde_json::from_str(side).context("a worker is started by the tool, not by hand")?;
    interrupt::watch_as_worker()?;
    let report: Report = work(&task, side).map_err(|error| format!("{error:#}"));
    leave(&report, &report_file(side, &task.place.dir), &task.place.dir)
}

/// Leaves a report; but when interrupted, nothing: nobody may be left to remove it.
fn leave<T: Serialize>(report: &Result<T, String>, file: &Path, dir: &Path) -> Result<()> {
    if interrupt::came() {
        // Somebody else may have done so.
        let _ = fs::remove_dir_all(dir);
        bail!("interrupted");
    }
    fs::write(file, serde_json::to_vec(report)?).context("leaving a report")?;
    report.as_ref().map(drop).map_err(|error| anyhow!(error.clone()))
}

/// Plays its part in a crowd, and writes a report.
///
/// # Errors
/// The report cannot be written, or says that something went wrong.
pub fn run_member(task: &str, place: &str) -> Result<()> {
    let task: crowd::Task = serde_json::from_str(task).context("a worker is started by the tool, not by hand")?;
    let (side, index): (Side, usize) =
        serde_json::from_str(place).context("a worker is started by the tool, not by hand")?;
    interrupt::watch_as_worker()?;
    let done = match find(&task.transport, task.place.len)?.run {
        Run::Processes { member, .. } => member(&task, side, index),
        Run::Threads(_) => bail!("between processes only"),
    };
    let report = done.map_err(|error| format!("{error:#}"));
    leave(&report, &member_file(side, index, &task.place.dir), &task.place.dir)
}

/// A thousand endpoints have two descriptors each.
pub(crate) fn allow_descriptors() -> Result<()> {
    let (_, most) = getrlimit(Resource::RLIMIT_NOFILE)?;
    Ok(setrlimit(Resource::RLIMIT_NOFILE, most, most)?)
}

fn work(task: &Task, side: Side) -> Result<Part> {
    let work = find(&task.transport, task.place.len)?;
    let control = Control::inherited()?;
    allow_descriptors()?;
    let leading = |rounds| Part { rounds, ..Part::default() };
    match (work.run, side) {
        (Run::Processes { first, .. }, Side::First) => first(task, control).map(leading),
        (Run::Processes { second, .. }, Side::Second) => {
            second(task, control).map(|times| Part { times, ..Part::default() })
        }
        (Run::Threads(both), Side::First) => both(task, control).map(leading),
        (Run::Threads(_), Side::Second) => bail!("both threads are in one process"),
    }
}

/// The code of a transport for messages of that length.
///
/// # Errors
/// There is none.
pub fn find(transport: &str, len: usize) -> Result<Work> {
    let entry = registry::find(transport).with_context(|| format!("no transport is called {transport}"))?;
    (entry.work)(len).with_context(|| format!("{transport} is not built for messages of {len} bytes"))
}
