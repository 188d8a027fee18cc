//! Opening a segment: believe nothing until it is checked, in an order in which each check protects the next.

use std::fs::{File, Metadata};
use std::os::unix::fs::{FileExt, FileTypeExt, MetadataExt};
use std::time::Duration;

use super::Segment;
use super::access::{Accept, mode_is_sound};
use super::mapping::Region;
use super::members::Membership;
use super::name::Name;
use crate::error::{Fault, OpenError, OsError};
use crate::layout::header::{HEADER_LEN, Header};
use crate::os::{failed_io, fork, shm};

/// How often what has the name may be replaced or removed while we open it.
const TRIES: u32 = 16;
const PAUSE: Duration = Duration::from_millis(1);

impl Segment {
    /// Opens the segment that has the name.
    ///
    /// # Errors
    /// Nothing has the name, something else has it, it is of a user whom we do not accept, it is damaged or of
    /// another version, it is being removed, or the system refuses.
    pub(crate) fn open(name: &Name, accept: &Accept) -> Result<Self, OpenError> {
        Self::try_to_open(name, accept, open_once)
    }

    /// The same for those who only look: no lock, so it neither keeps an ephemeral segment nor removes it.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub(crate) fn observe(name: &Name, accept: &Accept) -> Result<Self, OpenError> {
        Self::try_to_open(name, accept, observe_once)
    }

    fn try_to_open(name: &Name, accept: &Accept, once: Way) -> Result<Self, OpenError> {
        let mut lost = OpenError::NotFound { name: name.as_str().to_owned() };
        for _ in 0..TRIES {
            match once(name, accept)? {
                Attempt::Opened(segment) => return Ok(*segment),
                Attempt::Replaced => {}
                Attempt::Removed => lost = OpenError::Removed { name: name.as_str().to_owned() },
            }
            std::thread::sleep(PAUSE);
        }
        Err(lost)
    }
}

/// One attempt, as a member or as one who only looks.
type Way = fn(&Name, &Accept) -> Result<Attempt, OpenError>;

enum Attempt {
    Opened(Box<Segment>),
    /// Another file has the name now.
    Replaced,
    /// It was marked as removed while it still had the name.
    Removed,
}

fn open_once(name: &Name, accept: &Accept) -> Result<Attempt, OpenError> {
    let (file, meta) = open_file(name, accept)?;
    if meta.nlink() == 0 {
        return Ok(Attempt::Replaced);
    }
    let (header, bytes) = read_header(name, &file, &meta)?;
    let Some(member) = Membership::join(file, name, header.ephemeral)? else {
        return Err(OpenError::Removed { name: name.as_str().to_owned() });
    };
    if member.is_removed()? {
        // Whoever marked it may have died before it came to this.
        return match shm::unlink_if_same(name.as_str(), member.file()) {
            Ok(_) => Ok(Attempt::Removed),
            Err(_) => Err(OpenError::Removed { name: name.as_str().to_owned() }),
        };
    }
    map(name, member, header, &bytes)
}

fn observe_once(name: &Name, accept: &Accept) -> Result<Attempt, OpenError> {
    let (file, meta) = open_file(name, accept)?;
    if meta.nlink() == 0 {
        return Ok(Attempt::Replaced);
    }
    let (header, bytes) = read_header(name, &file, &meta)?;
    let member = Membership::observer(file, name);
    if member.is_removed()? {
        return Ok(Attempt::Removed);
    }
    map(name, member, header, &bytes)
}

