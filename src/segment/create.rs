//! Making a segment: everything is ready before the name exists.

use std::os::unix::fs::FileExt;

use super::Segment;
use super::access::mode_is_sound;
use super::mapping::Region;
use super::members::Membership;
use super::name::Name;
use crate::error::{CreateError, InvalidName, OsError, OutOfRange};
use crate::layout::geometry::{Geometry, Request};
use crate::layout::header::{DeliveryLimit, HEADER_LEN, Header, MOST_DELIVERIES, MessageType};
use crate::os::draft::{self, Draft, DraftError};
use crate::os::{failed_io, fork, identity, shm};

/// How often the name may be lost to somebody who removes our segment while we are making it.
const TRIES: u32 = 8;

/// What to make.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Spec {
    /// What it is to hold.
    pub(crate) request: Request,
    /// Permission bits of the file.
    pub(crate) mode: u32,
    /// Whether the last one out removes it.
    pub(crate) ephemeral: bool,
    /// Whether to ask for huge pages.
    pub(crate) huge_pages: bool,
    /// Whether to make every page present at once.
    pub(crate) prefault: bool,
    /// The type of its messages; `None`: raw bytes.
    pub(crate) message_type: Option<MessageType>,
    /// How often a message may be delivered.
    pub(crate) deliveries: DeliveryLimit,
}

impl Spec {
    /// For this user alone, kept until it is removed, without hints, for raw bytes.
    #[cfg(test)]
    pub(crate) fn new(request: Request) -> Self {
        let deliveries = DeliveryLimit::default();
        Self {
            request,
            mode: 0o600,
            ephemeral: false,
            huge_pages: false,
            prefault: false,
            message_type: None,
            deliveries,
        }
    }

    fn header(&self) -> Result<Header, CreateError> {
        if self.message_type.as_ref().is_some_and(|message_type| message_type.hash == 0) {
            let what = "hash of the message type";
            return Err(OutOfRange { what, found: 0, least: 1, most: u64::MAX, remedy: OutOfRange::CHANGE }.into());
        }
        check_deliveries(&self.deliveries)?;
        Ok(Header {
            id: identity::random_128()?,
            geometry: Geometry::plan(self.request)?,
            ephemeral: self.ephemeral,
            huge_pages: self.huge_pages,
            created_ns: identity::realtime_ns(),
            message_type: self.message_type.clone(),
            deliveries: self.deliveries.clone(),
        })
    }
}

/// A limit in its range, and a name that a queue can have.
fn check_deliveries(limit: &DeliveryLimit) -> Result<(), CreateError> {
    let least = u32::from(limit.dead_letter.is_some());
    if !(least..=MOST_DELIVERIES).contains(&limit.most) {
        let (found, least, most) = (limit.most.into(), 1, MOST_DELIVERIES.into());
        return Err(OutOfRange { what: "max_deliveries", found, least, most, remedy: OutOfRange::CHANGE }.into());
    }
    if let Some(name) = &limit.dead_letter {
        Name::new(name)?;
    }
    Ok(())
}

impl Segment {
    /// Makes a segment and opens it. Others see it whole or not at all.
    ///
    /// # Errors
    /// The options are wrong, something has the name, there is no room, or the system refuses. Nothing is left behind.
    pub(crate) fn create(name: &Name, spec: &Spec) -> Result<Self, CreateError> {
        if !mode_is_sound(spec.mode) {
            return Err(CreateError::InvalidMode { mode: spec.mode });
        }
        if spec.deliveries.dead_letter.as_deref() == Some(name.as_str()) {
            let why = "a queue cannot be its own dead-letter queue";
            return Err(InvalidName { name: name.as_str().to_owned(), why }.into());
        }
        for _ in 0..TRIES {
            if let Some(segment) = create_once(name, spec, draft::create_unnamed)? {
                return Ok(segment);
            }
        }
        // Always removed again at once: whoever does that has the name.
        Err(CreateError::AlreadyExists { name: name.as_str().to_owned() })
    }

    /// The same memory without a file, for the threads of this process.
    ///
    /// # Errors
    /// The options are wrong, or there is no memory (`ENOMEM`).
    pub(crate) fn heap(spec: &Spec) -> Result<Self, CreateError> {
        let header = as_written(spec.header()?);
        let total = header.geometry.total;
        let region = Region::heap(total).ok_or(OsError { call: "alloc", errno: libc::ENOMEM })?;
        Ok(Self { header, region, member: None, generation: fork::generation() })
    }
}

/// One way of making a file: without a name, or with a temporary one.
pub(super) type Way = fn(u32, u64) -> Result<Draft, DraftError>;

/// `None`: made, but removed again by somebody before we had it mapped.
pub(super) fn create_once(name: &Name, spec: &Spec, way: Way) -> Result<Option<Segment>, CreateError> {
    let header = as_written(spec.header()?);
    let bytes = header.encode();
    let publish = |way: Way| -> Result<_, DraftError> {
        let draft = way(spec.mode, header.geometry.total)?;
        draft.file().write_all_at(&bytes, 0).map_err(|e| failed_io("pwrite", &e))?;
        draft.publish(name.as_str())
    };
    let published = match publish(way) {
        Err(DraftError::Unsupported(_)) => publish(draft::create_temporary),
        other => other,
    };
    let file = published.map_err(|e| refused(name, e))?;
    let member = Membership::locked(file, name, spec.ephemeral);
    match map_own(&member, spec, &header, &bytes) {
        Ok(Some(region)) => Ok(Some(Segment { header, region, member: Some(member), generation: fork::generation() })),
        Ok(None) => Ok(None),
        Err(error) => {
            withdraw(&member);
            Err(error.into())
        }
    }
}

/// `None`: the name is not our file's any more.
fn map_own(
    member: &Membership,
    spec: &Spec,
    header: &Header,
    bytes: &[u8; HEADER_LEN],
) -> Result<Option<Region>, OsError> {
    let region = match Region::map(member.name(), header.geometry.total) {
        Ok(region) => region,
        Err(e) if e.errno == libc::ESTALE || !shm::is_name_of(member.name().as_str(), member.file()) => {
            return Ok(None);
        }
        Err(e) => return Err(e),
    };
    if region.header_bytes() != *bytes {
        return Ok(None);
    }
    if header.huge_pages {
        region.advise_huge();
    }
    if spec.prefault {
        region.prefault()?;
    }
    Ok(Some(region))
}

/// Takes back what is published but cannot be used. Others may have opened it already, so it is marked first.
fn withdraw(member: &Membership) {
    // The error that brought us here is the one to report.
    let _ = member.mark_removed();
    let _ = shm::unlink_if_same(member.name().as_str(), member.file());
}

/// The header as every reader will see it: a long type name is cut, a long deadline saturates.
fn as_written(header: Header) -> Header {
    Header::decode(&header.encode()).unwrap_or(header)
}

fn refused(name: &Name, error: DraftError) -> CreateError {
    let name = || name.as_str().to_owned();
    match error {
        DraftError::NoSpace { needed, available } => CreateError::NoSpace { needed, available },
        DraftError::Taken => CreateError::AlreadyExists { name: name() },
        DraftError::Unsupported(e) | DraftError::Os(e) => match e.errno {
            libc::EACCES | libc::EPERM | libc::EROFS => CreateError::NotPermitted { name: name() },
            _ => CreateError::Os(e),
        },
    }
}
