//! A ring on a workbench: its words, a cell for each payload, and ends that note what they did.

use std::sync::Arc;

use loom::cell::UnsafeCell;
use loom::sync::atomic::{AtomicU64, Ordering::Relaxed};
use ringpost::layout::word::{LAP_BITS, Word};
use ringpost::ring::{
    Blocked, Memory, MultiReceiver, MultiSender, ReceiveEnd, Run, SendEnd, SingleReceiver, SingleSender, Slot,
};

/// Which ends a ring has.
#[derive(Clone, Copy, Debug)]
pub struct Ends {
    /// One sender only.
    pub single_sender: bool,
    /// One receiver only.
    pub single_receiver: bool,
    /// Full means: replace the oldest.
    pub overwrite: bool,
}

/// The words of a ring and its payloads.
pub struct Bench {
    ends: Ends,
    packed: bool,
    shift: u32,
    words: Vec<AtomicU64>,
    payloads: Vec<UnsafeCell<u64>>,
    head: AtomicU64,
    tail: AtomicU64,
    delivered_to: AtomicU64,
    retry_epoch: AtomicU64,
    retry_settled: AtomicU64,
    touched: Option<Touched>,
}

/// Makes loom look at both orders of any two accesses.
///
/// loom remembers only the last access to each atomic, and lets loads pass each other. So a load is forgotten when
/// another thread has loaded the same word, too; and if that one then exchanges it, the executions in which the exchange
/// comes before the first load are not tried. In a ring everyone loads before exchanging. Here every access stores to a
/// word beside the real one first: those stores are each other's last accesses, nobody loads them, and being Relaxed they
/// order nothing else. It costs far more executions, so only some models do it, or all with `RINGPOST_BOTH_ORDERS=1`.
struct Touched {
    words: Vec<AtomicU64>,
    head: AtomicU64,
    tail: AtomicU64,
    retry_epoch: AtomicU64,
}

fn touch<'a>(touched: Option<&AtomicU64>, word: &'a AtomicU64) -> &'a AtomicU64 {
    if let Some(touched) = touched {
        touched.store(0, Relaxed);
    }
    word
}

/// A slot by its position: its word is looked for anew each time, so that whoever counts steps sees it.
pub struct At<'m, M> {
    memory: &'m M,
    /// Where it lies.
    pub position: u64,
}

impl<'m, M> At<'m, M> {
    /// The slot at `position`.
    pub fn new(memory: &'m M, position: u64) -> Self {
        Self { memory, position }
    }
}

impl<M> Clone for At<'_, M> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<M> Copy for At<'_, M> {}

impl<'m, M: Memory> Slot<'m> for At<'m, M> {
    fn word(self) -> &'m AtomicU64 {
        self.memory.word(self.position)
    }
}

impl Memory for Bench {
    type Slot<'m> = At<'m, Self>;

    fn slot(&self, position: u64) -> At<'_, Self> {
        At::new(self, position)
    }
    fn word(&self, position: u64) -> &AtomicU64 {
        let slot = self.index(position);
        touch(self.touched.as_ref().map(|touched| &touched.words[slot]), &self.words[slot])
    }
    fn head(&self) -> &AtomicU64 {
        touch(self.touched.as_ref().map(|touched| &touched.head), &self.head)
    }
    fn tail(&self) -> &AtomicU64 {
        touch(self.touched.as_ref().map(|touched| &touched.tail), &self.tail)
    }
    fn delivered_to(&self) -> &AtomicU64 {
        // One receiver's, which no other thread exchanges.
        &self.delivered_to
    }
    fn retry_epoch(&self) -> &AtomicU64 {
        touch(self.touched.as_ref().map(|touched| &touched.retry_epoch), &self.retry_epoch)
    }
    fn retry_settled(&self) -> &AtomicU64 {
        // A hint, and never exchanged.
        &self.retry_settled
    }
    fn shift(&self) -> u32 {
        self.shift
    }
    fn in_order(&self) -> bool {
        self.ends.single_sender && !self.ends.overwrite
    }
    fn tail_step(&self) -> u64 {
        let one_to_one = self.ends.single_sender && self.ends.single_receiver && !self.ends.overwrite;
        if one_to_one && !self.packed { 2.min(self.capacity()) } else { 1 }
    }
    fn is_packed(&self) -> bool {
        self.packed
    }
}

impl Bench {
    /// An empty ring of `1 << shift` slots whose lap wraps to zero after its first lap.
    pub fn new(ends: Ends, shift: u32) -> Arc<Self> {
        Self::make(ends, false, shift, std::env::var_os("RINGPOST_BOTH_ORDERS").is_some())
    }

    /// The same, but packed: from one sender to one receiver. In both orders of any two accesses.
    pub fn packed(shift: u32) -> Arc<Self> {
        Self::make(Ends { single_sender: true, single_receiver: true, overwrite: false }, true, shift, true)
    }

    /// The same, for a model that is small enough to look at both orders of any two accesses.
    pub fn in_both_orders(ends: Ends, shift: u32) -> Arc<Self> {
        Self::make(ends, false, shift, true)
    }

