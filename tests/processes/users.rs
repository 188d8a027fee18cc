//! Processes of different users over one queue. Needs the superuser, who alone can become others.

use std::os::unix::process::CommandExt;
use std::process::Command;
use std::time::Duration;

use ringpost::{Accept, OpenError, Options, Queue};

use crate::common::{LONG, UniqueName, number, send_numbers};
use crate::run::{Process, say};

/// Who makes the queue, who shares it, and who has no business there: users without rights of their own.
const OWNER: u32 = 65_533;
const SHARER: u32 = 65_532;
const STRANGER: u32 = 65_531;
/// The group of the first two, and of the last.
const GROUP: u32 = 65_530;
const NO_GROUP: u32 = 65_529;

/// Makes a queue, sends 8 messages, and holds the first three: name, mode.
pub fn own(role: &[String]) {
    let mode = u32::from_str_radix(&role[1], 8).expect("a mode");
    let queue = Queue::create(&role[0], Options::new(64).max_len(8).mode(mode)).expect("a new queue");
    send_numbers(&mut queue.sender().expect("a place"), 0..8);
    let mut rx = queue.receiver().expect("a place");
    let batch = rx.pull(3, LONG).expect("messages");
    say(&format!("{:?}", batch.iter().map(number).collect::<Vec<_>>()));
    std::thread::sleep(LONG);
}

/// Receives what it can get, then waits for three that come back, and holds them: name.
pub fn share(role: &[String]) {
    let queue = Queue::open_with(&role[0], &Accept::default().owner(OWNER)).expect("a shared queue");
    let mut rx = queue.receiver().expect("a place");
    let rest = rx.pull(8, Duration::from_millis(300)).expect("messages");
    say(&format!("{:?}", rest.iter().map(number).collect::<Vec<_>>()));
    drop(rest);
    let batch = rx.pull(3, LONG).expect("messages that come back");
    let again: Vec<_> =
        batch.iter().enumerate().map(|(index, bytes)| (number(bytes), batch.deliveries(index))).collect();
    say(&format!("{again:?}"));
    std::thread::sleep(LONG);
}

/// Says what becomes of opening, and of removing: name.
pub fn intrude(role: &[String]) {
    let accept = Accept::default().owner(OWNER);
    let opened = match Queue::open_with(&role[0], &accept) {
        Ok(queue) => format!("size {}", queue.size()),
        Err(OpenError::NotPermitted { .. }) => "not permitted".to_owned(),
        Err(error) => error.to_string(),
    };
    let unasked = match Queue::open(&role[0]) {
        Err(OpenError::NameTaken { uid, .. }) => format!("of user {uid}"),
        other => format!("{other:?}"),
    };
    let removed = match ringpost::remove_with(&role[0], &accept) {
        Err(ringpost::RemoveError::NotPermitted { .. }) => "not permitted".to_owned(),
        other => format!("{other:?}"),
    };
    say(&format!("{opened}; {unasked}; {removed}"));
}

/// A child of that user and group, in no other group. `None` where that cannot be, which is said.
fn start_as(user: u32, group: u32, role: &str) -> Option<Process> {
    let change = |command: &mut Command| {
        command.uid(user).gid(group);
    };
    match Process::start_with(role, change) {
        Ok(process) => Some(process),
        Err(error) => {
            eprintln!("skipped: no process of another user can be started here: {error}");
            None
        }
    }
}

/// The queue of another user, which goes with this.
struct Foreign(UniqueName);

impl Drop for Foreign {
    fn drop(&mut self) {
        // There may be none.
        let _ = ringpost::remove_with(&self.0, &Accept::default().owner(OWNER));
    }
}

#[test]
fn users_of_a_group_recover_each_other() {
    for mode in ["660", "666"] {
        let name = Foreign(UniqueName::new("users"));
        let name = &*name.0;
        let Some(mut owner) = start_as(OWNER, GROUP, &format!("own {name} {mode}")) else { return };
        owner.expect("[0, 1, 2]");
        let group = if mode == "660" { GROUP } else { NO_GROUP };
        let mut sharer = start_as(SHARER, group, &format!("share {name}")).expect("one more user");
        sharer.expect("[3, 4, 5, 6, 7]");
        drop(owner.kill());
        sharer.expect("[(0, 2), (1, 2), (2, 2)]");
        drop(sharer.kill());
        let queue = Queue::open_with(name, &Accept::default().owner(OWNER)).expect("the superuser may");
        let mut rx = queue.receiver().unwrap();
        let batch = rx.pull(3, LONG).unwrap();
        let got: Vec<_> = batch.iter().enumerate().map(|(i, bytes)| (number(bytes), batch.deliveries(i))).collect();
        assert_eq!(got, [(0, 3), (1, 3), (2, 3)]);
    }
}

#[test]
fn a_user_without_rights_learns_it() {
    for (mode, opened) in [("600", "not permitted"), ("660", "not permitted"), ("666", "size 5")] {
        let name = Foreign(UniqueName::new("intruder"));
        let name = &*name.0;
        let Some(mut owner) = start_as(OWNER, GROUP, &format!("own {name} {mode}")) else { return };
        owner.expect("[0, 1, 2]");
        let mut stranger = start_as(STRANGER, NO_GROUP, &format!("intrude {name}")).expect("one more user");
        stranger.expect(&format!("{opened}; of user {OWNER}; not permitted"));
        assert!(stranger.finish().is_empty());
    }
}
