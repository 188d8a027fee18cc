//! Packed queues: messages lie side by side, tail alone commits them, and a slot's word is a note of the receiver's.

use std::collections::VecDeque;
use std::mem::forget;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::thread;
use std::time::Duration;

use ringpost::{
    Ends, Held, JoinError, Message, Options, Queue, Receiver, RecvError, SendError, Sender, Wait, WhenFull,
};

use crate::common::{LONG, UniqueName};

const SINGLE: (Ends, Ends) = (Ends::Single, Ends::Single);

/// Options of a packed queue of numbers.
fn packed(capacity: usize) -> Options<u64> {
    Options::of(capacity).senders(SINGLE.0).receivers(SINGLE.1).packed(true)
}

/// A queue with its ends and its name, which is removed last.
struct Numbers {
    tx: Sender<u64>,
    rx: Receiver<u64>,
    queue: Queue<u64>,
    name: UniqueName,
}

impl Numbers {
    fn new(options: Options<u64>) -> Self {
        let name = UniqueName::new("packed");
        let queue = Queue::create(&name, options).unwrap();
        Self { tx: queue.sender().unwrap(), rx: queue.receiver().unwrap(), queue, name }
    }

    /// Another receiver takes over.
    fn next_receiver(self) -> Self {
        let Self { tx, rx, queue, name } = self;
        drop(rx);
        Self { tx, rx: queue.receiver().unwrap(), queue, name }
    }

    /// Everything that is there now, with how often it was delivered.
    fn deliveries(&mut self) -> Vec<(u64, u32)> {
        look(self.rx.try_pull(usize::MAX).unwrap())
    }

    /// Two more laps say nothing of what was noted before.
    fn assert_whole(&mut self) {
        let capacity = self.queue.capacity() as u64;
        assert_eq!(self.deliveries(), []);
        for _ in 0..2 {
            self.tx.send_batch(0..capacity).unwrap();
            assert_eq!(self.queue.peek().count(), capacity as usize);
            assert_eq!(self.deliveries(), once(0..capacity));
        }
        assert_eq!(self.queue.size(), 0);
    }
}

fn look<'a>(messages: impl IntoIterator<Item = Message<'a, u64>>) -> Vec<(u64, u32)> {
    messages.into_iter().map(|message| (*message, message.deliveries())).collect()
}

/// These numbers, delivered for the first time.
fn once(numbers: impl IntoIterator<Item = u64>) -> Vec<(u64, u32)> {
    numbers.into_iter().map(|number| (number, 1)).collect()
}

/// Puts `count` numbers in, each in one of the ways there are.
fn send(tx: &mut Sender<u64>, next: &mut u64, count: u64) {
    let end = *next + count;
    match count % 4 {
        0 => assert_eq!(tx.send_batch(*next..end), Ok(count as usize)),
        1 => (*next..end).for_each(|number| tx.send(&number).unwrap()),
        2 => {
            let mut numbers = *next..end;
            let write = |some: &mut [u64]| some.iter_mut().for_each(|one| *one = numbers.next().unwrap());
            assert_eq!(tx.send_slices_with(count as usize, write), Ok(count as usize));
        }
        _ => {
            for number in *next..end {
                let mut loan = tx.loan().unwrap();
                *loan = number;
                loan.commit();
            }
        }
    }
    *next = end;
}

/// Takes up to `most` numbers, in one of the ways there are.
fn receive(rx: &mut Receiver<u64>, way: usize, most: usize) -> Vec<u64> {
    let mut got = Vec::new();
    match way % 7 {
        0 => got.extend(rx.try_recv_value().unwrap()),
        1 => got.extend(rx.try_pull(most).unwrap().into_iter().map(|message| *message)),
        2 => assert_eq!(rx.pull_some_with(most, Duration::ZERO, |one| got.push(*one)), Ok(got.len())),
        3 => _ = rx.pull_slices_with(most, Duration::ZERO, |some| got.extend_from_slice(some)).unwrap(),
        4 => _ = rx.try_recv_with(|one| got.push(*one)).unwrap(),
        5 => got.extend(rx.pull(most, Duration::ZERO).unwrap().iter()),
        _ => got.extend(rx.try_recv().unwrap().map(|message| *message)),
    }
    got
}

