//! Which lanes are measured.

use ringpost::Ends;

use super::lane::{Kind, Lane};
use super::{BenchArgs, WhichEnds};
use crate::exit::Failure;

const TRIP_SIZES: [usize; 3] = [8, 48, 64];
const STREAM_SIZES: [usize; 4] = [8, 64, 1024, 64 * 1024];
/// The largest message: a queue holds more than a hundred of them, and both processes map it.
const LARGEST: usize = 1 << 20;

/// The lanes that `args` ask for: the raw limit first.
///
/// # Errors
/// A size that is not a whole number of words, or too large.
pub fn lanes(args: &BenchArgs) -> Result<Vec<Lane>, Failure> {
    if let Some(size) = args.sizes.iter().find(|size| !size.is_multiple_of(8) || !(8..=LARGEST).contains(size)) {
        return Err(Failure::Usage(format!("a size must be a multiple of 8 bytes from 8 to 1MiB, and {size} is not")));
    }
    let pairs = pairs(args.senders, args.receivers);
    let mut lanes = vec![Lane::raw()];
    let mut add = |kinds: &[Kind], default: &[usize]| {
        let sizes = if args.sizes.is_empty() { default } else { &args.sizes };
        for (senders, receivers) in &pairs {
            for len in sizes {
                for kind in kinds {
                    let name = format!("bench-{}-{}", std::process::id(), lanes.len());
                    lanes.push(Lane { kind: *kind, len: *len, senders: *senders, receivers: *receivers, name });
                }
            }
        }
    };
    add(&[Kind::Trip], &TRIP_SIZES);
    add(&[Kind::Single, Kind::Batch], &STREAM_SIZES);
    Ok(lanes)
}

/// Both sides alike where nothing else is asked for.
fn pairs(senders: WhichEnds, receivers: WhichEnds) -> Vec<(Ends, Ends)> {
    let all = [Ends::Single, Ends::Multi];
    let fits = |which, ends| match which {
        WhichEnds::Both => true,
        WhichEnds::Single => ends == Ends::Single,
        WhichEnds::Multi => ends == Ends::Multi,
    };
    if (senders, receivers) == (WhichEnds::Both, WhichEnds::Both) {
        return all.map(|ends| (ends, ends)).to_vec();
    }
    let pairs = all.iter().flat_map(|s| all.iter().map(|r| (*s, *r)));
    pairs.filter(|(s, r)| fits(senders, *s) && fits(receivers, *r)).collect()
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
        let lanes = lanes(&args(&[], WhichEnds::Both)).unwrap();
        assert_eq!(lanes.len(), 1 + 2 * 3 + 2 * 2 * 4);
        assert!(lanes.iter().all(|lane| lane.senders == lane.receivers));
    }

    #[test]
    fn what_is_asked_for_is_measured() {
        let lanes = lanes(&args(&[64], WhichEnds::Multi)).unwrap();
        assert_eq!(lanes.len(), 1 + 2 * 3);
        assert!(lanes[1..].iter().all(|lane| lane.len == 64 && lane.senders == Ends::Multi));
    }

    #[test]
    fn odd_sizes_are_refused() {
        assert!(lanes(&args(&[12], WhichEnds::Both)).is_err());
        assert!(lanes(&args(&[0], WhichEnds::Both)).is_err());
    }
}
