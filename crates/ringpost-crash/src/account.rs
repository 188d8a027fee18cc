//! The account: what a queue delivers after a death is compared with what it must, and then the queue is used.

mod letters;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use ringpost::{Ends, JoinError, OpenError, Options, Queue, Receiver, SendError, Sender};

use crate::findings::{Findings, Wrong};
use crate::message;
use crate::operation::{ENDPOINTS, Expected, Must};

/// Numbers of the messages that try out a queue: far above those of the scenes.
const TRIAL: u64 = 1 << 32;
/// How long living members are given to find what a dead one left: they sleep for 50 ms at most.
const PATIENCE: Duration = Duration::from_secs(2);

/// What must be left of a queue.
pub struct Account {
    /// Its messages.
    pub messages: Vec<Expected>,
    /// Whether there is a queue at all.
    pub there: Must,
    /// Its messages may be among the dead letters instead, and so many more of them.
    pub copies: Option<usize>,
}

/// Who is the first to join and so to repair.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum First {
    /// A sender.
    Sender,
    /// A receiver.
    Receiver,
}

/// Opens the queue `name` and checks everything. A panic is a finding like any other.
pub fn examine(name: &str, account: &Account, first: First) -> Findings {
    guarded(|findings| examine_named(name, account, first, findings))
}

/// The same by two that were members all the time, and then by newcomers.
pub fn examine_as(survivors: (Sender, Receiver), queue: &Queue, account: &Account) -> Findings {
    guarded(|findings| {
        let (mut tx, mut rx) = survivors;
        let got = drain_patiently(&mut rx, account, findings);
        compare(&got, &account.messages, findings);
        use_up(&mut tx, &mut rx, findings);
        drop((tx, rx));
        vacant(queue, findings);
    })
}

fn guarded(check: impl FnOnce(&mut Findings)) -> Findings {
    let mut findings = Findings::default();
    if catch_unwind(AssertUnwindSafe(|| check(&mut findings))).is_err() {
        findings.add(Wrong::Stuck, "a panic");
    }
    findings
}

fn examine_named(name: &str, account: &Account, first: First, findings: &mut Findings) {
    match Queue::open(name) {
        Ok(_) if account.there == Must::NotBe => findings.add(Wrong::Leaked, "the queue is still there"),
        Ok(queue) => {
            let Some(got) = empty(&queue, first, findings) else { return };
            match account.copies {
                None => compare(&got, &account.messages, findings),
                Some(copies) => letters::examine(name, &got, &account.messages, copies, first, findings),
            }
        }
        Err(OpenError::NotFound { .. } | OpenError::Removed { .. }) if account.there != Must::Be => {
            name_is_free(name, findings);
        }
        Err(error) => findings.add(Wrong::Stuck, format!("open: {error}")),
    }
}

/// Takes all that is there, uses the queue, and leaves it. `None`: that cannot even begin.
fn empty(queue: &Queue, first: First, findings: &mut Findings) -> Option<Vec<(u64, bool)>> {
    let joined = match first {
        First::Sender => queue.sender().and_then(|tx| Ok((tx, queue.receiver()?))),
        First::Receiver => queue.receiver().and_then(|rx| Ok((queue.sender()?, rx))),
    };
    let (mut tx, mut rx) = match joined {
        Ok(ends) => ends,
        Err(error) => {
            findings.add(Wrong::Stuck, format!("join, {first:?} first: {error}"));
            return None;
        }
    };
    let got = drain(&mut rx, findings);
    use_up(&mut tx, &mut rx, findings);
    drop((tx, rx));
    vacant(queue, findings);
    Some(got)
}

/// Whether a queue can be made of that name, and removed.
fn name_is_free(name: &str, findings: &mut Findings) {
    let made = Queue::create(name, Options::new(1).max_len(8));
    if let Err(error) = made {
        return findings.add(Wrong::Leaked, format!("the name: {error}"));
    }
    if let Err(error) = ringpost::remove(name) {
        findings.add(Wrong::Stuck, format!("remove: {error}"));
    }
}

