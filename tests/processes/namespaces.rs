//! Peers in pid namespaces of their own, where process numbers say nothing, and zombies.

use std::os::unix::process::CommandExt;
use std::process::Command;
use std::time::Duration;

use ringpost::{Ends, JoinError, Liveness, Queue};

use crate::common::{ALL_ENDS, LONG, named, number, options, send_numbers};
use crate::deaths::hold;
use crate::run::{Process, say};

/// Like "hold", but says first how this process is numbered inside and outside: name, count.
pub fn hold_apart(role: &[String]) {
    let outside = std::fs::read_link("/proc/self").expect("a process file system of the outer namespace");
    say(&format!("{} {}", std::process::id(), outside.display()));
    hold(role);
}

/// A receiver that says what it can get within 300 ms: name.
pub fn look_apart(role: &[String]) {
    let queue = Queue::open(&role[0]).expect("the queue");
    let got = match queue.receiver() {
        Ok(mut rx) => rx.pull(8, Duration::from_millis(300)).expect("an open queue").len().to_string(),
        Err(JoinError::Taken { pid: 0, .. }) => "taken by somebody elsewhere".to_owned(),
        Err(error) => error.to_string(),
    };
    say(&format!("{} {got}", std::process::id()));
}

/// A child that is process 1 of a pid namespace of its own.
struct Apart {
    /// Between it and us; ends with it, and it with that.
    keeper: Process,
}

impl Apart {
    /// `None` where the system does not allow it, which is said.
    fn start(role: &str) -> Option<Self> {
        let change = |command: &mut Command| {
            // SAFETY: `enter` makes plain system calls and nothing else, as is due between fork and exec.
            unsafe { command.pre_exec(enter) };
        };
        match Process::start_with(role, change) {
            Ok(keeper) => Some(Self { keeper }),
            Err(error) => {
                eprintln!("skipped: no pid namespace of one's own here: {error}");
                None
            }
        }
    }

    /// A holder of `count` messages, and how it is numbered out here.
    fn holder(name: &str, count: usize) -> Option<(Self, i32)> {
        let mut apart = Self::start(&format!("hold-apart {name} {count}"))?;
        let numbers = apart.keeper.hear().expect("its numbers");
        let (inside, outside) = numbers.split_once(' ').expect("two numbers");
        assert_eq!(inside, "1", "the first process of its namespace");
        let held: Vec<String> = (0..count).map(|i| i.to_string()).collect();
        apart.keeper.expect(&held.join(" "));
        Some((apart, outside.parse().expect("a process number")))
    }

    fn kill(self, outside: i32) {
        // SAFETY: a plain system call. Its keeper has not collected it, so the number is its own.
        let result = unsafe { libc::kill(outside, libc::SIGKILL) };
        assert_eq!(result, 0, "kill: {}", std::io::Error::last_os_error());
        let mut keeper = self.keeper;
        // It ends when its keeper has collected it.
        while keeper.hear().is_some() {}
    }
}

/// Makes a pid namespace and goes on as its first process; the one that was here stays outside and keeps it.
fn enter() -> std::io::Result<()> {
    // SAFETY: asks for our user.
    let is_root = unsafe { libc::geteuid() } == 0;
    let wanted = libc::CLONE_NEWPID | if is_root { 0 } else { libc::CLONE_NEWUSER };
    // SAFETY: concerns this process alone, which has one thread.
    if unsafe { libc::unshare(wanted) } != 0 {
        return Err(std::io::Error::last_os_error());
    }
    // SAFETY: one thread, and both sides make nothing but system calls.
    let child = unsafe { libc::fork() };
    if child < 0 {
        return Err(std::io::Error::last_os_error());
    }
    if child == 0 {
        // SAFETY: a plain system call; the child dies with its keeper.
        unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) };
        return Ok(());
    }
    // SAFETY: whoever waits for the exec waits for this descriptor to close; nothing here needs any but the first three.
    unsafe { libc::close_range(3, u32::MAX, 0) };
    let mut status = 0;
    // SAFETY: `status` is a valid place for the status of our own child.
    unsafe { libc::waitpid(child, &raw mut status, 0) };
    // SAFETY: ends this process at once.
    unsafe { libc::_exit(i32::from(status != 0)) }
}

