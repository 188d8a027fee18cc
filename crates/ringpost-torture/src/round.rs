//! One round: a queue, its workers, so many kills, and then the reckoning.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use nix::sys::signal::Signal;
use ringpost::{CreateError, Ends, Options, Queue, WhenFull};

use crate::account::{Account, Holding, Key, Verdict};
use crate::ledger::Ledger;
use crate::message::{Block, HEADER, Lens, Random};
use crate::process::{Nursery, Process};
use crate::shared::now_us;
use crate::worker::{self, Orders, Role};

/// How long nothing may happen.
const STUCK: Duration = Duration::from_secs(20);
/// Zombies that are kept.
const ZOMBIES: usize = 8;

/// What a round is made of.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// One or many senders, and receivers.
    pub ends: (Ends, Ends),
    /// A full queue gives up its oldest message.
    pub overwrite: bool,
    /// Only receivers are killed, so that all that was overwritten has been counted.
    pub spare_senders: bool,
    /// Messages lie side by side and have one length.
    pub packed: bool,
    /// Messages that the queue holds.
    pub capacity: usize,
    /// Bytes of the longest message.
    pub max_len: usize,
    /// Senders and receivers where there may be many.
    pub workers: (usize, usize),
    /// Processes to be killed.
    pub kills: u64,
    /// Microseconds between two kills, on average.
    pub pause_us: u64,
    /// Where its random choices begin.
    pub seed: u64,
}

impl Plan {
    fn lens(&self) -> Lens {
        Lens { least: if self.packed { self.max_len } else { HEADER }, most: self.max_len }
    }

    fn create(&self, name: &str) -> Result<Queue, CreateError> {
        let (senders, receivers) = self.ends;
        if self.packed && self.max_len == size_of::<Block>() {
            let options = Options::of::<Block>(self.capacity).senders(senders).receivers(receivers).packed(true);
            drop(Queue::create(name, options)?);
            return Ok(Queue::open(name).expect("it was just made"));
        }
        let options = Options::new(self.capacity).max_len(self.max_len).senders(senders).receivers(receivers);
        let options = if self.overwrite { options.when_full(WhenFull::Overwrite) } else { options };
        Queue::create(name, options.packed(self.packed))
    }
}

/// What came of it.
pub struct Outcome {
    /// The reckoning.
    pub verdict: Verdict,
    /// Processes killed.
    pub kills: u64,
    /// Of those, the ones that had joined.
    pub joined: u64,
    /// Processes stopped and continued, or killed while they were stopped.
    pub stops: u64,
    /// Repaired endpoints, as the queue counts them.
    pub recovered: u64,
    /// From a receiver's death to the next delivery of what it held, in microseconds.
    pub redelivery_us: Histogram<u64>,
}

/// Whoever is at work in one place.
struct Worker {
    role: Role,
    ledger: Ledger,
    incarnation: u32,
    process: Process,
    holding: Holding,
    stopped_until: Option<Instant>,
}

struct Round<'a> {
    plan: Plan,
    nursery: &'a Nursery,
    name: &'a str,
    workers: Vec<Worker>,
    zombies: Vec<Process>,
    incarnations: u32,
    random: Random,
    account: Account,
    /// When the receivers of these were killed.
    held: HashMap<Key, u64>,
    outcome: Outcome,
    /// What had been done when something was last done, and when that was.
    progress: (u64, Instant),
}

/// The queue's name is removed at the end, however that comes.
pub struct Named<'a>(pub &'a str);

impl Drop for Named<'_> {
    fn drop(&mut self) {
        // There is nobody to tell, and nothing to be done.
        let _ = ringpost::remove(self.0);
    }
}

