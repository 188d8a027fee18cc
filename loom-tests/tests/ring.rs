//! Nothing lost, doubled, torn or out of a sender's order, for every combination of ends, across the wrap of the lap.
#![cfg(loom)]

use std::sync::Arc;

use loom::thread;
use ringpost::ring::Run;
use ringpost_loom::{Bench, Ends, Receiver, Sender, Tally, explore, explore_with_fewer, explore_with_more};

const fn ends(single_sender: bool, single_receiver: bool) -> Ends {
    Ends { single_sender, single_receiver, overwrite: false }
}

/// Runs each sender's and each receiver's script in a thread of its own (one of them in this one), drains what is left, and
/// balances the books. loom starts from the order in which the threads come and finds the others from that, but not all
/// of them (see `Touched` on the bench); so each model is run with a receiver first and with a sender first.
fn run(order: Order, bench: &Arc<Bench>, senders: Vec<fn(&mut Sender)>, receivers: Vec<fn(&mut Receiver)>) {
    let mut sending: Vec<_> =
        senders.into_iter().zip(1..).map(|(script, number)| Job(script, bench.sender(number))).collect();
    let mut receiving: Vec<_> =
        receivers.into_iter().zip(11..).map(|(script, number)| Job(script, bench.receiver(number))).collect();
    let (mut senders, mut receivers) = (Vec::new(), Vec::new());
    match order {
        Order::ReceiversFirst => {
            let mine = receiving.remove(0);
            let (sending, receiving) = (spawn(sending), spawn(receiving));
            receivers.push(mine.run());
            senders.extend(join(sending));
            receivers.extend(join(receiving));
        }
        Order::SendersFirst => {
            let mine = sending.remove(0);
            let (sending, receiving) = (spawn(sending), spawn(receiving));
            senders.push(mine.run());
            senders.extend(join(sending));
            receivers.extend(join(receiving));
        }
    }
    receivers[0].drain();
    let mut tally = Tally::default();
    senders.into_iter().for_each(|sender| tally.sender(sender.done()));
    receivers.into_iter().for_each(|receiver| tally.receiver(receiver.got));
    tally.balance();
}

/// A script and the end that it is for.
struct Job<E>(fn(&mut E), E);

impl<E> Job<E> {
    fn run(mut self) -> E {
        (self.0)(&mut self.1);
        self.1
    }
}

fn spawn<E: 'static>(jobs: Vec<Job<E>>) -> Vec<thread::JoinHandle<E>> {
    jobs.into_iter().map(|job| thread::spawn(move || job.run())).collect()
}

fn join<E>(threads: Vec<thread::JoinHandle<E>>) -> impl Iterator<Item = E> {
    threads.into_iter().map(|thread| thread.join().expect("a thread panicked"))
}

/// Who comes first.
#[derive(Clone, Copy)]
enum Order {
    ReceiversFirst,
    SendersFirst,
}

/// Explores a model that [`run`]s in either order; the second one at a lower bound, for the time that it takes.
fn explore_each(bound: Option<usize>, model: impl Fn(Order) + Copy + Sync + Send + 'static) {
    explore(bound, move || model(Order::ReceiversFirst));
    explore_with_fewer(1, bound, move || model(Order::SendersFirst));
}

/// The same for two senders and two receivers, which take hours at one preemption more than minutes: where a bound is asked
/// for, one fewer.
fn explore_four(model: impl Fn(Order) + Copy + Sync + Send + 'static) {
    let fewer = usize::from(std::env::var_os("LOOM_MAX_PREEMPTIONS").is_some());
    explore_with_fewer(fewer, Some(3), move || model(Order::ReceiversFirst));
    explore_with_fewer(fewer + 1, Some(3), move || model(Order::SendersFirst));
}

fn one(sender: &mut Sender) {
    sender.send(1);
}

fn two_by_one(sender: &mut Sender) {
    sender.send(1);
    sender.send(1);
}

fn pull_two(receiver: &mut Receiver) {
    receiver.pull(1);
    receiver.pull(1);
}

fn pull_once(receiver: &mut Receiver) {
    receiver.pull(1);
}

#[test]
fn single_to_single_one_slot() {
    explore_each(None, |order| {
        let three = |sender: &mut Sender| {
            for _ in 0..3 {
                sender.send(1);
            }
        };
        run(order, &Bench::new(ends(true, true), 0), vec![three], vec![pull_two]);
    });
}

