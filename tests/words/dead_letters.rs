//! Messages that have been delivered as often as their queue allows.

use std::time::{Duration, Instant};

use ringpost::{CreateError, Ends, Error, Options, Queue, Receiver, Sender, WhenFull};

use crate::common::{ALL_ENDS, LONG, UniqueName, drain, in_memory, named, number, options, send_numbers};

/// A queue that allows `most` deliveries and then uses a dead-letter queue, which does not exist yet.
fn limited(ends: (Ends, Ends), most: u32) -> (Queue, UniqueName, UniqueName) {
    let dead = UniqueName::new("dead");
    let (queue, name) = named("limited", options(ends).max_deliveries(most).dead_letter(&dead));
    (queue, name, dead)
}

fn ends_of(queue: &Queue) -> (Sender, Receiver) {
    (queue.sender().unwrap(), queue.receiver().unwrap())
}

/// Gives back the next message, which is `expected` in its `times`th delivery.
fn refuse(rx: &mut Receiver, expected: u64, times: u32) {
    let message = rx.recv().unwrap();
    assert_eq!((number(&message), message.deliveries()), (expected, times));
    message.nack();
}

#[test]
fn what_has_been_delivered_too_often_goes_to_the_dead_letters() {
    for ends in ALL_ENDS {
        for most in [1, 2, 30] {
            let (queue, _name, dead) = limited(ends, most);
            let (mut tx, mut rx) = ends_of(&queue);
            send_numbers(&mut tx, 0..3);
            (1..=most).for_each(|times| refuse(&mut rx, 0, times));
            assert!(Queue::open(&dead).is_err(), "made when it is needed");
            assert_eq!(drain(&mut rx), [1, 2], "{ends:?}");
            assert_eq!(drain(&mut Queue::open(&dead).unwrap().receiver().unwrap()), [0], "{ends:?}");
            let totals = queue.stat().totals;
            assert_eq!((totals.dead_lettered, totals.expired, totals.not_dead_lettered), (1, 0, 0));
            assert_eq!((totals.sent, totals.pulled), (3, 2));
            send_numbers(&mut tx, 0..64);
            assert_eq!(drain(&mut rx), (0..64).collect::<Vec<_>>(), "every slot is free again: {ends:?}");
        }
    }
}

#[test]
fn only_those_of_a_batch_that_are_overdue_go() {
    for ends in ALL_ENDS {
        let (queue, _name, dead) = limited(ends, 1);
        let (mut tx, mut rx) = ends_of(&queue);
        send_numbers(&mut tx, 0..6);
        let mut held: Vec<_> = rx.try_pull(5).unwrap().into_iter().collect();
        held.remove(3).nack();
        held.remove(1).nack();
        drop(held);
        send_numbers(&mut tx, 6..8);
        assert_eq!(rx.try_pull(8).unwrap().iter().map(number).collect::<Vec<_>>(), [5, 6, 7], "{ends:?}");
        assert_eq!(drain(&mut Queue::open(&dead).unwrap().receiver().unwrap()), [1, 3], "{ends:?}");
        assert_eq!((queue.stat().totals.dead_lettered, queue.stat().totals.redelivered), (2, 2));
    }
}

#[test]
fn without_a_dead_letter_queue_they_are_dropped_and_counted() {
    for ends in ALL_ENDS {
        let queue = in_memory(options(ends).max_deliveries(2));
        let (mut tx, mut rx) = ends_of(&queue);
        send_numbers(&mut tx, [7]);
        refuse(&mut rx, 7, 1);
        refuse(&mut rx, 7, 2);
        assert!(rx.try_recv().unwrap().is_none());
        assert!(rx.recv_timeout(core::time::Duration::from_millis(1)).unwrap().is_none());
        let totals = queue.stat().totals;
        assert_eq!((totals.dead_lettered, totals.expired, totals.pulled), (0, 1, 0), "{ends:?}");
    }
}

