//! The mutants.

use super::{at_once, held, packed, rows, runs, waiting, windows};

/// One weakening of one file.
pub struct Mutant {
    /// What is weakened.
    pub name: &'static str,
    /// The file, from the root of the project.
    pub file: &'static str,
    /// A text that occurs there once.
    pub from: &'static str,
    /// What replaces it.
    pub to: &'static str,
    /// Why the models do not see it, if they do not.
    pub survives: Option<&'static str>,
}

const MOD: &str = "src/ring/mod.rs";
const MS: &str = "src/ring/multi_sender.rs";
const SS: &str = "src/ring/single_sender.rs";
const MR: &str = "src/ring/multi_receiver.rs";
const SR: &str = "src/ring/single_receiver.rs";
const NOTES: &str = "src/ring/notes.rs";
const RECOVER: &str = "src/ring/recover.rs";
const SKIP_FIRST: &str = r#"        let won =
            memory.word(position).compare_exchange(word.bits(), free.bits(), Ordering::Relaxed, Ordering::Relaxed);
        self.freed |= won.is_ok();
        help(memory.head(), position, position.wrapping_add(1));"#;
const HEAD_FIRST: &str = r#"        help(memory.head(), position, position.wrapping_add(1));
        let won =
            memory.word(position).compare_exchange(word.bits(), free.bits(), Ordering::Relaxed, Ordering::Relaxed);
        self.freed |= won.is_ok();"#;

/// A mutant that a model must see.
pub const fn kill(name: &'static str, file: &'static str, from: &'static str, to: &'static str) -> Mutant {
    Mutant { name, file, from, to, survives: None }
}

/// All of them.
pub fn all() -> impl Iterator<Item = &'static Mutant> {
    let others = [
        at_once::MUTANTS,
        held::MUTANTS,
        packed::MUTANTS,
        rows::MUTANTS,
        runs::MUTANTS,
        waiting::MUTANTS,
        windows::MUTANTS,
    ];
    MUTANTS.iter().chain(others.into_iter().flatten())
}