#[test]
fn single_to_single_batches() {
    explore_each(None, |order| {
        let batches = |sender: &mut Sender| {
            for _ in 0..2 {
                sender.send(2);
            }
        };
        let pulls = |receiver: &mut Receiver| {
            for _ in 0..2 {
                receiver.pull(2);
            }
        };
        run(order, &Bench::new(ends(true, true), 1), vec![batches], vec![pulls]);
    });
}

#[test]
fn single_to_multi() {
    explore_each(Some(3), |order| {
        let three = |sender: &mut Sender| {
            for _ in 0..3 {
                sender.send(1);
            }
        };
        run(order, &Bench::new(ends(true, false), 1), vec![three], vec![pull_two, pull_once]);
    });
}

#[test]
fn multi_to_single() {
    explore_each(Some(3), |order| {
        run(order, &Bench::new(ends(false, true), 1), vec![two_by_one, two_by_one], vec![pull_two])
    });
}

#[test]
fn multi_to_single_batches() {
    explore_each(Some(3), |order| {
        let batch = |sender: &mut Sender| {
            sender.send(2);
        };
        let pulls = |receiver: &mut Receiver| {
            receiver.pull(2);
            receiver.pull(2);
        };
        run(order, &Bench::new(ends(false, true), 1), vec![batch, one], vec![pulls]);
    });
}

/// What loom does not find by itself: the receiver looks while one of the messages of its batch is being written.
#[test]
fn multi_to_single_batches_in_both_orders() {
    explore_each(Some(2), |order| {
        let pull = |receiver: &mut Receiver| {
            receiver.pull(2);
        };
        run(order, &Bench::in_both_orders(ends(false, true), 1), vec![one, one], vec![pull]);
    });
}

#[test]
fn a_batch_ends_before_what_is_being_written() {
    explore(None, || {
        let bench = Bench::new(ends(false, true), 1);
        let (mut done, mut writing, mut receiver) = (bench.sender(1), bench.sender(2), bench.receiver(11));
        done.send(1);
        let claimed = writing.end.claim(&*bench, 1).expect("there is room for two");
        let run = receiver.take(2).expect("a message is there");
        assert_eq!((run.first, run.end()), (run.first, claimed.first));
    });
}

#[test]
fn a_claim_that_others_help_over_vouches_for_head() {
    explore(Some(3), || {
        let bench = Bench::new(ends(false, true), 1);
        let (mut a, mut b, mut receiver) = (bench.sender(1), bench.sender(2), bench.receiver(11));
        a.send(1);
        b.send(1);
        let threads = [a, b].map(|mut sender| {
            thread::spawn(move || {
                sender.send(1);
            })
        });
        receiver.pull(1);
        threads.into_iter().for_each(|thread| thread.join().expect("a sender panicked"));
    });
}

#[test]
fn a_word_that_comes_twice_is_taken_after_its_last_reader() {
    explore(Some(3), || {
        let bench = Bench::new(ends(false, false), 0);
        let mut sender = bench.sender(1);
        let (mut one, mut two) = (bench.receiver(11), bench.receiver(12));
        sender.send(1);
        one.give_back(1, false);
        let again = thread::spawn(move || one.give_back(1, false));
        two.pull(1);
        sender.send(1);
        again.join().expect("the receiver panicked");
    });
}

#[test]
fn a_word_that_comes_twice_is_overwritten_after_its_last_reader() {
    explore(Some(3), || {
        let bench = Bench::new(Ends { overwrite: true, ..ends(false, false) }, 0);
        let (mut sender, mut receiver) = (bench.sender(1), bench.receiver(11));
        sender.send(1);
        receiver.give_back(1, false);
        let again = thread::spawn(move || receiver.give_back(1, false));
        sender.send(1);
        again.join().expect("the receiver panicked");
    });
}

