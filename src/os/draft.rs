//! A segment's file before it has its name: allocated in full, filled by its maker, then published at once or never.
//!
//! The first way makes a file without any name (`O_TMPFILE`) and links it in: a maker that dies leaves nothing. Where
//! that does not work the second way uses a temporary name and renames it. Both fail if the name is taken.

use std::fs::{File, OpenOptions, Permissions};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, AtFlags, RenameFlags, posix_fallocate, renameat2};
use nix::sys::statvfs::fstatvfs;
use nix::unistd::linkat;

use super::{failed, failed_io, identity, leftover, lock, shm};
use crate::error::OsError;

/// Allocated in pieces, so that a signal costs one piece's work and not all of it.
const PIECE: u64 = 64 << 20;

/// Why a draft could not be made or published.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DraftError {
    /// The file system, or a limit of this process, has no room. In bytes.
    NoSpace { needed: u64, available: u64 },
    /// Something has the name already.
    Taken,
    /// This way does not work here; the other may.
    Unsupported(OsError),
    /// Anything else.
    Os(OsError),
}

impl From<OsError> for DraftError {
    fn from(error: OsError) -> Self {
        Self::Os(error)
    }
}

/// A file that nobody else can find yet. Dropping it leaves nothing behind.
#[derive(Debug)]
pub(crate) struct Draft {
    file: File,
    temporary: Temporary,
}

/// The path that is unlinked when the draft is given up.
#[derive(Debug)]
struct Temporary(Option<PathBuf>);

/// A draft without a name, of `total` bytes and with exactly the permissions `mode`. It holds the members lock.
pub(crate) fn create_unnamed(mode: u32, total: u64) -> Result<Draft, DraftError> {
    let opened = OpenOptions::new()
        .read(true)
        .write(true)
        .mode(0o600)
        .custom_flags(libc::O_TMPFILE | libc::O_CLOEXEC)
        .open(shm::DIRECTORY);
    let file = opened.map_err(|e| {
        let error = failed_io("open(O_TMPFILE)", &e);
        // EISDIR is how a kernel answers that does not know the flag.
        let unsupported = matches!(error.errno, libc::EOPNOTSUPP | libc::EISDIR | libc::EINVAL);
        if unsupported { DraftError::Unsupported(error) } else { DraftError::Os(error) }
    })?;
    Draft { file, temporary: Temporary(None) }.prepared(mode, total)
}

/// The same under a temporary name. Clears away what makers left behind that died on this way.
pub(crate) fn create_temporary(mode: u32, total: u64) -> Result<Draft, DraftError> {
    collect_temporaries();
    let random = identity::random_128()? as u64;
    let path = format!("{}/{}{}.{random:016x}", shm::DIRECTORY, leftover::PREFIX, identity::pid());
    let opened = OpenOptions::new()
        .read(true)
        .write(true)
        .create_new(true)
        .mode(0o600)
        .custom_flags(libc::O_NOFOLLOW | libc::O_CLOEXEC)
        .open(&path);
    let file = opened.map_err(|e| failed_io("open(O_CREAT)", &e))?;
    Draft { file, temporary: Temporary(Some(path.into())) }.prepared(mode, total)
}

impl Draft {
    /// The file, to be filled.
    pub(crate) fn file(&self) -> &File {
        &self.file
    }

    fn prepared(self, mode: u32, total: u64) -> Result<Self, DraftError> {
        // The lock comes first: it tells a maker at work from one that died.
        if !lock::try_read(&self.file, shm::MEMBERS_BYTE)? {
            return Err(failed("fcntl(F_OFD_SETLK)", Errno::EAGAIN).into());
        }
        // Not by `open`, whose mode the umask would cut.
        self.file.set_permissions(Permissions::from_mode(mode)).map_err(|e| failed_io("fchmod", &e))?;
        allocate(&self.file, total)?;
        Ok(self)
    }

    /// Gives the file its name, and returns it, still locked.
    ///
    /// # Errors
    /// `Taken`: something has the name. `Unsupported`: try again with a temporary name.
    pub(crate) fn publish(mut self, name: &str) -> Result<File, DraftError> {
        let target = shm::path(name);
        match &self.temporary.0 {
            None => link(&self.file, &target)?,
            Some(temporary) => rename(temporary, &target)?,
        }
        self.temporary.0 = None;
        Ok(self.file)
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        if let Some(path) = &self.0 {
            // A failure leaves it to `collect_temporaries` of a later maker.
            let _ = std::fs::remove_file(path);
        }
    }
}

