//! The two sides of a cell: they join, meet, and do rounds together, each between two probes.

use anyhow::{Context, Result};

use crate::cell::{BATCH, Lane, Round, Task};
use crate::control::{Control, Order, now_ns};
use crate::idle::Idle;
use crate::lanes::{Follow, Lead, one_way, trip};
use crate::machine::{Machine, pin};
use crate::probe::{self, Domain};
use crate::transports::{Place, Side, Threads, Transport};

/// The least messages of a first attempt to find out how many a round takes.
const FIRST_COUNT: u64 = 64;
/// Bytes of the second thread's stack: values of a megabyte may lie there.
const STACK: usize = 64 << 20;
/// How much sooner than planned an order is given, so that the other side has seen it.
const HEAD_START_NS: u64 = 2_000;

/// The first side of a cell between processes.
///
/// # Errors
/// The transport failed, a message was wrong, or the other side is silent.
pub fn first<T: Transport>(task: &Task, control: &Control) -> Result<Vec<Round>> {
    let place = &task.place;
    if task.lane.is_trip() {
        let (there, back) = (place.there(Side::First), place.back(Side::First));
        let tx = T::sender(&there).context("joining as the sender")?;
        let rx = T::receiver(&back).context("joining as the receiver")?;
        return if task.lane == Lane::Asleep {
            lead(task, control, trip::ping::<true>(tx, rx, place.len))
        } else {
            lead(task, control, trip::ping::<false>(tx, rx, place.len))
        };
    }
    let tx = T::sender(&place.there(Side::First)).context("joining as the sender")?;
    match task.lane {
        Lane::Batch => lead(task, control, one_way::feed_batches(tx)),
        _ => lead(task, control, one_way::feed(tx)),
    }
}

/// The second side of a cell between processes.
///
/// # Errors
/// As [`first`].
pub fn second<T: Transport>(task: &Task, control: &Control) -> Result<()> {
    let place = &task.place;
    let rx = T::receiver(&place.there(Side::Second)).context("joining as the receiver")?;
    if task.lane.is_trip() {
        let tx = T::sender(&place.back(Side::Second)).context("joining as the sender")?;
        return if task.lane == Lane::Asleep {
            follow(task, control, trip::pong::<true>(tx, rx, place.len))
        } else {
            follow(task, control, trip::pong::<false>(tx, rx, place.len))
        };
    }
    match task.lane {
        Lane::Batch => follow(task, control, one_way::drain_batches(rx, place.len)),
        _ => follow(task, control, one_way::drain(rx, place.len)),
    }
}

/// Makes what both sides open: a queue there, and one back if messages come back.
///
/// # Errors
/// It cannot be made.
pub fn create<T: Transport>(place: &Place, lane: Lane) -> Result<Box<dyn std::any::Any>> {
    let there = T::create(&place.there(Side::First))?;
    let back = if lane.is_trip() { Some(T::create(&place.back(Side::First))?) } else { None };
    Ok(Box::new((there, back)))
}

/// Both sides of a cell between threads.
///
/// # Errors
/// As [`first`].
pub fn threads<T: Threads>(task: &Task, control: &Control) -> Result<Vec<Round>> {
    let place = &task.place;
    let (tx, rx) = T::pair(&place.there(Side::First))?;
    if task.lane.is_trip() {
        let (tx_back, rx_back) = T::pair(&place.back(Side::First))?;
        return if task.lane == Lane::Asleep {
            beside(
                || lead(task, control, trip::ping::<true>(tx, rx_back, place.len)),
                || follow(task, control, trip::pong::<true>(tx_back, rx, place.len)),
            )
        } else {
            beside(
                || lead(task, control, trip::ping::<false>(tx, rx_back, place.len)),
                || follow(task, control, trip::pong::<false>(tx_back, rx, place.len)),
            )
        };
    }
    match task.lane {
        Lane::Batch => beside(
            || lead(task, control, one_way::feed_batches(tx)),
            || follow(task, control, one_way::drain_batches(rx, place.len)),
        ),
        _ => beside(|| lead(task, control, one_way::feed(tx)), || follow(task, control, one_way::drain(rx, place.len))),
    }
}

