//! Whose segments are accepted, and with which permissions.

use crate::os::identity;

/// Whose queues may be opened and removed: our own and root's, and those of users that are named here. A queue that
/// anybody else made might be a trap.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Accept {
    owners: Vec<u32>,
}

impl Accept {
    /// Accepts the queues of this user, too.
    #[must_use]
    pub fn owner(mut self, uid: u32) -> Self {
        self.owners.push(uid);
        self
    }

    /// Whether a segment of this user is accepted.
    pub(super) fn accepts(&self, uid: u32) -> bool {
        uid == 0 || uid == identity::effective_uid() || self.owners.contains(&uid)
    }
}

/// Whether this process may free the name of a file of this user: the shared-memory directory is sticky. Asked before a
/// segment is marked as removed, because a mark without the unlinking would only lock everyone out.
pub(super) fn may_unlink(owner: u32) -> bool {
    let euid = identity::effective_uid();
    euid == owner || euid == 0
}

/// Whether these permission bits give the owner reading and writing, and group and others both or neither. A reader
/// who may not write could take locks and so keep everyone out.
pub(super) fn mode_is_sound(mode: u32) -> bool {
    let both_or_neither = |class: u32| matches!(class & 7, 0 | 6);
    mode & !0o666 == 0 && mode & 0o600 == 0o600 && both_or_neither(mode >> 3) && both_or_neither(mode)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn readers_are_writers() {
        let sound: Vec<u32> = (0..=0o7777).filter(|&mode| mode_is_sound(mode)).collect();
        assert_eq!(sound, [0o600, 0o606, 0o660, 0o666]);
    }
}
