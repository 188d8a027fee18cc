//! What takes more than one process: this test program starts itself again, for one of the parts in [`part`].

use std::os::unix::process::CommandExt;
use std::process::{Command, Output};
use std::time::{Duration, SystemTime};

use super::*;
use crate::error::{CreateError, OpenError, RemoveError};

const PART: &str = "RINGPOST_TEST_PART";
const NAME: &str = "RINGPOST_TEST_NAME";
const START: &str = "RINGPOST_TEST_START_NS";
/// Every part that did what it should ends its output with this.
const DONE: &str = "part done";

/// Not a test by itself: what the started program runs.
#[test]
fn part() {
    let Ok(part) = std::env::var(PART) else { return };
    let name = Name::new(&std::env::var(NAME).unwrap()).unwrap();
    match part.as_str() {
        "create" => {
            let start: u64 = std::env::var(START).unwrap().parse().unwrap();
            while crate::os::identity::realtime_ns() < start {}
            match Segment::create(&name, &spec()) {
                Ok(_) => println!("created"),
                Err(CreateError::AlreadyExists { .. }) => println!("existed"),
                Err(error) => panic!("{error}"),
            }
        }
        "die" => {
            let _member = Segment::open(&name, &Accept::default()).unwrap();
            println!("{DONE}");
            // SAFETY: sends a signal to this very process.
            unsafe { libc::raise(libc::SIGKILL) };
        }
        "make-and-die" => {
            let _maker = Segment::create(&name, &Spec { mode: 0o666, ..ephemeral() }).unwrap();
            println!("{DONE}");
            // SAFETY: sends a signal to this very process.
            unsafe { libc::raise(libc::SIGKILL) };
        }
        "pass" => drop(Segment::open(&name, &Accept::default()).unwrap()),
        "foreign" => foreign(&name),
        "small" => small(&name),
        "without-proc" => without_proc(&name),
        other => panic!("no part {other}"),
    }
    println!("{DONE}");
}

/// Started as another user, with a segment of root's that only root may use.
fn foreign(name: &Name) {
    let accept = Accept::default();
    assert!(matches!(Segment::open(name, &accept), Err(OpenError::NotPermitted { .. })));
    assert!(matches!(remove(name, &accept), Err(RemoveError::NotPermitted { .. })));
    let open_to_all = Name::new(&format!("{name}-all")).unwrap();
    let segment = Segment::open(&open_to_all, &accept).unwrap();
    assert!(segment.reopen().is_ok());
    assert!(matches!(remove(&open_to_all, &accept), Err(RemoveError::NotPermitted { .. })));
    assert!(!segment.is_removed());
}

/// Started on a file system of 1 MiB.
fn small(name: &Name) {
    let big = Request { capacity: 1 << 15, ..request() };
    let error = Segment::create(name, &Spec { request: big, ..spec() }).unwrap_err();
    assert!(
        matches!(error, CreateError::NoSpace { needed, available } if needed > 2 << 20 && available <= 1 << 20),
        "{error}"
    );
    assert_eq!(std::fs::read_dir("/dev/shm").unwrap().count(), 0, "something was left");
    let half = Request { capacity: 1 << 13, ..request() };
    let one = Segment::create(name, &Spec { request: half, ..spec() }).unwrap();
    let other = Name::new("other").unwrap();
    let error = Segment::create(&other, &Spec { request: half, ..spec() }).unwrap_err();
    assert!(matches!(error, CreateError::NoSpace { .. }), "{error}");
    drop(one);
    remove(name, &Accept::default()).unwrap();
    Segment::create(&other, &Spec { request: half, prefault: true, ..spec() }).unwrap();
    remove(&other, &Accept::default()).unwrap();
    assert_eq!(std::fs::read_dir("/dev/shm").unwrap().count(), 0, "something was left");
}

/// Started where `/proc` is empty: linking by descriptor does not work, nor does reopening by descriptor.
fn without_proc(name: &Name) {
    assert!(!std::fs::exists("/proc/self").unwrap());
    let segment = Segment::create(name, &ephemeral()).unwrap();
    assert_eq!(Segment::create(name, &spec()).unwrap_err(), CreateError::AlreadyExists { name: name.as_str().into() });
    let own = segment.reopen().unwrap();
    assert!(crate::os::lock::try_write(&own, segment.row_lock_offset(0)).unwrap());
    assert_eq!(crate::os::identity::pid_namespace(), 0);
    drop(segment);
    assert_eq!(std::fs::read_dir("/dev/shm").unwrap().count(), 0, "something was left");
}

fn myself(part: &str, name: &Name) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "segment::tests::processes::part", "--nocapture", "--test-threads=1"]);
    command.env(PART, part).env(NAME, name.as_str());
    command
}

