//! Runs of one of many: slots that the word of the first holds. All of a run shows, or nothing; what is cut off it is settled by
//! itself; and whoever dies anywhere in between leaves it whole for a recovery, which may die, too.
#![cfg(loom)]

use std::cell::RefCell;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool as Note, Ordering::Relaxed};

use loom::thread;
use ringpost::layout::word::{State, Word};
use ringpost::ring::{
    Blocked, Memory, MultiReceiver, MultiSender, Run, count_in, held_word, recover, recover_word, size,
};
use ringpost_loom::{Bench, Ends, Mortal, Tally, at_every_step, explore, explore_with_fewer};

const SENDER: u16 = 1;
const OTHER: u16 = 2;
const DEAD: u16 = 9;
const RECEIVER: u16 = 11;

const MANY: Ends = Ends { single_sender: false, single_receiver: false, overwrite: false };
const TO_ONE: Ends = Ends { single_receiver: true, ..MANY };
const OVERWRITING: Ends = Ends { overwrite: true, ..MANY };
const FROM_ONE: Ends = Ends { single_sender: true, ..MANY };

fn one(position: u64) -> Run {
    Run { first: position, count: 1 }
}

fn live<T>(bench: &Bench, step: u32, died: &Note, life: impl FnOnce(&Mortal<'_>) -> T) -> Option<T> {
    let done = Mortal::live(bench, step, life);
    died.fetch_or(done.is_none(), Relaxed);
    done
}

fn look<M: Memory>(memory: &M, position: u64) -> Word {
    let word = Word::from_bits(memory.word(position).load(loom::sync::atomic::Ordering::Acquire));
    held_word(memory, position, word)
}

/// A ring of four, the first `ahead` slots of which have been used once.
fn bench(ends: Ends, ahead: u64) -> Arc<Bench> {
    let bench = Bench::new(ends, 2);
    let (mut sender, mut receiver) = (bench.sender(3), bench.receiver(13));
    for _ in 0..ahead {
        assert_eq!(sender.send(1), 1);
        receiver.drain();
    }
    bench
}

#[test]
fn a_batch_shows_whole() {
    for ends in [MANY, TO_ONE] {
        for ahead in [0, 4] {
            explore(Some(3), move || {
                let bench = bench(ends, ahead);
                let b = Arc::clone(&bench);
                let sending = thread::spawn(move || b.sender(SENDER).send(3));
                let b = Arc::clone(&bench);
                let other = thread::spawn(move || b.sender(OTHER).send(1));
                let mut receiver = bench.receiver(RECEIVER);
                let first = receiver.take(1);
                if let Some(run) = first
                    && bench.read(run.first) / 100 == u64::from(SENDER)
                {
                    // The other two are there.
                    let rest = receiver.take(2).expect("a batch shows whole");
                    receiver.finish(run);
                    receiver.finish(rest);
                } else if let Some(run) = first {
                    receiver.finish(run);
                }
                assert_eq!((sending.join().expect("it panicked"), other.join().expect("it panicked")), (3, 1));
                receiver.drain();
                receiver.got.sort_unstable();
                assert_eq!(receiver.got, [100, 101, 102, 200]);
            });
        }
    }
}

/// Who counts in what the dead have claimed meets the claim of a living one.
#[test]
fn tail_is_counted_over_a_claim_as_a_whole() {
    explore(Some(3), || {
        let bench = bench(MANY, 0);
        let b = Arc::clone(&bench);
        let sending = thread::spawn(move || b.sender(SENDER).send(3));
        count_in(&*bench);
        assert_eq!(bench.sender(OTHER).send(1), 1);
        assert_eq!(sending.join().expect("it panicked"), 3);
        let mut receiver = bench.receiver(RECEIVER);
        receiver.drain();
        receiver.got.sort_unstable();
        assert_eq!(receiver.got, [100, 101, 102, 200]);
    });
}

#[test]
fn a_run_goes_no_further_than_head() {
    explore(Some(3), || {
        let bench = bench(TO_ONE, 6);
        let mut sender = bench.sender(SENDER);
        assert_eq!(sender.send(2), 2);
        let b = Arc::clone(&bench);
        let sending = thread::spawn(move || b.sender(OTHER).send(3));
        let mut receiver = bench.receiver(RECEIVER);
        receiver.pull(1);
        assert!((2..=3).contains(&sending.join().expect("it panicked")));
        receiver.drain();
        assert_eq!(receiver.got[..4], [100, 101, 200, 201]);
    });
}

/// Senders claim what nobody has taken there, so nothing may be held by another's word.
#[test]
fn where_senders_overwrite_each_word_stands_for_itself() {
    explore(Some(2), || {
        let bench = bench(OVERWRITING, 0);
        bench.sender(3).send(4);
        let b = Arc::clone(&bench);
        let sending = thread::spawn(move || {
            let mut sender = b.sender(SENDER);
            sender.send(3);
            sender.done()
        });
        let b = Arc::clone(&bench);
        let other = thread::spawn(move || {
            let mut sender = b.sender(OTHER);
            sender.send(2);
            sender.done()
        });
        let mut receiver = bench.receiver(RECEIVER);
        receiver.pull(3);
        let mut tally = Tally::default();
        tally.sender((3, 4, 0));
        tally.sender(sending.join().expect("it panicked"));
        tally.sender(other.join().expect("it panicked"));
        receiver.drain();
        tally.receiver(receiver.got);
        tally.balance();
    });
}

/// What a receiver does with the three messages that it has taken at once.
#[derive(Clone, Copy, Debug)]
enum Settling {
    Whole,
    InTurn,
    Backwards,
    MiddleFirst,
    FirstTwo,
    LastTwo,
    BackTheLast,
    BackTheMiddle,
}

const SETTLINGS: [Settling; 8] = [
    Settling::Whole,
    Settling::InTurn,
    Settling::Backwards,
    Settling::MiddleFirst,
    Settling::FirstTwo,
    Settling::LastTwo,
    Settling::BackTheLast,
    Settling::BackTheMiddle,
];

/// Settles a run, and says by `done` what was released, before it is.
fn settle<M: Memory>(end: &mut MultiReceiver, memory: &M, run: Run, how: Settling, mut done: impl FnMut(Run)) {
    let at = |from: u64, count: u64| Run { first: run.first.wrapping_add(from), count };
    let mut release = |end: &mut MultiReceiver, part: Run| {
        done(part);
        if part.count == 1 { end.release_one(memory, part.first) } else { end.release(memory, part) }
    };
    match how {
        _ if run.count != 3 => release(end, run),
        Settling::Whole => release(end, run),
        Settling::InTurn => (0..3).for_each(|from| release(end, at(from, 1))),
        Settling::Backwards => (0..3).rev().for_each(|from| release(end, at(from, 1))),
        Settling::MiddleFirst => [1, 0, 2].into_iter().for_each(|from| release(end, at(from, 1))),
        Settling::FirstTwo => [at(0, 2), at(2, 1)].into_iter().for_each(|part| release(end, part)),
        Settling::LastTwo => [at(1, 2), at(0, 1)].into_iter().for_each(|part| release(end, part)),
        Settling::BackTheLast => {
            end.give_back(memory, at(2, 1), false);
            release(end, at(0, 2));
        }
        Settling::BackTheMiddle => {
            end.give_back(memory, at(1, 1), true);
            release(end, at(0, 1));
            release(end, at(2, 1));
        }
    }
}

#[test]
fn what_is_cut_off_a_run_is_nobody_elses() {
    for ends in [MANY, FROM_ONE] {
        for how in SETTLINGS {
            explore_with_fewer(1, Some(3), move || {
                let bench = bench(ends, 0);
                let mut sender = bench.sender(SENDER);
                assert_eq!(sender.send(4), 4);
                let b = Arc::clone(&bench);
                let cutting = thread::spawn(move || {
                    let mut end = MultiReceiver::new(DEAD, false);
                    let mut got = Vec::new();
                    if let Ok(run) = end.take(&*b, 3) {
                        settle(&mut end, &*b, run, how, |part| got.extend(part.positions().map(|at| b.read(at))));
                    }
                    got
                });
                let sending = thread::spawn(move || (0..2).map(|_| sender.send(1)).sum::<u64>());
                let mut receiver = bench.receiver(RECEIVER);
                receiver.pull(2);
                let sent = sending.join().expect("the sender panicked");
                receiver.got.extend(cutting.join().expect("the cutting one panicked"));
                receiver.drain();
                receiver.got.sort_unstable();
                assert_eq!(receiver.got, (100..104 + sent).collect::<Vec<_>>(), "{how:?}");
            });
        }
    }
}

/// Two threads of one process settle what was held by one word.
#[test]
fn what_is_parted_from_a_run_is_settled_by_any_thread() {
    for held in 0..3 {
        explore(Some(3), move || {
            let bench = bench(MANY, 0);
            let mut sender = bench.sender(SENDER);
            sender.send(3);
            let mut end = MultiReceiver::new(RECEIVER, false);
            let run = end.take(&*bench, 3).expect("three are there");
            assert_eq!(run.count, 3);
            assert!(run.positions().all(|position| end.deliveries(&*bench, position) == 1));
            end.part(&*bench, run.first + held);
            let b = Arc::clone(&bench);
            let settling =
                thread::spawn(move || MultiReceiver::new(RECEIVER, false).release(&*b, one(run.first + held)));
            let sending = thread::spawn(move || (0..2).map(|_| sender.send(1)).sum::<u64>());
            for position in run.positions().filter(|position| *position != run.first + held) {
                assert_eq!(end.deliveries(&*bench, position), 1);
                end.release_one(&*bench, position);
            }
            settling.join().expect("the settling one panicked");
            let sent = sending.join().expect("the sender panicked");
            let mut receiver = bench.receiver(OTHER);
            receiver.drain();
            assert_eq!(receiver.got, (103..103 + sent).collect::<Vec<_>>());
            // All is free again.
            let mut sender = bench.sender(4);
            assert_eq!((0..5).map(|_| sender.send(1)).sum::<u64>(), 4);
        });
    }
}

/// One of many senders dies in a batch of three: all of it has been sent, or nothing.
fn sender_dies(ends: Ends, ahead: u64) {
    at_every_step(|step, died| {
        explore_with_fewer(1, Some(3), move || {
            let bench = bench(ends, ahead);
            let b = Arc::clone(&bench);
            let dying = thread::spawn(move || {
                let done = live(&b, step, died, |memory| {
                    let mut end = MultiSender::new(DEAD, ends.overwrite, ends.single_receiver);
                    let Ok(run) = end.claim(memory, 3) else { return 0 };
                    run.positions().zip(900..).for_each(|(position, message)| b.write(position, message));
                    end.commit(memory, run);
                    run.count
                });
                recover(&*b, DEAD);
                count_in(&*b);
                done
            });
            let b = Arc::clone(&bench);
            let other = thread::spawn(move || b.sender(OTHER).send(1));
            let mut receiver = bench.receiver(RECEIVER);
            receiver.pull(2);
            let done = dying.join().expect("the dying sender panicked");
            assert_eq!(other.join().expect("the other sender panicked"), 1);
            receiver.drain();
            assert_eq!(size(&*bench), 0);
            let mine: Vec<_> = receiver.got.iter().copied().filter(|message| *message >= 900).collect();
            match done {
                Some(count) => assert_eq!(mine, (900..900 + count).collect::<Vec<_>>()),
                None if ends.overwrite => {}
                None => assert!(mine.is_empty() || mine.len() as u64 == 3.min(4 - ahead % 4), "{mine:?}"),
            }
            assert_eq!(mine, (900..900 + mine.len() as u64).collect::<Vec<_>>());
            assert!(receiver.got.contains(&200));
            let mut sender = bench.sender(SENDER);
            let room = if ends.overwrite { 5 } else { 4 };
            assert_eq!((0..5).map(|_| sender.send(1)).sum::<u64>(), room, "the ring is stuck");
        });
    });
}

#[test]
fn a_sender_that_dies_in_a_run_has_sent_all_of_it_or_nothing() {
    for ahead in [0, 2] {
        sender_dies(MANY, ahead);
        sender_dies(TO_ONE, ahead);
    }
    // The slots were used before, and say so.
    sender_dies(TO_ONE, 4);
}

#[test]
fn an_overwriting_sender_that_dies_in_a_batch_has_sent_the_first_of_it() {
    sender_dies(OVERWRITING, 0);
}

/// One of many receivers dies with a run of three: nothing is lost, and what it has not released comes again.
#[test]
fn a_receiver_that_dies_in_a_run_loses_nothing() {
    for how in SETTLINGS {
        at_every_step(|step, died| {
            explore(Some(2), move || {
                let bench = bench(MANY, 0);
                let mut sender = bench.sender(SENDER);
                sender.send(3);
                let b = Arc::clone(&bench);
                let dying = thread::spawn(move || {
                    let released = RefCell::new(Vec::new());
                    live(&b, step, died, |memory| {
                        let mut end = MultiReceiver::new(DEAD, false);
                        let Ok(run) = end.take(memory, 3) else { return };
                        settle(&mut end, memory, run, how, |part| {
                            released.borrow_mut().extend(part.positions().map(|at| b.read(at)));
                        });
                    });
                    recover(&*b, DEAD);
                    released.into_inner()
                });
                let mut receiver = bench.receiver(RECEIVER);
                receiver.pull(2);
                sender.send(1);
                let released = dying.join().expect("the dying receiver panicked");
                receiver.drain();
                let mut got = receiver.got;
                got.sort_unstable();
                assert!(got.windows(2).all(|pair| pair[0] != pair[1]), "twice alive: {got:?}");
                got.extend(released);
                got.sort_unstable();
                got.dedup();
                assert!(got == [100, 101, 102] || got == [100, 101, 102, 103], "{got:?}, {how:?}");
                assert_eq!(size(&*bench), 0);
                let mut sender = bench.sender(3);
                assert_eq!((0..5).map(|_| sender.send(1)).sum::<u64>(), 4, "the ring is stuck");
            });
        });
    }
}

/// Who repairs a run dies in it, and the next one does it again; others send and receive meanwhile.
#[test]
fn a_repairer_of_a_run_dies() {
    for (ends, as_sender) in [(MANY, true), (TO_ONE, true), (MANY, false)] {
        for in_the_way in [true, false] {
            at_every_step(|step, died| {
                explore(Some(2), move || {
                    let bench = bench(ends, 4);
                    let run = leave_a_run(&bench, as_sender);
                    let word = Word::from_bits(bench.word(run.first).load(loom::sync::atomic::Ordering::Acquire));
                    let b = Arc::clone(&bench);
                    let repairing = thread::spawn(move || {
                        live(&b, step, died, |memory| {
                            if in_the_way {
                                recover_word(memory, run.first, word);
                            }
                            recover(memory, DEAD);
                        });
                        recover(&*b, DEAD);
                        count_in(&*b);
                    });
                    let b = Arc::clone(&bench);
                    let other = thread::spawn(move || b.sender(OTHER).send(1));
                    let mut receiver = bench.receiver(RECEIVER);
                    receiver.pull(2);
                    repairing.join().expect("the repairer panicked");
                    assert_eq!(other.join().expect("the sender panicked"), 1);
                    receiver.drain();
                    receiver.got.sort_unstable();
                    let expected: &[u64] = if as_sender { &[200] } else { &[100, 101, 102, 200] };
                    assert_eq!(receiver.got, expected);
                    assert_eq!(size(&*bench), 0);
                });
            });
        }
    }
}

/// Three slots that the dead had claimed, one of them committed already; or three messages that it had taken.
fn leave_a_run(bench: &Arc<Bench>, as_sender: bool) -> Run {
    if as_sender {
        let mut end = MultiSender::new(DEAD, false, bench.ends().single_receiver);
        let run = end.claim(&**bench, 3).expect("it is empty");
        run.positions().for_each(|position| bench.write(position, 900));
        end.commit(&**bench, one(run.first + 1));
        assert_eq!(run.count, 3);
        return run;
    }
    bench.sender(SENDER).send(3);
    let run = MultiReceiver::new(DEAD, false).take(&**bench, 3).expect("three messages are there");
    assert_eq!(run.count, 3);
    run
}

/// Who only looks sees each slot of a run as its holder's, and nothing that was settled as held.
#[test]
fn a_look_at_a_run_tells_who_holds_what() {
    for (as_sender, back) in [(true, false), (false, false), (false, true)] {
        explore(Some(3), move || {
            let bench = bench(MANY, 0);
            let run = leave_a_run(&bench, as_sender);
            let held = if as_sender { State::Claim } else { State::Take };
            for position in run.positions().skip(1) {
                let word = look(&*bench, position);
                assert_eq!((word.state(), word.owner(), word.run()), (Some(held), DEAD, 1));
            }
            let b = Arc::clone(&bench);
            let settling = thread::spawn(move || match (as_sender, back) {
                (true, _) => MultiSender::new(DEAD, false, false).commit(&*b, run),
                (_, true) => MultiReceiver::new(DEAD, false).give_back(&*b, run, true),
                (_, false) => MultiReceiver::new(DEAD, false).release(&*b, run),
            });
            let words = run.positions().map(|position| look(&*bench, position));
            let words: Vec<_> = words.collect();
            settling.join().expect("the holder panicked");
            let settled = look(&*bench, run.first);
            for word in words {
                let is_held = matches!(word.state(), Some(State::Claim | State::Take | State::TakeRun));
                assert!(is_held && word.owner() == DEAD || word == settled, "{word:?}");
            }
        });
    }
}

/// Somebody has seen a claim in its way. Its owner commits and goes; then the one who saw it repairs what it saw.
#[test]
fn what_is_committed_before_its_claim_is_repaired_stays() {
    for (ends, ahead) in [(MANY, 0), (MANY, 4), (TO_ONE, 0), (TO_ONE, 4)] {
        explore(None, move || {
            let bench = bench(ends, ahead);
            let mut end = MultiSender::new(DEAD, false, ends.single_receiver);
            let run = end.claim(&*bench, 3).expect("it is empty");
            let seen = bench.receiver(RECEIVER).end.take(&*bench, 3);
            let Err(Blocked::Wait(Some(in_the_way))) = seen else { panic!("{seen:?}") };
            run.positions().zip(900..).for_each(|(position, message)| bench.write(position, message));
            end.commit(&*bench, run);
            recover_word(&*bench, in_the_way.position, in_the_way.word);
            let mut receiver = bench.receiver(RECEIVER);
            receiver.drain();
            assert_eq!(receiver.got, [900, 901, 902]);
        });
    }
}

/// A slot's word is read before that which holds it, and by then the run may have been committed and taken.
#[test]
fn a_look_at_a_run_that_goes_from_hand_to_hand_is_of_one_instant() {
    for again in [false, true] {
        explore(Some(3), move || {
            let bench = bench(MANY, 0);
            let run = leave_a_run(&bench, true);
            let b = Arc::clone(&bench);
            let moving = thread::spawn(move || {
                MultiSender::new(DEAD, false, false).commit(&*b, run);
                let mut end = MultiReceiver::new(RECEIVER, false);
                let taken = end.take(&*b, 3).expect("three are there");
                if again {
                    end.release(&*b, taken);
                }
            });
            // It has been claimed, so it is not free in this lap any more.
            let words: Vec<_> = run.positions().map(|position| look(&*bench, position)).collect();
            moving.join().expect("the holder panicked");
            assert!(words.iter().all(|word| *word != Word::free(bench.lap(run.first))), "{words:?}");
        });
    }
}
