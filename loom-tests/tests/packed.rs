//! Packed rings: tail alone commits, and words are the only receiver's notes.
#![cfg(loom)]

use std::cell::{Cell, RefCell};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use loom::sync::atomic::Ordering::Relaxed as Unordered;
use loom::thread;
use ringpost::layout::word::{State, Word};
use ringpost::ring::{
    Lookout, Memory, Outlook, ReceiveEnd, Run, SendEnd, SingleReceiver, SingleSender, count_in, sent_to, size,
};
use ringpost_loom::{Bench, Mortal, Receiver, Sender, at_every_step, explore};

const SENDER: u16 = 1;
const RECEIVER: u16 = 11;

/// Sends one message, as shortly as may be.
fn put(bench: &Bench, end: &mut SendEnd, message: u64) -> bool {
    let sent = end.put_at_once(bench, || true, |slot| bench.write(slot.position, message))
        || end.put_one(bench, |position, _| bench.write(position, message));
    end.open_window(bench, u64::MAX);
    sent
}

/// Sends up to `most` messages as one slice, which begins at `message`. Returns how many.
fn put_slice(bench: &Bench, end: &mut SendEnd, most: u64, message: u64) -> u64 {
    let claimed = end.slice_at_once(most, || true).or_else(|| end.claim(bench, most).ok());
    end.open_window(bench, u64::MAX);
    let Some(run) = claimed.and_then(|run| run.pieces(bench.capacity()).next()) else { return 0 };
    run.positions().zip(message..).for_each(|(position, message)| bench.write(position, message));
    end.commit(bench, run);
    run.count
}

/// How messages are received.
#[derive(Clone, Copy)]
enum Way {
    /// One, copied and released at once.
    Copied,
    /// One, taken, held and released.
    Held,
    /// One that is watched for, shown, and released.
    Watched,
    /// All that are there, shown one after another.
    Shown,
    /// All that are there, as a slice.
    Slice,
    /// All that one look has found, one by one.
    Sighted,
    /// So many at once.
    Pulled(u64),
}

const WAYS: [Way; 8] =
    [Way::Copied, Way::Held, Way::Watched, Way::Shown, Way::Slice, Way::Sighted, Way::Pulled(1), Way::Pulled(2)];

/// Receives what is there in that way.
fn receive(bench: &Bench, end: &mut ReceiveEnd, way: Way, got: &mut Vec<u64>) {
    end.open_window(bench, u64::MAX);
    let mut read = |position| got.push(bench.read(position));
    match way {
        Way::Copied => {
            end.look(bench, u64::MAX, Some(2));
            end.pass_at_once(bench, |_| true, |slot| read(slot.position));
        }
        Way::Held => {
            if let Some(position) = end.take_at_once(bench, |_| true) {
                read(position);
                assert!(end.release_one(bench, position));
            }
        }
        Way::Watched => {
            if let Some(position) = end.front_at_polls(bench, 1, |_| true) {
                read(position);
                end.pass_front(bench, position);
            }
        }
        Way::Shown => {
            let told = end.told(bench).expect("it is the only one");
            let shown = end.show_many(bench, told, |_, slot| {
                read(slot.position);
                true
            });
            end.pass_fronts(bench, shown);
        }
        Way::Slice => {
            if let Some(run) = slice(end, bench, u64::MAX, 4) {
                run.positions().for_each(&mut read);
                end.pass_fronts(bench, run.count);
            }
        }
        Way::Sighted => {
            end.look(bench, u64::MAX, Some(2));
            while let Some(position) = end.front_at_once(bench, |_| true) {
                read(position);
                end.pass_front(bench, position);
            }
        }
        Way::Pulled(want) => {
            if let Ok(run) = end.take(bench, want) {
                run.positions().for_each(&mut read);
                end.release(bench, run);
            }
        }
    }
}

/// Three messages through two slots, one by one.
#[test]
fn nothing_is_read_before_it_is_written_nor_written_while_it_is_read() {
    for way in WAYS {
        explore(Some(3), move || {
            let bench = Bench::packed(1);
            let (mut sender, mut receiver) = (bench.sender(SENDER), bench.receiver(RECEIVER));
            let b = Arc::clone(&bench);
            let sending = thread::spawn(move || (100..103).take_while(|n| put(&b, &mut sender.end, *n)).count() as u64);
            let mut got = Vec::new();
            receive(&bench, &mut receiver.end, way, &mut got);
            receive(&bench, &mut receiver.end, way, &mut got);
            let sent = sending.join().expect("the sender panicked");
            receiver.drain();
            got.extend(receiver.got);
            assert_eq!(got, (100..100 + sent).collect::<Vec<_>>());
        });
    }
}

