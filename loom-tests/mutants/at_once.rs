//! Mutants of the shortest ways of many senders and receivers.

use super::list::{Mutant, kill};

const MS: &str = "src/ring/multi_sender.rs";
const MR: &str = "src/ring/multi_receiver.rs";
const ENDS: &str = "src/ring/ends.rs";

/// Weakened short cuts.
pub const MUTANTS: &[Mutant] = &[
    kill(
        "at once: a claim that failed counts",
        MS,
        "is_free && may() && self.exchange(slot.word(), lap, word, 1);",
        "is_free && may() && (self.exchange(slot.word(), lap, word, 1), true).1;",
    ),
    kill("at once: a slot is claimed that head has not passed", MS, "place < self.free_to &&", "self.free_by_head &&"),
    kill(
        "at once: a slot is claimed that is not free",
        MS,
        "let is_free = word == Word::free(lap) ||",
        "let is_free = word.bits() > 0 ||",
    ),
    kill(
        "at once: a message is committed before it is written",
        MS,
        "write(slot);\n        make_ready(slot.word(), memory.lap(position));",
        "make_ready(slot.word(), memory.lap(position));\n        write(slot);",
    ),
    kill(
        "at once: tail goes past the next claim, too",
        MS,
        "self.go_on(memory, position.wrapping_add(1));\n        true",
        "self.go_on(memory, position.wrapping_add(2));\n        true",
    ),
    kill(
        "at once: a take that failed counts",
        MR,
        "if !exchange_word(slot.word(), ready, ready.taken_by(self.owner)) {",
        "if (exchange_word(slot.word(), ready, ready.taken_by(self.owner)), false).1 {",
    ),
    kill(
        "at once: a value is read after its slot is free",
        MR,
        "read(slot);\n        self.free_one(memory, position);",
        "self.free_one(memory, position);\n        read(slot);",
    ),
    kill(
        "at once: head goes past the next message, too",
        MR,
        "self.go_on(memory, place.wrapping_add(1));\n        Some(place)",
        "self.go_on(memory, place.wrapping_add(2));\n        Some(place)",
    ),
    kill(
        "at once: what came back is passed over",
        MR,
        "        if self.new_epoch(memory).is_some() {\n            return None;\n        }\n        let place = self.place_at_once(memory);\n        if place >= self.limit {",
        "        let place = self.place_at_once(memory);\n        if place >= self.limit {",
    ),
    kill(
        "watched: what came back is passed over",
        MR,
        "        if self.new_epoch(memory).is_some() {\n            return None;\n        }\n        let (place, sight)",
        "        let (place, sight)",
    ),
    kill(
        "at once: what one of many was shown and keeps does not say so",
        ENDS,
        "Self::Multi(end) => end.give_back(memory, run, true),",
        "Self::Multi(end) => end.give_back(memory, run, false),",
    ),
];
