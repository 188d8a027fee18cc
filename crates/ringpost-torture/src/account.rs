//! The checker: what became of every message, from the ledgers alone.
//!
//! Each delivery of a message is in one of these states, by what its receiver has noted and whether it was killed:
//!
//! | state | the receiver | may come again | must come again |
//! |---|---|---|---|
//! | open | has it | no | no |
//! | excused | was killed with it, or was giving it back | yes | yes |
//! | releasing | was killed between saying so and having done so | yes | no |
//! | released | has released it | no | no |
//!
//! So at the end, of all deliveries of a message in their order, all but the last must be excused or releasing, and the
//! last must be releasing or released. There must be one, if the message was committed.
//!
//! A queue that overwrites may leave messages out, as many as it has counted: neither more, but for what killed senders had no
//! time to count, nor fewer, but for those of which nobody knows whether they were there.

use std::collections::HashMap;

use crate::ledger::{Event, Kind};

const OPEN: u64 = 1;
const EXCUSED: u64 = 2;
const RELEASING: u64 = 3;
const RELEASED: u64 = 4;

/// Deliveries are told apart up to this count; nothing is delivered so often.
const MOST_DELIVERIES: u8 = 20;
/// More messages than one incarnation can send.
const MOST_SEQUENCE: u32 = 1 << 26;
/// Complaints that are kept word for word.
const MOST_TEXTS: usize = 20;

/// A message: its sender's incarnation and its number there.
pub type Key = (u32, u32);

/// What went well, and what did not.
#[derive(Clone, Debug, Default)]
pub struct Verdict {
    /// Messages whose sending was finished.
    pub committed: u64,
    /// Messages of killed senders, begun and not finished, that arrived whole.
    pub arrived_uncommitted: u64,
    /// Messages of killed senders, begun and not finished, that vanished.
    pub vanished: u64,
    /// Deliveries in all.
    pub deliveries: u64,
    /// Deliveries of messages that had been delivered before.
    pub redelivered: u64,
    /// Messages that came for the first time as redelivered: a receiver had died before it noted them.
    pub unseen: u64,
    /// How many messages the killed receivers may have held without having noted them.
    pub unseen_most: u64,
    /// Messages whose receiver died between saying that it releases them and saying that it has.
    pub uncertain: u64,
    /// Messages that the queue has counted as overwritten.
    pub overwritten: u64,
    /// How many more the killed senders may have overwritten without having counted them.
    pub uncounted_most: u64,
    /// Messages that were there and never came, or not again, in queues that overwrite.
    pub missing: u64,
    /// Committed messages that never came, or not again after their receiver died.
    pub lost: u64,
    /// Messages that came again though nobody had died with them or given them back.
    pub doubled: u64,
    /// Messages that are not what was sent.
    pub torn: u64,
    /// Messages of one sender that came to one receiver in another order, without being redelivered.
    pub disordered: u64,
    /// Times that nobody got anywhere.
    pub stuck: u64,
    /// Errors of workers.
    pub failed: u64,
    /// Words for the first complaints.
    pub texts: Vec<String>,
}

/// One incarnation of a receiver.
#[derive(Default)]
pub struct Holding {
    /// What it has and has not released.
    open: HashMap<Key, u8>,
    /// The last message of each sender that came for the first time.
    last: HashMap<u32, u32>,
}

/// The messages of one round.
#[derive(Default)]
pub struct Account {
    /// By incarnation of the sender.
    sent: Vec<Sent>,
    verdict: Verdict,
}

#[derive(Default)]
struct Sent {
    intended: u32,
    committed: u32,
    /// Three bits for each delivery, the first one lowest.
    states: Vec<u64>,
}

impl Verdict {
    /// Whether the queue kept all its promises.
    pub fn is_clean(&self) -> bool {
        self.lost + self.doubled + self.torn + self.disordered + self.stuck + self.failed == 0
    }

