//! The cost of one operation: a queue on the heap, one thread that sends and receives. What two processes reach
//! together, and what their caches cost, is what `ringpost bench` measures.

use std::hint::black_box;
use std::time::Duration;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use ringpost::{Ends, Options, Queue, Receiver, Sender};

const CAPACITY: usize = 1024;
const BATCH: usize = 32;
const SIZES: [usize; 5] = [8, 64, 256, 1024, 16 * 1024];
/// Its ends, whether it is packed, and its name.
type Kind = (Ends, bool, &'static str);
const KINDS: [Kind; 3] =
    [(Ends::Single, false, "single"), (Ends::Single, true, "packed"), (Ends::Multi, false, "multi")];

fn ends_of((ends, packed, _): Kind, len: usize) -> (Sender, Receiver) {
    let options = Options::new(CAPACITY).max_len(len).senders(ends).receivers(ends).packed(packed);
    let queue = Queue::in_memory(options).expect("valid options");
    (queue.sender().expect("no sender yet"), queue.receiver().expect("no receiver yet"))
}

fn values_of((ends, packed, _): Kind) -> (Sender<u64>, Receiver<u64>) {
    let options = Options::of::<u64>(CAPACITY).senders(ends).receivers(ends).packed(packed);
    let queue = Queue::in_memory(options).expect("valid options");
    (queue.sender().expect("no sender yet"), queue.receiver().expect("no receiver yet"))
}

fn one_by_one(c: &mut Criterion) {
    for kind in KINDS {
        let mut group = c.benchmark_group(format!("send and receive/{}", kind.2));
        for len in SIZES {
            let (mut tx, mut rx) = ends_of(kind, len);
            let message = vec![7; len];
            group.throughput(Throughput::Bytes(len as u64));
            group.bench_function(BenchmarkId::from_parameter(len), |b| {
                b.iter(|| {
                    tx.send(black_box(&message)).expect("there is room");
                    black_box(&*rx.recv().expect("one was sent"));
                });
            });
        }
        group.finish();
    }
}

fn typed(c: &mut Criterion) {
    let mut group = c.benchmark_group("send and receive/typed u64");
    for kind in KINDS {
        let (mut tx, mut rx) = values_of(kind);
        group.throughput(Throughput::Elements(1));
        group.bench_function(kind.2, |b| {
            b.iter(|| {
                tx.send(black_box(&7)).expect("there is room");
                black_box(*rx.recv().expect("one was sent"))
            });
        });
    }
    group.finish();
}

fn batches(c: &mut Criterion) {
    for kind in KINDS {
        let mut group = c.benchmark_group(format!("batch of {BATCH}/{}", kind.2));
        for len in SIZES {
            let (mut tx, mut rx) = ends_of(kind, len);
            let message = vec![7; len];
            let messages = vec![&message[..]; BATCH];
            group.throughput(Throughput::Elements(BATCH as u64));
            group.bench_function(BenchmarkId::from_parameter(len), |b| {
                b.iter(|| {
                    tx.send_batch(black_box(&messages).iter().copied()).expect("there is room");
                    for message in &rx.pull(BATCH, Duration::ZERO).expect("they were sent") {
                        black_box(message);
                    }
                });
            });
        }
        group.finish();
    }
}

/// In place, and in a packed queue all at once.
fn slices(c: &mut Criterion) {
    let mut group = c.benchmark_group(format!("slices of {BATCH}/u64"));
    for kind in KINDS {
        let (mut tx, mut rx) = values_of(kind);
        group.throughput(Throughput::Elements(BATCH as u64));
        group.bench_function(kind.2, |b| {
            b.iter(|| {
                tx.send_slices_with(BATCH, |some| some.fill(black_box(7))).expect("there is room");
                let mut left = BATCH;
                while left > 0 {
                    let read = rx.pull_slices_with(left, Duration::ZERO, |some| _ = black_box(some));
                    left -= read.expect("they were sent");
                }
            });
        });
    }
    group.finish();
}

fn loans(c: &mut Criterion) {
    for kind in KINDS {
        let mut group = c.benchmark_group(format!("loan, write, receive/{}", kind.2));
        for len in SIZES {
            let (mut tx, mut rx) = ends_of(kind, len);
            group.throughput(Throughput::Bytes(len as u64));
            group.bench_function(BenchmarkId::from_parameter(len), |b| {
                b.iter(|| {
                    let mut loan = tx.loan(len).expect("there is room");
                    loan.fill(black_box(7));
                    loan.commit();
                    black_box(&*rx.recv().expect("one was sent"));
                });
            });
        }
        group.finish();
    }
}

criterion_group!(benches, one_by_one, typed, batches, slices, loans);
criterion_main!(benches);
