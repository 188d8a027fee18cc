//! A message that kills whoever gets it.

use ringpost::{Ends, Queue};

use crate::common::{ALL_ENDS, LONG, UniqueName, drain, named, number, options, send_numbers};
use crate::run::{Process, say};

/// The message that nobody survives.
const DEADLY: u64 = 13;
/// How many may die of it.
const MOST: u32 = 3;

/// A receiver that dies of one message and says all others: name, most at a time.
pub fn victim(role: &[String]) {
    let queue = Queue::open(&role[0]).expect("the queue");
    let mut rx = queue.receiver().expect("a place for a receiver");
    let size = role[1].parse().expect("a number");
    while let Ok(batch) = rx.pull_some(size, LONG) {
        for message in batch {
            if number(&message) == DEADLY {
                // SAFETY: a plain system call, on this very process.
                unsafe { libc::raise(libc::SIGKILL) };
            }
            say(&number(&message).to_string());
        }
    }
}

/// Starts victims until one lives to see the end. Returns how many died, and what all of them have dealt with.
fn survive(name: &str, size: usize) -> (u32, Vec<u64>) {
    let (mut died, mut got) = (0, Vec::new());
    loop {
        let mut child = Process::start(&format!("victim {name} {size}"));
        got.extend(std::iter::from_fn(|| child.hear()).map(|said| said.parse::<u64>().expect("a number")));
        if child.ended_well() {
            return (died, got);
        }
        died += 1;
        assert!(died <= 31, "a crash loop");
    }
}

#[test]
fn a_message_that_kills_its_receivers_ends_among_the_dead_letters() {
    for ends in ALL_ENDS {
        for size in [1, 4] {
            let dead = UniqueName::new("dead");
            let (queue, name) = named("deadly", options(ends).max_deliveries(MOST).dead_letter(&dead));
            send_numbers(&mut queue.sender().unwrap(), 10..20);
            queue.close();
            let (died, mut got) = survive(&name, size);
            assert_eq!(died, MOST, "{ends:?}");
            got.extend(drain(&mut Queue::open(&dead).unwrap().receiver().unwrap()));
            got.sort_unstable();
            got.dedup();
            assert_eq!(got, (10..20).collect::<Vec<_>>(), "nothing is lost: {ends:?}");
            let totals = queue.stat().totals;
            assert!(totals.dead_lettered >= 1 && totals.not_dead_lettered == 0, "{ends:?}: {totals:?}");
            assert_eq!(queue.size(), 0);
            if size == 1 {
                assert_eq!(totals.dead_lettered, 1, "{ends:?}");
            }
        }
    }
}

#[test]
fn one_that_lives_survives_what_the_others_died_of() {
    let ends = (Ends::Multi, Ends::Multi);
    let (queue, name) = named("deadly", options(ends).max_deliveries(1));
    let mut rx = queue.receiver().unwrap();
    send_numbers(&mut queue.sender().unwrap(), [DEADLY]);
    let mut child = Process::start(&format!("victim {} 1", &*name));
    assert_eq!(child.hear(), None);
    assert!(!child.ended_well());
    queue.close();
    assert!(rx.recv().is_err(), "it has been dropped");
    assert_eq!(queue.stat().totals.expired, 1);
}
