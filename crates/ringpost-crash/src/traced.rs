//! A child of ours under ptrace(2).

use std::collections::HashMap;
use std::process::{Child, ChildStdout, Command, Stdio};

use libc::user_regs_struct;
use nix::sys::ptrace;
use nix::sys::signal::Signal;
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::Pid;

use crate::Result;

/// The two bytes of the instruction `syscall`.
const SYSCALL: [u8; 2] = [0x0f, 0x05];

/// A stopped child. It is killed and reaped when this is dropped.
pub struct Traced {
    child: Child,
    pid: Pid,
    /// The address of the marker at the end.
    finish: u64,
    /// Whether a system call is at that address, of those that were looked at: code does not change.
    system_calls: HashMap<u64, bool>,
}

/// Why a child that was let run stopped again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// At the entry of a system call, or at its exit.
    SystemCall,
    /// At the marker at the end.
    Finished,
    /// It got this signal.
    Signal(Signal),
    /// It is gone: its exit status, or 128 and the number of the signal that killed it.
    Gone(i32),
}

impl Traced {
    /// Starts this program again with `args`, and waits until it has come to its first marker.
    ///
    /// # Errors
    /// It cannot be started or traced, or it ended before the marker.
    pub fn start(args: &[&str]) -> Result<Self> {
        let child = Command::new("/proc/self/exe")
            .args(args)
            .env("RUST_BACKTRACE", "0")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()?;
        let pid = Pid::from_raw(i32::try_from(child.id())?);
        let mut traced = Self { child, pid, finish: 0, system_calls: HashMap::new() };
        match traced.wait()? {
            Stop::Signal(Signal::SIGTRAP) => {}
            other => return Err(format!("{args:?} did not come to its marker: {other:?}").into()),
        }
        ptrace::setoptions(pid, ptrace::Options::PTRACE_O_EXITKILL | ptrace::Options::PTRACE_O_TRACESYSGOOD)?;
        traced.finish = traced.registers()?.rdi;
        Ok(traced)
    }

    /// Its process number.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What it writes.
    pub fn output(&mut self) -> Option<ChildStdout> {
        self.child.stdout.take()
    }

    /// Its registers.
    pub fn registers(&self) -> Result<user_regs_struct> {
        Ok(ptrace::getregs(self.pid)?)
    }

    /// The address of its next instruction.
    pub fn address(&self) -> Result<u64> {
        let at = std::mem::offset_of!(user_regs_struct, rip);
        Ok(ptrace::read_user(self.pid, at as ptrace::AddressType)? as u64)
    }

    /// If the next instruction is the system call that makes a file without a name, skips it as if the file system did not
    /// know that. Returns whether it was.
    pub fn skip_unnamed(&mut self) -> Result<bool> {
        let mut registers = self.registers()?;
        if !opens_unnamed(registers.rax, &registers) {
            return Ok(false);
        }
        registers.rip += SYSCALL.len() as u64;
        registers.rax = refusal(libc::EOPNOTSUPP);
        self.set_registers(registers)?;
        Ok(true)
    }

    /// Changes its registers.
    pub fn set_registers(&self, registers: user_regs_struct) -> Result<()> {
        Ok(ptrace::setregs(self.pid, registers)?)
    }

    /// Whether `address`, where it is now, is the marker at the end.
    pub fn is_finish(&self, address: u64) -> bool {
        address == self.finish
    }

    /// Whether a system call is the instruction at `address`.
    pub fn is_system_call(&mut self, address: u64) -> Result<bool> {
        if let Some(known) = self.system_calls.get(&address) {
            return Ok(*known);
        }
        let word = ptrace::read(self.pid, address as ptrace::AddressType)?;
        let is_one = word.to_le_bytes().starts_with(&SYSCALL);
        self.system_calls.insert(address, is_one);
        Ok(is_one)
    }

    /// Executes one instruction; a system call counts as one.
    pub fn step(&mut self) -> Result<()> {
        ptrace::step(self.pid, None)?;
        match self.wait()? {
            Stop::Signal(Signal::SIGTRAP) => Ok(()),
            other => Err(format!("a step of process {} ended with {other:?}", self.pid).into()),
        }
    }

    /// Lets it run to the next entry or exit of a system call, or to the marker at the end.
    pub fn run_to_system_call(&mut self) -> Result<Stop> {
        ptrace::syscall(self.pid, None)?;
        self.wait_marked()
    }

    /// Lets it run, with `signal` if it is to get one.
    pub fn run_on(&mut self, signal: Option<Signal>) -> Result<Stop> {
        ptrace::cont(self.pid, signal)?;
        self.wait_marked()
    }

    /// Kills it and waits until it is gone, and its locks with it.
    pub fn kill(mut self) {
        self.end();
    }

    fn end(&mut self) {
        // It may be gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    fn wait_marked(&mut self) -> Result<Stop> {
        match self.wait()? {
            // Behind the breakpoint, which is the marker's first instruction or follows what sets up its frame.
            Stop::Signal(Signal::SIGTRAP) if self.registers()?.rip.wrapping_sub(self.finish) < 16 => Ok(Stop::Finished),
            other => Ok(other),
        }
    }

    fn wait(&mut self) -> Result<Stop> {
        Ok(match waitpid(self.pid, None)? {
            WaitStatus::PtraceSyscall(_) => Stop::SystemCall,
            WaitStatus::Stopped(_, signal) => Stop::Signal(signal),
            WaitStatus::Exited(_, status) => Stop::Gone(status),
            WaitStatus::Signaled(_, signal, _) => Stop::Gone(128 + signal as i32),
            other => return Err(format!("process {} is {other:?}", self.pid).into()),
        })
    }
}

/// Whether the system call `number` with these arguments makes a file without a name.
pub fn opens_unnamed(number: u64, registers: &user_regs_struct) -> bool {
    let flag = libc::O_TMPFILE as u64;
    number == libc::SYS_openat as u64 && registers.rdx & flag == flag
}

/// What a system call returns that fails with `errno`.
pub fn refusal(errno: i32) -> u64 {
    i64::from(-errno) as u64
}

impl Drop for Traced {
    fn drop(&mut self) {
        self.end();
    }
}
