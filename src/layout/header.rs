//! The header: what a segment is. Written once before the segment is published, and never changed after.
//!
//! Reading goes from raw bytes to a checked [`Header`] or to a fault that names the field, what was expected and what
//! was found; nothing that the bytes claim is believed before it has been recomputed.

use core::time::Duration;

use super::geometry::{Ends, Geometry, Request, WhenFull};
use super::name::{LONGEST_NAME, why_no_name};
use crate::error::Fault;

/// Bytes of the header.
pub const HEADER_LEN: usize = 1024;
/// The format that this library writes and reads. A change of any byte's meaning raises it.
pub const VERSION: u32 = 9;

const MAGIC: u64 = u64::from_le_bytes(*b"RINGPOST");
const ENDIAN: u32 = 0x0102_0304;
const KIND_QUEUE: u32 = 1;
const FLAG_FIXED_LEN: u32 = 1;
const FLAG_EPHEMERAL: u32 = 2;
const FLAG_HUGE_PAGES: u32 = 4;
const FLAG_PACKED: u32 = 8;
const KNOWN_FLAGS: u32 = FLAG_FIXED_LEN | FLAG_EPHEMERAL | FLAG_HUGE_PAGES | FLAG_PACKED;

/// Offsets of the fields in bytes, each field in the byte order of the machine.
mod at {
    pub const MAGIC: usize = 0;
    pub const ENDIAN: usize = 8;
    pub const VERSION: usize = 12;
    pub const ID: usize = 16;
    pub const KIND: usize = 32;
    pub const FLAGS: usize = 36;
    pub const CAPACITY: usize = 40;
    pub const MAX_LEN: usize = 48;
    pub const ALIGN: usize = 56;
    pub const PAYLOAD_OFFSET: usize = 64;
    pub const WORD_STRIDE: usize = 72;
    pub const SENDERS: usize = 80;
    pub const RECEIVERS: usize = 84;
    pub const WHEN_FULL: usize = 88;
    pub const ROWS: usize = 92;
    pub const SLOTS_OFFSET: usize = 96;
    pub const TOTAL: usize = 104;
    pub const DEADLINE_NS: usize = 112;
    pub const CREATED_NS: usize = 120;
    pub const TYPE_HASH: usize = 128;
    pub const MAX_DELIVERIES: usize = 136;
    pub const DEAD_LETTER_LEN: usize = 140;
    pub const PAYLOAD_STRIDE: usize = 144;
    pub const RESERVED: usize = 152;
    pub const TYPE_NAME_LEN: usize = 252;
    pub const TYPE_NAME: usize = 256;
    pub const DEAD_LETTER: usize = 504;
    pub const MORE_RESERVED: usize = 704;
    pub const FINGERPRINT: usize = 1016;
}

const TYPE_NAME_MAX: usize = at::DEAD_LETTER - at::TYPE_NAME;
/// The largest limit of deliveries: counts end at 31, which then means "31 or more".
pub const MOST_DELIVERIES: u32 = super::word::MAX_DELIVERIES as u32 - 1;

/// The type of the messages of a typed queue. Size and alignment are part of the geometry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MessageType {
    /// The type's name as the creator's compiler gave it, cut to 248 bytes.
    pub name: String,
    /// [`fingerprint`] of the whole name; zero means raw bytes.
    pub hash: u64,
}

/// How often a message may be delivered, and what becomes of it then.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeliveryLimit {
    /// 1 to [`MOST_DELIVERIES`]; 0: no limit.
    pub most: u32,
    /// The name of the queue that takes what has been delivered so often; `None`: it is dropped.
    pub dead_letter: Option<String>,
}

/// A segment's header, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// 128 random bits that tell this segment from any other that had its name.
    pub id: u128,
    /// Where everything lies.
    pub geometry: Geometry,
    /// Remove it when its last member leaves.
    pub ephemeral: bool,
    /// Advise the kernel to map it with huge pages.
    pub huge_pages: bool,
    /// Creation, in nanoseconds since 1970.
    pub created_ns: u64,
    /// `None`: raw bytes.
    pub message_type: Option<MessageType>,
    /// How often a message may be delivered.
    pub deliveries: DeliveryLimit,
}