/// Every ordering that is not Relaxed, and the steps of the ring.
const MUTANTS: &[Mutant] = &[
    // Orderings.
    kill(
        "cursor: help Relaxed",
        MOD,
        "compare_exchange(from, to, Ordering::Release",
        "compare_exchange(from, to, Ordering::Relaxed",
    ),
    kill(
        "cursor: advance Relaxed",
        MOD,
        "compare_exchange(now, to, Ordering::Release",
        "compare_exchange(now, to, Ordering::Relaxed",
    ),
    kill("cursor: read Relaxed", MOD, "cursor.load(Ordering::Acquire)", "cursor.load(Ordering::Relaxed)"),
    kill(
        "multi sender: commit Relaxed",
        MS,
        "store(Word::ready(lap).bits(), Ordering::Release)",
        "store(Word::ready(lap).bits(), Ordering::Relaxed)",
    ),
    kill(
        "multi sender: head Relaxed",
        MS,
        "memory.head().load(Ordering::Acquire)",
        "memory.head().load(Ordering::Relaxed)",
    ),
    kill(
        "single sender: commit Relaxed",
        SS,
        "store(ready.bits(), Ordering::Release);\n        self.tail = tail;",
        "store(ready.bits(), Ordering::Relaxed);\n        self.tail = tail;",
    ),
    kill("senders: batch Relaxed", MOD, "word.store(ready, Ordering::Release)", "word.store(ready, Ordering::Relaxed)"),
    kill(
        "single sender: tail Relaxed",
        SS,
        "store(self.tail, Ordering::Release)",
        "store(self.tail, Ordering::Relaxed)",
    ),
    kill(
        "single sender: head Relaxed",
        SS,
        "let head = memory.head().load(Ordering::Acquire);\n        let used",
        "let head = memory.head().load(Ordering::Relaxed);\n        let used",
    ),
    kill(
        "single sender: free word Relaxed",
        SS,
        "our writes.\n    Word::from_bits(memory.word(position).load(Ordering::Acquire))",
        "our writes.\n    Word::from_bits(memory.word(position).load(Ordering::Relaxed))",
    ),
    kill(
        "multi receiver: release Relaxed",
        MR,
        "store(free.bits(), Ordering::Release)",
        "store(free.bits(), Ordering::Relaxed)",
    ),
    kill("multi receiver: epoch Relaxed", MR, "fetch_add(1, Ordering::Release)", "fetch_add(1, Ordering::Relaxed)"),
    kill(
        "multi receiver: epoch read Relaxed",
        MR,
        "memory.retry_epoch().load(Ordering::Acquire)",
        "memory.retry_epoch().load(Ordering::Relaxed)",
    ),
    kill(
        "single receiver: take Relaxed",
        NOTES,
        "memory.word(position).load(Ordering::Acquire)",
        "memory.word(position).load(Ordering::Relaxed)",
    ),
    kill(
        "single receiver: head Relaxed",
        SR,
        "memory.head().store(self.head, Ordering::Release)",
        "memory.head().store(self.head, Ordering::Relaxed)",
    ),
    kill("multi sender: claim Relaxed", MS, "mine.bits(), Ordering::AcqRel", "mine.bits(), Ordering::Release"),
    kill("multi sender: claim without Release", MS, "mine.bits(), Ordering::AcqRel", "mine.bits(), Ordering::Acquire"),
    kill(
        "multi sender: another's claim Relaxed",
        MS,
        "Word::from_bits(word.load(Ordering::Acquire))",
        "Word::from_bits(word.load(Ordering::Relaxed))",
    ),
    kill("head catches up to tail", MR, "saturating_sub(memory.capacity())", "saturating_sub(0)"),
    kill(
        "multi receiver: what another took is taken",
        MR,
        "&& exchange_word(word, ready, taken)",
        "&& exchange_word(word, ready, taken) | true",
    ),
    kill("multi receiver: take Relaxed", MR, "to.bits(), Ordering::Acquire", "to.bits(), Ordering::Relaxed"),
    // Steps of the ring.
    kill(
        "release into the same lap",
        MR,
        "let free = Word::free(memory.lap(position).wrapping_add(1));\n        // Release: release",
        "let free = Word::free(memory.lap(position));\n        // Release: release",
    ),
    // The short way.
    kill(
        "the short way: a multi sender's claim is not looked at",
        MS,
        "matches!(self.claim_at(memory, place, 1), Ok(Step::Mine(_))).then_some(place)",
        "Some((self.claim_at(memory, place, 1), place).1)",
    ),
    kill(
        "the short way: tail goes past the next claim, too",
        MS,
        "self.go_on(memory, position.wrapping_add(1));\n    }\n\n    /// Claims and",
        "self.go_on(memory, position.wrapping_add(2));\n    }\n\n    /// Claims and",
    ),
    kill(
        "the short way: a single receiver goes on while something is to come again",
        SR,
        "if self.rewind || !self.is_fresh(memory)",
        "if !self.is_fresh(memory)",
    ),
    kill(
        "the short way: a single receiver takes what is not ready",
        SR,
        "take_word(memory, self.next) == Word::ready(memory.lap(self.next))",
        "self.next < super::read_cursor(memory.tail())",
    ),
    kill(
        "the short way: an older message is released with a newer one",
        SR,
        "position == self.head && position < self.next && !self.out_of_turn && !self.rewind;",
        "position < self.next && !self.out_of_turn && !self.rewind;",
    ),
    kill("the short way: a take that failed counts", MR, "mine.then_some(place)", "Some(place)"),
    kill(
        "skip into the same lap",
        MR,
        "let free = Word::free(memory.lap(position).wrapping_add(1));\n        // Relaxed: an exchange",
        "let free = Word::free(memory.lap(position));\n        // Relaxed: an exchange",
    ),
    kill("a single sender ignores head", SS, "Ok(want.min(capacity - used))", "Ok(want)"),
    kill("a single sender trusts an old head for one more", SS, "(self.tail) >= want {", "(self.tail) >= want - 1 {"),
    kill(
        "a multi sender claims up to head",
        MS,
        "if ahead < memory.capacity() && !uncommitted",
        "if ahead <= memory.capacity() && !uncommitted",
    ),
    kill(
        "a multi sender stores its claim",
        MS,
        "word.compare_exchange(from.bits(), mine.bits(), Ordering::AcqRel, Ordering::Relaxed).is_ok()",
        "(from, word.swap(mine.bits(), Ordering::Relaxed)).1 > 0",
    ),
    kill(
        "a multi receiver stores its take",
        MR,
        "word.compare_exchange(from.bits(), to.bits(), Ordering::Acquire, Ordering::Relaxed).is_ok()",
        "(from, word.swap(to.bits(), Ordering::Relaxed)).1 > 0",
    ),
    kill(
        "tail goes past a claim that failed",
        MS,
        "self.next = run.end();\n                    advance(memory.tail(), tail, self.next);",
        "self.next = run.end() + 1;\n                    advance(memory.tail(), tail, self.next);",
    ),
    kill(
        "head goes past a take that failed",
        MR,
        "self.next = run.end();\n                    advance(memory.head(), head, self.next);",
        "self.next = run.end() + 1;\n                    advance(memory.head(), head, self.next);",
    ),
    kill(
        "what is ready is overwritten unasked",
        MS,
        "State::Ready | State::Retry) if self.overwrite",
        "State::Ready | State::Retry) if self.overwrite || position > 0",
    ),
    kill("overwriting is not counted", MS, "self.overwritten += u64::from(matches!(step, Step::Mine(_)));", ""),
    kill(
        "overwriting takes what is held",
        MS,
        "(LapOrder::Previous, State::Ready | State::Retry) if self.overwrite",
        "(LapOrder::Previous, State::Ready | State::Retry | State::Take) if self.overwrite",
    ),
    kill(
        "a message that came back is ready again",
        MR,
        "word.into_state(State::Retry) } else",
        "word.into_state(State::Ready) } else",
    ),
    kill(
        "the epoch moves before the words",
        MR,
        r#"        self.for_each_held(memory, run, |held, word| {
            let back = if seen { word.into_state(State::Retry) } else { word.undelivered() };
            settle(memory, held, back.bits());
        });
        // Release: epoch, pairs with scan. After the words, so that whoever sees the new epoch finds them.
        memory.retry_epoch().fetch_add(1, Ordering::Release);"#,
        r#"        memory.retry_epoch().fetch_add(1, Ordering::Release);
        self.for_each_held(memory, run, |held, word| {
            let back = if seen { word.into_state(State::Retry) } else { word.undelivered() };
            settle(memory, held, back.bits());
        });"#,
    ),
    kill("the epoch does not move", MR, "memory.retry_epoch().fetch_add(1, Ordering::Release);", ""),
    kill(
        "a scan remembers an epoch that it did not begin with",
        MR,
        "let finished = scan.epoch;",
        "let finished = memory.retry_epoch().load(Ordering::Relaxed);",
    ),
    kill(
        "a pass is called finished when it begins",
        MR,
        "let scan = self.scan.get_or_insert_with(",
        "memory.retry_settled().store(epoch, Ordering::Relaxed);\n        \
         let scan = self.scan.get_or_insert_with(",
    ),
    kill(
        "an epoch that was settled once settles those after it",
        MR,
        "if memory.retry_settled().load(Ordering::Relaxed) == epoch {",
        "if memory.retry_settled().load(Ordering::Relaxed) > 0 {",
    ),
    kill(
        "an older message is released with a newer one",
        SR,
        "if run.first != self.head {\n            self.out_of_turn = true;\n            self.ahead.touched(run.end());\n            return mark_skipped(memory, run);\n        }",
        "",
    ),
    kill(
        "head stops at what was released before",
        SR,
        "while head < self.next && self.is_skipped(memory, head)",
        "while false",
    ),
    kill(
        "head runs over what is held",
        SR,
        "while head < self.next && self.is_skipped(memory, head)",
        "while head < self.next",
    ),
    kill(
        "a single receiver does not rewind",
        SR,
        "self.next = self.head;\n            self.rewind = false;",
        "self.rewind = false;",
    ),
    kill(
        "a single receiver takes without looking",
        SR,
        "if !word.is_ready(lap) {\n                    return count;",
        "if run.first.wrapping_add(count) >= super::read_cursor(memory.tail()) {\n                    return count;",
    ),
    // Recovery.
    kill("recovery: exchange Relaxed", RECOVER, "to.bits(), Ordering::AcqRel", "to.bits(), Ordering::Relaxed"),
    kill(
        "a dead claim becomes free",
        RECOVER,
        "(Word::skip(word.lap()), &mut total.skipped)",
        "(Word::free(word.lap()), &mut total.skipped)",
    ),
    kill(
        "a dead claim becomes ready",
        RECOVER,
        "(Word::skip(word.lap()), &mut total.skipped)",
        "(Word::ready(word.lap()), &mut total.skipped)",
    ),
    kill(
        "what the dead had taken is ready again",
        RECOVER,
        "(word.into_state(State::Retry), &mut total.returned)",
        "(word.into_state(State::Ready), &mut total.returned)",
    ),
    kill(
        "what the dead had taken is released",
        RECOVER,
        "(word.into_state(State::Retry), &mut total.returned)",
        "(Word::free(word.lap() + 1), &mut total.returned)",
    ),
    kill("recovery does not look whose it is", RECOVER, "if word.owner() != owner {", "if owner == 0 {"),
    kill(
        "the epoch moves only for what this recoverer returned",
        RECOVER,
        "    // Even with nothing returned: one who died",
        "    if total.returned == 0 {\n        return total;\n    }\n    // Even with nothing returned: one who died",
    ),
    kill("a receiver helps head before it frees a skipped slot", MR, SKIP_FIRST, HEAD_FIRST),
    kill(
        "a single successor sender begins at tail",
        SS,
        "let tail = committed_to(memory, counted);",
        "let tail = counted;",
    ),
    kill(
        "a single successor receiver begins behind what was seen",
        SR,
        "head,\n            next: head,",
        "head: delivered_to.max(head),\n            next: delivered_to.max(head),",
    ),
    // Taking over and leaving.
    kill(
        "a successor lowers the mark before it counts",
        SR,
        "count_delivery(memory, position);\n            note_delivered(memory, position);",
        "note_delivered(memory, position);\n            count_delivery(memory, position);",
    ),
    kill(
        "a successor lowers the mark at once",
        SR,
        "note_delivered(memory, position);\n        }\n        Ok(",
        "note_delivered(memory, head);\n        }\n        Ok(",
    ),
    kill(
        "a successor counts from the bottom up",
        SR,
        "count: marked }).positions().rev()",
        "count: marked }).positions()",
    ),
    kill(
        "a repaired word does not move the epoch",
        RECOVER,
        "if total.returned > 0 {\n        // Release",
        "if total.returned > 1 {\n        // Release",
    ),
    kill(
        "who leaves does not lower the mark",
        SR,
        "            // Nothing above head has been seen, or its word counts it already.\n            note_delivered(memory, self.head);",
        "",
    ),
];