fn link(file: &File, target: &Path) -> Result<(), DraftError> {
    let source = shm::proc_link(file);
    linkat(AT_FDCWD, source.as_str(), AT_FDCWD, target, AtFlags::AT_SYMLINK_FOLLOW).map_err(|errno| match errno {
        Errno::EEXIST => DraftError::Taken,
        Errno::ENOSPC | Errno::EDQUOT | Errno::EACCES | Errno::ENOMEM => failed("linkat", errno).into(),
        // No /proc, a filter, or a file system that does not link: the other way may work.
        _ => DraftError::Unsupported(failed("linkat", errno)),
    })
}

fn rename(temporary: &Path, target: &Path) -> Result<(), DraftError> {
    renameat2(AT_FDCWD, temporary, AT_FDCWD, target, RenameFlags::RENAME_NOREPLACE).map_err(|errno| match errno {
        Errno::EEXIST => DraftError::Taken,
        _ => failed("renameat2", errno).into(),
    })
}

/// Makes every byte of the file real memory, so that no later access dies for want of it.
fn allocate(file: &File, total: u64) -> Result<(), DraftError> {
    let available = available(file)?;
    if total > available {
        return Err(DraftError::NoSpace { needed: total, available });
    }
    let mut done = 0;
    while done < total {
        let piece = PIECE.min(total - done);
        // Below `available`, so below 2^63.
        match posix_fallocate(file, done as libc::off_t, piece as libc::off_t) {
            Ok(()) => done += piece,
            Err(Errno::EINTR) => {}
            // Somebody else was faster, or a quota is smaller than the file system.
            Err(Errno::ENOSPC | Errno::EDQUOT | Errno::EFBIG) => {
                let available = self::available(file)?.saturating_add(done).min(total - 1);
                return Err(DraftError::NoSpace { needed: total, available });
            }
            Err(errno) => return Err(failed("posix_fallocate", errno).into()),
        }
    }
    Ok(())
}

/// Free bytes of the file system, or this process's limit for a file where that is less (reaching it is a deadly signal).
fn available(file: &File) -> Result<u64, OsError> {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: `limit` is a valid place for the answer.
    let known = unsafe { libc::getrlimit(libc::RLIMIT_FSIZE, &raw mut limit) } == 0;
    let limit = if known { limit.rlim_cur } else { libc::RLIM_INFINITY };
    let limit = limit.min(i64::MAX as u64);
    let system = fstatvfs(file).map_err(|errno| failed("fstatvfs", errno))?;
    if system.blocks() == 0 {
        // Mounted without a size: the memory itself is the limit.
        return Ok(limit);
    }
    Ok(limit.min(system.blocks_available().saturating_mul(system.fragment_size())))
}

/// Removes temporary files of ours that are older than a minute and whose maker is dead.
fn collect_temporaries() {
    for found in leftover::list().unwrap_or_default() {
        // One that cannot be removed stays; the next maker tries again.
        let _ = leftover::remove(&found.name);
    }
}

#[cfg(all(test, not(miri)))]
mod tests {
    use std::os::unix::fs::MetadataExt;
    use std::time::SystemTime;

    use super::*;

    #[test]
    fn a_dead_makers_temporary_is_collected_and_a_live_ones_is_not() {
        let dead = create_temporary(0o600, 4096).unwrap();
        let live = create_temporary(0o600, 4096).unwrap();
        let paths = [&dead, &live].map(|draft| draft.temporary.0.clone().unwrap());
        let old = SystemTime::now() - 2 * leftover::AGE;
        for draft in [&dead, &live] {
            draft.file.set_modified(old).unwrap();
        }
        lock::unlock(&dead.file, shm::MEMBERS_BYTE).unwrap();
        collect_temporaries();
        assert!(!paths[0].exists());
        assert!(paths[1].exists());
        drop(live);
        assert!(!paths[1].exists(), "a dropped draft left its file");
    }

    #[test]
    fn too_much_is_refused_before_anything_is_allocated() {
        let error = create_unnamed(0o600, 1 << 60).unwrap_err();
        assert!(matches!(error, DraftError::NoSpace { needed, available } if needed == 1 << 60 && available < needed));
    }

    #[test]
    fn the_mode_is_exact() {
        for mode in [0o600, 0o660, 0o666] {
            let draft = create_unnamed(mode, 4096).unwrap();
            assert_eq!(draft.file.metadata().unwrap().mode() & 0o7777, mode);
        }
    }
}