#[test]
fn numbers_come_in_order_however_they_are_sent_and_received() {
    for capacity in [1, 2, 4, 64, 128] {
        let Numbers { mut tx, mut rx, queue, name: _name } = Numbers::new(packed(capacity));
        let (mut next, mut expected) = (0, 0);
        for round in 0..600 {
            let room = (capacity - queue.size()) as u64;
            send(&mut tx, &mut next, (round * 7 % 45).min(room));
            assert_eq!(queue.size() as u64, next - expected, "capacity {capacity}, round {round}");
            let got = receive(&mut rx, round as usize, (round as usize * 5) % 50);
            assert_eq!(got, (expected..expected + got.len() as u64).collect::<Vec<_>>(), "capacity {capacity}");
            expected += got.len() as u64;
        }
        assert!(expected > 2 * capacity as u64, "capacity {capacity}: only {expected}");
        let totals = queue.stat().totals;
        assert_eq!((totals.sent, totals.pulled, totals.redelivered), (next, expected, 0));
        assert_eq!((totals.sent_bytes, totals.pulled_bytes), (8 * next, 8 * expected));
    }
}

#[test]
fn a_number_that_comes_back_is_counted_and_the_next_lap_is_not() {
    for capacity in [1, 2, 8] {
        let mut numbers = Numbers::new(packed(capacity));
        // Each slot, in laps that follow one another.
        for at in 0..3 * capacity as u64 {
            numbers.tx.send_batch(0..capacity as u64).unwrap();
            for times in 1..4 {
                let batch = numbers.rx.try_pull(capacity).unwrap();
                assert_eq!((batch.iter().next(), batch.deliveries(0)), (Some(&0), times));
                batch.nack();
            }
            let mut expected = once(0..capacity as u64);
            expected[0].1 = 4;
            assert_eq!(numbers.deliveries(), expected, "capacity {capacity}, round {at}");
            // The next lap begins one slot further on.
            numbers.tx.send(&at).unwrap();
            assert_eq!(numbers.deliveries(), once([at]));
        }
        assert_eq!(numbers.queue.stat().totals.redelivered, 9 * capacity as u64);
        numbers.assert_whole();
    }
}

#[test]
fn numbers_are_dealt_with_in_any_order() {
    for capacity in [8, 64] {
        let mut numbers = Numbers::new(packed(capacity));
        for _ in 0..5 {
            numbers.tx.send_batch(0..6).unwrap();
            let mut held: Vec<Message<'_, u64>> = numbers.rx.try_pull(6).unwrap().into_iter().collect();
            held.remove(4).release();
            held.remove(2).nack();
            held.remove(0).nack();
            held.reverse();
            drop(held);
            assert_eq!(numbers.queue.peek().map(|message| message.deliveries).collect::<Vec<_>>(), [1, 1]);
            numbers.tx.send_batch(6..8).unwrap();
            assert_eq!(numbers.deliveries(), [(0, 2), (2, 2), (6, 1), (7, 1)]);
        }
        numbers.assert_whole();
    }
}

#[test]
fn a_batch_dropped_half_looked_at_goes_back_in_order() {
    let mut numbers = Numbers::new(packed(8));
    for _ in 0..5 {
        numbers.tx.send_batch(0..7).unwrap();
        let batch = numbers.rx.try_pull(6).unwrap();
        assert_eq!(batch.iter().take(2).copied().collect::<Vec<_>>(), [0, 1]);
        drop(batch);
        let batch = numbers.rx.try_pull(4).unwrap();
        assert_eq!(batch.iter().take(1).copied().collect::<Vec<_>>(), [2]);
        batch.nack();
        assert_eq!(numbers.deliveries(), [(2, 2), (3, 1), (4, 1), (5, 1), (6, 1)]);
    }
    numbers.assert_whole();
}

