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
const LINE: u64 = 64;
/// State word alone: every message has the same length.
const FIXED_PAYLOAD_OFFSET: u64 = 8;
/// State word, 32 bits of length, 32 bits reserved.
const VARIABLE_PAYLOAD_OFFSET: u64 = 16;

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
    /// From the start of a slot to its payload.
    pub payload_offset: u64,
    /// From one slot to the next.
    pub stride: u64,
    /// Rows in the endpoint table.
    pub rows: u64,
    /// From the start of the segment to slot 0.
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
        let start = if request.fixed_len { FIXED_PAYLOAD_OFFSET } else { VARIABLE_PAYLOAD_OFFSET };
        let payload_offset = start.max(request.align);
        let stride = stride(payload_offset + request.max_len, request.align);
        let rows = request.endpoints + FIXED_ROWS;
        let slots_offset = (TABLE_OFFSET + rows * size_of::<Row>() as u64).next_multiple_of(PAGE);
        // Both are in range, so this cannot overflow: at most 2^30 slots of little more than 2^31 bytes.
        let slots = capacity * stride;
        let total = (slots_offset + slots).next_multiple_of(PAGE);
        in_range("capacity x message length, as a segment in bytes", total, PAGE, MAX_TOTAL)?;
        Ok(Self { request, payload_offset, stride, rows, slots_offset, total })
    }

    /// Capacity as a power of two: `capacity == 1 << shift`.
    pub fn shift(&self) -> u32 {
        self.request.capacity.trailing_zeros()
    }

    /// The protocol of the sending side. Overwriting needs the multi protocol on both sides.
    pub fn send_protocol(&self) -> Ends {
        if self.request.when_full == WhenFull::Overwrite { Ends::Multi } else { self.request.senders }
    }

    /// The protocol of the receiving side.
    pub fn receive_protocol(&self) -> Ends {
        if self.request.when_full == WhenFull::Overwrite { Ends::Multi } else { self.request.receivers }
    }
}

fn min_capacity(request: &Request) -> u64 {
    let single = request.senders == Ends::Single && request.receivers == Ends::Single;
    if single && request.when_full != WhenFull::Overwrite { 1 } else { MIN_MULTI_CAPACITY }
}

/// A small slot must not straddle a cache line; a large one begins on one.
fn stride(used: u64, align: u64) -> u64 {
    if used <= LINE { used.next_power_of_two().max(align) } else { used.next_multiple_of(LINE.max(align)) }
}

fn in_range(what: &'static str, found: u64, least: u64, most: u64) -> Result<(), OutOfRange> {
    if (least..=most).contains(&found) { Ok(()) } else { Err(OutOfRange { what, found, least, most }) }
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
            senders: Ends::Single,
            receivers: Ends::Single,
            when_full: WhenFull::Block,
            endpoints: 64,
        }
    }

    #[test]
    fn small_messages_share_a_line_with_their_word() {
        let plan = |len, fixed_len| Geometry::plan(Request { fixed_len, ..request(64, len) }).unwrap();
        assert_eq!(plan(8, true).stride, 16);
        assert_eq!(plan(48, false).stride, 64);
        assert_eq!(plan(56, true).stride, 64);
        assert_eq!(plan(49, false).stride, 128);
        assert_eq!(plan(0, false).stride, 16);
        assert_eq!(plan(0, true).stride, 8);
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
                let plan = Geometry::plan(Request { align, ..request(8, max_len) }).unwrap();
                assert_eq!(plan.payload_offset % align, 0);
                assert_eq!(plan.stride % align.max(8), 0);
                assert_eq!(plan.slots_offset % 4096, 0);
                assert!(plan.stride >= plan.payload_offset + max_len);
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
