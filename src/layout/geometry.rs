//! Sizes: from what is asked for to where every byte lies, with checked arithmetic throughout.

use core::time::Duration;

use super::control::{Row, TABLE_OFFSET};
use super::word::MAX_OWNER;
use crate::error::OutOfRange;

/// How many endpoints may be joined on one side of a queue at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ends {
    /// One. A second one is refused while the first lives; the fast path needs no compare-and-swap.
    Single = 1,
    /// Any number, up to the queue's limit.
    Multi = 2,
}

/// What `send` does when the queue is full. Nothing is ever lost silently: refusals and overwrites are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WhenFull {
    /// Wait until there is room, for as long as it takes.
    Block,
    /// Wait for at most this long in all, then refuse.
    Deadline(Duration),
    /// Refuse at once.
    Fail,
    /// Replace the oldest message.
    Overwrite,
}

/// The largest capacity, in messages.
pub const MAX_CAPACITY: u64 = 1 << 30;
/// The largest message, in bytes.
pub const MAX_LEN: u64 = 1 << 31;
/// The largest payload alignment, in bytes.
pub const MAX_ALIGN: u64 = 4096;
/// The smallest capacity of a queue with a multi end: below it a slot's lap would come round too soon.
pub const MIN_MULTI_CAPACITY: u64 = 4;
/// The largest segment, in bytes.
pub const MAX_TOTAL: u64 = 1 << 46;
/// The most endpoints of a queue. Two more rows are the fixed places of single ends.
pub const MAX_ENDPOINTS: u64 = MAX_OWNER as u64 - FIXED_ROWS;
/// Rows that belong to single ends: row 0 to a single sender, row 1 to a single receiver.
pub const FIXED_ROWS: u64 = 2;

const PAGE: u64 = 4096;
const LINE: u64 = super::LINE as u64;
/// State word alone: every message has the same length.
const FIXED_WORD: u64 = 8;
/// State word, 32 bits of length, 32 bits reserved.
const VARIABLE_WORD: u64 = 16;

/// What a queue is asked to hold; the input of [`Geometry::plan`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Request {
    /// Messages.
    pub capacity: u64,
    /// Bytes of the longest message.
    pub max_len: u64,
    /// Alignment of the payload, in bytes.
    pub align: u64,
    /// Whether every message has exactly `max_len` bytes, so that no length is stored.
    pub fixed_len: bool,
    /// Whether messages lie side by side, apart from their words, and tail alone commits them.
    pub packed: bool,
    /// The sending side.
    pub senders: Ends,
    /// The receiving side.
    pub receivers: Ends,
    /// What happens when full.
    pub when_full: WhenFull,
    /// The most endpoints joined at a time.
    pub endpoints: u64,
}

/// Where everything lies in a segment. Every offset and size is in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Geometry {
    /// What it was made from, with the capacity rounded up.
    pub request: Request,
    /// From one slot's word to the next one's.
    pub word_stride: u64,
    /// From the first slot's word to its payload.
    pub payload_offset: u64,
    /// From one slot's payload to the next one's: a multiple of `word_stride`.
    pub payload_stride: u64,
    /// Rows in the endpoint table.
    pub rows: u64,
    /// From the start of the segment to the first slot's word.
    pub slots_offset: u64,
    /// The whole segment.
    pub total: u64,
}

impl Geometry {
    /// Lays out a segment for `request`. Capacity is rounded up to a power of two, and to at least 4 with a multi end.
    pub fn plan(request: Request) -> Result<Self, OutOfRange> {
        in_range("capacity", request.capacity, 1, MAX_CAPACITY)?;
        in_range("max_len", request.max_len, 0, MAX_LEN)?;
        in_range("endpoints", request.endpoints, 2, MAX_ENDPOINTS)?;
        in_range("align", request.align, 1, MAX_ALIGN)?;
        let align = request.align.next_power_of_two();
        in_range("align (a power of two)", request.align, align, align)?;
        let capacity = request.capacity.next_power_of_two().max(min_capacity(&request));
        let request = Request { capacity, ..request };
        may_be_packed(&request)?;
        let rows = request.endpoints + FIXED_ROWS;
        let slots_offset = (TABLE_OFFSET + rows * size_of::<Row>() as u64).next_multiple_of(PAGE);
        let Slots { word_stride, payload_offset, payload_stride, size } = Slots::plan(&request);
        let total = (slots_offset + size).next_multiple_of(PAGE);
        in_range("capacity x message length, as a segment in bytes", total, PAGE, MAX_TOTAL)?;
        Ok(Self { request, word_stride, payload_offset, payload_stride, rows, slots_offset, total })
    }

    /// Capacity as a power of two: `capacity == 1 << shift`.
    pub fn shift(&self) -> u32 {
        self.request.capacity.trailing_zeros()
    }

    /// The protocol of the sending side. Overwriting needs the multi protocol on both sides.
    pub fn send_protocol(&self) -> Ends {
        if self.overwrites() { Ends::Multi } else { self.request.senders }
    }

    /// The protocol of the receiving side.
    pub fn receive_protocol(&self) -> Ends {
        if self.overwrites() { Ends::Multi } else { self.request.receivers }
    }

