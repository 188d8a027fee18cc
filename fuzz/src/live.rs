//! A live queue: the input says who joins, sends, takes, holds, gives back and leaves, in which order, and what is written
//! over the segment in between, behind everyone's back.
//!
//! Whatever it says, each step is a success or an error: no panic, no hang, no message longer than the queue allows. As
//! long as nothing has been scribbled, messages are what was sent and nothing is a fault.

use std::fs::{File, OpenOptions};
use std::hint::black_box;
use std::mem;
use std::time::{Duration, Instant};

use ringpost::{Batch, Ends, Message, Options, Payload, Queue, Receiver, RecvError, SendError, Sender, WhenFull};

use super::input::{Input, OwnName};
use super::words::{Choice, Shape};

const MAX_LEN: usize = 24;
/// Longer than a cache line: their words stand apart.
const LONG: usize = 100;
const CAPACITY: usize = 64;
const ENDPOINTS: usize = 6;
/// Most endpoints of either kind.
const MOST: usize = 3;
/// Most steps of one input.
const STEPS: u32 = 256;
/// Far more than any step takes, on a busy machine too: it hangs.
pub const HANG: Duration = Duration::from_secs(10);

/// Runs one input. Returns how long its slowest step took.
pub fn run(input: &[u8]) -> Duration {
    let mut input = Input(input);
    let name = OwnName::new("fuzz-live");
    let settings = input.byte();
    let queue = create(&name, settings);
    let file = OpenOptions::new().read(true).write(true).open(name.path()).expect("it was made just now");
    let shape = Shape::read(&file);
    let mut world = World {
        input,
        name,
        file,
        shape,
        queue,
        settings,
        senders: Vec::new(),
        receivers: Vec::new(),
        steps: STEPS,
        scribbled: false,
        slowest: Duration::ZERO,
    };
    while world.step() {}
    world.slowest
}

/// The ends, the policy and the length of messages are the input's choice. A single-ended queue may be smaller.
fn create(name: &str, settings: u8) -> Queue {
    let capacity = if settings & 16 == 0 { 4 } else { CAPACITY };
    if !is_typed(settings) {
        let max_len = if is_long(settings) { LONG } else { MAX_LEN };
        return Queue::create(name, with(Options::new(capacity).max_len(max_len), settings)).expect("a new queue");
    }
    // Messages of one length, used as bytes.
    if is_long(settings) {
        drop(
            Queue::<[u64; 12]>::create(name, with(Options::of::<[u64; 12]>(capacity), settings)).expect("a new queue"),
        );
    } else {
        drop(Queue::<[u64; 3]>::create(name, with(Options::of::<[u64; 3]>(capacity), settings)).expect("a new queue"));
    }
    Queue::open(name).expect("it was made just now")
}

fn with<T: ?Sized + Payload>(options: Options<T>, settings: u8) -> Options<T> {
    let ends = |bit: u8| if settings & bit == 0 { Ends::Single } else { Ends::Multi };
    let policy = [WhenFull::Block, WhenFull::Fail, WhenFull::Overwrite, WhenFull::Deadline(Duration::ZERO)];
    let options = options.endpoints(ENDPOINTS).senders(ends(1)).receivers(ends(2));
    options.when_full(policy[usize::from(settings >> 2 & 3)]).packed(is_packed(settings))
}

/// Messages side by side, where the ends and the policy allow it.
fn is_packed(settings: u8) -> bool {
    settings & 128 != 0 && settings & 3 == 0 && settings >> 2 & 3 != 2
}

/// Made for values, so that slices of them can be written and read.
fn is_typed(settings: u8) -> bool {
    settings & 32 != 0
}

/// Long messages, and the shortest ways of receiving them.
fn is_long(settings: u8) -> bool {
    settings & 64 != 0
}

struct World<'a> {
    input: Input<'a>,
    name: OwnName,
    file: File,
    shape: Shape,
    queue: Queue,
    settings: u8,
    senders: Vec<Sender>,
    receivers: Vec<Receiver>,
    steps: u32,
    scribbled: bool,
    slowest: Duration,
}

