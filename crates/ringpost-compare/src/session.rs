//! The two sides of a cell: they join, meet, and do rounds together, each between two probes.

use std::any::Any;

use anyhow::{Context, Result, ensure};

use crate::cell::{BATCH, Lane, Round, Task, Times};
use crate::control::{Control, Order, now_ns};
use crate::idle::{Idle, is_silence};
use crate::interrupt;
use crate::lanes::{Follow, Lead, one_way, open_loop, trip};
use crate::machine::{Machine, pin};
use crate::probe::{self, Domain};
use crate::transports::{Place, Rx, Side, Threads, Transport, Tx};

/// The least messages of a first attempt to find out how many a round takes.
const FIRST_COUNT: u64 = 64;
/// Rounds that look whether the number of messages is right.
const CONFIRMATIONS: u32 = 2;
/// Bytes of the second thread's stack: values of a megabyte may lie there.
const STACK: usize = 64 << 20;
/// How much sooner than planned an order is given, so that the other side has seen it.
const HEAD_START_NS: u64 = 2_000;

/// Makes what both sides open: a queue there, and one back if messages come back.
///
/// # Errors
/// It cannot be made.
pub fn create<T: Transport>(place: &Place, lane: Lane) -> Result<Box<dyn Any>> {
    let there = T::create(&place.there(Side::First))?;
    let back = if lane.is_trip() { Some(T::create(&place.back(Side::First))?) } else { None };
    Ok(Box::new((there, back)))
}

/// The first side of a cell between processes.
///
/// # Errors
/// The transport failed, a message was wrong, or the other side is silent.
pub fn first<T: Transport>(task: &Task, control: &'static Control) -> Result<Vec<Round>> {
    let tx = T::sender(&task.place.there(Side::First)).context("joining as the sender")?;
    if !task.lane.is_trip() {
        return lead_one_way(task, control, tx);
    }
    let rx = T::receiver(&task.place.back(Side::First)).context("joining as the receiver")?;
    lead_trips(task, control, tx, rx)
}

/// The second side of a cell between processes: the times that it measured, for each round, trial rounds too.
///
/// # Errors
/// As [`first`].
pub fn second<T: Transport>(task: &Task, control: &'static Control) -> Result<Vec<Times>> {
    let rx = T::receiver(&task.place.there(Side::Second)).context("joining as the receiver")?;
    if !task.lane.is_trip() {
        return follow_one_way(task, control, rx);
    }
    let tx = T::sender(&task.place.back(Side::Second)).context("joining as the sender")?;
    follow_trips(task, control, tx, rx)
}

/// Both sides of a cell between threads.
///
/// # Errors
/// As [`first`].
pub fn threads<T: Threads>(task: &Task, control: &'static Control) -> Result<Vec<Round>> {
    let (tx, rx) = T::pair(&task.place.there(Side::First))?;
    if !task.lane.is_trip() {
        return beside(|| lead_one_way(task, control, tx), || follow_one_way(task, control, rx));
    }
    let (tx_back, rx_back) = T::pair(&task.place.back(Side::First))?;
    beside(|| lead_trips(task, control, tx, rx_back), || follow_trips(task, control, tx_back, rx))
}

fn lead_trips(task: &Task, control: &'static Control, tx: impl Tx, rx: impl Rx) -> Result<Vec<Round>> {
    let len = task.place.len;
    match task.lane {
        Lane::Asleep => lead(task, control, trip::ping::<true>(tx, rx, len)),
        _ => lead(task, control, trip::ping::<false>(tx, rx, len)),
    }
}

fn follow_trips(task: &Task, control: &'static Control, tx: impl Tx, rx: impl Rx) -> Result<Vec<Times>> {
    let len = task.place.len;
    match task.lane {
        Lane::Asleep => follow(task, control, trip::pong::<true>(tx, rx, len)),
        _ => follow(task, control, trip::pong::<false>(tx, rx, len)),
    }
}

fn lead_one_way(task: &Task, control: &'static Control, tx: impl Tx) -> Result<Vec<Round>> {
    match (task.lane, task.rate) {
        (Lane::Open, Some(rate)) => lead(task, control, open_loop::feed(tx, rate)),
        (Lane::Batch, _) => lead(task, control, one_way::feed_batches(tx)),
        _ => lead(task, control, one_way::feed(tx)),
    }
}

fn follow_one_way(task: &Task, control: &'static Control, rx: impl Rx) -> Result<Vec<Times>> {
    let len = task.place.len;
    match (task.lane, task.rate) {
        (Lane::Open, Some(rate)) => follow(task, control, open_loop::drain(rx, len, rate)),
        (Lane::Batch, _) => follow(task, control, one_way::drain_batches(rx, len)),
        _ => follow(task, control, one_way::drain(rx, len)),
    }
}

/// Runs both at the same time; of two failures the one counts that is more than waiting for the other in vain.
pub(crate) fn beside(
    first: impl FnOnce() -> Result<Vec<Round>>,
    second: impl FnOnce() -> Result<Vec<Times>> + Send,
) -> Result<Vec<Round>> {
    std::thread::scope(|scope| {
        let second = std::thread::Builder::new().stack_size(STACK).spawn_scoped(scope, second)?;
        let rounds = first();
        match (rounds, second.join()) {
            (Ok(rounds), Ok(Ok(times))) => Ok(join(rounds, times)),
            (Err(error), Ok(Err(other))) => Err(if is_silence(&error) { other } else { error }),
            (Err(error), Ok(_)) | (Ok(_), Ok(Err(error))) => Err(error),
            (_, Err(_)) => anyhow::bail!("the second thread panicked"),
        }
    })
}