    /// Whether a full queue gives up its oldest message.
    pub fn overwrites(&self) -> bool {
        self.request.when_full == WhenFull::Overwrite
    }

    /// Whether one word may hold several slots: those of one of many ends, but not where senders overwrite.
    pub fn has_runs(&self) -> bool {
        !self.overwrites() && [self.send_protocol(), self.receive_protocol()] != [Ends::Single; 2]
    }
}

/// Only one sender can commit by tail alone, and only one receiver knows by itself what it has taken.
fn may_be_packed(request: &Request) -> Result<(), OutOfRange> {
    if !request.packed {
        return Ok(());
    }
    let one = |what, ends, remedy| only(what, ends as u64, Ends::Single as u64, remedy);
    one(
        "the senders of a packed queue (1: one, 2: many)",
        request.senders,
        "say `senders(Ends::Single)` (--senders single), or leave `packed` out",
    )?;
    one(
        "the receivers of a packed queue (1: one, 2: many)",
        request.receivers,
        "say `receivers(Ends::Single)` (--receivers single), or leave `packed` out",
    )?;
    let overwrites = (request.when_full == WhenFull::Overwrite).into();
    only(
        "overwriting in a packed queue (0: no, 1: yes)",
        overwrites,
        0,
        "have its sender wait or fail when it is full",
    )?;
    let remedy = "make it for values (`Options::of`), or leave `packed` out";
    only("messages of one length in a packed queue (0: no, 1: yes)", request.fixed_len.into(), 1, remedy)
}

fn only(what: &'static str, found: u64, expected: u64, remedy: &'static str) -> Result<(), OutOfRange> {
    check(OutOfRange { what, found, least: expected, most: expected, remedy })
}

fn min_capacity(request: &Request) -> u64 {
    let single = request.senders == Ends::Single && request.receivers == Ends::Single;
    if single && request.when_full != WhenFull::Overwrite { 1 } else { MIN_MULTI_CAPACITY }
}

/// How the slots lie, in bytes.
struct Slots {
    word_stride: u64,
    payload_offset: u64,
    payload_stride: u64,
    /// All of them.
    size: u64,
}

impl Slots {
    /// A small message shares a cache line with its word: one line is all that changes hands. A larger one has lines of its own, as few
    /// as it can have, and all words lie together before the first.
    /// In a packed ring they are as close as they can be, and a multiple of eight bytes apart.
    // At most 2^30 slots of little more than 2^31 bytes: nothing overflows.
    fn plan(request: &Request) -> Self {
        let &Request { capacity, max_len, align, fixed_len, packed, .. } = request;
        let word = if fixed_len { FIXED_WORD } else { VARIABLE_WORD };
        let together = word.max(align) + max_len;
        if together <= LINE && !packed {
            let stride = together.next_power_of_two().max(align);
            let payload_offset = word.max(align);
            return Self { word_stride: stride, payload_offset, payload_stride: stride, size: capacity * stride };
        }
        let payload_offset = (capacity * word).next_multiple_of(LINE.max(align));
        let payload_stride = max_len.max(1).next_multiple_of(align.max(if packed { FIXED_WORD } else { LINE }));
        Self { word_stride: word, payload_offset, payload_stride, size: payload_offset + capacity * payload_stride }
    }
}

fn in_range(what: &'static str, found: u64, least: u64, most: u64) -> Result<(), OutOfRange> {
    check(OutOfRange { what, found, least, most, remedy: OutOfRange::CHANGE })
}

