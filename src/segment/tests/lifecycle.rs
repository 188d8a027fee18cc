//! From creation to removal, with several members.

use std::os::unix::fs::FileExt;
use std::sync::Barrier;
use std::time::{Duration, Instant};

use super::super::create::create_once;
use super::*;
use crate::error::{CreateError, OpenError};
use crate::layout::header::MessageType;
use crate::os::{draft, futex, lock};
use crate::sync::Ordering;

#[test]
fn what_one_writes_another_reads() {
    let name = Unique::new("share");
    let message_type = Some(MessageType { name: "x".repeat(300), hash: 5 });
    let made = Arc::new(create(&name, &Spec { message_type, huge_pages: true, prefault: true, ..spec() }));
    let opened = Arc::new(open(&name).unwrap());
    assert_eq!(made.header(), opened.header());
    assert_eq!(opened.name(), Some(&name.0));
    made.control().tail.store(7, Ordering::Relaxed);
    made.row(5).unwrap().sent.store(8, Ordering::Relaxed);
    made.slots().slot(63).word().store(9, Ordering::Relaxed);
    assert_eq!(opened.control().tail.load(Ordering::Relaxed), 7);
    assert_eq!(opened.row(5).unwrap().sent.load(Ordering::Relaxed), 8);
    assert_eq!(opened.slots().slot(63).word().load(Ordering::Relaxed), 9);
    assert!(opened.row(6).is_none() && opened.row(usize::MAX).is_none());
}

#[test]
fn both_ways_of_making_refuse_a_taken_name_and_give_the_mode() {
    use std::os::unix::fs::MetadataExt;
    for way in [draft::create_unnamed, draft::create_temporary] {
        let name = Unique::new("way");
        let made = create_once(&name.0, &Spec { mode: 0o666, ..spec() }, way).unwrap().unwrap();
        assert_eq!(std::fs::metadata(name.path()).unwrap().mode() & 0o7777, 0o666);
        let again = create_once(&name.0, &spec(), way).unwrap_err();
        assert_eq!(again, CreateError::AlreadyExists { name: name.0.as_str().into() });
        assert_eq!(open(&name).unwrap().header().id, made.header().id);
    }
    let own = format!(".ringpost.tmp.{}.", std::process::id());
    let left = std::fs::read_dir("/dev/shm").unwrap().flatten();
    // Another test's temporaries hold their lock; ours are gone.
    let left = left.filter(|entry| entry.file_name().to_str().is_some_and(|name| name.starts_with(&own)));
    for entry in left {
        let file = std::fs::File::options().read(true).write(true).open(entry.path());
        // Or it goes away in a moment: another test is just dropping it.
        let locked = file.is_ok_and(|file| lock::is_locked_by_other(&file, 0).unwrap());
        assert!(locked || shm::patiently(|| Ok(!entry.path().exists())).unwrap(), "{entry:?}");
    }
}

#[test]
fn of_two_threads_one_creates() {
    for _ in 0..50 {
        let name = Unique::new("threads");
        let barrier = Barrier::new(2);
        let attempt = || {
            barrier.wait();
            Segment::create(&name.0, &spec()).map(|segment| segment.header().id)
        };
        let results =
            std::thread::scope(|scope| [scope.spawn(attempt), scope.spawn(attempt)].map(|t| t.join().unwrap()));
        assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 1, "{results:?}");
        let id = *results.iter().flatten().next().unwrap();
        assert_eq!(open(&name).unwrap().header().id, id);
        assert!(results.contains(&Err(CreateError::AlreadyExists { name: name.0.as_str().into() })));
    }
}

#[test]
fn the_last_one_out_removes_an_ephemeral_segment() {
    let name = Unique::new("last");
    let made = create(&name, &ephemeral());
    let opened = open(&name).unwrap();
    drop(made);
    assert!(name.exists() && !opened.is_removed());
    drop(opened);
    assert!(!name.exists());
}

#[test]
fn of_two_who_leave_at_once_one_removes() {
    for _ in 0..200 {
        let name = Unique::new("leave");
        let barrier = Barrier::new(2);
        let members = [create(&name, &ephemeral()), open(&name).unwrap()];
        std::thread::scope(|scope| {
            for member in members {
                scope.spawn(|| {
                    barrier.wait();
                    drop(member);
                });
            }
        });
        assert!(!name.exists());
    }
}

