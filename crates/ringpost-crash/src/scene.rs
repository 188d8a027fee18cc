//! The child: it prepares a queue, comes to the first marker, does one operation, and comes to the last.

use std::os::unix::process::ExitStatusExt;
use std::process::Command;
use std::time::Duration;

use nix::sys::signal::{Signal, raise};
use ringpost::{Batch, Ends, Message, Options, Queue, Receiver, Sender, Wait, Waitable, wait_any};

use crate::Result;
use crate::marker::{begin, finish};
use crate::message::{self, Block};
use crate::operation::{Operation, Pair, Scene, dead_letters};
use crate::segment::{self, OwnName, mark_sleepers};

/// Prepares the queue `name` for `operation` and does it between the markers.
///
/// # Errors
/// What the library reports, none of which should happen.
pub fn play(name: &str, operation: Operation, ends: Pair) -> Result<()> {
    // Nothing here takes so long, even in steps. Should the tracer hang, we do not.
    nix::unistd::alarm::set(300);
    match operation {
        Operation::Create | Operation::CreateTemporary => {
            let options = operation.options(ends);
            begin();
            let made = Queue::create(name, options);
            finish();
            made?;
        }
        Operation::OpenOrCreate => {
            let options = operation.options(ends);
            begin();
            let made = Queue::open_or_create(name, options);
            finish();
            made?;
        }
        Operation::Open => {
            fill(&Queue::open(name)?, operation.scene(ends))?;
            begin();
            let opened = Queue::open(name);
            finish();
            opened?;
        }
        Operation::Remove => {
            fill(&Queue::open(name)?, operation.scene(ends))?;
            begin();
            let removed = ringpost::remove(name);
            finish();
            removed?;
        }
        Operation::LeaveEphemeral => {
            let queue = Queue::create(name, operation.options(ends))?;
            fill(&queue, operation.scene(ends))?;
            begin();
            drop(queue);
            finish();
        }
        Operation::Recover => {
            let queue = Queue::open(name)?;
            begin();
            let joined = (queue.sender(), queue.receiver());
            finish();
            let _ = (joined.0?, joined.1?);
        }
        Operation::Bury | Operation::BuryBatch => bury(&Queue::open(name)?, operation)?,
        Operation::Repair => repair(&Queue::open(name)?, ends)?,
        _ => inside(&Queue::open(name)?, operation, operation.scene(ends))?,
    }
    Ok(())
}

/// One that is joined all the time meets what another has left that died.
fn repair(queue: &Queue, ends: Pair) -> Result<()> {
    let (early, mut rx) = survive(queue, ends)?;
    begin();
    let got = rx.try_recv();
    finish();
    got?;
    drop(early);
    Ok(())
}

/// Joins as a receiver, and as a sender if there may be many; then another process dies with what it holds.
pub fn survive(queue: &Queue, ends: Pair) -> Result<(Option<Sender>, Receiver)> {
    fill(queue, Operation::Repair.scene(ends))?;
    let early = if ends.receivers() == Ends::Single { None } else { Some(queue.sender()?) };
    let rx = queue.receiver()?;
    let died = Command::new("/proc/self/exe").args(["die", queue.name(), &ends.name()]).status()?;
    if died.signal() != Some(Signal::SIGKILL as i32) {
        return Err(format!("the other one ended with {died}").into());
    }
    mark_sleepers(queue.name())?;
    Ok((early, rx))
}

/// Takes messages, claims two slots, and dies with them.
pub fn die(name: &str, ends: Pair) -> Result<()> {
    let queue = Queue::open(name)?;
    let scene = Operation::Repair.scene(ends);
    let mut rx = if scene.held > 0 { Some(queue.receiver()?) } else { None };
    let _batch = rx.as_mut().map(|rx| hold(rx, scene, true)).transpose()?;
    half_send(&mut queue.sender()?, scene, || Ok(raise(Signal::SIGKILL)?))
}

/// Leaves a queue as one is whose sender died with a loan, or in the middle of a batch where there may be many, and whose
/// receiver died with messages: the bytes of it.
pub fn corpse(name: &OwnName, ends: Pair) -> Result<Vec<u8>> {
    let operation = Operation::Recover;
    let queue = Queue::create(name, operation.options(ends))?;
    let scene = operation.scene(ends);
    fill(&queue, scene)?;
    let mut rx = queue.receiver()?;
    let batch = hold(&mut rx, scene, true)?;
    let mut tx = queue.sender()?;
    let read = || Ok(std::fs::read(name.path())?);
    // A single sender claims nothing: its batch would show message by message.
    let bytes =
        if ends.senders() == Ends::Multi { half_send(&mut tx, scene, read)? } else { half_lend(&mut tx, scene, read)? };
    drop(batch);
    drop((tx, rx));
    ringpost::remove(name)?;
    Ok(bytes)
}

