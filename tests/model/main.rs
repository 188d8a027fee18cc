//! Any sequence of operations, on every kind of queue, against a simple model of what they should do.

#[path = "../common/mod.rs"]
mod common;

mod expect;
mod operation;

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::time::Duration;

use proptest::prelude::*;
use ringpost::{Batch, Ends, Held, JoinError, Message, Options, Queue, Receiver, RecvError, Sender, WhenFull};

use common::UniqueName;
use expect::Model;
use operation::{Fate, Hold, Kind, Operation};

/// A queue with its ends and the model that it is compared with.
struct Run {
    queue: Queue,
    tx: Vec<Option<Sender>>,
    rx: Vec<Option<Receiver>>,
    /// The receivers so far: each gets the next number.
    joined: u64,
    numbers: Vec<u64>,
    /// Messages kept beyond their call, and which receiver keeps them.
    kept: Vec<(u64, Held)>,
    model: Model,
    next: u64,
    /// Each message has so many bytes, its number first.
    len: usize,
}

impl Run {
    fn new(kind: Kind, name: Option<&UniqueName>) -> Self {
        let options = Options::new(kind.capacity).max_len(kind.max_len).senders(kind.senders).receivers(kind.receivers);
        let options = options.when_full(kind.when_full).packed(kind.packed);
        let queue = match name {
            Some(name) => Queue::create(name, options).unwrap(),
            None => Queue::in_memory(options).unwrap(),
        };
        let count = |ends| if ends == Ends::Single { 1 } else { 2 };
        let tx = (0..count(kind.senders)).map(|_| Some(queue.sender().unwrap())).collect();
        let rx: Vec<_> = (0..count(kind.receivers)).map(|_| Some(queue.receiver().unwrap())).collect();
        let (joined, numbers) = (rx.len() as u64, (0..rx.len() as u64).collect());
        let model = Model::new(kind, queue.capacity());
        let len = if kind.packed { kind.max_len } else { 8 };
        Self { queue, tx, rx, joined, numbers, kept: Vec::new(), model, next: 0, len }
    }

    fn sender(&mut self, which: usize) -> &mut Sender {
        let index = which % self.tx.len();
        self.tx[index].as_mut().expect("ends leave for a moment only")
    }

    fn do_one(&mut self, operation: &Operation) {
        match *operation {
            Operation::Send(who) => self.send(who, Sender::send),
            Operation::TrySend(who) => self.send(who, Sender::try_send),
            Operation::SendTimeout(who) => self.send(who, |tx, message| tx.send_timeout(message, Duration::ZERO)),
            Operation::SendBatch(who, count) => self.send_batch(who, count),
            Operation::Loan(who, commit) => self.loan(who, commit),
            Operation::Pull(who, size, ref held, sends) => self.pull(who, size, held, sends),
            Operation::Read(who, size, panic) => self.read(who, size, panic),
            Operation::Settle(which, back, elsewhere) if !self.kept.is_empty() => {
                self.settle(which % self.kept.len(), back, elsewhere);
            }
            Operation::Settle(..) => {}
            Operation::Rejoin(who) => self.rejoin(who),
            Operation::Abandon(who) => self.abandon(who),
            Operation::Close => {
                self.queue.close();
                self.model.closed = true;
            }
        }
        let size = self.queue.size();
        assert!(self.model.sizes().contains(&size), "size {size}, not in {:?}", self.model.sizes());
        assert_eq!(size, self.queue.stat().size as usize);
    }

    fn send(&mut self, who: usize, send: impl Fn(&mut Sender, &[u8]) -> Result<(), ringpost::SendError>) {
        let number = self.next;
        self.next += 1;
        // A queue that blocks would wait for ever: there, no operation is tried that has to wait.
        if self.model.would_wait() {
            return;
        }
        let message = message(number, self.len);
        let result = send(self.sender(who), &message);
        self.model.sent(number, result);
    }

    fn send_batch(&mut self, who: usize, count: u64) {
        let numbers: Vec<Vec<u8>> = (self.next..self.next + count).map(|n| message(n, self.len)).collect();
        let messages = numbers.iter().map(|bytes| &bytes[..]);
        let result = self.sender(who).send_batch_timeout(messages, Duration::ZERO);
        let (sent, error) = match result {
            Ok(sent) => (sent as u64, None),
            Err(error) => (error.sent as u64, Some(error.error)),
        };
        (self.next..self.next + sent).for_each(|number| self.model.sent(number, Ok(())));
        match error {
            Some(error) => self.model.sent(self.next + sent, Err(error)),
            None => assert_eq!(sent, count),
        }
        self.next += count;
    }

