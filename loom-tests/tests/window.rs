//! The windows of single ends: messages that are sent and taken without a look around. Ends join before the threads begin, or
//! loom tries one order only.
#![cfg(loom)]

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use loom::sync::atomic::Ordering::Relaxed;
use loom::thread;
use ringpost::ring::{Memory, ReceiveEnd, Run, SendEnd, sent_to, size};
use ringpost_loom::{At, Bench, Ends, explore};

const SINGLE: Ends = Ends { single_sender: true, single_receiver: true, overwrite: false };

/// Sends one message in the window; if there is none, the short way, and opens one.
fn put(bench: &Bench, end: &mut SendEnd, message: u64) -> bool {
    let sent = end.put_at_once(bench, || true, |slot| bench.write(slot.position, message));
    if sent {
        return true;
    }
    let sent = end.put_one(bench, |position, _| bench.write(position, message));
    end.open_window(bench, u64::MAX);
    sent
}

/// Sends all of `messages` in one window, if they go into it.
fn put_many(bench: &Bench, end: &mut SendEnd, messages: &mut impl Iterator<Item = u64>) {
    end.put_many(bench, |slot| {
        messages.next().map(|message| {
            bench.write(slot.position, message);
            1
        })
    });
    end.publish_tail(bench, 0);
}

/// How a message is received in a window.
#[derive(Clone, Copy)]
enum Way {
    /// Copied and released at once.
    Copied,
    /// Shown, and then released.
    Shown,
    /// The same, by one who watches for it, too.
    Watched,
    /// One of many that could be shown at once.
    Many,
    /// Taken, held, and released.
    Held,
}

const WAYS: [Way; 5] = [Way::Copied, Way::Shown, Way::Watched, Way::Many, Way::Held];

/// Takes one message in the window.
fn pass(bench: &Bench, end: &mut ReceiveEnd, way: Way) -> Option<u64> {
    let mut value = None;
    match way {
        Way::Copied => {
            end.look(bench, u64::MAX, Some(2));
            end.pass_at_once(bench, |_| true, |slot| value = Some(bench.read(slot.position)));
        }
        Way::Shown => {
            end.look(bench, u64::MAX, Some(2));
            let position = end.front_at_once(bench, |_| true)?;
            value = Some(bench.read(position));
            end.pass_front(bench, position);
        }
        Way::Watched => {
            // It looks first, as one does that does not know the next one.
            let mut position = end.front_at_once(bench, |_| true);
            if position.is_none() && end.look(bench, u64::MAX, Some(2)).is_some() {
                position = end.front_at_once(bench, |_| true).or_else(|| end.front_at_polls(bench, 1, |_| true));
            }
            let position = position?;
            value = Some(bench.read(position));
            end.pass_front(bench, position);
        }
        Way::Many => {
            let shown = show(bench, end, 1);
            value = shown.first().copied();
            end.pass_fronts(bench, shown.len() as u64);
        }
        Way::Held => {
            let position = end.take_at_once(bench, |_| true)?;
            value = Some(bench.read(position));
            assert!(end.release_one(bench, position), "nothing else is held");
        }
    }
    value
}

/// What is shown of up to `most` messages.
fn show(bench: &Bench, end: &mut ReceiveEnd, most: u64) -> Vec<u64> {
    // No further than tail tells, if that tells anything.
    let most = match end.told(bench).expect("it is the only one") {
        0 => most,
        told => most.min(told),
    };
    let mut shown = Vec::new();
    end.show_many(bench, most, |before, slot| {
        assert_eq!(before, shown.len() as u64);
        shown.push(bench.read(slot.position));
        true
    });
    shown
}

/// What is there, by a successor that knows nothing of windows.
fn rest(bench: &Arc<Bench>) -> Vec<u64> {
    let mut receiver = bench.receiver(11);
    receiver.drain();
    receiver.got
}

#[test]
fn messages_go_through_windows_over_several_laps() {
    for way in WAYS {
        explore(None, move || go_through(way));
    }
}

