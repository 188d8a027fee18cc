//! Exit status 6, and that nothing in a segment makes the tool panic or hang.

use std::fs::{self, OpenOptions};
use std::os::unix::fs::FileExt;

use crate::run::{ALL_ENDS, Name, create, create_with, ok, run, run_with};

/// Bytes of a header, and where the checked parts of it lie.
const HEADER: usize = 1024;
const CONTROL: u64 = 4096;
const VERSION_AT: u64 = 12;

/// Numbers that look random and are the same each time.
struct Random(u64);

impl Random {
    /// Source: Marsaglia, "Xorshift RNGs", Journal of Statistical Software 8(14), 2003.
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn bytes(&mut self, count: usize) -> Vec<u8> {
        (0..count).map(|_| self.next() as u8).collect()
    }
}

fn overwrite(name: &Name, offset: u64, bytes: &[u8]) {
    let file = OpenOptions::new().write(true).open(name.path()).expect("the queue's file");
    file.write_all_at(bytes, offset).expect("room in the file");
}

fn flip(name: &Name, offset: u64, bits: u8) {
    let file = OpenOptions::new().read(true).write(true).open(name.path()).expect("the queue's file");
    let mut byte = [0];
    file.read_exact_at(&mut byte, offset).expect("a byte there");
    file.write_all_at(&[byte[0] ^ bits], offset).expect("room in the file");
}

/// A queue with two messages in it.
fn filled() -> Name {
    let name = create("corrupt", "--capacity 64 --max-len 64");
    ok(["send", &*name, "one", "two"]);
    name
}

#[track_caller]
fn assert_refused(name: &Name, words: &[&str]) {
    run(["stat", &**name]).failed(6, words);
    run(["stat", &**name, "--json"]).failed(6, words);
    run(["send", &**name, "x"]).failed(6, words);
    run_with(["send", &**name], b"x\n").failed(6, words);
    run(["pull", &**name]).failed(6, words);
    run(["pull", &**name, "--follow", "--wait", "1m"]).failed(6, words);
    // Listed with what is wrong, so that it can be found and removed.
    let line =
        ok(["ls"]).lines().into_iter().find(|line| line.starts_with(&format!("{} ", &**name))).map(str::to_owned);
    assert!(line.as_ref().is_some_and(|line| line.contains("cannot be opened: the segment is")), "{line:?}");
    let document = crate::run::json(["ls", "--json"]);
    let ours = document.as_array().expect("a list").iter().find(|entry| entry["name"] == **name).expect("in the list");
    assert!(ours["error"].as_str().expect("an error").contains("the segment is"), "{ours}");
    ok(["rm", &**name]);
    assert!(!name.path().exists());
}

#[test]
fn any_flipped_byte_of_the_header() {
    let name = create("flip", "--capacity 64 --max-len 64");
    for offset in 0..HEADER as u64 {
        flip(&name, offset, 1 << (offset % 8));
        run(["stat", &*name]).failed(6, &["found"]);
        flip(&name, offset, 1 << (offset % 8));
    }
    ok(["stat", &*name]);
}

#[test]
fn a_flipped_byte_is_refused_by_every_command() {
    for offset in [0, 8, 40, 200, 511] {
        let name = filled();
        flip(&name, offset, 0x10);
        assert_refused(&name, &["should be", "found", "remove the queue"]);
    }
}

#[test]
fn a_size_that_is_wrong() {
    for change in [-4096, -1, 1, 4096, 1 << 20] {
        let name = filled();
        let file = OpenOptions::new().write(true).open(name.path()).expect("the queue's file");
        let len = file.metadata().expect("its size").len().checked_add_signed(change).expect("a size");
        file.set_len(len).expect("room in the file");
        let found = format!("found {len:#x}");
        assert_refused(&name, &["corrupt", "size of the file in bytes should be", &found]);
    }
}

#[test]
fn a_file_that_was_never_a_queue() {
    let mut random = Random(0x5eed);
    for len in [0, 1, 1023, 1024, 4096, 100_000] {
        let name = Name::new("never");
        fs::write(name.path(), random.bytes(len)).expect("room in shared memory");
        let permissions = std::os::unix::fs::PermissionsExt::from_mode(0o600);
        fs::set_permissions(name.path(), permissions).expect("our own file");
        run(["create", &*name, "--capacity", "64", "--max-len", "16"]).failed(4, &["is taken"]);
        assert_refused(&name, &["corrupt", "should be", "found", "remove the queue"]);
    }
}

#[test]
fn another_version() {
    let name = filled();
    overwrite(&name, VERSION_AT, &99_u32.to_ne_bytes());
    let words = ["incompatible", "format version should be 0x9", "found 0x63", "use the version of ringpost"];
    assert_refused(&name, &words);
}

#[test]
fn the_other_byte_order() {
    let name = filled();
    overwrite(&name, 0, &u64::from_le_bytes(*b"RINGPOST").swap_bytes().to_ne_bytes());
    assert_refused(&name, &["incompatible", "byte order"]);
}

/// Random bytes behind a good header: whatever comes of it is one of the listed statuses.
#[test]
fn random_words_and_slots() {
    let mut random = Random(0xf00d);
    for round in 0..24_u64 {
        let name = create_with(ALL_ENDS[round as usize % 4], "random", "--max-len 64");
        ok(["send", &*name, "one", "two", "three"]);
        let len = fs::metadata(name.path()).expect("the queue's file").len();
        let from = CONTROL + random.next() % (len - CONTROL);
        let count = (random.next() % 8192).min(len - from) as usize;
        overwrite(&name, from, &random.bytes(count));
        for args in [
            vec!["stat", &name],
            vec!["stat", &name, "--json"],
            vec!["peek", &name, "--held", "--format", "json"],
            vec!["doctor", &name, "--watch", "1ms", "--json"],
            vec!["send", &name, "--timeout", "20ms", "x", "y"],
            vec!["pull", &name, "--size", "5", "--timeout", "20ms", "--format", "hex"],
            vec!["pull", &name, "--follow", "--timeout", "20ms", "--format", "json"],
        ] {
            let done = run(&args);
            assert!(matches!(done.code(), Some(0 | 1 | 3 | 5 | 6)), "round {round}, {args:?}: {done:?}");
            assert_eq!(done.code() == Some(0), done.err.is_empty(), "round {round}, {args:?}: {done:?}");
        }
        ok(["rm", &*name]);
    }
}

/// Random single bits behind a good header.
#[test]
fn random_bits() {
    let mut random = Random(0xb175);
    for round in 0..24_u64 {
        let name = create_with(ALL_ENDS[round as usize % 4], "bits", "--max-len 16");
        ok(["send", &*name, "one", "two", "three"]);
        for _ in 0..8 {
            // The cursors and signals, the first rows, or the first slots.
            let from = [4096, 4608, 16384][random.next() as usize % 3];
            flip(&name, from + random.next() % 384, 1 << (random.next() % 8));
        }
        for args in [
            vec!["pull", &*name, "--size", "5", "--timeout", "20ms"],
            vec!["send", &*name, "--timeout", "20ms", "x"],
            vec!["stat", &*name],
            vec!["peek", &*name, "--held", "--format", "hex"],
            vec!["doctor", &*name, "--watch", "0s", "--fix"],
        ] {
            let done = run(&args);
            assert!(matches!(done.code(), Some(0 | 1 | 3 | 5 | 6)), "round {round}, {args:?}: {done:?}");
        }
    }
}