fn said(output: &Output, text: &str) -> bool {
    String::from_utf8_lossy(&output.stdout).contains(text)
}

#[test]
fn of_two_processes_one_creates() {
    for _ in 0..5 {
        let name = Unique::new("processes");
        let start = SystemTime::now() + Duration::from_millis(100);
        let start = start.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_nanos();
        let children = [(); 2].map(|()| {
            let mut command = myself("create", &name.0);
            command.env(START, start.to_string()).stdout(std::process::Stdio::piped()).spawn().unwrap()
        });
        let outputs = children.map(|child| child.wait_with_output().unwrap());
        assert!(outputs.iter().all(|output| said(output, DONE)), "{outputs:?}");
        assert_eq!(outputs.iter().filter(|output| said(output, "created")).count(), 1, "{outputs:?}");
        open(&name).unwrap();
    }
}

#[test]
fn a_killed_member_does_not_keep_an_ephemeral_segment() {
    let name = Unique::new("killed");
    let made = create(&name, &ephemeral());
    let output = myself("die", &name.0).output().unwrap();
    assert!(said(&output, DONE) && !output.status.success(), "{output:?}");
    assert!(name.exists());
    drop(made);
    assert!(!name.exists());
}

#[test]
fn a_forked_child_neither_leaves_nor_removes() {
    let name = Unique::new("forked");
    let made = create(&name, &ephemeral());
    // SAFETY: the child drops one value (which frees memory, as glibc allows after fork) and ends with `_exit`.
    let pid = unsafe { libc::fork() };
    if pid == 0 {
        drop(made);
        // SAFETY: ends the child at once, without running the parent's destructors.
        unsafe { libc::_exit(0) };
    }
    let mut status = 0;
    // SAFETY: `status` is a valid place for the exit status of our own child.
    let waited = unsafe { libc::waitpid(pid, &raw mut status, 0) };
    assert_eq!((waited, status), (pid, 0));
    assert!(name.exists() && !made.is_removed());
    let probe = made.reopen().unwrap();
    assert!(crate::os::lock::is_locked_by_other(&probe, 0).unwrap(), "the child gave the parent's lock back");
    drop(made);
    assert!(!name.exists());
}

#[test]
fn another_user_is_not_permitted() {
    if !is_root() {
        return;
    }
    let name = Unique::new("foreign");
    let open_to_all = Unique(Name::new(&format!("{}-all", name.0)).unwrap());
    let _private = create(&name, &spec());
    let _public = create(&open_to_all, &Spec { mode: 0o666, ..spec() });
    match myself("foreign", &name.0).uid(65534).gid(65534).output() {
        Ok(output) => assert!(said(&output, DONE), "{output:?}"),
        Err(error) => println!("skipped: another user cannot run this program: {error}"),
    }
    assert!(name.exists() && open_to_all.exists());
}

#[test]
fn the_last_one_out_leaves_what_it_may_not_unlink_fit_for_use() {
    if !is_root() {
        return;
    }
    let name = Unique::new("stays");
    let output = myself("make-and-die", &name.0).output().unwrap();
    assert!(said(&output, DONE), "{output:?}");
    for _ in 0..2 {
        match myself("pass", &name.0).uid(65534).gid(65534).output() {
            Ok(output) => assert!(said(&output, DONE), "{output:?}"),
            Err(error) => println!("skipped: another user cannot run this program: {error}"),
        }
        assert!(name.exists());
    }
    drop(open(&name).unwrap());
    assert!(!name.exists());
}

/// Runs a part in a mount namespace of its own, after `prepare` has run there. Says so if that is not permitted.
fn in_own_mounts(part: &str, prepare: &str) {
    let name = Unique::new(part);
    let inner = myself(part, &name.0);
    let mut command = Command::new("unshare");
    command.args(["-m", "sh", "-c", &format!("({prepare}) || exit 77; exec \"$0\" \"$@\"")]);
    command.arg(inner.get_program()).args(inner.get_args());
    command.env(PART, part).env(NAME, name.0.as_str());
    match command.output() {
        Ok(output) if said(&output, "running 1 test") => assert!(said(&output, DONE), "{output:?}"),
        other => println!("skipped: no mount namespace of our own: {other:?}"),
    }
    assert!(!name.exists());
}

#[test]
fn a_full_file_system_is_an_error_and_nothing_is_left() {
    in_own_mounts("small", "mount -t tmpfs -o size=1m tmpfs /dev/shm");
}

#[test]
fn without_proc_there_is_another_way() {
    in_own_mounts("without-proc", "mount -t tmpfs tmpfs /dev/shm && mount -t tmpfs tmpfs /proc");
}
