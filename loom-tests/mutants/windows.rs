//! Mutants of the windows of single ends.

use super::list::{Mutant, kill};

const WINDOW: &str = "src/ring/window.rs";
const SS: &str = "src/ring/single_sender.rs";
const SR: &str = "src/ring/single_receiver.rs";
const FRONTS: &str = "src/ring/fronts.rs";
const AHEAD: &str = "src/ring/ahead.rs";
const RING: &str = "src/ring/mod.rs";

/// Weakened windows.
pub const MUTANTS: &[Mutant] = &[
    kill("a window reaches into the next lap", WINDOW, "end.min(last_of_lap.saturating_add(1))", "end"),
    kill("a window has no end", WINDOW, "(position < self.end)", "(self.end > 0 || position < self.end)"),
    kill("a sender's window reaches beyond what is free", SS, "self.limit.min(end)", "end"),
    kill(
        "a sender to many thinks that it knows what is free",
        SS,
        "if free_by_head { known_free(memory, tail, head) } else { tail }",
        "known_free(memory, tail, head)",
    ),
    kill(
        "a batch in a window commits Relaxed",
        SS,
        "store(ready.bits(), Ordering::Release);\n            count",
        "store(ready.bits(), Ordering::Relaxed);\n            count",
    ),
    kill("tail tells of nothing that is sent in a window", SS, "tail & (memory.tail_step() - 1) == 0", "false"),
    kill(
        "tail tells of half the lines",
        SS,
        "tail & (memory.tail_step() - 1) == 0",
        "tail & (2 * memory.tail_step() - 1) == 0",
    ),
    kill("what tail does not tell yet is not sent", RING, "(1..most)", "(1..1)"),
    kill(
        "what tail does not tell yet may be more than is sent",
        RING,
        "is_committed(memory, tail.wrapping_add(ahead - 1))",
        "*ahead > 0",
    ),
    kill("tail does not tell of a batch", SS, "self.move_tail(memory, self.tail);", "let _ = memory;"),
    kill(
        "a message is sent in a window before it is written",
        SS,
        "write(slot);\n        self.commit_one(memory, position, slot, ready);\n        true",
        "self.commit_one(memory, position, slot, ready);\n        write(slot);\n        true",
    ),
    kill(
        "a receiver takes in its window what is not ready",
        SR,
        "if !self.is_there(memory, position, ready) || !may(slot) {",
        "if position >= super::read_cursor(memory.tail()) || !may(slot) {",
    ),
    kill(
        "a look makes sure of what comes after what is held",
        FRONTS,
        "if position != self.head || !self.open_window(memory, end) {",
        "if !self.open_window(memory, end) {",
    ),
    kill(
        "watched: one that is held is passed over",
        FRONTS,
        "if position != self.head || !self.watch(memory, looks)",
        "if !self.watch(memory, looks)",
    ),
    kill(
        "watched: what was shown is not marked",
        FRONTS,
        "looks) || !may(memory.slot(position)) {\n            return None;\n        }\n        note_delivered(memory, position.wrapping_add(1));",
        "looks) || !may(memory.slot(position)) {\n            return None;\n        }",
    ),
    kill(
        "watched: the next one has come, too",
        FRONTS,
        "self.ahead.came(self.next);",
        "self.ahead.came(self.next.wrapping_add(1));",
    ),
    kill(
        "watched: a message is seen Relaxed",
        "src/ring/sight.rs",
        "(self.word.load(Ordering::Acquire) == self.bits)",
        "(self.word.load(Ordering::Relaxed) == self.bits)",
    ),
    kill(
        "watched: a message is shown that tail does not tell",
        FRONTS,
        "                && self.told(memory) > 0\n                && self.ahead.knows(self.next);",
        "                || looks > 0;",
    ),
    kill(
        "watched: a packed message that came back is shown as new",
        FRONTS,
        "                && self.told(memory) > 0\n                && self.ahead.knows(self.next);",
        "                && { self.ahead.came(self.next); true };",
    ),
    kill(
        "a value in a window is read after its slot is free",
        FRONTS,
        "read(slot);\n        self.pass_front(memory, position);",
        "self.pass_front(memory, position);\n        read(slot);",
    ),
    kill("what is sure stays so behind what is held", SR, "(self.next, self.sure) = (next, 0);", "self.next = next;"),
    kill(
        "what is not ready is shown",
        FRONTS,
        "if !self.is_there(memory, position, ready) {",
        "if position >= super::read_cursor(memory.tail()) {",
    ),
    kill(
        "what is shown is not marked as delivered",
        FRONTS,
        "!likely(may(memory.slot(position))) {\n            return None;\n        }\n        note_delivered(memory, position.wrapping_add(1));",
        "!likely(may(memory.slot(position))) {\n            return None;\n        }",
    ),
    kill(
        "many are shown before what is held",
        FRONTS,
        "if self.next != self.head {\n            return 0;",
        "if false {\n            return 0;",
    ),
    kill(
        "many are shown of which one is not there",
        FRONTS,
        "meaning(memory, position, Word::from_bits(slot.word().load(Ordering::Acquire))) != ready {",
        "position >= super::read_cursor(memory.tail()) {",
    ),
    kill(
        "many are shown Relaxed",
        FRONTS,
        "Word::from_bits(slot.word().load(Ordering::Acquire))) != ready {",
        "Word::from_bits(slot.word().load(Ordering::Relaxed))) != ready {",
    ),
    kill(
        "many are shown beyond the window",
        FRONTS,
        "Run { first, count: count.min(most) }",
        "Run { first, count: most.max(count) }",
    ),
    kill(
        "many that are shown are not marked as delivered",
        FRONTS,
        "mark_delivered(mark, position.wrapping_add(1));",
        "",
    ),
    kill(
        "one more than was shown is passed",
        FRONTS,
        "self.pass_up_to(memory, self.next.wrapping_add(count));",
        "self.pass_up_to(memory, self.next.wrapping_add(count + 1));",
    ),
    kill(
        "what was shown and is kept does not say so",
        FRONTS,
        "self.give_back(memory, run, true);\n        // They were shown",
        "self.give_back(memory, run, false);\n        // They were shown",
    ),
    kill(
        "what was shown and is kept does not count as waiting",
        FRONTS,
        "        // They were shown because nothing is held.\n        self.settle(memory);\n",
        "",
    ),
    kill("what came back is known to be there still", AHEAD, "        self.there = 0;\n", ""),
    kill(
        "a receiver looks ahead beyond its window",
        AHEAD,
        "LOOKS.min(memory.at_once()).min(window.left(next))",
        "LOOKS.min(memory.at_once())",
    ),
    kill(
        "a receiver looks ahead Relaxed",
        AHEAD,
        "word.load(Ordering::Acquire) == ready.bits()",
        "word.load(Ordering::Relaxed) == ready.bits()",
    ),
    kill(
        "a receiver thinks that one more is there",
        AHEAD,
        "(run.first.wrapping_add(there), there < run.count)",
        "(run.first.wrapping_add(there + 1), there < run.count)",
    ),
    kill("all is there that tail tells of", AHEAD, "take_word(memory, last) == Word::ready(memory.lap(last))", "true"),
    kill(
        "the last message is looked at Relaxed",
        AHEAD,
        "take_word(memory, last) == Word::ready(memory.lap(last))",
        "memory.word(last).load(Ordering::Relaxed) == Word::ready(memory.lap(last)).bits()",
    ),
    kill("many senders are thought to commit in order", AHEAD, "} else { u64::MAX };", "} else { 0 };"),
    kill(
        "what receivers have touched is thought to be fresh",
        AHEAD,
        "next >= self.fresh_from && count > 0",
        "count > 0",
    ),
    kill(
        "what is known and taken is not marked as delivered",
        SR,
        "self.ahead.fetch(memory, run);\n        self.deliver_to(memory, run.end());",
        "self.ahead.fetch(memory, run);\n        (self.next, self.sure) = (run.end(), 0);",
    ),
    kill("what is to be taken again is thought to be fresh", AHEAD, "        self.touched(next);\n", ""),
    kill(
        "a successor thinks that all beyond the mark is fresh",
        AHEAD,
        "committed_to(memory, read_cursor(memory.tail()))",
        "memory.delivered_to().load(Ordering::Relaxed)",
    ),
    kill(
        "a successor thinks that all beyond tail is fresh",
        AHEAD,
        "committed_to(memory, read_cursor(memory.tail()))",
        "sent_to(memory)",
    ),
    kill(
        "what was shown and is kept is thought to be fresh",
        SR,
        "            // One that was shown is still the next.\n            self.ahead.touched(run.end());\n",
        "",
    ),
    kill(
        "the short way: head stands still at what was released before",
        SR,
        "            self.out_of_turn = true;\n            self.ahead.touched(run.end());\n            return mark_skipped",
        "            self.ahead.touched(run.end());\n            return mark_skipped",
    ),
    kill(
        "the short way: head stands still at what a predecessor released",
        SR,
        "        } else {\n            self.out_of_turn = true;\n        }",
        "        }",
    ),
    kill(
        "what was sent before a panic is written over",
        SS,
        "self.window.ready_at(position).is_some() && is_committed(memory, position)",
        "false && is_committed(memory, position)",
    ),
    kill(
        "what came back leaves the window open",
        SR,
        "(self.window, self.sure) = (Window::CLOSED, 0);",
        "self.sure = 0;",
    ),
    kill(
        "what came back is still sure",
        SR,
        "(self.window, self.sure) = (Window::CLOSED, 0);",
        "self.window = Window::CLOSED;",
    ),
    kill(
        "a window is opened over what is to come again",
        SR,
        "if !self.rewind {\n            self.window",
        "if true {\n            self.window",
    ),
    kill(
        "what is shown from a window is not marked as delivered",
        SR,
        "|| !may(slot) {\n            return None;\n        }\n        self.deliver_to(memory, position.wrapping_add(1));",
        "|| !may(slot) {\n            return None;\n        }\n        (self.next, self.sure) = (position.wrapping_add(1), 0);",
    ),
    kill(
        "more is shown than a look is sure of",
        FRONTS,
        "!likely(position < self.sure) || !likely(may(memory.slot(position)))",
        "!likely(may(memory.slot(position)))",
    ),
    kill(
        "more is passed than a look is sure of",
        FRONTS,
        "if !likely(position < self.sure) {\n            return false;",
        "if self.sure == 0 {\n            return false;",
    ),
    kill(
        "the last word tells of all, though some were touched",
        AHEAD,
        "run.first >= self.fresh_from && take_word",
        "take_word",
    ),
    kill(
        "a look reaches into the next lap",
        AHEAD,
        "if !self.ended && left > 0 && self",
        "let left = left.max(chunk);\n        if !self.ended && self",
    ),
    kill(
        "a look beyond what is there finds anything",
        AHEAD,
        "found.map_or(self.there, Run::end)",
        "found.map_or(self.there + 1, Run::end)",
    ),
];
