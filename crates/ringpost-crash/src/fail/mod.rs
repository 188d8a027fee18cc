//! The n-th system call fails, for every n and in every plausible way.
//!
//! The child runs freely between its markers, but for one system call, or for all of its kind from then on, which is not
//! made and returns an error instead. It
//! must succeed all the same or report an error of the library: no panic, no signal, no hang. It must have let go of
//! everything, and what others see must be a whole queue, as it was before, or none.

mod attempt;
mod errnos;

use std::io::Read;

use clap::{Args, ValueEnum};
use nix::sys::signal::Signal;
use ringpost::Queue;

pub use attempt::{Attempt, run as attempt};

use crate::account::{First, examine};
use crate::operation::{Operation, Pair};
use crate::report::{Row, Table};
use crate::segment::{OwnName, temporaries};
use crate::traced::{Stop, Traced, opens_unnamed, refusal};
use crate::{Result, scene, watchdog, workers};
use errnos::Call;

/// What is to be done.
#[derive(Debug, Args)]
pub struct FailArgs {
    /// Only these attempts
    #[arg(long, value_enum, value_delimiter = ',')]
    attempts: Vec<Attempt>,
    /// Tell each failure and what came of it
    #[arg(long)]
    verbose: bool,
}

/// One failure: the so-manieth system call, and how.
#[derive(Clone, Copy, Debug)]
struct Failure {
    call: usize,
    errno: i32,
    /// All calls of that kind fail from then on.
    lasts: bool,
}

/// How one run of a child ended.
#[derive(Debug)]
enum End {
    /// It said so itself.
    Said(Said),
    /// It was not done in time.
    Hung,
    /// It died of this, or ended otherwise than by itself.
    Died(Stop),
}

/// What a child says at its end.
#[derive(Debug)]
struct Said {
    how: String,
    before: u64,
    after: u64,
    rows: u64,
    error: String,
}

const DONE: [&str; 4] = ["calls", "failures", "survived", "typed errors"];
const WRONG: [&str; 5] = ["leaks", "half-made", "others harmed", "hangs", "panics"];

/// Does it all.
pub fn run(args: &FailArgs) -> Result<Vec<Table>> {
    let bystander = OwnName::new("bystander");
    let queue = Queue::create(&bystander, Operation::Open.options(Pair::ManyMany))?;
    scene::fill(&queue, Operation::Open.scene(Pair::ManyMany))?;
    let before = std::fs::read(bystander.path())?;
    let attempts = Attempt::value_variants().iter().copied();
    let is_wanted = |attempt: &Attempt| args.attempts.is_empty() || args.attempts.contains(attempt);
    let cases = attempts.filter(is_wanted).flat_map(|attempt| attempt.ends().iter().map(move |ends| (attempt, *ends)));
    let rows = workers::for_each(&cases.collect::<Vec<_>>(), |(attempt, ends)| {
        let mut row = fail_each(*attempt, *ends, args)?;
        if std::fs::read(bystander.path())? != before {
            row.blame("others harmed", "another queue has changed".to_owned());
        }
        Ok(row)
    })?;
    ringpost::remove(&bystander)?;
    Ok(vec![Table {
        key: "failures",
        title: "Every system call fails, in every plausible way, once and from then on",
        rows,
    }])
}

fn fail_each(attempt: Attempt, ends: Pair, args: &FailArgs) -> Result<Row> {
    let operation = attempt.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned());
    let labels = vec![("operation", operation.clone()), ("ends", ends.name())];
    let mut row = Row::new(labels, &DONE, &WRONG);
    let name = OwnName::new("failing");
    let calls = fail_once(&name, attempt, ends, None, &mut row, args.verbose)?;
    row.count("calls", calls.len() as u64);
    for (call, made) in calls.iter().enumerate() {
        for errno in made.errnos().iter().copied() {
            for lasts in [false, true].into_iter().take(1 + usize::from(made.may_last(errno))) {
                let failure = Failure { call, errno, lasts };
                fail_once(&name, attempt, ends, Some(failure), &mut row, args.verbose)?;
                watchdog::tick();
            }
        }
    }
    Ok(row)
}