#[test]
fn a_successor_gets_what_was_leaked_and_not_what_was_released_before_it() {
    let mut numbers = Numbers::new(packed(8));
    // In laps that begin in other slots.
    for round in 0..9 {
        numbers.tx.send_batch(0..7).unwrap();
        let mut messages: Vec<_> = numbers.rx.try_pull(5).unwrap().into_iter().collect();
        messages.remove(3).release();
        messages.remove(1).release();
        messages.into_iter().for_each(forget);
        assert_eq!(numbers.queue.size(), 2, "round {round}");
        numbers = numbers.next_receiver();
        assert_eq!(numbers.deliveries(), [(0, 2), (2, 2), (4, 2), (5, 1), (6, 1)], "round {round}");
        assert_eq!(numbers.queue.size(), 0);
    }
    assert_eq!(numbers.queue.stat().totals.redelivered, 27);
    numbers.assert_whole();
}

#[test]
fn a_leaked_batch_comes_again_to_each_successor() {
    for capacity in [1, 4] {
        let mut numbers = Numbers::new(packed(capacity));
        numbers.tx.send_batch(0..capacity as u64).unwrap();
        for times in 1..4 {
            let batch = numbers.rx.try_pull(capacity).unwrap();
            assert!((0..capacity).all(|index| batch.deliveries(index) == times), "{batch:?}");
            assert_eq!(batch.iter().count(), capacity);
            // One by one, since a batch has memory of its own.
            batch.into_iter().for_each(forget);
            numbers = numbers.next_receiver();
        }
        assert_eq!(numbers.deliveries(), (0..capacity as u64).map(|number| (number, 4)).collect::<Vec<_>>());
        // The notes of the lap before are still there, and the receiver is another one.
        numbers.tx.send_batch(0..capacity as u64).unwrap();
        numbers = numbers.next_receiver();
        assert_eq!(numbers.deliveries(), once(0..capacity as u64));
        numbers.assert_whole();
    }
}

/// The rules for notes are those for words: a packed queue does what another one does.
#[test]
fn it_does_what_a_queue_with_words_does() {
    let other = Options::of::<u64>(8).senders(SINGLE.0).receivers(SINGLE.1).when_full(WhenFull::Fail);
    let (mut one, mut other) = (Numbers::new(packed(8).when_full(WhenFull::Fail)), Numbers::new(other));
    let mut held = (VecDeque::new(), VecDeque::new());
    // Numbers without a pattern, the same each time.
    let mut chance = 1_u64;
    for step in 0..4000 {
        chance = chance.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        let (what, many) = (chance >> 60, (chance >> 40) as usize % 9);
        let done = [(&mut one, &mut held.0), (&mut other, &mut held.1)].map(|(numbers, held)| {
            let mut next = step..;
            let write = |some: &mut [u64]| some.iter_mut().zip(&mut next).for_each(|(one, n)| *one = n);
            let sent = match many % 2 {
                0 => numbers.tx.send_batch((step..).take(many)),
                _ => numbers.tx.send_slices_with(many, write),
            };
            let mut seen = Vec::new();
            match what {
                0..=3 => held.extend(numbers.rx.try_pull(many).unwrap().hold()),
                4..=6 => _ = held.pop_back().map(Held::release),
                7 | 8 => _ = held.pop_front().map(Held::nack),
                9 => numbers.rx.try_pull(many).unwrap().nack(),
                10 => held.clear(),
                11 => {
                    let mut read = |some: &[u64]| seen.extend(once(some.iter().copied()));
                    while numbers.rx.pull_slices_with(many, Duration::ZERO, &mut read).unwrap() > 0 {}
                }
                12 => seen = numbers.deliveries(),
                _ => {}
            }
            let peeked: Vec<_> = numbers.queue.peek().map(|m| (m.position, m.deliveries, m.state, m.bytes)).collect();
            (sent, seen, numbers.queue.size(), peeked)
        });
        assert_eq!(done[0], done[1], "step {step}");
    }
    assert_eq!(one.queue.stat().totals, other.queue.stat().totals);
    assert!(one.queue.stat().totals.redelivered > 100);
}

