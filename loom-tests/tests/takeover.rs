//! Deaths while taking over, while leaving, in the middle of a batch and during recovery, for each combination of ends; and
//! a number that is used again while a repairer still has an old word of it in mind.
#![cfg(loom)]

use std::cell::{Cell, RefCell};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool as Note, Ordering::Relaxed};

use loom::sync::Mutex;
use loom::thread;
use ringpost::layout::word::Word;
use ringpost::ring::{Memory, MultiReceiver, MultiSender, Run, SingleReceiver, SingleSender, recover, recover_word};
use ringpost_loom::{Bench, Ends, Mortal, Receiver, at_every_step, explore};

const SENDER: u16 = 1;
const OTHER: u16 = 2;
const DEAD: u16 = 9;
const RECEIVER: u16 = 11;

const fn ends(single_sender: bool, single_receiver: bool) -> Ends {
    Ends { single_sender, single_receiver, overwrite: false }
}

const OVERWRITING: Ends = Ends { single_sender: false, single_receiver: false, overwrite: true };

fn count(got: &[u64], message: u64) -> usize {
    got.iter().filter(|other| **other == message).count()
}

/// Lives with the words of `bench` until `step`, and notes whether it died there.
fn live<T>(bench: &Bench, step: u32, died: &Note, life: impl FnOnce(&Mortal<'_>) -> T) -> Option<T> {
    let done = Mortal::live(bench, step, life);
    died.fetch_or(done.is_none(), Relaxed);
    done
}

fn deliveries(bench: &Bench, position: u64) -> u8 {
    Word::from_bits(bench.word(position).load(loom::sync::atomic::Ordering::Acquire)).deliveries()
}

/// A single sender that takes over and sends `messages` at once. Whether all are known to be committed.
fn send_alone(memory: &Mortal<'_>, bench: &Bench, free_by_head: bool, messages: &[u64]) -> bool {
    let mut end = SingleSender::join(memory, free_by_head).expect("the words are sound");
    let Ok(run) = end.claim(memory, messages.len() as u64) else { return false };
    run.positions().zip(messages).for_each(|(position, message)| bench.write(position, *message));
    end.commit(memory, run);
    run.count == messages.len() as u64
}

/// One dies in the middle of a batch, the next while it takes over and sends, and the third goes on.
fn single_sender_takes_over(single_receiver: bool) {
    at_every_step(|first, first_died| {
        at_every_step(|second, second_died| {
            explore(Some(3), move || {
                let bench = Bench::new(ends(true, single_receiver), 1);
                let b = Arc::clone(&bench);
                let sending = thread::spawn(move || {
                    let one = live(&b, first, first_died, |m| send_alone(m, &b, single_receiver, &[100, 101]));
                    let two = live(&b, second, second_died, |m| send_alone(m, &b, single_receiver, &[200]));
                    (one == Some(true), two == Some(true), b.sender(3).send(1))
                });
                let mut receiver = bench.receiver(RECEIVER);
                receiver.pull(2);
                let (one, two, three) = sending.join().expect("a sender panicked");
                receiver.drain();
                let got = |message| count(&receiver.got, message);
                assert!(!one || (got(100), got(101)) == (1, 1), "lost: {:?}", receiver.got);
                assert!(!two || got(200) == 1, "lost: {:?}", receiver.got);
                assert_eq!(got(300) as u64, three);
                assert!(receiver.got.is_sorted() && receiver.got.windows(2).all(|pair| pair[0] < pair[1]));
                assert_eq!(bench.sender(4).send(1), 1, "the ring is stuck");
                receiver.drain();
                assert_eq!(count(&receiver.got, 400), 1);
            });
        });
    });
}

#[test]
fn a_single_sender_to_many_takes_over() {
    single_sender_takes_over(false);
}

#[test]
fn a_single_sender_to_a_single_receiver_takes_over() {
    single_sender_takes_over(true);
}

/// A receiver died with two messages in hand; the next dies while it takes over. Each message counts one delivery more,
/// none counts none, and at most one counts two.
fn a_successor_counts(single_sender: bool) {
    at_every_step(|step, died| {
        explore(Some(3), move || {
            let bench = Bench::new(ends(single_sender, true), 1);
            bench.sender(SENDER).send(2);
            let mut first = SingleReceiver::join(&*bench).expect("the words are sound");
            let held = first.take(&*bench, 2).expect("two messages are there");
            let b = Arc::clone(&bench);
            let sending = thread::spawn(move || b.sender(OTHER).send(1));
            live(&bench, step, died, |memory| drop(SingleReceiver::join(memory).expect("the words are sound")));
            let mut last = bench.receiver(RECEIVER);
            let counted: Vec<u8> = held.positions().map(|position| deliveries(&bench, position)).collect();
            assert!(counted.iter().all(|count| (1..=2).contains(count)), "{counted:?}");
            assert!(counted.iter().filter(|count| **count == 2).count() <= 1, "{counted:?}");
            let sent = sending.join().expect("the sender panicked");
            assert_eq!(sent, 0, "there was no room");
            last.drain();
            assert_eq!(last.got, [100, 101]);
        });
    });
}

#[test]
fn a_successor_counts_what_may_have_been_seen() {
    for single_sender in [true, false] {
        a_successor_counts(single_sender);
    }
}

/// A single receiver takes two, gives one of them back, releases the other, and leaves.
fn give_back_and_leave(memory: &Mortal<'_>, bench: &Bench, seen: bool, older: bool, released: &Cell<Option<u64>>) {
    let mut end = SingleReceiver::join(memory).expect("the words are sound");
    let Ok(run) = end.take(memory, 2) else { return };
    let [back, done] = if older { [0, 1] } else { [1, 0] };
    let one = |i: u64| Run { first: run.first.wrapping_add(i), count: 1 };
    let value = bench.read(one(done).first);
    end.give_back(memory, one(back), seen);
    end.release(memory, one(done));
    released.set(Some(value));
    end.rewind(memory);
    end.settle(memory);
}

/// It dies at each step of that; its successor gets what was not released, and nothing else is lost or doubled.
fn single_receiver_leaves(single_sender: bool, seen: bool, older: bool) {
    at_every_step(|step, died| {
        explore(Some(3), move || {
            let bench = Bench::new(ends(single_sender, true), 1);
            bench.sender(SENDER).send(2);
            let b = Arc::clone(&bench);
            let sending = thread::spawn(move || b.sender(OTHER).send(1));
            let released = Cell::new(None);
            let left = live(&bench, step, died, |memory| give_back_and_leave(memory, &bench, seen, older, &released));
            let mut next = bench.receiver(RECEIVER);
            if left.is_some() {
                // It has left in order, so the count is exact.
                let run = next.take(1).expect("what was given back");
                assert_eq!(next.end.deliveries(&*bench, run.first), 1 + u8::from(seen));
                next.finish(run);
            }
            let sent = sending.join().expect("the sender panicked");
            next.drain();
            for message in [100, 101] {
                let gone = released.get() == Some(message);
                assert!(count(&next.got, message) == 1 || gone, "lost {message}: {:?}", next.got);
                assert!(count(&next.got, message) == 0 || !gone, "released and delivered again: {:?}", next.got);
            }
            assert_eq!(count(&next.got, 200) as u64, sent);
            assert_eq!(bench.sender(3).send(1), 1, "the ring is stuck");
        });
    });
}

#[test]
fn a_single_receiver_leaves() {
    for single_sender in [true, false] {
        for seen in [true, false] {
            for older in [true, false] {
                single_receiver_leaves(single_sender, seen, older);
            }
        }
    }
}

/// One of many receivers gives two messages back and dies in the middle, while another receives and repairs.
fn receiver_gives_back(overwrite: bool) {
    at_every_step(|step, died| {
        explore(Some(3), move || {
            let bench = Bench::new(if overwrite { OVERWRITING } else { ends(false, false) }, 1);
            bench.sender(SENDER).send(2);
            let b = Arc::clone(&bench);
            let dying = thread::spawn(move || {
                live(&b, step, died, |memory| {
                    let mut end = MultiReceiver::new(DEAD, overwrite);
                    let Ok(run) = end.take(memory, 2) else { return };
                    run.positions().for_each(|position| {
                        b.read(position);
                    });
                    end.give_back(memory, run, true);
                });
                recover(&*b, DEAD);
            });
            let mut receiver = bench.receiver(RECEIVER);
            receiver.pull(2);
            dying.join().expect("the receiver panicked");
            receiver.drain();
            receiver.got.sort_unstable();
            assert_eq!(receiver.got, [100, 101]);
        });
    });
}

#[test]
fn a_receiver_of_many_dies_while_it_gives_back() {
    receiver_gives_back(false);
    receiver_gives_back(true);
}

/// One of many senders claims two, commits one and gives the other up.
fn dying_batch(memory: &Mortal<'_>, bench: &Bench, ends: Ends) -> bool {
    let mut end = MultiSender::new(DEAD, ends.overwrite, ends.single_receiver);
    let Ok(run) = end.claim(memory, 2) else { return false };
    bench.write(run.first, 900);
    end.abort(memory, Run { first: run.first.wrapping_add(1), count: run.count - 1 });
    end.commit(memory, Run { first: run.first, count: 1 });
    true
}

/// It dies in the middle of that, while another sends, and a receiver takes batches and repairs.
fn sender_of_a_batch_dies(ends: Ends) {
    at_every_step(|step, died| {
        explore(Some(2), move || {
            let bench = Bench::new(ends, 1);
            let b = Arc::clone(&bench);
            let dying = thread::spawn(move || {
                let done = live(&b, step, died, |memory| dying_batch(memory, &b, ends));
                recover(&*b, DEAD);
                done == Some(true)
            });
            let b = Arc::clone(&bench);
            let other = thread::spawn(move || {
                let mut sender = b.sender(OTHER);
                sender.send(1);
                sender.done()
            });
            let mut receiver = bench.receiver(RECEIVER);
            receiver.pull(2);
            let committed = dying.join().expect("the dying sender panicked");
            let (_, sent, overwritten) = other.join().expect("the other sender panicked");
            receiver.drain();
            let mine = count(&receiver.got, 900);
            assert!(mine <= 1 && (mine == 1 || !committed || overwritten > 0), "{:?}", receiver.got);
            // Whom the dead one has overwritten died with it.
            let others = count(&receiver.got, 200) as u64;
            assert!(others == sent || ends.overwrite && others < sent, "{:?}", receiver.got);
            assert_eq!(bench.sender(3).send(1), 1, "the ring is stuck");
            receiver.drain();
            assert_eq!(count(&receiver.got, 300), 1);
        });
    });
}

#[test]
fn a_sender_dies_in_a_batch_to_many() {
    sender_of_a_batch_dies(ends(false, false));
}

#[test]
fn a_sender_dies_in_a_batch_to_a_single_receiver() {
    sender_of_a_batch_dies(ends(false, true));
}

#[test]
fn an_overwriting_sender_dies_in_a_batch() {
    sender_of_a_batch_dies(OVERWRITING);
}

/// A receiver of many takes and releases two, and dies in the middle, while a sender goes on and another receives.
fn receiver_of_a_batch_dies(ends: Ends) {
    at_every_step(|step, died| {
        explore(Some(2), move || {
            let bench = Bench::new(ends, 1);
            bench.sender(SENDER).send(2);
            let b = Arc::clone(&bench);
            let dying = thread::spawn(move || {
                let read = RefCell::new(Vec::new());
                let done = live(&b, step, died, |memory| {
                    let mut end = MultiReceiver::new(DEAD, ends.overwrite);
                    let Ok(run) = end.take(memory, 2) else { return };
                    read.borrow_mut().extend(run.positions().map(|position| b.read(position)));
                    end.release(memory, run);
                });
                recover(&*b, DEAD);
                (read.into_inner(), done.is_some())
            });
            let mut receiver = bench.receiver(RECEIVER);
            receiver.pull(2);
            let mut sender = bench.sender(OTHER);
            sender.send(1);
            let (_, sent, overwritten) = sender.done();
            let (theirs, released) = dying.join().expect("the dying receiver panicked");
            receiver.drain();
            let mut missing = 0;
            for message in [100, 101].into_iter().chain((sent > 0).then_some(200)) {
                let (mine, theirs) = (count(&receiver.got, message), count(&theirs, message));
                assert!(mine <= 1, "doubled: {:?}", receiver.got);
                assert!(!released || mine + theirs <= 1, "released and delivered again: {:?}", receiver.got);
                missing += u64::from(mine + theirs == 0);
            }
            // What the dead had read may be overwritten as well.
            assert!(missing <= overwritten, "lost: {:?} and {theirs:?}", receiver.got);
            assert!(!released || missing == overwritten, "lost: {:?} and {theirs:?}", receiver.got);
            assert_eq!(bench.sender(3).send(1), 1, "the ring is stuck");
        });
    });
}

#[test]
fn a_receiver_dies_in_a_batch() {
    receiver_of_a_batch_dies(ends(false, false));
}

#[test]
fn a_receiver_dies_in_a_batch_from_a_single_sender() {
    receiver_of_a_batch_dies(ends(true, false));
}

#[test]
fn an_overwritten_receiver_dies_in_a_batch() {
    receiver_of_a_batch_dies(OVERWRITING);
}

/// What a row's lock guards: whether the row says that somebody has joined. Whoever holds the lock may repair, or is the
/// endpoint itself.
struct Row(Mutex<bool>);

impl Row {
    /// What `participant::recovery` does for one who found `word` in its way.
    fn repair(&self, bench: &Bench, position: u64, word: Word) {
        let Ok(mut joined) = self.0.try_lock() else { return };
        recover_word(bench, position, word);
        if *joined {
            recover(bench, DEAD);
            *joined = false;
        }
    }

    /// A new endpoint of that number lives, and leaves in order.
    fn join(&self, bench: &Arc<Bench>, as_sender: bool) -> (u64, Vec<u64>) {
        let Ok(mut joined) = self.0.try_lock() else { return (0, Vec::new()) };
        if *joined {
            recover(&**bench, DEAD);
        }
        let done = if as_sender {
            (bench.sender(DEAD).send(1), Vec::new())
        } else {
            let mut receiver = bench.receiver(DEAD);
            receiver.pull(1);
            (0, receiver.got)
        };
        *joined = false;
        done
    }
}

/// What the dead left: a claim, or a message that it had taken.
fn leave_a_corpse(bench: &Arc<Bench>, as_sender: bool) -> u64 {
    if as_sender {
        return MultiSender::new(DEAD, bench.ends().overwrite, bench.ends().single_receiver)
            .claim(&**bench, 1)
            .expect("it is empty")
            .first;
    }
    bench.sender(SENDER).send(1);
    MultiReceiver::new(DEAD, bench.ends().overwrite).take(&**bench, 1).expect("a message is there").first
}

/// The number of the dead is used again while somebody who saw what that left comes to repair it.
fn number_is_used_again(ends: Ends, held_by_sender: bool, again_as_sender: bool, row_is_free: bool) {
    explore(Some(3), move || {
        let bench = Bench::new(ends, 0);
        let position = leave_a_corpse(&bench, held_by_sender);
        let word = Word::from_bits(bench.word(position).load(loom::sync::atomic::Ordering::Acquire));
        let row = Arc::new(Row(Mutex::new(!row_is_free)));
        let (b, r) = (Arc::clone(&bench), Arc::clone(&row));
        let repairing = thread::spawn(move || r.repair(&b, position, word));
        let mut receiver = (!ends.single_receiver || again_as_sender).then(|| bench.receiver(RECEIVER));
        let (b, r) = (Arc::clone(&bench), Arc::clone(&row));
        let joining = thread::spawn(move || r.join(&b, again_as_sender));
        receiver.iter_mut().for_each(|receiver| {
            receiver.pull(1);
        });
        repairing.join().expect("the repairer panicked");
        let (sent, got) = joining.join().expect("the new endpoint panicked");
        row.repair(&bench, position, word);
        let mut receiver = receiver.unwrap_or_else(|| bench.receiver(RECEIVER));
        receiver.drain();
        let all = [&receiver.got[..], &got[..]].concat();
        let (old, new) = (count(&all, 100), count(&all, 900) as u64);
        assert_eq!(old, usize::from(!held_by_sender), "{all:?}");
        assert_eq!(new, sent, "{all:?}");
        assert_eq!(bench.sender(3).send(1), 1, "the ring is stuck");
    });
}

#[test]
fn a_number_is_used_again_while_an_old_word_of_it_is_repaired() {
    for again_as_sender in [true, false] {
        number_is_used_again(ends(false, false), true, again_as_sender, false);
        number_is_used_again(ends(false, false), false, again_as_sender, false);
    }
    number_is_used_again(ends(false, true), true, true, false);
    number_is_used_again(ends(true, false), false, false, false);
}

/// Its owner left without settling it, so nothing but the repair of this very word tells receivers to look.
#[test]
fn a_word_of_a_free_row_is_repaired() {
    explore(Some(3), || {
        let bench = Bench::new(ends(false, false), 0);
        let position = leave_a_corpse(&bench, false);
        let word = Word::from_bits(bench.word(position).load(loom::sync::atomic::Ordering::Acquire));
        let mut receiver = bench.receiver(RECEIVER);
        let row = Row(Mutex::new(false));
        let b = Arc::clone(&bench);
        let repairing = thread::spawn(move || row.repair(&b, position, word));
        receiver.pull(1);
        repairing.join().expect("the repairer panicked");
        receiver.drain();
        assert_eq!(receiver.got, [100]);
    });
}

/// A repairer dies at every step, while others work, and the next one finishes.
fn recoverer_dies(ends: Ends, held_by_sender: bool) {
    at_every_step(|step, died| {
        explore(Some(3), move || {
            let bench = Bench::new(ends, 1);
            leave_a_corpse(&bench, held_by_sender);
            let b = Arc::clone(&bench);
            let recovering = thread::spawn(move || {
                live(&b, step, died, |memory| recover(memory, DEAD));
                recover(&*b, DEAD);
            });
            let b = Arc::clone(&bench);
            let sending = thread::spawn(move || b.sender(OTHER).send(1));
            let mut receiver: Receiver = bench.receiver(RECEIVER);
            receiver.pull(1);
            recovering.join().expect("the recoverer panicked");
            let sent = sending.join().expect("the sender panicked");
            receiver.drain();
            assert_eq!(count(&receiver.got, 200) as u64, sent);
            assert_eq!(count(&receiver.got, 100), usize::from(!held_by_sender), "{:?}", receiver.got);
        });
    });
}

#[test]
fn a_recoverer_dies_over_each_combination_of_ends() {
    recoverer_dies(ends(true, false), false);
    recoverer_dies(ends(false, true), true);
    recoverer_dies(OVERWRITING, true);
}
