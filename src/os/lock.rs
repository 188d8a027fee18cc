//! Locks on bytes of a file, held by an open file description.
//!
//! The kernel gives such a lock back when the last descriptor of the description is closed, hence when the process
//! dies, at whatever instruction. A description never conflicts with itself; a forked child shares its parent's.

use std::fs::File;

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, fcntl};

use crate::error::OsError;

/// Takes the exclusive lock on the byte at `offset`, or turns our shared one into it. `false`: another has a lock.
pub(crate) fn try_write(file: &File, offset: u64) -> Result<bool, OsError> {
    try_write_all(file, offset, 1)
}

/// The same on `len` bytes at once, all or none.
pub(crate) fn try_write_all(file: &File, offset: u64, len: u64) -> Result<bool, OsError> {
    set(file, bytes(offset, len, libc::F_WRLCK)?)
}

/// Takes the shared lock on the byte at `offset`. `false`: another has the exclusive one.
pub(crate) fn try_read(file: &File, offset: u64) -> Result<bool, OsError> {
    set(file, bytes(offset, 1, libc::F_RDLCK)?)
}

/// Gives the lock on the byte at `offset` back, if we have one.
pub(crate) fn unlock(file: &File, offset: u64) -> Result<(), OsError> {
    unlock_all(file, offset, 1)
}

/// Gives the locks on `len` bytes back, as far as we have them. What is locked beside them stays so.
pub(crate) fn unlock_all(file: &File, offset: u64, len: u64) -> Result<(), OsError> {
    set(file, bytes(offset, len, libc::F_UNLCK)?).map(drop)
}

/// Whether another description has any lock on the byte at `offset`. Takes none, so it disturbs nobody.
pub(crate) fn is_locked_by_other(file: &File, offset: u64) -> Result<bool, OsError> {
    other_lock(file, offset, 1).map(|lock| lock.is_some())
}

/// A lock that another description has on any of `len` bytes: where it begins, and on how many bytes it is (0: all behind).
/// Takes none.
pub(crate) fn other_lock(file: &File, offset: u64, len: u64) -> Result<Option<(u64, u64)>, OsError> {
    let mut range = bytes(offset, len, libc::F_WRLCK)?;
    loop {
        match fcntl(file, FcntlArg::F_OFD_GETLK(&mut range)) {
            Ok(_) if i32::from(range.l_type) == libc::F_UNLCK => return Ok(None),
            Ok(_) => return Ok(Some((range.l_start as u64, range.l_len as u64))),
            Err(Errno::EINTR) => {}
            Err(errno) => return Err(super::failed("fcntl(F_OFD_GETLK)", errno)),
        }
    }
}

fn set(file: &File, range: libc::flock) -> Result<bool, OsError> {
    loop {
        match fcntl(file, FcntlArg::F_OFD_SETLK(&range)) {
            Ok(_) => return Ok(true),
            Err(Errno::EAGAIN | Errno::EACCES) => return Ok(false),
            Err(Errno::EINTR) => {}
            Err(errno) => return Err(super::failed("fcntl(F_OFD_SETLK)", errno)),
        }
    }
}

fn bytes(offset: u64, len: u64, kind: libc::c_int) -> Result<libc::flock, OsError> {
    let too_far = |_| super::failed("fcntl(F_OFD_SETLK)", Errno::EOVERFLOW);
    // The kernel refuses a lock of a description whose `l_pid` is not zero.
    Ok(libc::flock {
        l_type: kind as libc::c_short,
        l_whence: libc::SEEK_SET as libc::c_short,
        l_start: libc::off_t::try_from(offset).map_err(too_far)?,
        l_len: libc::off_t::try_from(len).map_err(too_far)?,
        l_pid: 0,
    })
}

#[cfg(all(test, not(miri)))]
mod tests {
    use super::super::{draft, shm};
    use super::*;

    fn two_descriptions() -> (File, File) {
        let one = draft::create_unnamed(0o600, 4096).unwrap().file().try_clone().unwrap();
        let other = shm::reopen(&one, None).unwrap();
        (one, other)
    }

    /// A process that another test is just starting has copies of all descriptors until it runs its own program.
    fn soon(file: &File, offset: u64) -> bool {
        shm::patiently(|| try_write(file, offset)).unwrap()
    }

    #[test]
    fn exclusive_means_alone() {
        let (one, other) = two_descriptions();
        assert!(try_write(&one, 7).unwrap());
        assert!(try_write(&one, 7).unwrap(), "a description conflicted with itself");
        assert!(!try_write(&other, 7).unwrap());
        assert!(!try_read(&other, 7).unwrap());
        assert!(try_write(&other, 8).unwrap());
        assert!(is_locked_by_other(&other, 7).unwrap());
        assert!(!is_locked_by_other(&one, 7).unwrap());
        unlock(&one, 7).unwrap();
        assert!(!is_locked_by_other(&other, 7).unwrap());
    }

    #[test]
    fn of_two_bytes_one_can_be_kept() {
        let (one, other) = two_descriptions();
        assert!(try_write_all(&one, 7, 2).unwrap());
        assert_eq!(other_lock(&other, 7, 2).unwrap(), Some((7, 2)));
        assert!(!try_write_all(&other, 6, 2).unwrap(), "none or all");
        assert_eq!(other_lock(&one, 6, 3).unwrap(), None, "and so the other got none");
        unlock(&one, 8).unwrap();
        assert_eq!(other_lock(&other, 7, 2).unwrap(), Some((7, 1)));
        assert!(!try_write_all(&other, 7, 2).unwrap());
        unlock_all(&one, 7, 2).unwrap();
        assert_eq!(other_lock(&other, 7, 2).unwrap(), None);
        assert!(soon(&other, 7));
    }

    #[test]
    fn shared_ones_exclude_the_exclusive_one_only() {
        let (one, other) = two_descriptions();
        assert!(try_read(&one, 0).unwrap() && try_read(&other, 0).unwrap());
        assert!(!try_write(&one, 0).unwrap());
        drop(other);
        assert!(soon(&one, 0));
    }

    #[test]
    fn a_duplicated_descriptor_keeps_the_lock() {
        let (one, other) = two_descriptions();
        let copy = one.try_clone().unwrap();
        assert!(try_write(&one, 0).unwrap());
        drop(one);
        assert!(!try_write(&other, 0).unwrap());
        drop(copy);
        assert!(soon(&other, 0));
    }
}