#[test]
fn joining_and_leaving_an_ephemeral_segment_never_gives_a_dead_one() {
    let name = Unique::new("churn");
    let end = Instant::now() + Duration::from_secs(60);
    let work = || {
        let mut met = 0;
        while met < 300 {
            assert!(Instant::now() < end, "met only {met}");
            let segment = match Segment::create(&name.0, &ephemeral()) {
                Ok(segment) => segment,
                Err(CreateError::AlreadyExists { .. }) => match open(&name) {
                    Ok(segment) => segment,
                    Err(OpenError::NotFound { .. } | OpenError::Removed { .. }) => continue,
                    Err(error) => panic!("{error}"),
                },
                Err(error) => panic!("{error}"),
            };
            assert!(!segment.is_removed());
            met += 1;
        }
    };
    std::thread::scope(|scope| [(); 3].map(|()| scope.spawn(work)).map(|thread| thread.join().unwrap()));
    assert!(!name.exists());
}

#[test]
fn a_kept_segment_outlives_its_members() {
    let name = Unique::new("kept");
    let id = create(&name, &spec()).header().id;
    assert_eq!(open(&name).unwrap().header().id, id);
}

#[test]
fn removal_is_seen_wakes_sleepers_and_frees_the_name() {
    let name = Unique::new("removal");
    let held = create(&name, &spec());
    std::thread::scope(|scope| {
        let sleeper = scope.spawn(|| {
            let word = &held.control().signals.not_empty.word;
            while !held.is_removed() {
                futex::wait(word, 0, Some(Duration::from_secs(20)));
            }
        });
        std::thread::sleep(Duration::from_millis(20));
        let before = Instant::now();
        remove(&name.0, &Accept::default()).unwrap();
        sleeper.join().unwrap();
        assert!(before.elapsed() < Duration::from_secs(10), "nobody woke the sleeper");
    });
    assert!(!name.exists());
    assert_eq!(held.control().signals.not_full.word.load(Ordering::Relaxed), 2);
    let next = create(&name, &spec());
    assert_ne!(next.header().id, held.header().id);
    assert!(!next.is_removed());
}

#[test]
fn one_who_leaves_late_does_not_unlink_a_successor() {
    let name = Unique::new("successor");
    let old = create(&name, &ephemeral());
    remove(&name.0, &Accept::default()).unwrap();
    let next = create(&name, &spec());
    drop(old);
    assert!(name.exists());
    assert_eq!(open(&name).unwrap().header().id, next.header().id);
}

#[test]
fn a_removal_that_stopped_half_way_is_finished_by_who_comes_next() {
    let name = Unique::new("half");
    let stale = create(&name, &spec());
    stale.control().signals.removed.store(1, Ordering::Relaxed);
    assert!(matches!(open(&name), Err(OpenError::NotFound { .. })));
    assert!(!name.exists());
    create(&name, &spec());
}

#[test]
fn a_reopened_file_has_locks_of_its_own_even_after_removal() {
    let name = Unique::new("reopen");
    let segment = create(&name, &spec());
    let offset = segment.row_lock_offset(1);
    assert_eq!(offset, 4608 + 128);
    let one = segment.reopen().unwrap();
    assert!(lock::try_write(&one, offset).unwrap());
    remove(&name.0, &Accept::default()).unwrap();
    let other = segment.reopen().unwrap();
    assert!(!lock::try_write(&other, offset).unwrap());
    assert!(lock::is_locked_by_other(&other, offset).unwrap());
    drop(one);
    // Patiently: a process that another test is just starting has copies of all descriptors for a moment.
    assert!(shm::patiently(|| lock::try_write(&other, offset)).unwrap());
    let mut magic = [0; 8];
    other.read_exact_at(&mut magic, 0).unwrap();
    assert_eq!(&magic, &0x5453_4f50_474e_4952_u64.to_ne_bytes());
}

#[test]
fn the_heap_twin_has_no_file() {
    let heap = Arc::new(Segment::heap(&spec()).unwrap());
    assert!(heap.file().is_none() && heap.name().is_none() && heap.reopen().is_err());
    assert_eq!(heap.header().geometry, crate::layout::geometry::Geometry::plan(request()).unwrap());
    assert!(heap.row(5).is_some() && heap.row(6).is_none());
    assert!(!heap.is_removed());
}
