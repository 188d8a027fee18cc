//! Cursors of many ends lag: what they do not tell yet the words say.
#![cfg(loom)]

use ringpost::ring::{MultiReceiver, size};
use ringpost_loom::{Bench, Ends, explore};

/// Cursors are told of every fourth message here, and `size` knows of each.
#[test]
fn what_cursors_do_not_tell_yet_counts() {
    explore(None, || {
        let bench = Bench::new(Ends { single_sender: false, single_receiver: false, overwrite: false }, 2);
        let (mut sender, mut receiver) = (bench.sender(1), bench.receiver(11));
        for sent in 1..=2 {
            assert_eq!(sender.send(1), 1);
            assert_eq!(size(&*bench), sent);
        }
        receiver.drain();
        assert_eq!(size(&*bench), 0);
        let mut end = MultiReceiver::new(12, false);
        assert!(end.take(&*bench, 1).is_err());
        assert_eq!(sender.send(1) + sender.send(1), 2);
        end.set_limit(u64::MAX);
        assert!(end.pass_at_once(&*bench, |_| true, |_| ()));
        assert_eq!(size(&*bench), 1);
    });
}