/// Sends two messages at once, and does that when the first of them is written.
fn half_send<T>(tx: &mut Sender, scene: Scene, between: impl FnOnce() -> Result<T>) -> Result<T> {
    let messages = [message::make(scene.end()), message::make(scene.end() + 1)];
    let (mut between, mut done) = (Some(between), None);
    // It says how many come, or they would not be claimed together.
    tx.send_batch(messages.iter().enumerate().map(|(at, bytes)| {
        if at == 1 {
            done = between.take().map(|between| between());
        }
        &bytes[..]
    }))?;
    done.ok_or("two messages were to go")?
}

/// Lends a slot, and does that when a part of it is written.
fn half_lend<T>(tx: &mut Sender, scene: Scene, between: impl FnOnce() -> Result<T>) -> Result<T> {
    let bytes = message::make(scene.end());
    let mut loan = tx.loan(bytes.len())?;
    loan[..8].copy_from_slice(&bytes[..8]);
    between()
}

/// Makes a queue whose next messages have been delivered as often as it allows.
pub fn overdue(name: &OwnName, operation: Operation, ends: Pair) -> Result<()> {
    let dead = segment::dead(name);
    let queue = Queue::create(name, operation.options(ends).max_deliveries(1).dead_letter(&dead))?;
    let scene = operation.scene(ends);
    fill(&queue, scene)?;
    hold(&mut queue.receiver()?, scene, true)?.nack();
    mark_sleepers(name)?;
    if operation == Operation::BuryBatch {
        drop(Queue::create(&dead, dead_letters())?);
        mark_sleepers(&dead)?;
    }
    Ok(())
}

/// Joins and takes what may be taken: what may not, goes to the dead letters.
fn bury(queue: &Queue, operation: Operation) -> Result<()> {
    let size = if operation == Operation::BuryBatch { 3 } else { 1 };
    begin();
    let mut rx = queue.receiver();
    let got = rx.as_mut().map(|rx| rx.try_pull(size).map(std::mem::forget));
    finish();
    Ok(got.map_err(|error| error.to_string())??)
}

/// Sends and releases all before the scene, and sends what waits in it.
pub fn fill(queue: &Queue, scene: Scene) -> Result<()> {
    let mut tx = queue.sender()?;
    let mut rx = queue.receiver()?;
    for number in 0..scene.first {
        tx.try_send(&message::make(number))?;
        rx.try_recv()?.ok_or("a message that was sent is not there")?.release();
    }
    if scene.skipped {
        drop(tx.loan(1)?);
    }
    for number in scene.first..scene.end() {
        tx.try_send(&message::make(number))?;
    }
    Ok(())
}

/// Takes what the scene says is held.
pub fn hold(rx: &mut Receiver, scene: Scene, seen: bool) -> Result<Batch<'_>> {
    let batch = rx.try_pull(scene.held as usize)?;
    if batch.len() as u64 != scene.held {
        return Err(format!("{} messages are there, not {}", batch.len(), scene.held).into());
    }
    if seen {
        // Each that the iterator gives counts as looked at.
        batch.iter().try_for_each(|bytes| message::read(bytes).map(drop)).ok_or("a torn message")?;
    }
    Ok(batch)
}

fn inside(queue: &Queue, operation: Operation, scene: Scene) -> Result<()> {
    fill(queue, scene)?;
    match operation {
        Operation::SendSlices | Operation::ReadSlicesAgain => slices(queue.clone().typed()?, operation, scene)?,
        Operation::JoinSender => {
            let _rx = queue.receiver()?;
            begin();
            let joined = queue.sender();
            finish();
            joined?;
        }
        Operation::JoinReceiver => {
            let _tx = queue.sender()?;
            begin();
            let joined = queue.receiver();
            finish();
            joined?;
        }
        _ => {
            let (tx, rx) = (queue.sender()?, queue.receiver()?);
            mark_sleepers(queue.name())?;
            match operation {
                Operation::LeaveSender | Operation::LeaveReceiver => leave(operation, tx, rx),
                Operation::Send | Operation::SendSkipped | Operation::SendFull | Operation::Overwrite => {
                    send(operation, tx, scene)?
                }
                Operation::SendAgain => send_again(tx, scene)?,
                Operation::Commit | Operation::Abort => loan(operation, tx, scene)?,
                Operation::SendBatch => send_batch(tx, scene)?,
                Operation::WaitAny | Operation::WaitAnyFull => wait(operation, tx, rx)?,
                _ => receive(operation, rx, scene)?,
            }
        }
    }
    Ok(())
}