    fn make(ends: Ends, packed: bool, shift: u32, both_orders: bool) -> Arc<Self> {
        let capacity = 1_u64 << shift;
        let start = ((1_u64 << LAP_BITS) - 1) << shift;
        let lap = start >> shift;
        let word = if ends.single_receiver && !ends.overwrite { Word::skip(lap - 1) } else { Word::free(lap) };
        Arc::new(Self {
            ends,
            packed,
            shift,
            words: (0..capacity).map(|_| AtomicU64::new(word.bits())).collect(),
            payloads: (0..capacity).map(|_| UnsafeCell::new(0)).collect(),
            head: AtomicU64::new(start),
            tail: AtomicU64::new(start),
            delivered_to: AtomicU64::new(start),
            retry_epoch: AtomicU64::new(0),
            retry_settled: AtomicU64::new(0),
            touched: both_orders.then(|| Touched {
                words: (0..capacity).map(|_| AtomicU64::new(0)).collect(),
                head: AtomicU64::new(0),
                tail: AtomicU64::new(0),
                retry_epoch: AtomicU64::new(0),
            }),
        })
    }

    /// Which ends it has.
    pub fn ends(&self) -> Ends {
        self.ends
    }

    /// A sender with this endpoint number.
    pub fn sender(self: &Arc<Self>, number: u16) -> Sender {
        let free_by_head = self.ends.single_receiver && !self.ends.overwrite;
        let end = if self.ends.single_sender && !self.ends.overwrite {
            SendEnd::Single(SingleSender::join(&**self, free_by_head).expect("the words are sound"))
        } else {
            SendEnd::Multi(MultiSender::new(number, self.ends.overwrite, free_by_head))
        };
        Sender { bench: Arc::clone(self), end, number, next: 0, overwritten: 0 }
    }

    /// A receiver with this endpoint number.
    pub fn receiver(self: &Arc<Self>, number: u16) -> Receiver {
        let end = if self.ends.single_receiver && !self.ends.overwrite {
            ReceiveEnd::Single(SingleReceiver::join(&**self).expect("the words are sound"))
        } else {
            ReceiveEnd::Multi(MultiReceiver::new(number, self.ends.overwrite))
        };
        Receiver { bench: Arc::clone(self), end, got: Vec::new() }
    }

    /// Writes a payload; the caller has claimed the slot.
    pub fn write(&self, position: u64, value: u64) {
        // SAFETY: the claim makes it ours; loom reports any access that is not ordered with this one.
        self.payloads[self.index(position)].with_mut(|payload| unsafe { *payload = value });
    }

    /// Reads a payload, and writes it as it stands, as one who owns its line does; the caller has taken the slot.
    pub fn read(&self, position: u64) -> u64 {
        self.payloads[self.index(position)].with_mut(|payload| {
            // SAFETY: as above.
            let value = unsafe { *payload };
            // SAFETY: as above.
            unsafe { *payload = value };
            value
        })
    }

    fn index(&self, position: u64) -> usize {
        (position & ((1 << self.shift) - 1)) as usize
    }
}

/// A sender whose messages are `number * 100 + sequence`.
pub struct Sender {
    bench: Arc<Bench>,
    /// The end under test.
    pub end: SendEnd,
    number: u16,
    next: u64,
    overwritten: u64,
}

impl Sender {
    /// Tries once to send up to `want` messages; returns how many went.
    pub fn send(&mut self, want: u64) -> u64 {
        if want == 1 && self.next.is_multiple_of(2) && self.send_one() {
            return 1;
        }
        let Some(run) = self.claim(want) else { return 0 };
        for position in run.positions() {
            self.bench.write(position, u64::from(self.number) * 100 + self.next);
            self.next += 1;
        }
        self.end.commit(&*self.bench, run);
        run.count
    }

    /// The short way, for every second message that goes alone.
    fn send_one(&mut self) -> bool {
        let message = u64::from(self.number) * 100 + self.next;
        let Self { bench, end, .. } = self;
        let mut sent = false;
        if let SendEnd::Multi(_) = end {
            end.open_window(&**bench, u64::MAX);
            sent = end.put_at_once(&**bench, || true, |slot| bench.write(slot.position, message));
        }
        sent = sent || end.put_one(&**bench, |position, _| bench.write(position, message));
        self.note_overwritten();
        self.next += u64::from(sent);
        sent
    }

    /// Tries once to claim a slot and gives it up again, half written.
    pub fn abort(&mut self) {
        if let Some(run) = self.claim(1) {
            self.bench.write(run.first, u64::MAX);
            self.end.abort(&*self.bench, run);
        }
    }

    /// Messages sent so far, and how many of anyone's it has overwritten.
    pub fn done(self) -> (u16, u64, u64) {
        (self.number, self.next, self.overwritten)
    }

    fn claim(&mut self, want: u64) -> Option<Run> {
        match self.end.claim(&*self.bench, want) {
            Ok(run) => {
                self.note_overwritten();
                Some(run)
            }
            Err(Blocked::Wait(_)) => {
                self.end.audit(&*self.bench).expect("a full ring is no scribbled one");
                None
            }
            Err(Blocked::Fault(fault)) => panic!("sender {}: {fault}", self.number),
        }
    }
}

