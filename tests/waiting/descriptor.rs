//! Endpoints in event loops.

use std::os::fd::{AsRawFd, BorrowedFd};
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use ringpost::{DescriptorError, Ends, Queue, Receiver, RecvError, SendError};

use crate::common::{ALL_ENDS, LONG, UniqueName, in_memory, named, number, options, send_numbers};
use crate::run::{Process, say};

fn readable(descriptor: BorrowedFd<'_>, timeout: Duration) -> bool {
    let timeout = PollTimeout::try_from(timeout).unwrap();
    poll(&mut [PollFd::new(descriptor, PollFlags::POLLIN)], timeout).unwrap() == 1
}

/// The next message, as an event loop gets it.
fn next(rx: &mut Receiver) -> Result<u64, RecvError> {
    let since = Instant::now();
    loop {
        if let Some(message) = rx.try_recv()? {
            return Ok(number(&message));
        }
        if !rx.arm().unwrap() {
            assert!(readable(rx.descriptor().unwrap(), LONG), "not woken");
        }
        assert!(since.elapsed() < LONG, "woken again and again for nothing");
    }
}

#[test]
fn it_is_readable_when_armed_and_not_before() {
    for ends in ALL_ENDS {
        let queue = in_memory(options(ends));
        let (mut tx, mut rx) = (queue.sender().unwrap(), queue.receiver().unwrap());
        send_numbers(&mut tx, [1]);
        assert!(!readable(rx.descriptor().unwrap(), Duration::from_millis(5)), "not armed");
        assert!(rx.arm().unwrap(), "one is there");
        assert_eq!(next(&mut rx), Ok(1));
        assert!(rx.try_recv().unwrap().is_none());
        assert!(!rx.arm().unwrap(), "{ends:?}");
        assert!(!readable(rx.descriptor().unwrap(), Duration::from_millis(5)), "nothing there");
        send_numbers(&mut tx, [2]);
        assert!(readable(rx.descriptor().unwrap(), LONG));
        assert!(readable(rx.descriptor().unwrap(), LONG), "it stays so");
        rx.disarm();
        assert!(!readable(rx.descriptor().unwrap(), Duration::ZERO));
        assert_eq!(next(&mut rx), Ok(2));
    }
}

#[test]
fn messages_of_another_process_come_through_an_event_loop() {
    for ends in ALL_ENDS {
        let (queue, name) = named("loop", options(ends));
        let mut rx = queue.receiver().unwrap();
        let child = Process::start(&format!("send {} 1 2 3", &*name));
        let got: Vec<u64> = (0..3).map(|_| next(&mut rx).unwrap()).collect();
        assert_eq!(got, [1, 2, 3]);
        child.finish();
    }
}

#[test]
fn one_epoll_for_many_queues() {
    let (names, mut receivers): (Vec<UniqueName>, Vec<Receiver>) = (0..5)
        .map(|i| {
            let (queue, name) = named("epoll", options(ALL_ENDS[i % 4]));
            (name, queue.receiver().unwrap())
        })
        .unzip();
    let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC).unwrap();
    for (index, rx) in receivers.iter_mut().enumerate() {
        epoll.add(rx.descriptor().unwrap(), EpollEvent::new(EpollFlags::EPOLLIN, index as u64)).unwrap();
    }
    let children: Vec<Process> =
        names.iter().enumerate().map(|(i, name)| Process::start(&format!("send {} {i} {i}", &**name))).collect();
    let mut got = vec![0; receivers.len()];
    let mut look: Vec<usize> = (0..receivers.len()).collect();
    while got.iter().any(|count| *count < 2) {
        for index in look.drain(..) {
            let rx = &mut receivers[index];
            loop {
                while let Some(message) = rx.try_recv().unwrap() {
                    assert_eq!(number(&message), index as u64);
                    got[index] += 1;
                }
                if !rx.arm().unwrap() {
                    break;
                }
            }
        }
        if got.iter().any(|count| *count < 2) {
            let mut events = [EpollEvent::empty(); 8];
            let count = epoll.wait(&mut events, EpollTimeout::try_from(LONG).unwrap()).unwrap();
            assert!(count > 0, "not woken: {got:?}");
            look.extend(events[..count].iter().map(|event| event.data() as usize));
        }
    }
    assert!(got.iter().all(|count| *count == 2));
    children.into_iter().for_each(|child| drop(child.finish()));
}

