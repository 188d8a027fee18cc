//! The child whose system calls fail: it prepares, does one thing between the markers, lets go of everything, and says what
//! came of it and what is left.

use std::any::Any;
use std::fmt::Debug;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use clap::ValueEnum;
use ringpost::Queue;

use crate::Result;
use crate::account::Account;
use crate::marker::{begin, finish};
use crate::message;
use crate::operation::{Must, Operation, Pair, Scene, expected};
use crate::scene::{fill, hold, survive};
use crate::segment::mark_sleepers;

/// How long the waits last that end by their timeout.
const TIMEOUT: Duration = Duration::from_millis(20);
/// Whoever is not done after this hangs, in seconds.
pub const LIMIT: u32 = 10;

/// What is attempted while a system call fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Attempt {
    /// Make a queue
    Create,
    /// Make a queue where files without a name cannot be had
    CreateTemporary,
    /// Open a queue
    Open,
    /// Make or open a queue that is not there
    OpenOrCreateNew,
    /// Make or open a queue that is there
    OpenOrCreateOld,
    /// Wait for a queue that is there
    WaitFor,
    /// Join as a sender
    JoinSender,
    /// Join as a receiver
    JoinReceiver,
    /// Join both ends after others died
    Recover,
    /// Receive where others died meanwhile with a loan and with messages
    Repair,
    /// Send and wake
    Send,
    /// Receive, release and wake
    Receive,
    /// Wait 20 ms for a message
    PullTimeout,
    /// Wait 20 ms for room
    SendTimeout,
    /// Remove a queue
    Remove,
    /// Leave as a sender
    LeaveSender,
    /// Leave as a receiver
    LeaveReceiver,
    /// Leave as a receiver that has leaked what it holds
    LeaveHolding,
    /// Close an ephemeral queue, the last one out
    LeaveEphemeral,
    /// List all queues
    List,
    /// Describe a queue
    Stat,
}

/// What came of the attempt: what is to be let go of, or the error in words.
type Outcome = std::result::Result<Box<dyn Any>, String>;
type Action = Box<dyn FnOnce() -> Outcome>;

impl Attempt {
    /// The combinations of ends that make a difference to it.
    pub fn ends(self) -> &'static [Pair] {
        match self {
            Self::JoinSender | Self::JoinReceiver | Self::Recover | Self::PullTimeout | Self::SendTimeout => {
                &[Pair::OneOne, Pair::ManyMany]
            }
            _ => &[Pair::ManyMany],
        }
    }

    /// What gives its options, and what is in the queue when it begins.
    pub fn scene(self) -> Operation {
        match self {
            Self::SendTimeout => Operation::SendFull,
            Self::LeaveEphemeral => Operation::LeaveEphemeral,
            Self::LeaveHolding => Operation::LeaveHolding,
            Self::Recover => Operation::Recover,
            Self::Repair => Operation::Repair,
            _ => Operation::Open,
        }
    }

    /// Whether there is no queue when it begins.
    pub fn makes_queue(self) -> bool {
        matches!(self, Self::Create | Self::CreateTemporary | Self::OpenOrCreateNew)
    }

    /// What must be left when it has succeeded, or failed.
    pub fn account(self, ends: Pair, succeeded: bool) -> Account {
        let mut messages = expected(self.scene(), ends, true);
        let there = match self {
            _ if self.makes_queue() => {
                messages.clear();
                if succeeded { Must::Be } else { Must::NotBe }
            }
            Self::Remove if succeeded => Must::NotBe,
            // What cannot be finished is left to the next who comes.
            Self::Remove | Self::LeaveEphemeral => Must::Maybe,
            _ => Must::Be,
        };
        match self {
            Self::Send if succeeded => messages.extend(expected(Operation::Send, ends, true).pop()),
            Self::Receive => messages[0].there = if succeeded { Must::NotBe } else { Must::Be },
            // Without the lock of the dead nobody can know that they are, and the next who looks finds them.
            Self::Repair => messages[0].there = Must::Maybe,
            Self::PullTimeout => messages.clear(),
            _ => {}
        }
        Account { messages, there, copies: None }
    }
}

/// Does it, and writes one line: how it ended, descriptors before and after, rows that are left, and the error if any.
///
/// # Errors
/// The preparation failed, which nothing here disturbs.
pub fn run(name: &str, attempt: Attempt, ends: Pair) -> Result<()> {
    nix::unistd::alarm::set(LIMIT);
    let before = descriptors()?;
    let action = prepare(name, attempt, ends)?;
    begin();
    let outcome = catch_unwind(AssertUnwindSafe(action));
    finish();
    let (how, text) = match &outcome {
        Ok(Ok(_)) => ("ok", String::new()),
        Ok(Err(text)) => ("error", text.clone()),
        Err(_) => ("panic", String::new()),
    };
    drop(outcome);
    // An ephemeral queue goes with the last who had it open, so it is not opened once more only to look at it.
    let is_lasting = attempt != Attempt::LeaveEphemeral;
    let rows = if is_lasting { own_rows(name) } else { 0 };
    println!("{how}\t{before}\t{}\t{rows}\t{text}", descriptors()?);
    Ok(())
}

