//! How each system call may fail, by its manual page and by what filters and small limits do.

use std::fmt;
use std::path::Path;

use libc::{c_long, user_regs_struct};

/// A system call that is about to be made.
#[derive(Clone, Copy)]
pub struct Call {
    number: u64,
    /// It maps memory that is no file.
    is_anonymous: bool,
    /// It may make a file.
    makes_file: bool,
    /// It closes a directory.
    closes_directory: bool,
}

impl fmt::Debug for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "system call {}", self.number)
    }
}

impl Call {
    /// What the registers of process `pid` say at its entry.
    pub fn at_entry(pid: u32, registers: &user_regs_struct) -> Self {
        let is = |number: c_long| registers.orig_rax == number as u64;
        Self {
            number: registers.orig_rax,
            is_anonymous: is(libc::SYS_mmap) && registers.r10 & libc::MAP_ANONYMOUS as u64 != 0,
            closes_directory: is(libc::SYS_close) && Path::new(&format!("/proc/{pid}/fd/{}", registers.rdi)).is_dir(),
            makes_file: is(libc::SYS_openat) && registers.rdx & (libc::O_CREAT | libc::O_TMPFILE) as u64 != 0,
        }
    }

    /// Whether it has its effect even if it fails: the descriptor is gone in any case.
    pub fn works_anyway(self) -> bool {
        self.number == libc::SYS_close as u64
    }

    /// Whether this is the same system call.
    pub fn is_like(self, other: Self) -> bool {
        self.number == other.number
    }

    /// Whether it may go on to fail like that for good. A signal comes once; what is not to be had now is to be had later,
    /// unless it is a lock.
    pub fn may_last(self, errno: i32) -> bool {
        errno != libc::EINTR && (errno != libc::EAGAIN || self.number == libc::SYS_fcntl as u64) && !self.works_anyway()
    }

    /// The errors that are plausible. None for those that cannot fail, and for the memory of the program itself, without
    /// which no Rust program goes on.
    #[expect(non_upper_case_globals, reason = "libc names system calls as the kernel does")]
    pub fn errnos(self) -> &'static [i32] {
        use libc::*;
        match self.number as c_long {
            SYS_brk | SYS_munmap | SYS_mprotect | SYS_mremap | SYS_sched_yield | SYS_exit_group => &[],
            SYS_rt_sigaction | SYS_rt_sigprocmask | SYS_sigaltstack | SYS_getpid | SYS_gettid => &[],
            SYS_getuid | SYS_geteuid | SYS_getgid | SYS_getegid => &[],
            SYS_mmap if self.is_anonymous => &[],
            SYS_openat if self.makes_file => {
                &[EACCES, EINTR, EMFILE, ENFILE, ENOMEM, ENOSPC, EDQUOT, EOPNOTSUPP, EISDIR, EINVAL, EPERM, EROFS, EIO]
            }
            SYS_openat => &[ENOENT, EACCES, EINTR, EMFILE, ENFILE, ENOMEM, EPERM, EIO],
            SYS_fcntl => &[EAGAIN, EACCES, EINTR, ENOLCK, EINVAL, ENOSYS, ENOMEM],
            SYS_fstat | SYS_newfstatat | SYS_statx => &[ENOENT, EACCES, ENOMEM, EIO, ENOSYS, EPERM],
            SYS_fstatfs | SYS_statfs => &[EINTR, EIO, ENOMEM, ENOSYS],
            SYS_mmap => &[ENOMEM, EACCES, EPERM, ENODEV, EAGAIN],
            SYS_ftruncate => &[EINTR, EFBIG, EINVAL, EPERM, EIO],
            SYS_fallocate => &[ENOSPC, EDQUOT, EFBIG, EINTR, EOPNOTSUPP, ENOSYS, EPERM, EIO],
            SYS_pread64 | SYS_read => &[EINTR, EIO, EAGAIN, ENOMEM],
            SYS_pwrite64 | SYS_write => &[EINTR, EIO, EAGAIN, ENOSPC, EDQUOT, EFBIG, ENOMEM, EPERM],
            SYS_fchmod => &[EPERM, EIO, EROFS, ENOSYS],
            SYS_linkat => &[ENOENT, EACCES, EPERM, ENOSPC, EDQUOT, EMLINK, ENOMEM, EROFS, EINVAL, EXDEV, ENOSYS, EIO],
            SYS_renameat2 => &[EINVAL, ENOSYS, EACCES, EPERM, ENOSPC, ENOMEM, EROFS, EIO],
            SYS_unlink | SYS_unlinkat => &[ENOENT, EACCES, EPERM, EBUSY, ENOMEM, EROFS, EIO],
            SYS_getrandom => &[EINTR, EAGAIN, ENOSYS],
            SYS_prlimit64 | SYS_getrlimit => &[EPERM, EINVAL, ENOSYS],
            SYS_madvise => &[EAGAIN, EINTR, ENOMEM, EINVAL, EPERM, EIO],
            SYS_membarrier => &[EINVAL, EPERM, ENOSYS],
            SYS_futex => &[EAGAIN, EINTR, EINVAL, ENOMEM, ENOSYS, EPERM],
            // The standard library takes any other error for its own fault.
            SYS_clock_nanosleep | SYS_nanosleep => &[EINTR],
            SYS_getdents64 => &[ENOENT, EINTR, EIO, ENOMEM],
            // The standard library panics at any other, which memory, unlike a disk, has no cause for.
            SYS_close if self.closes_directory => &[EINTR],
            SYS_close => &[EINTR, EIO, ENOSPC],
            _ => &[EPERM, EINTR, ENOMEM, ENOSYS, EIO],
        }
    }
}