impl Header {
    /// The bytes to write at the start of the segment.
    pub fn encode(&self) -> [u8; HEADER_LEN] {
        let mut out = Writer([0; HEADER_LEN]);
        let request = &self.geometry.request;
        out.u64(at::MAGIC, MAGIC);
        out.u32(at::ENDIAN, ENDIAN);
        out.u32(at::VERSION, VERSION);
        out.bytes(at::ID, &self.id.to_ne_bytes());
        out.u32(at::KIND, KIND_QUEUE);
        out.u32(at::FLAGS, self.flags());
        out.u64(at::CAPACITY, request.capacity);
        out.u64(at::MAX_LEN, request.max_len);
        out.u64(at::ALIGN, request.align);
        out.u64(at::PAYLOAD_OFFSET, self.geometry.payload_offset);
        out.u64(at::WORD_STRIDE, self.geometry.word_stride);
        out.u64(at::PAYLOAD_STRIDE, self.geometry.payload_stride);
        out.u32(at::SENDERS, request.senders as u32);
        out.u32(at::RECEIVERS, request.receivers as u32);
        let (policy, deadline_ns) = encode_when_full(request.when_full);
        out.u32(at::WHEN_FULL, policy);
        out.u32(at::ROWS, self.geometry.rows as u32);
        out.u64(at::SLOTS_OFFSET, self.geometry.slots_offset);
        out.u64(at::TOTAL, self.geometry.total);
        out.u64(at::DEADLINE_NS, deadline_ns);
        out.u64(at::CREATED_NS, self.created_ns);
        if let Some(message_type) = &self.message_type {
            let name = cut(&message_type.name, TYPE_NAME_MAX);
            out.u64(at::TYPE_HASH, message_type.hash);
            out.u32(at::TYPE_NAME_LEN, name.len() as u32);
            out.bytes(at::TYPE_NAME, name.as_bytes());
        }
        out.u32(at::MAX_DELIVERIES, self.deliveries.most);
        if let Some(name) = &self.deliveries.dead_letter {
            let name = cut(name, LONGEST_NAME);
            out.u32(at::DEAD_LETTER_LEN, name.len() as u32);
            out.bytes(at::DEAD_LETTER, name.as_bytes());
        }
        let print = fingerprint(&out.0[..at::FINGERPRINT]);
        out.u64(at::FINGERPRINT, print);
        out.0
    }

    /// Reads and checks the bytes at the start of a segment.
    pub fn decode(bytes: &[u8; HEADER_LEN]) -> Result<Self, Fault> {
        let bytes = Reader(bytes);
        bytes.identity()?;
        let flags = bytes.u32(at::FLAGS);
        expect("flags (known bits only)", u64::from(flags & KNOWN_FLAGS), u64::from(flags))?;
        let geometry = bytes.geometry(flags)?;
        let message_type = bytes.message_type()?;
        let deliveries = bytes.delivery_limit()?;
        let reserved = (at::RESERVED..at::TYPE_NAME_LEN).chain(at::MORE_RESERVED..at::FINGERPRINT);
        for offset in reserved.step_by(4) {
            expect("reserved bytes", 0, u64::from(bytes.u32(offset)))?;
        }
        let print = fingerprint(&bytes.0[..at::FINGERPRINT]);
        expect("fingerprint of the header", print, bytes.u64(at::FINGERPRINT))?;
        Ok(Self {
            id: bytes.id(),
            geometry,
            ephemeral: flags & FLAG_EPHEMERAL != 0,
            huge_pages: flags & FLAG_HUGE_PAGES != 0,
            created_ns: bytes.u64(at::CREATED_NS),
            message_type,
            deliveries,
        })
    }

    fn flags(&self) -> u32 {
        let flag = |set, bit| if set { bit } else { 0 };
        flag(self.geometry.request.fixed_len, FLAG_FIXED_LEN)
            | flag(self.ephemeral, FLAG_EPHEMERAL)
            | flag(self.huge_pages, FLAG_HUGE_PAGES)
            | flag(self.geometry.request.packed, FLAG_PACKED)
    }
}

