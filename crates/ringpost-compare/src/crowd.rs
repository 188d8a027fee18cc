//! Many senders and many receivers at one queue, each a process of its own, all asleep when there is nothing to do: how much
//! goes through, and does everyone get a share?
//!
//! A message's number holds its sender. Receivers check every word, and that each sender's numbers rise. That each message
//! arrived exactly once follows from counts and from sums of mixed numbers, which both sides keep.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};

use crate::cell::{Lane, depth};
use crate::control::now_ns;
use crate::idle::Idle;
use crate::limits::map;
use crate::machine::{Machine, keep_within};
use crate::measure;
use crate::message::{self, is_whole};
use crate::plan::Effort;
use crate::probe::{self, Domain};
use crate::registry::{self, ENTRIES, Run};
use crate::stats::Spread;
use crate::transports::{Place, Rx, Side, Support, Transport, Tx, Waiting};
use crate::worker;

/// Bytes of a message.
const LEN: usize = 64;
/// The bits of a number below those that say whose it is.
const NUMBER_BITS: u32 = 40;
/// 64-bit words of the shared table for each process, and before all of them: two pairs of cache lines.
const ROW: usize = 32;
/// Words of the table's first row.
const READY: usize = 0;
const START_NS: usize = 1;
const FINISHED: usize = 16;
/// A process's own words.
const COUNT: usize = 0;

/// What each of the processes is told.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Task {
    /// The transport's name in the registry.
    pub transport: String,
    /// Where.
    pub place: Place,
    /// Senders, and receivers.
    pub pairs: usize,
    /// How long is sent.
    pub duration: Duration,
    /// How long all may be silent.
    pub patience: Duration,
    /// The processors on which all of them run.
    pub cores: [usize; 2],
}

/// What one process has done.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub struct Member {
    /// Messages.
    pub count: u64,
    /// The sum of all their numbers, mixed.
    pub sum: u64,
    /// When the last was received.
    pub end_ns: u64,
    /// When the first could be sent.
    pub start_ns: u64,
}

impl Member {
    fn add(&mut self, number: u64) {
        self.count += 1;
        self.sum = self.sum.wrapping_add(mixed(number));
    }
}

/// Spreads a number over all bits, so that the sum of some does not happen to be that of others.
fn mixed(number: u64) -> u64 {
    let number = (number ^ number >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ number >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ number >> 31
}

/// How much went through, and how evenly it was shared.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Crowd {
    /// The transport's name in the registry.
    pub transport: String,
    /// Senders, and receivers.
    pub pairs: usize,
    /// Figures by where the processors were.
    pub domains: BTreeMap<Domain, Figures>,
    /// Repetitions that are left out, because the processors moved or were disturbed meanwhile.
    pub dropped: usize,
    /// What went wrong.
    pub failed: Option<String>,
    /// Every repetition.
    #[serde(skip)]
    sessions: Vec<Session>,
}

/// What repetitions came to, where the processors were in the same place.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Figures {
    /// Messages a second, over repetitions.
    pub rate: Spread,
    /// What the slowest sender sent, as a share of the mean.
    pub slowest_sender: Spread,
    /// What the slowest receiver received, as a share of the mean.
    pub slowest_receiver: Spread,
}

/// One repetition.
#[derive(Clone, Copy, Debug)]
pub struct Session {
    /// Where the processors were.
    pub domain: Domain,
    /// Messages a second.
    pub rate: f64,
    /// What the slowest sender sent, as a share of the mean.
    pub slowest_sender: f64,
    /// What the slowest receiver received, as a share of the mean.
    pub slowest_receiver: f64,
}

impl Figures {
    fn of(sessions: &[Session], domain: Domain) -> Option<Self> {
        let spread =
            |of: fn(&Session) -> f64| Spread::of(sessions.iter().filter(|session| session.domain == domain).map(of));
        Some(Self {
            rate: spread(|session| session.rate)?,
            slowest_sender: spread(|session| session.slowest_sender)?,
            slowest_receiver: spread(|session| session.slowest_receiver)?,
        })
    }
}

impl Crowd {
    fn new(transport: &str, pairs: usize) -> Self {
        let (transport, domains) = (transport.to_owned(), BTreeMap::new());
        Self { transport, pairs, domains, dropped: 0, failed: None, sessions: Vec::new() }
    }

    /// Computes the figures of all repetitions so far.
    pub fn finish(&mut self) {
        let figures = [Domain::Near, Domain::Far].map(|domain| Some((domain, Figures::of(&self.sessions, domain)?)));
        self.domains = figures.into_iter().flatten().collect();
        self.dropped = self.sessions.iter().filter(|session| session.domain == Domain::Mixed).count();
    }

    /// Measures it once more.
    ///
    /// # Errors
    /// As [`run_once`].
    pub fn repeat(&mut self, program: &Path, effort: &Effort, number: u32) -> Result<()> {
        self.sessions.push(run_once(program, &self.transport, self.pairs, effort, number)?);
        Ok(())
    }
}

