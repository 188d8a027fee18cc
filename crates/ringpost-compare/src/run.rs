//! A whole run: every cell once, then every cell again, so that whatever befalls the machine befalls all of them.

use std::io::{self, IsTerminal};
use std::path::Path;
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Result, bail};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::cell::{LEFT_OUT, Round, Task};
use crate::crowd::{Crowd, crowds};
use crate::machine::Machine;
use crate::plan::{Effort, Only, cells, place, sweeps};
use crate::registry::{self, ENTRIES};
use crate::results::{Cell, Compared, Outcome, Results};
use crate::transports::Waiting;
use crate::{calls, costs, interrupt, measure, memory};

/// How long a side waits for the other.
const PATIENCE: Duration = Duration::from_secs(5);

/// Measures what is wanted, in processes of `program`.
///
/// What fails is reported as failed; the run goes on.
///
/// # Errors
/// An interrupt came.
pub fn run(program: &Path, only: &Only, effort: &Effort, command: String) -> Result<Results> {
    let mut cells = cells(only, effort);
    let swept = only.wants_work("sweep");
    if swept {
        cells.extend(sweeps(only, effort));
    }
    let mut crowds = if only.wants_work("crowd") { crowds(|entry| only.wants(entry)) } else { Vec::new() };
    let mut run = Run::new(program, effort, &cells, crowds.len() as u64 * u64::from(effort.crowds));
    run.cells(&mut cells)?;
    run.crowds(&mut crowds)?;
    let costs = if swept { costs::costs(program, effort.quick)? } else { Vec::new() };
    let memory = if only.wants_work("memory") { Some(memory::memory(program)?) } else { None };
    let calls = if only.wants_work("calls") { calls::calls(program, only) } else { Vec::new() };
    crowds.iter_mut().for_each(Crowd::finish);
    Ok(Results { calls, costs, memory, crowds, ..run.results(cells, command) })
}

/// Measures these cells and nothing else, in processes of `program`.
///
/// # Errors
/// As [`run`].
pub fn run_cells(program: &Path, mut cells: Vec<Outcome>, effort: &Effort, command: String) -> Result<Results> {
    let mut run = Run::new(program, effort, &cells, 0);
    run.cells(&mut cells)?;
    Ok(run.results(cells, command))
}

/// A run that is under way.
struct Run<'a> {
    program: &'a Path,
    effort: &'a Effort,
    machine: Machine,
    progress: ProgressBar,
    /// Of the session: no two use the same names.
    number: u32,
    date: String,
    begun: Instant,
}

impl<'a> Run<'a> {
    /// `more`: steps besides the sessions of `cells`.
    fn new(program: &'a Path, effort: &'a Effort, cells: &[Outcome], more: u64) -> Self {
        let todo = cells.iter().filter(|outcome| outcome.skipped.is_none()).count() as u64;
        Self {
            program,
            effort,
            machine: Machine::look(),
            progress: progress(todo * u64::from(effort.repetitions) + more),
            number: 0,
            date: humantime::format_rfc3339_seconds(SystemTime::now()).to_string(),
            begun: Instant::now(),
        }
    }

    fn cells(&mut self, cells: &mut [Outcome]) -> Result<()> {
        for _ in 0..self.effort.repetitions {
            for outcome in cells.iter_mut().filter(|outcome| outcome.skipped.is_none() && outcome.failed.is_none()) {
                self.number += 1;
                let Cell { transport, lane, len, .. } = &outcome.cell;
                self.progress.set_message(format!("{transport} {lane} {len} B"));
                match session(self.program, &outcome.cell, self.effort, &self.machine, self.number) {
                    Ok(rounds) => outcome.add(rounds),
                    Err(_) if interrupt::came() => bail!("interrupted before it was done"),
                    Err(error) if error.to_string().starts_with(LEFT_OUT) => {
                        outcome.skipped = error.to_string().strip_prefix(LEFT_OUT).map(str::to_owned);
                    }
                    Err(error) => {
                        let say = || eprintln!("{transport} failed in {lane} with {len} bytes: {error:#}");
                        self.progress.suspend(say);
                        outcome.failed = Some(format!("{error:#}"));
                    }
                }
                self.progress.inc(1);
            }
        }
        cells.iter_mut().for_each(Outcome::finish);
        Ok(())
    }

    fn crowds(&mut self, crowds: &mut [Crowd]) -> Result<()> {
        for _ in 0..self.effort.crowds {
            for crowd in crowds.iter_mut().filter(|crowd| crowd.failed.is_none()) {
                self.number += 1;
                self.progress.set_message(format!("{} {} + {}", crowd.transport, crowd.pairs, crowd.pairs));
                if let Err(error) = crowd.repeat(self.program, self.effort, self.number) {
                    if interrupt::came() {
                        bail!("interrupted before it was done");
                    }
                    let say = || eprintln!("{} failed with {} pairs: {error:#}", crowd.transport, crowd.pairs);
                    self.progress.suspend(say);
                    crowd.failed = Some(format!("{error:#}"));
                }
                self.progress.inc(1);
            }
        }
        Ok(())
    }

    fn results(self, cells: Vec<Outcome>, command: String) -> Results {
        self.progress.finish_and_clear();
        Results {
            date: self.date,
            command,
            machine: self.machine,
            compared: compared(&cells),
            repetitions: self.effort.repetitions,
            rounds: self.effort.rounds,
            round_ms: self.effort.round.as_millis() as u64,
            cells,
            calls: Vec::new(),
            costs: Vec::new(),
            memory: None,
            crowds: Vec::new(),
            took_s: self.begun.elapsed().as_secs_f64(),
        }
    }
}

/// One pair of processes.
fn session(program: &Path, cell: &Cell, effort: &Effort, machine: &Machine, number: u32) -> Result<Vec<Round>> {
    let dir = measure::folder()?;
    let mut place = place(cell, format!("compare-{}-{number}", std::process::id()), dir.path().to_owned());
    if Machine::same_core(machine.pinned) && place.wait == Waiting::Spin {
        place.wait = Waiting::Share;
    }
    let task = Task {
        transport: cell.transport.clone(),
        lane: cell.lane,
        rate: cell.rate,
        place,
        cores: machine.pinned,
        round: effort.round,
        rounds: effort.rounds,
        most_rounds: effort.most_rounds,
        patience: PATIENCE,
        count: None,
    };
    measure::run(program, &task)
}

fn compared(cells: &[Outcome]) -> Vec<Compared> {
    let takes_part = |name: &str| cells.iter().any(|outcome| outcome.cell.transport == name);
    let entries = ENTRIES.iter().filter(|entry| takes_part(entry.name));
    entries
        .map(|entry| Compared {
            name: entry.name.to_owned(),
            kind: entry.kind,
            version: entry.package.map(registry::version),
            about: entry.about.to_owned(),
        })
        .collect()
}

/// Shown on standard error, and only to a person. It moves between sessions only, and takes no time from them.
fn progress(steps: u64) -> ProgressBar {
    if !io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("{bar:40} {percent:>3} %, {eta} left: {msg}");
    ProgressBar::with_draw_target(Some(steps), ProgressDrawTarget::stderr())
        .with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}
