//! One of many receivers: takes the message at head with a compare-and-swap that names it, and messages that came back
//! before any other.

use super::runs::{alike, cut, held_from, settle};
use super::{
    Blocked, InTheWay, Memory, Patience, Run, Sight, Slot as _, Step, UNTOLD, advance, check_empty, contradiction,
    help, read_cursor, taken_from, taken_to, tell,
};
use crate::layout::word::{LapOrder, State, Word};
use crate::sync::{AtomicU64, Ordering, fence};

/// So many messages one after another look like a stream, and more of them are likely to be there already.
const STREAM: u64 = 32;

/// The private state of one of many receivers.
#[derive(Debug)]
pub struct MultiReceiver {
    owner: u16,
    /// Senders of a full ring take its oldest message from the receivers, so that each is taken by itself.
    overwrite: bool,
    /// Everything that came back up to this epoch has been looked at.
    pub(super) seen_epoch: Option<u64>,
    scan: Option<Scan>,
    /// Every position below it has been taken or passed over, whether head says so yet or not.
    next: u64,
    /// Its last message came behind the one before it: others hardly take meanwhile.
    alone: bool,
    /// With positions below it, it may go on at once.
    limit: u64,
    /// Messages that it has taken at once since it last found none.
    in_a_row: u64,
    freed: bool,
    redelivered: u64,
}

/// A pass over all slots for messages that came back.
#[derive(Debug)]
struct Scan {
    /// Read before the pass began: whatever comes back behind our back moves it on.
    epoch: u64,
    /// The slot of the oldest position when the pass began.
    start: u64,
    /// Slots looked at.
    done: u64,
}

impl MultiReceiver {
    /// A receiver that signs what it takes with `owner` (1 to 1023).
    pub fn new(owner: u16, overwrite: bool) -> Self {
        Self {
            owner,
            overwrite,
            seen_epoch: None,
            scan: None,
            next: 0,
            alone: false,
            limit: 0,
            in_a_row: 0,
            freed: false,
            redelivered: 0,
        }
    }

    /// Takes between one and `want` messages: what came back first, then from head. Each must be released or given back.
    pub fn take<M: Memory>(&mut self, memory: &M, want: u64) -> Result<Run, Blocked> {
        if let Some(first) = self.take_returned(memory) {
            return Ok(Run { first, count: 1 });
        }
        let mut patience = Patience::new(memory);
        loop {
            patience.spend()?;
            let head = read_cursor(memory.head());
            let place = head.max(self.next);
            match self.take_at(memory, place, want) {
                Ok(Step::Mine(count)) => {
                    let want = if self.overwrite { want.min(memory.capacity()) } else { count };
                    let run = self.take_more(memory, Run { first: place, count }, want);
                    self.next = run.end();
                    advance(memory.head(), head, self.next);
                    return Ok(run);
                }
                Ok(Step::Passed(count)) => {
                    self.next = place.wrapping_add(count);
                    patience.step(place, self.next)?;
                }
                Ok(Step::LeftBehind) => {
                    self.next = caught_up(memory, place);
                    patience.step(place, self.next)?;
                }
                Ok(Step::Again) => {}
                // A head that has moved made us look at a slot that was no longer next.
                _ if read_cursor(memory.head()) > place => {}
                Ok(Step::Stop(in_the_way)) => {
                    advance(memory.head(), head, place);
                    return Err(Blocked::Wait(in_the_way));
                }
                Err(fault) => return Err(fault),
            }
        }
    }

    /// Takes one message at first sight, if nothing may have come back: the short way, and a cheap look for polling.
    #[inline]
    pub fn take_one<M: Memory>(&mut self, memory: &M) -> Option<u64> {
        if self.new_epoch(memory).is_some() {
            return None;
        }
        let place = self.place(memory);
        let ready = Word::ready(memory.lap(place));
        let mine = take_ready(memory.word(place), ready, ready.taken_by(self.owner));
        if mine {
            self.go_on(memory, place.wrapping_add(1));
        }
        mine.then_some(place)
    }

    /// Where the next message comes: behind all that is known to be taken.
    #[inline]
    fn place<M: Memory>(&self, memory: &M) -> u64 {
        read_cursor(memory.head()).max(self.next)
    }

    /// The same at a guess: one that is alone does without head, which may be as old as it likes anyway. The word there says if it is wrong.
    #[inline(always)]
    fn place_at_once<M: Memory>(&self, memory: &M) -> u64 {
        if self.alone { self.next } else { self.place(memory) }
    }

    /// All before `next` has been taken, the one before it by us. Head is told of it once for some messages.
    #[inline(always)]
    fn go_on<M: Memory>(&mut self, memory: &M, next: u64) {
        self.alone = next == self.next.wrapping_add(1);
        self.next = next;
        tell(memory, memory.head(), next);
    }

