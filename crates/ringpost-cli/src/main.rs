//! The command-line tool of ringpost.
fn main() {}