impl Sender {
    fn note_overwritten(&mut self) {
        let overwritten = self.end.take_overwritten();
        assert!(self.bench.ends.overwrite || overwritten == 0, "a message was overwritten that nobody gave up");
        self.overwritten += overwritten;
    }
}

/// A receiver that notes what it got.
pub struct Receiver {
    bench: Arc<Bench>,
    /// The end under test.
    pub end: ReceiveEnd,
    /// Messages, in the order of their arrival.
    pub got: Vec<u64>,
}

impl Receiver {
    /// The ring that it takes from.
    pub fn bench(&self) -> Arc<Bench> {
        Arc::clone(&self.bench)
    }

    /// Tries once to take up to `want` messages; reads and releases them. Returns how many came.
    pub fn pull(&mut self, want: u64) -> u64 {
        if want == 1 && !self.got.len().is_multiple_of(2) {
            return u64::from(self.pull_one());
        }
        self.pull_any(want)
    }

    /// The long way.
    fn pull_any(&mut self, want: u64) -> u64 {
        let Some(run) = self.take(want) else { return 0 };
        self.finish(run);
        run.count
    }

    /// The short ways, for every second message that is taken alone: held until it is released, or copied and released at
    /// once. They fail on a receiver that has not looked for what came back, so the first goes the long way. One of many tries
    /// the shortest ways before.
    fn pull_one(&mut self) -> bool {
        let Self { bench, end, got } = self;
        let many = matches!(end, ReceiveEnd::Multi(_)) && end.open_window(&**bench, u64::MAX);
        if got.len() % 4 == 3 {
            return self.pull_at_once() || !many && self.pull_at_sight();
        }
        let taken = if many { end.front_at_polls(&**bench, 1, |_| true) } else { None };
        let Some(position) = taken.or_else(|| end.take_one(&**bench)) else { return false };
        got.push(bench.read(position));
        end.release_one(&**bench, position)
    }

    fn pull_at_sight(&mut self) -> bool {
        self.end.look(&*self.bench, u64::MAX, Some(2)).is_some_and(|found| found > 0) && self.pull_at_once()
    }

    /// The shortest way. Returns whether a message came.
    pub fn pull_at_once(&mut self) -> bool {
        let Self { bench, end, got } = self;
        end.pass_at_once(&**bench, |_| true, |slot| got.push(bench.read(slot.position)))
    }

    /// Tries once to take messages, looks at them, and puts them back.
    pub fn give_back(&mut self, want: u64, seen: bool) {
        if let Some(run) = self.take(want) {
            for position in run.positions() {
                self.bench.read(position);
            }
            self.end.give_back(&*self.bench, run, seen);
        }
    }

    /// Takes until nothing is left.
    pub fn drain(&mut self) {
        while self.pull_any(1) > 0 {}
    }

    /// Takes without reading or releasing.
    pub fn take(&mut self, want: u64) -> Option<Run> {
        match self.end.take(&*self.bench, want) {
            Ok(run) => Some(run),
            Err(Blocked::Wait(_)) => {
                self.end.audit(&*self.bench).expect("an empty ring is no scribbled one");
                None
            }
            Err(Blocked::Fault(fault)) => panic!("receiver: {fault}"),
        }
    }

    /// Reads and releases what was taken.
    pub fn finish(&mut self, run: Run) {
        self.got.extend(run.positions().map(|position| self.bench.read(position)));
        self.end.release(&*self.bench, run);
    }
}

/// What all ends have done, to be balanced.
#[derive(Default)]
pub struct Tally {
    sent: Vec<u64>,
    overwritten: u64,
    got: Vec<u64>,
}

impl Tally {
    /// Adds a sender's account.
    pub fn sender(&mut self, (number, sent, overwritten): (u16, u64, u64)) {
        self.sent.extend((0..sent).map(|sequence| u64::from(number) * 100 + sequence));
        self.overwritten += overwritten;
    }

    /// Adds a receiver's account, checking each sender's order in it.
    pub fn receiver(&mut self, got: Vec<u64>) {
        for (i, earlier) in got.iter().enumerate() {
            for later in &got[i + 1..] {
                assert!(earlier / 100 != later / 100 || earlier < later, "out of a sender's order: {got:?}");
            }
        }
        self.got.extend(got);
    }

    /// Adds an account in which the order does not count, because something came back.
    pub fn unordered(&mut self, got: Vec<u64>) {
        self.got.extend(got);
    }

    /// Nothing lost but what was overwritten, nothing doubled, nothing made up.
    pub fn balance(mut self) {
        self.got.sort_unstable();
        let unique = self.got.windows(2).all(|pair| pair[0] != pair[1]);
        assert!(unique, "doubled: {:?}", self.got);
        let missing = self.sent.iter().filter(|message| !self.got.contains(message)).count() as u64;
        assert_eq!(missing, self.overwritten, "sent {:?}, got {:?}", self.sent, self.got);
        assert_eq!(self.got.len() as u64 + missing, self.sent.len() as u64, "sent {:?}, got {:?}", self.sent, self.got);
    }
}
