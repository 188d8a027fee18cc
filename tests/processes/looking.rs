//! Looking at queues while processes use them, stop, and die.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use ringpost::{Diagnosis, Ends, Holder, Liveness, Options, PeekState, Queue, Role, StaleRules, WhenFull};

use crate::common::{ALL_ENDS, LONG, UniqueName, drain, named, number, options, send_numbers};
use crate::content;
use crate::run::Process;

/// Messages of the sender that writes while we read.
const COUNT: u64 = 4000;
/// Long enough that a copy takes its time.
const MAX_LEN: usize = 1000;

/// Peeks at a queue until its sender is done, and checks every byte of what is seen.
fn peek_at(queue: &Queue) -> u64 {
    let mut seen = 0;
    let since = Instant::now();
    while queue.stat().totals.sent < COUNT {
        assert!(since.elapsed() < LONG, "the sender has not come to its end");
        let mut last = None;
        for message in queue.peek() {
            assert!(last < Some(message.position), "out of order");
            last = Some(message.position);
            if !matches!(message.state, PeekState::BeingWritten { .. }) {
                content::read(&message.bytes, MAX_LEN);
                seen += 1;
            }
        }
    }
    seen
}

#[test]
fn what_is_overwritten_is_never_seen_torn() {
    for ends in ALL_ENDS {
        let shape = Options::new(64).max_len(MAX_LEN).senders(ends.0).receivers(ends.1);
        let (queue, name) = named("overwritten", shape.when_full(WhenFull::Overwrite));
        let sender = Process::start(&format!("send {} 1 {COUNT} false", &*name));
        assert!(peek_at(&queue) > 0, "{ends:?}");
        sender.finish();
    }
}

/// The slots are written again as soon as they are released: with single ends under an unchanged word.
#[test]
fn what_is_released_and_written_again_is_never_seen_torn() {
    for ends in ALL_ENDS {
        let (queue, name) = named("reused", Options::new(2).max_len(MAX_LEN).senders(ends.0).receivers(ends.1));
        let sender = Process::start(&format!("send {} 1 {COUNT} false", &*name));
        let done = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let mut rx = queue.receiver().unwrap();
                while !done.load(Ordering::Relaxed) {
                    rx.pull(8, Duration::from_millis(1)).unwrap().release();
                }
            });
            let seen = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| peek_at(&queue)));
            done.store(true, Ordering::Relaxed);
            assert!(seen.unwrap() > 0, "{ends:?}");
        });
        sender.finish();
    }
}

