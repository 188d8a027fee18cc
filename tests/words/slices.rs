//! Many values written and read in place at once, as slices: longer ones in packed queues, of one value elsewhere.

use std::fmt::Debug;
use std::mem::forget;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::thread;
use std::time::Duration;

use ringpost::{Ends, Options, Payload, Queue, Receiver, RecvError, SendError, Sender, Wait, WhenFull};

use crate::common::{ALL_ENDS, LONG, UniqueName};

/// No slice that is sent is longer.
const TOGETHER: usize = 32;
const NOW: Duration = Duration::ZERO;

/// A queue with its ends and its name, which is removed last.
struct Made<T> {
    tx: Sender<T>,
    rx: Receiver<T>,
    queue: Queue<T>,
    _name: UniqueName,
}

fn make<T: Payload>(options: Options<T>) -> Made<T> {
    let name = UniqueName::new("slices");
    let queue = Queue::create(&name, options).unwrap();
    Made { tx: queue.sender().unwrap(), rx: queue.receiver().unwrap(), queue, _name: name }
}

fn packed<T: Payload>(capacity: usize) -> Options<T> {
    Options::of(capacity).senders(Ends::Single).receivers(Ends::Single).packed(true)
}

/// Queues of each kind of ends, and a packed one.
fn all_kinds<T: Payload>(capacity: usize) -> Vec<Options<T>> {
    let others = ALL_ENDS.into_iter().map(|(tx, rx)| Options::of(capacity).senders(tx).receivers(rx));
    others.chain([packed(capacity)]).collect()
}

/// Writes the numbers from `next` on.
fn fill<T>(some: &mut [T], next: &mut u64, value: fn(u64) -> T) {
    for one in some {
        *one = value(*next);
        *next += 1;
    }
}

/// Sends the numbers from `next` on, and returns the lengths of the slices.
fn send<T: Payload>(tx: &mut Sender<T>, next: &mut u64, count: usize, value: fn(u64) -> T) -> Vec<usize> {
    let (mut lens, end) = (Vec::new(), *next + count as u64);
    let write = |some: &mut [T]| {
        lens.push(some.len());
        fill(some, next, value);
    };
    assert_eq!(tx.send_slices_with(count, write), Ok(count));
    assert_eq!(*next, end);
    lens
}

/// Reads up to `most`, which are to be the numbers from `next` on. Returns the lengths of the slices.
fn receive<T>(rx: &mut Receiver<T>, next: &mut u64, most: usize, value: fn(u64) -> T) -> Vec<usize>
where
    T: Payload + PartialEq + Debug,
{
    let (mut lens, begin) = (Vec::new(), *next);
    let read = |some: &[T]| {
        lens.push(some.len());
        for one in some {
            assert_eq!(*one, value(*next));
            *next += 1;
        }
    };
    let count = rx.pull_slices_with(most, NOW, read).unwrap();
    assert_eq!(*next - begin, count as u64);
    assert!(count <= most);
    lens
}

/// Over several laps, with numbers of slices that do not divide the capacity.
fn passes_through<T: Payload + PartialEq + Debug>(value: fn(u64) -> T) {
    for options in all_kinds::<T>(64) {
        let what = format!("{} bytes: {options:?}", size_of::<T>());
        let side_by_side = options.plan().unwrap().payload_stride as usize == size_of::<T>();
        let Made { mut tx, mut rx, queue, _name } = make(options);
        let (mut sent, mut got, mut longest) = (0, 0, 0);
        for round in 0..200 {
            let count = (round * 13 % 50).min(64 - queue.size());
            let lens = send(&mut tx, &mut sent, count, value);
            let to_wrap = 64 - (sent as usize - count) % 64;
            let first = if side_by_side { count.min(TOGETHER).min(to_wrap) } else { count.min(1) };
            assert_eq!(lens.first().copied().unwrap_or(0), first, "{what}");
            assert!(side_by_side || lens.len() == count, "{what}: {lens:?}");
            let begin = got as usize;
            let lens = receive(&mut rx, &mut got, round * 7 % 40, value);
            assert!(lens.iter().all(|len| *len > 0), "{what}: {lens:?}");
            if !side_by_side {
                assert!(lens.iter().all(|len| *len == 1), "{what}: {lens:?}");
            } else if round > 10 {
                // All that lie side by side and were told of together, once it knows its way.
                let most = (sent as usize - begin).min(round * 7 % 40).min(64 - begin % 64);
                assert!(lens.len() == most.min(1) && lens.iter().all(|len| *len <= most), "{what}: {lens:?}");
            }
            longest = longest.max(lens.into_iter().max().unwrap_or(0));
            assert_eq!(queue.size() as u64, sent - got, "{what}");
        }
        let (totals, size) = (queue.stat().totals, size_of::<T>() as u64);
        assert_eq!((totals.sent, totals.pulled, totals.dropped), (sent, got, 0), "{what}");
        assert_eq!((totals.sent_bytes, totals.pulled_bytes), (sent * size, got * size), "{what}");
        assert!(got > 5 * 64, "{what}");
        assert!(if side_by_side { longest > 30 } else { longest == 1 }, "{what}: {longest}");
    }
}