/// Slices of one and of two messages, the second where one slot is known to be free.
#[test]
fn a_slice_is_lent_only_where_it_is_free() {
    for way in WAYS {
        explore(None, move || {
            let bench = Bench::packed(2);
            let (mut sender, mut receiver) = (bench.sender(SENDER), bench.receiver(RECEIVER));
            assert_eq!((sender.send(4), receiver.pull(2)), (4, 2));
            let b = Arc::clone(&bench);
            let sending = thread::spawn(move || {
                [1, 2].into_iter().fold(4, |sent, most| sent + put_slice(&b, &mut sender.end, most, 100 + sent))
            });
            let mut got = Vec::new();
            receive(&bench, &mut receiver.end, way, &mut got);
            let sent = sending.join().expect("the sender panicked");
            receiver.got.extend(got);
            receiver.drain();
            assert_eq!(receiver.got, (100..100 + sent).collect::<Vec<_>>());
        });
    }
}

/// A batch of two behind another message, over the end of a lap.
#[test]
fn a_batch_shows_whole() {
    for way in WAYS {
        explore(None, move || {
            let bench = Bench::packed(2);
            let (mut sender, mut receiver) = (bench.sender(SENDER), bench.receiver(RECEIVER));
            assert_eq!((sender.send(3), receiver.pull(3)), (3, 3));
            let sending = thread::spawn(move || sender.send(2));
            let mut got = Vec::new();
            receive(&bench, &mut receiver.end, way, &mut got);
            if matches!(way, Way::Pulled(2)) {
                assert!(got.is_empty() || got.len() == 2, "half of a batch: {got:?}");
            }
            assert_eq!(sending.join().expect("the sender panicked"), 2);
            receiver.got.extend(got);
            receiver.drain();
            assert_eq!(receiver.got, [100, 101, 102, 103, 104]);
        });
    }
}

/// One sender after another dies at every step; what they committed comes, once, and nothing else does.
#[test]
fn a_sender_dies_and_another_goes_on() {
    for batch in [1, 2] {
        at_every_step(|step, died| {
            explore(Some(2), move || {
                let bench = Bench::packed(1);
                let mut receiver = bench.receiver(RECEIVER);
                let (b, committed) = (Arc::clone(&bench), Cell::new(false));
                let sending = thread::spawn(move || {
                    let lived = Mortal::live(&b, step, |memory| {
                        let mut end = SingleSender::join(memory, true).expect("the words are sound");
                        let run = end.claim(memory, batch).expect("there is room");
                        run.positions().for_each(|position| b.write(position, 100 + position - run.first));
                        end.commit(memory, run);
                        committed.set(true);
                    });
                    died.fetch_or(lived.is_none(), Relaxed);
                    let mut next = b.sender(2);
                    (committed.get(), next.send(1))
                });
                receiver.pull(2);
                let (committed, next) = sending.join().expect("the sender panicked");
                receiver.drain();
                let first = receiver.got.iter().filter(|message| **message < 200).count() as u64;
                assert!(first == if committed { batch } else { 0 }, "{:?} of {batch}", receiver.got);
                assert_eq!(receiver.got.len() as u64, first + next);
            });
        });
    }
}

/// Takes three messages, releases the second, puts the first back, and leaves the third.
fn leave_gaps(memory: &Mortal<'_>, seen: &RefCell<Vec<u64>>, released: &Cell<bool>, bench: &Bench) {
    let mut end = SingleReceiver::join(memory).expect("the words are sound");
    let run = end.take(memory, 3).expect("they are there");
    assert_eq!(run.count, 3);
    run.positions().for_each(|position| seen.borrow_mut().push(bench.read(position)));
    released.set(true);
    end.release(memory, Run { first: run.first + 1, count: 1 });
    end.give_back(memory, Run { first: run.first, count: 1 }, true);
}

