//! The mutants of held messages.

use crate::list::{Mutant, kill};

const HOLDS: &str = "src/ring/holds.rs";
const ENDS: &str = "src/ring/ends.rs";

/// Each step that a receiver and the holders of its messages share.
pub const MUTANTS: &[Mutant] = &[
    kill(
        "held: what is settled between two locks is neither held nor settled",
        HOLDS,
        "let beside_held = state.outstanding > 0;",
        "drop(state);\n        let mut state = self.lock();\n        let beside_held = state.outstanding > 0;",
    ),
    kill(
        "held: the last is not looked for",
        HOLDS,
        "let beside_held = state.outstanding > 0;",
        "let beside_held = state.outstanding > 1;",
    ),
    kill(
        "held: a receiver parts between two locks",
        HOLDS,
        "if state.outstanding > 0 && !state.abandoned {",
        "drop(state);\n                let mut state = self.lock();\n                if state.outstanding > 0 && !state.abandoned {",
    ),
    kill(
        "held: what was settled is forgotten by one who parts",
        HOLDS,
        "if settled.is_empty() {\n                if",
        "if settled.len() < 9 {\n                if",
    ),
    kill(
        "held: what is kept to come again is forgotten by one who parts",
        HOLDS,
        "again(&receiver);",
        "let _ = again;",
    ),
    kill(
        "held: who is abandoned settles all the same",
        HOLDS,
        "if state.abandoned {",
        "if state.abandoned && state.outstanding > 9 {",
    ),
    kill(
        "held: a word is settled outside the lock",
        HOLDS,
        "let settled = at_once(state.parted.as_ref());",
        "let settled = if state.parted.is_some() {\n            at_once(state.parted.as_ref())\n        } else {\n            drop(state);\n            let settled = at_once(None);\n            state = self.lock();\n            settled\n        };",
    ),
    kill(
        "held: what came back is delivered twice",
        HOLDS,
        "!take(&mut self.lock().again).is_empty()",
        "!self.lock().again.is_empty()",
    ),
    kill(
        "held: what was settled does not wake the receiver",
        HOLDS,
        "!self.settled.is_empty() || !self.again.is_empty()",
        "!self.again.is_empty()",
    ),
    kill(
        "held: what is put off is forgotten",
        ENDS,
        "if put_off {\n            self.again_from_head();",
        "if put_off {\n            self.take_redelivered();",
    ),
    kill(
        "held: what is held is delivered again",
        ENDS,
        "Self::Single(end) => end.put_off_rewind(),",
        "Self::Single(_) => false,",
    ),
];
