//! Waiting for several endpoints.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use ringpost::{Ends, Queue, Receiver, RecvError, SendError, Wait, Waitable, wait_any};

use crate::common::{ALL_ENDS, LONG, UniqueName, in_memory, named, number, options, send_numbers};
use crate::run::Process;

fn names(tag: &str, count: usize, ends: (Ends, Ends)) -> (Vec<UniqueName>, Vec<Receiver>) {
    (0..count)
        .map(|_| {
            let (queue, name) = named(tag, options(ends));
            (name, queue.receiver().unwrap())
        })
        .unzip()
}

fn wait(ends: &mut [Receiver], timeout: Duration) -> Option<usize> {
    wait_any(&mut ends.iter_mut().map(|rx| rx as &mut dyn Waitable).collect::<Vec<_>>(), timeout)
}

/// Waits until one of them has a message, and takes that.
fn next(ends: &mut [Receiver]) -> (usize, u64) {
    loop {
        let index = wait(ends, LONG).expect("a message comes");
        if let Some(message) = ends[index].try_recv().expect("the queue is open") {
            return (index, number(&message));
        }
    }
}

#[test]
fn the_one_that_is_ready_is_told() {
    for ends in ALL_ENDS {
        let queues: Vec<Queue> = (0..3).map(|_| in_memory(options(ends))).collect();
        let mut receivers: Vec<Receiver> = queues.iter().map(|queue| queue.receiver().unwrap()).collect();
        for index in [1, 0, 2, 2] {
            send_numbers(&mut queues[index].sender().unwrap(), [7]);
            assert_eq!(next(&mut receivers), (index, 7));
        }
        // Many receivers look once for what came back before they know that there is nothing.
        receivers.iter_mut().for_each(|rx| assert!(rx.try_recv().unwrap().is_none()));
        assert_eq!(wait(&mut receivers, Duration::ZERO), None);
    }
}

#[test]
fn each_that_is_ready_has_its_turn() {
    let queues: Vec<Queue> = (0..5).map(|_| in_memory(options(ALL_ENDS[3]))).collect();
    let mut receivers: Vec<Receiver> = queues.iter().map(|queue| queue.receiver().unwrap()).collect();
    for index in [0, 2, 3] {
        send_numbers(&mut queues[index].sender().unwrap(), 0..10);
    }
    receivers.iter_mut().for_each(|rx| drop(rx.try_recv().unwrap()));
    let turns: Vec<usize> = (0..9).map(|_| next(&mut receivers).0).collect();
    for turn in turns.chunks(3) {
        let mut turn = turn.to_vec();
        turn.sort_unstable();
        assert_eq!(turn, [0, 2, 3], "{turns:?}");
    }
}

#[test]
fn a_message_of_another_process_ends_the_wait() {
    for (round, wait) in [Wait::Sleep, Wait::Balanced, Wait::Spin].into_iter().enumerate() {
        for ends in ALL_ENDS {
            let (names, mut receivers) = names("any", 3, ends);
            receivers.iter_mut().for_each(|rx| rx.set_wait(wait));
            let mut child = Process::start(&format!("send {} 41 42", &*names[round]));
            child.expect("joined");
            assert_eq!([next(&mut receivers), next(&mut receivers)], [(round, 41), (round, 42)]);
            child.finish();
        }
    }
}

#[test]
fn more_queues_than_the_kernel_watches_at_once() {
    let (names, mut receivers) = names("many", 200, ALL_ENDS[3]);
    receivers.iter_mut().for_each(|rx| assert!(rx.try_recv().unwrap().is_none()));
    for index in [0, 127, 128, 199] {
        let child = Process::start(&format!("send {} {index}", &*names[index]));
        assert_eq!(next(&mut receivers), (index, index as u64));
        child.finish();
    }
    let since = Instant::now();
    assert_eq!(wait(&mut receivers, Duration::from_millis(30)), None);
    assert!(since.elapsed() >= Duration::from_millis(30));
}

