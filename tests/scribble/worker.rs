//! One who works on a queue that is being scribbled upon.

use std::fmt::Debug;
use std::fs::File;
use std::os::fd::AsFd;
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use ringpost::{Queue, Receiver, Sender};

use crate::content::Random;
use crate::run::say;

/// The longest that a call is asked to wait.
pub const TIMEOUT: Duration = Duration::from_millis(2);
/// A call that takes longer than this hangs, on a busy machine too.
pub const HANG: Duration = Duration::from_secs(10);
/// What a packed queue is made for.
pub type Value = [u64; 3];

/// Calls after which an endpoint leaves and joins again.
const CALLS_PER_JOIN: u64 = 50;

/// What a worker has done.
struct Record {
    started: Instant,
    /// Milliseconds from the start to the beginning of the call under way, and one more.
    calling: Arc<AtomicU64>,
    /// Where the number of calls is told to the scribbler, and at which place.
    calls: File,
    at: u64,
    well: u64,
    errors: u64,
    slowest: Duration,
}

impl Record {
    /// Starts the watch, which ends this process when a call hangs. Tells its calls as number `index`.
    fn new(index: u64) -> Self {
        let (started, calling) = (Instant::now(), Arc::new(AtomicU64::new(0)));
        let watched = Arc::clone(&calling);
        std::thread::spawn(move || {
            loop {
                std::thread::sleep(Duration::from_millis(100));
                let since = watched.load(Ordering::Relaxed);
                if since > 0 && started.elapsed() > Duration::from_millis(since) + HANG {
                    eprintln!("a call hangs");
                    std::process::abort();
                }
            }
        });
        let calls = File::from(std::io::stdin().as_fd().try_clone_to_owned().expect("a descriptor"));
        Self { started, calling, calls, at: 8 * index, well: 0, errors: 0, slowest: Duration::ZERO }
    }

    /// Makes a call that cannot fail.
    fn finish(&mut self, call: impl FnOnce()) {
        let _ = self.call(|| {
            call();
            Ok::<(), ()>(())
        });
    }

    /// Makes one call. Any error is one that has a type.
    fn call<T, E: Debug>(&mut self, call: impl FnOnce() -> Result<T, E>) -> Option<T> {
        let begun = Instant::now();
        self.calling.store((begun - self.started).as_millis() as u64 + 1, Ordering::Relaxed);
        let result = call();
        self.calling.store(0, Ordering::Relaxed);
        self.slowest = self.slowest.max(begun.elapsed());
        match result {
            Ok(_) => self.well += 1,
            Err(_) => self.errors += 1,
        }
        self.tell(self.well + self.errors);
        result.ok()
    }

    fn tell(&self, calls: u64) {
        self.calls.write_all_at(&calls.to_le_bytes(), self.at).expect("the scribbler's file");
    }
}

/// Sends or receives for a while: which, the queue's name, milliseconds, its place among the workers.
pub fn work(role: &[String]) {
    let queue = Queue::open(&role[1]).expect("the queue");
    let length = Duration::from_millis(role[2].parse().expect("a number"));
    let mut random = Random::new(u64::from(std::process::id()));
    let fixed = queue.stat().message_type.is_some();
    let mut record = Record::new(role[3].parse().expect("a number"));
    // Everyone is there before it begins.
    let ends = (role[0] == "sender").then(|| queue.sender().expect("a place for a sender"));
    let other = (role[0] == "receiver").then(|| queue.receiver().expect("a place for a receiver"));
    say("joined");
    drop((ends, other));
    while record.started.elapsed() < length {
        if role[0] == "sender" {
            if let Some(values) = as_values(&role[1], &mut random) {
                send_values(&mut record, &values, &mut random);
                continue;
            }
            let Some(mut sender) = record.call(|| queue.sender()) else { continue };
            (0..CALLS_PER_JOIN).for_each(|_| send(&mut record, &mut sender, fixed, &mut random));
            record.finish(|| drop(sender));
        } else {
            if let Some(values) = as_values(&role[1], &mut random) {
                receive_values(&mut record, &values, &mut random);
                continue;
            }
            let Some(mut receiver) = record.call(|| queue.receiver()) else { continue };
            (0..CALLS_PER_JOIN).for_each(|_| receive(&mut record, &mut receiver, &mut random));
            record.finish(|| drop(receiver));
        }
        record.finish(|| drop(queue.stat()));
    }
    record.tell(u64::MAX);
    say(&format!("done: {} calls went well, {} failed, slowest {:?}", record.well, record.errors, record.slowest));
}

