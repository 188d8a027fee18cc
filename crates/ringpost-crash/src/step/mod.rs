//! A death after every instruction.
//!
//! A kill leaves in shared memory exactly the bytes that are there, and takes the locks of the killed with it. So the
//! child is stopped after each instruction, the bytes of its segment are copied to another name, where nobody has a lock,
//! and what a kill would have left there is repaired, drained, compared and used. Bytes that have not changed since the
//! last look give the same again and are not looked at twice. A dead-letter queue is a second segment, treated alike. Real kills, with real locks, confirm it at samples.

mod double;
mod kills;
mod walk;

use crate::account::{Account, First, examine};
use crate::findings::{Findings, Wrong};
use crate::operation::{Maker, Must, Operation, Pair, expected};
use crate::report::{Row, Table};
use crate::segment::OwnName;
use crate::traced::Traced;
use crate::{Result, scene, watchdog, workers};
use clap::Args;
use walk::{Remains, Watch, walk};

/// What is to be done.
#[derive(Debug, Args)]
pub struct StepArgs {
    /// Only these operations
    #[arg(long, value_enum, value_delimiter = ',')]
    operations: Vec<Operation>,
    /// Only these ends
    #[arg(long, value_enum, value_delimiter = ',')]
    ends: Vec<Pair>,
    /// Real kills at sampled instructions, at least so many in all, besides those at every system call
    #[arg(long, default_value_t = 1000)]
    kills: u64,
    /// Where the samples begin
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// For the gate: one sample of each operation; with many ends only, second deaths after send and pull, and real kills at
    /// system calls
    #[arg(long)]
    quick: bool,
}

/// Everything that was seen of one operation.
struct Seen {
    operation: Operation,
    ends: Pair,
    instructions: u64,
    /// What a kill leaves, each once, and whether the operation was over.
    remains: Vec<(Remains, bool)>,
}

/// Does it all.
pub fn run(args: &StepArgs) -> Result<Vec<Table>> {
    let cases = cases(args);
    let samples = args.kills.div_ceil(cases.len().max(1) as u64);
    let samples = if args.quick { samples.min(1) } else { samples };
    let rows = workers::for_each(&cases, |(operation, ends)| {
        let (seen, stepped) = step(*operation, *ends)?;
        let doubled = if double::is_wanted(&seen, args.quick) { Some(double::step(&seen)?) } else { None };
        let killed = kills::run(&seen, samples, args)?;
        Ok((stepped, doubled, killed))
    })?;
    let mut stepped = Table { key: "steps", title: "A death after every instruction", rows: Vec::new() };
    let mut doubled = Table {
        key: "second_deaths",
        title: "A second death after every instruction of the repairer",
        rows: Vec::new(),
    };
    let mut killed = Table { key: "kills", title: "Real kills, repaired with real locks", rows: Vec::new() };
    for (step, double, kill) in rows {
        stepped.rows.push(step);
        doubled.rows.extend(double);
        killed.rows.push(kill);
    }
    Ok(vec![stepped, doubled, killed])
}

fn cases(args: &StepArgs) -> Vec<(Operation, Pair)> {
    let is_wanted = |(operation, ends): &(Operation, Pair)| {
        (args.operations.is_empty() || args.operations.contains(operation))
            && (args.ends.is_empty() || args.ends.contains(ends))
    };
    let all = Operation::all().iter().flat_map(|operation| operation.ends().iter().map(|ends| (*operation, *ends)));
    all.filter(is_wanted).collect()
}

/// What must be left by a death in the middle of an operation, or after it.
fn account(operation: Operation, ends: Pair, finished: bool) -> Account {
    let there = match (operation, finished) {
        (Operation::Create | Operation::CreateTemporary | Operation::OpenOrCreate, false) => Must::Maybe,
        (Operation::Remove | Operation::LeaveEphemeral, false) => Must::Maybe,
        (Operation::Remove | Operation::LeaveEphemeral, true) => Must::NotBe,
        _ => Must::Be,
    };
    let made_empty = operation.maker() == Maker::Nobody;
    let messages = if made_empty { Vec::new() } else { expected(operation, ends, finished) };
    let copies = operation.buries().then_some(usize::from(!finished));
    Account { messages, there, copies }
}

/// Makes the queue if it is to be there, and a child that stands before the operation.
fn prepare(name: &OwnName, operation: Operation, ends: Pair) -> Result<Traced> {
    name.clear();
    match (operation, operation.maker()) {
        (Operation::Recover, _) => name.write(&scene::corpse(&OwnName::new("corpse"), ends)?)?,
        _ if operation.buries() => scene::overdue(name, operation, ends)?,
        (_, Maker::Tracer) => operation.create(name, ends)?,
        _ => {}
    }
    Traced::start(&["play", name, &operation.name(), &ends.name()])
}

fn watch(name: &OwnName, operation: Operation) -> Result<Watch<'_>> {
    if operation.is_inside() { Watch::file(name) } else { Ok(Watch::name(name)) }
}

fn labels(operation: Operation, ends: Pair) -> Vec<(&'static str, String)> {
    vec![("operation", operation.name()), ("ends", ends.name())]
}

fn wrong() -> Vec<&'static str> {
    Wrong::ALL.into_iter().map(Wrong::name).collect()
}

/// Steps through one operation and checks what each death would leave.
fn step(operation: Operation, ends: Pair) -> Result<(Seen, Row)> {
    let name = OwnName::new("stepped");
    let copy = OwnName::new("copy");
    let mut row = Row::new(labels(operation, ends), &["instructions", "system calls", "states", "checks"], &wrong());
    let mut traced = prepare(&name, operation, ends)?;
    let mut remains = Vec::new();
    let accounts = [false, true].map(|finished| account(operation, ends, finished));
    let refuse_unnamed = operation == Operation::CreateTemporary;
    let length = walk(&mut traced, &mut watch(&name, operation)?, refuse_unnamed, |left, finished| {
        let place = format!("state {}, {}", remains.len(), if finished { "over" } else { "under way" });
        if finished && !left.temporaries.is_empty() {
            row.blame(Wrong::Leaked.name(), format!("{place}: {:?}", left.temporaries));
        }
        check(&copy, left, &accounts[usize::from(finished)], &mut row, &place)?;
        remains.push((left.clone(), finished));
        Ok(())
    })?;
    row.count("instructions", length.instructions);
    row.count("system calls", length.system_calls);
    row.count("states", remains.len() as u64);
    Ok((Seen { operation, ends, instructions: length.instructions, remains }, row))
}

/// Checks a copy of what is left, once with a sender as the first to come, once with a receiver.
fn check(copy: &OwnName, left: &Remains, account: &Account, row: &mut Row, place: &str) -> Result<()> {
    for first in [First::Sender, First::Receiver] {
        left.put(copy)?;
        let findings = examine(copy, account, first);
        row.count("checks", 1);
        row.add(&findings, place);
        watchdog::tick();
    }
    Ok(())
}

/// What is there and should not be.
fn leaked(text: String) -> Findings {
    let mut findings = Findings::default();
    findings.add(Wrong::Leaked, text);
    findings
}
