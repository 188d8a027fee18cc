//! Copies the lock file, which says the versions of what is compared. Packages that come from a registry may have none.

use std::path::Path;
use std::{env, fs, io};

fn main() -> io::Result<()> {
    let folder = env::var_os("CARGO_MANIFEST_DIR").ok_or(io::ErrorKind::NotFound)?;
    let lock = Path::new(&folder).ancestors().map(|folder| folder.join("Cargo.lock")).find(|lock| lock.is_file());
    println!("cargo::rerun-if-changed=build.rs");
    let text = match &lock {
        Some(lock) => {
            println!("cargo::rerun-if-changed={}", lock.display());
            fs::read_to_string(lock)?
        }
        None => String::new(),
    };
    let out = env::var_os("OUT_DIR").ok_or(io::ErrorKind::NotFound)?;
    fs::write(Path::new(&out).join("Cargo.lock"), text)
}
