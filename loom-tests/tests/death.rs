//! Somebody dies at every atomic step, the living recover it while they work, and the books still balance: what was
//! committed is delivered, what was not has vanished whole, and only what the dead had taken may come twice.
#![cfg(loom)]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool as Note, Ordering::Relaxed};

use loom::sync::atomic::{AtomicBool, Ordering};
use loom::thread;
use ringpost::ring::{
    MultiReceiver, MultiSender, ReceiveEnd, SendEnd, SingleReceiver, SingleSender, count_in, recover, size,
};
use ringpost_loom::{Bench, Ends, Mortal, Receiver, at_every_step, explore};

const SENDER: u16 = 1;
const OTHER: u16 = 2;
const RECEIVER: u16 = 11;

const fn ends(single_sender: bool, single_receiver: bool) -> Ends {
    Ends { single_sender, single_receiver, overwrite: false }
}

/// Whether an endpoint lives: the lock that the kernel drops at its death.
struct Life(AtomicBool);

impl Life {
    fn new() -> Arc<Self> {
        Arc::new(Self(AtomicBool::new(true)))
    }
    fn end(&self) {
        self.0.store(false, Ordering::Release);
    }
    fn is_over(&self) -> bool {
        !self.0.load(Ordering::Acquire)
    }
}

/// Which way the dying go.
#[derive(Clone, Copy)]
enum Way {
    /// That of one message at first sight.
    Short,
    /// That of one message about which nothing need be asked.
    AtOnce,
    /// That of one such message which is copied and released at once, or of many in a single sender's window.
    Stream,
    /// That of one such message which is written in place.
    Lent,
    /// That of one such message which is watched for and shown.
    Watched,
    /// That of many in a single receiver's window, which are shown.
    Shown,
    /// That of any number.
    Long,
}

/// One message from a sender that dies at `step`. Returns whether it is known to be committed.
fn dying_sender(bench: &Bench, step: u32, single: bool, free_by_head: bool, way: Way, died: &Note) -> bool {
    let done = Mortal::live(bench, step, |memory| {
        let mut end = if single {
            SendEnd::Single(SingleSender::join(memory, free_by_head).expect("the words are sound"))
        } else {
            SendEnd::Multi(MultiSender::new(SENDER, false, free_by_head))
        };
        end.open_window(memory, u64::MAX);
        match way {
            Way::Short => {
                return end.put_one(memory, |position, _| bench.write(position, 100));
            }
            Way::AtOnce => {
                return end.put_at_once(memory, || true, |slot| bench.write(slot.position, 100));
            }
            Way::Lent => {
                let Some(position) = end.lend_at_once(memory, || true) else { return false };
                bench.write(position, 100);
                end.commit_lent(memory, position);
            }
            Way::Stream => {
                let mut left = 1;
                end.put_many(memory, |slot| {
                    bench.write(slot.position, 100);
                    left -= 1;
                    (left == 0).then_some(1)
                });
                end.publish_tail(memory, 1);
                return left <= 0;
            }
            Way::Watched | Way::Shown | Way::Long => {
                let Ok(run) = end.claim(memory, 1) else { return false };
                bench.write(run.first, 100);
                end.commit(memory, run);
            }
        }
        true
    });
    died.fetch_or(done.is_none(), Relaxed);
    done.unwrap_or(false)
}

/// Takes, reads and releases one message, and dies at `step`. Returns what it read, and whether that was released.
fn dying_receiver(bench: &Bench, step: u32, single: bool, way: Way, died: &Note) -> (Option<u64>, bool) {
    let read = std::cell::Cell::new(None);
    let done = Mortal::live(bench, step, |memory| {
        let mut end = if single {
            ReceiveEnd::Single(SingleReceiver::join(memory).expect("the words are sound"))
        } else {
            ReceiveEnd::Multi(MultiReceiver::new(RECEIVER, false))
        };
        let copy = |position| read.set(Some(bench.read(position)));
        // One of many goes a short way only after it has looked for what came back, and so may a single one.
        if (!single || matches!(way, Way::Short | Way::Long))
            && let Ok(run) = end.take(memory, 1)
        {
            copy(run.first);
            end.release(memory, run);
            return;
        }
        end.open_window(memory, u64::MAX);
        match way {
            Way::Short => {
                if let Some(position) = end.take_one(memory) {
                    copy(position);
                    end.release_one(memory, position);
                }
            }
            Way::AtOnce => {
                if let Some(position) = end.take_at_once(memory, |_| true) {
                    copy(position);
                    end.release_one(memory, position);
                }
            }
            Way::Stream => {
                end.look(memory, u64::MAX, Some(2));
                end.pass_at_once(memory, |_| true, |slot| copy(slot.position));
            }
            Way::Watched => {
                if let Some(position) = end.front_at_polls(memory, 1, |_| true) {
                    copy(position);
                    end.pass_front(memory, position);
                }
            }
            Way::Shown => {
                end.told(memory);
                let shown = end.show_many(memory, 1, |_, slot| {
                    copy(slot.position);
                    true
                });
                end.pass_fronts(memory, shown);
            }
            Way::Long | Way::Lent => {}
        }
    });
    died.fetch_or(done.is_none(), Relaxed);
    (read.get(), done.is_some())
}