#[test]
fn values_of_any_size_pass_through() {
    passes_through(|number| number as u8);
    passes_through(|number| number as u32);
    passes_through(|number| number);
    passes_through(|number| [number, !number, 7]);
    // With gaps between them though packed, and larger than a line.
    passes_through(|number| [number as u32; 3]);
    passes_through(|number| [number; 12]);
}

#[test]
fn queues_of_one_and_two_have_slices_too() {
    for capacity in [1, 2] {
        let Made { mut tx, mut rx, queue, _name } = make(packed::<u64>(capacity));
        let (mut sent, mut got) = (0, 0);
        for round in 0..40 {
            let count = 1 + round % capacity;
            let lens = send(&mut tx, &mut sent, count, |number| number);
            assert_eq!(lens.iter().sum::<usize>(), count);
            while got < sent {
                assert!(!receive(&mut rx, &mut got, 5, |number| number).is_empty());
            }
        }
        assert_eq!((queue.stat().totals.pulled, queue.size()), (sent, 0));
    }
}

#[test]
fn none_are_neither_written_nor_read() {
    for options in all_kinds::<u64>(8) {
        let Made { mut tx, mut rx, queue, _name } = make(options);
        assert_eq!(tx.send_slices_with(0, |_| unreachable!()), Ok(0));
        assert_eq!(rx.pull_slices_with(8, NOW, |_| unreachable!()), Ok(0));
        assert_eq!(rx.pull_slices_with(8, Duration::from_millis(1), |_| unreachable!()), Ok(0));
        tx.send(&1).unwrap();
        assert_eq!(rx.pull_slices_with(0, LONG, |_| unreachable!()), Ok(0));
        assert_eq!(queue.size(), 1);
    }
}

#[test]
fn a_full_queue_says_how_far_it_came() {
    let short = Duration::from_millis(5);
    for (when_full, error) in
        [(WhenFull::Fail, SendError::Full { capacity: 64 }), (WhenFull::Deadline(short), SendError::TimedOut)]
    {
        for options in all_kinds::<u64>(64) {
            let Made { mut tx, mut rx, queue, _name } = make(options.when_full(when_full));
            // So that it is full amid a lap.
            let (mut sent, mut got) = (0, 0);
            send(&mut tx, &mut sent, 10, |number| number);
            while got < 10 {
                receive(&mut rx, &mut got, 10, |number| number);
            }
            for round in 1..4 {
                let (mut written, from) = (0, sent);
                let failed = tx.send_slices_with(100, |some| {
                    written += some.len();
                    fill(some, &mut sent, |number| number);
                });
                let failed = failed.unwrap_err();
                assert_eq!((failed.sent, &failed.error, written), (64, &error, 64));
                assert_eq!((queue.size(), queue.stat().totals.dropped), (64, 3 * round - 2));
                let failed = tx.send_slices_with(1, |_| unreachable!()).unwrap_err();
                assert_eq!((failed.sent, failed.error), (0, error.clone()));
                let failed = tx.send_slices_with_timeout(1, short, |_| unreachable!()).unwrap_err();
                assert_eq!((failed.sent, failed.error), (0, SendError::TimedOut));
                assert_eq!(sent - from, 64);
                while got < sent {
                    receive(&mut rx, &mut got, 50, |number| number);
                }
            }
        }
    }
}

#[test]
fn a_closed_queue_is_drained_in_slices_and_then_says_so() {
    for options in all_kinds::<u64>(8) {
        let Made { mut tx, mut rx, queue, _name } = make(options);
        let (mut sent, mut got) = (0, 0);
        send(&mut tx, &mut sent, 6, |number| number);
        queue.close();
        let failed = tx.send_slices_with(3, |_| unreachable!()).unwrap_err();
        assert_eq!((failed.sent, failed.error), (0, SendError::Closed));
        while got < sent {
            assert!(!receive(&mut rx, &mut got, 4, |number| number).is_empty());
        }
        assert_eq!(rx.pull_slices_with(4, LONG, |_| unreachable!()), Err(RecvError::Closed));
        assert_eq!(rx.pull_slices_with(4, NOW, |_| unreachable!()), Err(RecvError::Closed));
        assert_eq!(rx.pull_slices_with(0, NOW, |_| unreachable!()), Ok(0));
    }
}