/// Number of each message that is there, and whether it says that it was delivered before.
fn drain(rx: &mut Receiver, findings: &mut Findings) -> Vec<(u64, bool)> {
    let mut got = Vec::new();
    for _ in 0..=2 * rx.capacity() {
        match rx.try_recv() {
            Ok(Some(message)) => note(&message, &mut got, findings),
            Ok(None) => return got,
            Err(error) => {
                findings.add(Wrong::Stuck, format!("receive: {error}"));
                return got;
            }
        }
    }
    findings.add(Wrong::Stuck, "messages without end");
    got
}

/// By one who waits as any member does: until all is there that must be, and then until nothing more comes.
fn drain_patiently(rx: &mut Receiver, account: &Account, findings: &mut Findings) -> Vec<(u64, bool)> {
    let mut got = Vec::new();
    let end = Instant::now() + PATIENCE;
    let missing = |got: &[(u64, bool)]| {
        let is_missing = |m: &&Expected| m.there == Must::Be && !got.iter().any(|(number, _)| *number == m.number);
        account.messages.iter().filter(is_missing).count()
    };
    while Instant::now() < end {
        // Long enough for a look at everybody, which takes place every 50 ms.
        match rx.recv_timeout(Duration::from_millis(60)) {
            Ok(Some(message)) => note(&message, &mut got, findings),
            Ok(None) if missing(&got) == 0 => break,
            Ok(None) => {}
            Err(error) => {
                findings.add(Wrong::Stuck, format!("receive: {error}"));
                break;
            }
        }
    }
    // It may have taken newer ones before the dead one's came back.
    got.sort_unstable();
    got
}

fn note(message: &ringpost::Message<'_>, got: &mut Vec<(u64, bool)>, findings: &mut Findings) {
    match message::read(message) {
        Some(number) => got.push((number, message.is_redelivered())),
        None => findings.add(Wrong::Torn, format!("{} bytes: {message:?}", message.len())),
    }
}

fn compare(got: &[(u64, bool)], expected: &[Expected], findings: &mut Findings) {
    let mut own_is_missing = false;
    for message in expected {
        let number = message.number;
        let found: Vec<bool> = got.iter().filter(|(n, _)| *n == number).map(|(_, again)| *again).collect();
        match found[..] {
            [] if message.there == Must::Be => findings.add(Wrong::Lost, format!("message {number}")),
            [] => own_is_missing |= message.own,
            [again] => {
                if message.there == Must::NotBe {
                    let wrong = if message.own { Wrong::Torn } else { Wrong::Doubled };
                    findings.add(wrong, format!("message {number} should not be there any more, or not at all"));
                }
                let right = match message.redelivered {
                    Must::Be => again,
                    Must::Maybe => true,
                    Must::NotBe => !again,
                };
                if !right {
                    findings.add(Wrong::Doubled, format!("message {number} says redelivered: {again}"));
                }
                if message.own && own_is_missing {
                    findings.add(Wrong::Lost, format!("a message of the batch before {number}"));
                }
            }
            _ => findings.add(Wrong::Doubled, format!("message {number}, {} times", found.len())),
        }
    }
    for (number, _) in got {
        if !expected.iter().any(|message| message.number == *number) {
            findings.add(Wrong::Doubled, format!("message {number}, which was released long ago"));
        }
    }
    if !got.is_sorted_by_key(|(number, _)| *number) {
        findings.add(Wrong::Disordered, format!("{got:?}"));
    }
}

/// A lap and a half: every slot takes a message and gives it back.
fn use_up(tx: &mut Sender, rx: &mut Receiver, findings: &mut Findings) {
    let capacity = tx.capacity() as u64;
    let mut next = TRIAL;
    for count in [capacity, capacity / 2 + 1] {
        let numbers = next..next + count;
        next += count;
        for number in numbers.clone() {
            if let Err(error) = tx.try_send(&message::make(number)) {
                let wrong = if matches!(error, SendError::Full { .. }) { Wrong::Leaked } else { Wrong::Stuck };
                return findings
                    .add(wrong, format!("message {} of {count} into an empty queue: {error}", number - TRIAL));
            }
        }
        let size = tx.size() as u64;
        if size != count {
            findings.add(Wrong::Leaked, format!("size {size} with {count} messages"));
        }
        let got = drain(rx, findings);
        if !got.iter().copied().eq(numbers.map(|number| (number, false))) {
            findings.add(Wrong::Lost, format!("of {count} new messages came {got:?}"));
        }
    }
}