/// The crowds of a run: of those that can, one pair and many.
#[must_use]
pub fn crowds(wanted: impl Fn(&registry::Entry) -> bool) -> Vec<Crowd> {
    let able = |entry: &&registry::Entry| {
        (entry.work)(LEN).is_some_and(|work| work.able.many == Support::Yes && work.able.sleep == Support::Yes)
    };
    let able: Vec<_> = ENTRIES.iter().filter(|entry| wanted(entry)).filter(able).collect();
    able.iter().flat_map(|entry| [1, 32].map(|pairs| Crowd::new(entry.name, pairs))).collect()
}

/// One repetition, between two probes of where the processors are.
///
/// # Errors
/// Something could not be made or joined, or a message was lost, doubled or damaged.
pub fn run_once(program: &Path, transport: &str, pairs: usize, effort: &Effort, number: u32) -> Result<Session> {
    let dir = measure::folder()?;
    let place = Place {
        name: format!("compare-{}-crowd-{number}", std::process::id()),
        dir: dir.path().to_owned(),
        len: LEN,
        depth: depth(Lane::One, LEN),
        joined: 1,
        queues: 1,
        wait: Waiting::Sleep,
        trip: None,
    };
    let (duration, patience) = (effort.crowd, Duration::from_secs(5));
    let cores = Machine::look().pinned;
    let task = Task { transport: transport.to_owned(), place, pairs, duration, patience, cores };
    let Run::Processes { create, .. } = worker::find(transport, LEN)?.run else {
        anyhow::bail!("between processes only");
    };
    let _guard = create(&task.place, Lane::One).context("making it")?;
    map::make(&table(&task.place), words(pairs) * 8)?;
    let before_ns = probe::between(cores, patience)?;
    let members = measure::crowd(program, &task)?;
    let domain = Domain::of(before_ns, probe::between(cores, patience)?);
    summary(&members[..pairs], &members[pairs..], domain)
}

fn summary(senders: &[Member], receivers: &[Member], domain: Domain) -> Result<Session> {
    let total = |members: &[Member]| {
        members.iter().fold((0, 0_u64), |(count, sum), member| (count + member.count, sum.wrapping_add(member.sum)))
    };
    let (sent, received) = (total(senders), total(receivers));
    ensure!(sent.0 == received.0, "{} messages were sent, and {} received", sent.0, received.0);
    ensure!(sent.1 == received.1, "some messages came twice, and as many never");
    let start_ns = senders.iter().map(|member| member.start_ns).min().unwrap_or(0);
    let end_ns = receivers.iter().map(|member| member.end_ns).max().unwrap_or(0);
    let share = |members: &[Member]| {
        let least = members.iter().map(|member| member.count).min().unwrap_or(0);
        least as f64 * members.len() as f64 / (sent.0.max(1)) as f64
    };
    let rate = sent.0 as f64 * 1e9 / end_ns.saturating_sub(start_ns).max(1) as f64;
    Ok(Session { domain, rate, slowest_sender: share(senders), slowest_receiver: share(receivers) })
}

fn table(place: &Place) -> Place {
    place.called("table")
}

fn words(pairs: usize) -> usize {
    ROW * (1 + 2 * pairs)
}

/// What all processes of a crowd share.
struct Table {
    words: &'static [AtomicU64],
    pairs: usize,
}

impl Table {
    fn open(task: &Task) -> Result<Self> {
        Ok(Self { words: map::words(&table(&task.place), words(task.pairs))?, pairs: task.pairs })
    }

    /// The count of member `index`: senders first, then receivers.
    fn count(&self, index: usize) -> &AtomicU64 {
        &self.words[ROW * (1 + index) + COUNT]
    }

    /// Waits for all, and says when they start.
    fn meet(&self, idle: &mut Idle) -> Result<u64> {
        // AcqRel: crowd ready, pairs with crowd ready. Whoever comes last has seen all others.
        if self.words[READY].fetch_add(1, Ordering::AcqRel) + 1 == 2 * self.pairs as u64 {
            // Release: crowd start, pairs with crowd go.
            self.words[START_NS].store(now_ns(), Ordering::Release);
        }
        loop {
            // Acquire: crowd go, pairs with crowd start.
            match self.words[START_NS].load(Ordering::Acquire) {
                0 => std::thread::sleep(Duration::from_millis(1)),
                start_ns => return Ok(start_ns),
            }
            idle.look()?;
        }
    }

    /// Whether all senders have finished, and all that they sent was received.
    fn is_over(&self) -> bool {
        // Acquire: crowd over, pairs with crowd finished. The senders' counts are final then.
        if self.words[FINISHED].load(Ordering::Acquire) < self.pairs as u64 {
            return false;
        }
        // Relaxed: counts only rise, and are looked at again and again.
        let sum = |members: std::ops::Range<usize>| -> u64 {
            members.map(|index| self.count(index).load(Ordering::Relaxed)).sum()
        };
        sum(0..self.pairs) == sum(self.pairs..2 * self.pairs)
    }
}

