//! What the only receiver knows of messages that it has not taken, so that it need not look at each one's word.

use super::notes::take_word;
use super::single_sender::committed_to;
use super::window::Window;
use super::{Memory, Run, read_cursor, sent_to};
use crate::layout::word::Word;
use crate::sync::{AtomicU64, Ordering};

/// How many messages are looked for at once.
const LOOKS: u64 = 32;

/// See the module.
#[derive(Debug)]
pub struct Ahead {
    /// Messages below it are there, and have not been delivered before.
    there: u64,
    /// What tail said when it was last looked at.
    told: u64,
    /// More than half of what the ring holds was there then.
    behind: bool,
    /// The lines of messages below it have been asked for.
    fetched: u64,
    /// No receiver has touched a word from here on: no slot is skipped, no delivery is counted.
    fresh_from: u64,
    /// The last look came to where nothing was, and not only to the end of what it looked at.
    ended: bool,
    /// What is touched leaves notes, which no sender writes over.
    packed: bool,
}

impl Ahead {
    /// Nothing yet. Predecessors may have touched all that was sent until now, told by tail or not; `delivered_to` does not say how far they
    /// came, since one that left, or joined and died, has lowered it.
    pub fn at_join<M: Memory>(memory: &M) -> Self {
        let fresh_from = if memory.in_order() { committed_to(memory, read_cursor(memory.tail())) } else { u64::MAX };
        Self { there: 0, told: 0, behind: false, fetched: 0, fresh_from, ended: true, packed: memory.is_packed() }
    }

    /// Words of positions below `end` have been touched.
    pub fn touched(&mut self, end: u64) {
        self.fresh_from = self.fresh_from.max(end);
    }

    /// The positions of `run` in the words of which there may be notes that are to be cleared.
    #[inline(always)]
    pub fn noted(&self, run: Run) -> Option<Run> {
        (self.packed && run.first < self.fresh_from)
            .then(|| Run { first: run.first, count: run.count.min(self.fresh_from - run.first) })
    }

    /// What was taken, up to `next`, is to be taken again.
    pub fn start_again(&mut self, next: u64) {
        self.touched(next);
        self.there = 0;
    }

    /// The message at `position`, the next one, has come just now. What is behind it hardly has: to look there, at a line that its sender is about
    /// to write, would only hold up this one.
    #[inline]
    pub fn came(&mut self, position: u64) {
        self.there = self.there.max(position.wrapping_add(1));
    }

    /// Whether the message at `position`, which is not below the next one, is known to be there.
    #[inline(always)]
    pub fn knows(&self, position: u64) -> bool {
        position < self.there
    }

    /// The same for all messages of `run`.
    #[inline]
    pub fn knows_all(&self, run: Run) -> bool {
        run.end() <= self.there
    }

    /// What is known from `next` on, up to `want` messages. The first one is.
    #[inline]
    pub fn known(&self, next: u64, want: u64) -> Run {
        Run { first: next, count: want.min(self.there.saturating_sub(next)) }
    }

    /// Looks whether the message at `position`, in the window, is there. If the one behind it is, too, it looks on.
    #[inline(always)]
    pub fn look_at<M: Memory>(&mut self, memory: &M, window: &Window, position: u64, ready: Word) -> bool {
        if memory.is_packed() {
            return self.told(memory, position) > 0 && self.knows(position);
        }
        if take_word(memory, position) != ready {
            self.ended = true;
            return false;
        }
        let next = position.wrapping_add(1);
        self.ended = window.ready_at(next).is_some();
        if self.ended && take_word(memory, next) == ready {
            let count = LOOKS.min(memory.at_once()).min(window.left(next));
            self.look_on(memory, Run { first: next, count }, ready);
        }
        true
    }

    /// Whether the last message of `run` is there, and so all of them: an only sender has committed them one after another, and nobody has
    /// touched their words.
    #[inline]
    fn ends_with<M: Memory>(&self, memory: &M, run: Run, ready: Word) -> bool {
        run.first >= self.fresh_from && take_word(memory, run.end() - 1) == ready
    }

    /// Looks how many messages of `run` there are, one after another, so that the processor asks for many lines at once.
    #[inline(never)]
    fn look_on<M: Memory>(&mut self, memory: &M, run: Run, ready: Word) {
        if self.ends_with(memory, run, ready) {
            (self.there, self.ended) = (run.end(), false);
            return;
        }
        // Acquire: take, pairs with commit and abort: the payload is whole.
        let is_ready = |word: &&AtomicU64| word.load(Ordering::Acquire) == ready.bits();
        let there = memory.words(run).take_while(is_ready).count() as u64;
        (self.there, self.ended) = (run.first.wrapping_add(there), there < run.count);
    }