/// Looks until `is_so`.
fn until(queue: &Queue, is_so: impl Fn(&Diagnosis) -> bool) -> Diagnosis {
    let since = Instant::now();
    loop {
        let diagnosis = queue.diagnose(Duration::ZERO);
        if is_so(&diagnosis) {
            return diagnosis;
        }
        assert!(since.elapsed() < LONG, "it does not come to this: {diagnosis:?}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn a_killed_receiver_is_seen_and_repaired() {
    for ends in ALL_ENDS {
        let (queue, name) = named("doctor", options(ends));
        send_numbers(&mut queue.sender().unwrap(), 0..5);
        let mut child = Process::start(&format!("hold {} 3", &*name));
        child.expect("0 1 2");
        let pid = child.pid();
        assert!(queue.diagnose(Duration::ZERO).is_healthy());
        assert_eq!(queue.repair(), Ok(0), "the living are left alone");
        child.kill();
        let diagnosis = until(&queue, |diagnosis| !diagnosis.is_healthy());
        let [report] = &diagnosis.endpoints[..] else { panic!("{ends:?}: {diagnosis:?}") };
        assert_eq!((report.endpoint.liveness, report.endpoint.pid), (Liveness::Dead, Some(pid)));
        assert_eq!(report.reading.positions, [0, 1, 2], "{ends:?}");
        let states: Vec<_> = queue.peek().map(|message| message.state).collect();
        let held = PeekState::Held { endpoint: report.endpoint.number, pid: Some(pid) };
        assert_eq!(states, [held, held, held, PeekState::Ready, PeekState::Ready], "{ends:?}");
        assert_eq!(queue.repair(), Ok(1));
        let diagnosis = queue.diagnose(Duration::ZERO);
        assert!(diagnosis.is_healthy() && diagnosis.endpoints.is_empty() && diagnosis.waiting == 5, "{diagnosis:?}");
        let seen: Vec<_> = queue.peek().map(|m| (number(&m.bytes), m.state, m.deliveries)).collect();
        assert!(seen[..3].iter().all(|(_, state, count)| (*state, *count) == (PeekState::CameBack, 1)), "{seen:?}");
        assert_eq!(queue.repair(), Ok(0));
        assert_eq!(drain(&mut queue.receiver().unwrap()), [0, 1, 2, 3, 4], "{ends:?}");
    }
}

#[test]
fn a_killed_sender_is_seen_and_repaired() {
    for ends in ALL_ENDS {
        let (queue, name) = named("doctor", options(ends));
        let mut child = Process::start(&format!("loan {}", &*name));
        child.expect("loaned");
        child.kill();
        let diagnosis = until(&queue, |diagnosis| !diagnosis.is_healthy());
        let [report] = &diagnosis.endpoints[..] else { panic!("{ends:?}: {diagnosis:?}") };
        // The only sender claims nothing.
        let claimed: &[u64] = if ends.0 == Ends::Multi { &[1] } else { &[] };
        assert_eq!((report.endpoint.role, &report.writing.positions[..]), (Role::Sender, claimed), "{ends:?}");
        assert_eq!(queue.repair(), Ok(1));
        assert!(queue.diagnose(Duration::ZERO).is_healthy());
        assert_eq!(drain(&mut queue.receiver().unwrap()), [1000]);
    }
}

#[test]
fn a_dead_claim_at_head_is_in_the_way() {
    let (queue, name) = named("doctor", options(ALL_ENDS[3]));
    let mut child = Process::start(&format!("loan {}", &*name));
    child.expect("loaned");
    assert_eq!(drain(&mut queue.receiver().unwrap()), [1000]);
    child.kill();
    let diagnosis = until(&queue, |diagnosis| !diagnosis.is_healthy());
    let [stuck] = &diagnosis.stuck[..] else { panic!("{diagnosis:?}") };
    assert_eq!((stuck.waiting, stuck.position, stuck.holder), (Role::Receiver, 1, Holder::Dead));
    assert_eq!(queue.repair(), Ok(1));
    assert_eq!(queue.diagnose(Duration::ZERO).stuck, []);
}

#[test]
fn a_stopped_receiver_is_stopped_and_not_dead() {
    for ends in ALL_ENDS {
        let (queue, name) = named("doctor", options(ends));
        send_numbers(&mut queue.sender().unwrap(), 0..5);
        let mut child = Process::start(&format!("hold {} 3", &*name));
        child.expect("0 1 2");
        child.signal(libc::SIGSTOP);
        let diagnosis = until(&queue, |diagnosis| !diagnosis.is_healthy());
        let [report] = &diagnosis.endpoints[..] else { panic!("{ends:?}: {diagnosis:?}") };
        assert_eq!((report.endpoint.liveness, report.stopped), (Liveness::Alive, true), "{ends:?}");
        assert_eq!(report.reading.positions, [0, 1, 2]);
        assert_eq!(queue.repair(), Ok(0), "{ends:?}: it was robbed");
        child.signal(libc::SIGCONT);
        until(&queue, Diagnosis::is_healthy);
    }
}

#[test]
fn a_queue_that_a_killed_process_left_is_stale() {
    let name = UniqueName::new("left");
    let queue = Queue::create(&name, options(ALL_ENDS[3]).ephemeral(true)).unwrap();
    let mut child = Process::start(&format!("idle {} receiver", &*name));
    child.expect("joined");
    // We leave; the child keeps it, and cannot leave when it is killed.
    drop(queue);
    let rules = StaleRules::default().only(&name);
    assert!(!ringpost::remove_stale(&rules).unwrap()[0].removed, "the child has it open");
    child.kill();
    let listed = ringpost::list().unwrap().into_iter().find(|listed| listed.name == *name).unwrap();
    let summary = listed.found.unwrap();
    assert_eq!((summary.open, summary.endpoints, summary.dead, summary.ephemeral), (Some(false), 0, 1, true));
    assert!(summary.stale.is_some());
    assert!(ringpost::remove_stale(&rules).unwrap()[0].removed);
    assert!(ringpost::list().unwrap().iter().all(|listed| listed.name != *name));
}