/// 64-bit FNV-1a: tells names and headers apart; no protection against an adversary.
/// Source: Fowler, Noll, Vo, Eastlake, "The FNV Non-Cryptographic Hash Algorithm", IETF draft-eastlake-fnv.
pub const fn fingerprint(bytes: &[u8]) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    let mut i = 0;
    while i < bytes.len() {
        hash = (hash ^ bytes[i] as u64).wrapping_mul(0x0000_0100_0000_01b3);
        i += 1;
    }
    hash
}

struct Writer([u8; HEADER_LEN]);

impl Writer {
    fn bytes(&mut self, offset: usize, value: &[u8]) {
        self.0[offset..offset + value.len()].copy_from_slice(value);
    }
    fn u32(&mut self, offset: usize, value: u32) {
        self.bytes(offset, &value.to_ne_bytes());
    }
    fn u64(&mut self, offset: usize, value: u64) {
        self.bytes(offset, &value.to_ne_bytes());
    }
}

struct Reader<'a>(&'a [u8; HEADER_LEN]);

impl Reader<'_> {
    fn array<const N: usize>(&self, offset: usize) -> [u8; N] {
        let mut out = [0; N];
        out.copy_from_slice(&self.0[offset..offset + N]);
        out
    }
    fn u32(&self, offset: usize) -> u32 {
        u32::from_ne_bytes(self.array(offset))
    }
    fn u64(&self, offset: usize) -> u64 {
        u64::from_ne_bytes(self.array(offset))
    }
    fn id(&self) -> u128 {
        u128::from_ne_bytes(self.array(at::ID))
    }

    /// Magic, byte order, version and kind: whether the rest may be interpreted at all.
    fn identity(&self) -> Result<(), Fault> {
        let swapped = self.u64(at::MAGIC) == MAGIC.swap_bytes();
        if swapped || (self.u64(at::MAGIC) == MAGIC && self.u32(at::ENDIAN) == ENDIAN.swap_bytes()) {
            return Err(Fault::incompatible("byte order", ENDIAN.into(), self.u32(at::ENDIAN).into()));
        }
        expect("magic", MAGIC, self.u64(at::MAGIC))?;
        expect("byte order mark", ENDIAN.into(), self.u32(at::ENDIAN).into())?;
        if self.u32(at::VERSION) != VERSION {
            return Err(Fault::incompatible("format version", VERSION.into(), self.u32(at::VERSION).into()));
        }
        if self.u32(at::KIND) != KIND_QUEUE {
            return Err(Fault::incompatible("kind of segment", KIND_QUEUE.into(), self.u32(at::KIND).into()));
        }
        Ok(())
    }

    /// Plans the geometry anew from the request and compares every derived value with the stored one.
    fn geometry(&self, flags: u32) -> Result<Geometry, Fault> {
        let rows = u64::from(self.u32(at::ROWS));
        let request = Request {
            capacity: self.u64(at::CAPACITY),
            max_len: self.u64(at::MAX_LEN),
            align: self.u64(at::ALIGN),
            fixed_len: flags & FLAG_FIXED_LEN != 0,
            packed: flags & FLAG_PACKED != 0,
            senders: decode_ends("senders", self.u32(at::SENDERS))?,
            receivers: decode_ends("receivers", self.u32(at::RECEIVERS))?,
            when_full: self.when_full()?,
            endpoints: rows.saturating_sub(super::geometry::FIXED_ROWS),
        };
        let plan = Geometry::plan(request).map_err(|e| {
            let nearest = e.found.clamp(e.least, e.most);
            Fault::corrupt(e.what, nearest, e.found)
        })?;
        expect("capacity", plan.request.capacity, request.capacity)?;
        expect("payload offset", plan.payload_offset, self.u64(at::PAYLOAD_OFFSET))?;
        expect("stride of words", plan.word_stride, self.u64(at::WORD_STRIDE))?;
        expect("stride of payloads", plan.payload_stride, self.u64(at::PAYLOAD_STRIDE))?;
        expect("rows", plan.rows, rows)?;
        expect("slots offset", plan.slots_offset, self.u64(at::SLOTS_OFFSET))?;
        expect("total size", plan.total, self.u64(at::TOTAL))?;
        Ok(plan)
    }

    fn when_full(&self) -> Result<WhenFull, Fault> {
        let deadline_ns = self.u64(at::DEADLINE_NS);
        let policy = match self.u32(at::WHEN_FULL) {
            1 => WhenFull::Block,
            2 => return Ok(WhenFull::Deadline(Duration::from_nanos(deadline_ns))),
            3 => WhenFull::Fail,
            4 => WhenFull::Overwrite,
            other => return Err(Fault::corrupt("policy when full (1 to 4)", 1, other.into())),
        };
        expect("deadline of a policy without one", 0, deadline_ns)?;
        Ok(policy)
    }

    fn message_type(&self) -> Result<Option<MessageType>, Fault> {
        let hash = self.u64(at::TYPE_HASH);
        let len = self.u32(at::TYPE_NAME_LEN) as usize;
        if len > TYPE_NAME_MAX || (hash == 0 && len != 0) {
            return Err(Fault::corrupt("length of the message type's name", 0, len as u64));
        }
        if hash == 0 {
            return Ok(None);
        }
        let bytes = &self.0[at::TYPE_NAME..at::TYPE_NAME + len];
        let name = core::str::from_utf8(bytes)
            .map_err(|e| Fault::corrupt("UTF-8 of the message type's name", len as u64, e.valid_up_to() as u64))?;
        Ok(Some(MessageType { name: name.to_owned(), hash }))
    }
}