fn go_through(way: Way) {
    let bench = Bench::in_both_orders(SINGLE, 1);
    // From the middle of a lap, with room that reaches into the next.
    assert_eq!((bench.sender(1).send(1), bench.receiver(11).pull(1)), (1, 1));
    let b = Arc::clone(&bench);
    let mut end = b.sender(1).end;
    assert!(end.open_window(&*b, u64::MAX));
    let sending = thread::spawn(move || (0..3).take_while(|message| put(&b, &mut end, *message)).count() as u64);
    let mut end = bench.receiver(11).end;
    let mut got = Vec::new();
    for _ in 0..2 {
        end.open_window(&*bench, u64::MAX);
        got.extend(pass(&bench, &mut end, way));
    }
    let sent = sending.join().expect("the sender panicked");
    drop(end);
    got.extend(rest(&bench));
    assert_eq!(got, (0..sent).collect::<Vec<_>>());
    assert!(sent >= 2, "there was room for two");
}

#[test]
fn what_tail_does_not_tell_yet_counts_as_sent() {
    explore(None, || {
        let bench = Bench::in_both_orders(SINGLE, 2);
        let b = Arc::clone(&bench);
        let mut end = b.sender(1).end;
        assert!(end.open_window(&*b, u64::MAX));
        let sending = thread::spawn(move || {
            for message in 0..4 {
                assert!(end.put_at_once(&*b, || true, |slot| b.write(slot.position, message)));
                assert_eq!(size(&*b), message + 1);
            }
        });
        let (earlier, later) = (size(&*bench), size(&*bench));
        assert!(earlier <= later && later <= 4, "{earlier}, then {later}");
        sending.join().expect("the sender panicked");
        assert_eq!(size(&*bench), 4);
        // Nor does it matter to a successor, or to a receiver that wants many.
        let mut receiver = bench.receiver(11);
        assert_eq!(receiver.end.told_by_words(&*bench), Some(4));
        assert_eq!((bench.sender(2).send(1), receiver.pull(4)), (0, 4));
        assert_eq!((bench.sender(3).send(1), size(&*bench)), (1, 1));
    });
}

#[test]
fn a_window_does_not_reach_beyond_what_is_free() {
    explore(None, || {
        let bench = Bench::in_both_orders(SINGLE, 2);
        let b = Arc::clone(&bench);
        // The ring is full from the middle of one lap to the middle of the next.
        let (mut sender, mut receiver) = (b.sender(1), b.receiver(11));
        assert_eq!((sender.send(2), receiver.pull(2), sender.send(4)), (2, 2, 4));
        let mut end = receiver.end;
        let receiving = thread::spawn(move || {
            end.open_window(&*b, u64::MAX);
            pass(&b, &mut end, Way::Copied)
        });
        let mut end = sender.end;
        end.open_window(&*bench, u64::MAX);
        let sent = put(&bench, &mut end, 200);
        end.open_window(&*bench, u64::MAX);
        let again = put(&bench, &mut end, 201);
        assert_eq!(receiving.join().expect("the receiver panicked"), Some(102));
        assert!(!(sent && again), "one slot came free, and two were written");
        let new = sent.then_some(200).or(again.then_some(201));
        let expected = [103, 104, 105].into_iter().chain(new).collect::<Vec<_>>();
        assert_eq!(rest(&bench), expected);
    });
}

#[test]
fn a_batch_in_a_window_is_seen_whole_and_in_order() {
    explore(None, || {
        let bench = Bench::in_both_orders(SINGLE, 2);
        let b = Arc::clone(&bench);
        let mut end = b.sender(1).end;
        let sending = thread::spawn(move || {
            let before = b.tail().load(Relaxed);
            end.open_window(&*b, u64::MAX);
            put_many(&b, &mut end, &mut (0..3));
            assert_eq!(b.tail().load(Relaxed) - before, 3, "tail does not tell of all");
            // The next message goes behind them.
            assert!(put(&b, &mut end, 3));
        });
        let mut end = bench.receiver(11).end;
        end.open_window(&*bench, u64::MAX);
        let mut got = Vec::new();
        for way in [Way::Copied, Way::Shown, Way::Held] {
            got.extend(pass(&bench, &mut end, way));
        }
        sending.join().expect("the sender panicked");
        drop(end);
        got.extend(rest(&bench));
        assert_eq!(got, [0, 1, 2, 3]);
    });
}