#[test]
fn without_anything_to_wait_for_time_passes() {
    let since = Instant::now();
    assert_eq!(wait_any(&mut [], Duration::from_millis(10)), None);
    assert!(since.elapsed() >= Duration::from_millis(10));
}

#[test]
fn who_dies_in_the_way_is_repaired() {
    for receivers in [Ends::Single, Ends::Multi] {
        let (names, mut ends) = names("dead", 2, (Ends::Multi, receivers));
        let mut child = Process::start(&format!("loan {}", &*names[1]));
        child.expect("loaned");
        // Behind the claim that will never be committed.
        send_numbers(&mut Queue::open(&names[1]).unwrap().sender().unwrap(), [5]);
        ends.iter_mut().for_each(|rx| assert!(rx.try_recv().unwrap().is_none()));
        assert_eq!(wait(&mut ends, Duration::from_millis(20)), None, "its owner lives");
        drop(child.kill());
        assert_eq!(next(&mut ends), (1, 5));
    }
}

#[test]
fn what_a_dead_receiver_held_comes_back_to_one_who_waits() {
    let (names, mut ends) = names("held", 2, (Ends::Multi, Ends::Multi));
    send_numbers(&mut Queue::open(&names[0]).unwrap().sender().unwrap(), [6]);
    let mut child = Process::start(&format!("hold {} 1", &*names[0]));
    child.expect("holds");
    ends.iter_mut().for_each(|rx| assert!(rx.try_recv().unwrap().is_none()));
    drop(child.kill());
    assert_eq!(next(&mut ends), (0, 6));
}

#[test]
fn the_end_of_a_queue_ends_the_wait() {
    for (how, end) in [("close", RecvError::Closed), ("remove", RecvError::Removed)] {
        let (names, mut receivers) = names("end", 3, ALL_ENDS[3]);
        receivers.iter_mut().for_each(|rx| assert!(rx.try_recv().unwrap().is_none()));
        let child = Process::start(&format!("close {} {how}", &*names[2]));
        assert_eq!(wait(&mut receivers, LONG), Some(2));
        assert_eq!(receivers[2].try_recv().unwrap_err(), end);
        drop(child);
    }
}

#[test]
fn senders_that_have_left_end_the_wait_of_who_asked_for_it() {
    let (names, mut receivers) = names("left", 2, ALL_ENDS[3]);
    receivers.iter_mut().for_each(|rx| assert!(rx.try_recv().unwrap().is_none()));
    receivers[1].until_senders_leave(true);
    assert_eq!(wait(&mut receivers, Duration::from_millis(5)), None, "none has come yet");
    let child = Process::start(&format!("send {} 1", &*names[1]));
    assert_eq!(next(&mut receivers), (1, 1));
    assert_eq!(wait(&mut receivers, LONG), Some(1));
    assert_eq!(receivers[1].try_recv().unwrap_err(), RecvError::SendersGone);
    child.finish();
}

#[test]
fn senders_wait_for_room_beside_receivers() {
    for ends in ALL_ENDS {
        let (queue, name) = named("room", options(ends));
        let (other, _other_name) = named("empty", options(ends));
        let (mut tx, mut rx) = (queue.sender().unwrap(), other.receiver().unwrap());
        assert!(rx.try_recv().unwrap().is_none());
        send_numbers(&mut tx, 0..64);
        assert_eq!(wait_any(&mut [&mut rx, &mut tx], Duration::from_millis(5)), None, "{ends:?}");
        let child = Process::start(&format!("take {} 1", &*name));
        assert_eq!(wait_any(&mut [&mut rx, &mut tx], LONG), Some(1), "{ends:?}");
        tx.try_send(b"room").unwrap();
        child.finish();
        queue.close();
        assert_eq!(wait_any(&mut [&mut rx, &mut tx], LONG), Some(1));
        assert_eq!(tx.try_send(b"closed"), Err(SendError::Closed));
    }
}

