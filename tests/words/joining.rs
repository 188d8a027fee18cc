//! Who may join: single ends, many ends, and endpoints in threads.

use std::thread;

use ringpost::{Batch, Ends, JoinError, Loan, Message, Options, Queue, Receiver, Role, Sender};

use crate::common::{ALL_ENDS, LONG, drain, in_memory, named, number, options, send_numbers};

fn taken(role: Role) -> JoinError {
    JoinError::Taken { role, pid: std::process::id() }
}

fn single_ends_are_enforced(queue: &Queue, ends: (Ends, Ends)) {
    let (tx, rx) = (queue.sender().unwrap(), queue.receiver().unwrap());
    match ends.0 {
        Ends::Single => assert_eq!(queue.sender().unwrap_err(), taken(Role::Sender)),
        Ends::Multi => drop(queue.sender().unwrap()),
    }
    match ends.1 {
        Ends::Single => assert_eq!(queue.receiver().unwrap_err(), taken(Role::Receiver)),
        Ends::Multi => drop(queue.receiver().unwrap()),
    }
    drop((tx, rx));
    let (mut tx, mut rx) = (queue.sender().unwrap(), queue.receiver().unwrap());
    send_numbers(&mut tx, [1]);
    assert_eq!(drain(&mut rx), [1]);
}

#[test]
fn a_second_single_end_is_refused_until_the_first_has_left() {
    for ends in ALL_ENDS {
        single_ends_are_enforced(&in_memory(options(ends)), ends);
        single_ends_are_enforced(&named("single", options(ends)).0, ends);
    }
}

#[test]
fn a_full_table_refuses_the_next_endpoint() {
    let (queue, _name) = named("table", Options::new(64).max_len(8).endpoints(3));
    for queue in [queue, in_memory(Options::new(64).max_len(8).endpoints(3))] {
        let (_tx, _rx) = (queue.sender().unwrap(), queue.receiver().unwrap());
        let third = queue.sender().unwrap();
        assert_eq!(queue.sender().unwrap_err(), JoinError::TableFull { endpoints: 3 });
        assert_eq!(queue.receiver().unwrap_err(), JoinError::TableFull { endpoints: 3 });
        assert_eq!(queue.stat().endpoints.len(), 3);
        drop(third);
        queue.sender().unwrap();
    }
}

#[test]
fn a_successor_goes_on_where_the_last_one_stopped() {
    for ends in ALL_ENDS {
        let queue = in_memory(options(ends));
        let mut expected = 0;
        for round in 0..100u64 {
            send_numbers(&mut queue.sender().unwrap(), round * 3..round * 3 + 3);
            for message in queue.receiver().unwrap().try_pull(2 + round as usize % 3).unwrap() {
                assert_eq!((number(&message), message.deliveries()), (expected, 1), "{ends:?}");
                expected += 1;
            }
            if queue.size() > 50 {
                for message in queue.receiver().unwrap().try_pull(40).unwrap() {
                    assert_eq!(number(&message), expected);
                    expected += 1;
                }
            }
        }
    }
}

#[test]
fn what_may_cross_threads() {
    fn is_send<T: Send + ?Sized>() {}
    fn is_shared<T: Send + Sync + ?Sized>() {}
    is_shared::<Queue>();
    is_shared::<Queue<u64>>();
    is_send::<Sender>();
    is_send::<Sender<u64>>();
    is_send::<Receiver>();
    is_send::<Receiver<u64>>();
    is_send::<Loan<'static>>();
    is_shared::<Options>();
    is_shared::<ringpost::Error>();
    // Guards of one receiver may be dropped in one thread only: neither is `Send`. That does not show here.
    let _: Option<(Batch<'static>, Message<'static>)> = None;
}

#[test]
fn endpoints_work_in_other_threads() {
    const EACH: u64 = 2000;
    for ends in ALL_ENDS {
        let queue = in_memory(options(ends));
        let count = |ends| if ends == Ends::Single { 1 } else { 3 };
        let (senders, receivers) = (count(ends.0), count(ends.1));
        let mut got = thread::scope(|scope| {
            let sending: Vec<_> = (0..senders)
                .map(|id| {
                    let mut tx = queue.sender().unwrap();
                    scope.spawn(move || send_numbers(&mut tx, id * EACH..(id + 1) * EACH))
                })
                .collect();
            let receiving: Vec<_> = (0..receivers)
                .map(|_| {
                    let mut rx = queue.receiver().unwrap();
                    scope.spawn(move || rx.iter().map(|bytes| number(&bytes)).collect::<Vec<_>>())
                })
                .collect();
            sending.into_iter().for_each(|thread| thread.join().unwrap());
            queue.close();
            receiving.into_iter().flat_map(|thread| thread.join().unwrap()).collect::<Vec<_>>()
        });
        got.sort_unstable();
        assert_eq!(got, (0..senders * EACH).collect::<Vec<_>>(), "{ends:?}");
    }
}

#[test]
fn endpoints_keep_their_queue_alive() {
    for ends in ALL_ENDS {
        let (queue, name) = named("alive", options(ends));
        let (mut tx, mut rx) = (queue.sender().unwrap(), queue.receiver().unwrap());
        drop(queue);
        send_numbers(&mut tx, [5]);
        assert_eq!(rx.recv_timeout(LONG).unwrap().as_deref(), Some(&5u64.to_le_bytes()[..]));
        drop((tx, rx));
        assert_eq!(Queue::open(&name).unwrap().stat().totals.pulled, 1);
    }
}

#[test]
fn stat_tells_who_is_there() {
    for ends in ALL_ENDS {
        let (queue, _name) = named("stat", options(ends));
        assert!(queue.stat().endpoints.is_empty());
        let _ends = (queue.sender().unwrap(), queue.receiver().unwrap());
        let stat = queue.stat();
        assert_eq!((stat.senders, stat.receivers), ends);
        assert_eq!((stat.capacity, stat.max_len, stat.size, stat.closed), (64, 16, 0, false));
        let mut roles: Vec<_> = stat.endpoints.iter().map(|e| (e.role as u32, e.pid, e.liveness)).collect();
        roles.sort_unstable_by_key(|(role, ..)| *role);
        let me = Some(std::process::id());
        assert_eq!(roles, [(1, me, ringpost::Liveness::Alive), (2, me, ringpost::Liveness::Alive)]);
    }
}

/// A queue that holds fewer messages than a cache line has tail tell of each lap, or a successor would not find its place.
#[test]
fn a_successor_finds_its_place_in_the_smallest_queues() {
    for (capacity, packed) in [(1, false), (2, false), (4, false), (8, false), (1, true), (2, true), (4, true)] {
        let options = Options::of::<u64>(capacity).senders(Ends::Single).receivers(Ends::Single).packed(packed);
        let queue = Queue::in_memory(options).unwrap();
        let mut rx = queue.receiver().unwrap();
        for next in 0..20 {
            let mut tx = queue.sender().unwrap();
            tx.send(&next).unwrap();
            assert_eq!((queue.size(), rx.recv_value().unwrap()), (1, next), "capacity {capacity}, packed: {packed}");
            for again in [next; 2] {
                tx.send(&again).unwrap();
                assert_eq!(rx.recv_with(|n| *n).unwrap(), again);
            }
        }
        assert_eq!(queue.stat().totals.sent, 60);
    }
}
