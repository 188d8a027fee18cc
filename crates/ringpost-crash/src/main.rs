//! See the library beside it.

use std::process::ExitCode;

#[cfg(target_arch = "x86_64")]
fn main() -> ExitCode {
    ringpost_crash::main()
}

#[cfg(not(target_arch = "x86_64"))]
fn main() -> ExitCode {
    eprintln!("ringpost-crash reads the registers and instructions of x86-64, and this is another processor");
    ExitCode::from(2)
}
