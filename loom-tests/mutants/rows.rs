//! The mutants of what is done to a dead one's row: its lock and marks, and tail.

use super::list::{Mutant, kill};

const ROW: &str = "src/participant/row.rs";

/// Each weakening of them.
pub const MUTANTS: &[Mutant] = &[
    kill(
        "row: one who repairs passes for an owner",
        ROW,
        "matches!(lock.locked(), Ok(Locked::First))",
        "matches!(lock.locked(), Ok(Locked::First | Locked::Both))",
    ),
    kill(
        "row: one whose repairer has just died passes for alive",
        ROW,
        "matches!(lock.locked(), Ok(Locked::First))",
        "matches!(lock.locked(), Ok(Locked::First | Locked::Nothing))",
    ),
    kill(
        "row: one who repairs passes for an owner from afar",
        ROW,
        "Ok(Locked::Both) | Err(_) => Found::UnderWay",
        "Ok(Locked::Both) | Err(_) => Found::Alive",
    ),
    kill(
        "row: one who joins looks like an owner before it has recovered",
        ROW,
        "    if read(state)? != RowState::Free {",
        "    lock.keep_first()?;\n    if read(state)? != RowState::Free {",
    ),
    kill(
        "row: free before what was held has come back",
        ROW,
        "recover();\n        mark(state, RowState::Free);",
        "mark(state, RowState::Free);\n        recover();",
    ),
    kill(
        "row: joined without a recovery",
        ROW,
        "        mark(state, RowState::Recovering);\n        recover();\n    }\n    mark(state, RowState::Joined);",
        "        let _ = recover;\n    }\n    mark(state, RowState::Joined);",
    ),
    kill(
        "row: mark Relaxed",
        ROW,
        "state.store(generation | to as u64, Ordering::Release)",
        "state.store(generation | to as u64, Ordering::Relaxed)",
    ),
    kill("row: read Relaxed", ROW, "state.load(Ordering::Acquire)", "state.load(Ordering::Relaxed)"),
    kill(
        "recovery: what the dead committed is not counted in",
        "src/ring/recover.rs",
        "Some(next) if claimed =>",
        "Some(next) if claimed && false =>",
    ),
];
