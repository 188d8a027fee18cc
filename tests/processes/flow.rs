//! Senders and receivers in processes of their own: nothing is lost, doubled, torn, or out of its sender's order.

use std::collections::BTreeMap;
use std::str::FromStr;

use ringpost::{Ends, Options, Queue, Receiver, Sender, WhenFull};

use crate::common::{LONG, named};
use crate::content::{self, Random};
use crate::run::{Process, say};

/// One way to run it.
#[derive(Clone, Copy, Debug)]
struct Flow {
    ends: (Ends, Ends),
    senders: u32,
    receivers: u32,
    capacity: usize,
    max_len: usize,
    /// Messages of each sender.
    each: u32,
    /// Messages asked for with one pull.
    pull: usize,
    slow_senders: bool,
    slow_receivers: bool,
}

const BASE: Flow = Flow {
    ends: (Ends::Multi, Ends::Multi),
    senders: 1,
    receivers: 1,
    capacity: 64,
    max_len: 100,
    each: 3000,
    pull: 100,
    slow_senders: false,
    slow_receivers: false,
};

fn parse<T: FromStr>(text: &str) -> T {
    text.parse().unwrap_or_else(|_| panic!("a parameter: {text}"))
}

/// The sending role: name, sender, count, slow.
pub fn send(role: &[String]) {
    let (id, count, slow) = (parse(&role[1]), parse(&role[2]), parse(&role[3]));
    let queue = Queue::wait_for(&role[0], LONG).expect("the queue");
    let mut tx = queue.sender().expect("a place for a sender");
    let mut random = Random::new(id);
    let mut next = 0;
    while next < count {
        random.dawdle(slow);
        let more = (random.below(40) as u32 + 1).min(count - next);
        next = match random.below(3) {
            0 => send_each(&mut tx, id as u32, next..next + more),
            1 => send_batch(&mut tx, id as u32, next..next + more),
            _ => send_loans(&mut tx, id as u32, next..next + more, &mut random),
        };
    }
}

fn message(tx: &Sender, id: u32, sequence: u32) -> Vec<u8> {
    let mut bytes = vec![0; content::length(id, sequence, tx.max_len())];
    content::write(&mut bytes, id, sequence);
    bytes
}

fn send_each(tx: &mut Sender, id: u32, which: std::ops::Range<u32>) -> u32 {
    for sequence in which.clone() {
        let bytes = message(tx, id, sequence);
        tx.send(&bytes).expect("room in time");
    }
    which.end
}

fn send_batch(tx: &mut Sender, id: u32, which: std::ops::Range<u32>) -> u32 {
    let messages: Vec<Vec<u8>> = which.clone().map(|sequence| message(tx, id, sequence)).collect();
    let sent = tx.send_batch(messages.iter().map(|bytes| &bytes[..])).expect("room in time");
    assert_eq!(sent, which.len());
    which.end
}

fn send_loans(tx: &mut Sender, id: u32, which: std::ops::Range<u32>, random: &mut Random) -> u32 {
    let max_len = tx.max_len();
    for sequence in which.clone() {
        let len = content::length(id, sequence, max_len);
        if random.below(8) == 0 {
            tx.loan(max_len).expect("room in time").fill(0xee);
        }
        let mut loan = tx.loan(max_len).expect("room in time");
        content::write(&mut loan[..len], id, sequence);
        loan.commit_len(len).expect("it is shorter");
    }
    which.end
}

/// The receiving role: name, pull size, slow, and whether to break off now and then. Until the queue is closed.
pub fn receive(role: &[String]) {
    let (pull, slow, breaks) = (parse(&role[1]), parse(&role[2]), parse(&role[3]));
    let queue = Queue::wait_for(&role[0], LONG).expect("the queue");
    let mut rx = queue.receiver().expect("a place for a receiver");
    let mut got = Got::default();
    let mut random = Random::new(u64::from(std::process::id()));
    while receive_some(&mut rx, pull, breaks, &mut got, &mut random) {
        random.dawdle(slow);
    }
    for (sender, sequences) in &got.sequences {
        let text: Vec<String> = sequences.iter().map(u32::to_string).collect();
        say(&format!("{sender} {}", text.join(" ")));
    }
    say(&format!("anonymous {}", got.anonymous));
}

/// What one receiver has got: the sequence numbers of each sender, as they came.
#[derive(Default)]
struct Got {
    sequences: BTreeMap<u32, Vec<u32>>,
    anonymous: u64,
}

fn receive_some(rx: &mut Receiver, pull: usize, breaks: bool, got: &mut Got, random: &mut Random) -> bool {
    let max_len = rx.max_len();
    if random.below(4) == 0 {
        let Ok(message) = rx.recv() else { return false };
        got.add(content::read(&message, max_len));
        return true;
    }
    let Ok(batch) = rx.pull(pull, std::time::Duration::from_millis(20)) else { return false };
    let most = if breaks && random.below(3) == 0 { batch.len() / 2 } else { batch.len() };
    if random.below(2) == 0 {
        batch.iter().take(most).for_each(|bytes| got.add(content::read(bytes, max_len)));
    } else {
        batch.into_iter().take(most).for_each(|message| got.add(content::read(&message, max_len)));
    }
    true
}