#[test]
fn a_panic_while_numbers_are_shown_leaves_what_was_not_read() {
    let mut numbers = Numbers::new(packed(8));
    for round in 0..20 {
        let panics_at = round % 3;
        numbers.tx.send_batch(0..5).unwrap();
        let mut read = 0;
        let mut panics = |number: &u64| {
            assert_eq!(*number, read);
            if *number == panics_at {
                resume_unwind(Box::new(()))
            }
            read += 1;
        };
        let rx = &mut numbers.rx;
        // A call may read fewer than there are.
        let all = || while rx.pull_some_with(8, LONG, &mut panics).is_ok() {};
        assert!(catch_unwind(AssertUnwindSafe(all)).is_err());
        let mut expected = once(panics_at..5);
        expected[0].1 = 2;
        assert_eq!(numbers.deliveries(), expected, "round {round}");
    }
    numbers.assert_whole();
}

#[test]
fn a_source_that_panics_has_sent_what_came_before() {
    let mut numbers = Numbers::new(packed(64));
    for round in 0..5 {
        let source = (0..50_u64).map(|number| if number == 40 { resume_unwind(Box::new(())) } else { number });
        let tx = &mut numbers.tx;
        assert!(catch_unwind(AssertUnwindSafe(|| tx.send_batch(source))).is_err());
        assert_eq!(numbers.queue.stat().totals.sent, 41 * round + 40);
        numbers.tx.send(&7).unwrap();
        assert_eq!(numbers.deliveries(), once((0..40).chain([7])));
    }
    numbers.assert_whole();
}

#[test]
fn a_loan_that_was_given_up_or_leaked_leaves_nothing() {
    let mut numbers = Numbers::new(packed(2));
    for round in 0..6 {
        drop(numbers.tx.loan().unwrap());
        assert_eq!((numbers.queue.size(), numbers.queue.peek().count()), (0, 0));
        forget(numbers.tx.loan().unwrap());
        numbers.tx.send_batch([round, round + 1]).unwrap();
        assert_eq!(numbers.deliveries(), once([round, round + 1]));
    }
    numbers.assert_whole();
}

#[test]
fn a_senders_successor_goes_on_where_it_stopped() {
    for capacity in [1, 2, 8] {
        let mut numbers = Numbers::new(packed(capacity));
        for round in 0..4 * capacity as u64 {
            numbers.tx.send(&round).unwrap();
            if capacity > 1 {
                forget(numbers.tx.loan().unwrap());
            }
            let Numbers { tx, rx, queue, name } = numbers;
            drop(tx);
            assert_eq!((queue.size(), queue.stat().totals.sent), (1, round + 1));
            numbers = Numbers { tx: queue.sender().unwrap(), rx, queue, name };
            // A note of the lap before is no message, and a batch that nobody looked at leaves none.
            assert_eq!(numbers.rx.try_pull(2).unwrap().len(), 1);
            numbers.rx.recv().unwrap().nack();
            assert_eq!(numbers.deliveries(), [(round, 2)], "capacity {capacity}");
        }
        numbers.assert_whole();
    }
}

#[test]
fn what_is_kept_beyond_its_call_is_settled_in_any_order() {
    let mut numbers = Numbers::new(packed(8));
    for round in 0..6 {
        numbers.tx.send_batch(0..6).unwrap();
        let [zero, one, two, three] = <[Held<u64>; 4]>::try_from(numbers.rx.try_pull(4).unwrap().hold()).unwrap();
        thread::spawn(move || two.release()).join().unwrap();
        three.nack();
        assert_eq!(numbers.deliveries(), [(3, 2), (4, 1), (5, 1)], "round {round}");
        assert_eq!((*zero, *one, one.deliveries()), (0, 1, 1));
        zero.nack();
        numbers = numbers.while_parted(|| one.release());
        assert_eq!(numbers.deliveries(), [(0, 2)], "round {round}");
    }
    numbers.assert_whole();
}

impl Numbers {
    /// Its receiver is dropped while something is kept, which `settle` does away with; then comes the next.
    fn while_parted(self, settle: impl FnOnce()) -> Self {
        let Self { tx, rx, queue, name } = self;
        drop(rx);
        assert!(matches!(queue.receiver(), Err(JoinError::Taken { .. })));
        settle();
        Self { tx, rx: queue.receiver().unwrap(), queue, name }
    }
}