    /// Does what [`take_one`](Self::take_one) does with a message below the limit that `may` agrees to: the shortest way.
    #[inline(always)]
    pub fn take_at_once<'m, M: Memory>(&mut self, memory: &'m M, may: impl FnOnce(M::Slot<'m>) -> bool) -> Option<u64> {
        if self.new_epoch(memory).is_some() {
            return None;
        }
        let place = self.place_at_once(memory);
        if place >= self.limit {
            return None;
        }
        let (slot, ready) = (memory.slot(place), Word::ready(memory.lap(place)));
        // Acquire: take, pairs with commit: `may` looks at what was committed, which is ours if the exchange succeeds.
        if slot.word().load(Ordering::Acquire) != ready.bits() {
            (self.in_a_row, self.alone) = (0, false);
            return None;
        }
        self.take_seen(memory, place, may)
    }

    /// Takes the message at `place`, which was seen there.
    #[inline(always)]
    fn take_seen<'m, M: Memory>(
        &mut self,
        memory: &'m M,
        place: u64,
        may: impl FnOnce(M::Slot<'m>) -> bool,
    ) -> Option<u64> {
        let (slot, ready) = (memory.slot(place), Word::ready(memory.lap(place)));
        if !may(slot) {
            return None;
        }
        memory.look_at(slot);
        if !exchange_word(slot.word(), ready, ready.taken_by(self.owner)) {
            return None;
        }
        self.in_a_row += 1;
        if self.in_a_row > STREAM {
            memory.fetch_words_ahead(place);
        }
        self.go_on(memory, place.wrapping_add(1));
        Some(place)
    }

    /// Takes a message so, has `read` copy it, and frees its slot.
    #[inline(always)]
    pub fn pass_at_once<'m, M: Memory>(
        &mut self,
        memory: &'m M,
        may: impl FnOnce(M::Slot<'m>) -> bool,
        read: impl FnOnce(M::Slot<'m>),
    ) -> bool {
        let Some(position) = self.take_at_once(memory, may) else { return false };
        let slot = memory.slot(position);
        read(slot);
        self.free_one(memory, position);
        true
    }

    /// With positions below `end`, it may go on at once from now on.
    #[inline]
    pub fn set_limit(&mut self, end: u64) {
        self.limit = end;
    }

    /// Looks so many times whether the next message has come, or, if others take it, one of their next ones.
    #[inline]
    pub fn watch<M: Memory>(&self, memory: &M, looks: u32) -> bool {
        let (place, sight) = self.sight(memory);
        sight.watch(memory, place, looks)
    }

    /// Does what [`take_at_once`](Self::take_at_once) does with a message that comes while it is looked for so many times.
    #[inline]
    pub fn take_at_polls<'m, M: Memory>(
        &mut self,
        memory: &'m M,
        looks: u32,
        may: impl FnOnce(M::Slot<'m>) -> bool,
    ) -> Option<u64> {
        if self.new_epoch(memory).is_some() {
            return None;
        }
        let (place, sight) = self.sight(memory);
        if place >= self.limit || !sight.watch(memory, place, looks) {
            return None;
        }
        self.take_seen(memory, place, may)
    }

    /// Where the next message is, or will be, and what to watch there: behind what others are seen to have taken, though head may not tell it
    /// yet. To watch what they have taken would be in vain. No further: one that overwriting senders have left behind catches up at once, the
    /// long way.
    #[inline]
    fn sight<'m, M: Memory>(&self, memory: &'m M) -> (u64, Sight<'m>) {
        let place = taken_from(memory, self.place(memory), 2 * UNTOLD);
        // Acquire: pass, pairs with release: what was held with the last of those has been changed before.
        fence(Ordering::Acquire);
        (place, Sight::word(memory.word(place), Word::ready(memory.lap(place))))
    }

    /// Frees the slot of a message that was taken by itself and has been read.
    #[inline]
    pub fn free_one<M: Memory>(&mut self, memory: &M, position: u64) {
        let free = Word::free(memory.lap(position).wrapping_add(1));
        // Release: release, pairs with claim.
        memory.word(position).store(free.bits(), Ordering::Release);
    }

    /// Frees the slot of a message that has been read.
    #[inline]
    pub fn release_one<M: Memory>(&mut self, memory: &M, position: u64) {
        if own_word(memory, position).state() == Some(State::Take) {
            return self.free_one(memory, position);
        }
        self.release(memory, Run { first: position, count: 1 });
    }

    /// Frees the slots of messages that have been read.
    pub fn release<M: Memory>(&mut self, memory: &M, run: Run) {
        self.for_each_held(memory, run, |held, _| {
            settle(memory, held, Word::free(memory.lap(held.first).wrapping_add(1)).bits());
        });
    }