#[test]
fn many_are_shown_as_far_as_they_are_there() {
    explore(None, || {
        let bench = Bench::in_both_orders(SINGLE, 2);
        let b = Arc::clone(&bench);
        let mut sender = bench.sender(1);
        assert_eq!(sender.send(1), 1);
        let mut end = sender.end;
        let sending = thread::spawn(move || {
            end.open_window(&*b, u64::MAX);
            put_many(&b, &mut end, &mut (101..103));
        });
        let mut end = bench.receiver(11).end;
        end.open_window(&*bench, u64::MAX);
        let mut got = show(&bench, &mut end, 4);
        assert!(!got.is_empty(), "one was there before");
        // Half of them are done with; the others come again.
        let passed = got.len().div_ceil(2);
        end.pass_fronts(&*bench, passed as u64);
        end.settle(&*bench);
        let kept = got.split_off(passed);
        sending.join().expect("the sender panicked");
        assert!(show(&bench, &mut end, 4).starts_with(&kept));
        end.settle(&*bench);
        drop(end);
        got.extend(rest(&bench));
        assert_eq!(got, [100, 101, 102]);
    });
}

#[test]
fn nothing_is_passed_by_what_came_back_or_is_held() {
    explore(None, || {
        let bench = Bench::in_both_orders(SINGLE, 2);
        let b = Arc::clone(&bench);
        let mut sender = bench.sender(1);
        assert_eq!(sender.send(3), 3);
        let mut receiver = bench.receiver(11);
        assert_eq!(receiver.end.look(&*bench, u64::MAX, Some(2)), Some(2), "no more than at once");
        let first = receiver.end.take_at_once(&*bench, |_| true).expect("a message is there");
        let mut end = sender.end;
        let sending = thread::spawn(move || put(&b, &mut end, 103));
        // Head would go over what is held.
        assert!(!receiver.end.pass_at_once(&*bench, |_| true, |_| ()), "a value is taken out of turn");
        assert!(receiver.end.front_at_once(&*bench, |_| true).is_none(), "a value is shown out of turn");
        assert_eq!(receiver.end.look(&*bench, u64::MAX, Some(2)), None, "a value is shown out of turn");
        assert!(receiver.end.front_at_polls(&*bench, 1, |_| true).is_none(), "a value is shown out of turn");
        assert_eq!(show(&bench, &mut receiver.end, 2), [], "values are shown out of turn");
        receiver.end.give_back(&*bench, Run { first, count: 1 }, true);
        assert_eq!(receiver.end.take_at_once(&*bench, |_| true), None, "what came back is next");
        assert!(!receiver.end.open_window(&*bench, u64::MAX), "what came back is next");
        assert_eq!(receiver.end.look(&*bench, u64::MAX, Some(2)), None, "what came back is next");
        receiver.end.rewind(&*bench);
        let run = receiver.take(1).expect("it has come back");
        assert_eq!((run.first, bench.read(first)), (first, 100));
        receiver.finish(run);
        assert!(sending.join().expect("the sender panicked"));
        receiver.drain();
        assert_eq!(receiver.got, [100, 101, 102, 103]);
    });
}

#[test]
fn what_was_shown_is_marked_before_it_is_read() {
    for way in [Way::Held, Way::Shown, Way::Watched, Way::Many] {
        explore(None, move || {
            let bench = Bench::in_both_orders(SINGLE, 1);
            let mut sender = bench.sender(1);
            assert_eq!(sender.send(2), 2);
            let mut end = bench.receiver(11).end;
            end.open_window(&*bench, u64::MAX);
            let shown = match way {
                Way::Held => end.take_at_once(&*bench, |_| true).map(|first| Run { first, count: 1 }),
                Way::Many => {
                    let first = bench.head().load(Relaxed);
                    Some(Run { first, count: show(&bench, &mut end, 2).len() as u64 })
                }
                Way::Watched => end.front_at_polls(&*bench, 1, |_| true).map(|first| Run { first, count: 1 }),
                _ => {
                    end.look(&*bench, u64::MAX, Some(2));
                    end.front_at_once(&*bench, |_| true).map(|first| Run { first, count: 1 })
                }
            };
            let shown = shown.expect("a message is there");
            assert_eq!(shown.count, if matches!(way, Way::Many) { 2 } else { 1 });
            // Its receiver dies with it.
            drop(end);
            let mut receiver = bench.receiver(11);
            let again = receiver.take(2).expect("it comes again");
            assert_eq!(again.first, shown.first);
            for position in shown.positions() {
                assert_eq!(receiver.end.deliveries(&*bench, position), 2);
            }
        });
    }
}