    /// Adds another round.
    pub fn add(&mut self, other: Self) {
        self.committed += other.committed;
        self.arrived_uncommitted += other.arrived_uncommitted;
        self.vanished += other.vanished;
        self.deliveries += other.deliveries;
        self.redelivered += other.redelivered;
        self.unseen += other.unseen;
        self.unseen_most += other.unseen_most;
        self.uncertain += other.uncertain;
        self.overwritten += other.overwritten;
        self.uncounted_most += other.uncounted_most;
        self.missing += other.missing;
        self.lost += other.lost;
        self.doubled += other.doubled;
        self.torn += other.torn;
        self.disordered += other.disordered;
        self.stuck += other.stuck;
        self.failed += other.failed;
        other.texts.into_iter().for_each(|text| self.say(text));
    }

    /// Compares what is missing with what was overwritten.
    fn weigh(&mut self) {
        let (most, least) = (self.overwritten + self.uncounted_most, self.overwritten);
        if self.missing > most {
            self.lost += self.missing - most;
            self.say(format!("lost: {} messages are missing, and at most {most} were overwritten", self.missing));
        }
        let unknown = self.vanished + self.uncertain;
        if self.missing + unknown < least {
            self.failed += 1;
            let missing = self.missing;
            self.say(format!(
                "{least} messages count as overwritten; {missing} are missing, and perhaps {unknown} more"
            ));
        }
    }

    fn say(&mut self, text: String) {
        if self.texts.len() < MOST_TEXTS {
            self.texts.push(text);
        }
    }
}

impl Account {
    /// Takes note of an event of a receiver. Returns the message if it was delivered again.
    pub fn event(&mut self, holding: &mut Holding, event: Event) -> Option<Key> {
        let key = (event.sender, event.sequence);
        let delivery = event.deliveries.clamp(1, MOST_DELIVERIES);
        match event.kind {
            Kind::Got => self.got(holding, key, delivery),
            Kind::Releasing => self.set(key, delivery, RELEASING),
            Kind::Released => {
                self.set(key, delivery, RELEASED);
                holding.open.remove(&key);
            }
            Kind::GivingBack => {
                self.set(key, delivery, EXCUSED);
                holding.open.remove(&key);
            }
        }
        (event.kind == Kind::Got && delivery > 1).then_some(key)
    }

    /// A receiver has ended: killed, or by itself. `unnoted`: how many it may have held without having noted them.
    /// Returns what is to come again.
    pub fn receiver_ended(&mut self, holding: Holding, killed: bool, unnoted: u64) -> Vec<Key> {
        let mut again = Vec::new();
        self.verdict.unseen_most += if killed { unnoted } else { 0 };
        for (key, delivery) in holding.open {
            if !killed {
                self.failed(format!("a receiver ended and had not released message {} of sender {}", key.1, key.0));
            } else if self.state(key, delivery) == OPEN {
                self.set(key, delivery, EXCUSED);
                again.push(key);
            }
        }
        again
    }

    /// A sender has ended: killed, or by itself.
    pub fn sender_ended(&mut self, sender: u32, (intended, committed): (u32, u32), killed: bool) {
        let sent = self.sent(sender);
        (sent.intended, sent.committed) = (intended, committed);
        if killed {
            // It claims what it is about to send, or one slot to give it up.
            self.verdict.uncounted_most += u64::from(intended.saturating_sub(committed).max(1));
        }
    }

    /// A worker complained.
    pub fn complaint(&mut self, text: String) {
        if text.starts_with("torn") {
            self.verdict.torn += 1;
            self.verdict.say(text);
        } else {
            self.failed(text);
        }
    }

    /// Nobody got anywhere.
    pub fn stuck(&mut self, text: String) {
        self.verdict.stuck += 1;
        self.verdict.say(format!("stuck: {text}"));
    }

    /// What was delivered so far: it grows while anybody gets anywhere.
    pub fn deliveries(&self) -> u64 {
        self.verdict.deliveries
    }