#[test]
fn a_flag_ends_the_wait() {
    let queue = in_memory(options(ALL_ENDS[3]));
    let mut receivers = [queue.receiver().unwrap(), queue.receiver().unwrap()];
    receivers.iter_mut().for_each(|rx| assert!(rx.try_recv().unwrap().is_none()));
    let flag = Arc::new(AtomicBool::new(false));
    receivers[1].set_interrupt(Arc::clone(&flag));
    flag.store(true, Ordering::Relaxed);
    assert_eq!(wait(&mut receivers, LONG * 100), None);
    send_numbers(&mut queue.sender().unwrap(), [1]);
    assert!(wait(&mut receivers, LONG).is_some(), "what is there comes first");
}

extern "C" fn ignore(_: libc::c_int) {}

#[test]
fn signals_neither_break_nor_shorten_a_wait() {
    const TIMEOUT: Duration = Duration::from_millis(200);
    // SAFETY: all zeroes is a valid `sigaction`: no flags (so that calls are not restarted), nothing blocked.
    let mut action: libc::sigaction = unsafe { core::mem::zeroed() };
    action.sa_sigaction = ignore as *const () as libc::sighandler_t;
    // SAFETY: the handler touches nothing at all, so it may run at any moment in any thread.
    assert_eq!(unsafe { libc::sigaction(libc::SIGUSR1, &raw const action, core::ptr::null_mut()) }, 0);
    let (_names, mut receivers) = names("signals", 3, ALL_ENDS[3]);
    receivers.iter_mut().for_each(|rx| assert!(rx.try_recv().unwrap().is_none()));
    let (say, hear) = mpsc::channel();
    let took = std::thread::scope(|scope| {
        let thread = scope.spawn(|| {
            // SAFETY: asks for the number of the calling thread, no more.
            say.send(unsafe { libc::pthread_self() }).unwrap();
            let since = Instant::now();
            assert_eq!(wait(&mut receivers, TIMEOUT), None);
            since.elapsed()
        });
        let target = hear.recv().unwrap();
        while !thread.is_finished() {
            // SAFETY: the thread has not been joined yet, so its number is still valid, even if it has ended.
            unsafe { libc::pthread_kill(target, libc::SIGUSR1) };
            std::thread::sleep(Duration::from_millis(1));
        }
        thread.join().unwrap()
    });
    assert!(took >= TIMEOUT && took < LONG, "{took:?}");
}

#[test]
fn nothing_is_lost_between_those_who_wait_for_one_and_for_several() {
    const EACH: u64 = 3_000;
    let queues = [in_memory(options(ALL_ENDS[3])), in_memory(options(ALL_ENDS[3]))];
    let (count, sum) = (AtomicU64::new(0), AtomicU64::new(0));
    let note = |number: u64| {
        count.fetch_add(1, Ordering::Relaxed);
        sum.fetch_add(number, Ordering::Relaxed);
    };
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                let mut receivers: Vec<Receiver> = queues.iter().map(|queue| queue.receiver().unwrap()).collect();
                receivers.iter_mut().for_each(|rx| rx.set_wait(Wait::Sleep));
                loop {
                    let index = wait(&mut receivers, LONG).expect("a message or the end comes");
                    let got = receivers[index].try_recv().map(|message| message.map(|message| number(&message)));
                    match got {
                        Ok(Some(number)) => note(number),
                        Ok(None) => {}
                        Err(_) => drop(receivers.remove(index)),
                    }
                    if receivers.is_empty() {
                        break;
                    }
                }
            });
        }
        scope.spawn(|| {
            let mut rx = queues[1].receiver().unwrap();
            rx.set_wait(Wait::Sleep);
            while let Ok(message) = rx.recv() {
                note(number(&message));
            }
        });
        let senders: Vec<_> = (0..4)
            .map(|i| {
                let mut tx = queues[i % 2].sender().unwrap();
                scope.spawn(move || send_numbers(&mut tx, 0..EACH))
            })
            .collect();
        senders.into_iter().for_each(|thread| thread.join().unwrap());
        queues.iter().for_each(Queue::close);
    });
    assert_eq!((count.into_inner(), sum.into_inner()), (4 * EACH, 4 * EACH * (EACH - 1) / 2));
}
