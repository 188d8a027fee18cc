//! Where the part of the program begins and ends that is looked at: the traced process says so itself.

use std::arch::asm;

/// Stops for the tracer, with the address of [`finish`] in `rdi`. What follows is looked at.
#[inline(never)]
pub fn begin() {
    // SAFETY: a breakpoint, which changes nothing here; the tracer reads the register and lets us go on.
    unsafe { asm!("int3", in("rdi") finish as *const () as usize) };
}

/// What was looked at is over. A tracer that steps knows it by its address, one that does not by the breakpoint.
#[inline(never)]
pub extern "C" fn finish() {
    // SAFETY: a breakpoint, which changes nothing here.
    unsafe { asm!("int3") };
}