    fn loan(&mut self, who: usize, commit: bool) {
        let number = self.next;
        self.next += 1;
        if self.model.would_wait() {
            return;
        }
        let (len, lent) = (self.len, self.len.max(16.min(self.queue.max_len())));
        let result = self.sender(who).loan(lent).map(|mut loan| {
            loan[..len].copy_from_slice(&message(number, len));
            if commit {
                loan.commit_len(len).unwrap();
            }
        });
        if commit || result.is_err() {
            self.model.sent(number, result);
        } else {
            self.model.aborted();
        }
    }

    fn pull(&mut self, who: usize, size: usize, held: &Hold, sends: u64) {
        let index = who % self.rx.len();
        let mut rx = self.rx[index].take().expect("ends leave for a moment only");
        match if size.is_multiple_of(2) { rx.try_pull(size) } else { rx.pull(size, Duration::ZERO) } {
            Err(error) => self.model.refused(size, &error),
            Ok(batch) => {
                let expected = self.model.take(size);
                assert_eq!(batch.len(), expected.len());
                for _ in 0..sends {
                    self.send(who, Sender::try_send);
                }
                self.deal_with(batch, held, self.numbers[index]);
            }
        }
        self.rx[index] = Some(rx);
    }

    /// Has up to `size` messages read by a function, which panics at the one that `panic` says.
    fn read(&mut self, who: usize, size: usize, panic: Option<usize>) {
        let index = who % self.rx.len();
        let rx = self.rx[index].as_mut().expect("ends leave for a moment only");
        let mut seen = Vec::new();
        let read = |bytes: &[u8]| {
            seen.push(number(bytes));
            if panic == Some(seen.len() - 1) {
                // Without a message on the terminal.
                resume_unwind(Box::new("read"));
            }
        };
        let done = catch_unwind(AssertUnwindSafe(|| match size {
            1 => rx.try_recv_with(read).map(|read| usize::from(read.is_some())),
            _ => rx.pull_some_with(size, Duration::ZERO, read),
        }));
        let released = match done {
            Ok(Err(error)) => return self.model.refused(size, &error),
            Ok(Ok(count)) => {
                assert_eq!(count, seen.len());
                count
            }
            Err(_) => seen.len() - 1,
        };
        // It may have read fewer than there are, but not none; what it has taken besides has gone back unseen.
        let most = if released < seen.len() { size } else { seen.len().max(1) };
        let taken: Vec<u64> = self.model.take(most).into_iter().map(|(number, _)| number).collect();
        assert_eq!(seen, taken[..seen.len().max(taken.len().min(1))]);
        for (at, number) in seen.into_iter().enumerate() {
            let fate = if at < released { Fate::Release } else { Fate::GiveBack };
            self.model.deal_with_one(number, fate, self.numbers[index]);
        }
        self.model.give_back_all(0);
    }

    fn deal_with(&mut self, mut batch: Batch<'_>, held: &Hold, receiver: u64) {
        match *held {
            Hold::Release => batch.release(),
            Hold::ReleaseFirst(count) => {
                batch.release_first(count);
                self.model.release_first(count);
                drop(batch);
                return self.model.give_back_all(0);
            }
            Hold::Look(count) => {
                let seen: Vec<u64> = batch.iter().take(count).map(number).collect();
                self.model.check_first(&seen);
                drop(batch);
                self.model.release_first(count);
                return self.model.give_back_all(0);
            }
            Hold::Break(count) => {
                let seen: Vec<(u64, u32)> = batch.into_iter().take(count).map(look).collect();
                self.model.check_deliveries(&seen);
                self.model.release_first(count);
                return self.model.give_back_all(0);
            }
            Hold::GiveBack(count) => {
                assert_eq!(batch.iter().take(count).count(), count.min(batch.len()));
                batch.nack();
                return self.model.give_back_all(count);
            }
            Hold::KeepAll => {
                for held in batch.hold() {
                    self.model.deal_with_one(number(&held), Fate::Keep, receiver);
                    self.kept.push((receiver, held));
                }
                return;
            }
            Hold::Each(ref fates) => {
                let messages: Vec<Message<'_>> = batch.into_iter().collect();
                self.model.check_deliveries(&messages.iter().map(look).collect::<Vec<_>>());
                return self.each(messages, fates, receiver);
            }
        }
        self.model.release_first(usize::MAX);
    }

    /// Each message on its own, the last ones first or the first ones first.
    fn each(&mut self, mut messages: Vec<Message<'_>>, fates: &[(bool, Fate)], receiver: u64) {
        let mut fates = fates.iter().copied().cycle();
        while !messages.is_empty() {
            let (first, fate) = fates.next().expect("there is at least one");
            let message = messages.remove(if first { 0 } else { messages.len() - 1 });
            let number = number(&message);
            match fate {
                Fate::Release => message.release(),
                Fate::GiveBack => message.nack(),
                Fate::Keep => self.kept.push((receiver, message.hold())),
            }
            self.model.deal_with_one(number, fate, receiver);
        }
    }

