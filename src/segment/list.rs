//! Which segments there are.

use super::access::Accept;
use super::name::Name;
use super::open::inspect;
use crate::error::{OpenError, OsError};
use crate::layout::header::Header;
use crate::os::shm;

/// A segment, or something that has the name of one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Listed {
    /// Its name.
    pub(crate) name: Name,
    /// What it is, or why it cannot be opened.
    pub(crate) found: Result<Header, OpenError>,
}

/// All segments, sorted by name. Only looks: joins none, so it neither keeps nor removes any.
///
/// # Errors
/// The shared-memory file system cannot be read.
pub(crate) fn list(accept: &Accept) -> Result<Vec<Listed>, OsError> {
    let names = shm::list()?.into_iter().filter_map(|name| Name::new(&name).ok());
    let mut all: Vec<Listed> = names.map(|name| Listed { found: inspect(&name, accept), name }).collect();
    // Gone between the two looks.
    all.retain(|listed| !matches!(listed.found, Err(OpenError::NotFound { .. })));
    Ok(all)
}