/// One process of a crowd.
///
/// # Errors
/// The transport failed, a message was wrong, or nothing comes any more.
pub fn member<T: Transport>(task: &Task, side: Side, index: usize) -> Result<Member> {
    ensure!(keep_within(&task.cores), "this process cannot be kept on two processors");
    let table = Table::open(task)?;
    match side {
        Side::First => send(&table, T::sender(&task.place.there(side))?, task, index),
        Side::Second => receive(&table, T::receiver(&task.place.there(side))?, task, index),
    }
}

fn send(table: &Table, mut tx: impl Tx, task: &Task, index: usize) -> Result<Member> {
    let mut idle = Idle::new(task.patience, false);
    let mut done = Member { start_ns: table.meet(&mut idle)?, ..Member::default() };
    let end_ns = done.start_ns + task.duration.as_nanos() as u64;
    while now_ns() < end_ns {
        let number = (index as u64) << NUMBER_BITS | done.count;
        idle.progress();
        tx.send_asleep(|bytes| message::fill(bytes, number), &mut idle)?;
        done.add(number);
    }
    // Relaxed: ordered by the number of those who have finished.
    table.count(index).store(done.count, Ordering::Relaxed);
    // Release: crowd finished, pairs with crowd over.
    table.words[FINISHED].fetch_add(1, Ordering::Release);
    Ok(done)
}

fn receive(table: &Table, mut rx: impl Rx, task: &Task, index: usize) -> Result<Member> {
    let mut idle = Idle::new(task.patience, false);
    let mut done = Member { start_ns: table.meet(&mut idle)?, ..Member::default() };
    let mut next = vec![0; task.pairs];
    loop {
        let mut verdict = Ok(0);
        if rx.recv_asleep(|bytes| verdict = check(bytes, &mut next))? {
            done.add(verdict?);
            // Relaxed: a count.
            table.count(task.pairs + index).store(done.count, Ordering::Relaxed);
            done.end_ns = now_ns();
            idle.progress();
        } else if table.is_over() {
            return Ok(done);
        } else {
            idle.look()?;
        }
    }
}

/// Checks a message, and says its number.
fn check(bytes: &[u8], next: &mut [u64]) -> Result<u64> {
    ensure!(bytes.len() == LEN, "a message has {} bytes instead of {LEN}", bytes.len());
    let number = message::number(bytes);
    ensure!(is_whole(bytes, number), "a message arrived damaged");
    let (sender, count) = ((number >> NUMBER_BITS) as usize, number & ((1 << NUMBER_BITS) - 1));
    let next = next.get_mut(sender).context("a message of nobody")?;
    ensure!(count >= *next, "a message was doubled or came late: number {count} of sender {sender} after {}", *next);
    *next = count + 1;
    Ok(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(numbers: &[u64]) -> Member {
        let mut member = Member { end_ns: 1_000_000_000, ..Member::default() };
        numbers.iter().for_each(|number| member.add(*number));
        member
    }

    #[test]
    fn every_message_arrives_once() {
        let sent = [member(&[1, 2, 3]), member(&[9])];
        let summary = |received: [Member; 2]| summary(&sent, &received, Domain::Near);
        let session = summary([member(&[9, 1]), member(&[3, 2])]).unwrap();
        assert_eq!([session.rate, session.slowest_sender, session.slowest_receiver], [4.0, 0.5, 1.0]);
        assert!(summary([member(&[9, 1]), member(&[3])]).unwrap_err().to_string().contains("3 received"));
        assert!(summary([member(&[9, 1]), member(&[3, 3])]).unwrap_err().to_string().contains("twice"));
    }

    #[test]
    fn near_and_far_are_kept_apart() {
        let mut crowd = Crowd::new("ringpost-multi", 32);
        let session = |domain, rate| Session { domain, rate, slowest_sender: 0.5, slowest_receiver: 0.25 };
        crowd.sessions = vec![session(Domain::Near, 9.0), session(Domain::Mixed, 5.0), session(Domain::Far, 2.0)];
        crowd.finish();
        assert_eq!(crowd.domains[&Domain::Near].rate.median, 9.0);
        assert_eq!(crowd.domains[&Domain::Far].rate.median, 2.0);
        assert_eq!(crowd.domains[&Domain::Far].slowest_receiver.median, 0.25);
        assert_eq!((crowd.domains.len(), crowd.dropped), (2, 1));
    }

    #[test]
    fn messages_of_each_sender_rise() {
        let mut next = vec![0; 2];
        let mut check = |number| {
            let mut bytes = [0; LEN];
            message::fill(&mut bytes, number);
            check(&bytes, &mut next)
        };
        let of_second = 1 << NUMBER_BITS;
        assert!(check(0).is_ok() && check(of_second | 5).is_ok() && check(3).is_ok());
        assert!(check(3).is_err() && check(of_second | 4).is_err() && check(2 << NUMBER_BITS).is_err());
        assert!(super::check(&[0; LEN], &mut [0]).is_err());
    }
}