/// One run with one failure, or with none. Returns the system calls that were made.
fn fail_once(
    name: &OwnName,
    attempt: Attempt,
    ends: Pair,
    failure: Option<Failure>,
    row: &mut Row,
    verbose: bool,
) -> Result<Vec<Call>> {
    name.clear();
    match attempt {
        Attempt::Recover => name.write(&scene::corpse(&OwnName::new("corpse"), ends)?)?,
        Attempt::LeaveEphemeral => {}
        _ if attempt.makes_queue() => {}
        _ => drop(Queue::create(name, attempt.scene().options(ends))?),
    }
    let operation = row.labels[0].1.clone();
    let mut child = Traced::start(&["attempt", name, &operation, &ends.name()])?;
    let pid = child.pid();
    let (calls, end) = run_failing(&mut child, failure, attempt == Attempt::CreateTemporary)?;
    child.kill();
    let place = match failure {
        Some(Failure { call, errno, lasts }) => {
            let error = std::io::Error::from_raw_os_error(errno);
            let which = calls.get(call).map_or_else(|| "not made".to_owned(), |call| format!("{call:?}"));
            format!("call {call}, {which}, {}: {error}", if lasts { "from then on" } else { "once" })
        }
        None => "no failure".to_owned(),
    };
    if verbose {
        let end = match &end {
            End::Said(said) => format!("{} {}", said.how, said.error),
            other => format!("{other:?}"),
        };
        eprintln!("{operation} {}: {place}: {end}", ends.name());
    }
    let can_fail =
        |failure: Failure| calls.get(failure.call).is_some_and(|call| call.errnos().contains(&failure.errno));
    let has_failed = failure.is_some_and(can_fail);
    row.count("failures", u64::from(has_failed));
    let succeeded = judge(&end, row, &place, has_failed);
    if !temporaries(pid)?.is_empty() {
        row.blame("leaks", format!("{place}: {:?}", temporaries(pid)?));
    }
    if !succeeded && attempt.makes_queue() && name.path().exists() {
        row.blame("half-made", format!("{place}: the name is there"));
    }
    let findings = examine(name, &attempt.account(ends, succeeded), First::Receiver);
    for text in findings.texts() {
        row.blame("half-made", format!("{place}: {text}"));
    }
    Ok(calls)
}

/// Counts how a run ended; says whether the operation succeeded.
fn judge(end: &End, row: &mut Row, place: &str, counts: bool) -> bool {
    match end {
        End::Hung => row.blame("hangs", format!("{place}: not done after {} s", attempt::LIMIT)),
        End::Died(stop) => row.blame("panics", format!("{place}: {stop:?}")),
        End::Said(said) => {
            if said.after != said.before {
                row.blame("leaks", format!("{place}: {} descriptors became {}", said.before, said.after));
            }
            if said.rows != 0 {
                row.blame("leaks", format!("{place}: {} rows are left", said.rows));
            }
            match said.how.as_str() {
                "ok" => {
                    row.count("survived", u64::from(counts));
                    return true;
                }
                "error" => row.count("typed errors", u64::from(counts)),
                _ => row.blame("panics", format!("{place}: a panic")),
            }
        }
    }
    false
}

/// Lets the child run, with its failure, to its end. Returns the system calls between the markers.
fn run_failing(child: &mut Traced, failure: Option<Failure>, refuse_unnamed: bool) -> Result<(Vec<Call>, End)> {
    let mut calls = Vec::new();
    loop {
        match child.run_to_system_call()? {
            Stop::SystemCall => {}
            Stop::Finished => break,
            stop => return Ok((calls, ended(stop))),
        }
        let mut registers = child.registers()?;
        let call = Call::at_entry(child.pid(), &registers);
        let unnamed = refuse_unnamed && opens_unnamed(registers.orig_rax, &registers);
        calls.push(call);
        let fails = |failure: &Failure| {
            let at = calls.len() - 1;
            let its_turn =
                at == failure.call || failure.lasts && at > failure.call && call.is_like(calls[failure.call]);
            // What others do in the directory may have led to another call here than the last time.
            its_turn && call.errnos().contains(&failure.errno)
        };
        let failing = failure.filter(fails).map(|failure| failure.errno);
        let errno = failing.or(unnamed.then_some(libc::EOPNOTSUPP));
        if errno.is_some() && !call.works_anyway() {
            registers.orig_rax = u64::MAX;
            child.set_registers(registers)?;
        }
        match child.run_to_system_call()? {
            Stop::SystemCall => {}
            stop => return Ok((calls, ended(stop))),
        }
        if let Some(errno) = errno {
            let mut registers = child.registers()?;
            registers.rax = refusal(errno);
            child.set_registers(registers)?;
        }
    }
    let mut output = child.output().ok_or("the child has no output")?;
    let end = match child.run_on(None)? {
        Stop::Gone(0) => {
            let mut text = String::new();
            output.read_to_string(&mut text)?;
            End::Said(understand(&text).ok_or_else(|| format!("the child says {text:?}"))?)
        }
        stop => ended(stop),
    };
    Ok((calls, end))
}

fn ended(stop: Stop) -> End {
    if stop == Stop::Signal(Signal::SIGALRM) { End::Hung } else { End::Died(stop) }
}

fn understand(text: &str) -> Option<Said> {
    let mut fields = text.trim_end_matches('\n').split('\t');
    let mut next = || fields.next();
    Some(Said {
        how: next()?.to_owned(),
        before: next()?.parse().ok()?,
        after: next()?.parse().ok()?,
        rows: next()?.parse().ok()?,
        error: next()?.to_owned(),
    })
}
