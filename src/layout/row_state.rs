//! What the lower bits of a row's state word say.

/// What a row is used for at the moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RowState {
    /// Nobody's.
    Free = 0,
    /// An endpoint's; whether that lives, its lock tells.
    Joined = 1,
    /// A dead endpoint's, under repair by whoever holds its lock.
    Recovering = 2,
}

impl RowState {
    /// The state in the lower 8 bits of a row's state word, or `None` for bits that no correct process writes.
    pub fn of(bits: u64) -> Option<Self> {
        match bits & 0xff {
            0 => Some(Self::Free),
            1 => Some(Self::Joined),
            2 => Some(Self::Recovering),
            _ => None,
        }
    }
}
