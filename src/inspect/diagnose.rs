//! Who holds what, for how long, dead or alive, and what is stuck because of it.

use core::time::Duration;
use std::thread;

use super::scan::{Block, Held, Scan};
use super::walk::{Place, Walk};
use super::{EndpointStat, endpoint_of};
use crate::error::{Fault, Role};
use crate::layout::row_state::RowState;
use crate::layout::word::Word;
use crate::os::process;
use crate::participant::{Liveness, liveness};
use crate::ring::Memory;
use crate::sync::Ordering;

/// What ails a queue: made by [`Queue::diagnose`](crate::Queue::diagnose).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Diagnosis {
    /// How long it was watched: between the first look and the last.
    pub watched: Duration,
    /// The most messages that it holds.
    pub capacity: u64,
    /// Messages that nobody has.
    pub waiting: u64,
    /// Whether it is marked closed.
    pub closed: bool,
    /// Whether its name is gone, or about to be.
    pub removed: bool,
    /// Its endpoints, and what they hold.
    pub endpoints: Vec<EndpointReport>,
    /// Which endpoints others have to wait for at this moment.
    pub stuck: Vec<Stuck>,
    /// Words that contradict each other; 16 at most.
    pub faults: Vec<Fault>,
}

/// One endpoint, and what it holds.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct EndpointReport {
    /// Who it is. It is dead, too, if it left without giving back what it held.
    pub endpoint: EndpointStat,
    /// Whether its process is stopped, as far as its number can be seen from here. A stopped process is not dead.
    pub stopped: bool,
    /// Slots that it has claimed and not committed. (A queue's only sender claims nothing.)
    pub writing: Holding,
    /// Messages that it has taken and not released.
    pub reading: Holding,
}

/// The slots that an endpoint holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Holding {
    /// How many.
    pub count: u64,
    /// The positions of the oldest of them, at most 64.
    pub positions: Vec<u64>,
    /// One of those has been held for at least this long: as long as it was watched, or zero.
    pub held_for: Duration,
}

/// Somebody who is in the way.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stuck {
    /// Who has to wait: receivers, for a message that comes before all others; or senders, because the queue is full.
    pub waiting: Role,
    /// The position that they wait for.
    pub position: u64,
    /// The number of the endpoint that holds it.
    pub endpoint: u16,
    /// What is known of that endpoint.
    pub holder: Holder,
    /// It has been in the way for at least this long: as long as it was watched, or zero.
    pub held_for: Duration,
}

/// What is known of one who is in the way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Holder {
    /// It lives, and is left to go on.
    Alive,
    /// It lives and is stopped. Nobody robs it: it has to be continued, or killed.
    Stopped,
    /// It is dead. The next who meets it repairs it; so does [`Queue::repair`](crate::Queue::repair).
    Dead,
    /// It could not be found out.
    Unknown,
}

impl Diagnosis {
    /// Whether nobody is dead, stopped with something in its hands, or in the way for as long as it was watched, and
    /// nothing is corrupt.
    pub fn is_healthy(&self) -> bool {
        let lasts = |stuck: &Stuck| !stuck.held_for.is_zero() || matches!(stuck.holder, Holder::Stopped | Holder::Dead);
        self.faults.is_empty() && !self.endpoints.iter().any(EndpointReport::is_ill) && !self.stuck.iter().any(lasts)
    }
}

impl EndpointReport {
    /// How many slots it holds.
    pub fn held(&self) -> u64 {
        self.writing.count + self.reading.count
    }

    /// Whether it is dead, or stopped with something in its hands.
    pub fn is_ill(&self) -> bool {
        self.endpoint.liveness == Liveness::Dead || self.stopped && self.held() > 0
    }
}

/// Looks, and looks once more after `watch`, if that is not zero.
pub(super) fn diagnose(walk: &Walk, watch: Duration) -> Diagnosis {
    let first = (!watch.is_zero()).then(|| {
        let scan = Scan::new(walk);
        thread::sleep(watch);
        scan
    });
    let last = Scan::new(walk);
    let before = first.as_ref().map(|first| (first, watch));
    let rows = walk.segment().header().geometry.rows as usize;
    let endpoints: Vec<_> = (0..rows).filter_map(|index| report(walk, index, &last, before)).collect();
    let stuck = last.blocks.iter().filter_map(|block| stuck(walk, block, &endpoints, before)).collect();
    let signals = walk.ring.signals();
    Diagnosis {
        watched: watch,
        capacity: walk.ring.capacity(),
        waiting: last.waiting,
        closed: super::read(&signals.closed) != 0,
        removed: super::read(&signals.removed) != 0,
        endpoints,
        stuck,
        faults: last.faults,
    }
}

/// What was seen before, and how long ago.
type Before<'a> = Option<(&'a Scan, Duration)>;

fn report(walk: &Walk, index: usize, now: &Scan, before: Before<'_>) -> Option<EndpointReport> {
    let row = walk.segment().row(index)?;
    let owner = (index + 1) as u16;
    // Relaxed: compared with itself, around the look at the lock.
    let state = || row.state.load(Ordering::Relaxed);
    let seen = state();
    let liveness = liveness(walk.segment(), index);
    if state() != seen {
        // It has just joined or left: healthy.
        return None;
    }
    let writing = holding(owner, now.writing.get(&owner), before.map(|(scan, ago)| (&scan.writing, ago)));
    let reading = holding(owner, now.reading.get(&owner), before.map(|(scan, ago)| (&scan.reading, ago)));
    if RowState::of(seen) == Some(RowState::Free) {
        // Nobody's. Words that name it all the same were left behind, if they are still there. (An only receiver's words do
        // not name it: what it had seen waits for the next one.)
        let is_there = |(position, word): &(u64, Word)| match walk.look(*position) {
            Place::Claimed(now) | Place::Taken(now) => now == *word,
            _ => false,
        };
        let held = [now.writing.get(&owner), now.reading.get(&owner)];
        let is_left_behind = held.into_iter().flatten().any(|held| held.slots.iter().any(is_there));
        if liveness != Liveness::Dead || !is_left_behind || state() != seen {
            return None;
        }
    }
    let endpoint = endpoint_of(index, row, liveness)?;
    let stopped = liveness == Liveness::Alive && endpoint.pid.and_then(process::is_stopped) == Some(true);
    Some(EndpointReport { endpoint, stopped, writing, reading })
}