#[test]
fn a_holder_killed_in_another_pid_namespace_is_recovered() {
    for ends in ALL_ENDS {
        let (queue, name) = named("apart", options(ends));
        send_numbers(&mut queue.sender().unwrap(), 0..8);
        let Some((holder, outside)) = Apart::holder(&name, 5) else { return };
        let stat = queue.stat();
        assert_eq!(stat.endpoints.len(), 1);
        assert_eq!((stat.endpoints[0].liveness, stat.endpoints[0].pid), (Liveness::Alive, None), "{ends:?}");
        holder.kill(outside);
        let mut rx = queue.receiver().unwrap();
        let batch = rx.pull(8, LONG).unwrap();
        let got: Vec<(u64, bool)> =
            batch.iter().enumerate().map(|(i, bytes)| (number(bytes), batch.deliveries(i) == 2)).collect();
        assert_eq!(got, (0..8).map(|i| (i, i < 5)).collect::<Vec<_>>(), "{ends:?}");
        drop(batch);
        drop(rx);
        assert_eq!(queue.stat().totals.recovered, 1);
    }
}

#[test]
fn the_living_are_not_robbed_though_one_of_their_number_has_died() {
    for ends in ALL_ENDS {
        let (queue, name) = named("namesake", options(ends));
        send_numbers(&mut queue.sender().unwrap(), 0..4);
        let Some((holder, outside)) = Apart::holder(&name, 4) else { return };
        // Process 1 elsewhere looks, finds nothing, and is no more.
        let mut namesake = Apart::start(&format!("look-apart {}", &*name)).expect("one more namespace");
        let nothing = if ends.1 == Ends::Single { "1 taken by somebody elsewhere" } else { "1 0" };
        namesake.keeper.expect(nothing);
        assert!(namesake.keeper.finish().is_empty());
        assert_eq!(queue.stat().totals.recovered, 0, "{ends:?}");
        assert_eq!(queue.stat().endpoints[0].liveness, Liveness::Alive);
        holder.kill(outside);
        let mut heir = Apart::start(&format!("look-apart {}", &*name)).expect("one more namespace");
        heir.keeper.expect("1 4");
        assert!(heir.keeper.finish().is_empty());
    }
}

#[test]
fn a_zombie_is_dead() {
    for ends in ALL_ENDS {
        let (queue, name) = named("zombie", options(ends));
        send_numbers(&mut queue.sender().unwrap(), 0..6);
        let mut child = Process::start(&format!("hold {} 6", &*name));
        child.expect("0 1 2 3 4 5");
        child.signal(libc::SIGKILL);
        while child.hear().is_some() {}
        let mut rx = (0..LONG.as_millis()).find_map(|_| {
            std::thread::sleep(Duration::from_millis(1));
            queue.receiver().ok()
        });
        let rx = rx.as_mut().expect("the place of the dead");
        let batch = rx.pull(6, LONG).unwrap();
        assert_eq!(batch.iter().map(number).collect::<Vec<_>>(), [0, 1, 2, 3, 4, 5], "{ends:?}");
        assert!((0..6).all(|index| batch.deliveries(index) == 2));
        // Its locks have gone before the rest of it.
        let is_zombie = |_| {
            std::thread::sleep(Duration::from_millis(1));
            let stat = std::fs::read_to_string(format!("/proc/{}/stat", child.pid())).expect("nobody has collected it");
            stat.contains(") Z ")
        };
        assert!((0..LONG.as_millis()).any(is_zombie), "nobody has collected it");
    }
}