    fn settle(&mut self, index: usize, back: bool, elsewhere: bool) {
        let (_, held) = self.kept.remove(index);
        let number = number(&held);
        let settle = move || if back { held.nack() } else { held.release() };
        if elsewhere {
            std::thread::spawn(settle).join().unwrap()
        } else {
            settle()
        }
        self.model.settle(number, back);
    }

    fn settle_all(&mut self) {
        while let Some(last) = self.kept.len().checked_sub(1) {
            self.settle(last, last.is_multiple_of(2), false);
        }
    }

    fn rejoin(&mut self, who: usize) {
        let (tx, rx) = (who % self.tx.len(), who % self.rx.len());
        drop((self.tx[tx].take(), self.rx[rx].take()));
        self.tx[tx] = Some(self.queue.sender().unwrap());
        if self.rx.len() == 1 {
            // The only receiver stays as long as something of it is kept.
            if !self.kept.is_empty() {
                assert!(matches!(self.queue.receiver(), Err(JoinError::Taken { .. })));
            }
            self.settle_all();
        }
        self.model.left();
        self.join(rx);
    }

    fn abandon(&mut self, who: usize) {
        let rx = who % self.rx.len();
        let receiver = self.rx[rx].take().expect("ends leave for a moment only");
        // SAFETY: what it has kept is not looked at any more, but only dropped.
        unsafe { receiver.abandon() };
        let number = self.numbers[rx];
        self.model.abandoned(number);
        self.join(rx);
        // These change nothing.
        self.kept.retain(|(keeper, _)| *keeper != number);
    }

    fn join(&mut self, rx: usize) {
        self.rx[rx] = Some(self.queue.receiver().unwrap());
        self.numbers[rx] = self.joined;
        self.joined += 1;
    }

    /// What is left comes out whole, and then nothing.
    fn finish(mut self) {
        self.queue.close();
        self.model.closed = true;
        self.settle_all();
        let expected = self.model.take(usize::MAX);
        let rx = self.rx[0].as_mut().expect("ends leave for a moment only");
        if !expected.is_empty() {
            let rest: Vec<(u64, u32)> = rx.try_pull(usize::MAX).unwrap().into_iter().map(look).collect();
            assert_eq!(rest, expected);
        }
        assert_eq!(rx.try_pull(1).unwrap_err(), RecvError::Closed);
        assert_eq!(self.queue.size(), 0);
        // What others have settled counts when they leave.
        self.rx.clear();
        let totals = self.queue.stat().totals;
        let counted = (totals.sent, totals.dropped, totals.overwritten);
        assert_eq!(counted, (self.model.sent, self.model.dropped, self.model.overwritten));
        assert_eq!(totals.pulled + totals.overwritten, totals.sent, "nothing is unaccounted for");
    }
}

/// A message of `len` bytes that says its number, and says it again at its end if it is long.
fn message(number: u64, len: usize) -> Vec<u8> {
    number.to_le_bytes().into_iter().cycle().take(len).collect()
}

/// The number in a message, which is whole.
fn number(bytes: &[u8]) -> u64 {
    let number = common::number(&bytes[..8]);
    assert_eq!(bytes, message(number, bytes.len()));
    number
}

fn look<'a>(message: impl std::borrow::Borrow<Message<'a>>) -> (u64, u32) {
    let message = message.borrow();
    (number(message), message.deliveries())
}

fn run(kind: Kind, operations: &[Operation], name: Option<&UniqueName>) {
    let mut run = Run::new(kind, name);
    operations.iter().for_each(|operation| run.do_one(operation));
    run.finish();
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_queue_in_memory_does_what_the_model_does((kind, operations) in operation::runs(80)) {
        run(kind, &operations, None);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_named_queue_does_what_the_model_does((kind, operations) in operation::runs(60)) {
        let name = UniqueName::new("model");
        run(kind, &operations, Some(&name));
    }
}

/// The same few steps in every policy and on all ends: a model test that never sends much would not notice a full ring.
#[test]
fn the_generated_runs_fill_the_queue() {
    use proptest::strategy::ValueTree;
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let mut full = 0;
    for _ in 0..200 {
        let (kind, operations) = operation::runs(80).new_tree(&mut runner).unwrap().current();
        let mut run = Run::new(kind, None);
        for operation in &operations {
            run.do_one(operation);
        }
        full += u32::from(run.model.dropped + run.model.overwritten > 0 || kind.when_full == WhenFull::Block);
    }
    assert!(full > 100, "only {full} of 200 runs filled their queue");
}
