//! The mutants of waiting.

use super::list::{Mutant, kill};

const EVENT: &str = "src/wait/event.rs";
const UNTIL: &str = "src/wait/until.rs";
const ANY: &str = "src/wait/any.rs";
const SERVE: &str = "src/wait/serve.rs";

/// Each step of a wait and of a wake-up.
pub const MUTANTS: &[Mutant] = &[
    // Waiting.
    kill(
        "the waiter passes no barrier",
        EVENT,
        "let ordered = parking.heavy_barrier();\n    Ticket",
        "let _ = parking;\n    let ordered = true;\n    Ticket",
    ),
    kill("the waker passes no barrier", EVENT, "    parking.light_barrier();\n", ""),
    kill(
        "the waiter does not mark",
        EVENT,
        "event.fetch_or(MARK, Ordering::Acquire) | MARK",
        "event.load(Ordering::Acquire)",
    ),
    kill(
        "the waiter does not look again",
        UNTIL,
        "let soon = match look_and_watch(phase, &mut attempt) {\n            Attempt::Done(value) => return Some(value),\n            Attempt::Blocked { soon } => soon,\n        };",
        "let soon = if phase == Phase::Sleeping { false } else { match look_and_watch(phase, &mut attempt) {\n            Attempt::Done(value) => return Some(value),\n            Attempt::Blocked { soon } => soon,\n        } };",
    ),
    kill(
        "the waker does not change the word",
        EVENT,
        "event.fetch_add(ONE_WAKE_UP, Ordering::Relaxed).wrapping_add(ONE_WAKE_UP)",
        "event.load(Ordering::Relaxed)",
    ),
    kill("the mark goes before the others are woken", EVENT, "    parking.unpark(event, i32::MAX as u32);\n}", "}"),
    kill(
        "the waker takes the mark away at once",
        EVENT,
        "event.fetch_add(ONE_WAKE_UP, Ordering::Relaxed).wrapping_add(ONE_WAKE_UP)",
        "event.fetch_and(!MARK, Ordering::Relaxed) & !MARK",
    ),
    kill(
        "the waker wakes one too few",
        EVENT,
        "if parking.unpark(event, count) >= count",
        "if parking.unpark(event, count - 1) + 1 >= count",
    ),
    // One barrier for many waiters.
    kill(
        "a mark that nobody has passed a barrier for is settled",
        EVENT,
        "event.fetch_or(MARK, Ordering::Acquire) | MARK",
        "event.fetch_or(MARK | SETTLED, Ordering::Acquire) | MARK",
    ),
    kill("a mark that goes stays settled", EVENT, "now & !(MARK | SETTLED | CALLED)", "now & !(MARK | CALLED)"),
    kill("a mark is settled Relaxed", EVENT, "word | SETTLED, Ordering::Release", "word | SETTLED, Ordering::Relaxed"),
    kill(
        "a settled mark is read Relaxed",
        EVENT,
        "event.fetch_or(MARK, Ordering::Acquire) | MARK",
        "event.fetch_or(MARK, Ordering::Relaxed) | MARK",
    ),
    kill(
        "a mark is settled that may be another one",
        EVENT,
        "match event.compare_exchange(word, word | SETTLED, Ordering::Release, Ordering::Relaxed) {\n        Ok(_) => word | SETTLED,\n        Err(other) if other == word | SETTLED => other,\n        Err(_) => word,\n    }",
        "let _ = word;\n    event.fetch_or(SETTLED, Ordering::Release) | SETTLED",
    ),
    // The call.
    kill(
        "who comes back does not take the call away",
        EVENT,
        "event.fetch_and(!CALLED, Ordering::Relaxed);\n    }\n    fence",
        "event.load(Ordering::Relaxed);\n    }\n    fence",
    ),
    kill("who comes back passes no fence", EVENT, "    }\n    fence(Ordering::SeqCst);\n}", "    }\n}"),
    kill(
        "who leaves a message to the one that was called passes no fence",
        EVENT,
        "if before == Before::Nothing || !EXCHANGE_IS_FENCE {",
        "if false && before == Before::Nothing || !EXCHANGE_IS_FENCE {",
    ),
    kill(
        "who was called does not watch what is claimed",
        UNTIL,
        "const LOOKS_AT_A_CLAIM: u32 = 64;",
        "const LOOKS_AT_A_CLAIM: u32 = 0;",
    ),
    kill(
        "what is claimed is not to come",
        "src/ring/mod.rs",
        "    size_to(memory, claimed_to)",
        "    size_to(memory, sent_to)",
    ),
    kill(
        "one of many receivers does not say that a message is claimed",
        "src/ring/multi_receiver.rs",
        "(LapOrder::Same, State::Claim) => Ok(Step::Stop(Some(InTheWay { owner: word.owner(), position, word }))),",
        "(LapOrder::Same, State::Claim) => Ok(Step::Stop(None)),",
    ),
    kill(
        "one of many senders does not say that a slot is taken",
        "src/ring/multi_sender.rs",
        "State::Take | State::TakeRun) => Ok(stop_at(memory, position, word)),",
        "State::Take | State::TakeRun) => Ok(Step::Stop(None)),",
    ),
    kill(
        "the only receiver does not say that a message is claimed",
        "src/ring/single_receiver.rs",
        "                Blocked::Wait(Some(InTheWay { owner: word.owner(), position: self.next, word }))",
        "                Blocked::Wait(Some(InTheWay { owner: word.owner(), position: self.next, word }).filter(|_| false))",
    ),
    kill(
        "the only sender does not say that a slot is taken",
        "src/ring/single_sender.rs",
        "            Blocked::Wait(Some(InTheWay { owner: word.owner(), position, word }))",
        "            Blocked::Wait(Some(InTheWay { owner: word.owner(), position, word }).filter(|_| false))",
    ),
    kill(
        "who has called and found nobody leaves the call",
        EVENT,
        "now & !(MARK | SETTLED | CALLED)",
        "now & !(MARK | SETTLED)",
    ),
    kill(
        "who has called and found another word leaves the call",
        EVENT,
        "        // Relaxed: as above.\n        event.fetch_and(!CALLED, Ordering::Relaxed);\n",
        "",
    ),
    Mutant {
        name: "who finds the mark settled passes no fence",
        file: EVENT,
        from: "parking.settled_barrier();\n        return Ticket",
        to: "return Ticket",
        survives: Some(
            "matters only to one who marks just after a call that found nobody; processors order it by the exchange",
        ),
    },
    kill(
        "who comes back from several words takes one call away",
        EVENT,
        "come_back(marked.iter().map(|(event, _)| *event));",
        "come_back(marked.iter().take(1).map(|(event, _)| *event));",
    ),
    kill(
        "a helper that comes back does not take the call away",
        EVENT,
        "&[(event, ticket.word), control], limit);\n    come_back([event]);",
        "&[(event, ticket.word), control], limit);",
    ),
    // Waiting for several things, and in the place of another.
    kill(
        "who waits on several words marks the first only",
        EVENT,
        "events.iter().map(|event| (*event, set_mark(event)))",
        "events.iter().take(1).map(|event| (*event, set_mark(event)))",
    ),
    kill(
        "who waits on several words passes no barrier",
        EVENT,
        "let ordered = parking.heavy_barrier();\n    if ordered {",
        "let _ = parking;\n    let ordered = true;\n    if ordered {",
    ),
    kill(
        "who waits on several words does not look again",
        ANY,
        "let soon = match look_and_watch(phase, &mut attempt) {\n            Attempt::Done(value) => return Some(value),\n            Attempt::Blocked { soon } => soon,\n        };",
        "let soon = if phase == Phase::Sleeping { false } else { match look_and_watch(phase, &mut attempt) {\n            Attempt::Done(value) => return Some(value),\n            Attempt::Blocked { soon } => soon,\n        } };",
    ),
    kill(
        "who waits on several words sleeps on the last only",
        ANY,
        "event::sleep_any(parking, &marked, ",
        "event::sleep_any(parking, &marked[marked.len() - 1..], ",
    ),
    kill(
        "who waits on several words does not know that it was woken",
        ANY,
        "phase = Phase::Woken;",
        "phase = Phase::Sleeping;",
    ),
    kill(
        "the helper does not look before it sleeps",
        SERVE,
        "let soon = match look_and_watch(phase, look) {\n            Attempt::Done(()) => return true,\n            Attempt::Blocked { soon } => soon,\n        };",
        "let soon = if phase == Phase::Sleeping { false } else { match look_and_watch(phase, look) {\n            Attempt::Done(()) => return true,\n            Attempt::Blocked { soon } => soon,\n        } };",
    ),
    kill(
        "the helper sleeps without hearing orders",
        SERVE,
        "event::sleep_or(parking, event, ticket, control, limit);",
        "event::sleep(parking, event, ticket, limit);",
    ),
    kill("an order does not wake the helper", SERVE, "    parking.unpark(control, 1);\n", "    let _ = parking;\n"),
    kill("an order that is given again looks the same", SERVE, ".wrapping_add(ONE_ORDER)", ""),
    kill(
        "an order is Relaxed",
        SERVE,
        "control.swap(next, Ordering::Release)",
        "control.swap(next, Ordering::Relaxed)",
    ),
    Mutant {
        name: "an order is obeyed Relaxed",
        file: SERVE,
        from: "let order = control.load(Ordering::Acquire);",
        to: "let order = control.load(Ordering::Relaxed);",
        survives: Some("the heavy barrier that follows orders the look as well"),
    },
    kill(
        "the helper reports a look and forgets the order",
        SERVE,
        "let done = order & !WHAT | Order::Rest as u32;",
        "let done = order & !WHAT | Order::Stop as u32;",
    ),
];
