//! What is wrong with a queue that was left behind.

/// The kinds of things that can be wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wrong {
    /// A committed message is not there.
    Lost,
    /// A message is not whole, or there though it was never committed.
    Torn,
    /// A message was delivered twice and does not say so, or says so without cause.
    Doubled,
    /// Messages are not in their order.
    Disordered,
    /// Something fails that must work.
    Stuck,
    /// A slot, a row, a name or a descriptor is not free that should be.
    Leaked,
}

impl Wrong {
    /// All of them, in the order of the report.
    pub const ALL: [Self; 6] = [Self::Lost, Self::Torn, Self::Doubled, Self::Disordered, Self::Stuck, Self::Leaked];

    /// The heading of its column.
    pub fn name(self) -> &'static str {
        match self {
            Self::Lost => "lost",
            Self::Torn => "torn",
            Self::Doubled => "doubled",
            Self::Disordered => "disordered",
            Self::Stuck => "stuck",
            Self::Leaked => "leaked",
        }
    }
}

/// All that one check has found.
#[derive(Clone, Debug, Default)]
pub struct Findings(Vec<(Wrong, String)>);

impl Findings {
    /// Notes something.
    pub fn add(&mut self, wrong: Wrong, text: impl Into<String>) {
        self.0.push((wrong, text.into()));
    }

    /// Whether something of this kind was found.
    pub fn has(&self, wrong: Wrong) -> bool {
        self.0.iter().any(|(kind, _)| *kind == wrong)
    }

    /// Each of them in words.
    pub fn texts(&self) -> impl Iterator<Item = String> {
        self.0.iter().map(|(kind, text)| format!("{}: {text}", kind.name()))
    }
}