    /// Puts messages back, to be taken again by anyone. `seen` says whether the program may have looked at them.
    pub fn give_back<M: Memory>(&mut self, memory: &M, run: Run, seen: bool) {
        self.for_each_held(memory, run, |held, word| {
            let back = if seen { word.into_state(State::Retry) } else { word.undelivered() };
            settle(memory, held, back.bits());
        });
        // Release: epoch, pairs with scan. After the words, so that whoever sees the new epoch finds them.
        memory.retry_epoch().fetch_add(1, Ordering::Release);
    }

    /// Whether an empty ring is one, and not scribbled upon.
    pub fn audit<M: Memory>(&self, memory: &M) -> Result<(), Blocked> {
        check_empty(memory, self.place(memory))
    }

    /// How often the message at `position`, which is ours, has been taken.
    pub fn deliveries<M: Memory>(&self, memory: &M, position: u64) -> u8 {
        self.taken(own_word(memory, position)).deliveries()
    }

    /// From now on the message at `position`, which is ours, is held by its own word alone, so that any thread may settle it.
    pub fn part<M: Memory>(&self, memory: &M, position: u64) {
        cut(memory, position);
        cut(memory, position.wrapping_add(1));
    }

    /// Calls `settle` with all that is held by one word, for all of `run`, which is ours, and with that word.
    fn for_each_held<M: Memory>(&self, memory: &M, run: Run, mut settle: impl FnMut(Run, Word)) {
        let first = own_word(memory, run.first);
        if first.state() == Some(State::Ready) || first.run() != run.count {
            cut(memory, run.end());
        }
        let mut rest = run;
        while rest.count > 0 {
            let word = own_word(memory, rest.first);
            let count = held_from(memory, rest.first, word).min(rest.count);
            settle(Run { first: rest.first, count }, self.taken(word));
            rest = Run { first: rest.first.wrapping_add(count), count: rest.count - count };
        }
    }

    /// The word of a slot that is ours, or what it would be if another did not hold it.
    fn taken(&self, word: Word) -> Word {
        if word.state() == Some(State::Ready) { word.taken_by(self.owner) } else { word }
    }

    /// How many of the messages taken since the last call had been delivered before.
    #[inline]
    pub fn take_redelivered(&mut self) -> u64 {
        core::mem::take(&mut self.redelivered)
    }

    /// Whether slots have come free without a release since the last call.
    pub fn take_freed(&mut self) -> bool {
        core::mem::take(&mut self.freed)
    }

    /// Takes on behind `run`, which is ours, where each is taken by itself.
    fn take_more<M: Memory>(&mut self, memory: &M, run: Run, want: u64) -> Run {
        let wanted = Run { first: run.end(), count: want.saturating_sub(run.count) };
        let Run { first, mut count } = run;
        for piece in wanted.pieces(memory.capacity()) {
            let ready = Word::ready(memory.lap(piece.first));
            let taken = ready.taken_by(self.owner);
            let is_ours = |slot: &M::Slot<'_>| take_ready(slot.word(), ready, taken);
            let ours = memory.slots(piece).take_while(is_ours).count() as u64;
            count += ours;
            if ours < piece.count {
                break;
            }
        }
        Run { first, count }
    }

    fn take_at<M: Memory>(&mut self, memory: &M, position: u64, want: u64) -> Result<Step, Blocked> {
        let lap = memory.lap(position);
        // Relaxed: nothing is read before the exchange, which is the Acquire.
        let word = Word::from_bits(memory.word(position).load(Ordering::Relaxed));
        if word == Word::ready(lap) {
            let run = if want == 1 || self.overwrite { 1 } else { alike(memory, position, want, word) };
            let ours = exchange_word(memory.word(position), word, Word::take_run(lap, self.owner, run));
            return Ok(if ours { Step::Mine(run) } else { Step::Again });
        }
        // Acquire: pass, pairs with release: what was held with it has been changed before.
        fence(Ordering::Acquire);
        let Some(state) = word.state() else {
            return Err(contradiction("state word at head", Word::ready(lap), word));
        };
        match (word.lap_order(lap), state) {
            (LapOrder::Same, State::Ready) => Ok(exchange(memory, position, word, word.taken_by(self.owner))),
            (LapOrder::Same, State::Free) => Ok(Step::Stop(None)),
            (LapOrder::Same, State::Claim) => Ok(Step::Stop(Some(InTheWay { owner: word.owner(), position, word }))),
            (LapOrder::Same, State::Skip) => Ok(self.pass_skipped(memory, position, word)),
            (LapOrder::Same, State::TakeRun) => Ok(Step::Passed(held_from(memory, position, word))),
            (LapOrder::Same, State::Take | State::Retry) => Ok(Step::Passed(1)),
            _ if word == Word::free(lap.wrapping_add(1)) => Ok(Step::Passed(1)),
            (LapOrder::Newer, _) => Ok(Step::LeftBehind),
            (LapOrder::Previous, State::Take | State::TakeRun | State::Retry) => Ok(Step::Stop(None)),
            (LapOrder::Previous | LapOrder::Ancient, _) => Err(contradiction("lap at head", Word::ready(lap), word)),
        }
    }