#[test]
fn a_receiver_dies_over_an_aborted_claim() {
    at_every_step(|step, died| {
        explore(None, move || {
            let bench = Bench::new(ends(false, false), 0);
            let mut sender = bench.sender(SENDER);
            sender.abort();
            let done = Mortal::live(&bench, step, |memory| {
                let _ = MultiReceiver::new(RECEIVER, false).take(memory, 1);
            });
            died.fetch_or(done.is_none(), Relaxed);
            recover(&*bench, RECEIVER);
            let mut receiver = bench.receiver(RECEIVER);
            receiver.drain();
            assert_eq!(sender.send(1), 1, "the ring is stuck");
            receiver.drain();
            assert_eq!(receiver.got, [100]);
        });
    });
}

fn count(got: &[u64], message: u64) -> usize {
    got.iter().filter(|other| **other == message).count()
}

/// A sender dies; another sender and a receiver go on, and the receiver recovers.
fn sender_dies(single: bool, single_receiver: bool) {
    let at_once = [Way::AtOnce, Way::Lent].into_iter().filter(|_| single == single_receiver);
    let stream = (single && single_receiver).then_some(Way::Stream);
    [Way::Short, Way::Long]
        .into_iter()
        .chain(at_once)
        .chain(stream)
        .for_each(|way| sender_dies_on(way, single, single_receiver));
}

fn sender_dies_on(way: Way, single: bool, single_receiver: bool) {
    at_every_step(|step, died| {
        explore(Some(2), move || {
            let bench = Bench::new(ends(single, single_receiver), 0);
            let life = Life::new();
            let (b, l) = (Arc::clone(&bench), Arc::clone(&life));
            let dying = thread::spawn(move || {
                let done = dying_sender(&b, step, single, single_receiver, way, died);
                l.end();
                done
            });
            let b = Arc::clone(&bench);
            let other = (!single).then(|| {
                thread::spawn(move || {
                    let mut sender = b.sender(OTHER);
                    sender.send(1)
                })
            });
            let mut receiver = bench.receiver(RECEIVER);
            receiver.pull(1);
            if life.is_over() {
                recover(&*bench, SENDER);
                receiver.pull(1);
            }
            let committed = dying.join().expect("the dying sender panicked");
            let others = other.map_or(0, |thread| thread.join().expect("the other sender panicked"));
            recover(&*bench, SENDER);
            count_in(&*bench);
            let (left, had) = (size(&*bench), receiver.got.len());
            receiver.drain();
            let found = (receiver.got.len() - had) as u64;
            assert!(left == found || left == found + 1, "{left} were counted, {found} were there: one may be a Skip");
            // Its number is used again by the next one, and the ring goes on.
            let went_on = bench.sender(SENDER).send(1);
            receiver.drain();
            let mine = count(&receiver.got, 100);
            assert!(mine <= 1 + went_on as usize && mine >= usize::from(committed), "{:?}", receiver.got);
            assert_eq!(count(&receiver.got, 200) as u64, others);
            assert_eq!(went_on, 1, "the ring is stuck");
        });
    });
}

#[test]
fn a_sender_of_many_dies() {
    sender_dies(false, false);
}

#[test]
fn a_sender_of_many_to_a_single_receiver_dies() {
    sender_dies(false, true);
}

#[test]
fn a_single_sender_to_many_dies() {
    sender_dies(true, false);
}

#[test]
fn a_single_sender_to_a_single_receiver_dies() {
    sender_dies(true, true);
}

/// A receiver dies; a sender goes on, and so does another receiver, or a successor.
fn receiver_dies(single_sender: bool, single: bool) {
    let ways = [Way::Short, Way::Long, Way::AtOnce, Way::Stream, Way::Watched];
    let shown = single.then_some(Way::Shown);
    ways.into_iter().chain(shown).for_each(|way| receiver_dies_on(way, single_sender, single));
}