/// Several values in place at once.
fn slices(queue: Queue<Block>, operation: Operation, scene: Scene) -> Result<()> {
    let (mut tx, mut rx) = (queue.sender()?, queue.receiver()?);
    mark_sleepers(queue.name())?;
    if operation == Operation::ReadSlicesAgain {
        return read_slices_again(&mut rx);
    }
    let values: Vec<_> = (scene.end()..scene.end() + 3).map(message::make).collect();
    let mut next = values.iter();
    begin();
    let sent = tx.send_slices_with(3, |some| {
        some.iter_mut().zip(&mut next).for_each(|(one, value)| one.copy_from_slice(value));
    });
    finish();
    if sent? == 3 { Ok(()) } else { Err("three values were to go".into()) }
}

/// Two more, read in place.
fn read_slices_again(rx: &mut Receiver<Block>) -> Result<()> {
    rx.recv()?.release();
    let (mut torn, mut slices) = (0, 0);
    begin();
    let read = rx.pull_slices_with(2, Duration::ZERO, |some| {
        slices += 1;
        torn += some.iter().filter(|one| message::read(&one[..]).is_none()).count();
    });
    finish();
    if (read?, slices, torn) == (2, 1, 0) { Ok(()) } else { Err("two whole values in one slice were to come".into()) }
}

fn leave(operation: Operation, tx: Sender, rx: Receiver) {
    begin();
    match operation {
        Operation::LeaveSender => drop(tx),
        _ => drop(rx),
    }
    finish();
}

fn send(operation: Operation, mut tx: Sender, scene: Scene) -> Result<()> {
    let bytes = message::make(scene.end());
    begin();
    let sent = if operation == Operation::SendFull { tx.try_send(&bytes) } else { tx.send(&bytes) };
    finish();
    match (operation, sent) {
        (Operation::SendFull, Err(ringpost::SendError::Full { .. })) => Ok(()),
        (_, sent) => Ok(sent?),
    }
}

fn send_again(mut tx: Sender, scene: Scene) -> Result<()> {
    let (first, second) = (message::make(scene.end()), message::make(scene.end() + 1));
    tx.send(&first)?;
    begin();
    let sent = tx.send(&second);
    finish();
    Ok(sent?)
}

fn loan(operation: Operation, mut tx: Sender, scene: Scene) -> Result<()> {
    let bytes = message::make(scene.end());
    begin();
    let lent = tx.loan(bytes.len()).map(|mut loan| {
        loan.copy_from_slice(&bytes);
        if operation == Operation::Commit {
            loan.commit();
        }
    });
    finish();
    Ok(lent?)
}

fn send_batch(mut tx: Sender, scene: Scene) -> Result<()> {
    let messages = [message::make(scene.end()), message::make(scene.end() + 1)];
    begin();
    let sent = tx.send_batch(messages.iter().map(|bytes| &bytes[..]));
    finish();
    sent?;
    Ok(())
}

/// Sleeps with nothing to be had anywhere.
fn wait(operation: Operation, mut tx: Sender, mut rx: Receiver) -> Result<()> {
    tx.set_wait(Wait::Sleep);
    rx.set_wait(Wait::Sleep);
    let other = Queue::in_memory(Options::new(1))?;
    let mut other = other.receiver()?;
    other.set_wait(Wait::Sleep);
    let end: &mut dyn Waitable = if operation == Operation::WaitAnyFull { &mut tx } else { &mut rx };
    begin();
    // Enough to fall asleep and to wake up, step by step, too.
    let found = wait_any(&mut [end, &mut other], Duration::from_millis(120));
    finish();
    if found.is_some() { Err("there is nothing to be had".into()) } else { Ok(()) }
}

