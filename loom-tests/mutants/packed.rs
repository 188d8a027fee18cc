//! Mutants of packed rings.

use super::list::{Mutant, kill};

const PACKED: &str = "src/ring/packed.rs";
const SS: &str = "src/ring/single_sender.rs";
const SR: &str = "src/ring/single_receiver.rs";
const FRONTS: &str = "src/ring/fronts.rs";
const AHEAD: &str = "src/ring/ahead.rs";
const RING: &str = "src/ring/mod.rs";
const LOOKOUT: &str = "src/ring/lookout.rs";
const SIGHT: &str = "src/ring/sight.rs";

const NOTE: &str = "if note.is_ready(lap) || note == Word::skip(lap) { note }";

/// Weakened packed rings.
pub const MUTANTS: &[Mutant] = &[
    kill(
        "what tail commits is taken Relaxed",
        AHEAD,
        "if memory.is_packed() { Ordering::Acquire }",
        "if memory.is_packed() { Ordering::Relaxed }",
    ),
    kill(
        "what a word means follows from tail Relaxed",
        PACKED,
        "let tail = read_cursor(memory.tail());",
        "let tail = memory.tail().load(crate::sync::Ordering::Relaxed);",
    ),
    kill(
        "notes of an earlier lap count",
        PACKED,
        NOTE,
        "if note.is_ready(note.lap()) || note == Word::skip(note.lap()) { note }",
    ),
    kill("what was released before older ones is no note", PACKED, NOTE, "if note.is_ready(lap) { note }"),
    kill("what was delivered before is no note", PACKED, NOTE, "if note == Word::skip(lap) { note }"),
    kill("a message at tail is there", PACKED, "tail.checked_sub(1)", "Some(tail)"),
    kill("nobody asks what a word means", PACKED, "if memory.is_packed() { by_tail", "if false { by_tail"),
    kill(
        "a word is compared without its meaning",
        RING,
        "meaning(memory, position, Word::from_bits(memory.word(position).load(Ordering::Relaxed)))",
        "Word::from_bits(memory.word(position).load(Ordering::Relaxed))",
    ),
    kill(
        "a lookout looks at words",
        LOOKOUT,
        "meaning(memory, position, Word::from_bits(memory.word(position).load(Ordering::Relaxed)))",
        "Word::from_bits(memory.word(position).load(Ordering::Relaxed))",
    ),
    kill(
        "a scribbled word is a message behind tail",
        SS,
        "meaning(memory, position, Word::from_bits(memory.word(position).load(Ordering::Acquire)))",
        "Word::from_bits(memory.word(position).load(Ordering::Acquire))",
    ),
    kill("tail is watched to stay as it is", SIGHT, "becomes: false", "becomes: true"),
    kill(
        "a note of a release before an older one stays",
        SR,
        "            self.ahead.touched(run.end());\n            return mark_skipped(memory, run);",
        "            return mark_skipped(memory, run);",
    ),
    kill(
        "a slice is not marked before it is read",
        FRONTS,
        "note_delivered(memory, run.end());\n        Some(run)",
        "Some(run)",
    ),
    kill(
        "a slice reaches into the next lap",
        AHEAD,
        "self.known(position, left).count;\n            self.ended",
        "self.known(position, u64::MAX).count;\n            self.ended",
    ),
    kill("more is gone on with than tail tells", AHEAD, "known.min(chunk)", "chunk"),
    kill("a slice is of more than is known", FRONTS, "self.sure.saturating_sub(self.next).min(most)", "most"),
    kill(
        "a slice is lent as long as anything is free",
        SS,
        "likely(self.window.left(self.tail) >= count)",
        "likely(self.window.left(self.tail) > 0)",
    ),
    kill(
        "a lone message commits Relaxed",
        SS,
        "self.to_commit(memory, slot, memory.tail()).store(tail, Ordering::Release);",
        "self.to_commit(memory, slot, memory.tail()).store(tail, Ordering::Relaxed);",
    ),
    kill(
        "a lone message commits nothing",
        SS,
        "self.to_commit(memory, slot, memory.tail()).store(tail, Ordering::Release);",
        "let _ = self.to_commit(memory, slot, memory.tail());",
    ),
    kill("notes stay where head has passed", SR, "clear_notes(memory, noted);", "let _ = noted;"),
    kill(
        "a receiver waits behind a scribbled tail",
        RING,
        "if memory.is_packed() && tail < position {",
        "if false && tail < position {",
    ),
    kill(
        "a sender waits behind a scribbled tail",
        SS,
        "if memory.is_packed() && tail != self.tail {",
        "if false && tail != self.tail {",
    ),
    kill(
        "a helper waits behind a scribbled tail",
        LOOKOUT,
        "if memory.is_packed() && tail < next {",
        "if false && tail < next {",
    ),
    kill("a receiver waits while a scribbled head says that it is full", SR, "if head != self.head {", "if false {"),
    kill(
        "what lies behind what came back is not known from tail",
        AHEAD,
        "if self.told <= next || (self.there <= next && self.fresh_from <= next) {",
        "if self.told <= next {",
    ),
];