    /// Word first, as in the sender's half of this step: a death between the two leaves head to be helped, not a slot
    /// that is never freed.
    fn pass_skipped<M: Memory>(&mut self, memory: &M, position: u64, word: Word) -> Step {
        let free = Word::free(memory.lap(position).wrapping_add(1));
        // Relaxed: an exchange goes on with the Release of the word that it replaces, which is the abort's.
        let won =
            memory.word(position).compare_exchange(word.bits(), free.bits(), Ordering::Relaxed, Ordering::Relaxed);
        self.freed |= won.is_ok();
        help(memory.head(), position, position.wrapping_add(1));
        Step::Again
    }

    /// Takes the oldest message that came back, if any may have since the last full pass of anyone.
    #[inline]
    fn take_returned<M: Memory>(&mut self, memory: &M) -> Option<u64> {
        let epoch = self.new_epoch(memory)?;
        self.look_for_returned(memory, epoch)
    }

    #[cold]
    fn look_for_returned<M: Memory>(&mut self, memory: &M, epoch: u64) -> Option<u64> {
        // Something has come back behind the pass under way, perhaps older than what that would find next.
        self.scan.take_if(|scan| scan.epoch != epoch);
        // Relaxed: once this has been true of an epoch it stays true, and nothing is read behind it.
        if memory.retry_settled().load(Ordering::Relaxed) == epoch {
            self.scan = None;
            self.seen_epoch = Some(epoch);
            return None;
        }
        self.scan(memory, epoch)
    }

    /// The epoch, unless everything that came back up to it has been looked at.
    #[inline]
    fn new_epoch<M: Memory>(&self, memory: &M) -> Option<u64> {
        // Acquire: scan, pairs with epoch.
        let epoch = memory.retry_epoch().load(Ordering::Acquire);
        (self.seen_epoch != Some(epoch)).then_some(epoch)
    }

    fn scan<M: Memory>(&mut self, memory: &M, epoch: u64) -> Option<u64> {
        // Behind what head does not tell yet: that is older, if it came back.
        let scan = self.scan.get_or_insert_with(|| Scan { epoch, start: taken_to(memory), done: 0 });
        while scan.done < memory.capacity() {
            let slot = scan.start.wrapping_add(scan.done);
            // Relaxed: as above.
            let word = Word::from_bits(memory.word(slot).load(Ordering::Relaxed));
            scan.done += 1;
            if word.state() != Some(State::Retry) {
                continue;
            }
            if let Step::Mine(_) = exchange(memory, slot, word, word.taken_by(self.owner)) {
                self.redelivered += u64::from(word.deliveries() > 0);
                return Some(word.lap() << memory.shift() | slot & (memory.capacity() - 1));
            }
        }
        let finished = scan.epoch;
        self.scan = None;
        self.seen_epoch = Some(finished);
        // Relaxed: nobody reads anything behind it, and an old value costs one more scan.
        memory.retry_settled().store(finished, Ordering::Relaxed);
        None
    }
}

/// Where a receiver goes on that was left behind, as by senders that overwrite, by any number of laps: what lies a whole ring below tail
/// has been claimed over.
#[cold]
fn caught_up<M: Memory>(memory: &M, place: u64) -> u64 {
    read_cursor(memory.tail()).saturating_sub(memory.capacity()).max(place.wrapping_add(1))
}

/// Takes the message whose word this is, if it is there.
#[inline]
fn take_ready(word: &AtomicU64, ready: Word, taken: Word) -> bool {
    // Relaxed: nothing is read before the exchange.
    word.load(Ordering::Relaxed) == ready.bits() && exchange_word(word, ready, taken)
}

#[inline]
fn own_word<M: Memory>(memory: &M, position: u64) -> Word {
    // Relaxed: it is ours, nobody else writes it.
    Word::from_bits(memory.word(position).load(Ordering::Relaxed))
}

#[inline]
fn exchange<M: Memory>(memory: &M, position: u64, from: Word, to: Word) -> Step {
    if exchange_word(memory.word(position), from, to) { Step::Mine(1) } else { Step::Again }
}

#[inline]
fn exchange_word(word: &AtomicU64, from: Word, to: Word) -> bool {
    // Acquire: take, pairs with commit and give back: the payload is whole. Relaxed on failure: somebody was faster.
    word.compare_exchange(from.bits(), to.bits(), Ordering::Acquire, Ordering::Relaxed).is_ok()
}