/// Rows that say that an endpoint of this process has them.
fn own_rows(name: &str) -> usize {
    let own = Some(std::process::id());
    Queue::open(name).map_or(0, |queue| queue.stat().endpoints.iter().filter(|row| row.pid == own).count())
}

fn descriptors() -> Result<usize> {
    Ok(std::fs::read_dir("/proc/self/fd")?.count())
}

fn keep<T: 'static, E: Debug>(result: std::result::Result<T, E>) -> Outcome {
    result.map(|value| Box::new(value) as Box<dyn Any>).map_err(|error| format!("{error:?}"))
}

/// For what reports no error.
fn let_go<T>(value: T) -> Outcome {
    drop(value);
    Ok(Box::new(()))
}

fn prepare(name: &str, attempt: Attempt, ends: Pair) -> Result<Action> {
    let name = name.to_owned();
    let options = attempt.scene().options(ends);
    Ok(match attempt {
        Attempt::Create | Attempt::CreateTemporary => Box::new(move || keep(Queue::create(&name, options))),
        Attempt::OpenOrCreateNew => Box::new(move || keep(Queue::open_or_create(&name, options))),
        Attempt::LeaveEphemeral => {
            let queue = Queue::create(&name, options)?;
            fill(&queue, attempt.scene().scene(ends))?;
            Box::new(move || let_go(queue))
        }
        Attempt::Recover => {
            let queue = Queue::open(&name)?;
            Box::new(move || keep(queue.sender().and_then(|tx| Ok((tx, queue.receiver()?)))))
        }
        Attempt::Repair => {
            let (tx, mut rx) = survive(&Queue::open(&name)?, ends)?;
            Box::new(move || keep(rx.recv_timeout(6 * TIMEOUT).map(drop).map(|()| (tx, rx))))
        }
        _ => {
            let queue = Queue::open(&name)?;
            if attempt != Attempt::PullTimeout {
                fill(&queue, attempt.scene().scene(ends))?;
            }
            prepare_filled(name, queue, attempt, ends)?
        }
    })
}

fn prepare_filled(name: String, queue: Queue, attempt: Attempt, ends: Pair) -> Result<Action> {
    let scene = attempt.scene().scene(ends);
    Ok(match attempt {
        Attempt::Open => Box::new(move || keep(Queue::open(&name))),
        Attempt::OpenOrCreateOld => Box::new(move || keep(Queue::open_or_create(&name, attempt.scene().options(ends)))),
        Attempt::WaitFor => Box::new(move || keep(Queue::wait_for(&name, TIMEOUT))),
        Attempt::Remove => Box::new(move || keep(ringpost::remove(&name))),
        Attempt::List => Box::new(move || keep(ringpost::list())),
        Attempt::Stat => Box::new(move || keep(Ok::<_, ()>(queue.stat()))),
        Attempt::JoinSender => Box::new(move || keep(queue.sender())),
        Attempt::JoinReceiver => Box::new(move || keep(queue.receiver())),
        _ => prepare_joined(&queue, attempt, scene)?,
    })
}

fn prepare_joined(queue: &Queue, attempt: Attempt, scene: Scene) -> Result<Action> {
    let (mut tx, mut rx) = (queue.sender()?, queue.receiver()?);
    mark_sleepers(queue.name())?;
    let bytes = message::make(scene.end());
    Ok(match attempt {
        Attempt::LeaveSender => Box::new(move || let_go(tx)),
        Attempt::LeaveReceiver => Box::new(move || let_go(rx)),
        Attempt::LeaveHolding => {
            std::mem::forget(hold(&mut rx, scene, true)?);
            Box::new(move || let_go(rx))
        }
        Attempt::Send => Box::new(move || keep(tx.send(&bytes).map(|()| tx))),
        Attempt::SendTimeout => Box::new(move || keep(tx.send_timeout(&bytes, TIMEOUT).map(|()| tx))),
        Attempt::Receive => Box::new(move || keep(rx.recv().map(|message| message.release()).map(|()| rx))),
        _ => Box::new(move || keep(rx.pull(1, TIMEOUT).map(|batch| batch.len()).map(|_| rx))),
    })
}