#[test]
fn overdue_numbers_are_dropped_and_counted() {
    let mut numbers = Numbers::new(packed(4).max_deliveries(2));
    for round in 1..8 {
        numbers.tx.send_batch(0..3).unwrap();
        for times in 1..3 {
            let message = numbers.rx.recv().unwrap();
            assert_eq!((*message, message.deliveries()), (0, times));
            message.nack();
        }
        assert_eq!(numbers.deliveries(), once([1, 2]));
        assert_eq!(numbers.queue.stat().totals.expired, round);
    }
    numbers.assert_whole();
}

#[test]
fn full_queues_fail_or_wait_as_others_do() {
    let short = Duration::from_millis(5);
    for capacity in [1, 2, 64] {
        let full = SendError::Full { capacity: capacity as u64 };
        for (when_full, expected) in [(WhenFull::Fail, full.clone()), (WhenFull::Deadline(short), SendError::TimedOut)]
        {
            let mut numbers = Numbers::new(packed(capacity).when_full(when_full));
            for _ in 0..3 {
                let error = numbers.tx.send_batch(0..100).unwrap_err();
                assert_eq!((error.sent, error.error), (capacity, expected.clone()));
                assert_eq!(numbers.tx.send(&1), Err(expected.clone()));
                assert_eq!(numbers.tx.try_send(&1), Err(full.clone()));
                assert_eq!(numbers.tx.loan().map(drop), Err(expected.clone()));
                assert_eq!(numbers.deliveries(), once(0..capacity as u64));
            }
            assert_eq!(numbers.queue.stat().totals.dropped, 12);
            numbers.assert_whole();
        }
    }
}

#[test]
fn a_closed_queue_is_drained_and_senders_that_leave_are_told() {
    let Numbers { mut tx, mut rx, queue, name: _name } = Numbers::new(packed(4));
    rx.until_senders_leave(true);
    tx.send_batch(0..3).unwrap();
    drop(tx);
    assert_eq!(look(rx.pull(4, LONG).unwrap()), once(0..3));
    assert_eq!(rx.recv_value(), Err(RecvError::SendersGone));
    let mut tx = queue.sender().unwrap();
    assert_eq!(rx.try_recv_value(), Ok(None), "there is one again");
    tx.send_batch(3..6).unwrap();
    queue.close();
    assert_eq!(tx.send(&6), Err(SendError::Closed));
    rx.try_pull(3).unwrap().nack();
    assert_eq!(look(rx.try_pull(4).unwrap()), once(3..6));
    assert_eq!(rx.recv_value(), Err(RecvError::Closed));
    assert_eq!(rx.pull_some_with(4, LONG, |_| unreachable!()), Err(RecvError::Closed));
}

/// Whoever sleeps is woken by tail alone, and by head.
#[test]
fn both_ends_sleep_and_wake() {
    for capacity in [1, 2, 64] {
        let Numbers { mut tx, mut rx, queue: _queue, name } = Numbers::new(packed(capacity));
        tx.set_wait(Wait::Sleep);
        rx.set_wait(Wait::Sleep);
        assert_eq!(rx.recv_value_timeout(Duration::from_millis(2)), Ok(None));
        let opened = Queue::open(&name).unwrap().typed::<u64>().unwrap();
        thread::scope(|scope| {
            scope.spawn(move || {
                let mut next = 0;
                for round in 0..150 {
                    if round % 10 == 0 {
                        thread::sleep(Duration::from_millis(1));
                    }
                    send(&mut tx, &mut next, round % 9);
                }
                opened.close();
            });
            let mut expected = 0;
            let mut check = |number: u64| {
                assert_eq!(number, expected);
                expected += 1;
            };
            while let Ok(first) = rx.recv_value() {
                check(first);
                // The end, if it is that, is told again.
                let _ = rx.pull_some_with(8, LONG, |number| check(*number));
                if let Ok(batch) = rx.pull(3, Duration::from_micros(200)) {
                    batch.into_iter().for_each(|message| check(*message));
                }
            }
            assert_eq!(expected, (0..150).map(|round| round % 9).sum::<u64>());
        });
    }
}
