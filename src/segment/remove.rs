//! Removing a segment: mark it, free the name, wake everyone.

use std::os::unix::fs::MetadataExt;

use super::Segment;
use super::access::{Accept, may_unlink};
use super::name::Name;
use super::open::open_owned;
use crate::error::{OpenError, OsError, RemoveError};
use crate::layout::control::{Control, Event};
use crate::os::{futex, shm};
use crate::sync::Ordering;

/// What a wake-up adds to an event's word: its lowest bit is a flag.
const ONE_WAKE_UP: u32 = 2;

/// Removes the segment that has the name. Those who hold it keep their memory, are woken, and see that it is removed.
/// A damaged one, or one of another version, loses its name.
///
/// # Errors
/// Nothing has the name, it is not a segment of a user whom we accept, only its owner may remove it, or the system
/// refuses. What is not ours is never deleted.
pub(crate) fn remove(name: &Name, accept: &Accept) -> Result<(), RemoveError> {
    let (file, meta) = open_owned(name, accept).map_err(cannot_open)?;
    if !may_unlink(meta.uid()) {
        return Err(RemoveError::NotPermitted { name: name.as_str().to_owned() });
    }
    match Segment::open(name, accept) {
        Ok(segment) => remove_open(name, &segment),
        // Not to be understood, or stuck half-way in its removal: what remains is to free the name.
        Err(OpenError::Fault(_) | OpenError::InvalidMode { .. } | OpenError::Removed { .. }) => {
            unlink(name, &file).map(drop)
        }
        // Gone since we looked, or about to be.
        Err(error) => Err(cannot_open(error)),
    }
}

fn remove_open(name: &Name, segment: &Segment) -> Result<(), RemoveError> {
    let control = segment.control();
    // Relaxed: the wake-ups below publish it to those who sleep, the members lock to those who join.
    control.signals.removed.store(1, Ordering::Relaxed);
    let unlinked = segment.file().map_or(Ok(false), |file| unlink(name, file));
    // Even when the name could not be freed: the segment is marked.
    announce(control);
    unlinked.map(drop)
}

/// Makes everyone who sleeps, or is about to, look at the signals again.
fn announce(control: &Control) {
    wake_all(&control.signals.not_empty);
    wake_all(&control.signals.not_full);
}

fn wake_all(event: &Event) {
    // Release: removal, pairs with mark
    event.word.fetch_add(ONE_WAKE_UP, Ordering::Release);
    futex::wake(&event.word, u32::MAX);
}

fn unlink(name: &Name, file: &std::fs::File) -> Result<bool, RemoveError> {
    shm::unlink_if_same(name.as_str(), file).map_err(|e: OsError| match e.errno {
        libc::EACCES | libc::EPERM => RemoveError::NotPermitted { name: name.as_str().to_owned() },
        _ => RemoveError::Os(e),
    })
}

fn cannot_open(error: OpenError) -> RemoveError {
    match error {
        OpenError::InvalidName(e) => RemoveError::InvalidName(e),
        OpenError::NotFound { name } | OpenError::Removed { name } => RemoveError::NotFound { name },
        OpenError::NameTaken { name, uid, why } => RemoveError::NameTaken { name, uid, why },
        OpenError::NotPermitted { name } => RemoveError::NotPermitted { name },
        OpenError::Os(e) => RemoveError::Os(e),
        // Both are what removal tolerates; `remove` never hands them here.
        OpenError::Fault(_) | OpenError::InvalidMode { .. } => {
            RemoveError::Os(OsError { call: "open", errno: libc::EIO })
        }
    }
}