#[test]
fn a_head_that_overwriting_has_left_behind_catches_up() {
    explore(Some(2), || {
        let bench = Bench::new(Ends { overwrite: true, ..ends(false, false) }, 0);
        let mut sender = bench.sender(1);
        for _ in 0..4 {
            sender.send(1);
        }
        let sending = thread::spawn(move || {
            sender.send(1);
            sender.done()
        });
        let mut receiver = bench.receiver(11);
        receiver.pull(1);
        let mut tally = Tally::default();
        let done = sending.join().expect("the sender panicked");
        receiver.drain();
        assert!(receiver.got.contains(&(100 + done.1 - 1)), "the newest is missing: {:?}", receiver.got);
        tally.sender(done);
        tally.receiver(receiver.got);
        tally.balance();
    });
}

#[test]
fn multi_to_multi() {
    explore_four(|order| {
        run(order, &Bench::new(ends(false, false), 0), vec![two_by_one, one], vec![pull_once, pull_once]);
    });
}

/// Few enough steps for one preemption more than was asked for.
#[test]
fn multi_to_multi_one_each() {
    explore_with_more(1, Some(2), || {
        run(Order::ReceiversFirst, &Bench::new(ends(false, false), 0), vec![one, one], vec![pull_once, pull_once]);
    });
}

#[test]
fn multi_to_multi_batches() {
    explore_four(|order| {
        let batch = |sender: &mut Sender| {
            sender.send(2);
        };
        let pull = |receiver: &mut Receiver| {
            receiver.pull(2);
        };
        run(order, &Bench::new(ends(false, false), 1), vec![batch, batch], vec![pull, pull]);
    });
}

#[test]
fn aborted_claims_are_passed_over() {
    for single_receiver in [false, true] {
        explore_each(Some(3), move |order| {
            run(order, &Bench::new(ends(false, single_receiver), 0), vec![Sender::abort, one], vec![pull_once])
        });
    }
}

#[test]
fn a_sender_passes_over_its_own_aborted_claim() {
    explore_each(Some(3), |order| {
        let aborting = |sender: &mut Sender| {
            sender.abort();
            sender.send(1);
            sender.send(1);
        };
        run(order, &Bench::new(ends(false, false), 0), vec![aborting], vec![pull_two]);
    });
}

#[test]
fn head_goes_over_a_skip_with_all_that_is_below() {
    explore_each(Some(3), |order| {
        let around = |sender: &mut Sender| {
            sender.send(1);
            sender.abort();
            sender.send(1);
        };
        run(order, &Bench::new(ends(false, true), 1), vec![around], vec![pull_two]);
    });
}

#[test]
fn aborted_claims_are_passed_over_by_two_receivers() {
    explore_each(Some(2), |order| {
        run(order, &Bench::new(ends(false, false), 0), vec![Sender::abort], vec![pull_once, pull_once])
    });
}

#[test]
fn overwriting_loses_just_what_it_counts() {
    explore_each(Some(3), |order| {
        let ends = Ends { overwrite: true, ..ends(false, false) };
        run(order, &Bench::new(ends, 0), vec![two_by_one, one], vec![pull_once]);
    });
}

#[test]
fn what_is_held_is_not_overwritten() {
    explore(Some(3), || {
        let bench = Bench::new(Ends { overwrite: true, ..ends(false, false) }, 0);
        let (mut sender, mut receiver) = (bench.sender(1), bench.receiver(11));
        sender.send(1);
        let held = receiver.take(1).expect("a message is there");
        let sending = thread::spawn(move || {
            sender.send(1);
            sender.done()
        });
        receiver.finish(held);
        let mut tally = Tally::default();
        tally.sender(sending.join().expect("the sender panicked"));
        receiver.drain();
        tally.receiver(receiver.got);
        tally.balance();
    });
}

#[test]
fn a_single_receiver_gives_back_in_order() {
    explore_each(None, |order| {
        let returning = |receiver: &mut Receiver| {
            receiver.give_back(2, false);
            receiver.pull(2);
        };
        run(order, &Bench::new(ends(true, true), 1), vec![two_by_one], vec![returning]);
    });
}