fn map(name: &Name, member: Membership, header: Header, bytes: &[u8; HEADER_LEN]) -> Result<Attempt, OpenError> {
    let region = match Region::map(name, header.geometry.total) {
        Ok(region) => region,
        Err(e) if e.errno == libc::ESTALE || !shm::is_name_of(name.as_str(), member.file()) => {
            return Ok(Attempt::Replaced);
        }
        Err(e) => return Err(e.into()),
    };
    // The mapping was made by name. The header has 128 random bits that only those know who may read our file, and
    // they are the same as those who may write it; so equal bytes are the same file.
    if region.header_bytes() != *bytes {
        return Ok(Attempt::Replaced);
    }
    if header.huge_pages {
        region.advise_huge();
    }
    Ok(Attempt::Opened(Box::new(Segment { header, region, member: Some(member), generation: fork::generation() })))
}

/// The header of what has the name, without joining it. For those who only look.
pub(super) fn inspect(name: &Name, accept: &Accept) -> Result<Header, OpenError> {
    let (file, meta) = open_file(name, accept)?;
    Ok(read_header(name, &file, &meta)?.0)
}

fn open_file(name: &Name, accept: &Accept) -> Result<(File, Metadata), OpenError> {
    let (file, meta) = open_owned(name, accept)?;
    let mode = meta.mode() & 0o7777;
    if mode_is_sound(mode) { Ok((file, meta)) } else { Err(OpenError::InvalidMode { mode }) }
}

/// Opens what has the name if it is a regular file of an accepted user, whatever is in it.
pub(super) fn open_owned(name: &Name, accept: &Accept) -> Result<(File, Metadata), OpenError> {
    let file = shm::open_existing(name.as_str()).map_err(|e| cannot_open(name, accept, e))?;
    let meta = shm::status(&file)?;
    match not_ours(name, accept, &meta) {
        Some(error) => Err(error),
        None => Ok((file, meta)),
    }
}

/// What is wrong with a thing of this kind and owner.
fn not_ours(name: &Name, accept: &Accept, meta: &Metadata) -> Option<OpenError> {
    let why = match kind(meta) {
        Some(kind) => kind,
        None if accept.accepts(meta.uid()) => return None,
        None => "a file of a user who is not accepted",
    };
    Some(OpenError::NameTaken { name: name.as_str().to_owned(), uid: meta.uid(), why })
}

/// What it is if it is not a regular file.
fn kind(meta: &Metadata) -> Option<&'static str> {
    let kind = meta.file_type();
    if kind.is_file() {
        None
    } else if kind.is_symlink() {
        Some("a symbolic link")
    } else if kind.is_dir() {
        Some("a directory")
    } else if kind.is_fifo() {
        Some("a FIFO")
    } else {
        Some("a device or a socket")
    }
}

/// Why it could not be opened: the system's answer depends on what it is, so that is looked at first.
fn cannot_open(name: &Name, accept: &Accept, error: OsError) -> OpenError {
    let owned = || name.as_str().to_owned();
    if error.errno == libc::ENOENT {
        return OpenError::NotFound { name: owned() };
    }
    if let Some(taken) = shm::look(name.as_str()).ok().and_then(|meta| not_ours(name, accept, &meta)) {
        return taken;
    }
    match error.errno {
        libc::EACCES | libc::EPERM => OpenError::NotPermitted { name: owned() },
        _ => OpenError::Os(error),
    }
}

fn read_header(name: &Name, file: &File, meta: &Metadata) -> Result<(Header, [u8; HEADER_LEN]), OpenError> {
    if meta.len() < HEADER_LEN as u64 {
        return Err(Fault::corrupt("least size of the file in bytes", HEADER_LEN as u64, meta.len()).into());
    }
    let mut bytes = [0; HEADER_LEN];
    file.read_exact_at(&mut bytes, 0).map_err(|e| failed_io("pread", &e))?;
    let header = Header::decode(&bytes)?;
    if meta.len() != header.geometry.total {
        return Err(Fault::corrupt("size of the file in bytes", header.geometry.total, meta.len()).into());
    }
    if header.deliveries.dead_letter.as_deref() == Some(name.as_str()) {
        return Err(Fault::corrupt("dead-letter queue's name (1: another queue's)", 1, 0).into());
    }
    Ok((header, bytes))
}
