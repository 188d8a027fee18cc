//! The files of segments, looked at from outside of the library.

use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::ops::Range;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use crate::Result;

/// Where segments are, and how their files begin (docs/FORMAT.md).
const DIRECTORY: &str = "/dev/shm";
const PREFIX: &str = "ringpost.q.";
/// How the names of this program begin.
const OWN_PREFIX: &str = "crash.";
const TEMPORARY_PREFIX: &str = ".ringpost.tmp.";
/// The event words, whose lowest bit says that somebody sleeps (docs/FORMAT.md: control block).
const EVENT_WORDS: [u64; 2] = [4096 + 416, 4096 + 424];

/// The name of the dead-letter queue in the header, its length, and the fingerprint of all before itself (docs/FORMAT.md).
const DEAD_LETTER: Range<usize> = 504..704;
const DEAD_LETTER_LEN: Range<usize> = 140..144;
const FINGERPRINT: Range<usize> = 1016..1024;

/// Removes what others of this program left that were ended in the middle.
pub fn clear_stale() -> Result<()> {
    for entry in fs::read_dir(DIRECTORY)? {
        let path = entry?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let pid = name.strip_prefix(PREFIX).and_then(|name| name.strip_prefix(OWN_PREFIX)?.split('.').next());
        if pid.is_some_and(|pid| !Path::new("/proc").join(pid).exists()) {
            // It may be another user's.
            let _ = fs::remove_file(path);
        }
    }
    Ok(())
}

/// A name of ours. What has it, and its dead-letter queue, is unlinked when this is dropped.
pub struct OwnName(String);

impl OwnName {
    /// A name that nothing else has, with `tag` in it.
    pub fn new(tag: &str) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        Self(format!("{OWN_PREFIX}{}.{tag}.{number}", std::process::id()))
    }

    /// The file that has the name, if one has.
    pub fn path(&self) -> PathBuf {
        path(&self.0)
    }

    /// The file of its dead-letter queue, if there is one.
    pub fn dead_path(&self) -> PathBuf {
        path(&dead(&self.0))
    }

    /// Unlinks whatever has the name, and its dead-letter queue.
    pub fn clear(&self) {
        // Most often nothing has it.
        let _ = fs::remove_file(self.path());
        let _ = fs::remove_file(self.dead_path());
    }

    /// Makes a file of that name with exactly these bytes, as a kill would leave them: nobody has a lock on it.
    pub fn write(&self, bytes: &[u8]) -> Result<()> {
        self.clear();
        write(&self.path(), bytes)
    }

    /// The same of a queue and its dead-letter queue, which go by other names now.
    pub fn write_both(&self, bytes: &[u8], dead_letters: Option<&[u8]>) -> Result<()> {
        self.write(&redirected(bytes, &dead(self)))?;
        dead_letters.map_or(Ok(()), |bytes| write(&self.dead_path(), bytes))
    }
}

impl std::ops::Deref for OwnName {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl Drop for OwnName {
    fn drop(&mut self) {
        self.clear();
    }
}

/// The dead-letter queue of a queue, if it has one.
pub fn dead(name: &str) -> String {
    format!("{name}.dead")
}

/// The bytes of a segment with `dead` for its dead-letter queue, if it has one.
fn redirected(bytes: &[u8], dead: &str) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    if bytes[DEAD_LETTER_LEN] != [0; 4] {
        bytes[DEAD_LETTER_LEN].copy_from_slice(&(dead.len() as u32).to_le_bytes());
        bytes[DEAD_LETTER].fill(0);
        bytes[DEAD_LETTER][..dead.len()].copy_from_slice(dead.as_bytes());
        let print = fnv(&bytes[..FINGERPRINT.start]);
        bytes[FINGERPRINT].copy_from_slice(&print.to_le_bytes());
    }
    bytes
}

/// FNV-1a.
pub fn fnv<'a>(bytes: impl IntoIterator<Item = &'a u8>) -> u64 {
    let step = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3);
    bytes.into_iter().fold(0xcbf2_9ce4_8422_2325, step)
}

fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    Ok(file.write_all(bytes)?)
}

/// The file that a queue of this name has.
fn path(name: &str) -> PathBuf {
    PathBuf::from(format!("{DIRECTORY}/{PREFIX}{name}"))
}

/// An open segment file, to be read again and again.
pub struct Bytes {
    file: File,
    now: Vec<u8>,
}

impl Bytes {
    /// Opens the file, if there is one. It takes no locks.
    pub fn open(path: &Path) -> Result<Option<Self>> {
        let file = match File::open(path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            other => other?,
        };
        let len = usize::try_from(file.metadata()?.len())?;
        Ok(Some(Self { file, now: vec![0; len] }))
    }

    /// All of it, as it is now.
    pub fn read(&mut self) -> Result<&[u8]> {
        self.file.read_exact_at(&mut self.now, 0)?;
        Ok(&self.now)
    }
}

/// Marks that receivers and senders sleep, so that what comes next wakes them: more system calls to be killed at.
pub fn mark_sleepers(name: &str) -> Result<()> {
    let file = OpenOptions::new().read(true).write(true).open(path(name))?;
    for at in EVENT_WORDS {
        let mut word = [0; 4];
        file.read_exact_at(&mut word, at)?;
        file.write_all_at(&(u32::from_ne_bytes(word) | 1).to_ne_bytes(), at)?;
    }
    Ok(())
}

/// Temporary files that process `pid` has made and not renamed.
pub fn temporaries(pid: u32) -> Result<Vec<PathBuf>> {
    let prefix = format!("{TEMPORARY_PREFIX}{pid}.");
    let mut found = Vec::new();
    for entry in fs::read_dir(DIRECTORY)? {
        let entry = entry?;
        if entry.file_name().to_str().is_some_and(|name| name.starts_with(&prefix)) {
            found.push(entry.path());
        }
    }
    Ok(found)
}