/// Nobody is joined: every row can be had again.
fn vacant(queue: &Queue, findings: &mut Findings) {
    let left = queue.stat().endpoints;
    if !left.is_empty() {
        findings.add(Wrong::Leaked, format!("rows: {left:?}"));
    }
    count_places("senders", queue.senders(), || queue.sender(), findings);
    count_places("receivers", queue.receivers(), || queue.receiver(), findings);
}

fn count_places<T>(what: &str, ends: Ends, mut join: impl FnMut() -> Result<T, JoinError>, findings: &mut Findings) {
    let places = if ends == Ends::Single { 1 } else { ENDPOINTS };
    let mut joined = Vec::new();
    while joined.len() < places {
        match join() {
            Ok(end) => joined.push(end),
            Err(error) => return findings.add(Wrong::Leaked, format!("{} of {places} {what}: {error}", joined.len())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operation::{Operation, Pair, expected};
    use crate::scene::fill;
    use crate::segment::OwnName;

    const OPERATION: Operation = Operation::Open;
    const ENDS: Pair = Pair::ManyMany;

    /// A queue with two messages, as bytes, and what must be in it.
    fn sound(name: &OwnName) -> (Vec<u8>, Account) {
        let queue = Queue::create(name, OPERATION.options(ENDS)).unwrap();
        fill(&queue, OPERATION.scene(ENDS)).unwrap();
        let bytes = std::fs::read(name.path()).unwrap();
        (bytes, Account { messages: expected(OPERATION, ENDS, true), there: Must::Be, copies: None })
    }

    fn found(name: &OwnName, bytes: &[u8], account: &Account) -> Vec<Wrong> {
        name.write(bytes).unwrap();
        let findings = examine(name, account, First::Sender);
        Wrong::ALL.into_iter().filter(|wrong| findings.has(*wrong)).collect()
    }

    #[test]
    fn nothing_is_wrong_with_a_sound_queue() {
        let name = OwnName::new("account.sound");
        let (bytes, account) = sound(&name);
        assert_eq!(found(&name, &bytes, &account), []);
        let account = Account { there: Must::Maybe, ..account };
        name.clear();
        assert!(!Wrong::ALL.into_iter().any(|wrong| examine(&name, &account, First::Receiver).has(wrong)));
    }

    #[test]
    fn each_kind_of_wrong_is_noticed() {
        let name = OwnName::new("account.wrong");
        let (bytes, account) = sound(&name);
        let with = |change: fn(&mut Vec<Expected>)| {
            let mut messages = account.messages.clone();
            change(&mut messages);
            Account { messages, there: Must::Be, copies: None }
        };
        let one_more = with(|all| all.push(Expected { number: 1000, ..all[0] }));
        assert_eq!(found(&name, &bytes, &one_more), [Wrong::Lost]);
        let one_less = with(|all| all.truncate(all.len() - 1));
        assert_eq!(found(&name, &bytes, &one_less), [Wrong::Doubled]);
        let again = with(|all| all[0].redelivered = Must::Be);
        assert_eq!(found(&name, &bytes, &again), [Wrong::Doubled]);
        let never = Account { there: Must::NotBe, ..with(|_| {}) };
        assert_eq!(found(&name, &bytes, &never), [Wrong::Leaked]);
        // The payload of the message in slot 0, which is the second.
        let mut torn = bytes.clone();
        torn[2 * 4096 + 16 + 20] ^= 1;
        assert_eq!(found(&name, &torn, &account), [Wrong::Lost, Wrong::Torn]);
        let mut scribbled = bytes.clone();
        scribbled[2 * 4096..2 * 4096 + 8].fill(0xff);
        assert!(found(&name, &scribbled, &account).contains(&Wrong::Stuck));
        assert_eq!(found(&name, &bytes[..bytes.len() - 4096], &account), [Wrong::Stuck]);
    }
}
