//! Of which messages a receiver owns the lines.

use crate::layout::LINE;
use crate::layout::geometry::{Ends, Geometry};
use crate::os::processor::{is_amd, is_zen_4};

/// Bytes of a processor's own cache on Zen 4. What has left it is fetched by near cores without asking the one that wrote it.
const SENDERS_CACHE: u64 = 1 << 20;

/// The lines that a receiver takes over from their sender's processor, once it has read what is on them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Owning {
    /// All lines of single messages of fewer bytes.
    below: usize,
    /// All lines of those that come in batches.
    batches: bool,
    /// Messages lie so many bytes apart, and share lines, each of which is owned with the last one on it. 0: none is.
    shared: usize,
}

impl Owning {
    /// None.
    pub(super) const NONE: Self = Self { below: 0, batches: false, shared: 0 };

    /// All that may be owned in a segment. Where several messages share a line, or a message shares it with its word, many receivers own it already,
    /// for they write words.
    pub(super) fn all(geometry: &Geometry) -> Self {
        let stride = geometry.payload_stride as usize;
        let share = stride < LINE || geometry.payload_stride == geometry.word_stride;
        match (share, geometry.receive_protocol()) {
            // There may be no bytes behind a payload's beginning.
            _ if geometry.request.max_len == 0 => Self::NONE,
            (false, _) => Self { below: usize::MAX, batches: true, ..Self::NONE },
            (true, Ends::Single) => Self { shared: stride, ..Self::NONE },
            (true, Ends::Multi) => Self::NONE,
        }
    }

    /// Those of them that are worth it on this processor, as far as it was measured: `docs/PERFORMANCE.md`. A line that one has written and another
    /// has only read stays the first one's on some: AMD64 Architecture Programmer's Manual, volume 2, 7.3, "owned". On others single messages of one
    /// line gain by it, and longer ones pay for each line.
    pub(super) fn by_default(geometry: &Geometry) -> Self {
        let all = Self::all(geometry);
        if all.batches && !geometry.request.packed {
            return if is_amd() { all } else { Self { below: LINE + 1, ..Self::NONE } };
        }
        let stay = geometry.request.capacity * geometry.payload_stride <= SENDERS_CACHE;
        if stay && is_zen_4() { all } else { Self::NONE }
    }

    /// Whether all lines of a single message of `len` bytes are owned.
    #[inline]
    pub(super) fn all_of(&self, len: usize) -> bool {
        len < self.below
    }

    /// Whether all lines of each message of a batch are.
    #[inline]
    pub(super) fn all_of_batches(&self) -> bool {
        self.batches
    }

    /// Whether the line is, on which the message at that address begins: it is the last one there.
    #[inline]
    pub(super) fn line_at(&self, address: usize) -> bool {
        address % LINE + self.shared >= LINE
    }

    /// How many bytes lie from one message to the next where lines are owned which messages share. 0: none is.
    #[inline]
    pub(super) fn shared(&self) -> usize {
        self.shared
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layout::geometry::{Request, WhenFull};

    fn geometry(max_len: u64, fixed_len: bool, packed: bool, receivers: Ends) -> Geometry {
        let request = Request {
            capacity: 64,
            max_len,
            align: 8,
            fixed_len,
            packed,
            senders: Ends::Single,
            receivers,
            when_full: WhenFull::Block,
            endpoints: 2,
        };
        Geometry::plan(request).unwrap()
    }

    #[test]
    fn each_line_is_owned_with_the_last_message_on_it() {
        for (max_len, fixed_len, packed) in
            (1..=100).flat_map(|len| [(len, true, false), (len, false, false), (len, true, true)])
        {
            let geometry = geometry(max_len, fixed_len, packed, Ends::Single);
            let owning = Owning::all(&geometry);
            let begin =
                |slot: u64| (geometry.slots_offset + geometry.payload_offset + slot * geometry.payload_stride) as usize;
            for slot in 0..64 {
                let last = begin(slot) / LINE < begin(slot + 1) / LINE;
                let alone = geometry.payload_stride as usize >= LINE && (packed || begin(slot).is_multiple_of(LINE));
                let is_owned = owning.line_at(begin(slot)) || owning.all_of(max_len as usize);
                assert_eq!(is_owned, last, "{max_len} bytes, fixed: {fixed_len}, packed: {packed}, slot {slot}");
                assert_eq!(owning.all_of_batches(), alone, "{max_len} bytes, fixed: {fixed_len}, packed: {packed}");
            }
        }
    }

    #[test]
    fn nothing_is_owned_of_empty_messages_and_of_those_beside_words_that_receivers_write() {
        for fixed_len in [false, true] {
            assert_eq!(Owning::all(&geometry(0, fixed_len, false, Ends::Single)), Owning::NONE);
            assert_eq!(Owning::all(&geometry(8, fixed_len, false, Ends::Multi)), Owning::NONE);
            let many = Owning::all(&geometry(64, fixed_len, false, Ends::Multi));
            assert!(many.all_of(64) && many.all_of_batches() && many.shared() == 0);
        }
        assert!(!Owning::NONE.all_of(0) && Owning::NONE.shared() == 0 && (0..LINE).all(|at| !Owning::NONE.line_at(at)));
    }

    #[test]
    fn what_is_owned_by_default_is_some_of_what_there_is() {
        for (max_len, packed) in [8, 48, 64, 65, 4096].into_iter().flat_map(|len| [(len, false), (len, true)]) {
            let geometry = geometry(max_len, true, packed, Ends::Single);
            let (all, some) = (Owning::all(&geometry), Owning::by_default(&geometry));
            assert!(
                some == all || !some.all_of_batches() && some.shared() == 0,
                "{max_len} bytes, packed: {packed}: {some:?}"
            );
            assert!((0..=max_len as usize).all(|len| all.all_of(len) || !some.all_of(len)));
        }
    }
}