/// Runs a round over a queue of that name. `ledgers` is enough for all workers.
pub fn run(plan: Plan, nursery: &Nursery, name: &str, ledgers: &[Ledger]) -> Result<Outcome, String> {
    let queue = plan.create(name).map_err(|error| format!("create: {error}"))?;
    let _named = Named(name);
    let mut round = Round::new(plan, nursery, name);
    round.start_all(ledgers)?;
    while round.outcome.kills < plan.kills && !round.is_hopeless(&queue) {
        round.step()?;
    }
    round.finish(&queue, ledgers[0])?;
    let Round { account, mut outcome, .. } = round;
    let totals = queue.stat().totals;
    outcome.recovered = totals.recovered;
    outcome.verdict = account.finish(plan.overwrite.then_some(totals.overwritten));
    Ok(outcome)
}

/// How many workers this needs.
pub fn places((senders, receivers): (usize, usize)) -> usize {
    senders + receivers
}

impl<'a> Round<'a> {
    fn new(plan: Plan, nursery: &'a Nursery, name: &'a str) -> Self {
        let redelivery_us = Histogram::new(3).expect("three digits are possible");
        let verdict = Verdict::default();
        let outcome = Outcome { verdict, kills: 0, joined: 0, stops: 0, recovered: 0, redelivery_us };
        Self {
            plan,
            nursery,
            name,
            workers: Vec::new(),
            zombies: Vec::new(),
            incarnations: 0,
            random: Random::new(plan.seed),
            account: Account::default(),
            held: HashMap::new(),
            outcome,
            progress: (0, Instant::now()),
        }
    }

    fn start_all(&mut self, ledgers: &[Ledger]) -> Result<(), String> {
        let count = |ends, many| if ends == Ends::Single { 1 } else { many };
        let senders = count(self.plan.ends.0, self.plan.workers.0);
        let receivers = count(self.plan.ends.1, self.plan.workers.1);
        let roles = [Role::Sender].repeat(senders).into_iter().chain([Role::Receiver].repeat(receivers));
        for (role, ledger) in roles.zip(ledgers) {
            let worker = self.start(role, *ledger)?;
            self.workers.push(worker);
        }
        Ok(())
    }

    /// Starts the next incarnation of a worker.
    fn start(&mut self, role: Role, ledger: Ledger) -> Result<Worker, String> {
        ledger.clear();
        self.incarnations += 1;
        let incarnation = self.incarnations;
        let lens = self.plan.lens();
        let orders = Orders { queue: self.name, role, incarnation, seed: self.random.next(), lens, ledger };
        let process = self.nursery.start(|| match worker::run(&orders) {
            Ok(()) => true,
            Err(what) => {
                ledger.complain(&what);
                false
            }
        })?;
        Ok(Worker { role, ledger, incarnation, process, holding: Holding::default(), stopped_until: None })
    }

    /// Waits a little, reads the ledgers, and kills or stops somebody.
    fn step(&mut self) -> Result<(), String> {
        std::thread::sleep(Duration::from_micros(self.random.below(2 * self.plan.pause_us + 1)));
        self.read_all();
        let now = Instant::now();
        for worker in &mut self.workers {
            if worker.stopped_until.take_if(|until| *until <= now).is_some() {
                worker.process.signal(Signal::SIGCONT);
            }
        }
        let is_spared = |worker: &&Worker| self.plan.spare_senders && worker.role == Role::Sender;
        // Senders stand first.
        let spared = self.workers.iter().take_while(is_spared).count();
        let victim = spared + self.random.below((self.workers.len() - spared) as u64) as usize;
        if self.random.percent(10) {
            let worker = &mut self.workers[victim];
            if worker.stopped_until.is_none() {
                worker.stopped_until = Some(now + Duration::from_micros(self.random.below(30_000)));
                worker.process.signal(Signal::SIGSTOP);
                self.outcome.stops += 1;
            }
            return Ok(());
        }
        self.replace(victim)
    }

    /// Kills a worker and puts another into its place.
    fn replace(&mut self, index: usize) -> Result<(), String> {
        let (role, ledger) = (self.workers[index].role, self.workers[index].ledger);
        let killed_at = now_us();
        self.workers[index].process.kill();
        self.outcome.kills += 1;
        self.outcome.joined += u64::from(ledger.has_joined());
        self.read(index);
        self.settle(index, true, killed_at);
        let successor = self.start(role, ledger)?;
        let dead = std::mem::replace(&mut self.workers[index], successor);
        // Now and then the dead stay as zombies for a while.
        self.zombies.push(dead.process);
        if self.zombies.len() > ZOMBIES || self.random.percent(50) {
            self.zombies.clear();
        }
        Ok(())
    }