/// Runs both at the same time; of two failures the second's says more, since the first only waited for it.
pub(crate) fn beside<A>(first: impl FnOnce() -> Result<A>, second: impl FnOnce() -> Result<()> + Send) -> Result<A> {
    std::thread::scope(|scope| {
        let second = std::thread::Builder::new().stack_size(STACK).spawn_scoped(scope, second)?;
        let done = first();
        match second.join() {
            Ok(Ok(())) => done,
            Ok(Err(error)) => Err(error),
            Err(_) => anyhow::bail!("the second thread panicked"),
        }
    })
}

/// Leads: finds out how many messages a round takes, then does rounds until enough of them are of one piece.
pub(crate) fn lead(task: &Task, control: &Control, round: impl Lead) -> Result<Vec<Round>> {
    anyhow::ensure!(pin(task.cores[0]), "this process cannot be kept on processor {}", task.cores[0]);
    let mut leader =
        Leader { control, round, idle: Idle::new(task.patience, Machine::same_core(task.cores)), orders: 0, turn: 0 };
    control.meet(0, &mut leader.idle)?;
    let count = leader.calibrate(task)?;
    let mut rounds: Vec<Round> = Vec::new();
    let whole = |rounds: &[Round]| rounds.iter().filter(|round| round.domain() != Domain::Mixed).count();
    while whole(&rounds) < task.rounds as usize && rounds.len() < task.most_rounds as usize {
        let before = leader.probe()?;
        let (elapsed_ns, times) = leader.run(count)?;
        rounds.push(Round { probes: [before, leader.probe()?], count, elapsed_ns, times });
    }
    leader.orders += 1;
    control.give(leader.orders, Order::Stop);
    Ok(rounds)
}

struct Leader<'a, F> {
    control: &'a Control,
    round: F,
    idle: Idle,
    orders: u64,
    turn: u64,
}

impl<F: Lead> Leader<'_, F> {
    fn probe(&mut self) -> Result<f64> {
        self.orders += 1;
        self.control.give(self.orders, Order::Probe(probe::TRIPS));
        let found = probe::ask(self.control, &mut self.turn, &mut self.idle)?;
        self.control.finished(self.orders, &mut self.idle)?;
        Ok(found)
    }

    fn run(&mut self, count: u64) -> Result<(u64, Vec<(u64, u64)>)> {
        self.orders += 1;
        let start_ns = now_ns() + HEAD_START_NS;
        self.control.give(self.orders, Order::Run { count, start_ns });
        while now_ns() < start_ns {
            std::hint::spin_loop();
        }
        let times = (self.round)(count, start_ns, &mut self.idle)?;
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
        let wanted = task.round.as_nanos() as u64;
        let mut count = FIRST_COUNT;
        loop {
            let (took, _) = self.run(whole(count))?;
            if took >= wanted / 4 {
                return Ok(whole((count as f64 * wanted as f64 / took as f64) as u64));
            }
            count = if took < wanted / 64 { count * 8 } else { count * 3 };
        }
    }
}

/// Follows: does what the other side orders, until it says stop.
pub(crate) fn follow(task: &Task, control: &Control, mut round: impl Follow) -> Result<()> {
    anyhow::ensure!(pin(task.cores[1]), "this process cannot be kept on processor {}", task.cores[1]);
    let mut idle = Idle::new(task.patience, Machine::same_core(task.cores));
    let mut turn = 0;
    control.meet(1, &mut idle)?;
    for number in 1.. {
        match control.order(number, &mut idle)? {
            Order::Probe(trips) => probe::answer(control, &mut turn, trips, &mut idle)?,
            Order::Run { count, start_ns } => round(count, start_ns, &mut idle)?,
            Order::Stop => break,
        }
        control.finish(number, now_ns());
    }
    Ok(())
}