/// A receiver dies at every step with messages that it has released, given back and kept. What it had not released comes again and
/// says so, while more is sent.
#[test]
fn a_receiver_dies_and_another_goes_on() {
    at_every_step(|step, died| {
        explore(Some(2), move || {
            let bench = Bench::packed(2);
            let mut sender = bench.sender(SENDER);
            assert_eq!(sender.send(3), 3);
            let (first, seen, released) = (bench.head().load(Unordered), RefCell::default(), Cell::new(false));
            let sending = thread::spawn(move || sender.send(1));
            let lived = Mortal::live(&bench, step, |memory| leave_gaps(memory, &seen, &released, &bench));
            died.fetch_or(lived.is_none(), Relaxed);
            let mut next = bench.receiver(RECEIVER);
            assert_eq!(sending.join().expect("the sender panicked"), 1);
            let mut got = Vec::new();
            while let Some(run) = next.take(4) {
                for position in run.positions() {
                    let again = next.end.deliveries(&*bench, position) > 1;
                    got.push((bench.read(position), again));
                }
                next.end.release(&*bench, run);
            }
            assert!(got.is_sorted() && got.windows(2).all(|pair| pair[0].0 != pair[1].0), "{got:?}");
            assert_eq!(got.last(), Some(&(103, false)));
            let came = |message| got.iter().find(|(other, _)| *other == message);
            for message in [100, 102] {
                let (_, again) = came(message).expect("it was not released");
                assert!(*again || !seen.borrow().contains(&message), "{message} was seen, and does not say so");
            }
            assert!(came(101).is_some() || released.get(), "lost");
            assert!(came(101).is_none() || lived.is_none(), "it was released");
            assert_eq!(bench.head().load(Unordered), first + 4);
        });
    });
}

/// The next slice, of messages that are known or else are looked for.
fn slice<M: Memory>(end: &mut ReceiveEnd, memory: &M, to: u64, most: u64) -> Option<Run> {
    end.fronts_at_once(memory, most).or_else(|| {
        end.told(memory);
        end.look(memory, to, None);
        end.fronts_at_once(memory, most)
    })
}

/// What a receiver that reads a slice of two sees, before it releases it. (What was there when it joined is looked at singly.)
fn read_slice(memory: &Mortal<'_>, sender: &mut Sender, seen: &RefCell<Vec<u64>>, bench: &Bench) {
    let mut end = SingleReceiver::join(memory).expect("the words are sound");
    assert_eq!(sender.send(2), 2);
    assert!(end.told(memory) > 0 && end.look(memory, u64::MAX, None) > Some(0));
    let run = end.fronts_at_once(memory, 4).expect("they are there");
    run.positions().for_each(|position| seen.borrow_mut().push(bench.read(position)));
    end.pass_fronts(memory, run.count);
}

#[test]
fn a_receiver_dies_with_a_slice() {
    at_every_step(|step, died| {
        explore(None, move || {
            let bench = Bench::packed(1);
            let (mut sender, seen) = (bench.sender(SENDER), RefCell::default());
            let lived = Mortal::live(&bench, step, |memory| read_slice(memory, &mut sender, &seen, &bench));
            died.fetch_or(lived.is_none(), Relaxed);
            let sent = sent_to(&*bench) - bench.head().load(Unordered);
            let got = rest(&bench, &mut bench.receiver(RECEIVER));
            let messages: Vec<u64> = got.iter().map(|(message, _)| *message).collect();
            assert_eq!(messages, (100..100 + sent).collect::<Vec<_>>());
            assert!(lived.is_none() || sent == 0, "what was read was not released");
            assert!(seen.borrow().is_empty() || got.iter().all(|(_, deliveries)| *deliveries == 2), "{got:?}");
        });
    });
}

#[test]
fn what_tail_tells_comes_in_parts() {
    explore(None, || {
        let bench = Bench::packed(2);
        let (mut sender, mut receiver) = (bench.sender(SENDER), bench.receiver(RECEIVER));
        assert_eq!(sender.send(3), 3);
        let mut got = Vec::new();
        for there in [2, 3] {
            receive(&bench, &mut receiver.end, Way::Sighted, &mut got);
            assert_eq!(got.len(), there);
            assert!(receiver.end.is_behind(), "more than half of the ring was there");
        }
        receive(&bench, &mut receiver.end, Way::Sighted, &mut got);
        assert!(!receiver.end.is_behind());
        assert_eq!(got, [100, 101, 102]);
    });
}

