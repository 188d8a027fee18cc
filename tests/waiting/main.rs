//! Waiting for several queues, and in event loops, with real processes on the other side. Each child is this very program,
//! run again for the test [`child`] with a role.
#![cfg(target_os = "linux")]

#[path = "../common/mod.rs"]
mod common;
#[path = "../processes/run.rs"]
#[allow(dead_code, reason = "a part of it is used here")]
mod run;

mod any;
mod descriptor;
mod held;
mod roles;

/// Not a test of its own: what a child process runs. Without a role there is nothing to do.
#[test]
fn child() {
    if let Some(role) = run::role() {
        match &*role[0] {
            "threads" => descriptor::threads(),
            _ => roles::play(&role),
        }
    }
}
