//! Which cells are measured, and for how long.

use std::time::Duration;

use ringpost_compare::cell::{Lane, SIZES, depth};
use ringpost_compare::plan::Effort;
use ringpost_compare::registry::{Kind, find};
use ringpost_compare::results::{Cell, JOINED, Outcome};

use super::{BenchArgs, LEAST, MOST_ROUNDS, QUICK, REPETITIONS, ROUNDS, THOROUGH, WhichEnds};
use crate::exit::Failure;

const TRIP_SIZES: [usize; 3] = [8, 48, 64];
const STREAM_SIZES: [usize; 4] = [8, 64, 1024, 64 * 1024];
/// The largest message: a queue holds a few of them, and both processes map it.
const LARGEST: usize = 1 << 20;
/// From this size on, messages are written in place, and one by one.
const IN_PLACE: usize = 4096;
/// The limit that the machine sets: its name in the registry, and the bytes of its message, which fill a line with their turn.
const LIMIT: (&str, usize) = ("line", 48);

/// One sender and one receiver, whose queue may be packed, and the sizes of values for which that is compared.
const SINGLE: &str = "ringpost-single";
const PACKED_SIZES: [usize; 2] = [8, 64];

/// What each pair of ends is called in the registry.
const FORMS: [(WhichEnds, WhichEnds, &str); 4] = [
    (WhichEnds::Single, WhichEnds::Single, SINGLE),
    (WhichEnds::Single, WhichEnds::Multi, "ringpost-one-to-many"),
    (WhichEnds::Multi, WhichEnds::Single, "ringpost-many-to-one"),
    (WhichEnds::Multi, WhichEnds::Multi, "ringpost-multi"),
];

/// How the ends are named that the form of a transport has: senders, receivers. `None` for a limit.
pub fn ends_of(transport: &str) -> Option<[&'static str; 2]> {
    let name = |ends| if ends == WhichEnds::Single { "single" } else { "multi" };
    FORMS.iter().find(|(.., form)| transport.starts_with(form)).map(|(from, to, _)| [name(*from), name(*to)])
}

/// How long, and how often.
pub fn effort(args: &BenchArgs) -> Effort {
    let duration = args.duration.unwrap_or(if args.quick { QUICK } else { THOROUGH });
    let repetitions = (1..REPETITIONS).find(|pairs| duration < LEAST * (pairs + 1)).unwrap_or(REPETITIONS);
    let (rounds, most_rounds, round) = (ROUNDS, MOST_ROUNDS, duration / (repetitions * ROUNDS));
    Effort { repetitions, rounds, most_rounds, round, crowd: Duration::ZERO, crowds: 0, quick: true }
}

/// The cells that `args` ask for: the raw limit first.
///
/// # Errors
/// A size that is not a whole number of words, or too large.
pub fn cells(args: &BenchArgs) -> Result<Vec<Outcome>, Failure> {
    if let Some(size) = args.sizes.iter().find(|size| !size.is_multiple_of(8) || !(8..=LARGEST).contains(size)) {
        return Err(Failure::Usage(format!("a size must be a multiple of 8 bytes from 8 to 1MiB, and {size} is not")));
    }
    let sizes = |default: &[usize]| if args.sizes.is_empty() { default.to_vec() } else { args.sizes.clone() };
    let mut cells = vec![cell(LIMIT.0, Lane::Short, LIMIT.1)];
    for form in forms(args.senders, args.receivers) {
        cells.extend(sizes(&TRIP_SIZES).into_iter().map(|len| queue(form, Lane::Short, len)));
    }
    for form in forms(args.senders, args.receivers) {
        for len in sizes(&STREAM_SIZES) {
            cells.push(queue(form, Lane::One, len));
            if len < IN_PLACE {
                cells.push(queue(form, Lane::Batch, len));
            }
            if form == SINGLE && PACKED_SIZES.contains(&len) {
                cells.push(cell("ringpost-single-packed", Lane::Batch, len));
            }
        }
    }
    Ok(cells.into_iter().map(Outcome::new).collect())
}