impl World<'_> {
    /// One step; `false` at the end.
    fn step(&mut self) -> bool {
        let Some(what) = self.input.next().filter(|_| self.steps > 0) else { return false };
        self.steps -= 1;
        let started = Instant::now();
        match what & 0x1f {
            0..=2 => self.join_sender(),
            3..=5 => self.join_receiver(),
            6 | 12 if is_packed(self.settings) && is_typed(self.settings) => self.use_slices(what & 0x1f == 6),
            6..=11 => self.send(),
            12..=17 => self.receive(),
            18 => drop(take_any(&mut self.senders, &mut self.input)),
            19 => drop(take_any(&mut self.receivers, &mut self.input)),
            20 => self.look(),
            21 => self.end(),
            _ => self.scribble(),
        }
        let took = started.elapsed();
        assert!(took < HANG, "step {what:#x} took {took:?}");
        self.slowest = self.slowest.max(took);
        true
    }

    /// So many steps of others, while somebody holds something.
    fn meanwhile(&mut self) {
        for _ in 0..self.input.below(4) {
            self.step();
        }
    }

    fn join_sender(&mut self) {
        if self.is_worth_joining(self.queue.senders(), self.senders.len()) {
            self.senders.extend(self.queue.sender().ok());
        }
    }

    fn join_receiver(&mut self) {
        if self.is_worth_joining(self.queue.receivers(), self.receivers.len())
            && let Ok(mut receiver) = self.queue.receiver()
        {
            receiver.until_senders_leave(self.input.byte() & 1 == 0);
            self.receivers.push(receiver);
        }
    }

    /// Joining in vain takes milliseconds, so that is tried less often.
    fn is_worth_joining(&mut self, ends: Ends, joined: usize) -> bool {
        joined < MOST && (ends == Ends::Multi || joined == 0 || self.input.byte() < 8)
    }

    fn send(&mut self) {
        let Some(mut sender) = take_any(&mut self.senders, &mut self.input) else { return };
        let len = self.any_len();
        let message = vec![len as u8; len];
        let result = match self.input.byte() % 8 {
            0 | 1 => sender.try_send(&message),
            2 => sender.send_timeout(&message, Duration::ZERO),
            3 => sender.send_timeout(&message, self.a_moment()),
            4 | 5 => {
                let many = self.input.below(2 * CAPACITY);
                let batch = (0..many).map(|_| &message[..]);
                sender.send_batch_timeout(batch, Duration::ZERO).map(drop).map_err(|failed| failed.error)
            }
            _ => self.lend(&mut sender, len),
        };
        self.check_fault(matches!(result, Err(SendError::Fault(_))));
        self.senders.push(sender);
    }

    /// Most often one that a packed queue takes.
    fn any_len(&mut self) -> usize {
        let max_len = self.queue.max_len();
        if is_packed(self.settings) && self.input.byte() >= 16 { max_len } else { self.input.below(max_len + 2) }
    }

    /// Writes in place while others go on, then commits, gives up or forgets the slot.
    fn lend(&mut self, sender: &mut Sender, len: usize) -> Result<(), SendError> {
        let mut loan = sender.loan_timeout(len, Duration::ZERO)?;
        assert_eq!(loan.len(), len);
        loan.fill(len as u8);
        self.meanwhile();
        match self.input.byte() % 8 {
            0..=3 => loan.commit(),
            4 => return loan.commit_len(self.input.below(self.queue.max_len() + 2)).or(Ok(())),
            5 | 6 => drop(loan),
            _ => mem::forget(loan),
        }
        Ok(())
    }

    fn receive(&mut self) {
        let Some(mut receiver) = take_any(&mut self.receivers, &mut self.input) else { return };
        let many = self.input.below(CAPACITY + 2);
        let long = self.queue.max_len() > MAX_LEN;
        let result = match self.input.byte() % 8 {
            1 if long => receiver.recv_with_timeout(Duration::ZERO, |message| self.check(message)).map(drop),
            2 if long => receiver.pull_some_with(many, Duration::ZERO, |message| self.check(message)).map(drop),
            0..=2 => receiver.try_pull(many).map(|batch| self.hold(batch)),
            3 => receiver.pull(many, Duration::ZERO).map(|batch| self.hold(batch)),
            4 => receiver.pull_some(many, self.a_moment()).map(|batch| self.hold(batch)),
            5 => receiver.recv_timeout(Duration::ZERO).map(|message| self.hold_one(message)),
            _ => receiver.try_recv().map(|message| self.hold_one(message)),
        };
        self.check_fault(matches!(result, Err(RecvError::Fault(_))));
        self.receivers.push(receiver);
    }

    fn hold(&mut self, mut batch: Batch<'_>) {
        assert!(batch.len() <= self.queue.capacity());
        self.meanwhile();
        for index in 0..batch.len() {
            black_box(batch.deliveries(index));
        }
        let look_at = self.input.below(CAPACITY);
        batch.iter().take(look_at).for_each(|message| self.check(message));
        match self.input.byte() % 8 {
            0 | 1 => drop(batch),
            2 => batch.release(),
            3 => batch.nack(),
            4 => batch.release_first(self.input.below(CAPACITY)),
            5 | 6 => {
                let rest: Vec<Message<'_>> = batch.into_iter().take(look_at).collect();
                rest.into_iter().rev().for_each(|message| self.hold_one(Some(message)));
            }
            // One by one, since a batch has memory of its own.
            _ => batch.into_iter().for_each(mem::forget),
        }
    }

    fn hold_one(&mut self, message: Option<Message<'_>>) {
        let Some(message) = message else { return };
        self.check(&message);
        black_box(message.is_redelivered());
        match self.input.byte() % 8 {
            0..=4 => drop(message),
            5 | 6 => message.nack(),
            _ => mem::forget(message),
        }
    }

    fn check(&self, message: &[u8]) {
        assert!(message.len() <= self.queue.max_len(), "a message of {} bytes", message.len());
        let whole = message.first().is_none_or(|first| message.iter().all(|byte| byte == first));
        assert!(black_box(whole) || self.scribbled, "torn: {message:?}");
    }

    fn check_fault(&self, fault: bool) {
        assert!(!fault || self.scribbled, "a fault where nobody has scribbled");
    }

    /// Has one who knows the type of the values take a place, write or read slices, and leave again.
    fn use_slices(&mut self, writes: bool) {
        match (writes, is_long(self.settings)) {
            (true, false) => self.send_slices::<3>(),
            (true, true) => self.send_slices::<12>(),
            (false, false) => self.receive_slices::<3>(),
            (false, true) => self.receive_slices::<12>(),
        }
    }

    fn send_slices<const N: usize>(&mut self) {
        // There is no slice with a timeout: a sender that waits for room would do so for ever.
        if self.queue.when_full() == WhenFull::Block {
            return;
        }
        // There is one place, and to find that it is taken needs milliseconds.
        self.senders.clear();
        let Some(mut sender) = self.values::<N>().and_then(|queue| queue.sender().ok()) else { return };
        for _ in 0..=self.input.below(3) {
            let (value, many) = ([u64::from_ne_bytes([self.input.byte(); 8]); N], self.input.below(2 * CAPACITY));
            let result = sender.send_slices_with(many, |some| some.fill(value));
            self.check_fault(result.is_err_and(|failed| matches!(failed.error, SendError::Fault(_))));
            self.meanwhile();
        }
    }

    fn receive_slices<const N: usize>(&mut self) {
        self.receivers.clear();
        let Some(mut receiver) = self.values::<N>().and_then(|queue| queue.receiver().ok()) else { return };
        for _ in 0..=self.input.below(3) {
            let (many, mut read) = (self.input.below(CAPACITY + 2), 0);
            let result = receiver.pull_slices_with(many, Duration::ZERO, |some| {
                read += some.len();
                let whole = some.iter().all(|value| value.iter().all(|word| *word == value[0]));
                assert!(black_box(whole) || self.scribbled, "torn: {some:?}");
            });
            assert!(read <= many && result.as_ref().is_ok_and(|count| *count == read) || read == 0);
            self.check_fault(matches!(result, Err(RecvError::Fault(_))));
            self.meanwhile();
        }
    }

    /// The queue as one of values; `None` if it has been removed, or spoilt.
    fn values<const N: usize>(&self) -> Option<Queue<[u64; N]>> {
        Queue::open(&self.name).ok()?.typed().ok()
    }

    fn look(&mut self) {
        black_box((self.queue.stat(), self.queue.is_closed(), self.queue.is_removed()));
        assert!(self.queue.size() <= self.queue.capacity());
        self.senders.iter().for_each(|sender| assert!(sender.size() <= sender.capacity()));
        self.receivers.iter().for_each(|receiver| assert!(receiver.size() <= receiver.capacity()));
    }

    /// Opens it anew, or closes it, or removes its name.
    fn end(&mut self) {
        match self.input.byte() % 8 {
            0 => self.queue.close(),
            1 => drop(ringpost::remove(&self.name)),
            _ => {
                if let Ok(queue) = Queue::open(&self.name) {
                    self.queue = queue;
                }
            }
        }
    }

    /// Long enough to go to sleep.
    fn a_moment(&mut self) -> Duration {
        Duration::from_micros(if self.input.byte() & 7 == 0 { 300 } else { 0 })
    }

    fn scribble(&mut self) {
        self.scribbled = true;
        self.shape.scribble(&self.file, self.queue.capacity(), 0, &mut self.input);
    }
}

fn take_any<T>(among: &mut Vec<T>, input: &mut Input<'_>) -> Option<T> {
    if among.is_empty() { None } else { Some(among.swap_remove(input.below(among.len()))) }
}
