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
use crate::{calls, costs, interrupt, measure, memory};

/// How long a side waits for the other.
const PATIENCE: Duration = Duration::from_secs(5);

/// Measures what is wanted, in processes of `program`.
///
/// What fails is reported as failed; the run goes on.
///
/// # Errors
/// There is one processor only, or an interrupt came.
pub fn run(program: &Path, only: &Only, effort: &Effort, command: String) -> Result<Results> {
    let mut cells = cells(only, effort);
    let swept = only.wants_work("sweep");
    if swept {
        cells.extend(sweeps(only, effort));
    }
    let mut crowds = if only.wants_work("crowd") { crowds(|entry| only.wants(entry)) } else { Vec::new() };
    let (machine, begun) = (Machine::look(), Instant::now());
    let date = humantime::format_rfc3339_seconds(SystemTime::now()).to_string();
    let todo = cells.iter().filter(|outcome| outcome.skipped.is_none()).count() as u64;
    let steps = todo * u64::from(effort.repetitions) + crowds.len() as u64 * u64::from(effort.crowds);
    let progress = progress(steps);
    let mut number = 0;
    for _ in 0..effort.repetitions {
        for outcome in cells.iter_mut().filter(|outcome| outcome.skipped.is_none() && outcome.failed.is_none()) {
            number += 1;
            progress.set_message(format!("{} {} {} B", outcome.cell.transport, outcome.cell.lane, outcome.cell.len));
            match session(program, &outcome.cell, effort, &machine, number) {
                Ok(rounds) => outcome.add(rounds),
                Err(_) if interrupt::came() => bail!("interrupted before it was done"),
                Err(error) if error.to_string().starts_with(LEFT_OUT) => {
                    outcome.skipped = error.to_string().strip_prefix(LEFT_OUT).map(str::to_owned);
                }
                Err(error) => {
                    let Cell { transport, lane, len, .. } = &outcome.cell;
                    progress.suspend(|| eprintln!("{transport} failed in {lane} with {len} bytes: {error:#}"));
                    outcome.failed = Some(format!("{error:#}"));
                }
            }
            progress.inc(1);
        }
    }
    for _ in 0..effort.crowds {
        for crowd in crowds.iter_mut().filter(|crowd| crowd.failed.is_none()) {
            number += 1;
            progress.set_message(format!("{} {} + {}", crowd.transport, crowd.pairs, crowd.pairs));
            if let Err(error) = crowd.repeat(program, effort, number) {
                if interrupt::came() {
                    bail!("interrupted before it was done");
                }
                progress.suspend(|| eprintln!("{} failed with {} pairs: {error:#}", crowd.transport, crowd.pairs));
                crowd.failed = Some(format!("{error:#}"));
            }
            progress.inc(1);
        }
    }
    let costs = if swept { costs::costs(program, effort.quick)? } else { Vec::new() };
    let memory = if only.wants_work("memory") { Some(memory::memory(program)?) } else { None };
    let calls = if only.wants_work("calls") { calls::calls(program, only) } else { Vec::new() };
    progress.finish_and_clear();
    crowds.iter_mut().for_each(Crowd::finish);
    cells.iter_mut().for_each(Outcome::finish);
    Ok(Results {
        date,
        command,
        machine,
        compared: compared(&cells),
        repetitions: effort.repetitions,
        rounds: effort.rounds,
        round_ms: effort.round.as_millis() as u64,
        cells,
        calls,
        costs,
        memory,
        crowds,
        took_s: begun.elapsed().as_secs_f64(),
    })
}

/// One pair of processes.
fn session(program: &Path, cell: &Cell, effort: &Effort, machine: &Machine, number: u32) -> Result<Vec<Round>> {
    let dir = measure::folder()?;
    let task = Task {
        transport: cell.transport.clone(),
        lane: cell.lane,
        rate: cell.rate,
        place: place(cell, format!("compare-{}-{number}", std::process::id()), dir.path().to_owned()),
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