    /// All workers have ended and nothing is left in the queue. `overwritten`: what it has counted, if it overwrites.
    pub fn finish(mut self, overwritten: Option<u64>) -> Verdict {
        for (sender, sent) in std::mem::take(&mut self.sent).into_iter().enumerate() {
            for sequence in 0..sent.intended.max(sent.states.len() as u32) {
                let states = sent.states.get(sequence as usize).copied().unwrap_or(0);
                self.judge((sender as u32, sequence), states, &sent, overwritten.is_some());
            }
        }
        if let Some(counted) = overwritten {
            self.verdict.overwritten = counted;
            self.verdict.weigh();
        } else {
            self.verdict.uncounted_most = 0;
        }
        let verdict = &mut self.verdict;
        if verdict.unseen > verdict.unseen_most {
            verdict.doubled += verdict.unseen - verdict.unseen_most;
            verdict.say(format!(
                "doubled: {} messages came first as redelivered, and killed receivers may have held {} of them",
                verdict.unseen, verdict.unseen_most
            ));
        }
        self.verdict
    }

    fn judge(&mut self, (sender, sequence): Key, states: u64, sent: &Sent, overwriting: bool) {
        let verdict = &mut self.verdict;
        let text = |what: &str| format!("{what}: message {sequence} of sender {sender}, deliveries {states:o} (octal)");
        let committed = sequence < sent.committed;
        verdict.committed += u64::from(committed);
        let deliveries: Vec<u64> =
            (0..MOST_DELIVERIES).map(|n| states >> (3 * n) & 7).filter(|state| *state != 0).collect();
        let Some((last, before)) = deliveries.split_last() else {
            if committed && overwriting {
                verdict.missing += 1;
            } else if committed {
                verdict.lost += 1;
                verdict.say(text("lost"));
            } else {
                verdict.vanished += 1;
            }
            return;
        };
        if sequence >= sent.intended {
            verdict.torn += 1;
            verdict.say(text("never sent"));
        }
        verdict.arrived_uncommitted += u64::from(!committed);
        verdict.unseen += u64::from(states & 7 == 0);
        verdict.uncertain += u64::from(*last == RELEASING);
        if before.iter().any(|state| *state != EXCUSED && *state != RELEASING) {
            verdict.doubled += 1;
            verdict.say(text("doubled"));
        }
        if *last == EXCUSED && overwriting {
            verdict.missing += 1;
        } else if *last != RELEASING && *last != RELEASED {
            verdict.lost += 1;
            verdict.say(text("lost after it was delivered"));
        }
    }

    fn got(&mut self, holding: &mut Holding, key: Key, delivery: u8) {
        let (sender, sequence) = key;
        self.verdict.deliveries += 1;
        self.verdict.redelivered += u64::from(delivery > 1);
        if self.state(key, delivery) != 0 && delivery < MOST_DELIVERIES {
            self.verdict.doubled += 1;
            self.verdict.say(format!("doubled: message {sequence} of sender {sender}, delivery {delivery} came twice"));
        }
        self.set(key, delivery, OPEN);
        holding.open.insert(key, delivery);
        if delivery > 1 {
            return;
        }
        let last = holding.last.insert(sender, sequence);
        if let Some(last) = last.filter(|last| *last >= sequence) {
            self.verdict.disordered += 1;
            self.verdict.say(format!("disordered: message {sequence} of sender {sender} came behind {last}"));
        }
    }

    fn failed(&mut self, text: String) {
        self.verdict.failed += 1;
        self.verdict.say(text);
    }

    fn sent(&mut self, sender: u32) -> &mut Sent {
        let index = sender as usize;
        if index >= self.sent.len() {
            self.sent.resize_with(index + 1, Sent::default);
        }
        &mut self.sent[index]
    }

    fn state(&self, (sender, sequence): Key, delivery: u8) -> u64 {
        let states = self.sent.get(sender as usize).and_then(|sent| sent.states.get(sequence as usize));
        states.map_or(0, |states| states >> shift(delivery) & 7)
    }

    fn set(&mut self, (sender, sequence): Key, delivery: u8, state: u64) {
        if sequence >= MOST_SEQUENCE || sender >= MOST_SEQUENCE {
            self.complaint(format!("torn: message {sequence} of sender {sender}"));
            return;
        }
        let (states, index) = (&mut self.sent(sender).states, sequence as usize);
        if index >= states.len() {
            states.resize(index + 1, 0);
        }
        states[index] = states[index] & !(7 << shift(delivery)) | state << shift(delivery);
    }
}

fn shift(delivery: u8) -> u32 {
    3 * (u32::from(delivery) - 1)
}

#[cfg(test)]
mod tests;