    fn read_all(&mut self) {
        (0..self.workers.len()).for_each(|index| self.read(index));
    }

    /// Reads what a worker has noted since the last time.
    fn read(&mut self, index: usize) {
        let worker = &mut self.workers[index];
        while let Some(event) = worker.ledger.next() {
            let again = self.account.event(&mut worker.holding, event);
            if let Some(killed_at) = again.and_then(|key| self.held.remove(&key)) {
                self.outcome.redelivery_us += event.at_us.saturating_sub(killed_at);
            }
        }
    }

    /// Closes the books of a worker that has ended and whose ledger has been read.
    fn settle(&mut self, index: usize, killed: bool, at_us: u64) {
        let worker = &mut self.workers[index];
        let ledger = worker.ledger;
        if let Some(text) = ledger.complaint() {
            self.account.complaint(text);
        }
        match worker.role {
            Role::Sender => {
                self.account.sender_ended(worker.incarnation, ledger.sent(), killed);
            }
            Role::Receiver => {
                let holding = std::mem::take(&mut worker.holding);
                let again = self.account.receiver_ended(holding, killed, ledger.taking());
                self.held.extend(again.into_iter().map(|key| (key, at_us)));
            }
        }
    }

    /// Whether somebody has ended by itself, which only an error can cause, or nobody gets anywhere.
    fn is_hopeless(&mut self, queue: &Queue) -> bool {
        let ended = self.workers.iter().any(|worker| worker.process.ended().is_some());
        ended || self.is_stuck(queue)
    }

    fn is_stuck(&mut self, queue: &Queue) -> bool {
        let sent: u64 = self.workers.iter().map(|worker| u64::from(worker.ledger.sent().1)).sum();
        let now = self.account.deliveries() + sent;
        if now != self.progress.0 {
            self.progress = (now, Instant::now());
        }
        let stuck = self.progress.1.elapsed() > STUCK;
        if stuck {
            self.account.stuck(format!("nothing happened for {STUCK:?}; {:?}", queue.stat()));
        }
        stuck
    }

    /// Lets everyone finish: the senders first, then, with the queue closed, the receivers. Then nothing may be left.
    fn finish(&mut self, queue: &Queue, ledger: Ledger) -> Result<(), String> {
        for worker in &self.workers {
            worker.process.signal(Signal::SIGCONT);
        }
        self.dismiss(Role::Sender, queue);
        queue.close();
        self.dismiss(Role::Receiver, queue);
        let before = self.account.deliveries();
        let last = self.start(Role::Receiver, ledger)?;
        self.workers.push(last);
        self.dismiss(Role::Receiver, queue);
        let left = self.account.deliveries() - before;
        if left > 0 {
            self.account.complaint(format!("receivers saw the end, and {left} messages were left"));
        }
        Ok(())
    }

    /// Waits until all workers of that role have ended by themselves.
    fn dismiss(&mut self, role: Role, queue: &Queue) {
        self.workers.iter().filter(|worker| worker.role == role).for_each(|worker| worker.ledger.stop());
        self.progress.1 = Instant::now();
        while let Some(index) = self.workers.iter().position(|worker| worker.role == role) {
            self.read_all();
            let ended = self.workers[index].process.ended();
            if ended.is_none() && !self.is_stuck(queue) {
                std::thread::sleep(Duration::from_micros(200));
                continue;
            }
            if ended.is_none() {
                self.workers[index].process.kill();
            }
            self.read(index);
            let worker = &self.workers[index];
            if ended == Some(false) && worker.ledger.complaint().is_none() {
                self.account.complaint(format!("a {role:?} crashed"));
            }
            self.settle(index, ended != Some(true), now_us());
            self.workers.swap_remove(index);
        }
    }
}