#[test]
fn senders_that_leave_are_told_behind_the_last_slice() {
    for options in all_kinds::<u64>(8) {
        let Made { mut tx, mut rx, queue, _name } = make(options);
        rx.until_senders_leave(true);
        let (mut sent, mut got) = (0, 0);
        send(&mut tx, &mut sent, 6, |number| number);
        drop(tx);
        while got < sent {
            assert!(!receive(&mut rx, &mut got, 4, |number| number).is_empty());
        }
        assert_eq!(rx.pull_slices_with(4, LONG, |_| unreachable!()), Err(RecvError::SendersGone));
        send(&mut queue.sender().unwrap(), &mut sent, 2, |number| number);
        while got < sent {
            assert!(!receive(&mut rx, &mut got, 4, |number| number).is_empty());
        }
    }
}

/// Everything that is there now, with how often it was delivered.
fn deliveries(rx: &mut Receiver<u64>) -> Vec<(u64, u32)> {
    rx.try_pull(usize::MAX).unwrap().into_iter().map(|message| (*message, message.deliveries())).collect()
}

#[test]
fn a_panic_while_a_slice_is_written_sends_those_before() {
    for options in all_kinds::<u64>(128) {
        let what = format!("{options:?}");
        let Made { mut tx, mut rx, queue, _name } = make(options);
        for round in 0..6 {
            let (mut next, mut calls) = (0, 0);
            let write = |some: &mut [u64]| {
                fill(some, &mut next, |number| number);
                calls += 1;
                if calls == 3 {
                    resume_unwind(Box::new(some.len()));
                }
            };
            let payload = catch_unwind(AssertUnwindSafe(|| tx.send_slices_with(100, write))).unwrap_err();
            let before = next - *payload.downcast_ref::<usize>().unwrap() as u64;
            let sent = queue.stat().totals.sent;
            tx.send(&1000).unwrap();
            let expected: Vec<_> = (0..before).chain([1000]).map(|number| (number, 1)).collect();
            assert_eq!(deliveries(&mut rx), expected, "round {round}, {what}");
            assert_eq!(sent, queue.stat().totals.pulled - 1, "{what}");
            assert_eq!(queue.size(), 0, "{what}");
        }
    }
}

#[test]
fn a_panic_while_a_slice_is_read_brings_all_of_it_back() {
    for options in all_kinds::<u64>(16) {
        let what = format!("{options:?}");
        let Made { mut tx, mut rx, queue, _name } = make(options);
        // In a lap that is new to it, and then in others.
        for round in 0..20 {
            tx.send_batch(0..5_u64).unwrap();
            let (mut slice, panics_at) = (Vec::new(), round % 3);
            let mut read = |some: &[u64]| {
                slice = some.to_vec();
                if some.contains(&panics_at) {
                    resume_unwind(Box::new(()));
                }
            };
            let all = || while rx.pull_slices_with(8, LONG, &mut read).is_ok() {};
            assert!(catch_unwind(AssertUnwindSafe(all)).is_err());
            let first = slice[0];
            assert_eq!(queue.size() as u64, 5 - first, "round {round}, {what}");
            let times = |number| if slice.contains(&number) { 2 } else { 1 };
            let expected: Vec<_> = (first..5).map(|number| (number, times(number))).collect();
            assert_eq!(deliveries(&mut rx), expected, "round {round}, {what}");
            assert!(expected.len() > 2 && slice.contains(&panics_at));
        }
        let totals = queue.stat().totals;
        assert_eq!((totals.sent, totals.pulled), (100, 100), "{what}");
    }
}

#[test]
fn a_slice_that_panics_once_more_is_counted_once_more() {
    let Made { mut tx, mut rx, queue, _name } = make(packed::<u64>(8));
    // The second lap is known to it.
    tx.send_batch(0..8_u64).unwrap();
    assert_eq!(deliveries(&mut rx).len(), 8);
    tx.send_batch(0..5_u64).unwrap();
    for times in 1..4 {
        let mut seen = 0;
        let all = || {
            rx.pull_slices_with(3, LONG, |some| {
                seen = some.len();
                resume_unwind(Box::new(()));
            })
        };
        assert!(catch_unwind(AssertUnwindSafe(all)).is_err());
        // What has come back is read one by one.
        assert_eq!(seen, if times == 1 { 3 } else { 1 });
        assert_eq!(queue.peek().next().unwrap().deliveries, times);
    }
    assert_eq!(deliveries(&mut rx), [(0, 4), (1, 2), (2, 2), (3, 1), (4, 1)]);
}

