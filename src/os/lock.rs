//! Locks on single bytes of a file, held by an open file description.
//!
//! The kernel gives such a lock back when the last descriptor of the description is closed, hence when the process
//! dies, at whatever instruction. A description never conflicts with itself; a forked child shares its parent's.

use std::fs::File;

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, fcntl};

use crate::error::OsError;

/// Takes the exclusive lock on the byte at `offset`, or turns our shared one into it. `false`: another has a lock.
pub(crate) fn try_write(file: &File, offset: u64) -> Result<bool, OsError> {
    set(file, offset, libc::F_WRLCK)
}

/// Takes the shared lock on the byte at `offset`. `false`: another has the exclusive one.
pub(crate) fn try_read(file: &File, offset: u64) -> Result<bool, OsError> {
    set(file, offset, libc::F_RDLCK)
}

/// Gives the lock on the byte at `offset` back, if we have one.
pub(crate) fn unlock(file: &File, offset: u64) -> Result<(), OsError> {
    set(file, offset, libc::F_UNLCK).map(drop)
}

/// Whether another description has any lock on the byte at `offset`. Takes none, so it disturbs nobody.
pub(crate) fn is_locked_by_other(file: &File, offset: u64) -> Result<bool, OsError> {
    let mut byte = one_byte(offset, libc::F_WRLCK)?;
    loop {
        match fcntl(file, FcntlArg::F_OFD_GETLK(&mut byte)) {
            Ok(_) => return Ok(i32::from(byte.l_type) != libc::F_UNLCK),
            Err(Errno::EINTR) => {}
            Err(errno) => return Err(super::failed("fcntl(F_OFD_GETLK)", errno)),
        }
    }
}

fn set(file: &File, offset: u64, kind: libc::c_int) -> Result<bool, OsError> {
    let byte = one_byte(offset, kind)?;
    loop {
        match fcntl(file, FcntlArg::F_OFD_SETLK(&byte)) {
            Ok(_) => return Ok(true),
            Err(Errno::EAGAIN | Errno::EACCES) => return Ok(false),
            Err(Errno::EINTR) => {}
            Err(errno) => return Err(super::failed("fcntl(F_OFD_SETLK)", errno)),
        }
    }
}

fn one_byte(offset: u64, kind: libc::c_int) -> Result<libc::flock, OsError> {
    let start = libc::off_t::try_from(offset).map_err(|_| super::failed("fcntl(F_OFD_SETLK)", Errno::EOVERFLOW))?;
    // The kernel refuses a lock of a description whose `l_pid` is not zero.
    Ok(libc::flock {
        l_type: kind as libc::c_short,
        l_whence: libc::SEEK_SET as libc::c_short,
        l_start: start,
        l_len: 1,
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
