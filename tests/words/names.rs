//! Names: making, opening, waiting for, listing and removing.

use std::thread;
use std::time::{Duration, Instant};

use ringpost::{CreateError, Ends, Error, OpenError, Options, Queue, WhenFull};

use crate::common::{ALL_ENDS, LONG, UniqueName, drain, in_memory, named, options, send_numbers};

#[test]
fn a_queue_outlives_those_who_made_it() {
    for ends in ALL_ENDS {
        let (queue, name) = named("kept", options(ends));
        send_numbers(&mut queue.sender().unwrap(), 0..3);
        drop(queue);
        let queue = Queue::open(&name).unwrap();
        assert_eq!((queue.name(), queue.size(), queue.capacity()), (&*name, 3, 64));
        assert_eq!((queue.senders(), queue.receivers(), queue.when_full()), (ends.0, ends.1, WhenFull::Block));
        assert_eq!(drain(&mut queue.receiver().unwrap()), [0, 1, 2]);
    }
}

#[test]
fn an_ephemeral_queue_goes_with_its_last_handle() {
    let name = UniqueName::new("ephemeral");
    let queue = Queue::create(&name, Options::new(64).ephemeral(true)).unwrap();
    assert!(queue.stat().ephemeral);
    let other = Queue::open(&name).unwrap();
    drop(queue);
    let third = Queue::open(&name).expect("one still has it open");
    drop((other, third));
    assert!(matches!(Queue::open(&name), Err(OpenError::NotFound { .. })));
}

#[test]
fn a_name_is_taken_once() {
    let (_queue, name) = named("once", Options::new(64));
    assert!(matches!(Queue::create(&name, Options::new(64)), Err(CreateError::AlreadyExists { .. })));
    assert!(matches!(Queue::create("no/such", Options::new(64)), Err(CreateError::InvalidName(_))));
    assert!(matches!(Queue::open(""), Err(OpenError::InvalidName(_))));
    assert!(matches!(Queue::open(&UniqueName::new("none")), Err(OpenError::NotFound { .. })));
}

#[test]
fn open_or_create_makes_it_and_then_opens_it() {
    for ends in ALL_ENDS {
        let name = UniqueName::new("either");
        let first = Queue::open_or_create(&name, options(ends)).unwrap();
        send_numbers(&mut first.sender().unwrap(), [7]);
        let second = Queue::open_or_create(&name, options(ends).mode(0o666).prefault(true)).unwrap();
        assert_eq!(drain(&mut second.receiver().unwrap()), [7]);
    }
}

#[test]
fn open_or_create_with_other_options_says_both() {
    let name = UniqueName::new("mismatch");
    let base = || Options::new(100).max_len(16);
    Queue::open_or_create(&name, base()).unwrap();
    let other: [(&str, Options, &str, &str); 7] = [
        ("capacity", Options::new(200).max_len(16), "256", "128"),
        ("max_len", base().max_len(17), "17", "16"),
        ("align", base().align(64), "64", "16"),
        ("senders", base().senders(Ends::Single), "Single", "Multi"),
        ("receivers", base().receivers(Ends::Single), "Single", "Multi"),
        ("policy when full", base().when_full(WhenFull::Fail), "Fail", "Block"),
        ("endpoints", base().endpoints(9), "9", "64"),
    ];
    for (what, options, expected, found) in other {
        let error = Queue::open_or_create(&name, options).unwrap_err();
        let Error::Mismatch(mismatch) = &error else { panic!("{what}: {error:?}") };
        assert_eq!((mismatch.what, &*mismatch.expected, &*mismatch.found), (what, expected, found));
        let text = error.to_string();
        assert!(text.contains(what) && text.contains(expected) && text.contains(found), "{text}");
    }
    // What rounds to the same is the same.
    Queue::open_or_create(&name, Options::new(128).max_len(16)).unwrap();
}

#[test]
fn of_many_who_open_or_create_all_get_the_same_queue() {
    let name = UniqueName::new("race");
    thread::scope(|scope| {
        for i in 0..8u64 {
            let name = &name;
            scope.spawn(move || {
                let queue = Queue::open_or_create(name, Options::new(64).max_len(8)).unwrap();
                send_numbers(&mut queue.sender().unwrap(), [i]);
            });
        }
    });
    let mut got = drain(&mut Queue::open(&name).unwrap().receiver().unwrap());
    got.sort_unstable();
    assert_eq!(got, (0..8).collect::<Vec<_>>());
}

#[test]
fn wait_for_finds_it_in_any_order() {
    let (_queue, name) = named("there", Options::new(64));
    Queue::wait_for(&name, Duration::ZERO).expect("it was there first");
    let name = UniqueName::new("later");
    thread::scope(|scope| {
        let waiting = scope.spawn(|| Queue::wait_for(&name, LONG).map(|queue| queue.capacity()));
        thread::sleep(Duration::from_millis(50));
        assert!(!waiting.is_finished());
        let _queue = Queue::create(&name, Options::new(128)).unwrap();
        assert_eq!(waiting.join().unwrap(), Ok(128));
    });
}

#[test]
fn wait_for_gives_up_after_its_time() {
    let name = UniqueName::new("never");
    let since = Instant::now();
    assert!(matches!(Queue::wait_for(&name, Duration::from_millis(50)), Err(OpenError::NotFound { .. })));
    assert!(since.elapsed() >= Duration::from_millis(50) && since.elapsed() < LONG);
    assert!(matches!(Queue::wait_for("no/such", LONG), Err(OpenError::InvalidName(_))));
}

#[test]
fn a_queue_in_memory_has_no_name() {
    let queue = in_memory(Options::new(64));
    assert_eq!((queue.name(), queue.is_removed()), ("", false));
    let clone = queue.clone();
    send_numbers(&mut queue.sender().unwrap(), [3]);
    drop(queue);
    assert_eq!(drain(&mut clone.receiver().unwrap()), [3]);
}

#[test]
fn two_queues_do_not_meet() {
    let (first, _name) = named("first", Options::new(64));
    let (second, _other) = named("second", Options::new(64));
    send_numbers(&mut first.sender().unwrap(), [1]);
    assert_eq!((first.size(), second.size()), (1, 0));
}
