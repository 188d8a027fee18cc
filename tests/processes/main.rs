//! Real processes over one queue. Each child is this very program, run again for the test [`child`] with a role.
#![cfg(target_os = "linux")]

#[path = "../common/mod.rs"]
mod common;

mod content;
mod dead_letters;
mod deaths;
mod flow;
mod looking;
mod namespaces;
mod run;
mod runs;
mod signals;
mod stalls;
mod users;

/// Not a test of its own: what a child process runs. Without a role there is nothing to do.
#[test]
fn child() {
    if let Some(role) = run::role() {
        match &*role[0] {
            "send" => flow::send(&role[1..]),
            "receive" => flow::receive(&role[1..]),
            "hold" => deaths::hold(&role[1..]),
            "tell" => deaths::tell(&role[1..]),
            "loan" => deaths::loan(&role[1..]),
            "half-repair" => deaths::half_repair(&role[1..]),
            "batches" => runs::batches(&role[1..]),
            "churn" => deaths::churn(&role[1..]),
            "victim" => dead_letters::victim(&role[1..]),
            "stop" => stalls::stop(&role[1..]),
            "idle" => deaths::idle(&role[1..]),
            "hold-apart" => namespaces::hold_apart(&role[1..]),
            "look-apart" => namespaces::look_apart(&role[1..]),
            "own" => users::own(&role[1..]),
            "share" => users::share(&role[1..]),
            "intrude" => users::intrude(&role[1..]),
            other => panic!("no such role: {other}"),
        }
    }
}