fn check(range: OutOfRange) -> Result<(), OutOfRange> {
    if (range.least..=range.most).contains(&range.found) { Ok(()) } else { Err(range) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(capacity: u64, max_len: u64) -> Request {
        Request {
            capacity,
            max_len,
            align: 8,
            fixed_len: false,
            packed: false,
            senders: Ends::Single,
            receivers: Ends::Single,
            when_full: WhenFull::Block,
            endpoints: 64,
        }
    }

    #[test]
    fn small_messages_share_a_line_with_their_word() {
        for (len, fixed_len, stride) in [(8, true, 16), (48, false, 64), (56, true, 64), (0, false, 16), (0, true, 8)] {
            let plan = Geometry::plan(Request { fixed_len, ..request(64, len) }).unwrap();
            assert_eq!((plan.word_stride, plan.payload_stride), (stride, stride), "{len}");
            assert_eq!(plan.payload_offset, if fixed_len { 8 } else { 16 });
        }
    }

    #[test]
    fn larger_messages_have_lines_of_their_own() {
        for (len, fixed_len, word, payload) in
            [(49, false, 16, 64), (57, true, 8, 64), (64, true, 8, 64), (65, true, 8, 128), (1024, false, 16, 1024)]
        {
            let plan = Geometry::plan(Request { fixed_len, ..request(64, len) }).unwrap();
            assert_eq!((plan.word_stride, plan.payload_stride), (word, payload), "{len}");
            assert_eq!(plan.payload_offset, 64 * word);
        }
    }

    fn packed(capacity: u64, max_len: u64) -> Request {
        Request { packed: true, fixed_len: true, ..request(capacity, max_len) }
    }

    #[test]
    fn packed_messages_lie_as_close_as_eight_bytes_and_their_alignment_allow() {
        for (len, align, stride) in
            [(8, 8, 8), (4, 4, 8), (24, 8, 24), (0, 1, 8), (3, 1, 8), (12, 4, 16), (100, 4, 104)]
        {
            let plan = Geometry::plan(Request { align, ..packed(64, len) }).unwrap();
            assert_eq!((plan.word_stride, plan.payload_stride), (8, stride), "{len}");
            // Behind all the words, which are a multiple of a line.
            assert_eq!(plan.payload_offset, 64 * 8, "{len}");
        }
        let aligned = Geometry::plan(Request { align: 64, ..packed(4, 8) }).unwrap();
        assert_eq!((aligned.word_stride, aligned.payload_offset, aligned.payload_stride), (8, 64, 64));
        let by_pages = Geometry::plan(Request { align: 4096, ..packed(4, 8) }).unwrap();
        assert_eq!((by_pages.payload_offset, by_pages.payload_stride), (4096, 4096));
    }

    #[test]
    fn the_words_of_few_packed_messages_have_a_line_of_their_own() {
        for capacity in [1, 2, 4, 8] {
            let plan = Geometry::plan(packed(capacity, 8)).unwrap();
            assert_eq!((plan.request.capacity, plan.payload_offset), (capacity, 64));
            assert!(plan.total >= plan.slots_offset + 64 + 8 * capacity);
        }
        assert_eq!(Geometry::plan(packed(16, 8)).unwrap().payload_offset, 128);
    }

    #[test]
    fn only_one_sender_and_one_receiver_pack_messages_of_one_length_and_replace_none() {
        let good = packed(64, 8);
        let refused = [
            (Request { senders: Ends::Multi, ..good }, "the senders of a packed queue (1: one, 2: many)"),
            (Request { receivers: Ends::Multi, ..good }, "the receivers of a packed queue (1: one, 2: many)"),
            (Request { when_full: WhenFull::Overwrite, ..good }, "overwriting in a packed queue (0: no, 1: yes)"),
            (Request { fixed_len: false, ..good }, "messages of one length in a packed queue (0: no, 1: yes)"),
        ];
        for (request, what) in refused {
            let error = Geometry::plan(request).unwrap_err();
            assert_eq!(error.what, what);
            assert!(!(error.least..=error.most).contains(&error.found), "{error:?}");
            assert!(Geometry::plan(Request { packed: false, ..request }).is_ok(), "{what}");
        }
        for when_full in [WhenFull::Block, WhenFull::Fail, WhenFull::Deadline(Duration::ZERO)] {
            assert!(Geometry::plan(Request { when_full, ..good }).is_ok());
        }
    }

    #[test]
    fn capacity_rounds_up() {
        assert_eq!(Geometry::plan(request(5, 8)).unwrap().request.capacity, 8);
        assert_eq!(Geometry::plan(request(1, 8)).unwrap().request.capacity, 1);
        let multi = Request { receivers: Ends::Multi, ..request(1, 8) };
        assert_eq!(Geometry::plan(multi).unwrap().request.capacity, 4);
        let overwrite = Request { when_full: WhenFull::Overwrite, ..request(1, 8) };
        assert_eq!(Geometry::plan(overwrite).unwrap().request.capacity, 4);
    }

    #[test]
    fn alignment_holds_for_every_payload() {
        for align in [1, 2, 8, 16, 64, 256, 4096] {
            for max_len in [0, 1, 7, 8, 100, 5000] {
                for request in [request(8, max_len), packed(8, max_len)] {
                    let plan = Geometry::plan(Request { align, ..request }).unwrap();
                    assert_eq!(plan.payload_offset % align, 0);
                    assert_eq!(plan.payload_stride % align, 0);
                    assert_eq!(plan.word_stride % 8, 0);
                    assert_eq!(plan.payload_stride % plan.word_stride, 0);
                    assert_eq!(plan.slots_offset % 4096, 0);
                    assert!(plan.total >= plan.slots_offset + plan.payload_offset + 7 * plan.payload_stride + max_len);
                }
            }
        }
    }

    #[test]
    fn nonsense_is_refused() {
        assert_eq!(Geometry::plan(request(0, 8)).unwrap_err().what, "capacity");
        assert_eq!(Geometry::plan(request(u64::MAX, 8)).unwrap_err().what, "capacity");
        assert_eq!(Geometry::plan(request(8, u64::MAX)).unwrap_err().what, "max_len");
        assert!(Geometry::plan(request(MAX_CAPACITY, MAX_LEN)).unwrap_err().what.contains("segment"));
        assert!(Geometry::plan(Request { align: 24, ..request(8, 8) }).is_err());
        assert_eq!(Geometry::plan(Request { endpoints: 1, ..request(8, 8) }).unwrap_err().what, "endpoints");
        assert_eq!(Geometry::plan(Request { endpoints: 1022, ..request(8, 8) }).unwrap_err().what, "endpoints");
    }
}