#[test]
fn a_slice_ends_with_its_lap_and_waits_for_what_is_held() {
    explore(None, || {
        let bench = Bench::packed(2);
        let (mut sender, mut receiver) = (bench.sender(SENDER), bench.receiver(RECEIVER));
        assert_eq!((sender.send(3), receiver.pull(2), sender.send(3)), (3, 2, 3));
        let held = receiver.take(1).expect("it is there");
        assert_eq!(slice(&mut receiver.end, &*bench, u64::MAX, 4), None, "it would be released before what is held");
        receiver.finish(held);
        let last = Run { first: held.end(), count: 1 };
        assert_eq!(slice(&mut receiver.end, &*bench, u64::MAX, 4), Some(last));
        receiver.end.keep_fronts(&*bench, last);
        receiver.end.open_window(&*bench, u64::MAX);
        assert_eq!(receiver.end.front_at_polls(&*bench, 1, |_| true), None, "it was delivered before");
        assert_eq!(rest(&bench, &mut receiver), [(103, 2), (104, 1), (105, 1)]);
        // And is no longer than is asked for, nor than its pages are mapped.
        assert_eq!(sender.send(4), 4);
        let first = bench.head().load(Unordered);
        assert_eq!(slice(&mut receiver.end, &*bench, first, 4), None);
        assert_eq!(slice(&mut receiver.end, &*bench, first + 1, 4), Some(Run { first, count: 1 }));
        receiver.end.pass_fronts(&*bench, 1);
        assert_eq!(rest(&bench, &mut receiver), [(107, 1), (108, 1), (109, 1)]);
    });
}

/// All that comes, and how often each has been delivered.
fn rest(bench: &Bench, receiver: &mut Receiver) -> Vec<(u64, u8)> {
    let mut got = Vec::new();
    while let Some(run) = receiver.take(1) {
        got.push((bench.read(run.first), receiver.end.deliveries(bench, run.first)));
        receiver.end.release(bench, run);
    }
    got
}

/// A ring of two whose receiver has noted something in both slots: the second message was released before the first, and that came
/// back. Both are released now, and the first position is told.
fn with_notes() -> (Arc<Bench>, Sender, Receiver, u64) {
    let bench = Bench::packed(1);
    let (mut sender, mut receiver) = (bench.sender(SENDER), bench.receiver(RECEIVER));
    assert_eq!(sender.send(2), 2);
    let run = receiver.take(2).expect("they are there");
    receiver.end.release(&*bench, Run { first: run.first + 1, count: 1 });
    receiver.end.give_back(&*bench, Run { first: run.first, count: 1 }, true);
    receiver.end.rewind(&*bench);
    assert_eq!(rest(&bench, &mut receiver), [(100, 2)]);
    (bench, sender, receiver, run.first)
}

#[test]
fn notes_say_nothing_about_the_next_lap() {
    explore(None, || {
        let (bench, mut sender, receiver, first) = with_notes();
        drop(receiver);
        // As if it had been killed before it cleared them.
        let seen = Word::ready(bench.lap(first)).taken_by(0).into_state(State::Ready);
        bench.word(first).store(seen.bits(), Unordered);
        bench.word(first + 1).store(Word::skip(bench.lap(first)).bits(), Unordered);
        assert_eq!(sender.send(2), 2);
        assert_eq!((size(&*bench), sent_to(&*bench)), (2, first + 4));
        // They were there when it joined, so it looks at each one's word.
        assert_eq!(rest(&bench, &mut bench.receiver(RECEIVER)), [(102, 1), (103, 1)]);
    });
}

/// Laps are numbered modulo 2^46, and nobody writes over a note.
#[test]
fn notes_go_when_head_passes_them() {
    explore(None, || {
        let (bench, _, _, first) = with_notes();
        let words = [first, first + 1].map(|position| bench.word(position).load(Unordered));
        assert_eq!(words, [Word::free(0).bits(); 2]);
    });
}

/// Even where nothing has ever come back.
#[test]
fn a_note_of_a_release_before_an_older_one_goes_too() {
    explore(None, || {
        let bench = Bench::packed(1);
        let (mut sender, mut receiver) = (bench.sender(SENDER), bench.receiver(RECEIVER));
        assert_eq!(sender.send(2), 2);
        let run = receiver.take(2).expect("they are there");
        for position in run.positions().rev() {
            receiver.end.release(&*bench, Run { first: position, count: 1 });
        }
        let words = run.positions().map(|position| bench.word(position).load(Unordered));
        assert!(words.eq([Word::free(0).bits(); 2]));
    });
}

