//! Mutants of runs: slots that the word of the first holds.

use super::list::{Mutant, kill};

const RUNS: &str = "src/ring/runs.rs";
const MS: &str = "src/ring/multi_sender.rs";
const MR: &str = "src/ring/multi_receiver.rs";
const MOD: &str = "src/ring/mod.rs";
const RECOVER: &str = "src/ring/recover.rs";

const BEHIND: &str = r#"    for word in memory.words(behind) {
        settle_word(word, bits);
    }
"#;
const SETTLE: &str = r#"    for word in memory.words(behind) {
        settle_word(word, bits);
    }
    settle_word(memory.word(run.first), bits);
}"#;

/// Weakened runs.
pub const MUTANTS: &[Mutant] = &[
    kill("runs: settled Relaxed", RUNS, "word.store(bits, Ordering::Release);", "word.store(bits, Ordering::Relaxed);"),
    kill(
        "runs: the first is settled first",
        RUNS,
        SETTLE,
        r#"    settle_word(memory.word(run.first), bits);
    for word in memory.words(behind) {
        settle_word(word, bits);
    }
}"#,
    ),
    kill("runs: only the first is settled", RUNS, BEHIND, ""),
    kill(
        "runs: those behind the first are seen Relaxed",
        RUNS,
        "word.load(Ordering::Acquire) == like.bits()",
        "word.load(Ordering::Relaxed) == like.bits()",
    ),
    kill(
        "runs: those behind the first are not looked at",
        RUNS,
        "word.load(Ordering::Acquire) == like.bits()",
        "word.load(Ordering::Acquire) < u64::MAX",
    ),
    kill("runs: one goes on behind its lap", RUNS, "want.min(left).min(MAX_RUN)", "(want + left - left).min(MAX_RUN)"),
    kill(
        "runs: the rest of a cut is one too short",
        RUNS,
        "word.run() - position.wrapping_sub(first));",
        "(word.run() - position.wrapping_sub(first)).max(2) - 1);",
    ),
    kill(
        "runs: one behind the first was never delivered",
        MR,
        "{ word.taken_by(self.owner) } else { word }",
        "{ word } else { word }",
    ),
    kill(
        "runs: one that is released is freed alone",
        MR,
        "if own_word(memory, position).state() == Some(State::Take) {",
        "if own_word(memory, position).state() != Some(State::Free) {",
    ),
    kill(
        "runs: one behind the first is settled without a cut",
        MR,
        "first.state() == Some(State::Ready) || first.run()",
        "first.run()",
    ),
    kill(
        "runs: a run is found behind its end",
        RUNS,
        "return (word.run() > back).then_some((first, word)),",
        "return (word.run() >= back).then_some((first, word)),",
    ),
    kill("runs: a look is of two instants", RUNS, "if now == word {", "if now.lap() < u64::MAX {"),
    kill(
        "runs: a look does not see past what goes back",
        RUNS,
        "Some(State::Take | State::Retry) if in_between => {}",
        "Some(State::Take | State::Retry) if in_between && position == u64::MAX => {}",
    ),
    kill(
        "runs: a look does not see who holds a slot",
        RUNS,
        "_ if !is_held_by(word, first) => word,",
        "_ if word == word => word,",
    ),
    kill(
        "runs: a sender passes over the first of a claim only",
        MS,
        "Ok(Step::Passed(held_from(memory, position, word)))",
        "Ok(Step::Passed(1))",
    ),
    kill(
        "runs: a receiver passes over the first of a run only",
        MR,
        "Ok(Step::Passed(held_from(memory, position, word)))",
        "Ok(Step::Passed(1))",
    ),
    kill(
        "runs: what was passed over is seen Relaxed",
        MR,
        "what was held with it has been changed before.\n        fence(Ordering::Acquire);",
        "what was held with it has been changed before.\n        fence(Ordering::Release);",
    ),
    Mutant {
        name: "watched: what was passed over is seen Relaxed",
        file: MR,
        from: "what was held with the last of those has been changed before.\n        fence(Ordering::Acquire);",
        to: "what was held with the last of those has been changed before.\n        fence(Ordering::Release);",
        survives: Some(
            "no model watches behind a run that is being released in parts; processors order it by the exchange",
        ),
    },
    kill(
        "runs: claimed further than head",
        MS,
        "room(memory, position, want.min(self.free_to - position))",
        "room(memory, position, want)",
    ),
    kill("runs: claimed where senders overwrite", MS, "if want == 1 || self.overwrite { 1 }", "if want == 1 { 1 }"),
    Mutant {
        name: "runs: taken where senders overwrite",
        file: MR,
        from: "if want == 1 || self.overwrite { 1 }",
        to: "if want == 1 { 1 }",
        survives: Some(
            "senders claim in order there, too, and stop at what is held; nobody has shown that this is enough",
        ),
    },
    kill(
        "runs: an overwriting batch shows its first last",
        MS,
        "return make_all_ready(memory, run);",
        "return run.pieces(memory.capacity()).for_each(|piece| settle(memory, piece, Word::ready(memory.lap(piece.first)).bits()));",
    ),
    kill("runs: no cut behind what is settled", MR, "cut(memory, run.end());", ""),
    kill("runs: nothing is cut before a message that is held", MR, "cut(memory, position);", ""),
    kill("runs: nothing is cut behind a message that is held", MR, "cut(memory, position.wrapping_add(1));", ""),
    kill(
        "runs: a claim is repaired that was committed meanwhile",
        RECOVER,
        "if memory.word(position).load(Ordering::Acquire) != word.bits() {",
        "if word.state().is_none() {",
    ),
    kill("runs: recovery repairs the first only", RECOVER, "(1..held_from(memory, position, word))", "(1..1)"),
    kill(
        "runs: recovery repairs the first one first",
        RECOVER,
        "    for behind in (1..held_from",
        "    *count += u64::from(exchange(memory, position, word, repaired));\n    for behind in (1..held_from",
    ),
    kill(
        "runs: recovery repairs what was settled",
        RECOVER,
        "if is_held_by(found, word) {",
        "if found.lap() <= word.lap() {",
    ),
    kill(
        "runs: recovery delivers what was committed of a run",
        RUNS,
        "LapOrder::Same, Some(State::Free | State::Ready)) => true",
        "LapOrder::Same, Some(State::Free)) => true",
    ),
    kill(
        "runs: recovery knows no slots that head has passed",
        RUNS,
        "(Some(State::Claim), LapOrder::Previous, Some(State::Ready | State::Skip)) => true,",
        "",
    ),
    kill(
        "runs: tail is counted over the first only",
        RECOVER,
        "tail.checked_add(held_from(memory, tail, word))",
        "tail.checked_add(1)",
    ),
    kill("untold: what head does not tell yet waits", MOD, "while place < end {", "while place < from {"),
    kill("untold: only what tail tells is taken to be sent", MOD, "{ 2 * UNTOLD };", "{ 1 };"),
];