#[test]
fn who_dies_in_the_way_is_noticed() {
    for receivers in [Ends::Single, Ends::Multi] {
        let (queue, name) = named("dead", options((Ends::Multi, receivers)));
        let mut rx = queue.receiver().unwrap();
        let mut child = Process::start(&format!("loan {}", &*name));
        child.expect("loaned");
        send_numbers(&mut queue.sender().unwrap(), [5]);
        assert!(rx.try_recv().unwrap().is_none());
        assert!(!rx.arm().unwrap());
        assert!(!readable(rx.descriptor().unwrap(), Duration::from_millis(20)), "its owner lives");
        drop(child.kill());
        assert!(readable(rx.descriptor().unwrap(), LONG));
        assert_eq!(next(&mut rx), Ok(5));
    }
}

#[test]
fn what_a_dead_receiver_held_comes_back() {
    let (queue, name) = named("held", options(ALL_ENDS[3]));
    let mut rx = queue.receiver().unwrap();
    send_numbers(&mut queue.sender().unwrap(), [6]);
    let mut child = Process::start(&format!("hold {} 1", &*name));
    child.expect("holds");
    assert!(rx.try_recv().unwrap().is_none());
    assert!(!rx.arm().unwrap());
    drop(child.kill());
    assert!(readable(rx.descriptor().unwrap(), LONG));
    assert_eq!(next(&mut rx), Ok(6));
}

#[test]
fn the_end_of_a_queue_makes_it_readable() {
    for (how, end) in [("close", RecvError::Closed), ("remove", RecvError::Removed)] {
        for ends in ALL_ENDS {
            let (queue, name) = named("end", options(ends));
            let mut rx = queue.receiver().unwrap();
            let child = Process::start(&format!("close {} {how}", &*name));
            assert_eq!(next(&mut rx), Err(end.clone()));
            drop(child);
        }
    }
}

#[test]
fn senders_that_have_left_make_it_readable_for_who_asked_for_it() {
    let (queue, name) = named("left", options(ALL_ENDS[3]));
    let mut rx = queue.receiver().unwrap();
    rx.until_senders_leave(true);
    let child = Process::start(&format!("send {} 1", &*name));
    assert_eq!(next(&mut rx), Ok(1));
    assert_eq!(next(&mut rx), Err(RecvError::SendersGone));
    child.finish();
}

#[test]
fn room_makes_a_sender_readable() {
    for ends in ALL_ENDS {
        let (queue, name) = named("room", options(ends));
        let mut tx = queue.sender().unwrap();
        assert!(tx.arm().unwrap(), "an empty queue has room");
        send_numbers(&mut tx, 0..64);
        assert!(!tx.arm().unwrap());
        assert!(!readable(tx.descriptor().unwrap(), Duration::from_millis(5)));
        let child = Process::start(&format!("take {} 1", &*name));
        assert!(readable(tx.descriptor().unwrap(), LONG));
        assert_eq!(tx.try_send(b"room"), Ok(()), "{ends:?}");
        child.finish();
        assert!(!tx.arm().unwrap());
        queue.close();
        assert!(readable(tx.descriptor().unwrap(), LONG));
        assert_eq!(tx.try_send(b"closed"), Err(SendError::Closed));
    }
}

#[test]
fn a_receiver_that_leaves_does_not_keep_the_wake_up_of_another() {
    let queue = in_memory(options(ALL_ENDS[3]));
    let (mut tx, mut armed, mut asleep) =
        (queue.sender().unwrap(), queue.receiver().unwrap(), queue.receiver().unwrap());
    for round in 0..50 {
        assert!(armed.try_recv().unwrap().is_none());
        let is_armed = !armed.arm().unwrap();
        std::thread::scope(|scope| {
            let thread = scope.spawn(|| asleep.recv().map(|message| number(&message)));
            send_numbers(&mut tx, [round]);
            if is_armed {
                armed.disarm();
            }
            assert_eq!(thread.join().unwrap(), Ok(round));
        });
    }
}

/// Threads of this process that are helpers, and what their signal masks are.
fn helpers() -> Vec<u64> {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap();
    let statuses = tasks.filter_map(|task| std::fs::read_to_string(task.unwrap().path().join("status")).ok());
    let field = |status: &str, name: &str| {
        let line = status.lines().find(|line| line.starts_with(name)).unwrap();
        line[name.len()..].trim().to_owned()
    };
    let helpers = statuses.filter(|status| field(status, "Name:") == "ringpost");
    helpers.map(|status| u64::from_str_radix(&field(&status, "SigBlk:"), 16).unwrap()).collect()
}