impl Reader<'_> {
    fn delivery_limit(&self) -> Result<DeliveryLimit, Fault> {
        let most = self.u32(at::MAX_DELIVERIES);
        expect("most deliveries (0 to 30)", u64::from(most.min(MOST_DELIVERIES)), u64::from(most))?;
        let len = self.u32(at::DEAD_LETTER_LEN) as usize;
        if len > LONGEST_NAME || (most == 0 && len != 0) {
            return Err(Fault::corrupt("length of the dead-letter queue's name", 0, len as u64));
        }
        let (bytes, behind) = self.0[at::DEAD_LETTER..at::MORE_RESERVED].split_at(len);
        let stray = behind.iter().filter(|byte| **byte != 0).count();
        expect("bytes behind the dead-letter queue's name", 0, stray as u64)?;
        if len == 0 {
            return Ok(DeliveryLimit { most, dead_letter: None });
        }
        // Checked names are ASCII.
        match core::str::from_utf8(bytes) {
            Ok(name) if why_no_name(bytes).is_none() => Ok(DeliveryLimit { most, dead_letter: Some(name.to_owned()) }),
            _ => Err(Fault::corrupt("dead-letter queue's name (1: is a name)", 1, 0)),
        }
    }
}

fn encode_when_full(when_full: WhenFull) -> (u32, u64) {
    match when_full {
        WhenFull::Block => (1, 0),
        WhenFull::Deadline(limit) => (2, u64::try_from(limit.as_nanos()).unwrap_or(u64::MAX)),
        WhenFull::Fail => (3, 0),
        WhenFull::Overwrite => (4, 0),
    }
}

fn decode_ends(what: &'static str, value: u32) -> Result<Ends, Fault> {
    match value {
        1 => Ok(Ends::Single),
        2 => Ok(Ends::Multi),
        other => Err(Fault::corrupt(what, Ends::Multi as u64, other.into())),
    }
}

fn expect(what: &'static str, expected: u64, found: u64) -> Result<(), Fault> {
    if expected == found { Ok(()) } else { Err(Fault::corrupt(what, expected, found)) }
}

