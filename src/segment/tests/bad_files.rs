//! What has the name and is not a segment, or not one to be trusted.

use std::fs::{File, OpenOptions, Permissions};
use std::os::unix::fs::{FileExt, PermissionsExt, chown, symlink};

use super::*;
use crate::error::{CreateError, OpenError, RemoveError};
use crate::layout::header::HEADER_LEN;

fn raw(name: &Unique) -> File {
    OpenOptions::new().read(true).write(true).open(name.path()).unwrap()
}

#[test]
fn every_changed_bit_of_the_header_is_noticed() {
    let name = Unique::new("bits");
    drop(create(&name, &spec()));
    let file = raw(&name);
    let mut good = [0; HEADER_LEN];
    file.read_exact_at(&mut good, 0).unwrap();
    for bit in 0..HEADER_LEN * 8 {
        let bad = good[bit / 8] ^ 1 << (bit % 8);
        file.write_all_at(&[bad], (bit / 8) as u64).unwrap();
        assert!(matches!(open(&name), Err(OpenError::Fault(_))), "bit {bit}");
        file.write_all_at(&good[bit / 8..=bit / 8], (bit / 8) as u64).unwrap();
    }
    open(&name).unwrap();
}

#[test]
fn a_file_of_another_size_or_with_other_bytes_is_a_fault_and_can_be_removed() {
    type Spoil = fn(&File, u64);
    let table: [(&str, Spoil); 7] = [
        ("empty", |file, _| file.set_len(0).unwrap()),
        ("one-byte", |file, _| file.set_len(1).unwrap()),
        ("header-less-one", |file, _| file.set_len(HEADER_LEN as u64 - 1).unwrap()),
        ("header-only", |file, _| file.set_len(HEADER_LEN as u64).unwrap()),
        ("one-byte-short", |file, total| file.set_len(total - 1).unwrap()),
        ("one-byte-long", |file, total| file.set_len(total + 1).unwrap()),
        ("random", |file, total| {
            for offset in (0..total).step_by(16) {
                let bits = crate::os::identity::random_128().unwrap();
                file.write_all_at(&bits.to_ne_bytes(), offset).unwrap();
            }
        }),
    ];
    for (label, spoil) in table {
        let name = Unique::new(label);
        let total = create(&name, &spec()).header().geometry.total;
        spoil(&raw(&name), total);
        let fault = open(&name).unwrap_err();
        assert!(matches!(&fault, OpenError::Fault(fault) if fault.expected != fault.found), "{label}: {fault}");
        assert!(fault.to_string().contains("remove the queue"), "{label}: {fault}");
        let found = list(&Accept::default()).unwrap().into_iter().find(|listed| listed.name == name.0).unwrap();
        assert_eq!(found.found, Err(fault), "{label}");
        remove(&name.0, &Accept::default()).unwrap();
        assert!(!name.exists(), "{label}");
    }
}

#[test]
fn what_is_no_regular_file_is_neither_opened_nor_removed_nor_replaced() {
    type Squat = fn(&Unique);
    let table: [(&str, &str, Squat); 5] = [
        ("link", "a symbolic link", |name| {
            let target = name.path().with_extension("target");
            File::create(&target).unwrap();
            symlink(&target, name.path()).unwrap();
        }),
        ("dangling", "a symbolic link", |name| symlink("/nowhere/at/all", name.path()).unwrap()),
        ("directory", "a directory", |name| std::fs::create_dir(name.path()).unwrap()),
        ("fifo", "a FIFO", |name| {
            nix::unistd::mkfifo(&name.path(), nix::sys::stat::Mode::S_IRWXU).unwrap();
        }),
        ("socket", "a device or a socket", |name| {
            drop(std::os::unix::net::UnixListener::bind(name.path()).unwrap());
        }),
    ];
    for (label, expected, squat) in table {
        let name = Unique::new(label);
        squat(&name);
        let opened = open(&name).unwrap_err();
        assert!(matches!(&opened, OpenError::NameTaken { why, .. } if *why == expected), "{label}: {opened}");
        let removed = remove(&name.0, &Accept::default()).unwrap_err();
        assert!(matches!(&removed, RemoveError::NameTaken { why, .. } if *why == expected), "{label}: {removed}");
        let created = Segment::create(&name.0, &spec()).unwrap_err();
        assert!(matches!(created, CreateError::AlreadyExists { .. }), "{label}: {created}");
        assert!(name.exists(), "{label}");
        let _ = std::fs::remove_file(name.path().with_extension("target"));
    }
}

#[test]
fn a_foreign_owner_is_refused_unless_accepted() {
    if !is_root() {
        return;
    }
    let name = Unique::new("owner");
    drop(create(&name, &spec()));
    chown(name.path(), Some(12345), None).unwrap();
    assert!(matches!(open(&name), Err(OpenError::NameTaken { uid: 12345, .. })));
    assert!(matches!(remove(&name.0, &Accept::default()), Err(RemoveError::NameTaken { uid: 12345, .. })));
    assert!(name.exists());
    let accept = Accept::default().owner(12345);
    drop(Segment::open(&name.0, &accept).unwrap());
    remove(&name.0, &accept).unwrap();
    assert!(!name.exists());
}

#[test]
fn readers_who_may_not_write_are_refused() {
    for mode in [0o640, 0o644, 0o604, 0o620, 0o400, 0o700, 0o1600, 0o4666] {
        let name = Unique::new("mode");
        let refused = Segment::create(&name.0, &Spec { mode, ..spec() }).unwrap_err();
        assert_eq!(refused, CreateError::InvalidMode { mode });
        assert!(!name.exists());
    }
    let name = Unique::new("chmod");
    drop(create(&name, &Spec { mode: 0o666, ..spec() }));
    std::fs::set_permissions(name.path(), Permissions::from_mode(0o640)).unwrap();
    assert_eq!(open(&name).unwrap_err(), OpenError::InvalidMode { mode: 0o640 });
    remove(&name.0, &Accept::default()).unwrap();
    assert!(!name.exists());
}

#[test]
fn options_out_of_range_are_refused_and_leave_nothing() {
    let name = Unique::new("range");
    let spec = Spec { request: Request { capacity: 0, ..request() }, ..spec() };
    let error = Segment::create(&name.0, &spec).unwrap_err();
    assert!(matches!(error, CreateError::InvalidOptions(e) if e.what == "capacity" && e.found == 0));
    assert!(!name.exists());
}

#[test]
fn more_than_there_is_is_no_space() {
    let name = Unique::new("huge");
    let spec = Spec { request: Request { capacity: 1 << 22, max_len: 1 << 20, ..request() }, ..spec() };
    let error = Segment::create(&name.0, &spec).unwrap_err();
    assert!(matches!(error, CreateError::NoSpace { needed, available } if needed > available), "{error}");
    assert!(!name.exists());
}

#[test]
fn what_is_not_there_is_not_found() {
    let name = Unique::new("nothing");
    assert!(matches!(open(&name), Err(OpenError::NotFound { .. })));
    assert!(matches!(remove(&name.0, &Accept::default()), Err(RemoveError::NotFound { .. })));
}
