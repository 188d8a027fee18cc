//! Named files of the shared-memory file system: open, compare, unlink, list.
//!
//! Names come in without the prefix and already checked: they hold no slash.

use std::fs::{File, Metadata, OpenOptions};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::PathBuf;
use std::time::Duration;

use nix::errno::Errno;

use super::{failed, failed_io, lock};
use crate::error::OsError;

/// Where `shm_open` keeps its files.
pub(super) const DIRECTORY: &str = "/dev/shm";
const PREFIX: &str = "ringpost.q.";

/// Every opener holds a shared lock on this byte of the file.
pub(crate) const MEMBERS_BYTE: u64 = 0;
/// Whoever unlinks holds the exclusive lock on this byte, so that nobody unlinks a successor of the same name.
const REMOVAL_BYTE: u64 = 1;

const PATIENCE_TRIES: u32 = 1000;
const PATIENCE_STEP: Duration = Duration::from_millis(1);

/// The name by which `shm_open` knows the segment.
pub(crate) fn object_id(name: &str) -> String {
    format!("/{PREFIX}{name}")
}

pub(super) fn path(name: &str) -> PathBuf {
    PathBuf::from(format!("{DIRECTORY}/{PREFIX}{name}"))
}

/// Opens what has the name, unless it is a symbolic link; does not wait for the other end of a FIFO.
pub(crate) fn open_existing(name: &str) -> Result<File, OsError> {
    open_quietly(&path(name)).map_err(|e| failed_io("open", &e))
}

pub(super) fn open_quietly(path: &std::path::Path) -> io::Result<File> {
    let flags = libc::O_NOFOLLOW | libc::O_NONBLOCK | libc::O_CLOEXEC;
    OpenOptions::new().read(true).write(true).custom_flags(flags).open(path)
}

/// What has the name, without opening it and without following a link.
pub(crate) fn look(name: &str) -> Result<Metadata, OsError> {
    std::fs::symlink_metadata(path(name)).map_err(|e| failed_io("lstat", &e))
}

/// What the open file is.
pub(crate) fn status(file: &File) -> Result<Metadata, OsError> {
    file.metadata().map_err(|e| failed_io("fstat", &e))
}

/// Whether the name is the name of `file` at this moment. If that cannot be known, it is not.
pub(crate) fn is_name_of(name: &str, file: &File) -> bool {
    matches!((look(name), status(file)), (Ok(named), Ok(held)) if same(&named, &held))
}

/// Unlinks the name if it still is the name of `file`. `false`: it was not, and nothing was done.
///
/// # Errors
/// The system refuses, or somebody has been about to unlink the same file for a second (`EAGAIN`).
pub(crate) fn unlink_if_same(name: &str, file: &File) -> Result<bool, OsError> {
    // The lock is on the file, not on the name: while we hold it nobody else can unlink this file, so a name that is
    // seen to be this file's stays so until we unlink it.
    if !patiently(|| lock::try_write(file, REMOVAL_BYTE))? {
        return Err(failed("fcntl(F_OFD_SETLK)", Errno::EAGAIN));
    }
    let done = unlink_checked(name, file);
    lock::unlock(file, REMOVAL_BYTE)?;
    done
}

fn unlink_checked(name: &str, file: &File) -> Result<bool, OsError> {
    match look(name) {
        Ok(named) if same(&named, &status(file)?) => {}
        Ok(_) => return Ok(false),
        Err(e) if e.errno == libc::ENOENT => return Ok(false),
        Err(e) => return Err(e),
    }
    std::fs::remove_file(path(name)).map_err(|e| failed_io("unlink", &e))?;
    Ok(true)
}

/// Tries until `attempt` says `true`, for about a second.
pub(crate) fn patiently(mut attempt: impl FnMut() -> Result<bool, OsError>) -> Result<bool, OsError> {
    for _ in 0..PATIENCE_TRIES {
        if attempt()? {
            return Ok(true);
        }
        std::thread::sleep(PATIENCE_STEP);
    }
    attempt()
}

/// A new file description of the same file: its locks are its own. Works after the name is gone, if `/proc` is there;
/// `name` is the way where it is not.
///
/// # Errors
/// No descriptors left (`EMFILE`), no right to the file any more (`EACCES`), or neither way leads to it (`ENOENT`).
pub(crate) fn reopen(file: &File, name: Option<&str>) -> Result<File, OsError> {
    let link = proc_link(file);
    let found = match OpenOptions::new().read(true).write(true).open(link) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => match name {
            Some(name) => open_existing(name)?,
            None => return Err(failed_io("open(/proc/self/fd)", &e)),
        },
        other => other.map_err(|e| failed_io("open(/proc/self/fd)", &e))?,
    };
    if same(&status(&found)?, &status(file)?) { Ok(found) } else { Err(failed("open", Errno::ESTALE)) }
}

pub(super) fn proc_link(file: &File) -> String {
    format!("/proc/self/fd/{}", file.as_raw_fd())
}

pub(super) fn same(one: &Metadata, other: &Metadata) -> bool {
    (one.dev(), one.ino()) == (other.dev(), other.ino())
}

/// The names (without prefix, not checked) of all files that look like segments, sorted.
pub(crate) fn list() -> Result<Vec<String>, OsError> {
    let mut names = Vec::new();
    for entry in std::fs::read_dir(DIRECTORY).map_err(|e| failed_io("opendir", &e))? {
        let entry = entry.map_err(|e| failed_io("readdir", &e))?;
        let file_name = entry.file_name();
        // A name that is not UTF-8 is none of ours.
        if let Some(name) = file_name.to_str().and_then(|n| n.strip_prefix(PREFIX)) {
            names.push(name.to_owned());
        }
    }
    names.sort_unstable();
    Ok(names)
}