#[test]
fn slices_skip_what_is_held_and_begin_with_what_came_back() {
    for options in all_kinds::<u64>(16) {
        let what = format!("{options:?}");
        let Made { mut tx, mut rx, queue, _name } = make(options);
        for round in 0..8 {
            let (mut next, mut read) = (0, Vec::new());
            send(&mut tx, &mut next, 6, |number| number);
            let mut held = rx.try_pull(3).unwrap().hold();
            held.remove(1).nack();
            while read.len() < 4 {
                rx.pull_slices_with(8, LONG, |some| read.extend_from_slice(some)).unwrap();
            }
            assert_eq!(read, [1, 3, 4, 5], "round {round}, {what}");
            assert_eq!(rx.pull_slices_with(8, NOW, |_| unreachable!()), Ok(0));
            drop(held);
            assert_eq!(rx.pull_slices_with(8, NOW, |_| unreachable!()), Ok(0));
            assert_eq!((queue.size(), queue.peek().count()), (0, 0), "{what}");
        }
    }
}

#[test]
fn a_leaked_loan_and_leaked_messages_do_not_hinder_slices() {
    for options in all_kinds::<u64>(16) {
        let what = format!("{options:?}");
        let Made { mut tx, mut rx, queue, _name } = make(options);
        for round in 0..8 {
            let (mut next, mut read) = (0, Vec::new());
            forget(tx.loan().unwrap());
            send(&mut tx, &mut next, 5, |number| number);
            forget(rx.recv().unwrap());
            while read.len() < 4 {
                rx.pull_slices_with(8, LONG, |some| read.extend_from_slice(some)).unwrap();
            }
            assert_eq!(read, [1, 2, 3, 4], "round {round}, {what}");
            drop(rx);
            rx = queue.receiver().unwrap();
            assert_eq!(deliveries(&mut rx), [(0, 2)], "round {round}, {what}");
        }
    }
}

/// A sender and a receiver that sleep, with fewer slots than either wants at once.
#[test]
fn both_ends_sleep_amid_slices() {
    const COUNT: usize = 3000;
    for options in all_kinds::<u64>(8) {
        let what = format!("{options:?}");
        let Made { mut tx, mut rx, queue, _name } = make(options);
        tx.set_wait(Wait::Sleep);
        rx.set_wait(Wait::Sleep);
        rx.until_senders_leave(true);
        thread::scope(|scope| {
            scope.spawn(move || {
                let mut next = 0;
                for many in [1, 30, 2969] {
                    let write = |some: &mut [u64]| fill(some, &mut next, |number| number);
                    assert_eq!(tx.send_slices_with(many, write), Ok(many));
                    thread::sleep(Duration::from_millis(1));
                }
            });
            let mut got = Vec::new();
            while rx.pull_slices_with(5, LONG, |some| got.extend_from_slice(some)).is_ok_and(|count| count > 0) {}
            assert_eq!(got, (0..COUNT as u64).collect::<Vec<_>>(), "{what}");
        });
        assert_eq!(queue.stat().totals.pulled, COUNT as u64, "{what}");
    }
}

/// Of more slots than a sender knows of at once.
#[test]
fn a_large_queue_takes_as_many_as_it_holds() {
    const COUNT: usize = 16384;
    for options in all_kinds::<u64>(COUNT) {
        let what = format!("{options:?}");
        let Made { mut tx, mut rx, queue, _name } = make(options);
        let mut next = 0;
        for way in 0..3 {
            let sent = match way {
                0 => (0..).take_while(|_| tx.try_send(&0).is_ok()).count(),
                1 => tx.send_batch_timeout(std::iter::repeat_n(0, COUNT + 1), NOW).unwrap_or_else(|failed| failed.sent),
                _ => {
                    let write = |some: &mut [u64]| fill(some, &mut next, |_| 0);
                    tx.send_slices_with_timeout(COUNT + 1, NOW, write).unwrap_or_else(|failed| failed.sent)
                }
            };
            assert_eq!((sent, queue.size()), (COUNT, COUNT), "{what}, way {way}");
            assert_eq!(rx.try_pull(COUNT).unwrap().into_iter().count(), COUNT);
        }
    }
}