    /// Where the message at `position` is there: how many an only receiver goes on with, from there on, within the window. Of a packed ring
    /// tail tells all: then with no more than `chunk`, whose lines it asks for, if that is given.
    #[inline]
    pub fn on_hand<M: Memory>(
        &mut self,
        memory: &M,
        window: &Window,
        position: u64,
        ready: Word,
        chunk: Option<u64>,
    ) -> u64 {
        let left = window.left(position);
        if self.packed {
            let known = self.known(position, left).count;
            self.ended = known < left;
            let Some(chunk) = chunk else { return known };
            self.fetch_for(memory, Run { first: position, count: known }, chunk);
            return known.min(chunk);
        }
        self.look_beyond(memory, window, position, ready);
        self.known(position, left.min(memory.at_once())).count
    }

    /// Whether nothing seems to be there at `next`: it is not known, and the last look came to where nothing was.
    #[inline]
    pub fn has_ended(&self, next: u64) -> bool {
        self.ended && !self.knows(next)
    }

    /// Looks for more than is gone on with at once, and asks for the lines of all: those of the later ones come while the earlier ones are
    /// read. (By tail alone that reaches to where the sender writes, which is worth it where a line takes long to be written.)
    #[inline]
    fn look_beyond<M: Memory>(&mut self, memory: &M, window: &Window, position: u64, ready: Word) {
        let chunk = memory.at_once();
        let left = window.left(self.there);
        if !self.ended && left > 0 && self.there < position.saturating_add(2 * chunk) {
            let more = [chunk, chunk / 4].map(|count| Run { first: self.there, count: count.clamp(1, left) });
            let found = more.into_iter().find(|more| self.ends_with(memory, *more, ready));
            self.there = found.map_or(self.there, Run::end);
            self.ended = found.is_none() && self.there >= self.fresh_from;
        }
        self.fetch_for(memory, self.known(position, window.left(position)), chunk);
    }

    /// Has the lines fetched of the first `chunk` messages of `run`, which are there, and of as many after those.
    #[inline]
    fn fetch_for<M: Memory>(&mut self, memory: &M, run: Run, chunk: u64) {
        let to = run.end().min(run.first.saturating_add(2 * chunk));
        let from = self.fetched.max(run.first);
        if from < to {
            memory.fetch_to_take(Run { first: from, count: to - from });
            self.fetched = to;
        }
    }

    /// How many messages, from `next` on, tail tells of. It is looked at only when all that it told of lies before that, or nobody has
    /// touched the next one, and yet it is not known.
    #[inline]
    pub fn told<M: Memory>(&mut self, memory: &M, next: u64) -> u64 {
        if self.told <= next || (self.there <= next && self.fresh_from <= next) {
            // Relaxed: a hint; its last message's word is looked at. Acquire: take, pairs with commit, where tail itself commits.
            let order = if memory.is_packed() { Ordering::Acquire } else { Ordering::Relaxed };
            self.told = memory.tail().load(order);
            self.behind = self.told.saturating_sub(next) > memory.capacity() / 2;
            self.check_told(memory, next);
        }
        self.told.saturating_sub(next)
    }

    /// Whether its receiver is slower than the sender: most of the ring waited when tail was last looked at.
    #[inline]
    pub fn is_behind(&self) -> bool {
        self.behind
    }

    /// The same, and what tail does not tell yet.
    pub fn told_by_words<M: Memory>(&mut self, memory: &M, next: u64) -> u64 {
        self.told = self.told.max(sent_to(memory));
        self.check_told(memory, next);
        self.told.saturating_sub(next)
    }

    /// An only sender commits one message after the other: if the last one's word says that it is there, all are.
    #[inline]
    fn check_told<M: Memory>(&mut self, memory: &M, next: u64) {
        let count = self.told.saturating_sub(next);
        if next >= self.fresh_from && count > 0 && count <= memory.capacity() {
            let last = self.told - 1;
            if memory.is_packed() || take_word(memory, last) == Word::ready(memory.lap(last)) {
                self.there = self.told;
            }
        }
    }

    /// Has the lines of `run` fetched, and those behind it for the next one, unless they are being written.
    #[inline(always)]
    pub fn fetch<M: Memory>(&mut self, memory: &M, run: Run) {
        if run.end() > self.told {
            return;
        }
        if self.fetched <= run.first {
            memory.fetch_to_read(run);
        }
        self.fetched = self.told.min(run.end().saturating_add(run.count));
        if self.fetched > run.end() {
            memory.fetch_to_read(Run { first: run.end(), count: self.fetched - run.end() });
        }
    }

    /// Has as many lines fetched as those of `run`, behind them, for the next run, unless they are being written.
    #[inline(always)]
    pub fn fetch_behind<M: Memory>(&self, memory: &M, run: Run) {
        let next = Run { first: run.end(), count: run.count.min(self.told.saturating_sub(run.end())) };
        memory.fetch_to_read(next);
    }
}