/// Nothing but tail shows a message, so a scribbled one would let both sleep for ever.
#[test]
fn whoever_waits_finds_a_scribbled_cursor() {
    explore(None, || {
        let bench = Bench::packed(1);
        let (mut sender, mut receiver) = (bench.sender(SENDER), bench.receiver(RECEIVER));
        assert_eq!((sender.send(2), receiver.pull(1)), (2, 1));
        let tail = bench.tail().load(Unordered);
        let lookouts = |sender: &Sender, receiver: &Receiver| (sender.end.lookout(), receiver.end.lookout());
        let (of_sender, of_receiver) = lookouts(&sender, &receiver);
        let sound = || (of_sender.audit(&*bench).is_ok(), of_receiver.audit(&*bench).is_ok());
        assert_eq!((sound(), sender.end.audit(&*bench), receiver.end.audit(&*bench)), ((true, true), Ok(()), Ok(())));
        bench.tail().store(tail - 2, Unordered);
        assert_eq!(sound(), (false, false));
        assert!(sender.end.audit(&*bench).is_err() && receiver.end.audit(&*bench).is_err());
        bench.tail().store(tail + 1, Unordered);
        assert!(sender.end.audit(&*bench).is_err());
        bench.tail().store(tail, Unordered);
        bench.head().fetch_sub(1, Unordered);
        assert!(receiver.end.audit(&*bench).is_err(), "the sender takes the ring for full");
    });
}

/// What came back goes message by message, and then slices go on.
#[test]
fn slices_go_on_behind_what_came_back() {
    explore(None, || {
        let bench = Bench::packed(3);
        let (mut sender, mut receiver) = (bench.sender(SENDER), bench.receiver(RECEIVER));
        assert_eq!(sender.send(6), 6);
        let again = receiver.take(2).expect("they are there");
        receiver.end.give_back(&*bench, again, true);
        receiver.end.rewind(&*bench);
        assert_eq!(slice(&mut receiver.end, &*bench, u64::MAX, 8), None);
        for message in again.positions() {
            let run = receiver.take(1).expect("it comes again");
            assert_eq!(run.first, message);
            receiver.finish(run);
        }
        let rest = Run { first: again.end(), count: 4 };
        assert_eq!(slice(&mut receiver.end, &*bench, u64::MAX, 8), Some(rest));
    });
}

/// What the words of slots that nobody has written to are taken for.
#[test]
fn words_mean_what_tail_says() {
    explore(None, || {
        let bench = Bench::packed(1);
        let first = bench.tail().load(Unordered);
        let mean = |position: u64, word: Word| ringpost::ring::meaning(&*bench, position, word);
        let (lap, scribbled) = (bench.lap(first), Word::claim(bench.lap(first), 7, 1));
        assert_eq!(mean(first, scribbled), Word::ready(lap - 1), "the message of a lap ago");
        assert_eq!(bench.sender(SENDER).send(1), 1);
        assert_eq!(mean(first, scribbled), Word::ready(lap));
        assert_eq!(mean(first, Word::skip(lap)), Word::skip(lap));
        assert_eq!(mean(first, Word::skip(lap - 1)), Word::ready(lap));
        assert_eq!(mean(first + 1, Word::skip(lap)), Word::ready(lap - 1));
        // Scribbled words add nothing to what was sent.
        bench.word(first + 1).store(Word::ready(lap).bits(), Unordered);
        count_in(&*bench);
        assert_eq!(sent_to(&*bench), first + 1);
        assert_eq!(SingleSender::join(&*bench, true).map(|_| sent_to(&*bench)), Ok(first + 1));
        bench.tail().store(1, Unordered);
        assert_eq!(mean(1, scribbled), Word::free(0), "nothing was ever sent there");
        assert_eq!(mean(0, scribbled), Word::ready(0));
    });
}

/// Who waits in the receiver's place sees a message as soon as tail does, and only then.
#[test]
fn a_lookout_looks_at_tail() {
    explore(None, || {
        let bench = Bench::packed(1);
        let (mut sender, mut receiver) = (bench.sender(SENDER), bench.receiver(RECEIVER));
        let lookout = receiver.end.lookout();
        assert!(matches!(lookout, Lookout::MessageAt(_)));
        assert_eq!(lookout.look(&*bench), Outlook::InVain(None));
        lookout.audit(&*bench).expect("an empty ring is no scribbled one");
        assert!(!receiver.end.watch(&*bench, 1));
        assert_eq!(sender.send(2), 2);
        assert!(receiver.end.watch(&*bench, 1));
        assert_eq!(lookout.look(&*bench), Outlook::Worthwhile);
    });
}