/// Both sides alike where nothing else is asked for.
fn forms(senders: WhichEnds, receivers: WhichEnds) -> Vec<&'static str> {
    let fits = |which, ends| which == WhichEnds::Both || which == ends;
    let nothing = senders == WhichEnds::Both && receivers == WhichEnds::Both;
    let wanted = FORMS.iter().filter(
        |(from, to, _)| {
            if nothing { from == to } else { fits(senders, *from) && fits(receivers, *to) }
        },
    );
    wanted.map(|(.., form)| *form).collect()
}

/// The fastest form for such messages: small ones as values of a type, where there is one of that length, and large ones
/// written in place.
fn queue(form: &str, lane: Lane, len: usize) -> Cell {
    let manner = match len {
        // Reading a value in place is quicker for one of more than a word that is waited for, and only then.
        8 if lane != Lane::Batch => "-value",
        48 | 64 if lane == Lane::One => "-value",
        len if len >= IN_PLACE => "",
        len if SIZES.contains(&len) => "-typed",
        _ => "-copy",
    };
    cell(&format!("{form}{manner}"), lane, len)
}

fn cell(transport: &str, lane: Lane, len: usize) -> Cell {
    let kind = find(transport).map_or(Kind::Ringpost, |entry| entry.kind);
    let (transport, depth) = (transport.to_owned(), depth(lane, len));
    Cell { transport, kind, lane, len, rate: None, depth, joined: JOINED, queues: 1 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args(sizes: &[usize], senders: WhichEnds) -> BenchArgs {
        let sizes = sizes.to_vec();
        BenchArgs { quick: true, json: false, duration: None, sizes, senders, receivers: WhichEnds::Both }
    }

    #[test]
    fn by_default_both_sides_are_alike() {
        let cells = cells(&args(&[], WhichEnds::Both)).unwrap();
        assert_eq!(cells.len(), 1 + 2 * 3 + 2 * (2 * 3 + 1) + 2);
        assert_eq!((cells[0].cell.kind, ends_of(&cells[0].cell.transport)), (Kind::Limit, None));
        assert!(cells[1..].iter().all(|outcome| ends_of(&outcome.cell.transport).is_some_and(|[a, b]| a == b)));
    }

    #[test]
    fn what_is_asked_for_is_measured() {
        let cells = cells(&args(&[64], WhichEnds::Multi)).unwrap();
        assert_eq!(cells.len(), 1 + 2 * 3);
        let fits = |cell: &Cell| cell.len == 64 && ends_of(&cell.transport).is_some_and(|[from, _]| from == "multi");
        assert!(cells[1..].iter().all(|outcome| fits(&outcome.cell)));
    }

    #[test]
    fn little_time_is_not_spent_on_starting() {
        let pairs_for = |duration_ms| {
            let duration = Some(Duration::from_millis(duration_ms));
            effort(&BenchArgs { duration, ..args(&[], WhichEnds::Both) }).repetitions
        };
        assert_eq!([0, 20, 39, 40, 99, 100, 10_000].map(pairs_for), [1, 1, 1, 2, 4, 5, 5]);
    }

    #[test]
    fn odd_sizes_are_refused() {
        assert!(cells(&args(&[12], WhichEnds::Both)).is_err());
        assert!(cells(&args(&[0], WhichEnds::Both)).is_err());
    }

    #[test]
    fn there_is_a_transport_for_every_cell() {
        for senders in [WhichEnds::Single, WhichEnds::Multi] {
            for cell in cells(&args(&[8, 16, 48, 64, 1024, 4096, 1 << 20], senders)).unwrap() {
                let (cell, dir) = (cell.cell, std::env::temp_dir());
                let work = find(&cell.transport).and_then(|entry| (entry.work)(cell.len));
                let work = work.unwrap_or_else(|| panic!("{cell:?}"));
                assert!(work.lanes.contains(&cell.lane), "{cell:?}");
                assert_eq!((work.refuses)(&ringpost_compare::plan::place(&cell, "x".into(), dir)), None, "{cell:?}");
            }
        }
    }
}