fn holding(
    owner: u16,
    now: Option<&Held>,
    before: Option<(&std::collections::BTreeMap<u16, Held>, Duration)>,
) -> Holding {
    let Some(now) = now else { return Holding::default() };
    let lasted = before.filter(|(then, _)| then.get(&owner).is_some_and(|then| then.lasts_in(now)));
    Holding {
        count: now.count,
        positions: now.slots.iter().map(|(position, _)| *position).collect(),
        held_for: lasted.map_or(Duration::ZERO, |(_, ago)| ago),
    }
}

/// `None`: it is out of the way by now.
fn stuck(walk: &Walk, block: &Block, endpoints: &[EndpointReport], before: Before<'_>) -> Option<Stuck> {
    let holder = endpoints.iter().find(|report| report.endpoint.number == block.owner);
    let holder = match holder.map(|report| (report.endpoint.liveness, report.stopped)) {
        Some((Liveness::Alive, false)) => Holder::Alive,
        Some((Liveness::Alive, true)) => Holder::Stopped,
        Some((Liveness::Dead, _)) => Holder::Dead,
        // Left behind by one of whom nothing else is known.
        None if is_gone(walk, block.owner) => Holder::Dead,
        Some((Liveness::Unknown, _)) | None => Holder::Unknown,
    };
    // Last, so that what was found out about its holder was true while it was in the way.
    match walk.look(block.position) {
        Place::Claimed(now) | Place::Taken(now) if now == block.word => {}
        Place::Seen(now) if now == block.word && walk.is_joined(block.owner) => {}
        _ => return None,
    }
    let lasted = before.filter(|(scan, _)| scan.blocks.contains(block));
    Some(Stuck {
        waiting: block.waiting,
        position: block.position,
        endpoint: block.owner,
        holder,
        held_for: lasted.map_or(Duration::ZERO, |(_, ago)| ago),
    })
}

/// Whether nobody has that number, and nobody is about to.
fn is_gone(walk: &Walk, owner: u16) -> bool {
    let index = usize::from(owner).wrapping_sub(1);
    walk.row(owner).is_some()
        && !walk.is_joined(owner)
        && liveness(walk.segment(), index) == Liveness::Dead
        && !walk.is_joined(owner)
}

#[cfg(all(test, not(miri)))]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::layout::geometry::{Ends, Request, WhenFull};
    use crate::participant::Endpoint;
    use crate::ring::{MultiSender, SingleReceiver, SingleSender};
    use crate::segment::{Name, Segment, Spec};

    /// A ring with room for 64. It goes with the test.
    fn walk(tag: &str, senders: Ends) -> Walk {
        let request = Request {
            capacity: 64,
            max_len: 8,
            align: 8,
            fixed_len: false,
            packed: false,
            senders,
            receivers: Ends::Single,
            when_full: WhenFull::Block,
            endpoints: 2,
        };
        let name = Name::new(&format!("unit.{tag}.{}", std::process::id())).unwrap();
        let spec = Spec { ephemeral: true, ..Spec::new(request) };
        Walk::new(&Arc::new(Segment::create(&name, &spec).unwrap()))
    }

    /// An only receiver's words stay as they are when it lets go, and do not make it one who left something behind.
    #[test]
    fn a_receiver_that_leaves_while_we_look_is_not_dead() {
        let walk = walk("receiver.leaves", Ends::Single);
        let endpoint = Endpoint::join(walk.segment(), Role::Receiver).unwrap();
        let mut sender = SingleSender::join(&walk.ring, true).unwrap();
        let all = sender.claim(&walk.ring, 64).unwrap();
        sender.commit(&walk.ring, all);
        let mut receiver = SingleReceiver::join(&walk.ring).unwrap();
        let taken = receiver.take(&walk.ring, 1).unwrap();
        let scan = Scan::new(&walk);
        let row = usize::from(endpoint.number()) - 1;
        let seen = report(&walk, row, &scan, None).unwrap();
        assert_eq!((seen.reading.count, seen.is_ill()), (1, false));
        assert_eq!(stuck(&walk, &scan.blocks[0], &[seen], None).unwrap().holder, Holder::Alive);
        receiver.release(&walk.ring, taken);
        drop(endpoint);
        assert_eq!(report(&walk, row, &scan, None), None);
        assert_eq!(stuck(&walk, &scan.blocks[0], &[], None), None);
    }

    #[test]
    fn a_sender_that_leaves_while_we_look_is_not_dead() {
        let walk = walk("sender.leaves", Ends::Multi);
        let endpoint = Endpoint::join(walk.segment(), Role::Sender).unwrap();
        let mut sender = MultiSender::new(endpoint.number(), false, true);
        let claimed = sender.claim(&walk.ring, 2).unwrap();
        let scan = Scan::new(&walk);
        let row = usize::from(endpoint.number()) - 1;
        assert_eq!(report(&walk, row, &scan, None).unwrap().writing.positions, [0, 1]);
        sender.commit(&walk.ring, claimed);
        drop(endpoint);
        assert_eq!(report(&walk, row, &scan, None), None);
        assert_eq!(stuck(&walk, &scan.blocks[0], &[], None), None);
    }
}