/// One more message, when a single receiver knows by now where it comes.
fn receive_again(operation: Operation, rx: &mut Receiver) -> Result<()> {
    rx.recv()?.release();
    let mut bytes = Vec::with_capacity(message::MAX_LEN);
    begin();
    let received = match operation {
        Operation::PullCopyAgain => rx.recv_copy(&mut bytes),
        Operation::ReadAgain => rx.recv_with(|shown| bytes.extend_from_slice(shown)),
        _ => rx.recv().map(|message| bytes.extend_from_slice(&message)),
    };
    finish();
    received?;
    message::read(&bytes).ok_or("the copy is torn")?;
    Ok(())
}

/// Two more, read in place.
fn read_many_again(rx: &mut Receiver) -> Result<()> {
    rx.recv()?.release();
    let mut torn = 0;
    begin();
    let read = rx.pull_some_with(2, Duration::ZERO, |shown| torn += usize::from(message::read(shown).is_none()));
    finish();
    if (read?, torn) == (2, 0) { Ok(()) } else { Err("two whole messages were to come".into()) }
}

fn receive(operation: Operation, mut rx: Receiver, scene: Scene) -> Result<()> {
    match operation {
        Operation::Pull | Operation::PullSkipped | Operation::PullBatch => {
            let size = if operation == Operation::PullBatch { 3 } else { 1 };
            begin();
            let batch = rx.try_pull(size);
            finish();
            batch?.release();
        }
        Operation::PullCopy => {
            let mut bytes = Vec::with_capacity(message::MAX_LEN);
            begin();
            let copied = rx.recv_copy(&mut bytes);
            finish();
            copied?;
            message::read(&bytes).ok_or("the copy is torn")?;
        }
        Operation::PullAgain | Operation::PullCopyAgain | Operation::ReadAgain => receive_again(operation, &mut rx)?,
        Operation::ReadManyAgain => read_many_again(&mut rx)?,
        Operation::ReleaseLate => {
            let mut messages = hold(&mut rx, scene, true)?.into_iter();
            let (first, second) = (messages.next(), messages.next());
            begin();
            drop(second);
            finish();
            drop(first);
        }
        Operation::ReleaseMiddle | Operation::GiveBackMiddle => middle_first(operation, &mut rx, scene)?,
        Operation::HoldRelease | Operation::HoldNack => hold_one(operation, &mut rx)?,
        Operation::HoldLate | Operation::HoldLeave => hold_two(operation, rx, scene)?,
        Operation::LeaveHolding => {
            std::mem::forget(hold(&mut rx, scene, true)?);
            begin();
            drop(rx);
            finish();
        }
        _ => {
            let batch = hold(&mut rx, scene, operation != Operation::GiveBackUnseen)?;
            begin();
            match operation {
                Operation::Release => batch.release(),
                Operation::GiveBack => batch.nack(),
                _ => drop(batch),
            }
            finish();
        }
    }
    Ok(())
}

/// Three, which one word may hold, one by one and not in order.
fn middle_first(operation: Operation, rx: &mut Receiver, scene: Scene) -> Result<()> {
    let mut messages = hold(rx, scene, true)?.into_iter();
    let (Some(first), Some(middle), Some(last)) = (messages.next(), messages.next(), messages.next()) else {
        return Err("nothing to hold".into());
    };
    begin();
    if operation == Operation::GiveBackMiddle {
        middle.nack()
    } else {
        middle.release()
    }
    first.release();
    last.release();
    finish();
    Ok(())
}

fn hold_one(operation: Operation, rx: &mut Receiver) -> Result<()> {
    begin();
    let held = rx.try_recv().map(|message| message.map(Message::hold));
    let settled =
        held.map(|held| held.map(|held| if operation == Operation::HoldNack { held.nack() } else { held.release() }));
    let next = rx.try_recv().map(|message| message.map(Message::hold));
    finish();
    settled?.ok_or("nothing to hold")?;
    next?.ok_or("nothing after that")?.release();
    Ok(())
}

fn hold_two(operation: Operation, mut rx: Receiver, scene: Scene) -> Result<()> {
    let mut held = hold(&mut rx, scene, true)?.hold().into_iter();
    let (Some(older), Some(newer)) = (held.next(), held.next()) else { return Err("nothing to hold".into()) };
    begin();
    if operation == Operation::HoldLeave {
        drop(rx);
        newer.nack();
        older.release();
        finish();
        return Ok(());
    }
    newer.release();
    older.nack();
    let next = rx.try_recv();
    finish();
    next?.ok_or("nothing after that")?.release();
    Ok(())
}