#[test]
fn what_was_shown_and_is_kept_comes_again_first() {
    explore(None, || {
        let bench = Bench::in_both_orders(SINGLE, 1);
        let b = Arc::clone(&bench);
        let mut sender = bench.sender(1);
        assert_eq!(sender.send(1), 1);
        let mut receiver = bench.receiver(11);
        receiver.end.look(&*bench, u64::MAX, Some(2));
        let mut end = sender.end;
        let sending = thread::spawn(move || put(&b, &mut end, 101));
        let shown = receiver.end.front_at_once(&*bench, |_| true).expect("a message is there");
        receiver.end.keep_fronts(&*bench, Run { first: shown, count: 1 });
        assert!(ringpost::ring::size(&*bench) >= 1, "it is in the queue again");
        assert!(receiver.end.front_at_once(&*bench, |_| true).is_none(), "what came back is next");
        receiver.end.look(&*bench, u64::MAX, Some(2));
        assert!(receiver.end.front_at_once(&*bench, |_| true).is_none(), "it was delivered before");
        assert!(receiver.end.front_at_polls(&*bench, 1, |_| true).is_none(), "it was delivered before");
        let run = receiver.take(1).expect("it comes again");
        assert_eq!((run.first, receiver.end.deliveries(&*bench, shown)), (shown, 2));
        receiver.finish(run);
        assert!(sending.join().expect("the sender panicked"));
        receiver.drain();
        assert_eq!(receiver.got, [100, 101]);
    });
}

#[test]
fn what_one_look_finds_ends_where_it_was_touched() {
    explore(Some(2), || {
        let bench = Bench::in_both_orders(SINGLE, 2);
        let (mut sender, mut receiver) = (bench.sender(1), bench.receiver(11));
        assert_eq!(sender.send(4), 4);
        let run = receiver.take(4).expect("they are there");
        let [first, second, third, fourth] = [0, 1, 2, 3].map(|nth| Run { first: run.first + nth, count: 1 });
        receiver.end.release(&*bench, third);
        for unseen in [first, second, fourth] {
            receiver.end.give_back(&*bench, unseen, false);
        }
        receiver.end.rewind(&*bench);
        // The last one's word says that it is there, and not that all before it are.
        assert_eq!(receiver.end.look(&*bench, u64::MAX, Some(2)), Some(2));
        let mut got: Vec<u64> = (0..3).filter_map(|_| pass(&bench, &mut receiver.end, Way::Shown)).collect();
        receiver.drain();
        got.extend(receiver.got);
        assert_eq!(got, [100, 101, 103]);
    });
}

#[test]
fn a_look_goes_on_behind_what_it_finds() {
    for sent in 1..=8 {
        explore(Some(2), move || {
            let bench = Bench::in_both_orders(SINGLE, 3);
            let mut sender = bench.sender(1);
            assert_eq!(sender.send(sent), sent);
            let mut end = bench.receiver(11).end;
            let got: Vec<u64> = (0..=8).filter_map(|_| pass(&bench, &mut end, Way::Shown)).collect();
            assert_eq!(got, (100..100 + sent).collect::<Vec<_>>());
        });
    }
}

