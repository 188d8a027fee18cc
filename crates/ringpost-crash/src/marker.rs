//! Where the part of the program begins and ends that is looked at: the traced process says so itself.

use std::arch::asm;

/// Has our parent trace us, and stops for it, with the address of [`finish`] in `rdi`. What follows is looked at.
#[inline(never)]
pub fn begin() {
    // Without it the breakpoint ends us, which the parent notices.
    let _ = nix::sys::ptrace::traceme();
    // SAFETY: a breakpoint, which changes nothing here; the tracer reads the register and lets us go on.
    unsafe { asm!("int3", in("rdi") finish as *const () as usize) };
}

/// What was looked at is over. A tracer that steps knows it by its address, one that does not by the breakpoint.
#[inline(never)]
pub extern "C" fn finish() {
    // SAFETY: a breakpoint, which changes nothing here.
    unsafe { asm!("int3") };
}
