//! Names of segments.

use core::fmt;

use crate::error::InvalidName;
use crate::layout::name::why_no_name;

/// A checked name: 1 to 200 of `A-Z a-z 0-9 . _ -`, beginning with a letter or a digit.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Name(String);

impl Name {
    /// Checks a name.
    ///
    /// # Errors
    /// It is empty, too long, begins with something else than a letter or digit, or has another character in it.
    pub(crate) fn new(name: &str) -> Result<Self, InvalidName> {
        if let Some(why) = why_no_name(name.as_bytes()) {
            return Err(InvalidName { name: name.to_owned(), why });
        }
        Ok(Self(name.to_owned()))
    }

    /// The name as given.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn good_names_pass() {
        for name in ["a", "0", "ticks", "a.b_c-D9", "a..", &"x".repeat(200)] {
            assert_eq!(Name::new(name).unwrap().as_str(), name);
        }
    }

    #[test]
    fn bad_names_say_why() {
        for (name, why) in [
            ("", "empty"),
            (".", "first"),
            ("..", "first"),
            ("-a", "first"),
            ("/a", "first"),
            ("a/b", "not allowed"),
            ("a/../b", "not allowed"),
            ("a b", "not allowed"),
            ("a\0b", "not allowed"),
            ("ä", "first"),
            ("aä", "not allowed"),
            (&"x".repeat(201), "too long"),
        ] {
            let error = Name::new(name).unwrap_err();
            assert!(error.why.contains(why), "{name:?}: {error}");
        }
    }
}