/// The longest prefix of `name` that has at most `most` bytes and ends between characters.
fn cut(name: &str, most: usize) -> &str {
    let mut end = name.len().min(most);
    while !name.is_char_boundary(end) {
        end -= 1;
    }
    &name[..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header() -> Header {
        let geometry = Geometry::plan(Request {
            capacity: 128,
            max_len: 48,
            align: 8,
            fixed_len: false,
            packed: false,
            senders: Ends::Single,
            receivers: Ends::Multi,
            when_full: WhenFull::Deadline(Duration::from_millis(5)),
            endpoints: 64,
        })
        .unwrap();
        let message_type = Some(MessageType { name: "demo::Tick".into(), hash: fingerprint(b"demo::Tick") });
        let deliveries = DeliveryLimit { most: 3, dead_letter: Some("x".repeat(200)) };
        Header { id: 7, geometry, ephemeral: true, huge_pages: false, created_ns: 9, message_type, deliveries }
    }

    /// Of a packed queue of raw bytes.
    fn packed() -> Header {
        let Header { geometry, .. } = header();
        let one_to_one = Request { receivers: Ends::Single, fixed_len: true, packed: true, ..geometry.request };
        let geometry = Geometry::plan(one_to_one).unwrap();
        Header { geometry, message_type: None, ..header() }
    }

    #[test]
    fn what_is_written_is_read() {
        for header in [header(), packed()] {
            assert_eq!(Header::decode(&header.encode()).unwrap(), header);
        }
        assert!(Header::decode(&packed().encode()).unwrap().geometry.request.packed);
    }

    #[test]
    fn every_changed_bit_is_noticed() {
        for good in [header().encode(), packed().encode()] {
            for bit in 0..HEADER_LEN * 8 {
                let mut bad = good;
                bad[bit / 8] ^= 1 << (bit % 8);
                let fault = Header::decode(&bad).expect_err("a changed bit was believed");
                assert_ne!(fault.expected, fault.found, "bit {bit}: {fault:?}");
            }
        }
    }

    /// The fingerprint is right here: what is refused does not fit together.
    #[test]
    fn a_packed_queue_that_cannot_be_one_is_refused() {
        let bytes = packed().encode();
        let flags = u32::from_ne_bytes(bytes[at::FLAGS..at::FLAGS + 4].try_into().unwrap());
        let changed = |at: usize, value: u32| {
            let mut bytes = bytes;
            bytes[at..at + 4].copy_from_slice(&value.to_ne_bytes());
            let print = fingerprint(&bytes[..at::FINGERPRINT]);
            bytes[at::FINGERPRINT..].copy_from_slice(&print.to_ne_bytes());
            Header::decode(&bytes)
        };
        assert!(changed(at::FLAGS, flags).is_ok());
        let refused = [
            (at::FLAGS, flags & !FLAG_PACKED),
            (at::FLAGS, flags & !FLAG_FIXED_LEN),
            (at::FLAGS, flags | (KNOWN_FLAGS + 1)),
            (at::SENDERS, Ends::Multi as u32),
            (at::RECEIVERS, Ends::Multi as u32),
        ];
        for (at, value) in refused {
            let fault = changed(at, value).expect_err("nonsense was believed");
            assert!(fault.corrupt && fault.expected != fault.found, "{at}: {fault:?}");
        }
    }

    #[test]
    fn nonsense_about_deliveries_is_refused() {
        let limit = |most, name: Option<&str>| {
            let deliveries = DeliveryLimit { most, dead_letter: name.map(str::to_owned) };
            Header::decode(&Header { deliveries, ..header() }.encode())
        };
        for (most, name) in [(0, None), (1, None), (30, Some("a")), (1, Some("dead.letters"))] {
            assert!(limit(most, name).is_ok());
        }
        for (most, name) in [(31, None), (u32::MAX, None), (0, Some("a")), (1, Some("a/b")), (1, Some(".."))] {
            let fault = limit(most, name).unwrap_err();
            assert!(fault.corrupt && fault.expected != fault.found, "{fault:?}");
        }
    }

    #[test]
    fn another_version_or_byte_order_is_incompatible_not_corrupt() {
        let mut newer = header().encode();
        newer[at::VERSION..at::VERSION + 4].copy_from_slice(&(VERSION + 1).to_ne_bytes());
        assert!(!Header::decode(&newer).unwrap_err().corrupt);
        let mut swapped = header().encode();
        swapped[at::MAGIC..at::MAGIC + 8].reverse();
        swapped[at::ENDIAN..at::ENDIAN + 4].reverse();
        assert!(!Header::decode(&swapped).unwrap_err().corrupt);
    }

    #[test]
    fn fnv_matches_the_published_vectors() {
        assert_eq!(fingerprint(b""), 0xcbf2_9ce4_8422_2325);
        assert_eq!(fingerprint(b"a"), 0xaf63_dc4c_8601_ec8c);
        assert_eq!(fingerprint(b"foobar"), 0x8594_4171_f739_67e8);
    }
}