fn receiver_dies_on(way: Way, single_sender: bool, single: bool) {
    at_every_step(|step, died| {
        explore(Some(2), move || {
            let bench = Bench::new(ends(single_sender, single), 0);
            let life = Life::new();
            let b = Arc::clone(&bench);
            let sending = thread::spawn(move || {
                let mut sender = b.sender(SENDER);
                sender.send(1) + sender.send(1)
            });
            let (b, l) = (Arc::clone(&bench), Arc::clone(&life));
            let dying = thread::spawn(move || {
                let end = dying_receiver(&b, step, single, way, died);
                l.end();
                end
            });
            let mut living = (!single).then(|| bench.receiver(RECEIVER + 1));
            if let Some(receiver) = &mut living {
                receiver.pull(1);
                if life.is_over() {
                    recover(&*bench, RECEIVER);
                    receiver.pull(1);
                }
            }
            let (read, released) = dying.join().expect("the dying receiver panicked");
            let sent = sending.join().expect("the sender panicked");
            recover(&*bench, RECEIVER);
            let mut receiver = living.unwrap_or_else(|| bench.receiver(RECEIVER));
            receiver.drain();
            let more = bench.sender(SENDER + 5).send(1);
            assert_eq!(more, 1, "the ring is stuck");
            receiver.drain();
            balance(&receiver, sent, read, released);
        });
    });
}

fn balance(receiver: &Receiver, sent: u64, read: Option<u64>, released: bool) {
    for message in (0..sent).map(|sequence| 100 * u64::from(SENDER) + sequence) {
        let theirs = usize::from(read == Some(message));
        let mine = count(&receiver.got, message);
        assert!(mine <= 1, "doubled: {:?}", receiver.got);
        assert!(mine == 1 || theirs == 1, "lost {message}: {:?}", receiver.got);
        assert!(mine == 0 || theirs == 0 || !released, "released and delivered again: {message}");
    }
}

#[test]
fn a_receiver_of_many_dies() {
    receiver_dies(false, false);
}

#[test]
fn a_receiver_of_many_from_a_single_sender_dies() {
    receiver_dies(true, false);
}

#[test]
fn a_single_receiver_dies() {
    receiver_dies(false, true);
}

#[test]
fn a_single_receiver_from_a_single_sender_dies() {
    receiver_dies(true, true);
}

/// A sender and a receiver die in one run, at each pair of steps, and their slots meet.
#[test]
fn a_sender_and_a_receiver_die() {
    at_every_step(|first, sender_died| {
        at_every_step(|second, receiver_died| {
            explore(Some(1), move || {
                let bench = Bench::new(ends(false, false), 0);
                let b = Arc::clone(&bench);
                let sending = thread::spawn(move || dying_sender(&b, first, false, false, Way::Short, sender_died));
                let (read, released) = dying_receiver(&bench, second, false, Way::Short, receiver_died);
                let committed = sending.join().expect("the dying sender panicked");
                recover(&*bench, SENDER);
                recover(&*bench, RECEIVER);
                let mut receiver = bench.receiver(RECEIVER);
                receiver.drain();
                let mine = count(&receiver.got, 100);
                let gone = read.is_some() && released;
                assert!(mine <= 1 && (mine == 1 || gone || !committed || read.is_some()));
                assert!(!(gone && mine == 1), "released and delivered again");
                assert_eq!(bench.sender(OTHER).send(1), 1, "the ring is stuck");
                receiver.drain();
                assert_eq!(count(&receiver.got, 200), 1);
            });
        });
    });
}

/// The recoverer dies, too, at every step, while another sender and receiver work; the next one finishes.
#[test]
fn a_recoverer_dies() {
    for held_by_sender in [true, false] {
        at_every_step(|step, died| {
            explore(Some(2), move || {
                let bench = Bench::new(ends(false, false), 1);
                leave_a_corpse(&bench, held_by_sender);
                let b = Arc::clone(&bench);
                let recovering = thread::spawn(move || {
                    let done = Mortal::live(&b, step, |memory| recover(memory, 9));
                    died.fetch_or(done.is_none(), Relaxed);
                });
                let b = Arc::clone(&bench);
                let sending = thread::spawn(move || b.sender(OTHER).send(1));
                let mut receiver = bench.receiver(RECEIVER);
                receiver.pull(1);
                recovering.join().expect("the recoverer panicked");
                let sent = sending.join().expect("the sender panicked");
                recover(&*bench, 9);
                receiver.drain();
                assert_eq!(count(&receiver.got, 200) as u64, sent);
                assert_eq!(count(&receiver.got, 100), usize::from(!held_by_sender), "{:?}", receiver.got);
            });
        });
    }
}

/// Endpoint 9 has died in the middle: as a sender with a claim, or as a receiver with a message.
fn leave_a_corpse(bench: &Arc<Bench>, as_sender: bool) {
    if as_sender {
        MultiSender::new(9, false, false).claim(&**bench, 1).expect("it is empty");
    } else {
        bench.sender(SENDER).send(1);
        MultiReceiver::new(9, false).take(&**bench, 1).expect("a message is there");
    }
}