#[test]
fn a_sender_to_many_has_no_window() {
    explore(None, || {
        let bench = Bench::in_both_orders(Ends { single_receiver: false, ..SINGLE }, 1);
        let (mut sender, mut receiver) = (bench.sender(1), bench.receiver(11));
        assert_eq!(sender.send(1), 1);
        assert!(!sender.end.open_window(&*bench, u64::MAX));
        let b = Arc::clone(&bench);
        let receiving = thread::spawn(move || {
            let taken = receiver.take(1).expect("a message is there");
            (b.read(taken.first), receiver)
        });
        assert_eq!(sender.send(1), 1);
        // Taken or not, it is there.
        assert!(!put(&bench, &mut sender.end, 200), "a message was written over");
        assert_eq!(receiving.join().expect("the receiver panicked").0, 100);
    });
}

#[test]
fn what_is_only_claimed_is_no_message() {
    for way in WAYS {
        explore(None, move || {
            let bench = Bench::in_both_orders(Ends { single_sender: false, ..SINGLE }, 1);
            let mut sender = bench.sender(1);
            let mut end = bench.receiver(11).end;
            end.open_window(&*bench, u64::MAX);
            // The long way: tail is moved before anything is written.
            let sending = thread::spawn(move || sender.send(2));
            let got = pass(&bench, &mut end, way);
            assert!(got.is_none_or(|message| message == 100));
            assert_eq!(sending.join().expect("the sender panicked"), 2);
        });
    }
}

#[test]
fn what_is_known_to_be_there_ends_with_its_lap() {
    explore(None, || {
        let bench = Bench::in_both_orders(SINGLE, 1);
        let (mut sender, mut end) = (bench.sender(1), bench.receiver(11).end);
        assert_eq!(sender.send(2), 2);
        end.open_window(&*bench, u64::MAX);
        let both: Vec<u64> = (0..2).filter_map(|_| pass(&bench, &mut end, Way::Copied)).collect();
        assert_eq!(both, [100, 101]);
        end.open_window(&*bench, u64::MAX);
        let b = Arc::clone(&bench);
        let sending = thread::spawn(move || assert!(put(&b, &mut sender.end, 102)));
        let mut got: Vec<u64> = (0..2).filter_map(|_| pass(&bench, &mut end, Way::Copied)).collect();
        sending.join().expect("the sender panicked");
        drop(end);
        got.extend(rest(&bench));
        assert_eq!(got, [102]);
    });
}

#[test]
fn what_is_shown_ends_with_its_lap() {
    explore(None, || {
        let bench = Bench::in_both_orders(SINGLE, 1);
        let (mut sender, mut end) = (bench.sender(1), bench.receiver(11).end);
        assert_eq!(sender.send(2), 2);
        end.open_window(&*bench, u64::MAX);
        assert_eq!(show(&bench, &mut end, 4), [100, 101], "a message was shown twice");
        end.pass_fronts(&*bench, 2);
        assert_eq!(show(&bench, &mut end, 4), []);
    });
}

#[test]
fn what_was_sent_before_a_panic_is_found() {
    explore(None, || {
        let bench = Bench::in_both_orders(SINGLE, 2);
        let b = Arc::clone(&bench);
        let before = bench.tail().load(Relaxed);
        let mut end = b.sender(1).end;
        let sending = thread::spawn(move || {
            end.open_window(&*b, u64::MAX);
            let mut left = 3;
            let panics = |slot: At<'_, Bench>| {
                left -= 1;
                if left == 0 {
                    std::panic::resume_unwind(Box::new("the caller's iterator"));
                }
                b.write(slot.position, 100 + left);
                Some(1)
            };
            catch_unwind(AssertUnwindSafe(|| end.put_many(&*b, panics))).expect_err("it panics");
            let found = end.find_sent(&*b);
            end.publish_tail(&*b, 2);
            assert_eq!(found, Some(Run { first: before, count: 2 }));
            assert_eq!(b.tail().load(Relaxed), before + 2);
            assert!(put(&b, &mut end, 103));
        });
        let mut end = bench.receiver(11).end;
        end.open_window(&*bench, u64::MAX);
        let mut got: Vec<u64> = (0..2).filter_map(|_| pass(&bench, &mut end, Way::Shown)).collect();
        sending.join().expect("the sender panicked");
        assert_eq!(sent_to(&*bench), before + 3);
        drop(end);
        got.extend(rest(&bench));
        assert_eq!(got, [102, 101, 103]);
    });
}