/// The queue as one of values, if it is one, most often.
fn as_values(name: &str, random: &mut Random) -> Option<Queue<Value>> {
    if random.below(4) > 0 { Queue::open(name).ok()?.typed().ok() } else { None }
}

fn send_values(record: &mut Record, queue: &Queue<Value>, random: &mut Random) {
    let Some(mut sender) = record.call(|| queue.sender()) else { return };
    for _ in 0..CALLS_PER_JOIN {
        let many = 1 + random.below(70) as usize;
        record.call(|| sender.send_slices_with(many, |some| some.fill([many as u64; 3])));
    }
    record.finish(|| drop(sender));
}

fn receive_values(record: &mut Record, queue: &Queue<Value>, random: &mut Random) {
    let Some(mut receiver) = record.call(|| queue.receiver()) else { return };
    for _ in 0..CALLS_PER_JOIN {
        let (many, mut read) = (random.below(70) as usize, 0);
        let look_at = |some: &[Value]| read += std::hint::black_box(some.to_vec()).len();
        let timeout = if random.below(4) == 0 { TIMEOUT } else { Duration::ZERO };
        let count = record.call(|| receiver.pull_slices_with(many, timeout, look_at));
        assert!(read <= many && count.is_none_or(|count| count == read));
    }
    record.finish(|| drop(receiver));
}

fn send(record: &mut Record, sender: &mut Sender, fixed: bool, random: &mut Random) {
    let len = if fixed { sender.max_len() as u64 } else { random.below(sender.max_len() as u64 + 1) } as usize;
    let message = vec![len as u8; len];
    match random.below(4) {
        0 => drop(record.call(|| sender.try_send(&message))),
        1 => drop(record.call(|| sender.send_timeout(&message, TIMEOUT))),
        2 => drop(record.call(|| sender.send_batch_timeout((0..len).map(|_| &message[..]), TIMEOUT))),
        _ => {
            if let Some(mut loan) = record.call(|| sender.loan_timeout(len, TIMEOUT)) {
                loan.fill(len as u8);
                // Dropped or committed: both change words.
                record.finish(|| if len.is_multiple_of(4) { drop(loan) } else { loan.commit() });
            }
        }
    }
}

fn receive(record: &mut Record, receiver: &mut Receiver, random: &mut Random) {
    let many = random.below(70) as usize;
    let max_len = receiver.max_len();
    let batch = match random.below(6) {
        0 => record.call(|| receiver.try_pull(many)),
        1 => record.call(|| receiver.pull(many, TIMEOUT)),
        2 => record.call(|| receiver.pull_some(many, TIMEOUT)),
        3 => {
            let message = record.call(|| receiver.recv_timeout(TIMEOUT)).flatten();
            assert!(message.is_none_or(|message| message.len() <= max_len));
            return;
        }
        4 => {
            record.call(|| receiver.recv_with_timeout(TIMEOUT, |message| look_at(message, max_len)));
            return;
        }
        _ => {
            record.call(|| receiver.pull_some_with(many, TIMEOUT, |message| look_at(message, max_len)));
            return;
        }
    };
    let Some(batch) = batch else { return };
    batch.iter().for_each(|message| look_at(message, max_len));
    record.finish(|| if many.is_multiple_of(4) { batch.nack() } else { drop(batch) });
}

fn look_at(message: &[u8], max_len: usize) {
    assert!(std::hint::black_box(message.to_vec()).len() <= max_len);
}
