//! The memory of a segment: as much as was planned, and all of it there from the start.

use std::fs;
use std::os::unix::fs::MetadataExt;

use ringpost::{Options, Payload, Queue};

use crate::common::{ALL_ENDS, UniqueName};

/// Makes the queue, and compares the blocks of its file with the plan before anybody has joined.
fn check<T: ?Sized + Payload>(options: Options<T>) {
    let name = UniqueName::new("planned");
    let plan = options.plan().unwrap();
    let queue = Queue::create(&name, options).unwrap();
    let file = fs::metadata(format!("/dev/shm/ringpost.q.{}", &*name)).unwrap();
    assert_eq!((file.len(), file.blocks() * 512), (plan.total_bytes, plan.total_bytes), "{plan:?}");
    assert_eq!(queue.capacity() as u64, plan.capacity);
}

#[test]
fn the_blocks_of_a_new_segment_are_those_of_its_plan() {
    for (senders, receivers) in ALL_ENDS {
        for capacity in [1, 1000, 100_000] {
            check(Options::of::<u64>(capacity).senders(senders).receivers(receivers));
            check(Options::of::<[u64; 6]>(capacity).senders(senders).receivers(receivers).prefault(true));
            check(Options::new(capacity).max_len(20).senders(senders).receivers(receivers).ephemeral(true));
        }
        for endpoints in [2, 1021] {
            let options = Options::new(64).max_len(5000).align(4096).endpoints(endpoints);
            check(options.senders(senders).receivers(receivers));
        }
    }
}