/// Gives `message` back until the dead-letter queue, which has failed a moment ago, is tried again. Returns the one behind it.
fn refuse_until_it_goes(rx: &mut Receiver, message: u64) -> u64 {
    let since = Instant::now();
    loop {
        let next = rx.recv().unwrap();
        if number(&next) != message {
            return number(&next);
        }
        next.nack();
        assert!(since.elapsed() < LONG, "the dead-letter queue is not tried any more");
        std::thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn what_the_dead_letter_queue_cannot_take_is_delivered_once_more() {
    for ends in ALL_ENDS {
        let (queue, _name, dead) = limited(ends, 1);
        let (mut tx, mut rx) = ends_of(&queue);
        // Too short for our messages at first.
        let too_short = Queue::create(&dead, Options::new(64).max_len(4)).unwrap();
        send_numbers(&mut tx, 0..2);
        (1..4).for_each(|times| refuse(&mut rx, 0, times));
        assert_eq!(queue.stat().totals.not_dead_lettered, 2, "{ends:?}");
        drop(too_short);
        ringpost::remove(&dead).unwrap();
        // Full then, until somebody makes room.
        let full = Queue::create(&dead, Options::new(64).max_len(16)).unwrap();
        send_numbers(&mut full.sender().unwrap(), 100..164);
        refuse(&mut rx, 0, 4);
        assert_eq!(queue.stat().totals.not_dead_lettered, 3, "{ends:?}");
        assert_eq!(drain(&mut full.receiver().unwrap()).len(), 64);
        assert_eq!(refuse_until_it_goes(&mut rx, 0), 1, "{ends:?}");
        assert_eq!(drain(&mut full.receiver().unwrap()), [0], "{ends:?}");
        assert_eq!(queue.stat().totals.dead_lettered, 1);
    }
}

#[test]
fn typed_messages_keep_their_type() {
    let (name, dead) = (UniqueName::new("typed"), UniqueName::new("dead"));
    let queue: Queue<u64> = Queue::create(&name, Options::of::<u64>(64).max_deliveries(1).dead_letter(&dead)).unwrap();
    queue.sender().unwrap().send(&42).unwrap();
    let mut rx = queue.receiver().unwrap();
    rx.recv().unwrap().nack();
    assert!(rx.try_recv().unwrap().is_none());
    let dead = Queue::open(&dead).unwrap().typed::<u64>().unwrap();
    assert_eq!(*dead.receiver().unwrap().recv().unwrap(), 42);
}

#[test]
fn another_type_does_not_get_them() {
    let (name, dead) = (UniqueName::new("typed"), UniqueName::new("dead"));
    let queue: Queue<u64> = Queue::create(&name, Options::of::<u64>(64).max_deliveries(1).dead_letter(&dead)).unwrap();
    let _other: Queue<i64> = Queue::create(&dead, Options::of::<i64>(64)).unwrap();
    queue.sender().unwrap().send(&42).unwrap();
    let mut rx = queue.receiver().unwrap();
    rx.recv().unwrap().nack();
    assert_eq!(rx.recv().unwrap().deliveries(), 2);
    assert_eq!(queue.stat().totals.not_dead_lettered, 1);
}

#[test]
fn the_limit_is_part_of_what_a_queue_is() {
    let (name, dead) = (UniqueName::new("same"), UniqueName::new("dead"));
    let wanted = || Options::new(64).when_full(WhenFull::Fail).max_deliveries(3).dead_letter(&dead);
    Queue::create(&name, wanted()).unwrap();
    let stat = Queue::open_or_create(&name, wanted()).unwrap().stat();
    assert_eq!((stat.max_deliveries, stat.dead_letter.as_deref()), (Some(3), Some(&*dead)));
    for (other, what) in
        [(wanted().max_deliveries(4), "limit of deliveries"), (wanted().dead_letter("other"), "dead-letter queue")]
    {
        match Queue::open_or_create(&name, other).unwrap_err() {
            Error::Mismatch(mismatch) => assert_eq!(mismatch.what, what),
            other => panic!("{other}"),
        }
    }
}

#[test]
fn nonsense_is_refused() {
    for options in [Options::new(64).max_deliveries(31), Options::new(64).dead_letter("dead")] {
        let error = Queue::in_memory(options).unwrap_err();
        assert!(matches!(&error, CreateError::InvalidOptions(range) if range.what == "max_deliveries"), "{error}");
    }
    let error = Queue::in_memory(Options::new(64).max_deliveries(1).dead_letter("a/b")).unwrap_err();
    assert!(matches!(error, CreateError::InvalidName(_)), "{error}");
    let name = UniqueName::new("itself");
    let error = Queue::create(&name, Options::new(64).max_deliveries(1).dead_letter(&name)).unwrap_err();
    assert!(matches!(error, CreateError::InvalidName(_)), "{error}");
}

#[test]
fn dead_letters_have_room_where_that_is_not_much() {
    for (max_len, asked, room) in [(16, 4, 64), (16, 256, 256), (64 << 10, 4, 16), (2 << 20, 4, 4)] {
        let dead = UniqueName::new("dead");
        let options = Options::new(asked).max_len(max_len).max_deliveries(1).dead_letter(&dead);
        let (queue, _name) = named("room", options);
        let (mut tx, mut rx) = (queue.sender().unwrap(), queue.receiver().unwrap());
        tx.send(b"again").unwrap();
        rx.recv().unwrap().nack();
        assert!(rx.try_recv().unwrap().is_none());
        assert_eq!(Queue::<[u8]>::open(&dead).unwrap().capacity(), room);
    }
}
