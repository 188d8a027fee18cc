//! Real deaths by SIGKILL, with real locks: at sampled instructions, and before and after every system call.

use std::fs::File;
use std::time::{Duration, SystemTime};

use nix::sys::signal::Signal;
use ringpost::{Queue, Receiver, Sender};

use super::walk::{Step, Watch, advance, walk};
use super::{Seen, StepArgs, account, labels, leaked, prepare, wrong};
use crate::account::{First, examine, examine_as};
use crate::operation::{Operation, Pair};
use crate::report::Row;
use crate::segment::{OwnName, mark_sleepers, temporaries};
use crate::traced::{Stop, Traced, opens_unnamed, refusal};
use crate::{Result, watchdog};

/// What makers leave behind is cleared away when it is older than a minute.
const OLD: Duration = Duration::from_secs(120);

/// When to kill.
#[derive(Clone, Copy, Debug)]
enum Moment {
    /// After so many instructions.
    Instruction(u64),
    /// At the so-manieth stop before or after a system call.
    SystemCall(u64),
}

/// Kills at so many samples, and at system calls, of an operation that was stepped through.
pub fn run(seen: &Seen, samples: u64, args: &StepArgs) -> Result<Row> {
    let done = ["kills", "at instructions", "at system calls", "found by members"];
    let mut row = Row::new(labels(seen.operation, seen.ends), &done, &wrong());
    let mut random = args.seed.wrapping_add(seen.instructions).wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    for _ in 0..samples {
        random = next(random);
        let moment = Moment::Instruction(random % (seen.instructions + 1));
        // Half of them with living members, who must find out for themselves.
        let has_members = random & 1 << 40 != 0 && may_have_members(seen);
        kill(seen, moment, has_members, &mut row)?;
        row.count("at instructions", 1);
    }
    if !args.quick || seen.ends == Pair::ManyMany {
        kill_at_system_calls(seen, false, &mut row)?;
    }
    if !args.quick && may_have_members(seen) {
        kill_at_system_calls(seen, true, &mut row)?;
    }
    Ok(row)
}

/// xorshift64.
fn next(mut random: u64) -> u64 {
    random ^= random << 13;
    random ^= random >> 7;
    random ^ random << 17
}

/// Whether there is room for others while the operation goes on. Not where they would do its work before it begins, nor
/// with dead letters, where they would not know when they have all.
fn may_have_members(seen: &Seen) -> bool {
    let is_a_repair = matches!(seen.operation, Operation::Recover | Operation::Repair);
    let is_fit = seen.operation.is_inside() && !seen.operation.buries() && !is_a_repair;
    seen.ends == Pair::ManyMany && is_fit
}

fn kill_at_system_calls(seen: &Seen, has_members: bool, row: &mut Row) -> Result<()> {
    for stop in 1.. {
        if !kill(seen, Moment::SystemCall(stop), has_members, row)? {
            break;
        }
        row.count("at system calls", 1);
    }
    Ok(())
}

/// Kills a child at that moment and checks what it leaves. `false`: the operation was over before.
fn kill(seen: &Seen, moment: Moment, has_members: bool, row: &mut Row) -> Result<bool> {
    let name = OwnName::new("killed");
    let (operation, ends) = (seen.operation, seen.ends);
    let mut traced = prepare(&name, operation, ends)?;
    let members = if has_members { Some(join(&name)?) } else { None };
    let over = match moment {
        Moment::Instruction(count) => run_instructions(&mut traced, count, operation)?,
        Moment::SystemCall(stop) => run_system_calls(&mut traced, stop, operation)?,
    };
    let pid = traced.pid();
    traced.kill();
    let account = account(operation, ends, over);
    let findings = match members {
        Some((queue, tx, rx)) => {
            row.count("found by members", 1);
            examine_as((tx, rx), &queue, &account)
        }
        None => examine(&name, &account, if row.done[0].1.is_multiple_of(2) { First::Sender } else { First::Receiver }),
    };
    row.add(&findings, &format!("{moment:?}"));
    row.count("kills", 1);
    if !temporaries(pid)?.is_empty() && !are_collected(pid)? {
        row.add(&leaked(format!("{:?}", temporaries(pid)?)), &format!("{moment:?}"));
    }
    watchdog::tick();
    Ok(!over)
}

fn join(name: &str) -> Result<(Queue, Sender, Receiver)> {
    let queue = Queue::open(name)?;
    let (tx, rx) = (queue.sender()?, queue.receiver()?);
    // Joining has woken everyone, as it should. Now they sleep again.
    mark_sleepers(name)?;
    Ok((queue, tx, rx))
}

/// Goes so many instructions on; says whether the operation is over.
fn run_instructions(traced: &mut Traced, count: u64, operation: Operation) -> Result<bool> {
    for _ in 0..count {
        if advance(traced, operation == Operation::CreateTemporary)? == Step::Finished {
            return Ok(true);
        }
    }
    Ok(traced.is_finish(traced.address()?))
}

/// Goes on to that entry or exit of a system call; says whether the operation was over before.
fn run_system_calls(traced: &mut Traced, stop: u64, operation: Operation) -> Result<bool> {
    for at in 1..=stop {
        match traced.run_to_system_call()? {
            Stop::SystemCall if operation == Operation::CreateTemporary => refuse_unnamed(traced, at)?,
            Stop::SystemCall => {}
            Stop::Finished => return Ok(true),
            Stop::Signal(Signal::SIGTRAP) => return Err("a breakpoint that is not ours".into()),
            other => return Err(format!("before system call {at}: {other:?}").into()),
        }
    }
    Ok(false)
}

/// At an entry: lets the call that makes a file without a name do nothing. At an exit: makes such a one fail.
fn refuse_unnamed(traced: &mut Traced, at: u64) -> Result<()> {
    let mut registers = traced.registers()?;
    let is_entry = at % 2 == 1;
    if is_entry && opens_unnamed(registers.orig_rax, &registers) {
        registers.orig_rax = u64::MAX;
    } else if !is_entry && registers.orig_rax == u64::MAX {
        registers.rax = refusal(libc::EOPNOTSUPP);
    } else {
        return Ok(());
    }
    traced.set_registers(registers)
}

/// Whether the next maker who comes that way clears the files away that process `pid` left, once they are old.
fn are_collected(pid: u32) -> Result<bool> {
    let left = temporaries(pid)?;
    for path in &left {
        File::options().write(true).open(path)?.set_modified(SystemTime::now() - OLD)?;
    }
    let name = OwnName::new("collector");
    let mut maker = prepare(&name, Operation::CreateTemporary, Pair::ManyMany)?;
    walk(&mut maker, &mut Watch::name(&name), true, |_, _| Ok(()))?;
    Ok(temporaries(pid)?.is_empty())
}