/// The helpers, once there are `count`. One names itself when it begins to run, and may be seen for a moment after its end.
fn expect_helpers(count: usize) -> Vec<u64> {
    let since = Instant::now();
    loop {
        let found = helpers();
        if found.len() == count {
            return found;
        }
        assert!(since.elapsed() < LONG, "{} helpers, {count} expected", found.len());
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// In a process of its own: threads come with the first call and go with the endpoint.
pub fn threads() {
    let queue = in_memory(options(ALL_ENDS[3]));
    let (mut rx, mut tx) = (queue.receiver().unwrap(), queue.sender().unwrap());
    assert_eq!(helpers(), [], "nobody has asked");
    let descriptor = rx.descriptor().unwrap().as_raw_fd();
    assert_eq!(rx.descriptor().unwrap().as_raw_fd(), descriptor, "always the same");
    tx.arm().unwrap();
    let masks = expect_helpers(2);
    let blocked = |mask: u64, signal: i32| mask & 1 << (signal - 1) != 0;
    for signal in [libc::SIGUSR1, libc::SIGTERM, libc::SIGINT, libc::SIGCHLD] {
        assert!(masks.iter().all(|mask| blocked(*mask, signal)), "signal {signal} may interrupt a helper");
    }
    assert!(!masks.iter().any(|mask| blocked(*mask, libc::SIGSEGV)));
    assert!(rx.try_recv().unwrap().is_none());
    assert!(!rx.arm().unwrap());
    drop(rx);
    expect_helpers(1);
    drop(tx);
    expect_helpers(0);
    // One that lives on for what is held waits for nothing.
    let mut rx = queue.receiver().unwrap();
    send_numbers(&mut queue.sender().unwrap(), [1]);
    let held = rx.recv().unwrap().hold();
    assert!(!rx.arm().unwrap());
    expect_helpers(1);
    drop(rx);
    expect_helpers(0);
    drop(held);
    say("done");
}

#[test]
fn helpers_come_when_asked_for_and_go_with_their_endpoints() {
    let mut child = Process::start("threads");
    child.expect("done");
    child.finish();
}

#[test]
fn a_forked_child_has_no_helper() {
    let (queue, _name) = named("fork", options(ALL_ENDS[3]));
    let (mut rx, mut tx) = (queue.receiver().unwrap(), queue.sender().unwrap());
    assert!(rx.try_recv().unwrap().is_none());
    assert!(!rx.arm().unwrap());
    let original = &raw const rx;
    // SAFETY: the child runs only what follows and leaves; that takes no lock but the allocator's, which the C library keeps
    // usable across a fork.
    let pid = unsafe { libc::fork() };
    if pid == 0 {
        // SAFETY: memory of the child's own: the original is read once and never used or dropped there again.
        let mut copy = unsafe { original.read() };
        let refused =
            copy.arm() == Err(DescriptorError::Forked) && matches!(copy.descriptor(), Err(DescriptorError::Forked));
        copy.disarm();
        drop(copy);
        // SAFETY: ends the process at once, without any of the parent's handlers.
        unsafe { libc::_exit(i32::from(!refused)) }
    }
    let mut status = 0;
    // SAFETY: `status` is ours to write, and `pid` our own child, which nobody else collects.
    assert_eq!(unsafe { libc::waitpid(pid, &raw mut status, 0) }, pid);
    assert_eq!(status, 0, "the child could use it, or crashed: {status:#x}");
    send_numbers(&mut tx, [3]);
    assert!(readable(rx.descriptor().unwrap(), LONG), "the parent's helper goes on");
    assert_eq!(next(&mut rx), Ok(3));
}

#[test]
fn an_ephemeral_queue_goes_with_an_armed_endpoint() {
    let name = UniqueName::new("ephemeral");
    let queue = Queue::create(&name, options(ALL_ENDS[0]).ephemeral(true)).unwrap();
    let mut rx = queue.receiver().unwrap();
    drop(queue);
    assert!(!rx.arm().unwrap());
    drop(rx);
    assert!(Queue::open(&name).is_err(), "the helper still has it");
}