/// Takes two, and releases the one and then the other while the sender goes on.
fn release_two(single_sender: bool, newer_first: bool) {
    let bench = Bench::new(ends(single_sender, true), 1);
    let mut sender = bench.sender(1);
    sender.send(2);
    let mut receiver = bench.receiver(11);
    let run = receiver.take(2).expect("two messages are there");
    let sending = thread::spawn(move || {
        for _ in 0..3 {
            sender.send(1);
        }
        sender
    });
    let (one, other) = if newer_first { (1, 0) } else { (0, 1) };
    for first in [run.first.wrapping_add(one), run.first.wrapping_add(other)] {
        receiver.finish(Run { first, count: 1 });
    }
    if newer_first {
        receiver.got.reverse();
    }
    let mut sender = sending.join().expect("the sender panicked");
    receiver.drain();
    // One of many claims no more at once than there is in a lap.
    let room = match sender.send(2) {
        1 => 1 + sender.send(1),
        room => room,
    };
    assert_eq!(room, 2, "there is not room for two");
    receiver.drain();
    let mut tally = Tally::default();
    tally.sender(sender.done());
    tally.receiver(receiver.got);
    tally.balance();
}

#[test]
fn a_single_receiver_releases_in_any_order() {
    for single_sender in [true, false] {
        for newer_first in [true, false] {
            explore(Some(3), move || release_two(single_sender, newer_first));
        }
    }
}

#[test]
fn a_single_receiver_takes_no_short_way_past_what_is_to_come_again() {
    explore(Some(2), || {
        let bench = Bench::new(ends(true, true), 2);
        let (mut sender, mut receiver) = (bench.sender(1), bench.receiver(11));
        sender.send(2);
        let held = receiver.take(2).expect("two messages are there");
        let sending = thread::spawn(move || sender.send(1));
        // The one that is still held keeps it from starting again at once.
        receiver.end.give_back(&*bench, Run { first: held.first, count: 1 }, true);
        assert_eq!(receiver.end.take_one(&*bench), None);
        assert_eq!(sending.join().expect("the sender panicked"), 1);
        assert_eq!(receiver.end.take_one(&*bench), None);
    });
}

#[test]
fn a_newer_message_is_not_released_the_short_way_while_an_older_one_is_held() {
    explore(Some(2), || {
        let bench = Bench::new(ends(true, true), 1);
        let (mut sender, mut receiver) = (bench.sender(1), bench.receiver(11));
        sender.send(2);
        let older = receiver.end.take_one(&*bench).expect("a message is there");
        assert_eq!(receiver.end.look(&*bench, u64::MAX, Some(2)), None, "a value is shown out of turn");
        let newer = receiver.end.take_one(&*bench).expect("another is there");
        let sending = thread::spawn(move || sender.send(1) + sender.send(1));
        assert!(!receiver.end.release_one(&*bench, newer), "head has gone over what is held");
        assert_eq!(bench.read(older), 100);
        assert_eq!(sending.join().expect("the sender panicked"), 0);
    });
}

#[test]
fn a_value_is_read_at_once_before_its_slot_is_free() {
    for single in [true, false] {
        explore(Some(2), move || {
            let bench = Bench::new(ends(single, single), 0);
            let (mut sender, mut receiver) = (bench.sender(1), bench.receiver(11));
            assert_eq!(receiver.pull(1), 0, "it has looked for what came back");
            sender.send(1);
            receiver.end.look(&*bench, u64::MAX, Some(2));
            let sending = thread::spawn(move || sender.send(1));
            assert!(receiver.pull_at_once());
            assert_eq!(receiver.got, [100]);
            sending.join().expect("the sender panicked");
        });
    }
}

#[test]
fn a_slot_that_was_released_the_short_way_is_written_again() {
    for single_sender in [true, false] {
        explore(None, move || {
            let bench = Bench::in_both_orders(Ends { single_sender, single_receiver: false, overwrite: false }, 0);
            let (mut sender, mut receiver) = (bench.sender(1), bench.receiver(11));
            // The short way is for one who has looked for what came back.
            assert_eq!((sender.send(1), receiver.pull(1), sender.send(1)), (1, 1, 1));
            let b = Arc::clone(&bench);
            let receiving = thread::spawn(move || {
                let position = receiver.end.take_one(&*b).expect("a message is there");
                let read = b.read(position);
                assert!(receiver.end.release_one(&*b, position));
                read
            });
            let sent = sender.send(1);
            assert_eq!(receiving.join().expect("the receiver panicked"), 101);
            let mut receiver = bench.receiver(12);
            receiver.drain();
            assert_eq!(receiver.got, (0..sent).map(|_| 102).collect::<Vec<_>>());
        });
    }
}
