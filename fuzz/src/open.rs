//! Opens a file of arbitrary bytes as a queue, and if that succeeds does everything that one can do with a queue.

use std::fs;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::sync::OnceLock;
use std::time::Duration;

use ringpost::layout::header::{HEADER_LEN, fingerprint};
use ringpost::{Options, Queue};

use super::input::OwnName;

const FINGERPRINT_AT: usize = HEADER_LEN - 8;
const CONTROL_AT: usize = 4096;
const TOTAL_AT: usize = 104;
/// Larger segments are not written out.
const MOST: usize = 1 << 20;

/// Whatever the bytes are, each step is a success or an error, never a crash and never a hang.
pub fn run(input: &[u8]) {
    let name = OwnName::new("fuzz-open");
    write_privately(&name.path(), &segment(input)).expect("shared memory can be written");
    if let Ok(queue) = Queue::open(&name) {
        use_it(&queue);
    }
}

/// With the mode that a queue's file has to have.
fn write_privately(path: &str, bytes: &[u8]) -> std::io::Result<()> {
    let mut file = fs::OpenOptions::new().create_new(true).write(true).mode(0o600).open(path)?;
    file.write_all(bytes)
}

/// A sound segment with parts of the input laid over it: the header first, then the control words and all behind them.
/// The header's fingerprint is made right, or nothing behind that check would ever be reached.
fn segment(input: &[u8]) -> Vec<u8> {
    let (settings, input) = input.split_first().unwrap_or((&0, &[]));
    let (header, rest) = input.split_at(input.len().min(if settings & 1 == 0 { HEADER_LEN } else { 0 }));
    let mut bytes = sound_segment();
    for (byte, change) in bytes.iter_mut().zip(header) {
        *byte ^= change;
    }
    for (byte, change) in bytes[CONTROL_AT..].iter_mut().zip(rest) {
        *byte ^= change;
    }
    if settings & 2 == 0 {
        let print = fingerprint(&bytes[..FINGERPRINT_AT]);
        bytes[FINGERPRINT_AT..HEADER_LEN].copy_from_slice(&print.to_ne_bytes());
        let total = u64::from_ne_bytes(bytes[TOTAL_AT..TOTAL_AT + 8].try_into().expect("eight bytes"));
        if let Ok(total @ HEADER_LEN..=MOST) = usize::try_from(total) {
            bytes.resize(total, 0xa5);
        }
    }
    bytes
}

fn sound_segment() -> Vec<u8> {
    static SOUND: OnceLock<Vec<u8>> = OnceLock::new();
    let make = || {
        let name = OwnName::new("fuzz-seed");
        let queue = Queue::create(&name, Options::new(64).max_len(24).endpoints(2)).expect("shared memory is there");
        queue.sender().expect("nobody else is there").send(b"seed").expect("it is empty");
        fs::read(name.path()).expect("it was made just now")
    };
    SOUND.get_or_init(make).clone()
}

fn use_it(queue: &Queue) {
    let _ = queue.stat();
    if let Ok(mut sender) = queue.sender() {
        let _ = sender.try_send(&vec![1; queue.max_len().min(64)]);
        let _ = sender.send_timeout(b"", Duration::ZERO);
    }
    if let Ok(mut receiver) = queue.receiver() {
        for _ in 0..4 {
            if let Ok(batch) = receiver.try_pull(3) {
                assert!(batch.iter().all(|message| message.len() <= queue.max_len()));
            }
        }
        if let Ok(batch) = receiver.try_pull(2) {
            batch.nack();
        }
    }
    queue.close();
}