/// Gives each round the times that the second side measured. That side has measured trial rounds before.
#[must_use]
pub fn join(mut rounds: Vec<Round>, mut times: Vec<Times>) -> Vec<Round> {
    let trials = times.len().saturating_sub(rounds.len());
    for (round, times) in rounds.iter_mut().zip(times.drain(trials..)) {
        if round.times.is_empty() {
            round.times = times;
        }
    }
    rounds
}

/// Leads: finds out how many messages a round takes, then does rounds until enough of them are of one piece.
pub(crate) fn lead(task: &Task, control: &'static Control, round: impl Lead) -> Result<Vec<Round>> {
    keep_on(task.cores[0])?;
    let idle = control.idle(task.patience, Machine::same_core(task.cores));
    let mut leader = Leader { control, round, idle, orders: 0, turn: 0 };
    leader.rounds(task).inspect_err(|_| control.fail())
}

fn keep_on(core: usize) -> Result<()> {
    ensure!(pin(core), "this side cannot be kept on processor {core}");
    Ok(())
}

struct Leader<F> {
    control: &'static Control,
    round: F,
    idle: Idle,
    orders: u64,
    turn: u64,
}

impl<F: Lead> Leader<F> {
    fn rounds(&mut self, task: &Task) -> Result<Vec<Round>> {
        self.control.meet(0, &mut self.idle)?;
        let count = self.calibrate(task)?;
        let mut rounds: Vec<Round> = Vec::new();
        let whole = |rounds: &[Round]| rounds.iter().filter(|round| round.domain() != Domain::Mixed).count();
        while whole(&rounds) < task.rounds as usize && rounds.len() < task.most_rounds as usize {
            let before = self.probe()?;
            let (elapsed_ns, times) = self.run(count)?;
            rounds.push(Round { probes: [before, self.probe()?], count, elapsed_ns, times });
        }
        self.orders += 1;
        self.control.give(self.orders, Order::Stop);
        Ok(rounds)
    }

    fn probe(&mut self) -> Result<f64> {
        self.orders += 1;
        self.control.give(self.orders, Order::Probe(probe::TRIPS));
        let found = probe::ask(self.control, &mut self.turn, &mut self.idle)?;
        self.control.finished(self.orders, &mut self.idle)?;
        Ok(found)
    }

    /// One round: how long it took in nanoseconds, and the times of its messages if this side measures them.
    fn run(&mut self, count: u64) -> Result<(u64, Times)> {
        ensure!(!interrupt::came(), "interrupted");
        self.orders += 1;
        let start_ns = now_ns() + HEAD_START_NS;
        self.control.give(self.orders, Order::Run { count, start_ns });
        while now_ns() < start_ns {
            std::hint::spin_loop();
        }
        self.control.enter(0, self.orders);
        let times = (self.round)(count, start_ns, &mut self.idle)?;
        self.control.enter(0, 0);
        let now = now_ns();
        let end_ns = self.control.finished(self.orders, &mut self.idle)?;
        // The second side is done later than the first, but for limits in which it does nothing.
        Ok((end_ns.max(now).saturating_sub(start_ns).max(1), times))
    }

    /// How many messages take as long as a round is to take. All that this sends is for caches, page tables and branch
    /// predictors too, and is not counted.
    fn calibrate(&mut self, task: &Task) -> Result<u64> {
        let whole = |count: u64| count.next_multiple_of(BATCH as u64).max(BATCH as u64);
        if let Some(count) = task.count {
            return Ok(whole(count));
        }
        let wanted = task.round.as_nanos() as f64;
        if let Some(rate) = task.rate {
            let count = whole((wanted * rate as f64 / 1e9) as u64);
            self.run(count)?;
            return Ok(count);
        }
        let mut count = FIRST_COUNT;
        let mut took = self.run(whole(count))?.0;
        while (took as f64) < wanted / 8.0 {
            count = if (took as f64) < wanted / 64.0 { count * 8 } else { count * 3 };
            took = self.run(whole(count))?.0;
        }
        // One who is disturbed is slower, never faster: the fastest says what a round can hold.
        let mut rate = whole(count) as f64 / took as f64;
        for _ in 0..CONFIRMATIONS {
            count = whole((rate * wanted) as u64);
            rate = rate.max(count as f64 / self.run(count)?.0 as f64);
        }
        Ok(whole((rate * wanted) as u64))
    }
}

/// Follows: does what the other side orders, until it says stop.
pub(crate) fn follow(task: &Task, control: &'static Control, round: impl Follow) -> Result<Vec<Times>> {
    keep_on(task.cores[1])?;
    let idle = control.idle(task.patience, Machine::same_core(task.cores));
    obey(control, round, idle).inspect_err(|_| control.fail())
}

fn obey(control: &'static Control, mut round: impl Follow, mut idle: Idle) -> Result<Vec<Times>> {
    let (mut turn, mut times) = (0, Vec::new());
    control.meet(1, &mut idle)?;
    for number in 1.. {
        let mut end_ns = 0;
        match control.order(number, &mut idle)? {
            Order::Probe(trips) => probe::answer(control, &mut turn, trips, &mut idle)?,
            Order::Run { count, start_ns } => {
                control.enter(1, number);
                let (end, found) = round(count, start_ns, &mut idle)?;
                control.enter(1, 0);
                end_ns = end;
                times.push(found);
            }
            Order::Stop => break,
        }
        control.finish(number, end_ns);
    }
    Ok(times)
}
