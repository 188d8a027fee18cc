//! Temporary files of makers that died before they could give them a name.

use std::fs::File;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::{failed_io, identity, lock, shm};
use crate::error::OsError;

pub(super) const PREFIX: &str = ".ringpost.tmp.";
/// A file that is younger may be one whose maker has not locked it yet.
pub(super) const AGE: Duration = Duration::from_secs(60);

/// A temporary file, at work or left over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Leftover {
    /// Its file name.
    pub(crate) name: String,
    /// Bytes.
    pub(crate) bytes: u64,
    /// Since it was last written to.
    pub(crate) age: Duration,
    /// Whether its maker lives: whether somebody has its lock.
    pub(crate) maker_alive: bool,
    /// Whether it is this user's.
    pub(crate) ours: bool,
}

impl Leftover {
    /// Whether it may be removed: by its owner, when its maker is dead and had time to lock it.
    pub(crate) fn is_garbage(&self) -> bool {
        self.ours && !self.maker_alive && self.age >= AGE
    }
}

/// All temporary files, sorted by name. What cannot be looked at is left out.
pub(crate) fn list() -> Result<Vec<Leftover>, OsError> {
    let mut all = Vec::new();
    for entry in std::fs::read_dir(shm::DIRECTORY).map_err(|e| failed_io("opendir", &e))? {
        let entry = entry.map_err(|e| failed_io("readdir", &e))?;
        let file_name = entry.file_name();
        if let Some(name) = file_name.to_str().filter(|name| name.starts_with(PREFIX)) {
            all.extend(look(name, &entry.path()).ok().flatten().map(|(_, found)| found));
        }
    }
    all.sort_unstable_by(|one, other| one.name.cmp(&other.name));
    Ok(all)
}

/// Removes the temporary file of that name if it may be removed. Returns whether it did.
pub(crate) fn remove(name: &str) -> std::io::Result<bool> {
    let path = PathBuf::from(format!("{}/{name}", shm::DIRECTORY));
    let Some((file, found)) = look(name, &path)? else { return Ok(false) };
    // The lock is given back with the file: nobody else judges it at the same time.
    if !found.is_garbage() || !lock::try_write(&file, shm::MEMBERS_BYTE).unwrap_or(false) {
        return Ok(false);
    }
    // Its maker is dead, so the random name is nobody else's now.
    if !shm::same(&std::fs::symlink_metadata(&path)?, &file.metadata()?) {
        return Ok(false);
    }
    std::fs::remove_file(path).map(|()| true)
}

/// `None`: not a regular file.
fn look(name: &str, path: &Path) -> std::io::Result<Option<(File, Leftover)>> {
    let file = shm::open_quietly(path)?;
    let meta = file.metadata()?;
    if !meta.is_file() {
        return Ok(None);
    }
    let age = SystemTime::now().duration_since(meta.modified()?).unwrap_or_default();
    let ours = meta.uid() == identity::effective_uid();
    // What cannot be found out must not pass for a death.
    let maker_alive = lock::is_locked_by_other(&file, shm::MEMBERS_BYTE).unwrap_or(true);
    let found = Leftover { name: name.to_owned(), bytes: meta.len(), age, maker_alive, ours };
    Ok(Some((file, found)))
}
