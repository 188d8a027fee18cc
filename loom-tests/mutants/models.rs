//! The models as programs, run one after another on a copy of the sources until one fails.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::ops::RangeInclusive;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use std::{env, fs, io, thread};

use serde_json::Value;

/// A program of models that takes longer than this has been made to run for ever.
const LIMIT: Duration = Duration::from_secs(900);

/// The signal that no model sends itself.
const SIGKILL: i32 = 9;

/// What came of running models.
pub enum Verdict {
    /// By which models, and how.
    Killed(String),
    Survived,
}

/// The programs of models on a copy of the sources.
pub struct Models {
    copy: PathBuf,
    /// The preemption bound.
    bound: u32,
    names: Vec<String>,
    /// For each file of the library: those that have killed a mutant of it, the last one first. Neighbours die of the same models.
    killers: HashMap<&'static str, Vec<String>>,
    /// Those that have killed any, the last one first: for the first mutant of a file.
    recent: Vec<String>,
}

impl Models {
    /// Those of the project that was copied to `copy`.
    pub fn find(copy: &Path) -> io::Result<Self> {
        let mut names = Vec::new();
        for entry in fs::read_dir(copy.join("loom-tests/tests"))? {
            let path = entry?.path();
            if path.extension() == Some(OsStr::new("rs")) {
                names.extend(path.file_stem().and_then(OsStr::to_str).map(str::to_owned));
            }
        }
        names.sort();
        let bound = match env::var("LOOM_MAX_PREEMPTIONS") {
            Ok(bound) => bound
                .parse()
                .map_err(|_| io::Error::other(format!("LOOM_MAX_PREEMPTIONS={bound}: a number was expected")))?,
            Err(_) => 2,
        };
        Ok(Self { copy: copy.to_owned(), bound, names, killers: HashMap::new(), recent: Vec::new() })
    }

    /// Runs all of them on the code as it is. The error says which one fails.
    pub fn check(&self) -> io::Result<()> {
        for bound in self.bounds() {
            if let Some((_, how)) = self.first_failure(&self.names, bound)? {
                return Err(io::Error::other(format!("the models fail on the code as it is: {how}")));
            }
        }
        Ok(())
    }

    /// Runs them on a mutant of `file` until one fails: first those that it is likely to die of, and all with few preemptions before any
    /// with more, since most need no more and a deep model takes minutes.
    pub fn try_mutant(&mut self, file: &'static str) -> io::Result<Verdict> {
        let order = self.order(file);
        for bound in self.bounds() {
            if let Some((name, how)) = self.first_failure(&order, bound)? {
                to_front(self.killers.entry(file).or_default(), &name);
                to_front(&mut self.recent, &name);
                return Ok(Verdict::Killed(how));
            }
        }
        Ok(Verdict::Survived)
    }

    fn bounds(&self) -> RangeInclusive<u32> {
        self.bound.min(1)..=self.bound
    }

    fn order(&self, file: &str) -> Vec<String> {
        let mut order = self.killers.get(file).cloned().unwrap_or_default();
        for name in self.recent.iter().chain(&self.names) {
            if !order.contains(name) {
                order.push(name.clone());
            }
        }
        order
    }

    /// The first of these models that fails at this bound, and how.
    fn first_failure(&self, names: &[String], bound: u32) -> io::Result<Option<(String, String)>> {
        for name in names {
            let how = match ends_well(self.start(name, bound)?)? {
                Some(true) => continue,
                Some(false) => "failed",
                None => "did not end",
            };
            return Ok(Some((name.clone(), format!("{name} {how} at bound {bound}"))));
        }
        Ok(None)
    }

    /// Builds a model and starts it, as a child of ours and not of cargo's, so that it can be ended.
    fn start(&self, name: &str, bound: u32) -> io::Result<Child> {
        let built = Command::new("cargo")
            .args([
                "test",
                "--quiet",
                "--release",
                "-p",
                "ringpost-loom",
                "--no-run",
                "--message-format",
                "json-render-diagnostics",
            ])
            .args(["--test", name])
            .current_dir(&self.copy)
            .env("RUSTFLAGS", "--cfg loom")
            .env("CARGO_TARGET_DIR", self.copy.with_file_name("target"))
            .stdin(Stdio::null())
            .output()?;
        let program = built.stdout.split(|byte| *byte == b'\n').find_map(|message| program(name, message));
        let Some(program) = program.filter(|_| built.status.success()) else {
            let errors = String::from_utf8_lossy(&built.stderr);
            return Err(io::Error::other(format!("the models in {name} do not compile:\n{errors}")));
        };
        Command::new(program)
            .env("LOOM_MAX_PREEMPTIONS", bound.to_string())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
    }
}

fn to_front(names: &mut Vec<String>, name: &str) {
    names.retain(|other| other != name);
    names.insert(0, name.to_owned());
}

/// The program of these models, if a message of cargo's tells of it. There are others: those that the models could run.
fn program(name: &str, message: &[u8]) -> Option<String> {
    let message: Value = serde_json::from_slice(message).ok()?;
    let target = message.get("target")?;
    let is_wanted = target.get("name")? == name && target.get("kind")?.get(0)? == "test";
    message.get("executable").filter(|_| is_wanted)?.as_str().map(str::to_owned)
}

/// Whether it ends well; `None` if it does not end, and is ended.
fn ends_well(mut child: Child) -> io::Result<Option<bool>> {
    let started = Instant::now();
    while started.elapsed() < LIMIT {
        if let Some(status) = child.try_wait()? {
            return match status.signal() {
                Some(SIGKILL) => Err(io::Error::other("somebody has killed the models, for want of memory perhaps")),
                _ => Ok(Some(status.success())),
            };
        }
        thread::sleep(Duration::from_millis(20));
    }
    child.kill()?;
    child.wait()?;
    Ok(None)
}