impl Got {
    fn add(&mut self, message: Option<(u32, u32)>) {
        let Some((sender, sequence)) = message else {
            self.anonymous += 1;
            return;
        };
        let before = self.sequences.entry(sender).or_default();
        assert!(before.last().is_none_or(|last| *last < sequence), "{sequence} of {sender} after {:?}", before.last());
        before.push(sequence);
    }

    /// Adds what one receiver says that it got.
    fn hear(&mut self, line: &str) {
        let (who, what) = line.split_once(' ').expect("two words");
        if who == "anonymous" {
            self.anonymous += parse::<u64>(what);
        } else {
            self.sequences.entry(parse(who)).or_default().extend(what.split(' ').map(parse::<u32>));
        }
    }
}

impl Flow {
    fn run(self) {
        // A deadline, so that senders end too when a receiver has failed.
        let options = Options::new(self.capacity).max_len(self.max_len).when_full(WhenFull::Deadline(LONG));
        let (queue, name) = named("flow", options.senders(self.ends.0).receivers(self.ends.1));
        // Only a single receiver gets what it gave back before anything newer that somebody else took.
        let breaks = self.receivers == 1;
        let receive = format!("receive {} {} {} {breaks}", &*name, self.pull, self.slow_receivers);
        let receivers: Vec<_> = (0..self.receivers).map(|_| Process::start(&receive)).collect();
        let senders: Vec<_> = (0..self.senders)
            .map(|id| Process::start(&format!("send {} {id} {} {}", &*name, self.each, self.slow_senders)))
            .collect();
        senders.into_iter().for_each(|sender| drop(sender.finish()));
        queue.close();
        let mut got = Got::default();
        receivers.into_iter().flat_map(Process::finish).for_each(|line| got.hear(&line));
        self.check(got);
        assert_eq!(queue.size(), 0, "{self:?}");
        assert!(queue.stat().endpoints.is_empty(), "{self:?}");
    }

    fn check(self, mut got: Got) {
        let mut anonymous = 0;
        for id in 0..self.senders {
            let sequences = got.sequences.remove(&id).unwrap_or_default();
            if self.receivers == 1 {
                assert!(sequences.is_sorted(), "{self:?}");
            }
            let mut sorted = sequences;
            sorted.sort_unstable();
            let named = |sequence: &u32| content::length(id, *sequence, self.max_len) >= content::HEADER;
            let expected: Vec<u32> = (0..self.each).filter(named).collect();
            anonymous += u64::from(self.each) - expected.len() as u64;
            assert!(sorted == expected, "{self:?}: {} messages of sender {id}, not {}", sorted.len(), expected.len());
        }
        assert_eq!(got.anonymous, anonymous, "{self:?}");
        assert!(got.sequences.is_empty());
    }
}

#[test]
fn one_to_one() {
    for ends in crate::common::ALL_ENDS {
        for pull in [1, 100] {
            Flow { ends, pull, ..BASE }.run();
        }
        Flow { ends, slow_senders: true, ..BASE }.run();
        Flow { ends, slow_receivers: true, ..BASE }.run();
        Flow { ends, capacity: 65_536, each: 10_000, ..BASE }.run();
    }
}

#[test]
fn one_to_one_through_a_single_slot() {
    let flow = Flow { ends: (Ends::Single, Ends::Single), capacity: 1, each: 1500, ..BASE };
    flow.run();
    Flow { capacity: 2, max_len: 300, pull: 1, slow_senders: true, ..flow }.run();
}

#[test]
fn four_to_one() {
    for receiver in [Ends::Single, Ends::Multi] {
        let flow = Flow { ends: (Ends::Multi, receiver), senders: 4, each: 1500, ..BASE };
        flow.run();
        Flow { pull: 1, slow_senders: true, ..flow }.run();
        Flow { capacity: 65_536, slow_receivers: true, ..flow }.run();
    }
}

#[test]
fn one_to_four() {
    for sender in [Ends::Single, Ends::Multi] {
        let flow = Flow { ends: (sender, Ends::Multi), receivers: 4, each: 5000, ..BASE };
        flow.run();
        Flow { pull: 1, slow_receivers: true, ..flow }.run();
        Flow { capacity: 65_536, slow_senders: true, ..flow }.run();
    }
}

#[test]
fn four_to_four() {
    let flow = Flow { senders: 4, receivers: 4, each: 1500, ..BASE };
    flow.run();
    Flow { pull: 1, max_len: 1000, ..flow }.run();
    Flow { slow_receivers: true, slow_senders: true, ..flow }.run();
    Flow { capacity: 65_536, pull: 7, ..flow }.run();
}
